use std::fmt;
use std::time::Duration;

use super::recent::{CacheKey, Recent};
use crate::protocol::token::record::AccessTokenRecord;

/// Tokens that were found good a short while ago, so that a burst of requests with one token asks the store or the
/// introspection endpoint once.
///
/// A revoked token is refused once `max_age` has passed since it was last looked up, not before: keep `max_age` as long as
/// you can bear that, and leave the cache out on routes where it must be at once
/// ([`without_cache`](super::BearerGuard::without_cache)). An expired token is refused at once all the same. JWTs need no
/// cache for the sake of a backend: it spares the processor the signature, and nothing else.
///
/// Only tokens that were good are kept, under their SHA-256 digest, so no sender fills the cache with guesses. When it is full,
/// the oldest entries go first.
pub struct TokenCache {
    recent: Recent<AccessTokenRecord>,
    is_empty: bool,
}

impl TokenCache {
    /// Room for `tokens` tokens, rounded up to a multiple of 16, each kept for `max_age` and never beyond its expiry. An
    /// entry takes a few hundred bytes. Seconds are a good `max_age`: 10 to 60.
    ///
    /// Neither may be zero: [`build`](super::BearerGuardBuilder::build) refuses a cache that could keep nothing.
    #[must_use]
    pub fn new(tokens: usize, max_age: Duration) -> Self {
        Self { recent: Recent::new(tokens, max_age), is_empty: tokens == 0 || max_age.is_zero() }
    }

    /// Whether it could keep nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn get(&self, key: &CacheKey, now: Duration) -> Option<AccessTokenRecord> {
        self.recent.get(key, now)
    }

    pub(super) fn put(&self, key: &CacheKey, record: &AccessTokenRecord, asked: Duration, now: Duration) {
        self.recent.put(key, record.clone(), asked, now);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("capacity", &self.recent.capacity())
            .field("max_age", &self.recent.max_age())
            .finish_non_exhaustive()
    }
}
