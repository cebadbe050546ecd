//! Opaque access tokens in the memory of this process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::SystemTime;

use async_trait::async_trait;

use super::digests::DigestMap;
use super::sync::{Mutex, lock};
use crate::boundary::access::{AccessTokenStore, MOST_TOKENS};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::setting::SettingError;
use crate::protocol::family::FamilyId;
use crate::protocol::record::{AccessTokenRecord, Holder};
use crate::protocol::secrets::SecretDigest;

type Key = [u8; 32];

/// Opaque access tokens in the memory of this process: bounded, and gone after a restart. A login has its newest 100; when all
/// the room is taken, the oldest tokens of all go first.
pub struct MemoryAccessTokens {
    state: Mutex<State>,
    capacity: usize,
    per_login: usize,
    clock: PartClock,
}

#[derive(Default)]
struct State {
    records: DigestMap<Key, Kept>,
    /// Oldest first.
    order: BTreeMap<u64, Key>,
    /// The newest of each login, oldest first. One that is not in `order` any more goes when all on one side of it have gone.
    logins: HashMap<Login, VecDeque<u64>>,
    next: u64,
}

struct Kept {
    number: u64,
    record: AccessTokenRecord,
}

/// What a record's holder borrows, owned.
enum Login {
    Family(FamilyId),
    /// A record without a family.
    Record(AccessTokenRecord),
}

impl Login {
    fn of(record: &AccessTokenRecord) -> Self {
        record.family().map_or_else(|| Self::Record(record.clone()), Self::Family)
    }

    fn holder(&self) -> Holder<'_> {
        match self {
            Self::Family(family) => Holder::Family(*family),
            Self::Record(record) => record.holder(),
        }
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.holder() == other.holder()
    }
}

impl Eq for Login {}

impl Hash for Login {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.holder().hash(state);
    }
}

impl State {
    /// Adds a record, in the place of what its login may not have beside it.
    fn insert(&mut self, key: Key, record: AccessTokenRecord, per_login: usize) {
        self.remove(&key);
        let number = self.next;
        self.next = number.wrapping_add(1);
        let numbers = self.logins.entry(Login::of(&record)).or_default();
        numbers.push_back(number);
        let beyond = if numbers.len() > per_login { numbers.pop_front() } else { None };
        if let Some(oldest) = beyond.and_then(|number| self.order.remove(&number)) {
            self.records.remove(&oldest);
        }
        self.order.insert(number, key);
        self.records.insert(key, Kept { number, record });
    }

    /// Removes what has expired, and the oldest of all beyond the capacity.
    fn remove_beyond(&mut self, capacity: usize, now: SystemTime) {
        while let Some(oldest) = self.order.values().next().copied()
            && let Some(kept) = self.records.get(&oldest)
            && (self.records.len() > capacity || kept.record.has_expired(now))
        {
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, key: &Key) -> Option<AccessTokenRecord> {
        let Kept { number, record } = self.records.remove(key)?;
        self.order.remove(&number);
        let login = Login::of(&record);
        if let Some(numbers) = self.logins.get_mut(&login) {
            // From both ends: no removal may cost a look at all tokens of the login.
            while numbers.front().is_some_and(|first| !self.order.contains_key(first)) {
                numbers.pop_front();
            }
            while numbers.back().is_some_and(|last| !self.order.contains_key(last)) {
                numbers.pop_back();
            }
            if numbers.is_empty() {
                self.logins.remove(&login);
            }
        }
        Some(record)
    }

    fn remove_family(&mut self, family: FamilyId) -> usize {
        let numbers = self.logins.remove(&Login::Family(family)).unwrap_or_default();
        let keys = numbers.iter().filter_map(|number| self.order.remove(number));
        keys.filter_map(|key| self.records.remove(&key)).count()
    }
}

impl MemoryAccessTokens {
    /// Room for 100,000 tokens, 100 of them for each login.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            capacity: 100_000,
            per_login: MOST_TOKENS,
            clock: PartClock::system(),
        }
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

    /// How many tokens one login has: at least 1. Default: 100, so that nobody pushes the tokens of others out. One login is a
    /// refresh token family; without refresh tokens it is whatever a subject has at a client. Its oldest token ends when it
    /// gets one more. Raise it where one account serves many machines at once, such as the jobs of a build server.
    ///
    /// # Errors
    /// Fails when it is less.
    pub fn with_tokens_per_login(mut self, tokens: usize) -> Result<Self, SettingError> {
        if tokens < 1 {
            return Err(SettingError::new("MemoryAccessTokens::with_tokens_per_login", tokens, "1 or more"));
        }
        self.per_login = tokens;
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
        // First the record: one in the place of another of the same login costs nobody else.
        state.insert(*digest.as_bytes(), record, self.per_login);
        state.remove_beyond(self.capacity, now);
        Ok(())
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        Ok(lock(&self.state).records.get(digest.as_bytes()).map(|kept| kept.record.clone()))
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        Ok(lock(&self.state).remove(digest.as_bytes()).is_some())
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        Ok(lock(&self.state).remove_family(family) as u64)
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let mut state = lock(&self.state);
        let is_theirs = |record: &AccessTokenRecord| record.subject() == subject && record.realm() == realm;
        let theirs = state.records.iter().filter(|(_, kept)| is_theirs(&kept.record));
        let keys: Vec<Key> = theirs.map(|(key, _)| *key).collect();
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
    use std::time::Duration;

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
        assert_eq!((state.records.len(), state.order.len(), state.logins.len()), (4, 4, 1));
        assert_eq!(state.logins[&Login::Family(FamilyId::from_bytes([2; 16]))], [4, 5, 6, 7]);
    }
}
