//! The form parser beside `form_urlencoded`: what it accepts, both read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_password_grant::fuzzing;

const KNOWN: [&str; 9] = [
    "grant_type",
    "username",
    "password",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "refresh_token",
];

fuzz_target!(|body: &[u8]| {
    let Ok(pairs) = fuzzing::form(body) else { return };
    assert!(pairs.len() <= 64);

    // The reference keeps empty values and puts known parameters where they stood; ours come first, without empty ones.
    let reference: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let (known, others): (Vec<_>, Vec<_>) = reference.into_iter().partition(|(name, _)| KNOWN.contains(&name.as_str()));
    let mut expected = Vec::new();
    for name in KNOWN {
        let mut values = known.iter().filter(|(own, _)| own == name);
        expected.extend(values.next().filter(|(_, value)| !value.is_empty()).cloned());
        assert!(values.next().is_none(), "a repeated `{name}` was accepted");
    }
    expected.extend(others);
    assert_eq!(pairs, expected);

    for (name, value) in &pairs {
        // These two are judged where they are used.
        if !["grant_type", "scope"].contains(&name.as_str()) {
            assert!(!value.contains(['\0', '\r', '\n']), "{name}");
        }
    }
});
