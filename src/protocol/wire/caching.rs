//! `Cache-Control`: which answers a cache may keep (RFC 6749 section 5.1, RFC 9111 section 5.2.2).

use std::time::Duration;

use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue};

/// No cache keeps the answer.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// No browser takes the body for another type than it says.
pub(crate) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Which caches may keep an answer for a while.
#[derive(Clone, Copy)]
pub(crate) enum Cache {
    /// Every cache.
    Public,
    /// That of the client alone.
    Private,
}

/// The headers of an answer that no cache may keep.
#[inline(always)]
pub(crate) fn forbid(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
}

/// Lets the answer be kept for so many whole seconds.
pub(crate) fn allow(headers: &mut HeaderMap, cache: Cache, max_age: Duration) {
    let cache = match cache {
        Cache::Public => "public",
        Cache::Private => "private",
    };
    // Such a text always fits a header.
    if let Ok(value) = HeaderValue::try_from(format!("{cache}, max-age={}", max_age.as_secs())) {
        headers.insert(CACHE_CONTROL, value);
    }
}
