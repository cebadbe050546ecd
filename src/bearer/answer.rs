//! The guard's own responses: challenges (RFC 6750 section 3), and their form in gRPC.

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::refusal::{BearerReason, BearerRefusal};
use super::route_needs::RouteNeeds;
use crate::protocol::token::methods::MULTI_FACTOR;
use crate::protocol::wait::seconds_to_wait;
use crate::protocol::wire::caching;
use crate::protocol::wire::faces::{self, Fixed, Header, WAIT, row};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A row of this table.
type Row = faces::Row<Fixed>;

/// In which words a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Http,
    /// gRPC, with the media type of the answer.
    Grpc(&'static str),
}

impl Dialect {
    #[inline]
    pub(super) fn of(headers: &HeaderMap) -> Self {
        // Up to some twenty headers, going through their names is faster than a look-up.
        if !headers.keys().any(|name| *name == CONTENT_TYPE) {
            return Self::Http;
        }
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        // Up to the message format or a parameter: `application/grpc+proto`.
        let end = kind.iter().position(|b| matches!(b, b'+' | b';' | b' ' | b'\t')).unwrap_or(kind.len());
        let kind = kind.get(..end).unwrap_or_default();
        let known = ["application/grpc-web-text", "application/grpc-web", "application/grpc"];
        known.into_iter().find(|known| kind.eq_ignore_ascii_case(known.as_bytes())).map_or(Self::Http, Self::Grpc)
    }
}

/// What a guard answers to a request that it refuses (RFC 6750 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AnswerKind {
    NoCredentials,
    Several,
    Malformed,
    Token,
    Scope,
    Authentication,
    Fault,
    Unavailable,
}

impl AnswerKind {
    /// In the order of their numbers.
    const ALL: [Self; 8] = [
        Self::NoCredentials,
        Self::Several,
        Self::Malformed,
        Self::Token,
        Self::Scope,
        Self::Authentication,
        Self::Fault,
        Self::Unavailable,
    ];

    fn of(refusal: &BearerRefusal) -> Self {
        match refusal.reason() {
            BearerReason::NoCredentials => Self::NoCredentials,
            BearerReason::SeveralHeaders => Self::Several,
            BearerReason::MalformedHeader => Self::Malformed,
            BearerReason::IllegalCharacters
            | BearerReason::TooLong
            | BearerReason::UnknownToken
            | BearerReason::Expired
            | BearerReason::NotYetValid
            | BearerReason::Bound
            | BearerReason::Audience
            | BearerReason::Realm => Self::Token,
            BearerReason::Scope => Self::Scope,
            BearerReason::SecondFactor => Self::Authentication,
            BearerReason::Backend if refusal.is_fault() => Self::Fault,
            BearerReason::Panicked => Self::Fault,
            BearerReason::Backend | BearerReason::Overdue => Self::Unavailable,
        }
    }

    /// Its row, and its status in gRPC. Without credentials there is no error, and so no code. The sentences are of characters
    /// that neither a quoted string (RFC 6750 section 3) nor a `grpc-message` needs to escape.
    const fn row(self) -> (&'static Row, u16) {
        const NO_CREDENTIALS: &Row = &row!(UNAUTHORIZED "" "an access token is needed" BearerChallenge);
        const SEVERAL: &Row = &row!(BAD_REQUEST "invalid_request" "more than one Authorization header" BearerChallenge);
        const MALFORMED: &Row = &row!(
            BAD_REQUEST "invalid_request" "the Authorization header must hold the scheme and one token" BearerChallenge
        );
        const TOKEN: &Row = &row!(
            UNAUTHORIZED "invalid_token" "the access token is malformed, expired, revoked or not for this API" BearerChallenge
        );
        const SCOPE: &Row =
            &row!(FORBIDDEN "insufficient_scope" "the access token has too little scope" BearerChallenge);
        const AUTHENTICATION: &Row = &row!(
            UNAUTHORIZED "insufficient_user_authentication" "a second factor is needed, or a more recent one" BearerChallenge
        );
        const FAULT: &Row = &row!(INTERNAL_SERVER_ERROR "server_error" "something broke on this side");
        const UNAVAILABLE: &Row = &row!(SERVICE_UNAVAILABLE "temporarily_unavailable" "try again later" RetryAfter);
        match self {
            Self::NoCredentials => (NO_CREDENTIALS, 16),
            Self::Several => (SEVERAL, 16),
            Self::Malformed => (MALFORMED, 16),
            Self::Token => (TOKEN, 16),
            Self::Scope => (SCOPE, 7),
            Self::Authentication => (AUTHENTICATION, 16),
            Self::Fault => (FAULT, 13),
            Self::Unavailable => (UNAVAILABLE, 14),
        }
    }

    /// gRPC has one code for all that is wrong with the caller's identity, so where another login would help the message says so.
    const fn grpc_message(self) -> &'static str {
        match self {
            Self::Authentication => "insufficient_user_authentication: a second factor is needed, or a more recent one",
            _ => self.row().0.sentence.text,
        }
    }
}

