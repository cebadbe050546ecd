//! The body of a token request: `application/x-www-form-urlencoded`, read strictly (RFC 6749 section 3.2 and
//! Appendix B).
//!
//! `serde_urlencoded` is not used here although it reads this format: it replaces bytes that are not UTF-8, so the
//! passwords `%FF` and `%FE` would become one text; it keeps broken escapes as they are; and its copies of a password
//! cannot be wiped.

use zeroize::Zeroizing;

use super::charset::{Positions, breaks_lines, has_either, is_unicode_no_crlf, is_vschar, is_vschar_but};
use super::error::Reason;
use super::fields::Fields;
use super::texts::{Span, Texts};
use crate::protocol::realm;

/// The most parameters one request may have.
pub(crate) const MAX_PAIRS: usize = 64;
pub(crate) const MAX_USERNAME: usize = 1024;
const MAX_PASSWORD: usize = 4096;
pub(crate) const MAX_CLIENT_ID: usize = 256;
pub(crate) const MAX_CLIENT_SECRET: usize = 1024;
const MAX_SCOPE: usize = 4096;

/// The parameters that the crate itself understands; a repeated one refuses the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Known {
    GrantType,
    Username,
    Password,
    Scope,
    ClientId,
    ClientSecret,
    ClientAssertion,
    ClientAssertionType,
    RefreshToken,
}

impl Known {
    const COUNT: usize = 9;

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "grant_type" => Self::GrantType,
            "username" => Self::Username,
            "password" => Self::Password,
            "scope" => Self::Scope,
            "client_id" => Self::ClientId,
            "client_secret" => Self::ClientSecret,
            "client_assertion" => Self::ClientAssertion,
            "client_assertion_type" => Self::ClientAssertionType,
            "refresh_token" => Self::RefreshToken,
            _ => return None,
        })
    }

    /// How many bytes a value may have, judged like its characters before anything is looked up (RFC 6749 Appendix A).
    fn limit(self) -> usize {
        match self {
            Self::Username => MAX_USERNAME,
            Self::Password => MAX_PASSWORD,
            Self::ClientId => MAX_CLIENT_ID,
            Self::ClientSecret => MAX_CLIENT_SECRET,
            Self::Scope => MAX_SCOPE,
            Self::GrantType | Self::RefreshToken | Self::ClientAssertion | Self::ClientAssertionType => usize::MAX,
        }
    }

    /// Whether the characters of a value are legal. Characters that are plain are legal in each.
    fn permits(self, value: &str) -> bool {
        match self {
            Self::Username | Self::Password => is_unicode_no_crlf(value),
            Self::ClientId | Self::ClientSecret => is_vschar(value),
            // Judged where they are used: an odd grant type is unsupported, an odd scope is an invalid scope, an odd refresh
            // token an invalid grant.
            Self::GrantType | Self::RefreshToken | Self::Scope => true,
            Self::ClientAssertion | Self::ClientAssertionType => !breaks_lines(value),
        }
    }
}

/// The decoded parameters of a body, in whatever format they were sent. Those without a value are as if they were absent
/// (RFC 6749 section 3.2).
#[derive(Default)]
pub(crate) struct Form {
    pub(crate) texts: Texts,
    /// Empty where a parameter is absent or has no value, which is the same.
    known: [Span; Known::COUNT],
    /// One bit for each parameter that was there, with a value or without.
    seen: u16,
    others: Fields,
}

impl Form {
    /// Reads `body`. `room` bytes more are kept free for texts that come from headers.
    // Within its caller it takes a third more instructions.
    #[inline(never)]
    pub(crate) fn parse(body: &[u8], room: usize) -> Result<Self, Reason> {
        if u32::try_from(body.len()).is_err() {
            return Err(Reason::BodyTooLarge);
        }
        let text = std::str::from_utf8(body).map_err(|_| Reason::NotUtf8)?;
        let is_plain = is_plain(text);
        // The body lies first among the texts, and what is escaped in it once more behind it, decoded.
        let copies = if is_plain { 1 } else { 2 };
        let capacity = body.len().saturating_mul(copies).saturating_add(room);
        let mut form = Self::with_capacity(capacity);
        form.texts.append(text);
        let (mut start, mut name_end, mut pairs) = (0, u32::MAX, 0);
        for at in Positions::of(body, b'&', b'=') {
            if body.get(at as usize) == Some(&b'=') {
                name_end = name_end.min(at);
                continue;
            }
            if at > start {
                count_pair(&mut pairs)?;
                let pair = Pair::at(start, name_end.min(at), at);
                form.add(text, pair, is_plain).map_err(|reason| form.blame(text, pair, reason))?;
            }
            (start, name_end) = (at.wrapping_add(1), u32::MAX);
        }
        Ok(form)
    }

