//! Where a bearer token stands in a request: the `Authorization` header (RFC 6750 section 2.1) and nowhere else. Tokens in
//! the body (2.2), the query (2.3) or a cookie are not looked at.

use std::borrow::Borrow;
use std::ops::Range;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};

use super::refusal::BearerReason;
use crate::protocol::wire::charset::{MAX_TOKEN, is_bearer_token};

/// The token of a request: its text stays where the server has read it to.
pub(super) struct BearerToken<H> {
    header: H,
    place: Range<usize>,
}

impl<'a> BearerToken<&'a HeaderValue> {
    /// The token of this request.
    pub(super) fn of(headers: &'a HeaderMap) -> Result<Self, BearerReason> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let header = values.next().ok_or(BearerReason::NoCredentials)?;
        if values.next().is_some() {
            return Err(BearerReason::SeveralHeaders);
        }
        // White space around a header's value is not part of it (RFC 9110 section 5.5).
        let whole = header.as_bytes().trim_ascii_end();
        let value = whole.trim_ascii_start();
        let end = value.iter().position(|b| *b == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(end).unwrap_or((value, b""));
        if !scheme.eq_ignore_ascii_case(b"bearer") {
            return Err(BearerReason::NoCredentials);
        }
        let token = rest.trim_ascii_start();
        if !is_bearer_token(token) {
            return Err(no_token(token));
        }
        Ok(Self { header, place: whole.len().saturating_sub(token.len())..whole.len() })
    }

    /// The same without a borrow, and without a copy of the text.
    pub(super) fn share(self) -> BearerToken<HeaderValue> {
        BearerToken { header: self.header.clone(), place: self.place }
    }
}

impl<H: Borrow<HeaderValue>> BearerToken<H> {
    pub(super) fn text(&self) -> &str {
        let text = self.header.borrow().as_bytes().get(self.place.clone()).unwrap_or_default();
        // A token is ASCII.
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// Why this is none.
#[cold]
fn no_token(text: &[u8]) -> BearerReason {
    if text.is_empty() || text.contains(&b' ') {
        BearerReason::MalformedHeader
    } else if text.len() > MAX_TOKEN {
        BearerReason::TooLong
    } else {
        BearerReason::IllegalCharacters
    }
}

/// Whether a browser asks what it may send (Fetch, "CORS-preflight request"): such a request never carries credentials, and
/// neither a body nor what describes one. Others have only the looks of it, for an inner service that ignores the method.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap, has_body: bool) -> bool {
    method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        && !headers.contains_key(CONTENT_TYPE)
        && !has_body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::charset::is_token68;
    use proptest::prelude::*;

    fn read(values: &[&[u8]]) -> Result<String, BearerReason> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        let token = BearerToken::of(&headers)?;
        let (text, shared) = (token.text().to_owned(), token.share());
        drop(headers);
        assert_eq!(shared.text(), text);
        Ok(text)
    }

    #[test]
    fn the_scheme_has_any_case_and_one_or_more_spaces_be_01() {
        for value in [
            "Bearer t-._~+/1==",
            "bearer t-._~+/1==",
            "BEARER   t-._~+/1==",
            " Bearer t-._~+/1== ",
            "\tBearer  t-._~+/1==\t",
        ] {
            assert_eq!(read(&[value.as_bytes()]).unwrap(), "t-._~+/1==", "{value}");
        }
    }

    #[test]
    fn what_is_no_single_token_is_told_apart_be_02_be_05_be_06_be_07_be_11() {
        use BearerReason::*;
        let cases: [(&[&[u8]], BearerReason); 14] = [
            (&[], NoCredentials),
            (&[b""], NoCredentials),
            (&[b"Basic Y29uZjpzM2NyZXQ="], NoCredentials),
            (&[b"Bearert"], NoCredentials),
            (&[b"Bearer\tt"], NoCredentials),
            (&[b"DPoP t"], NoCredentials),
            (&[b"Bearer"], MalformedHeader),
            (&[b"Bearer   "], MalformedHeader),
            (&[b"Bearer a b"], MalformedHeader),
            (&[b"Bearer a%b"], IllegalCharacters),
            (&[b"Bearer a,b"], IllegalCharacters),
            (&[b"Bearer ="], IllegalCharacters),
            (&[b"Bearer \xc3\xa9"], IllegalCharacters),
            (&[b"Bearer t", b"Bearer t"], SeveralHeaders),
        ];
        for (values, expected) in cases {
            assert_eq!(read(values), Err(expected), "{values:?}");
        }
        let [longest, longer] = [MAX_TOKEN, MAX_TOKEN + 1].map(|length| format!("Bearer {}", "a".repeat(length)));
        assert!(read(&[longest.as_bytes()]).is_ok());
        assert_eq!(read(&[longer.as_bytes()]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn whatever_the_header_holds_only_token68_comes_out(value in proptest::collection::vec(any::<u8>(), 0..60)) {
            let value = [b"Bearer ", &*value].concat();
            if HeaderValue::from_bytes(&value).is_ok() {
                prop_assert!(read(&[&value]).map_or(true, |token| is_token68(token.as_bytes())));
            }
        }
    }
}
