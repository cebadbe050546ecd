//! The opener of `mfa_token` and `oob_code`: any text, any bytes behind a good seal, and changed tokens.
//!
//! The last three bytes of the input say which character of a good token is changed, and to what.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use tower_password_grant::fuzzing::{Sealed, open, seal};
use tower_password_grant::mfa::{Factors, SecondFactor};
use tower_password_grant::store::MemoryFactors;
use tower_password_grant::user::SecretKeys;

/// Two keys, as while one is changed. Always the same, so that a seed can be a token.
fn factors() -> &'static SecondFactor {
    static FACTORS: OnceLock<SecondFactor> = OnceLock::new();
    FACTORS.get_or_init(|| {
        let keys = SecretKeys::new("2026-11", [7; 32]).unwrap().with_older("2026-05", [8; 32]).unwrap();
        Factors::new(MemoryFactors::new(), keys).totp("fuzz").into()
    })
}

/// A text that opens is the only one of its value, and what it holds is packed as it was, or means nothing.
fn check(text: &str) {
    for (kind, other) in [(Sealed::Challenge, Sealed::OutOfBand), (Sealed::OutOfBand, Sealed::Challenge)] {
        let Some((plain, again)) = open(factors(), kind, text) else { continue };
        assert!(again.is_none_or(|again| again == plain));
        assert!(text.len() <= 4096 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')));
        assert!(open(factors(), other, text).is_none(), "one kind opens as the other");
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        check(text);
    }
    for kind in [Sealed::Challenge, Sealed::OutOfBand] {
        let Some(text) = seal(factors(), kind, bytes) else { continue };
        check(&text);
        let (plain, _) = open(factors(), kind, &text).expect("a good token opens");
        assert_eq!(plain, bytes);
        let Some([high, low, to]) = bytes.last_chunk::<3>().copied() else { continue };
        let at = usize::from(u16::from_be_bytes([high, low])) % text.len();
        let mut changed = text.clone().into_bytes();
        changed[at] = to;
        if let Ok(changed) = String::from_utf8(changed)
            && changed != text
        {
            assert!(open(factors(), kind, &changed).is_none(), "a changed token opens");
            assert!(open(factors(), kind, &text[..at]).is_none(), "a cut token opens");
        }
    }
});