    /// Without a parameter yet, and with room for texts of so many bytes.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { texts: Texts::with_capacity(capacity), ..Self::default() }
    }

    /// A form with one field, whose value is the last segment of a path, decoded once. A `+` would be a space there, and no id
    /// has either.
    pub(crate) fn of_segment(name: &str, path: &str) -> Result<Self, Reason> {
        let (_, segment) = path.rsplit_once('/').unwrap_or(("", path));
        let mut form = Self::with_capacity(name.len().saturating_add(segment.len()));
        let (name, value) = (form.texts.push(name), decode(segment, &mut form.texts)?);
        form.add_decoded(name, value, false)?;
        Ok(form)
    }

    /// Adds a pair of the form that is `text`.
    fn add(&mut self, text: &str, pair: Pair, is_plain: bool) -> Result<(), Reason> {
        let Pair { mut name, mut value } = pair;
        // The separators are ASCII, so each piece of valid UTF-8 is valid.
        if !is_plain {
            for part in [&mut name, &mut value] {
                let raw = part.of(text);
                if is_escaped(raw) {
                    *part = decode(raw, &mut self.texts)?;
                }
            }
        }
        self.add_decoded(name, value, is_plain)
    }

    /// Adds a pair whose parts lie among the texts. `is_plain`: all of it is visible ASCII and spaces.
    // Out of line, a form takes a tenth more instructions.
    #[inline(always)]
    pub(super) fn add_decoded(&mut self, name: Span, value: Span, is_plain: bool) -> Result<(), Reason> {
        match Known::named(self.texts.get(name)) {
            Some(known) => self.add_known(known, value, is_plain),
            None => {
                if !is_plain && [name, value].iter().any(|part| breaks_lines(self.texts.get(*part))) {
                    return Err(Reason::IllegalCharacter);
                }
                self.others.push((name, value));
                Ok(())
            }
        }
    }

    /// The reason why a pair of the form that is `text` is refused.
    #[cold]
    fn blame(&mut self, text: &str, pair: Pair, reason: Reason) -> Reason {
        match decode(pair.name.of(text), &mut self.texts) {
            Ok(name) => self.blame_named(name, reason),
            Err(_) => reason,
        }
    }

    /// The reason why the parameter of this name is refused. A realm that cannot be read is one that nobody lists.
    #[cold]
    pub(super) fn blame_named(&self, name: Span, reason: Reason) -> Reason {
        if self.texts.is_at(name, realm::PARAMETER) { Reason::UnknownRealm } else { reason }
    }

    // As above.
    #[inline(always)]
    fn add_known(&mut self, known: Known, value: Span, is_plain: bool) -> Result<(), Reason> {
        if value.len() > known.limit() {
            return Err(Reason::ParameterTooLong);
        }
        if !is_plain && !known.permits(self.texts.get(value)) {
            return Err(Reason::IllegalCharacter);
        }
        let bit = 1 << known as u16;
        if self.seen & bit != 0 {
            return Err(Reason::RepeatedParameter);
        }
        self.seen |= bit;
        if let Some(slot) = self.known.get_mut(known as usize) {
            *slot = value;
        }
        Ok(())
    }

    pub(crate) fn span(&self, parameter: Known) -> Option<Span> {
        self.known.get(parameter as usize).copied().filter(|span| !span.is_empty())
    }

    pub(crate) fn get(&self, parameter: Known) -> Option<&str> {
        self.span(parameter).map(|span| self.texts.get(span))
    }

    /// A field that an authentication method may see: no user name, no credential of a user and no client secret. `hidden`: what else
    /// proves a user here.
    pub(crate) fn visible(&self, name: &str, hidden: &[&str]) -> Option<&str> {
        match Known::named(name) {
            None if hidden.contains(&name) => None,
            Some(Known::Username | Known::Password | Known::ClientSecret | Known::RefreshToken) => None,
            Some(known) => self.get_on_one_line(known),
            None => self.other(name),
        }
    }

    /// A field that an extension grant may see: no credentials of the client.
    pub(crate) fn grant_field(&self, name: &str) -> Option<&str> {
        match Known::named(name) {
            Some(Known::ClientSecret | Known::ClientAssertion) => None,
            Some(known) => self.get_on_one_line(known),
            None => self.other(name),
        }
    }

    /// A value for the application's code, to which NUL and line breaks never come. Some parameters are judged only where
    /// they are used, which may be later.
    fn get_on_one_line(&self, parameter: Known) -> Option<&str> {
        self.get(parameter).filter(|value| !breaks_lines(value))
    }

    fn other(&self, name: &str) -> Option<&str> {
        let (_, value) = self.others.as_slice().iter().find(|(known, _)| self.texts.is_at(*known, name))?;
        Some(self.texts.get(*value)).filter(|value| !value.is_empty())
    }

    /// Whether there is a field of this name that is not known here.
    pub(super) fn has_other(&self, name: &str) -> bool {
        self.others.as_slice().iter().any(|(known, _)| self.texts.is_at(*known, name))
    }

    /// A field that only some endpoints know, which there must not repeat.
    // Within its callers, which give a constant name, it is compared without a call.
    #[inline(always)]
    pub(crate) fn single(&self, name: &str) -> Result<Option<&str>, Reason> {
        let mut found = None;
        for (known, value) in self.others.as_slice() {
            if self.texts.is_at(*known, name) && found.replace(*value).is_some() {
                return Err(Reason::RepeatedParameter);
            }
        }
        Ok(found.map(|value| self.texts.get(value)).filter(|value| !value.is_empty()))
    }

    /// The elements of a field that only some endpoints know: it may be repeated, and each time hold several with spaces between
    /// them.
    pub(crate) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.others().filter(move |(known, _)| *known == name).flat_map(|(_, value)| value.split_ascii_whitespace())
    }

    /// Takes a field of this name out of those that are not known here.
    // As above.
    #[inline(always)]
    pub(crate) fn remove_other(&mut self, name: &str) {
        let Self { texts, others, .. } = self;
        others.retain(|(known, _)| !texts.is_at(*known, name));
    }

    /// The fields that are not known here.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&str, &str)> {
        self.others.as_slice().iter().map(|(name, value)| (self.texts.get(*name), self.texts.get(*value)))
    }

    /// Takes the texts and the places of the parameters that nobody here understands.
    pub(crate) fn into_parts(self) -> (Texts, Fields) {
        (self.texts, self.others)
    }
}

