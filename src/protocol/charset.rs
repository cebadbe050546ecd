//! The character sets of RFC 6749 Appendix A.

/// `VSCHAR`: what client ids, client secrets and tokens are made of.
pub(crate) fn is_vschar(text: &str) -> bool {
    all(text, |b| matches!(b, 0x20..=0x7e))
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
    if all(text, |b| b == b'\t' || matches!(b, 0x20..=0x7e)) {
        return true;
    }
    text.chars().all(
        |c| matches!(c, '\t' | '\u{20}'..='\u{7e}' | '\u{80}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..),
    )
}

/// `token68` (RFC 9110 section 11.2): what a bearer token must be made of to fit a header.
pub(crate) fn is_token68(text: &str) -> bool {
    let end = text.bytes().rposition(|b| b != b'=');
    let body = end.and_then(|end| text.get(..=end)).unwrap_or_default();
    !body.is_empty()
        && all(body, |b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'-'..=b'9') | (b == b'_') | (b == b'~') | (b == b'+'))
}

/// `name-char`s (RFC 6749 A.18): the name of a response member.
pub(crate) fn is_member_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A character that reaches no trait and no log, whatever parameter it stands in.
pub(crate) fn breaks_lines(text: &str) -> bool {
    !all(text, |b| (b != 0) & (b != b'\r') & (b != b'\n'))
}

/// Whether JSON writes it as it is.
pub(crate) fn is_plain_json(text: &str) -> bool {
    all(text, |b| (b >= b' ') & (b != b'"') & (b != b'\\'))
}

/// Looks at every byte, without stopping early: the compiler then looks at many at once.
pub(super) fn all(text: &str, is_legal: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |legal, b| legal & is_legal(b))
}
