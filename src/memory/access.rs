//! Opaque access tokens in the memory of this process.

use std::fmt;

use async_trait::async_trait;

use super::tokens::{Bounds, Tokens};
use crate::boundary::access::{AccessTokenStore, MOST_TOKENS};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::setting::{SettingError, one_or_more};
use crate::boundary::sync::{Mutex, held};
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::record::AccessTokenRecord;

/// Opaque access tokens in the memory of this process: bounded, and gone after a restart.
///
/// A login has its newest 100, and a subject in one realm no more than a sixteenth of the room over all its logins, or as many
/// as one login if that is more: one more ends the oldest of its own. When all the room is taken, what has expired goes, and then
/// the oldest tokens of all. Each insertion looks at a few tokens for that, at 64 at most when there is no room.
///
/// `Arc<MemoryAccessTokens>` is an [`AccessTokenStore`], too: give a clone to [`OpaqueIssuer::new`](crate::OpaqueIssuer::new), and
/// end tokens by the other.
#[doc(alias = "in_memory")]
#[doc(alias = "InMemoryAccessTokenStore")]
pub struct MemoryAccessTokens {
    tokens: Mutex<Tokens>,
    bounds: Bounds,
    clock: PartClock,
}

impl MemoryAccessTokens {
    /// Room for 100,000 tokens, 100 of them for each login.
    #[must_use]
    pub fn new() -> Self {
        let bounds = Bounds { capacity: 100_000, per_login: MOST_TOKENS };
        Self { tokens: Mutex::new(Tokens::default()), bounds, clock: PartClock::system() }
    }

    /// Another clock, which says what has expired. Default: the one that the endpoint or the
    /// guard [hands](Clock) to it, else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    /// Another bound: at least 1. A sixteenth of it is what one subject may have in one realm.
    ///
    /// # Errors
    /// Fails when it is less.
    pub fn with_capacity(mut self, tokens: usize) -> Result<Self, SettingError> {
        self.bounds.capacity = one_or_more("MemoryAccessTokens::with_capacity", tokens)?;
        Ok(self)
    }

    /// How many tokens one login has: at least 1. Default: 100, so that no user pushes the tokens of others out. One login is a
    /// refresh token family; without refresh tokens it is whatever a subject has at a client. Its oldest token ends when it
    /// gets one more. Raise it where one account serves many machines at once, such as the jobs of a build server.
    ///
    /// # Errors
    /// Fails when it is less.
    pub fn with_tokens_per_login(mut self, tokens: usize) -> Result<Self, SettingError> {
        self.bounds.per_login = one_or_more("MemoryAccessTokens::with_tokens_per_login", tokens)?;
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
        held(self.tokens.lock()).insert(*digest.as_bytes(), record, self.bounds, now);
        Ok(())
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        Ok(held(self.tokens.lock()).get(digest.as_bytes()).cloned())
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        Ok(held(self.tokens.lock()).remove(digest.as_bytes()))
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        Ok(held(self.tokens.lock()).remove_family(family))
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        Ok(held(self.tokens.lock()).remove_subject(realm, subject))
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.clock.follow(clock)
    }
}

impl fmt::Debug for MemoryAccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryAccessTokens").field("capacity", &self.bounds.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::registered::ClientId;
    use std::time::{Duration, SystemTime};

    fn digest(number: usize) -> SecretDigest {
        SecretDigest::of(&number.to_string())
    }

    /// Inserts the token of this number, of a subject with a family of this number.
    async fn insert(store: &MemoryAccessTokens, number: usize, subject: &str, family: u8) {
        let (now, client) = (SystemTime::now(), ClientId::new("app").unwrap());
        let record = AccessTokenRecord::new(subject, client, now, now + Duration::from_secs(3600))
            .with_family(Some(FamilyId::from_bytes([family; 16])));
        store.insert(digest(number), record).await.unwrap();
    }

    async fn found(store: &MemoryAccessTokens, numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut found = Vec::new();
        for number in numbers {
            if store.find(&digest(number)).await.unwrap().is_some() {
                found.push(number);
            }
        }
        found
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_family_whose_tokens_are_gone_in_whatever_order_they_went() {
        let store = MemoryAccessTokens::new().with_capacity(4).unwrap();
        for number in 1..=4 {
            insert(&store, number, "alice", 1).await;
        }
        assert!(store.revoke(&digest(2)).await.unwrap() && store.revoke(&digest(4)).await.unwrap());
        for number in 5..=8 {
            insert(&store, number, "bob", 2).await;
        }
        assert_eq!(found(&store, 0..10).await, [5, 6, 7, 8]);
        assert_eq!(held(store.tokens.lock()).counts(), [4, 1, 1]);
        assert_eq!(store.revoke_family(FamilyId::from_bytes([2; 16])).await.unwrap(), 4);
        assert_eq!(held(store.tokens.lock()).counts(), [0, 0, 0]);
    }

    #[tokio::test]
    async fn a_subject_has_a_sixteenth_of_the_room_over_all_its_logins_and_at_least_what_one_login_has() {
        for (per_login, share) in [(2, 4), (7, 7)] {
            let store = MemoryAccessTokens::new().with_capacity(64).unwrap().with_tokens_per_login(per_login).unwrap();
            insert(&store, 0, "bob", 0).await;
            for number in 1..=1000 {
                // Each of many logins has few tokens.
                insert(&store, number, "alice", (number % 200) as u8 + 1).await;
                let first = number.saturating_sub(share - 1).max(1);
                let newest: Vec<usize> = std::iter::once(0).chain(first..=number).collect();
                // All that ever were, now and then: an ended token does not come back unseen for long.
                let oldest = if number % 50 == 0 { 1 } else { number.saturating_sub(20).max(1) };
                let asked = std::iter::once(0).chain(oldest..number + 1);
                assert_eq!(found(&store, asked).await, newest, "{per_login} of a login");
            }
            assert_eq!(held(store.tokens.lock()).counts()[2], 2);
        }
    }
}
