//! The code that is sent to a user, who types it.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::random::six_digits;
use crate::protocol::secret::secrets::RandomnessError;

/// Six digits. They are never printed, and overwritten when they are dropped.
pub(crate) struct BindingCode(Zeroizing<[u8; 6]>);

impl BindingCode {
    /// A random one.
    ///
    /// # Errors
    /// Fails when the operating system gives no randomness.
    pub(crate) fn random() -> Result<Self, RandomnessError> {
        six_digits().map(Self)
    }

    /// Six digits of ASCII; `None` for anything else.
    pub(crate) fn from_digits(digits: [u8; 6]) -> Option<Self> {
        let digits = Zeroizing::new(digits);
        digits.iter().all(u8::is_ascii_digit).then_some(Self(digits))
    }

    /// The digits, to be sealed or sent.
    pub(crate) fn expose(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }

    /// Whether this was typed: all six digits and nothing else. The time shows nothing of where they differ.
    pub(crate) fn is(&self, typed: &str) -> bool {
        self.0.as_slice().ct_eq(typed.as_bytes()).into()
    }
}

/// For comparing whole values in constant time.
impl PartialEq for BindingCode {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.expose())
    }
}

impl Eq for BindingCode {}

impl fmt::Debug for BindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindingCode([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_six_digits_and_fits_itself_alone() {
        let code = BindingCode::from_digits(*b"012345").unwrap();
        assert_eq!(code.expose(), "012345");
        assert!(code.is("012345"));
        for other in ["", "12345", "0123456", " 012345", "012 345", "01234５", "012346", "112345"] {
            assert!(!code.is(other), "{other}");
        }
        assert!(BindingCode::from_digits(*b"01234a").is_none());
        let drawn = BindingCode::random().unwrap();
        assert!(drawn.is(drawn.expose()) && drawn.expose().len() == 6);
    }

    #[test]
    fn a_code_prints_redacted() {
        let code = BindingCode::from_digits(*b"123456").unwrap();
        assert_eq!(format!("{code:?}"), "BindingCode([redacted])");
    }
}
