//! What the benchmarks share: the sample request, and the endpoints that answer it.
#![allow(dead_code, reason = "each benchmark uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, unreachable_pub)]

pub mod handler;
pub mod library;
pub mod plain_layer;
pub mod tokens;

use std::net::{Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

/// The request of RFC 6749 section 4.3.2.
pub const PATH: &str = "/token";
pub const BASIC: &str = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW";
pub const BODY: &str = "grant_type=password&username=johndoe&password=A3ddj3w";
/// The same parameters as JSON.
pub const JSON_BODY: &str = r#"{"grant_type":"password","username":"johndoe","password":"A3ddj3w"}"#;
pub const CLIENT: &str = "s6BhdRkqt3";
pub const SECRET: &str = "gX1fBat3bV";
pub const USER: &str = "johndoe";
pub const PASSWORD: &str = "A3ddj3w";
pub const SCOPE: &str = "read";
pub const REALM: &str = "employees";
pub const LIFETIME: u64 = 3600;

/// A token request as a server hands it over: its texts share one buffer, its peer lies in an extension.
pub fn token_request<B>(basic: &str, body: &str, make_body: impl FnOnce(Bytes) -> B) -> Request<B> {
    typed_request("application/x-www-form-urlencoded", basic, body, make_body)
}

/// The same with a JSON body.
pub fn json_request<B>(basic: &str, body: &str, make_body: impl FnOnce(Bytes) -> B) -> Request<B> {
    typed_request("application/json", basic, body, make_body)
}

fn typed_request<B>(media_type: &str, basic: &str, body: &str, make_body: impl FnOnce(Bytes) -> B) -> Request<B> {
    let length = body.len().to_string();
    let headers =
        [(HOST, "server.example.com"), (AUTHORIZATION, basic), (CONTENT_TYPE, media_type), (CONTENT_LENGTH, &length)];
    let mut request = request(Method::POST, PATH, &headers, make_body(Bytes::copy_from_slice(body.as_bytes())));
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 4711))));
    request
}

/// A request that is not for the token endpoint.
pub fn other_request<B>(body: B) -> Request<B> {
    request(Method::GET, "/", &[(HOST, "server.example.com")], body)
}

/// A request for an API, with this `Authorization` header.
pub fn api_request<B>(authorization: Option<&str>, body: B) -> Request<B> {
    let host = (HOST, "server.example.com");
    match authorization {
        Some(value) => request(Method::GET, "/api/me", &[host, (AUTHORIZATION, value)], body),
        None => request(Method::GET, "/api/me", &[host], body),
    }
}

fn request<B>(method: Method, path: &str, headers: &[(http::HeaderName, &str)], body: B) -> Request<B> {
    let mut buffer = path.as_bytes().to_vec();
    headers.iter().for_each(|(_, value)| buffer.extend_from_slice(value.as_bytes()));
    let mut rest = Bytes::from(buffer);
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_maybe_shared(rest.split_to(path.len())).unwrap();
    let map: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_maybe_shared(rest.split_to(value.len())).unwrap()))
        .collect();
    *request.headers_mut() = map;
    request
}

/// 256 random bits as base64url.
pub fn random_token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