/// Counts one pair more, up to the limit.
pub(super) fn count_pair(pairs: &mut usize) -> Result<(), Reason> {
    *pairs = pairs.saturating_add(1);
    if *pairs > MAX_PAIRS { Err(Reason::TooManyParameters) } else { Ok(()) }
}

/// Where the parts of one `name=value` lie.
#[derive(Clone, Copy)]
struct Pair {
    name: Span,
    value: Span,
}

impl Pair {
    /// Of a pair that lies there. Without a `=` its name ends where it does.
    fn at(start: u32, name_end: u32, end: u32) -> Self {
        Self { name: Span::new(start, name_end), value: Span::new(name_end.saturating_add(1).min(end), end) }
    }
}

/// Whether it is all of visible ASCII and spaces, and form-decoding would not change it.
pub(crate) fn is_plain(text: &str) -> bool {
    is_vschar_but(text, b'+', b'%')
}

/// Whether form-decoding would change it.
pub(crate) fn is_escaped(text: &str) -> bool {
    has_either(text, b'+', b'%')
}

/// Form-decodes `raw` once and appends it: `+` is a space, `%XX` a byte, and the result must be UTF-8.
///
/// It is written to the texts piece by piece, so that no other copy of a password is made.
pub(crate) fn decode(raw: &str, texts: &mut Texts) -> Result<Span, Reason> {
    let start = texts.end();
    let mut rest = raw;
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'+' | b'%')) {
        let (plain, escaped) = rest.split_at_checked(at).ok_or(Reason::BrokenEscape)?;
        texts.append(plain);
        rest = match escaped.strip_prefix('+') {
            Some(after) => {
                texts.append(" ");
                after
            }
            None => decode_character(escaped, texts)?,
        };
    }
    texts.append(rest);
    Ok(texts.span_from(start))
}

