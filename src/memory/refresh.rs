//! Refresh token families in the memory of this process.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::sync::{Mutex, lock};
use crate::boundary::backend::BackendError;
use crate::boundary::refresh::RefreshTokenStore;
use crate::protocol::family::{FamilyId, RefreshFamily};
use crate::protocol::lineage::{FoundRefreshToken, Lineage, Rotated, Rotation};
use crate::protocol::secrets::SecretDigest;

type Key = [u8; 32];

/// Refresh token families in the memory of this process: bounded, and gone after a restart, which logs everybody out.
///
/// When it is full, the tokens that were spent first are forgotten first, so that a copy of one of them is refused and does
/// not end its family any more; when it is full of live tokens, the oldest families go, and their users log in again.
pub struct MemoryRefreshTokens {
    state: Mutex<State>,
    capacity: usize,
}

#[derive(Default)]
struct State {
    families: HashMap<FamilyId, Family>,
    tokens: HashMap<Key, FamilyId>,
    /// Oldest first. What is not in `families` any more keeps its place until it comes to the front.
    order: VecDeque<FamilyId>,
    /// The tokens before the predecessor, oldest first.
    spent: VecDeque<Key>,
}

struct Family {
    facts: RefreshFamily,
    lineage: Lineage,
}

impl State {
    /// Makes room for one token more, not at the cost of the family that is being used.
    fn make_room(&mut self, capacity: usize, now: SystemTime, in_use: Option<FamilyId>) {
        while let Some(oldest) = self.order.front() {
            if self.families.get(oldest).is_some_and(|family| now < family.facts.expires()) {
                break;
            }
            self.drop_oldest_family();
        }
        while self.tokens.len() >= capacity {
            if let Some(token) = self.spent.pop_front() {
                self.tokens.remove(&token);
                continue;
            }
            if self.order.front().copied() == in_use {
                let Some(family) = self.order.pop_front() else { return };
                self.order.push_back(family);
                if self.order.len() == 1 {
                    return;
                }
            }
            self.drop_oldest_family();
        }
    }

    /// Its spent tokens follow when there is need for room: until then they belong to no family.
    fn drop_oldest_family(&mut self) {
        let Some(family) = self.order.pop_front().and_then(|oldest| self.families.remove(&oldest)) else { return };
        self.tokens.remove(family.lineage.live.as_bytes());
        if let Some(predecessor) = &family.lineage.predecessor {
            self.tokens.remove(predecessor.digest.as_bytes());
        }
    }

    fn family_of(&mut self, token: &SecretDigest) -> Option<&mut Family> {
        let family = self.tokens.get(token.as_bytes())?;
        self.families.get_mut(family)
    }
}

impl MemoryRefreshTokens {
    /// Room for 262,144 tokens, live and spent.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::new(State::default()), capacity: 262_144 }
    }

    /// Another bound.
    #[must_use]
    pub fn with_capacity(mut self, tokens: usize) -> Self {
        self.capacity = tokens.max(2);
        self
    }
}

impl Default for MemoryRefreshTokens {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl RefreshTokenStore for MemoryRefreshTokens {
    async fn begin(&self, family: RefreshFamily, token: SecretDigest, now: SystemTime) -> Result<(), BackendError> {
        let mut state = lock(&self.state);
        state.make_room(self.capacity, now, None);
        let id = family.id();
        state.tokens.insert(*token.as_bytes(), id);
        state.order.push_back(id);
        state.families.insert(id, Family { facts: family, lineage: Lineage::new(token, now) });
        Ok(())
    }

    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError> {
        let mut state = lock(&self.state);
        Ok(state.family_of(token).map(|Family { facts, lineage }| {
            FoundRefreshToken::new(facts.clone(), lineage.state_of(token), lineage.last_used)
        }))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError> {
        let mut state = lock(&self.state);
        let Some(family) = state.family_of(rotation.presented()) else { return Ok(Rotated::Gone) };
        let older = family.lineage.predecessor.as_ref().map(|predecessor| *predecessor.digest.as_bytes());
        let rotated = family.lineage.rotate(&family.facts, &rotation);
        let id = family.facts.id();
        if rotated == Rotated::Done {
            state.spent.extend(older);
            if let Some((successor, _)) = rotation.successor() {
                state.make_room(self.capacity, rotation.now(), Some(id));
                state.tokens.insert(*successor.as_bytes(), id);
            }
        }
        Ok(rotated)
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        Ok(lock(&self.state).families.get_mut(&family).is_some_and(|family| family.lineage.end()))
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let mut state = lock(&self.state);
        let is_theirs = |family: &Family| family.facts.subject() == subject && family.facts.realm() == realm;
        let theirs = state.families.values_mut().filter(|family| is_theirs(family));
        Ok(theirs.map(|family| u64::from(family.lineage.end())).sum())
    }
}

impl fmt::Debug for MemoryRefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRefreshTokens").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::client::ClientId;

    fn facts(number: u8) -> RefreshFamily {
        let (now, client) = (SystemTime::UNIX_EPOCH, ClientId::new("app").unwrap());
        RefreshFamily::new(FamilyId::from_bytes([number; 16]), "alice", client, now, now + Duration::from_secs(3600))
    }

    fn token(family: u8, generation: u16) -> SecretDigest {
        SecretDigest::of(&format!("{family}:{generation}"))
    }

    async fn use_token(store: &MemoryRefreshTokens, family: u8, generation: u16) -> Rotated {
        let rotation = Rotation::new(token(family, generation), SystemTime::UNIX_EPOCH);
        store.rotate(rotation.with_successor(token(family, generation + 1), [0; 32])).await.unwrap()
    }

    #[tokio::test]
    async fn in_a_full_store_the_family_that_is_used_stays_and_the_bound_holds() {
        for capacity in [2, 3, 8] {
            let store = MemoryRefreshTokens::new().with_capacity(capacity);
            for family in 0..8 {
                store.begin(facts(family), token(family, 0), SystemTime::UNIX_EPOCH).await.unwrap();
            }
            let oldest = 8 - capacity as u8;
            for generation in 0..100 {
                assert_eq!(use_token(&store, oldest, generation).await, Rotated::Done, "{capacity} {generation}");
                let state = lock(&store.state);
                assert!(state.tokens.len() <= capacity, "{capacity}: {}", state.tokens.len());
                assert_eq!(state.families.len(), state.order.len());
            }
        }
    }

    #[tokio::test]
    async fn tokens_that_were_reused_leave_nothing_behind() {
        let store = MemoryRefreshTokens::new().with_capacity(4);
        for family in 0..100 {
            store.begin(facts(family), token(family, 0), SystemTime::UNIX_EPOCH).await.unwrap();
            assert_eq!(use_token(&store, family, 0).await, Rotated::Done);
            let reuse = Rotation::new(token(family, 1), SystemTime::UNIX_EPOCH);
            assert_eq!(store.rotate(reuse).await.unwrap(), Rotated::Done);
            assert!(lock(&store.state).tokens.len() <= 4);
        }
    }
}
