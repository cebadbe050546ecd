//! The guard's own responses: challenges (RFC 6750 section 3), and their form in gRPC.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

use super::refusal::{BearerReason, BearerRefusal};
use crate::protocol::scope::Scope;
use crate::protocol::wire::encode::whole_seconds;
use crate::protocol::wire::profile::{Header, Row, WAIT, row};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// In which words a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Http,
    /// gRPC, with the media type of the answer.
    Grpc(&'static str),
}

impl Dialect {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        // Up to the message format or a parameter: `application/grpc+proto`.
        let end = kind.iter().position(|b| matches!(b, b'+' | b';' | b' ' | b'\t')).unwrap_or(kind.len());
        let kind = kind.get(..end).unwrap_or_default();
        let known = ["application/grpc-web-text", "application/grpc-web", "application/grpc"];
        known.into_iter().find(|known| kind.eq_ignore_ascii_case(known.as_bytes())).map_or(Self::Http, Self::Grpc)
    }
}

/// The answer to a refusal (RFC 6750 section 3.1), and its status in gRPC. Without credentials there is no error, and so no code.
/// The sentences are of characters that neither a quoted string (RFC 6750 section 3) nor a `grpc-message` needs to escape.
fn answer_to(refusal: &BearerRefusal) -> (&'static Row, u16) {
    const NO_CREDENTIALS: &Row = &row!(UNAUTHORIZED "" "an access token is needed" BearerChallenge);
    const SEVERAL: &Row = &row!(BAD_REQUEST "invalid_request" "more than one Authorization header" BearerChallenge);
    const MALFORMED: &Row = &row!(
        BAD_REQUEST "invalid_request" "the Authorization header must hold the scheme and one token" BearerChallenge
    );
    const TOKEN: &Row = &row!(
        UNAUTHORIZED "invalid_token" "the access token is malformed, expired, revoked or not for this API" BearerChallenge
    );
    const SCOPE: &Row = &row!(FORBIDDEN "insufficient_scope" "the access token has too little scope" BearerChallenge);
    const FAULT: &Row = &row!(INTERNAL_SERVER_ERROR "server_error" "something broke on this side");
    const UNAVAILABLE: &Row = &row!(SERVICE_UNAVAILABLE "temporarily_unavailable" "try again later" RetryAfter);
    match refusal.reason() {
        BearerReason::NoCredentials => (NO_CREDENTIALS, 16),
        BearerReason::SeveralHeaders => (SEVERAL, 16),
        BearerReason::MalformedHeader => (MALFORMED, 16),
        BearerReason::IllegalCharacters
        | BearerReason::TooLong
        | BearerReason::UnknownToken
        | BearerReason::Expired
        | BearerReason::NotYetValid
        | BearerReason::Bound
        | BearerReason::Audience
        | BearerReason::Realm => (TOKEN, 16),
        BearerReason::Scope => (SCOPE, 7),
        BearerReason::Backend if refusal.is_fault() => (FAULT, 13),
        BearerReason::Panicked => (FAULT, 13),
        BearerReason::Backend | BearerReason::Overdue => (UNAVAILABLE, 14),
    }
}

/// What stands in every challenge of a guard, checked when it was built.
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) resource_metadata: Option<String>,
}

impl Challenge {
    /// Each parameter at most once, all of them quoted (RFC 6750 section 3, RFC 9728 section 5.1).
    fn value(&self, row: &Row, scope: Option<&Scope>) -> Option<HeaderValue> {
        let mut text = format!("Bearer realm=\"{}\"", self.realm);
        let mut add = |name: &str, value: &str| write!(text, ", {name}=\"{value}\"").ok();
        if !row.code.is_empty() {
            add("error", row.code)?;
            add("error_description", row.description)?;
        }
        if let Some(scope) = scope {
            add("scope", scope.as_str())?;
        }
        if let Some(metadata) = &self.resource_metadata {
            add("resource_metadata", metadata)?;
        }
        HeaderValue::try_from(text).ok()
    }

    /// The response to a request that was refused; `needed` is the scope of the route.
    pub(super) fn response(&self, refusal: &BearerRefusal, needed: &Scope, dialect: Dialect) -> Response<Bytes> {
        let (row, grpc) = answer_to(refusal);
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if row.headers.contains(&Header::BearerChallenge) {
            let scope = (refusal.reason() == BearerReason::Scope).then_some(needed);
            // Config and scopes have only characters that fit a header.
            let bare = HeaderValue::from_static("Bearer realm=\"api\"");
            headers.insert(WWW_AUTHENTICATE, self.value(row, scope).unwrap_or(bare));
        }
        if row.headers.contains(&Header::RetryAfter) {
            let wait = refusal.error.as_ref().and_then(|error| error.retry_after).unwrap_or(WAIT);
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        match dialect {
            Dialect::Grpc(media_type) => {
                // "Trailers-Only": the status stands in the head, and there is no body.
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
                headers.insert(GRPC_STATUS, HeaderValue::from(grpc));
                headers.insert(GRPC_MESSAGE, HeaderValue::from_static(row.description));
            }
            Dialect::Http => {
                *response.status_mut() = row.status;
                if !row.code.is_empty() {
                    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                    *response.body_mut() = Bytes::from_static(row.body.as_bytes());
                }
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::backend::BackendError;

    #[test]
    fn no_description_needs_an_escape_in_a_challenge_in_json_or_in_grpc_be_12() {
        use BearerReason::*;
        let reasons = [
            NoCredentials,
            SeveralHeaders,
            MalformedHeader,
            IllegalCharacters,
            TooLong,
            UnknownToken,
            Expired,
            NotYetValid,
            Bound,
            Audience,
            Realm,
            Scope,
            Backend,
            Overdue,
            Panicked,
        ];
        let refusals = reasons.into_iter().map(BearerRefusal::from);
        for refusal in refusals.chain([BackendError::fault("x").into()]) {
            let (row, _) = answer_to(&refusal);
            let legal = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x24 | 0x26..=0x5b | 0x5d..=0x7e);
            assert!(!row.description.is_empty() && row.description.bytes().all(legal), "{refusal:?}");
        }
    }

    #[test]
    fn grpc_is_known_by_its_media_type() {
        let dialect =
            |kind: &'static str| Dialect::of(&[(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect());
        for kind in ["application/grpc", "application/grpc+proto", "Application/gRPC;x=y"] {
            assert_eq!(dialect(kind), Dialect::Grpc("application/grpc"), "{kind}");
        }
        assert_eq!(dialect("application/grpc-web+proto"), Dialect::Grpc("application/grpc-web"));
        assert_eq!(dialect("application/grpc-web-text"), Dialect::Grpc("application/grpc-web-text"));
        for kind in ["application/json", "application/grp", "application/grpcfoo", "text/application/grpc", ""] {
            assert_eq!(dialect(kind), Dialect::Http, "{kind}");
        }
        assert_eq!(Dialect::of(&HeaderMap::new()), Dialect::Http);
    }
}
