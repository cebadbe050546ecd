//! Sealed values as clients have them: base64url without padding, at most 4 KiB.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::packed::TooLong;
use crate::protocol::secret::secrets::Token;

/// The most characters of a `mfa_token` or an `oob_code`.
const LONGEST: usize = 4096;

/// The text of a sealed value.
pub(crate) fn write(sealed: &[u8]) -> Result<Token, TooLong> {
    let text = URL_SAFE_NO_PAD.encode(sealed);
    if text.len() > LONGEST { Err(TooLong) } else { Ok(Token::new(text)) }
}

/// The sealed value of a text, if [`write()`] makes this very text of it.
pub(crate) fn read(text: &str) -> Option<Vec<u8>> {
    // Padding, other alphabets, blanks and bits behind the last byte are refused by this engine.
    if text.len() > LONGEST { None } else { URL_SAFE_NO_PAD.decode(text).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_is_read_back_and_has_one_text_alone(sealed: Vec<u8>, text in "[A-Za-z0-9_=+/ -]{0,64}") {
            prop_assert_eq!(read(write(&sealed).unwrap().expose()), Some(sealed));
            if let Some(sealed) = read(&text) {
                let again = write(&sealed).unwrap();
                prop_assert_eq!(again.expose(), text);
            }
        }
    }

    #[test]
    fn a_text_has_4_kib_at_most() {
        let longest = write(&[7; 3072]).unwrap();
        assert_eq!(longest.expose().len(), 4096);
        assert_eq!(read(longest.expose()), Some(vec![7; 3072]));
        assert_eq!(write(&[7; 3073]).err(), Some(TooLong));
        assert_eq!(read(&"A".repeat(4098)), None);
    }

    #[test]
    fn other_spellings_of_a_value_are_none() {
        // One byte: its text has four bits to spare.
        assert_eq!(read("AQ"), Some(vec![1]));
        for other in ["AR", "AQ==", "AQ=", "A", " AQ", "AQ ", "AQ\n", "A+", "A/", "AQ%3D%3D"] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
