//! The `Authorization` parser: any header value, and any credentials behind a well-formed one.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use tower_password_grant::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);

    let mut value = b"Basic ".to_vec();
    value.extend_from_slice(STANDARD.encode(bytes).as_bytes());
    let [_, raw] = check(&value);

    // A raw reading is what stands there, split at the first colon.
    if let Some((id, secret)) = raw {
        assert_eq!(format!("{id}:{secret}").as_bytes(), bytes);
    }

    // Whoever encodes as RFC 6749 section 2.3.1 asks is read exactly.
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (id, secret) = text.split_once('\n').unwrap_or((text, ""));
        let legal = |text: &str, most: usize| text.len() <= most && text.bytes().all(|b| matches!(b, 0x20..=0x7e));
        if !id.is_empty() && legal(id, 256) && legal(secret, 1024) {
            let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let value = format!("Basic {}", STANDARD.encode(format!("{}:{}", form(id), form(secret))));
            let [decoded, _] = fuzzing::basic(value.as_bytes()).expect("a well-formed header is read");
            assert_eq!(decoded, Some((id.to_owned(), secret.to_owned())));
        }
    }
});

fn check(value: &[u8]) -> [Option<fuzzing::Credentials>; 2] {
    let Ok(readings) = fuzzing::basic(value) else { return [None, None] };
    assert!(readings[1].as_ref().is_none_or(|(id, _)| !id.contains(':')));
    for (id, secret) in readings.iter().flatten() {
        assert!(!id.is_empty() && id.len() <= 256 && secret.len() <= 1024);
        assert!(id.bytes().chain(secret.bytes()).all(|b| matches!(b, 0x20..=0x7e)));
    }
    readings
}
