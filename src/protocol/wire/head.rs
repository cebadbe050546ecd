//! The head of a token request, judged before a byte of its body is read.

use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::charset::is_bearer_token;
use super::error::Reason;
use super::media_type::{BodyFormat, BodyFormats};
use super::origin::{OwnOrigin, is_own};

/// Names that carry a credential, and therefore must not stand in a URI, which ends up in logs and histories.
const CREDENTIALS: [&str; 16] = [
    "access_token",
    "assertion",
    "binding_code",
    "client_assertion",
    "client_secret",
    "code",
    "device_code",
    "id_token",
    "mfa_token",
    "oob_code",
    "otp",
    "password",
    "recovery_code",
    "refresh_token",
    "token",
    "username",
];

const BEARER: &[u8] = b"bearer";

/// The values of one header.
#[derive(Clone, Copy, Debug, Default)]
enum Values<'a> {
    #[default]
    None,
    One(&'a HeaderValue),
    Several,
}

impl<'a> Values<'a> {
    fn add(&mut self, value: &'a HeaderValue) {
        *self = if matches!(self, Self::None) { Self::One(value) } else { Self::Several };
    }
}

/// What is asked of the headers, found in one pass over them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a> {
    length: Option<&'a HeaderValue>,
    media_type: Values<'a>,
    is_coded: bool,
    origin: Values<'a>,
    authorization: Option<&'a HeaderValue>,
    /// Whether every `Sec-Fetch-Site` is of no other site, if there is one.
    is_own_site: Option<bool>,
}

impl<'a> Fields<'a> {
    #[inline]
    pub(crate) fn read(headers: &'a HeaderMap) -> Self {
        static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
        let mut fields = Self::default();
        for (name, value) in headers {
            if *name == CONTENT_TYPE {
                fields.media_type.add(value);
            } else if *name == CONTENT_LENGTH {
                fields.length.get_or_insert(value);
            } else if *name == CONTENT_ENCODING {
                fields.is_coded |= value.as_bytes().split(|b| *b == b',').any(is_coding);
            } else if *name == AUTHORIZATION {
                fields.authorization.get_or_insert(value);
            } else if *name == ORIGIN {
                fields.origin.add(value);
            } else if *name == SEC_FETCH_SITE {
                let is_own = matches!(value.as_bytes(), b"same-origin" | b"none");
                fields.is_own_site = Some(fields.is_own_site.unwrap_or(true) && is_own);
            }
        }
        fields
    }

    /// How long the credentials of the header are.
    pub(crate) fn credentials_len(&self) -> usize {
        self.authorization.map_or(0, HeaderValue::len)
    }

    pub(crate) fn has_origin(&self) -> bool {
        !matches!(self.origin, Values::None)
    }

    /// Whether the declared length of the body is over the limit.
    fn is_too_large(&self, max_body: usize) -> bool {
        let declared = self.length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        declared.is_some_and(|length| usize::try_from(length).map_or(true, |length| length > max_body))
    }

    /// The format of the body, if there is exactly one `Content-Type`, and what it names is read.
    fn format(&self, read: BodyFormats) -> Option<BodyFormat> {
        let Values::One(value) = self.media_type else { return None };
        read.named(value)
    }

    /// Whether no page of another origin sent the request: judges `Sec-Fetch-Site`, or without it `Origin` against the
    /// server's own, which is the `known` one or that of the request. Where it is known, `Origin` counts beside
    /// `Sec-Fetch-Site`, too: a name that was bound to this server's address is an own site to the browser.
    ///
    /// A form POST needs no CORS preflight, so a hostile page can make its visitors' browsers try passwords.
    pub(crate) fn is_own_site(&self, parts: &Parts, known: Option<&OwnOrigin>) -> bool {
        let is_own_origin = |origin: &HeaderValue| origin.to_str().is_ok_and(|origin| is_own(origin, parts, known));
        match (self.is_own_site, self.origin) {
            // No browser sent it.
            (None, Values::None) => true,
            (None, Values::One(origin)) => is_own_origin(origin),
            (Some(is_own), Values::One(origin)) if known.is_some() => is_own && is_own_origin(origin),
            (Some(is_own), Values::None | Values::One(_)) => is_own,
            (_, Values::Several) => false,
        }
    }
}

/// Whether an element of `Content-Encoding` changes the body. A list may have empty elements (RFC 9110 section 5.6.1.2).
fn is_coding(element: &[u8]) -> bool {
    let coding = element.trim_ascii();
    !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
}

/// Whether the declared length of the body is over the limit.
pub(crate) fn is_too_large(headers: &HeaderMap, max_body: usize) -> bool {
    Fields::read(headers).is_too_large(max_body)
}

/// The format of the body, if there is exactly one `Content-Type`, and what it names is read.
pub(crate) fn format(headers: &HeaderMap, read: BodyFormats) -> Option<BodyFormat> {
    Fields::read(headers).format(read)
}

