//! The character sets of RFC 6749 Appendix A.

/// The lowest and the highest bit of each of eight bytes that are looked at together.
const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// `VSCHAR`: what client ids, client secrets and tokens are made of.
pub(crate) fn is_vschar(text: &str) -> bool {
    !has_marked(text, not_visible)
}

/// Whether all is `VSCHAR` and neither of two.
pub(crate) fn is_vschar_but(text: &str, one: u8, other: u8) -> bool {
    !has_marked(text, |word| not_visible(word) | equal_ascii(word, one) | equal_ascii(word, other))
}

/// Whether all is visible ASCII, without a space and without a capital letter.
pub(crate) fn is_lowercase_word(text: &str) -> bool {
    !has_marked(text, |word| not_visible(word) | equal_ascii(word, b' ') | capital(word))
}

/// Marks what is no ASCII, what is DEL, and what is below the space. Nothing is carried over from bytes that are not marked.
fn not_visible(word: u64) -> u64 {
    word | word.wrapping_add(ONES) | word.wrapping_sub(ONES << 5)
}

/// Marks in eight bytes of ASCII those that are this one. Nothing is carried over from bytes that are not marked.
fn equal_ascii(word: u64, byte: u8) -> u64 {
    (word ^ u64::from_ne_bytes([byte; 8])).wrapping_sub(ONES)
}

/// Whether a byte of the text is marked: `mark` sets the high bit of each that is, in eight of them at once.
fn has_marked(text: &str, mark: impl Fn(u64) -> u64) -> bool {
    let bytes = text.as_bytes();
    let Some(last) = bytes.last_chunk::<8>() else {
        // Filled up with letters, which are never marked.
        let filled = bytes.iter().fold(u64::from_ne_bytes([b'a'; 8]), |word, byte| word << 8 | u64::from(*byte));
        return mark(filled) & HIGHS != 0;
    };
    let (words, _) = bytes.as_chunks::<8>();
    let look = |word: &[u8; 8]| mark(u64::from_ne_bytes(*word));
    words.iter().fold(look(last), |marks, word| marks | look(word)) & HIGHS != 0
}

/// Marks in eight bytes: those that are this one. Where one is, one behind it may be marked, too.
fn equal(word: u64, byte: u8) -> u64 {
    // A byte that equals becomes 0, which borrows.
    let differs = word ^ u64::from_ne_bytes([byte; 8]);
    differs.wrapping_sub(ONES) & !differs
}

/// Marks in eight bytes those whose lower seven bits are below the space.
fn below_space(word: u64) -> u64 {
    !(word | HIGHS).wrapping_sub(ONES << 5)
}

/// Marks the capital letters in eight bytes of ASCII: what is not below `A` and below what follows `Z`.
fn capital(word: u64) -> u64 {
    let not_below = |byte: u8| word.wrapping_add(ONES.wrapping_mul(u64::from(0x80_u8.wrapping_sub(byte))));
    not_below(b'A') & !not_below(b'[')
}

/// Whether one of two bytes, which are no letters, is in the text.
pub(crate) fn has_either(text: &str, one: u8, other: u8) -> bool {
    has_marked(text, |word| equal(word, one) | equal(word, other))
}

