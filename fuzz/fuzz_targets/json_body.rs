//! The reader of JSON bodies beside the form parser: whatever is a flat object of texts to `serde_json` is read as the form of the
//! same pairs is, or refused for the same reason; nothing else is read.
#![no_main]

#[path = "../../src/protocol/wire/json_reference.rs"]
mod json_reference;

use form_urlencoded::Serializer;
use libfuzzer_sys::fuzz_target;
use tower_password_grant::fuzzing;

fuzz_target!(|body: &[u8]| {
    let read = fuzzing::json_form(body);
    match json_reference::parameters(body) {
        Some(pairs) => {
            let form = Serializer::new(String::new()).extend_pairs(pairs).finish();
            assert_eq!(read, fuzzing::form(form.as_bytes()));
        }
        None => assert!(read.is_err(), "{read:?}"),
    }
});
