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
    /// Makes room for one token more.
    fn make_room(&mut self, capacity: usize, now: SystemTime) {
        while let Some(oldest) = self.order.front() {
            if self.families.get(oldest).is_some_and(|family| now < family.facts.expires()) {
                break;
            }
            self.drop_oldest_family();
        }
        while self.tokens.len() >= capacity {
            match self.spent.pop_front() {
                Some(token) => drop(self.tokens.remove(&token)),
                None if self.order.is_empty() => return,
                None => self.drop_oldest_family(),
            }
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
        state.make_room(self.capacity, now);
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
        if let (Rotated::Done, Some((successor, _))) = (rotated, rotation.successor()) {
            state.spent.extend(older);
            state.make_room(self.capacity, rotation.now());
            state.tokens.insert(*successor.as_bytes(), id);
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
