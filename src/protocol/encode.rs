//! The one place where answers are put together: status, headers, body (RFC 6749 sections 5.1 and 5.2).

use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH,
    CONTENT_TYPE, ORIGIN, PRAGMA, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version};

use super::error::{TokenError, Wire};
use super::sunset::Sunset;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const METHODS: HeaderValue = HeaderValue::from_static("POST, OPTIONS");
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// What an answer depends on besides its outcome.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) version: Version,
    pub(crate) is_head_request: bool,
    /// The request had an `Origin`.
    pub(crate) has_origin: bool,
    /// The origin whose pages may read the answer.
    pub(crate) allowed_origin: Option<&'a HeaderValue>,
    pub(crate) sunset: Option<&'a Sunset>,
    pub(crate) error_uri: Option<&'a str>,
    pub(crate) challenge: &'a HeaderValue,
}

/// Tokens.
pub(crate) fn success(json: Vec<u8>, setting: &Setting<'_>) -> Response<Bytes> {
    finish(StatusCode::OK, Bytes::from(json), fixed_headers(), setting)
}

/// A revoked token (RFC 7009 section 2.2): no body, as clients ignore it. Some take nothing but JSON for an answer; those that
/// ask for it get an empty object.
pub(crate) fn revoked(request: &HeaderMap, setting: &Setting<'_>) -> Response<Bytes> {
    let body = if accepts_json(request) { Bytes::from_static(b"{}") } else { Bytes::new() };
    finish(StatusCode::OK, body, fixed_headers(), setting)
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

/// What a token stands for (RFC 7662 section 2.2), which its one reader may keep for `max_age`.
pub(crate) fn introspected(json: Vec<u8>, max_age: Option<Duration>, setting: &Setting<'_>) -> Response<Bytes> {
    let mut headers = fixed_headers();
    let seconds = max_age.map_or(0, |age| age.as_secs());
    if seconds > 0
        && let Ok(value) = HeaderValue::try_from(format!("private, max-age={seconds}"))
    {
        headers.insert(CACHE_CONTROL, value);
        headers.remove(PRAGMA);
    }
    finish(StatusCode::OK, Bytes::from(json), headers, setting)
}

/// The answer to `OPTIONS`: for a preflight of an allowed origin with what the page may send.
pub(crate) fn options(setting: &Setting<'_>) -> Response<Bytes> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(ALLOW, METHODS);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if setting.allowed_origin.is_some() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
        let allowed = "authorization, content-type, dpop, x-requested-with";
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allowed));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
    finish(StatusCode::NO_CONTENT, Bytes::new(), headers, setting)
}

/// An error.
pub(crate) fn refusal(error: &TokenError, setting: &Setting<'_>) -> Response<Bytes> {
    let row = error.wire.row();
    let mut headers = fixed_headers();
    match error.wire {
        Wire::Method => {
            headers.insert(ALLOW, METHODS);
        }
        Wire::MediaType => {
            headers.insert(ACCEPT_POST, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        Wire::Coding => {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        Wire::ClientByHeader => {
            let own = error.details.as_ref().and_then(|details| details.challenge.as_ref());
            headers.insert(WWW_AUTHENTICATE, own.unwrap_or(setting.challenge).clone());
        }
        Wire::TooLarge | Wire::Timeout if setting.version < Version::HTTP_2 => {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    if let Some(wait) = error.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
    }
    let host_code = error.details.as_ref().and_then(|details| details.host_code.as_ref());
    let body = match (host_code, setting.error_uri) {
        (None, None) => Bytes::from_static(row.body.as_bytes()),
        (host_code, error_uri) => {
            let (code, description) =
                host_code.map_or((row.code, row.description), |own| (&own.code, &own.description));
            body(code, description, error_uri)
        }
    };
    finish(row.status, body, headers, setting)
}

/// Rounded up: an answer that says 0 is not one to wait for.
pub(crate) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

fn body(code: &str, description: &str, error_uri: Option<&str>) -> Bytes {
    let mut map = serde_json::Map::new();
    map.insert("error".to_owned(), code.into());
    if !description.is_empty() {
        map.insert("error_description".to_owned(), description.into());
    }
    if let Some(uri) = error_uri {
        map.insert("error_uri".to_owned(), uri.into());
    }
    serde_json::Value::Object(map).to_string().into()
}

/// The headers of an answer with a body. Copying them costs a third of inserting them.
fn fixed_headers() -> HeaderMap {
    static FIXED: LazyLock<HeaderMap> = LazyLock::new(|| {
        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(CONTENT_TYPE, JSON);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers
    });
    FIXED.clone()
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
    let body = if setting.is_head_request {
        // Else the server would tell the length of what is sent (RFC 9110 section 8.6).
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        Bytes::new()
    } else {
        body
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::Reason;
    use crate::protocol::host_code::HostCode;
    use proptest::prelude::*;

    fn setting(challenge: &HeaderValue) -> Setting<'_> {
        Setting {
            version: Version::HTTP_11,
            is_head_request: false,
            has_origin: false,
            allowed_origin: None,
            sunset: None,
            error_uri: None,
            challenge,
        }
    }

    #[test]
    fn an_empty_answer_has_no_type_and_a_client_that_wants_json_gets_some() {
        let challenge = HeaderValue::from_static("Basic realm=\"x\"");
        let revoked = |accept: &[&'static str]| {
            let request = accept.iter().map(|line| (ACCEPT, HeaderValue::from_static(line))).collect();
            revoked(&request, &setting(&challenge))
        };
        for accept in
            [&[][..], &["*/*"], &["text/html, application/*"], &["application/json;q=0"], &["application/jsonx"]]
        {
            let answer = revoked(accept);
            assert!(answer.body().is_empty() && !answer.headers().contains_key(CONTENT_TYPE), "{accept:?}");
        }
        for accept in [&["application/json"][..], &["text/html", "*/*, Application/JSON ; q=0.5"]] {
            let answer = revoked(accept);
            assert_eq!((&answer.body()[..], &answer.headers()[CONTENT_TYPE]), (&b"{}"[..], &JSON), "{accept:?}");
        }
        let answer = options(&setting(&challenge));
        assert!(answer.body().is_empty() && !answer.headers().contains_key(CONTENT_TYPE));
    }

    #[test]
    fn waiting_times_are_rounded_up_to_whole_seconds_ht_21() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(900)), 900);
    }

    proptest! {
        #[test]
        fn every_error_is_one_json_object_within_the_character_sets_er_08(
            index in 0..Reason::ALL.len(),
            code in "[ !#-\\[\\]-~]{1,20}",
            description in "[ !#-\\[\\]-~]{0,40}",
            own in any::<bool>(),
        ) {
            let mut error = TokenError::new(Reason::ALL[index]);
            if own {
                error.details().host_code = Some(HostCode::new(code, description).unwrap());
            }
            let challenge = HeaderValue::from_static("Basic realm=\"x\"");
            let response = refusal(&error, &setting(&challenge));
            let json: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            for (name, value) in json.as_object().unwrap() {
                prop_assert!(["error", "error_description"].contains(&name.as_str()));
                prop_assert!(value.as_str().unwrap().bytes().all(crate::protocol::charset::is_nqschar));
            }
            prop_assert_eq!(response.status() == StatusCode::UNAUTHORIZED, response.headers().contains_key(WWW_AUTHENTICATE));
        }
    }
}