/// `NQCHAR`: what a scope token is made of.
pub(crate) fn is_nqchar(b: u8) -> bool {
    matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

/// `NQSCHAR`: what `error` and `error_description` are made of.
pub(crate) fn is_nqschar(b: u8) -> bool {
    b == b' ' || is_nqchar(b)
}

/// `UNICODECHARNOCRLF`: what user names and passwords are made of.
pub(crate) fn is_unicode_no_crlf(text: &str) -> bool {
    // As nearly all are.
    if is_vschar(text) {
        return true;
    }
    text.chars().all(
        |c| matches!(c, '\t' | '\u{20}'..='\u{7e}' | '\u{80}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
    )
}

/// `token68` (RFC 9110 section 11.2): what a bearer token must be made of to fit a header.
pub(crate) fn is_token68(text: &[u8]) -> bool {
    let end = text.iter().rposition(|b| *b != b'=');
    let body = end.and_then(|end| text.get(..=end)).unwrap_or_default();
    !body.is_empty()
        && all(body, |b| {
            // Both cases of a letter at once.
            (b | 0x20).is_ascii_lowercase() | matches!(b, b'-'..=b'9') | (b == b'_') | (b == b'~') | (b == b'+')
        })
}

/// The longest token that is looked up, in bytes.
pub(crate) const MAX_TOKEN: usize = 8 * 1024;

/// Whether it can be a bearer token at all (RFC 6750 section 2.1), of whatever server.
pub(crate) fn is_bearer_token(text: &[u8]) -> bool {
    text.len() <= MAX_TOKEN && is_token68(text)
}

/// `name-char`s (RFC 6749 A.18): the name of a response member.
pub(crate) fn is_member_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A character that reaches no trait and no log, whatever parameter it stands in.
pub(crate) fn breaks_lines(text: &str) -> bool {
    has_marked(text, |word| equal(word, 0) | equal(word, b'\r') | equal(word, b'\n'))
}

/// Marks what JSON does not write as it is.
fn not_plain_json(word: u64) -> u64 {
    (below_space(word) & !word) | equal(word, b'"') | equal(word, b'\\')
}

/// Whether JSON writes it as it is.
pub(crate) fn is_plain_json(text: &str) -> bool {
    !has_marked(text, not_plain_json)
}

/// Where the first byte stands that JSON does not write as it is.
pub(crate) fn end_of_plain_json(text: &[u8]) -> Option<usize> {
    first_marked(text, not_plain_json)
}

/// Marks what is no digit, and nothing else.
fn not_digit(word: u64) -> u64 {
    // A digit becomes its value.
    let differs = word ^ u64::from_ne_bytes([b'0'; 8]);
    // Adding to seven bits carries nothing over to the next byte.
    (differs & !HIGHS).wrapping_add(u64::from_ne_bytes([0x80 - 10; 8])) | differs
}

/// Where the first byte stands that is no digit.
pub(crate) fn end_of_digits(text: &[u8]) -> Option<usize> {
    first_marked(text, not_digit)
}

/// Looks at every byte, without stopping early: the compiler then looks at many at once. The last of them are looked at
/// together, too, though some were before.
fn all(bytes: &[u8], is_legal: impl Fn(u8) -> bool) -> bool {
    let look = |bytes: &[u8]| bytes.iter().fold(true, |legal, b| legal & is_legal(*b));
    if let Some(last) = bytes.last_chunk::<16>() {
        // Sixteen findings side by side, which are one only at the end.
        let add = |mut illegal: [u8; 16], block: &[u8; 16]| {
            illegal.iter_mut().zip(block).for_each(|(illegal, b)| *illegal |= u8::from(!is_legal(*b)));
            illegal
        };
        let (blocks, _) = bytes.as_chunks::<16>();
        return blocks.iter().fold(add([0; 16], last), add) == [0; 16];
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => look(first) & look(last),
        _ => look(bytes),
    }
}

/// Where a byte stands first.
pub(crate) fn position(text: &[u8], byte: u8) -> Option<usize> {
    first_marked(text, |word| equal(word, byte))
}

/// What stands before and behind the first of these bytes, which is of ASCII.
pub(crate) fn split_once(text: &str, byte: u8) -> Option<(&str, &str)> {
    let (before, rest) = text.split_at_checked(position(text.as_bytes(), byte)?)?;
    Some((before, rest.get(1..)?))
}

/// Where the first byte stands that is marked: eight bytes are looked at together, which for short texts is the fastest way.
fn first_marked(text: &[u8], mark: impl Fn(u64) -> u64) -> Option<usize> {
    // The lowest mark is right, whatever those above it are.
    let first =
        |word| Some(mark(word) & HIGHS).filter(|marks| *marks != 0).map(|marks| marks.trailing_zeros() as usize / 8);
    let mut rest = text;
    // No place is behind the text.
    let place = |rest: &[u8], at: usize| text.len().wrapping_sub(rest.len()).wrapping_add(at);
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        if let Some(at) = first(u64::from_le_bytes(*word)) {
            return Some(place(rest, at));
        }
        rest = behind;
    }
    // Filled up with zeros, which may be marked, but stand behind the text.
    let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    first(last).filter(|at| *at < rest.len()).map(|at| place(rest, at))
}

/// Where a text has one of two bytes, neither of which is 0, and last of all where it ends. Eight bytes are looked at together.
pub(crate) struct Positions<'a> {
    /// What is still to be looked at. The last bytes are a word filled up with zeros.
    words: &'a [[u8; 8]],
    last: Option<u64>,
    both: [u8; 2],
    /// Of the word that is looked at: which of its bytes are one of the two, and where it starts.
    marks: u64,
    start: u32,
    /// Until it was told.
    end: Option<u32>,
}

impl<'a> Positions<'a> {
    /// In a text of less than 4 GiB.
    #[inline]
    pub(crate) fn of(text: &'a [u8], one: u8, other: u8) -> Self {
        let (words, rest) = text.as_chunks::<8>();
        let last = match text.last_chunk::<8>() {
            // Without the bytes that the words have.
            Some(last) => {
                u64::from_le_bytes(*last).unbounded_shr(64_u32.wrapping_sub(rest.len().wrapping_mul(8) as u32))
            }
            None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        let (both, end) = ([one, other], u32::try_from(text.len()).unwrap_or(u32::MAX));
        // The first word starts at 0.
        Self { words, last: Some(last), both, marks: 0, start: 0_u32.wrapping_sub(8), end: Some(end) }
    }
}

impl Iterator for Positions<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        while self.marks == 0 {
            let word = if let [word, words @ ..] = self.words {
                self.words = words;
                u64::from_le_bytes(*word)
            } else if let Some(last) = self.last.take() {
                last
            } else {
                return self.end.take();
            };
            let [one, other] = self.both.map(|byte| unequal(word, byte));
            self.marks = !(one & other) & HIGHS;
            self.start = self.start.wrapping_add(8);
        }
        let at = self.marks.trailing_zeros() / 8;
        self.marks &= self.marks.wrapping_sub(1);
        Some(self.start.wrapping_add(at))
    }
}

