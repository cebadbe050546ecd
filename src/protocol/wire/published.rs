//! The answers at the path of a public document, which any cache and any page may keep.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};

use super::caching::{self, Cache, NO_STORE, NOSNIFF};
use super::encode::body_for;
use super::methods::Methods;

/// What a document holds now.
pub(crate) struct Published {
    pub(crate) content_type: HeaderValue,
    pub(crate) body: Bytes,
    pub(crate) max_age: Duration,
}

/// Answers with the document, if the method is one that reads.
pub(crate) fn document(methods: Methods, method: &Method, read: impl FnOnce() -> Published) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    if !methods.take(method) {
        headers.insert(ALLOW, methods.allow());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    let Published { content_type, body, max_age } = read();
    if !body.is_empty() {
        // Else there is nothing of that type.
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    caching::allow(headers, Cache::Public, max_age);
    *response.body_mut() = body_for(method == Method::HEAD, body, response.headers_mut());
    response
}

/// Answers where the document could not be had.
pub(crate) fn broken() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}
