use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::protocol::record::AccessTokenRecord;
use crate::protocol::secrets::SecretDigest;

type Key = [u8; 32];

/// Requests of one connection pool seldom meet at one lock of this many.
const SHARDS: usize = 16;

/// Tokens that were found good a short while ago, so that a burst of requests with one token asks the store or the
/// introspection endpoint once.
///
/// A revoked token is refused once `max_age` has passed since it was last looked up, not before: keep `max_age` as long as
/// you can bear that, and leave the cache out on routes where it must be at once
/// ([`without_cache`](crate::BearerGuard::without_cache)). An expired token is refused at once all the same. JWTs need no
/// cache for the sake of a backend: it spares the processor the signature, and nothing else.
///
/// Only tokens that were good are kept, under their SHA-256 digest, so nobody fills the cache with guesses. When it is full,
/// the oldest entries go first.
pub struct TokenCache {
    shards: [Mutex<Shard>; SHARDS],
    capacity: usize,
    max_age: Duration,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<Key, Entry>,
    /// Each key of `entries` once, oldest first.
    order: VecDeque<Key>,
}

struct Entry {
    record: AccessTokenRecord,
    /// On the monotonic clock.
    until: Duration,
}

/// Which token this is. Made from the token itself, which is not kept.
#[derive(Clone, Copy)]
pub(super) struct CacheKey(Key);

impl CacheKey {
    pub(super) fn of(token: &str) -> Self {
        Self(*SecretDigest::of(token).as_bytes())
    }
}

impl TokenCache {
    /// Room for about `tokens` tokens (at least 16), each kept for `max_age` and never beyond its expiry. An entry takes a few
    /// hundred bytes. Seconds are a good `max_age`: 10 to 60.
    #[must_use]
    pub fn new(tokens: usize, max_age: Duration) -> Self {
        let capacity = tokens.div_ceil(SHARDS).max(1);
        Self { shards: std::array::from_fn(|_| Mutex::default()), capacity, max_age }
    }

    /// Nothing can panic while the lock is held; if it did, the worst would be a token that is looked up again.
    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard>> {
        let index = usize::from(key.first().copied().unwrap_or_default()) % SHARDS;
        Some(self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the token was found to stand for, if that was a short while ago.
    pub(super) fn get(&self, key: &CacheKey, now: Duration) -> Option<AccessTokenRecord> {
        let shard = self.shard(&key.0)?;
        shard.entries.get(&key.0).filter(|entry| now < entry.until).map(|entry| entry.record.clone())
    }

    /// Keeps what was found out by a look-up that started at `asked`: from then on counts the age, because a revocation may
    /// have come in between.
    pub(super) fn put(&self, key: &CacheKey, record: &AccessTokenRecord, asked: Duration, now: Duration) {
        let until = asked.saturating_add(self.max_age);
        if until <= now {
            return;
        }
        let Some(mut shard) = self.shard(&key.0) else { return };
        let shard = &mut *shard;
        let entry = Entry { record: record.clone(), until };
        if let Some(known) = shard.entries.get_mut(&key.0) {
            *known = entry;
            return;
        }
        while let Some(oldest) = shard.order.front() {
            let is_over = shard.entries.get(oldest).is_none_or(|entry| entry.until <= now);
            if !is_over && shard.order.len() < self.capacity {
                break;
            }
            shard.entries.remove(oldest);
            shard.order.pop_front();
        }
        shard.order.push_back(key.0);
        shard.entries.insert(key.0, entry);
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("capacity", &self.capacity.saturating_mul(SHARDS))
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::ClientId;
    use std::time::SystemTime;

    fn record() -> AccessTokenRecord {
        AccessTokenRecord::new("alice", ClientId::new("cli").unwrap(), SystemTime::now(), SystemTime::now())
    }

    fn held(cache: &TokenCache) -> usize {
        cache
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock().unwrap();
                assert_eq!(shard.entries.len(), shard.order.len());
                shard.order.len()
            })
            .sum()
    }

    #[test]
    fn it_never_holds_more_than_its_capacity_and_the_oldest_go_first() {
        let cache = TokenCache::new(160, Duration::from_secs(60));
        let keys: Vec<_> = (0..10_000).map(|index| CacheKey::of(&index.to_string())).collect();
        for key in &keys {
            cache.put(key, &record(), Duration::ZERO, Duration::ZERO);
            cache.put(key, &record(), Duration::ZERO, Duration::ZERO);
            assert!(held(&cache) <= 160);
        }
        assert_eq!(held(&cache), 160);
        assert!(cache.get(&keys[9_999], Duration::ZERO).is_some() && cache.get(&keys[0], Duration::ZERO).is_none());
    }

    #[test]
    fn the_age_counts_from_the_start_of_the_look_up() {
        let (cache, key) = (TokenCache::new(16, Duration::from_secs(30)), CacheKey::of("t"));
        let at = Duration::from_secs;
        cache.put(&key, &record(), at(100), at(131));
        assert!(cache.get(&key, at(131)).is_none() && held(&cache) == 0);
        cache.put(&key, &record(), at(100), at(110));
        assert!(cache.get(&key, at(129)).is_some() && cache.get(&key, at(130)).is_none());
        // What is over makes room, also when the same token comes again.
        cache.put(&key, &record(), at(140), at(140));
        assert!(cache.get(&key, at(169)).is_some() && held(&cache) == 1);
    }
}
