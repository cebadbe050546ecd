//! What every answer of the endpoint must be, whatever it says. The fuzz targets hold their answers to it, too, so it needs
//! nothing but `http` and `serde_json`.

use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

/// By the rules of which profile an answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "the fuzz targets know the default profile alone")]
pub enum Judged {
    ByDefault,
    /// `authorizes`: the request had an `Authorization` header.
    AsAuth0 {
        authorizes: bool,
    },
}

impl Judged {
    /// Whether the answer has a challenge: by default each 401 (RFC 9110 section 15.5.2), in the profile of Auth0 one that refuses
    /// the client's own `Authorization` header; and nothing else.
    fn is_challenge(self, status: StatusCode, body: &[u8]) -> bool {
        let is_401 = status == StatusCode::UNAUTHORIZED;
        match self {
            Self::ByDefault => is_401,
            Self::AsAuth0 { authorizes } => is_401 && authorizes && body.starts_with(b"{\"error\":\"access_denied\""),
        }
    }

    /// Whether the answer has `x-ratelimit-*`: in the profile of Auth0 each 429.
    fn is_counted(self, status: StatusCode) -> bool {
        matches!(self, Self::AsAuth0 { .. }) && status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Whether an answer may have this status. The SDKs of Auth0 read code and sentence of 400 to 499 alone.
    fn allows(self, status: StatusCode) -> bool {
        match self {
            Self::ByDefault => true,
            Self::AsAuth0 { .. } => {
                status.is_success() || status.is_client_error() || matches!(status.as_u16(), 500 | 503)
            }
        }
    }
}

/// Cacheability, media type, character sets, one challenge with each answer that must have one and none elsewhere (CA-12, OK-06,
/// OK-07, OK-11, ER-01, ER-08, ER-11, ER-15, HT-21, HT-22, HT-24, HT-28).
#[track_caller]
pub fn assert_shared(judged: Judged, status: StatusCode, headers: &HeaderMap, body: &[u8], head_only: bool) {
    // Looked up in a list: tests read hundreds of thousands of answers.
    let mut lines: Vec<(&str, &HeaderValue)> = Vec::with_capacity(headers.len());
    lines.extend(headers.iter().map(|(name, value)| (name.as_str(), value)));
    let one = |name: &str| {
        let mut found = None;
        for (of, value) in &lines {
            if *of == name {
                assert!(found.is_none(), "{name} stands twice: {headers:?}");
                found = Some(value.to_str().unwrap());
            }
        }
        found
    };
    assert_eq!(one("cache-control"), Some("no-store"));
    assert_eq!(one("x-content-type-options"), Some("nosniff"));
    assert!(!status.is_redirection() && one("location").is_none() && one("set-cookie").is_none());
    assert_ne!(
        (one("access-control-allow-origin"), one("access-control-allow-credentials")),
        (Some("*"), Some("true"))
    );
    assert_eq!(status == StatusCode::METHOD_NOT_ALLOWED || status == StatusCode::NO_CONTENT, one("allow").is_some());
    assert_eq!(one("www-authenticate").is_some(), judged.is_challenge(status, body), "{status} {headers:?}");
    if let Some(challenge) = one("www-authenticate") {
        let (scheme, parameters) = challenge.split_once(' ').expect(challenge);
        assert!(scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'), "{challenge}");
        // Bearer only for a bearer token at the introspection endpoint (IN-09).
        let refused =
            parameters.contains("error=\"invalid_token\"") && body.starts_with(b"{\"error\":\"invalid_token\"");
        assert_eq!(scheme == "Bearer", refused, "{challenge}");
        assert_eq!(parameters.matches("realm=\"").count(), 1, "{challenge}");
        assert_eq!(parameters.matches('"').count() % 2, 0, "{challenge}");
    }
    assert!(one("access-control-allow-credentials").is_none());
    if let Some(origin) = one("access-control-allow-origin") {
        assert!(origin != "*" && origin != "null");
        assert_eq!(one("vary"), Some("origin"));
        let exposed = one("access-control-expose-headers").unwrap();
        for name in ["www-authenticate", "retry-after", "dpop-nonce"] {
            assert!(exposed.contains(name), "{exposed}");
        }
    }
    let waits = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(one("retry-after").is_some(), waits, "{status} {headers:?}");
    if let Some(wait) = one("retry-after") {
        assert!(wait.parse::<u64>().unwrap() >= 1);
    }
    let counts = judged.is_counted(status);
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert_eq!(one(name).is_some_and(|value| value.parse::<u64>().is_ok()), counts, "{name}: {headers:?}");
        assert_eq!(one(name).is_some(), counts, "{name}: {headers:?}");
    }
    assert!(judged.allows(status), "{status}");
    if status == StatusCode::NO_CONTENT {
        assert!(body.is_empty() && one("content-type").is_none());
        return;
    }
    if body.is_empty() && !head_only {
        // A revocation. A client that parses an empty body as what its type says fails.
        assert_eq!((status, one("content-type")), (StatusCode::OK, None));
        return;
    }
    assert_eq!(one("content-type"), Some("application/json"));
    assert_eq!(one("pragma"), Some("no-cache"));
    if head_only {
        assert!(body.is_empty());
        return;
    }
    assert_eq!(body.first(), Some(&b'{'));
    let json = parsed(body);
    let members = json.as_object().unwrap();
    if status == StatusCode::OK && members.is_empty() {
        // A revocation, for a client that takes nothing but JSON for an answer.
        return;
    }
    let text = std::str::from_utf8(body).unwrap();
    let (mut names, mut before) = (Vec::new(), "");
    for piece in text.split('"') {
        if piece.starts_with(':') {
            names.push(before);
        }
        before = piece;
    }
    for name in members.keys() {
        assert_eq!(names.iter().filter(|of| *of == name).count(), 1, "{text}");
    }
    assert!(members.values().all(|value| !value.is_null() && value != ""));
    if status == StatusCode::OK && members.contains_key("active") {
        // An introspection.
        assert!(members["active"].is_boolean() && (members["active"] == true || members.len() == 1));
        return;
    }
    if status == StatusCode::OK {
        assert!(members["access_token"].is_string() && members["token_type"].is_string());
        assert!(members["expires_in"].is_u64() && members.get("error").is_none());
        return;
    }
    if let Some(uri) = members.get("error_uri") {
        let legal = |b: u8| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(uri.as_str().unwrap().bytes().all(legal));
    }
    assert!(members.get("access_token").is_none() && members.get("refresh_token").is_none());
    for name in ["error", "error_description"] {
        if let Some(value) = members.get(name) {
            let value = value.as_str().unwrap();
            let legal = |b: u8| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(!value.is_empty() && value.bytes().all(legal), "{value}");
        }
    }
    assert!(members.contains_key("error"));
}

/// A body as JSON. This parser is compiled in its own crate, with that crate's optimization; one that is generic would be
/// compiled here, with none.
#[track_caller]
pub fn parsed(body: &[u8]) -> Value {
    let text = std::str::from_utf8(body).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{error}: {text:?}"))
}
