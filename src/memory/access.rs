//! Opaque access tokens in the memory of this process.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use async_trait::async_trait;

use super::sync::{Mutex, lock};
use crate::boundary::access::AccessTokenStore;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::setting::SettingError;
use crate::protocol::family::FamilyId;
use crate::protocol::record::AccessTokenRecord;
use crate::protocol::secrets::SecretDigest;

type Key = [u8; 32];

/// Opaque access tokens in the memory of this process: bounded, and gone after a restart. When it is full, the oldest
/// tokens go first.
pub struct MemoryAccessTokens {
    state: Mutex<State>,
    capacity: usize,
    clock: PartClock,
}

#[derive(Default)]
struct State {
    records: HashMap<Key, AccessTokenRecord>,
    /// Oldest first; what is not in `records` any more goes when all before it have gone.
    families: HashMap<FamilyId, VecDeque<Key>>,
    /// Oldest first.
    order: VecDeque<Key>,
}

impl State {
    fn remove(&mut self, key: &Key) -> Option<AccessTokenRecord> {
        let record = self.records.remove(key)?;
        if let Some(family) = record.family()
            && let Some(keys) = self.families.get_mut(&family)
        {
            // From the front, where the oldest is: a family that refreshed very often must not cost a look at all its tokens.
            while keys.front().is_some_and(|first| !self.records.contains_key(first)) {
                keys.pop_front();
            }
            if keys.is_empty() {
                self.families.remove(&family);
            }
        }
        Some(record)
    }
}

impl MemoryAccessTokens {
    /// Room for 100,000 tokens.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::new(State::default()), capacity: 100_000, clock: PartClock::system() }
    }

    /// Another clock, which tells what has expired. Default: the one that the endpoint or the
    /// guard [hands](Clock) to it, else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    /// Another bound: at least 1.
    ///
    /// # Errors
    /// Fails when it is less.
    pub fn with_capacity(mut self, tokens: usize) -> Result<Self, SettingError> {
        if tokens < 1 {
            return Err(SettingError::new("MemoryAccessTokens::with_capacity", tokens, "1 or more"));
        }
        self.capacity = tokens;
        Ok(self)
    }
}

impl Default for MemoryAccessTokens {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl AccessTokenStore for MemoryAccessTokens {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        while let Some(oldest) = state.order.front().copied() {
            let is_over = state.records.get(&oldest).is_none_or(|record| record.has_expired(now));
            // Revoked ones keep their place in the order until they come to its front.
            if !is_over && state.order.len() < self.capacity {
                break;
            }
            state.order.pop_front();
            state.remove(&oldest);
        }
        let key = *digest.as_bytes();
        if let Some(family) = record.family() {
            state.families.entry(family).or_default().push_back(key);
        }
        state.order.push_back(key);
        state.records.insert(key, record);
        Ok(())
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        Ok(lock(&self.state).records.get(digest.as_bytes()).cloned())
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        Ok(lock(&self.state).remove(digest.as_bytes()).is_some())
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        let mut state = lock(&self.state);
        let keys = state.families.remove(&family).unwrap_or_default();
        let removed = keys.iter().filter_map(|key| state.records.remove(key)).count();
        Ok(removed as u64)
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let mut state = lock(&self.state);
        let is_theirs = |record: &AccessTokenRecord| record.subject() == subject && record.realm() == realm;
        let keys: Vec<Key> =
            state.records.iter().filter(|(_, record)| is_theirs(record)).map(|(key, _)| *key).collect();
        Ok(keys.iter().filter_map(|key| state.remove(key)).count() as u64)
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.clock.follow(clock)
    }
}

impl fmt::Debug for MemoryAccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryAccessTokens").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::ClientId;
    use std::time::{Duration, SystemTime};

    #[tokio::test]
    async fn nothing_is_kept_of_a_family_whose_tokens_are_gone_in_whatever_order_they_went() {
        let store = MemoryAccessTokens::new().with_capacity(4).unwrap();
        let now = SystemTime::now();
        let digest = |number: u8| SecretDigest::from_bytes([number; 32]);
        let insert = async |number: u8, family: u8| {
            let client = ClientId::new("app").unwrap();
            let record = AccessTokenRecord::new("alice", client, now, now + Duration::from_secs(3600))
                .with_family(Some(FamilyId::from_bytes([family; 16])));
            store.insert(digest(number), record).await.unwrap();
        };
        for number in 1..=4 {
            insert(number, 1).await;
        }
        assert!(store.revoke(&digest(2)).await.unwrap() && store.revoke(&digest(4)).await.unwrap());
        for number in 5..=8 {
            insert(number, 2).await;
        }
        let state = lock(&store.state);
        assert_eq!((state.records.len(), state.families.len()), (4, 1));
        assert_eq!(state.families[&FamilyId::from_bytes([2; 16])], [5, 6, 7, 8].map(|number| [number; 32]));
    }
}
