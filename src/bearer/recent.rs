//! What was found out about tokens a short while ago, by their digests, within a fixed room.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::boundary::sync::held;
use crate::protocol::secret::secrets::SecretDigest;

type Key = [u8; 32];

/// Requests of one connection pool seldom meet at one lock of this many.
const SHARDS: usize = 16;

/// Which token this is. Made from the token itself, which is not kept.
#[derive(Clone, Copy)]
pub(super) struct CacheKey(Key);

impl CacheKey {
    pub(super) fn of(token: &str) -> Self {
        Self(*SecretDigest::of(token).as_bytes())
    }
}

/// Findings of a short while ago, bounded in number and age. When it is full, the oldest go first.
pub(super) struct Recent<T> {
    shards: [Mutex<Shard<T>>; SHARDS],
    /// Of one shard.
    capacity: usize,
    max_age: Duration,
}

struct Shard<T> {
    entries: HashMap<Key, Entry<T>>,
    /// Each key of `entries` once, oldest first.
    order: VecDeque<Key>,
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

struct Entry<T> {
    found: T,
    /// On the monotonic clock.
    until: Duration,
}

impl<T: Clone> Recent<T> {
    /// Room for `tokens`, rounded up to a number for each shard.
    pub(super) fn new(tokens: usize, max_age: Duration) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), capacity: tokens.div_ceil(SHARDS), max_age }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity.saturating_mul(SHARDS)
    }

    pub(super) fn max_age(&self) -> Duration {
        self.max_age
    }

    /// Nothing can panic while the lock is held; if it did, the worst would be a token that is looked up again.
    fn shard(&self, key: &Key) -> Option<MutexGuard<'_, Shard<T>>> {
        let index = usize::from(key.first().copied().unwrap_or_default()) % SHARDS;
        Some(held(self.shards.get(index)?.lock()))
    }

    /// What was found out about the token, if that was a short while ago.
    pub(super) fn get(&self, key: &CacheKey, now: Duration) -> Option<T> {
        let shard = self.shard(&key.0)?;
        shard.entries.get(&key.0).filter(|entry| now < entry.until).map(|entry| entry.found.clone())
    }

    /// Keeps what was found out by a look-up that started at `asked`: from then on counts the age, because things may have
    /// changed in between.
    pub(super) fn put(&self, key: &CacheKey, found: T, asked: Duration, now: Duration) {
        let until = asked.saturating_add(self.max_age);
        if until <= now {
            return;
        }
        let Some(mut shard) = self.shard(&key.0) else { return };
        let shard = &mut *shard;
        let entry = Entry { found, until };
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

#[cfg(test)]
mod tests {
    use super::*;

    fn held<T>(cache: &Recent<T>) -> usize {
        let held = |shard: &Mutex<Shard<T>>| {
            let shard = shard.lock().unwrap();
            assert_eq!(shard.entries.len(), shard.order.len());
            shard.order.len()
        };
        cache.shards.iter().map(held).sum()
    }

    #[test]
    fn it_never_holds_more_than_its_capacity_and_the_oldest_go_first() {
        let cache = Recent::new(160, Duration::from_secs(60));
        let keys: Vec<_> = (0..10_000).map(|index| CacheKey::of(&index.to_string())).collect();
        for key in &keys {
            cache.put(key, (), Duration::ZERO, Duration::ZERO);
            cache.put(key, (), Duration::ZERO, Duration::ZERO);
            assert!(held(&cache) <= 160);
        }
        assert_eq!(held(&cache), 160);
        assert!(cache.get(&keys[9_999], Duration::ZERO).is_some() && cache.get(&keys[0], Duration::ZERO).is_none());
    }

    #[test]
    fn the_age_counts_from_the_start_of_the_look_up() {
        let (cache, key) = (Recent::new(16, Duration::from_secs(30)), CacheKey::of("t"));
        let at = Duration::from_secs;
        cache.put(&key, (), at(100), at(131));
        assert!(cache.get(&key, at(131)).is_none() && held(&cache) == 0);
        cache.put(&key, (), at(100), at(110));
        assert!(cache.get(&key, at(129)).is_some() && cache.get(&key, at(130)).is_none());
        // What is over makes room, also when the same token comes again.
        cache.put(&key, (), at(140), at(140));
        assert!(cache.get(&key, at(169)).is_some() && held(&cache) == 1);
    }
}