/// What stands in every challenge of a guard, checked when it was built.
pub(super) struct Challenge {
    pub(super) realm: String,
    pub(super) resource_metadata: Option<String>,
}

impl Challenge {
    /// Each parameter at most once, all of them quoted (RFC 6750 section 3, RFC 9470 section 3, RFC 9728 section 5.1).
    fn value(&self, kind: AnswerKind, needs: &RouteNeeds) -> Option<HeaderValue> {
        let (row, _) = kind.row();
        let mut text = format!("Bearer realm=\"{}\"", self.realm);
        let mut add = |name: &str, value: &str| write!(text, ", {name}=\"{value}\"").ok();
        if !row.code.is_empty() {
            add("error", row.code)?;
            add("error_description", row.sentence.text)?;
        }
        match kind {
            AnswerKind::Scope => add("scope", needs.scope.as_str())?,
            AnswerKind::Authentication => {
                add("acr_values", MULTI_FACTOR)?;
                if let Some(age) = needs.second_factor.and_then(|needed| needed.max_age) {
                    add("max_age", &age.to_string())?;
                }
            }
            _ => {}
        }
        if let Some(metadata) = &self.resource_metadata {
            add("resource_metadata", metadata)?;
        }
        HeaderValue::try_from(text).ok()
    }
}

/// All answers of a route, put together when the route is: a refusal costs a copy.
pub(super) struct Answers([Ready; AnswerKind::ALL.len()]);

/// One answer in both dialects.
struct Ready {
    head: Parts,
    body: Bytes,
    /// Of gRPC's "Trailers-Only": the status stands in the head, and there is no body. The media type is missing.
    grpc_head: Parts,
}

impl Answers {
    pub(super) fn new(challenge: &Challenge, needs: &RouteNeeds) -> Self {
        Self(AnswerKind::ALL.map(|kind| Ready::new(kind, challenge, needs)))
    }

    /// The answer to a request that was refused.
    #[inline]
    pub(super) fn answer<B>(
        &self,
        refusal: &BearerRefusal,
        dialect: Dialect,
        body: impl FnOnce(Bytes) -> B,
    ) -> Response<B> {
        let kind = AnswerKind::of(refusal);
        let Self([first, ..]) = self;
        // Each kind of answer has its place.
        let ready = self.0.get(kind as usize).unwrap_or(first);
        let mut response = match dialect {
            Dialect::Http => Response::from_parts(ready.head.clone(), body(ready.body.clone())),
            Dialect::Grpc(media_type) => Response::from_parts(ready.grpc_head_of(media_type), body(Bytes::new())),
        };
        if kind == AnswerKind::Unavailable {
            tell_wait(refusal, response.headers_mut());
        }
        response
    }
}

/// How long the backend wants to be left alone, if it said so.
#[cold]
fn tell_wait(refusal: &BearerRefusal, headers: &mut HeaderMap) {
    if let Some(wait) = refusal.error().and_then(|error| error.retry_after) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds_to_wait(wait)));
    }
}

impl Ready {
    fn new(kind: AnswerKind, challenge: &Challenge, needs: &RouteNeeds) -> Self {
        let (row, grpc_status) = kind.row();
        let mut headers = HeaderMap::with_capacity(6);
        caching::forbid(&mut headers);
        if row.headers.contains(&Header::BearerChallenge) {
            // Config and scopes have only characters that fit a header.
            let bare = HeaderValue::from_static("Bearer realm=\"api\"");
            let value = challenge.value(kind, needs).unwrap_or(bare);
            // Clones of a clone share its text without asking whether it is shared already.
            headers.insert(WWW_AUTHENTICATE, value.clone());
        }
        if row.headers.contains(&Header::RetryAfter) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds_to_wait(WAIT)));
        }
        let mut grpc_headers = headers.clone();
        grpc_headers.insert(GRPC_STATUS, HeaderValue::from(grpc_status));
        grpc_headers.insert(GRPC_MESSAGE, HeaderValue::from_static(kind.grpc_message()));
        let mut body = Bytes::new();
        if !row.code.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            body = Bytes::from_static(row.sentence.body.as_bytes());
        }
        Self { head: head(row.status, headers), body, grpc_head: head(StatusCode::OK, grpc_headers) }
    }

    #[inline(never)]
    fn grpc_head_of(&self, media_type: &'static str) -> Parts {
        let mut head = self.grpc_head.clone();
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        head
    }
}

fn head(status: StatusCode, headers: HeaderMap) -> Parts {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    head.headers = headers;
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_description_needs_an_escape_in_a_challenge_in_json_or_in_grpc_be_12() {
        let legal = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x24 | 0x26..=0x5b | 0x5d..=0x7e);
        for kind in AnswerKind::ALL {
            let (row, _) = kind.row();
            assert!(!row.sentence.text.is_empty() && row.sentence.text.bytes().all(legal), "{kind:?}");
            assert!(kind.grpc_message().bytes().all(legal), "{kind:?}");
        }
    }

    #[test]
    fn each_kind_of_answer_stands_at_its_number() {
        for (number, kind) in AnswerKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
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
