//! Where answers to endpoint requests are put together: status, headers, body (RFC 6749 sections 5.1 and 5.2). Two others do it
//! for theirs: `wire/published.rs` for documents, and `bearer/answer.rs` for the guard of an API.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN,
    PRAGMA, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};

use super::caching::{self, Cache};
use super::error::{Details, TokenError};
use super::faces::{Fixed, Header, Row, Sentence, Table, WAIT};
use super::host_code::ErrorText;
use super::media_type::BodyFormats;
use super::methods::Methods;
use super::rate_limit;
use crate::protocol::client::sunset::end::Sunset;
use crate::protocol::wait::seconds_to_wait;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// How an endpoint words its refusals, and what it lets pages send.
#[derive(Debug)]
pub(crate) struct Wording {
    pub(crate) table: Table,
    /// The request headers that pages of an allowed origin may set.
    pub(crate) page_headers: &'static str,
    /// What bodies are read, unless an endpoint reads others.
    pub(crate) formats: BodyFormats,
    /// A page about errors, named in each.
    pub(crate) error_uri: Option<String>,
    /// For client authentication, unless an error has one of its own.
    pub(crate) challenge: HeaderValue,
    /// For a bearer token that is not valid, or where client authentication is wanted.
    pub(crate) bearer_challenge: HeaderValue,
    /// For one that lacks a scope.
    pub(crate) scope_challenge: HeaderValue,
}

/// What an answer depends on besides its outcome.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    /// What the path takes.
    pub(crate) methods: Methods,
    /// What `Accept-Post` names.
    pub(crate) formats: BodyFormats,
    pub(crate) version: Version,
    pub(crate) is_head_request: bool,
    /// The request had an `Origin`.
    pub(crate) has_origin: bool,
    /// The origin whose pages may read the answer.
    pub(crate) allowed_origin: Option<&'a HeaderValue>,
    pub(crate) sunset: Option<&'a Sunset>,
    pub(crate) wording: &'a Wording,
}

/// Tokens.
///
/// `request`: the headers of the request, here and below.
pub(crate) fn success(json: Vec<u8>, request: HeaderMap, setting: &Setting<'_>) -> Response<Bytes> {
    finish(StatusCode::OK, Bytes::from(json), fixed_headers(request), setting)
}

/// A revoked token (RFC 7009 section 2.2): no body, as clients ignore it. Some take nothing but JSON for an answer; those that
/// ask for it get an empty object.
pub(crate) fn revoked(request: HeaderMap, setting: &Setting<'_>) -> Response<Bytes> {
    let body = if accepts_json(&request) { Bytes::from_static(b"{}") } else { Bytes::new() };
    finish(StatusCode::OK, body, fixed_headers(request), setting)
}

/// Whether the client names JSON as what it accepts (RFC 9110 section 12.5.1), not just anything.
fn accepts_json(request: &HeaderMap) -> bool {
    let lines = request.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut ranges = lines.flat_map(|line| line.split(','));
    ranges.any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_json = parts.next().is_some_and(|range| range.eq_ignore_ascii_case("application/json"));
        let is_refused = |part: &str| {
            let weight = part.strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
            weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0))
        };
        is_json && !parts.any(is_refused)
    })
}

/// What an endpoint of second factors has done. Where there is nothing to say, the answer has its type all the same: clients choose
/// their parser by it, and look at the status then.
pub(crate) fn factor(json: Option<Vec<u8>>, request: HeaderMap, setting: &Setting<'_>) -> Response<Bytes> {
    let Some(json) = json else {
        let mut response = finish(StatusCode::NO_CONTENT, Bytes::new(), fixed_headers(request), setting);
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        return response;
    };
    success(json, request, setting)
}

/// What a token stands for (RFC 7662 section 2.2), which its one reader may keep for `max_age`.
pub(crate) fn introspected(
    json: Vec<u8>,
    max_age: Option<Duration>,
    request: HeaderMap,
    setting: &Setting<'_>,
) -> Response<Bytes> {
    let mut headers = fixed_headers(request);
    if let Some(max_age) = max_age.filter(|age| age.as_secs() > 0) {
        caching::allow(&mut headers, Cache::Private, max_age);
        headers.remove(PRAGMA);
    }
    finish(StatusCode::OK, Bytes::from(json), headers, setting)
}

/// The answer to `OPTIONS`: for a preflight of an allowed origin with what the page may send.
pub(crate) fn options(setting: &Setting<'_>) -> Response<Bytes> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(ALLOW, setting.methods.allow());
    caching::forbid(&mut headers);
    if setting.allowed_origin.is_some() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, setting.methods.after_preflight());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(setting.wording.page_headers));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    finish(StatusCode::NO_CONTENT, Bytes::new(), headers, setting)
}