/// Length, type and coding of the body, then the query (RFC 6749 section 2.3.1). Gives the format of the body.
#[inline]
pub(crate) fn judge(
    parts: &Parts,
    fields: &Fields<'_>,
    max_body: usize,
    read: BodyFormats,
) -> Result<BodyFormat, Reason> {
    if fields.is_too_large(max_body) {
        return Err(Reason::BodyTooLarge);
    }
    let format = fields.format(read).ok_or(Reason::ContentType)?;
    if fields.is_coded {
        return Err(Reason::ContentCoding);
    }
    judge_query(parts).map(|()| format)
}

/// The query (RFC 6749 section 2.3.1, RFC 6750 section 2.3).
#[inline]
pub(crate) fn judge_query(parts: &Parts) -> Result<(), Reason> {
    match parts.uri.query() {
        Some(query) if holds_credentials(query) => Err(Reason::CredentialsInQuery),
        _ => Ok(()),
    }
}

fn holds_credentials(query: &str) -> bool {
    // Lossy decoding does no harm here: only plain ASCII names are looked for.
    serde_urlencoded::from_str::<Vec<(String, serde::de::IgnoredAny)>>(query)
        .map_or(true, |pairs| pairs.iter().any(|(name, _)| CREDENTIALS.contains(&name.as_str())))
}

/// The one `Authorization` value, if there is one.
pub(crate) fn authorization(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Reason> {
    // As nearly always, no header stands there twice.
    let is_one = headers.len() == headers.keys_len() || headers.get_all(AUTHORIZATION).iter().nth(1).is_none();
    if is_one { Ok(headers.get(AUTHORIZATION)) } else { Err(Reason::SeveralAuthentications) }
}

/// Whether a bearer token is presented (RFC 6750 section 2.1).
pub(crate) fn is_bearer(headers: &HeaderMap) -> bool {
    after_bearer(headers).is_some()
}

/// The bearer token that is presented, if it can be one.
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let token = after_bearer(headers)?.trim_ascii();
    if is_bearer_token(token) { std::str::from_utf8(token).ok() } else { None }
}

/// What stands behind the scheme, if that is the one of bearer tokens.
fn after_bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = authorization(headers).ok()??.as_bytes();
    let (scheme, rest) = value.split_at_checked(BEARER.len()).filter(|(_, rest)| matches!(rest, [] | [b' ', ..]))?;
    scheme.eq_ignore_ascii_case(BEARER).then_some(rest)
}

/// The one origin that a browser names; `None` where it hides it.
pub(crate) fn origin(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) if origin != "null" && origin.to_str().is_ok() => Some(origin),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/oauth/token");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_page_of_another_origin_is_told_apart_d_39() {
        let host = ("host", "as.example");
        for (headers, is_own, named) in [
            (vec![host], true, None),
            (vec![host, ("sec-fetch-mode", "cors")], true, None),
            (vec![host, ("sec-fetch-site", "none")], true, None),
            (
                vec![host, ("sec-fetch-site", "same-origin"), ("origin", "https://as.example")],
                true,
                Some("https://as.example"),
            ),
            (
                vec![host, ("sec-fetch-site", "same-site"), ("origin", "https://b.example")],
                false,
                Some("https://b.example"),
            ),
            (vec![host, ("sec-fetch-site", "cross-site")], false, None),
            (vec![host, ("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")], false, None),
            (vec![host, ("origin", "https://as.example")], true, Some("https://as.example")),
            (vec![host, ("origin", "https://AS.example:443")], true, Some("https://AS.example:443")),
            (vec![host, ("origin", "https://as.example:444")], false, Some("https://as.example:444")),
            (vec![host, ("origin", "null")], false, None),
            (vec![host, ("origin", "https://as.example"), ("origin", "https://b.example")], false, None),
        ] {
            let parts = parts(&headers);
            assert_eq!(Fields::read(&parts.headers).is_own_site(&parts, None), is_own, "{headers:?}");
            assert_eq!(origin(&parts.headers).map(|origin| origin.to_str().unwrap()), named, "{headers:?}");
        }
    }

    #[test]
    fn a_bearer_token_is_read_from_the_one_header() {
        for (value, token) in [
            ("Bearer abc", Some("abc")),
            ("bEARER   a.b-c_d~e+f/g==  ", Some("a.b-c_d~e+f/g==")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Bearerabc", None),
            ("Bearer a b", None),
            ("Bearer \"abc\"", None),
            ("Basic abc", None),
            ("", None),
        ] {
            let parts = parts(&[("authorization", value)]);
            assert_eq!(bearer_token(&parts.headers), token, "{value}");
        }
        assert_eq!(bearer_token(&parts(&[]).headers), None);
        assert_eq!(bearer_token(&parts(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]).headers), None);
        let long = format!("Bearer {}", "a".repeat(9000));
        assert_eq!(bearer_token(&parts(&[("authorization", &long)]).headers), None);
    }

    #[test]
    fn credentials_in_the_query_are_found_however_they_are_written_te_08() {
        for (query, found) in [
            ("tenant=a", false),
            ("client_id=conf", false),
            ("password=x", true),
            ("pass%77ord=x", true),
            ("a=b&client_secret", true),
        ] {
            assert_eq!(holds_credentials(query), found, "{query}");
        }
    }
}
