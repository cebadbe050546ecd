//! HTTP Basic client credentials (RFC 6749 section 2.3.1, RFC 7617).

use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{Engine as _, alphabet};
use zeroize::Zeroizing;

use super::charset::{is_vschar, position, split_once};
use super::error::Reason;
use super::form::{MAX_CLIENT_ID, MAX_CLIENT_SECRET, decode, is_plain};
use super::texts::{Span, Texts};
use crate::protocol::wiped::Wiped;

/// Longer header values are refused before they are decoded.
pub(crate) const MAX_VALUE: usize = 8192;

/// Credentials up to this length are decoded without an allocation: an id and a generated secret.
const SHORT: usize = 72;

/// Clients in the field send the padding or leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Client id and secret as they lie in the texts of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) id: Span,
    pub(crate) secret: Span,
}

impl Pair {
    /// Itself, if there is an id and neither is longer than is looked up.
    fn within_limits(self) -> Option<Self> {
        let lengths = [self.id.len(), self.secret.len()];
        matches!(lengths, [1..=MAX_CLIENT_ID, 0..=MAX_CLIENT_SECRET]).then_some(self)
    }
}

/// One header read in two ways: as RFC 6749 wants it, form-decoded, and as many clients write it, raw.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Basic {
    pub(crate) decoded: Option<Pair>,
    /// Only where it differs from `decoded`.
    pub(crate) raw: Option<Pair>,
}

/// What an `Authorization` value holds.
#[derive(Debug)]
pub(crate) enum Authorization {
    /// Id and secret are both empty, as some tools send when nothing is filled in: as if there were no header.
    Empty,
    Basic(Basic),
    /// Another scheme.
    Foreign,
}

/// Reads one `Authorization` value.
#[inline]
pub(crate) fn parse(value: &[u8], texts: &mut Texts) -> Result<Authorization, Reason> {
    let scheme_end = position(value, b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at_checked(scheme_end).unwrap_or((value, b""));
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return Ok(Authorization::Foreign);
    }
    if value.len() > MAX_VALUE {
        return Err(Reason::MalformedBasic);
    }
    if base64::decoded_len_estimate(rest.len()) <= SHORT {
        read(rest, Wiped::new([0; SHORT]).as_mut_slice(), texts)
    } else {
        read(rest, Zeroizing::new(vec![0; rest.len()]).as_mut_slice(), texts)
    }
}

/// Reads the credentials behind the scheme, which are decoded in `room`.
fn read(encoded: &[u8], room: &mut [u8], texts: &mut Texts) -> Result<Authorization, Reason> {
    let length = BASE64.decode_slice(encoded.trim_ascii(), room).map_err(|_| Reason::MalformedBasic)?;
    let credentials = room.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let credentials = credentials.ok_or(Reason::MalformedBasic)?;
    let (id, secret) = split_once(credentials, b':').ok_or(Reason::MalformedBasic)?;
    if id.is_empty() && secret.is_empty() {
        return Ok(Authorization::Empty);
    }
    let (decoded, raw) = if is_plain(credentials) {
        let (id, secret) = texts.push(credentials).split_around(id.len());
        (Pair { id, secret }.within_limits(), None)
    } else {
        (pair(id, secret, texts, decode), pair(id, secret, texts, |raw, texts| Ok(texts.push(raw))))
    };
    if decoded.is_none() && raw.is_none() {
        return Err(Reason::MalformedBasic);
    }
    Ok(Authorization::Basic(Basic { decoded, raw }))
}

fn pair(id: &str, secret: &str, texts: &mut Texts, read: fn(&str, &mut Texts) -> Result<Span, Reason>) -> Option<Pair> {
    let pair = Pair { id: read(id, texts).ok()?, secret: read(secret, texts).ok()? };
    let legal = |span| is_vschar(texts.get(span));
    pair.within_limits().filter(|pair| legal(pair.id) && legal(pair.secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn pair_in(value: &str) -> Option<(String, String)> {
        let mut texts = Texts::default();
        match parse(value.as_bytes(), &mut texts) {
            Ok(Authorization::Basic(Basic { decoded: Some(pair), .. })) => {
                Some((texts.get(pair.id).to_owned(), texts.get(pair.secret).to_owned()))
            }
            _ => None,
        }
    }

    #[test]
    fn halves_are_form_decoded_after_the_first_colon_ca_02() {
        let pair = pair_in("Basic d2UraXJkJTNBaWQlMjUlMkI6cCUyNXNzJTJCdyUzQXJk").unwrap();
        assert_eq!(pair, ("we ird:id%+".to_owned(), "p%ss+w:rd".to_owned()));
    }

    #[test]
    fn scheme_has_any_case_and_any_number_of_spaces_ca_14() {
        for value in ["basic Y29uZjpzM2NyZXQ=", "BASIC Y29uZjpzM2NyZXQ", "Basic   Y29uZjpzM2NyZXQ="] {
            assert_eq!(pair_in(value).unwrap().0, "conf");
        }
    }

    #[test]
    fn broken_values_fail_ca_15() {
        for value in ["Basic", "Basic !!", "Basic Y29uZg==", "Basic Y29uZjolWlo=", "Basic Y29uZjolRkY="] {
            assert!(pair_in(value).is_none(), "{value}");
        }
    }

    #[test]
    fn empty_id_and_secret_count_as_no_header() {
        assert!(matches!(parse(b"Basic Og==", &mut Texts::default()), Ok(Authorization::Empty)));
    }

    proptest! {
        #[test]
        fn every_encoding_client_is_understood(id in "[ -~]{1,40}", secret in "[ -~]{0,40}") {
            let form = |text: &str| serde_urlencoded::to_string([("", text)]).unwrap()[1..].to_owned();
            let header = format!("Basic {}", STANDARD.encode(format!("{}:{}", form(&id), form(&secret))));
            prop_assert_eq!(pair_in(&header), Some((id, secret)));
        }

        #[test]
        fn any_header_is_read_or_refused_without_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&value, &mut Texts::default());
            let mut basic = b"Basic ".to_vec();
            basic.extend_from_slice(STANDARD.encode(&value).as_bytes());
            let _ = parse(&basic, &mut Texts::default());
        }
    }
}