/// An error, as its row of the profile's table has it.
///
/// `now`: the time, if the row [tells](Row::tells_time) it.
pub(crate) fn refusal(
    error: &TokenError,
    row: &Row,
    now: Option<SystemTime>,
    request: HeaderMap,
    setting: &Setting<'_>,
) -> Response<Bytes> {
    let details = error.details.as_deref();
    let mut headers = fixed_headers(request);
    let mut wait = error.retry_after;
    for header in row.headers {
        let (name, value) = match header {
            Header::Allow => (ALLOW, setting.methods.allow()),
            Header::AcceptPost => (ACCEPT_POST, HeaderValue::from_static(setting.formats.accept_post())),
            Header::AcceptEncoding => (ACCEPT_ENCODING, HeaderValue::from_static("identity")),
            Header::Challenge => {
                let own = details.and_then(|details| details.challenge.as_ref());
                (WWW_AUTHENTICATE, own.unwrap_or(&setting.wording.challenge).clone())
            }
            Header::BearerChallenge => (WWW_AUTHENTICATE, setting.wording.bearer_challenge.clone()),
            Header::ScopeChallenge => (WWW_AUTHENTICATE, setting.wording.scope_challenge.clone()),
            Header::Close if setting.version < Version::HTTP_2 => (CONNECTION, HeaderValue::from_static("close")),
            Header::Close => continue,
            Header::RetryAfter => {
                wait.get_or_insert(WAIT);
                continue;
            }
            // Beside the time to wait.
            Header::RateLimit => continue,
        };
        headers.insert(name, value);
    }
    if let Some(wait) = wait {
        let seconds = seconds_to_wait(wait);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        if let Some(now) = now {
            rate_limit::tell(&mut headers, now, seconds);
        }
    }
    let own = details.and_then(|details| details.error_uri.as_deref());
    let page = own.or(setting.wording.error_uri.as_deref());
    finish(row.status, body(row, details, page), headers, setting)
}

/// The row's own JSON, unless there is more to say.
fn body(row: &Row, details: Option<&Details>, error_uri: Option<&str>) -> Bytes {
    let own = details.filter(|details| !details.leave_the_body());
    if let (Sentence::Fixed(Fixed { body, .. }), None, None) = (&row.sentence, own, error_uri) {
        return Bytes::from_static(body.as_bytes());
    }
    let code = own.and_then(|own| own.code.as_ref()).map_or(row.code, ErrorText::as_str);
    let description = match own.and_then(|own| own.description.as_ref()) {
        Some(own) => Cow::Borrowed(own.as_str()),
        None => row.sentence.written(details.and_then(|details| details.about.as_ref())),
    };
    let mut map = serde_json::Map::new();
    map.insert("error".to_owned(), code.into());
    if !description.is_empty() {
        map.insert("error_description".to_owned(), description.into_owned().into());
    }
    if let Some(uri) = error_uri {
        map.insert("error_uri".to_owned(), uri.into());
    }
    for (name, value) in own.into_iter().flat_map(|own| own.members.iter()) {
        map.insert(name.to_owned(), value.clone());
    }
    serde_json::Value::Object(map).to_string().into()
}

/// The headers of an answer with a body, written where those of the request were: nothing needs them any more, and a map of its
/// own would be two allocations.
// One function for all answers, so that what it calls of the map is compiled into it whatever else the crate calls.
#[inline(never)]
fn fixed_headers(request: HeaderMap) -> HeaderMap {
    let mut headers = request;
    headers.clear();
    headers.insert(CONTENT_TYPE, JSON);
    caching::forbid(&mut headers);
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers
}

fn finish(status: StatusCode, body: Bytes, mut headers: HeaderMap, setting: &Setting<'_>) -> Response<Bytes> {
    if setting.has_origin {
        headers.insert(VARY, HeaderValue::from_name(ORIGIN));
    }
    if let Some(origin) = setting.allowed_origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        let exposed = "www-authenticate, dpop-nonce, retry-after";
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    }
    if body.is_empty() {
        // There is nothing of that type, and a client that parses it would fail.
        headers.remove(CONTENT_TYPE);
    }
    for (name, value) in setting.sunset.into_iter().flat_map(Sunset::headers) {
        headers.insert(HeaderName::from_static(name), value.clone());
    }
    let mut response = Response::new(body_for(setting.is_head_request, body, &mut headers));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The body that is sent. A request for the head alone gets its length, too: else the server would send the length of
/// what is sent (RFC 9110 section 8.6).
#[inline]
pub(crate) fn body_for(is_head_request: bool, body: Bytes, headers: &mut HeaderMap) -> Bytes {
    if !is_head_request {
        return body;
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    Bytes::new()
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
