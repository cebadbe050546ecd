//! Codes of authenticator apps (RFC 6238): HMAC-SHA-1, six digits, steps of 30 seconds. Most apps know nothing else.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use totp_rs::Secret;
use zeroize::Zeroizing;

use crate::boundary::factors::tools::NewOtp;
use crate::protocol::secret::secrets::{RandomnessError, fill_random};

/// The length of a step, in seconds.
const STEP: u64 = 30;
const DIGITS: usize = 6;
/// What a code is taken modulo.
const MODULUS: u32 = 1_000_000;
/// As long as what the hash gives (RFC 4226 section 4, R6).
const SECRET: usize = 20;

/// What a code that is none is computed for.
const NO_CODE: u32 = 0;

/// See [`FactorTools::matching_step`](crate::boundary::factors::tools::FactorTools::matching_step).
pub(super) fn matching_step(secret: &[u8], code: &str, now: SystemTime) -> Option<u64> {
    // Made once for both steps: it is a third of the work. Every length is one of a key.
    let keyed = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    let present = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) / STEP;
    fitting_step(present, number(code), |step| code_at(keyed.clone(), step))
}

/// The step whose code was typed, of this one and the one before. Both codes are computed, whatever was typed and whichever fits: the
/// time must not show which one it was. A code that both have spends the later one, or it would be good for the other, too.
fn fitting_step(present: u64, typed: Option<u32>, mut code_of: impl FnMut(u64) -> u32) -> Option<u64> {
    let compared = typed.unwrap_or(NO_CODE);
    let mut fits = |step| bool::from(code_of(step).ct_eq(&compared)).then_some(step);
    let found = [fits(present.saturating_sub(1)), fits(present)];
    found.into_iter().flatten().max().filter(|_| typed.is_some())
}