/// Marks in eight bytes those that are not this one, and no other.
fn unequal(word: u64, byte: u8) -> u64 {
    let differs = word ^ u64::from_ne_bytes([byte; 8]);
    // Adding to seven bits carries nothing over to the next byte.
    (differs & !HIGHS).wrapping_add(!HIGHS) | differs
}

/// Whether it is this prefix and so many characters of base64url (RFC 4648 section 5).
pub(crate) fn is_base64url_after(prefix: &str, length: usize, text: &str) -> bool {
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.strip_prefix(prefix).is_some_and(|rest| rest.len() == length && rest.bytes().all(is_base64url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_byte_is_found_where_it_stands_first(text in proptest::collection::vec(any::<u8>(), 0..40), few in 0..4_u8, byte: u8) {
            let at = |text: &[u8], byte| text.iter().position(|other| *other == byte);
            prop_assert_eq!(position(&text, byte), at(&text, byte));
            let like: Vec<u8> = text.iter().map(|one| byte ^ (one & few)).collect();
            prop_assert_eq!(position(&like, byte), at(&like, byte));
        }

        #[test]
        fn two_bytes_are_found_wherever_they_stand_and_then_the_end(text in proptest::collection::vec(any::<u8>(), 0..40), few in 0..4_u8, one in 1..=255_u8, other in 1..=255_u8) {
            let like: Vec<u8> = text.iter().map(|byte| one ^ (byte & few)).collect();
            for text in [text, like] {
                let is_either = |at: &usize| text.get(*at).is_none_or(|byte| *byte == one || *byte == other);
                let expected: Vec<usize> = (0..=text.len()).filter(is_either).collect();
                let found: Vec<usize> = Positions::of(&text, one, other).map(|at| at as usize).collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn visible_characters_are_told_from_all_others(text in "[ -~]{0,20}", other: char, at in 0..20_usize) {
            prop_assert!(is_vschar(&text));
            let (before, after) = text.split_at(at.min(text.len()));
            for odd in [other, '\0', '\t', '\u{1f}', ' ', '~', '\u{7f}', '\u{80}', '\u{ff}'] {
                let mixed = format!("{before}{odd}{after}");
                prop_assert_eq!(is_vschar(&mixed), mixed.bytes().all(|b| matches!(b, 0x20..=0x7e)), "{:?}", mixed);
                prop_assert_eq!(is_unicode_no_crlf(&mixed), mixed.chars().all(is_unicode_no_crlf_character), "{:?}", mixed);
            }
        }
    }

    proptest! {
        #[test]
        fn a_text_is_split_at_the_first_of_a_byte(text in "[a.é]{0,40}") {
            prop_assert_eq!(split_once(&text, b'.'), text.split_once('.'));
        }
    }

    #[test]
    fn each_byte_is_told_from_each_other_one_wherever_it_stands() {
        for odd in (0..=char::MAX as u32).take(0x200).filter_map(char::from_u32) {
            for (before, after) in (0..10).flat_map(|before| (0..10).map(move |after| (before, after))) {
                let text = format!("{}{odd}{}", "z".repeat(before), "z".repeat(after));
                assert_eq!(has_either(&text, b'+', b'%'), matches!(odd, '+' | '%'), "{text:?}");
                let is_visible = matches!(odd, ' '..='~');
                assert_eq!(is_vschar_but(&text, b'+', b'%'), is_visible && !matches!(odd, '+' | '%'), "{text:?}");
                let is_lower = is_visible && odd != ' ' && !odd.is_ascii_uppercase();
                assert_eq!(is_lowercase_word(&text), is_lower, "{text:?}");
                assert_eq!(breaks_lines(&text), matches!(odd, '\0' | '\r' | '\n'), "{text:?}");
                let is_plain = odd >= ' ' && !matches!(odd, '"' | '\\');
                assert_eq!(is_plain_json(&text), is_plain, "{text:?}");
                assert_eq!(end_of_plain_json(text.as_bytes()), (!is_plain).then_some(before), "{text:?}");
                let digits = format!("{}{odd}{}", "9".repeat(before), "0".repeat(after));
                let end = (!odd.is_ascii_digit()).then_some(before);
                assert_eq!(end_of_digits(digits.as_bytes()), end, "{digits:?}");
            }
        }
    }

    #[test]
    fn every_byte_counts_wherever_it_stands_in_a_text_of_any_length() {
        for length in 0..70 {
            assert!(all("a".repeat(length).as_bytes(), |byte| byte == b'a'));
            for at in 0..length {
                let text = format!("{}b{}", "a".repeat(at), "a".repeat(length - at - 1));
                assert!(!all(text.as_bytes(), |byte| byte == b'a'), "{text}");
            }
        }
    }

    fn is_unicode_no_crlf_character(c: char) -> bool {
        matches!(c, '\t' | '\u{20}'..='\u{7e}' | '\u{80}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    }
}