/// Appends the one character that `raw` starts with, each of its bytes as `%XX`; gives what follows it.
fn decode_character<'a>(raw: &'a str, texts: &mut Texts) -> Result<&'a str, Reason> {
    let mut bytes = Zeroizing::new([0; 4]);
    let mut rest = raw;
    let mut width = 1;
    for (index, slot) in bytes.iter_mut().enumerate() {
        if index >= width {
            break;
        }
        // Text that is valid by itself cannot end a character that an escape began.
        let escape = rest.strip_prefix('%').ok_or(Reason::NotUtf8)?;
        (*slot, rest) = hex_pair(escape).ok_or(Reason::BrokenEscape)?;
        if index == 0 {
            width = match *slot {
                0..0x80 => 1,
                0xc0..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0.. => 4,
                _ => return Err(Reason::NotUtf8),
            };
        }
    }
    let character = std::str::from_utf8(bytes.get(..width).unwrap_or_default()).map_err(|_| Reason::NotUtf8)?;
    texts.append(character);
    Ok(rest)
}

pub(super) fn hex_pair(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.split_at_checked(2)?;
    let [high, low] = *digits.as_bytes() else { return None };
    Some((hex(high)? << 4 | hex(low)?, rest))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(raw: &str) -> Result<String, Reason> {
        let mut texts = Texts::default();
        decode(raw, &mut texts).map(|span| texts.get(span).to_owned())
    }

    #[test]
    fn decodes_once_with_plus_as_space_and_hex_in_either_case_en_01_en_02_en_03() {
        assert_eq!(decoded("a+b%2bc%2Bd").unwrap(), "a b+c+d");
        assert_eq!(decoded("%2525").unwrap(), "%25");
        assert_eq!(decoded("+%25%26%2B%C2%A3%E2%82%AC").unwrap(), " %&+£€");
    }

    #[test]
    fn refuses_what_is_not_utf8_en_04() {
        for bad in ["%FF", "%C3%28", "%C0%AF", "%ED%A0%80"] {
            assert_eq!(decoded(bad).unwrap_err(), Reason::NotUtf8, "{bad}");
        }
        for bad in [&b"a=\xff"[..], b"a=%C3\xa9", b"a=\xc3%A9", b"a=%C3"] {
            assert_eq!(Form::parse(bad, 0).err(), Some(Reason::NotUtf8), "{bad:?}");
        }
    }

    #[test]
    fn no_parameter_that_a_trait_may_see_holds_nul_or_a_line_break() {
        let form = Form::parse(b"refresh_token=a%00b", 0).unwrap();
        assert_eq!((form.grant_field("refresh_token"), form.visible("refresh_token", &[])), (None, None));
        for name in ["client_assertion", "client_assertion_type", "device", "username", "client_id"] {
            for bad in ["%00", "%0D", "%0A"] {
                let parsed = Form::parse(format!("{name}=a{bad}b").as_bytes(), 0);
                assert_eq!(parsed.err(), Some(Reason::IllegalCharacter), "{name} {bad}");
            }
        }
    }

    #[test]
    fn refuses_broken_escapes_en_05() {
        for bad in ["%", "%2", "%zz", "a%", "%+1", "% 1", "%-1"] {
            assert_eq!(decoded(bad).unwrap_err(), Reason::BrokenEscape, "{bad}");
        }
    }

    #[test]
    fn the_last_segment_of_a_path_is_decoded_once() {
        let read = |path: &str| {
            let form = Form::of_segment("id", path);
            form.map(|form| form.single("id").unwrap().unwrap_or_default().to_owned())
        };
        for (path, id) in [
            ("/mfa/authenticators/totp%7Cdev_1", "totp|dev_1"),
            ("/mfa/authenticators/totp|dev_1", "totp|dev_1"),
            ("/totp%257Cdev_1", "totp%7Cdev_1"),
            ("/", ""),
        ] {
            assert_eq!(read(path).unwrap(), id, "{path}");
        }
        assert_eq!(read("/a%7").unwrap_err(), Reason::BrokenEscape);
        assert_eq!(read("/a%FF").unwrap_err(), Reason::NotUtf8);
        assert_eq!(read("/a%00").unwrap_err(), Reason::IllegalCharacter);
    }

    proptest! {
        #[test]
        fn whatever_a_standard_encoder_writes_reads_back(pairs in proptest::collection::vec(("[^\\x00\r\n]{1,12}", "[^\\x00\r\n]{0,24}"), 0..20)) {
            let body = serde_urlencoded::to_string(&pairs).unwrap();
            let form = Form::parse(body.as_bytes(), 0).unwrap();
            let (texts, others) = form.into_parts();
            let read: Vec<_> = others.as_slice().iter().map(|(n, v)| (texts.get(*n).to_owned(), texts.get(*v).to_owned())).collect();
            prop_assert_eq!(read, pairs);
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = Form::parse(&body, 0);
        }
    }
}