/// The number that is typed as exactly six ASCII digits.
fn number(code: &str) -> Option<u32> {
    let digits: &[u8; DIGITS] = code.as_bytes().try_into().ok()?;
    digits.iter().try_fold(0_u32, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// The code of a step, as a number (RFC 4226 section 5.3).
fn code_at(keyed: Hmac<Sha1>, step: u64) -> u32 {
    let hash: Zeroizing<[u8; SECRET]> =
        Zeroizing::new(keyed.chain_update(step.to_be_bytes()).finalize().into_bytes().into());
    let offset = hash.last().map_or(0, |last| usize::from(last & 0xf));
    let word = hash.get(offset..).and_then(|rest| rest.first_chunk()).copied().unwrap_or_default();
    (u32::from_be_bytes(word) & 0x7fff_ffff) % MODULUS
}

/// A new secret. `application` and `account` are what the app shows.
pub(super) fn new_otp(application: &str, account: &str) -> Result<NewOtp, RandomnessError> {
    let mut secret = Zeroizing::new(vec![0; SECRET]);
    fill_random(&mut secret)?;
    let text = Zeroizing::new(Secret::from(secret.as_slice()).to_base32());
    let uri = uri(application, account, &text);
    Ok(NewOtp { secret, text, uri })
}

/// The key URI that authenticator apps read from a QR code.
fn uri(application: &str, account: &str, secret: &str) -> Zeroizing<String> {
    let [application, account] = [application, account].map(percent_encoded);
    let parts = [
        "otpauth://totp/",
        &application,
        ":",
        &account,
        "?secret=",
        secret,
        "&issuer=",
        &application,
        "&algorithm=SHA1&digits=6&period=30",
    ];
    // At once, so that no copy of the secret is left behind.
    Zeroizing::new(parts.concat())
}

/// With everything encoded that is not unreserved (RFC 3986 section 2.3), as apps don't agree on the rest.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // A string takes whatever is written.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use totp_rs::{Builder, Totp};

    use super::*;

    /// Another implementation, with one step alone.
    fn generator(secret: &[u8]) -> Totp {
        Builder::new().with_secret(secret.to_vec()).with_skew(0).build_noncompliant()
    }

    proptest! {
        #[test]
        fn codes_are_those_of_another_implementation_and_match_where_it_says_so(
            secret in proptest::collection::vec(any::<u8>(), 0..100), step in 1..1_u64 << 40, other in 0..1_000_000_u32,
        ) {
            let totp = generator(&secret);
            let codes = [step - 1, step].map(|step| totp.generate(step * STEP).to_string());
            let keyed = Hmac::<Sha1>::new_from_slice(&secret).unwrap();
            for (code, step) in codes.iter().zip([step - 1, step]) {
                prop_assert_eq!(&format!("{:06}", code_at(keyed.clone(), step)), code);
            }
            for code in [&codes[0], &codes[1], &format!("{other:06}")] {
                let told = [step, step - 1].into_iter().find(|step| totp.check(code, step * STEP).is_some());
                prop_assert_eq!(matching_step(&secret, code, at(step * STEP + other as u64 % STEP)), told);
            }
        }

        #[test]
        fn a_text_is_the_number_of_six_ascii_digits_or_none(text in "[0-9]{6}|[0-9+ \\-\u{660}-\u{669}]{0,7}") {
            let is_code = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert_eq!(number(&text), text.parse().ok().filter(|_| is_code));
        }
    }

    /// RFC 6238 appendix B: "12345678901234567890", and the last six of its eight digits.
    const RFC_SECRET: &[u8; 20] = b"12345678901234567890";
    const RFC_CODES: [(u64, &str); 6] = [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ];

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_vectors_of_rfc_6238_match_their_steps() {
        for (seconds, code) in RFC_CODES {
            assert_eq!(matching_step(RFC_SECRET, code, at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn the_present_step_and_the_one_before_match_and_no_other() {
        for (seconds, code) in RFC_CODES {
            let step = seconds / 30;
            for now in [step * 30, step * 30 + 29, (step + 1) * 30, (step + 1) * 30 + 29] {
                assert_eq!(matching_step(RFC_SECRET, code, at(now)), Some(step), "{now}");
            }
            for now in [step * 30 - 1, (step + 2) * 30] {
                assert_eq!(matching_step(RFC_SECRET, code, at(now)), None, "{now}");
            }
        }
    }

    #[test]
    fn only_six_ascii_digits_are_a_code() {
        let now = at(1_234_567_890);
        assert!(matching_step(RFC_SECRET, "005924", now).is_some());
        for other in
            ["", "5924", "05924", "+05924", "-05924", "0005924", " 005924", "005924 ", "005 924", "00５924", "٠٠٥٩٢٤"]
        {
            assert_eq!(matching_step(RFC_SECRET, other, now), None, "{other:?}");
        }
        // Nor is it one where the code of nothing is right.
        let step = 349_495;
        assert_eq!(matching_step(RFC_SECRET, "000000", at(step * 30)), Some(step));
        assert_eq!(matching_step(RFC_SECRET, "none", at(step * 30)), None);
    }

    #[test]
    fn both_codes_are_computed_whatever_was_typed_and_whichever_fits() {
        for (typed, fitting) in [(Some(8), Some(8)), (Some(9), Some(9)), (Some(5), None), (None, None), (Some(0), None)]
        {
            let mut computed = Vec::new();
            let step = fitting_step(9, typed, |step| {
                computed.push(step);
                u32::try_from(step).unwrap()
            });
            assert_eq!((step, computed), (fitting, vec![8, 9]), "{typed:?}");
        }
        // In the first step of all the one before is the same.
        assert_eq!(fitting_step(0, Some(0), |_| 0), Some(0));
    }

    #[test]
    fn a_code_of_both_steps_spends_the_later_one() {
        // The first of this secret.
        let step = 910_738;
        let [before, code] = [step - 1, step].map(|step| generator(RFC_SECRET).generate(step * 30).to_string());
        assert_eq!(before, code);
        assert_eq!(matching_step(RFC_SECRET, &code, at(step * 30)), Some(step));
    }

    #[test]
    fn the_first_steps_of_all_and_the_time_before_them_are_times() {
        let code = generator(RFC_SECRET).generate(0).to_string();
        for now in [UNIX_EPOCH - Duration::from_secs(1), UNIX_EPOCH, at(59)] {
            assert_eq!(matching_step(RFC_SECRET, &code, now), Some(0));
        }
        assert_eq!(matching_step(RFC_SECRET, &code, at(60)), None);
    }

    #[test]
    fn a_secret_of_another_length_works_and_an_empty_one_opens_nothing_by_itself() {
        for length in [0, 10, 16, 32, 64] {
            let secret = vec![3; length];
            let code = generator(&secret).generate(3000).to_string();
            assert_eq!(matching_step(&secret, &code, at(3000)), Some(100));
        }
    }

    #[test]
    fn new_secrets_have_160_bits_in_base32_and_in_their_uri() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100 {
            let otp = new_otp("Example Bank", "pat@example.com").unwrap();
            assert_eq!((otp.secret.len(), otp.text.len()), (20, 32));
            assert_eq!(Secret::try_from_base32(&*otp.text).unwrap().as_bytes(), &otp.secret[..]);
            let (text, uri) = (&*otp.text, otp.uri.as_str());
            let label = "otpauth://totp/Example%20Bank:pat%40example.com";
            let rest = "issuer=Example%20Bank&algorithm=SHA1&digits=6&period=30";
            assert_eq!(uri, format!("{label}?secret={text}&{rest}"));
            assert!(seen.insert(otp.text.to_string()));
        }
    }

    #[test]
    fn names_cannot_leave_their_place_in_the_uri() {
        let uri = uri("A&B", "auth0|x:y?secret=Z/#%ä", "S");
        assert!(
            uri.starts_with("otpauth://totp/A%26B:auth0%7Cx%3Ay%3Fsecret%3DZ%2F%23%25%C3%A4?secret=S&issuer=A%26B&")
        );
    }
}
