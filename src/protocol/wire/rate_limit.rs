//! The `x-ratelimit-*` headers of Auth0: when a refused client may come back, as a time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Says that nothing is left until so many seconds from now. The limit is a constant: the one that refused would show whether it
/// counts an account.
pub(super) fn tell(headers: &mut HeaderMap, now: SystemTime, seconds: u64) {
    headers.insert(LIMIT, HeaderValue::from_static("10"));
    headers.insert(REMAINING, HeaderValue::from_static("0"));
    headers.insert(RESET, HeaderValue::from(whole_seconds(now).saturating_add(seconds)));
}

/// Unix time, rounded up: a client that waits until then has waited long enough.
fn whole_seconds(now: SystemTime) -> u64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_secs().saturating_add(u64::from(since.subsec_nanos() > 0))
}
