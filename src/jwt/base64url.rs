//! base64url without padding (RFC 7515 section 2): for what is decoded with every request.

use base64::Engine as _;

/// By the vector instructions of the processor, if it has them: for a token they are less than half as many.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static ENGINE: std::sync::LazyLock<base64::engine::Simd> =
    std::sync::LazyLock::new(|| base64::engine::Simd::url_safe(base64::engine::general_purpose::NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static ENGINE: base64::engine::GeneralPurpose = base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Puts what the text encodes in the place of what is in the buffer. White space, padding and anything in the bits that are
/// left over is refused.
pub(super) fn decode_into(buffer: &mut Vec<u8>, encoded: &str) -> Option<()> {
    buffer.clear();
    // Not `decode`: it asks for zeroed memory, for which allocators take a longer way.
    ENGINE.decode_vec(encoded, buffer).ok()
}

/// The text that is encoded.
pub(super) fn decode_text(encoded: &str) -> Option<String> {
    let mut bytes = buffer_for(encoded.len());
    decode_into(&mut bytes, encoded)?;
    String::from_utf8(bytes).ok()
}

/// Room for what so many characters encode, the last four taken for whole ones.
pub(super) fn buffer_for(characters: usize) -> Vec<u8> {
    Vec::with_capacity(characters.div_ceil(4).saturating_mul(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut bytes = b"from before".to_vec();
        decode_into(&mut bytes, text).map(|()| bytes)
    }

    proptest! {
        /// The short ones are decoded one by one, the long ones in blocks of 32 with a rest.
        #[test]
        fn whatever_stands_wherever_it_is_decoded_as_one_by_one(
            bytes in proptest::collection::vec(any::<u8>(), 0..300), odd in any::<char>(), at in 0..400_usize
        ) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            prop_assert_eq!(decoded(&text), Some(bytes));
            let at = at.min(text.len());
            for odd in [odd, '=', '+', '/', '-', '_', ' ', '\n', '.', 'A', 'B', '\0', '\u{7f}', 'é'] {
                // In the place of another one, and between two.
                for rest in [text.get(at + 1..).unwrap_or_default(), &text[at..]] {
                    let text = format!("{}{odd}{rest}", &text[..at]);
                    prop_assert_eq!(decoded(&text), URL_SAFE_NO_PAD.decode(&text).ok(), "{:?}", text);
                }
            }
        }
    }

    #[test]
    fn each_text_has_one_form() {
        for text in ["", "AA", "AAA", "AAAA", "-_8"] {
            assert_eq!(decoded(text).map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).as_deref(), Some(text));
        }
        for text in ["A", "AB", "AAB", "AA==", "AAA=", "AAAAA", "+/8", " AA", "AA\n"] {
            assert_eq!(decoded(text), None, "{text:?}");
        }
        assert_eq!(decode_text("w6k").as_deref(), Some("é"));
        assert_eq!(decode_text("w6"), None);
    }
}
