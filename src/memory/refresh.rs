//! Refresh token families in the memory of this process.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::sync::{Mutex, lock};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::refresh::{MOST_LOGINS, RefreshTokenStore};
use crate::boundary::setting::SettingError;
use crate::protocol::family::{FamilyId, RefreshFamily};
use crate::protocol::lineage::{FoundRefreshToken, Lineage, RefreshTokenState, Rotated, Rotation};
use crate::protocol::secrets::SecretDigest;

type Key = [u8; 32];

/// The most families that are removed in one call because they are over: each call adds one at most.
const MOST_OVER: usize = 64;

/// How long a predecessor counts at most: the longest leeway, and as long for the request that used it.
const PREDECESSOR: Duration = Duration::from_secs(120);

/// Refresh token families in the memory of this process: bounded, and gone after a restart, which logs everybody out.
///
/// One subject has at most 100 logins at one client: the next one ends the oldest of them, so that nobody fills the store
/// alone. When it is full, families that have ended or are over go first, then the tokens that were spent first, so that a
/// copy of one of them is refused and does not end its family any more; when it is full of live tokens, the oldest families
/// go, and their users log in again.
///
/// The predecessor of a token may be presented again within the leeway by the wall clock, and two minutes after its use no
/// more whatever the wall clock shows.
pub struct MemoryRefreshTokens {
    state: Mutex<State>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    families: HashMap<FamilyId, Family>,
    tokens: HashMap<Key, FamilyId>,
    /// Who goes first: those that have ended, then the oldest.
    order: BTreeMap<Place, FamilyId>,
    by_expiry: BTreeSet<(SystemTime, FamilyId)>,
    /// Those that have not ended, oldest first.
    logins: HashMap<Login, VecDeque<FamilyId>>,
    /// The tokens before the predecessor, oldest first. Those of a family that is gone belong to none until it is their turn.
    spent: VecDeque<Key>,
    /// The number of the next family.
    next: u64,
}

struct Family {
    facts: RefreshFamily,
    lineage: Lineage,
    number: u64,
    /// When the predecessor was used, by the clock that never goes back.
    used: Duration,
}

/// Those that have ended are before those that live.
type Place = (bool, u64);

impl Family {
    /// Whether so much time has passed since the predecessor was used that no wall clock can make it good again.
    fn is_stale(&self, elapsed: Duration) -> bool {
        elapsed.saturating_sub(self.used) > PREDECESSOR
    }

    fn state_of(&self, token: &SecretDigest, elapsed: Duration) -> RefreshTokenState {
        match self.lineage.state_of(token) {
            RefreshTokenState::Predecessor { .. } if self.is_stale(elapsed) => RefreshTokenState::Spent,
            state => state,
        }
    }

    fn rotate(&mut self, rotation: &Rotation, elapsed: Duration) -> Rotated {
        let stale = if self.is_stale(elapsed) { self.lineage.predecessor.take() } else { None };
        let rotated = self.lineage.rotate(&self.facts, rotation);
        if rotated == Rotated::Done {
            self.used = elapsed;
        } else if stale.is_some() {
            // It goes with its family.
            self.lineage.predecessor = stale;
        }
        rotated
    }

    fn place(&self) -> Place {
        (!self.lineage.is_ended, self.number)
    }
}

/// What the families of one subject at one client have in common.
struct Login(RefreshFamily);

impl Login {
    fn parts(&self) -> (Option<&str>, &str, &str) {
        (self.0.realm(), self.0.subject(), self.0.client().as_str())
    }
}

impl Hash for Login {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Login {}

impl State {
    fn add(&mut self, facts: RefreshFamily, token: SecretDigest, now: SystemTime) {
        let (id, number) = (facts.id(), self.next);
        // No id comes twice; if one did, the first family must not stay in half of the tables.
        self.remove(id);
        self.next = number.saturating_add(1);
        self.tokens.insert(*token.as_bytes(), id);
        self.by_expiry.insert((facts.expires(), id));
        self.logins.entry(Login(facts.clone())).or_default().push_back(id);
        let family = Family { facts, lineage: Lineage::new(token, now), number, used: Duration::ZERO };
        self.order.insert(family.place(), id);
        self.families.insert(id, family);
    }

    /// Makes room for one login more of this subject at this client, at the cost of one that is over or of the oldest.
    fn make_room_for_login(&mut self, facts: &RefreshFamily, now: SystemTime) {
        let Some(theirs) = self.logins.get(&Login(facts.clone())) else { return };
        if theirs.len() < MOST_LOGINS {
            return;
        }
        let is_over = |id: &&FamilyId| self.families.get(*id).is_some_and(|family| now >= family.facts.expires());
        if let Some(id) = theirs.iter().find(is_over).or(theirs.front()).copied() {
            self.remove(id);
        }
    }

    /// Makes room for one token more, not at the cost of the family that is being used.
    fn make_room(&mut self, capacity: usize, now: SystemTime, in_use: Option<FamilyId>) {
        for _ in 0..MOST_OVER {
            let Some((_, id)) = self.by_expiry.first().filter(|(expires, _)| *expires <= now).copied() else { break };
            self.remove(id);
        }
        while self.tokens.len() >= capacity {
            let Some((place, id)) = self.order.first_key_value().map(|(place, id)| (*place, *id)) else {
                let Some(token) = self.spent.pop_front() else { return };
                self.tokens.remove(&token);
                continue;
            };
            let (is_live, _) = place;
            if is_live && let Some(token) = self.spent.pop_front() {
                self.tokens.remove(&token);
            } else if Some(id) != in_use {
                self.remove(id);
            } else if self.order.len() == 1 {
                return;
            } else {
                self.move_back(place, id);
            }
        }
    }

    /// The family that is used is the newest from now on.
    fn move_back(&mut self, place: Place, id: FamilyId) {
        let Some(family) = self.families.get_mut(&id) else { return };
        family.number = self.next;
        self.next = self.next.saturating_add(1);
        self.order.remove(&place);
        self.order.insert(family.place(), id);
    }

    /// Removes a family for good.
    fn remove(&mut self, id: FamilyId) {
        let Some(family) = self.families.remove(&id) else { return };
        self.order.remove(&family.place());
        self.by_expiry.remove(&(family.facts.expires(), id));
        self.tokens.remove(family.lineage.live.as_bytes());
        if let Some(predecessor) = &family.lineage.predecessor {
            self.tokens.remove(predecessor.digest.as_bytes());
        }
        self.log_out(family.facts);
    }

    /// It counts as a login no more.
    fn log_out(&mut self, facts: RefreshFamily) {
        let id = facts.id();
        if let Entry::Occupied(mut theirs) = self.logins.entry(Login(facts)) {
            theirs.get_mut().retain(|one| *one != id);
            if theirs.get().is_empty() {
                theirs.remove();
            }
        }
    }

    /// Ends a family; tells whether it had not ended yet.
    fn end(&mut self, id: FamilyId) -> bool {
        let Some(family) = self.families.get_mut(&id) else { return false };
        let (place, is_first) = (family.place(), family.lineage.end());
        if is_first {
            self.has_ended(id, place);
        }
        is_first
    }

    /// Puts a family that has just ended into its new place.
    fn has_ended(&mut self, id: FamilyId, before: Place) {
        let Some(family) = self.families.get(&id) else { return };
        let (place, facts) = (family.place(), family.facts.clone());
        self.order.remove(&before);
        self.order.insert(place, id);
        self.log_out(facts);
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
        Self { state: Mutex::new(State::default()), capacity: 262_144, clock: Arc::new(SystemClock::new()) }
    }

    /// Another clock, which tells how much time has passed. Default: the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another bound: at least 2, a token in use and one that was spent.
    ///
    /// # Errors
    /// Fails when it is less.
    pub fn with_capacity(mut self, tokens: usize) -> Result<Self, SettingError> {
        if tokens < 2 {
            return Err(SettingError::new("MemoryRefreshTokens::with_capacity", tokens, "2 or more"));
        }
        self.capacity = tokens;
        Ok(self)
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
        state.make_room_for_login(&family, now);
        state.make_room(self.capacity, now, None);
        state.add(family, token, now);
        Ok(())
    }

    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError> {
        let mut state = lock(&self.state);
        Ok(state.family_of(token).map(|family| {
            let state = family.state_of(token, self.clock.elapsed());
            FoundRefreshToken::new(family.facts.clone(), state, family.lineage.last_used)
        }))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError> {
        let mut state = lock(&self.state);
        let Some(family) = state.family_of(rotation.presented()) else { return Ok(Rotated::Gone) };
        let older = family.lineage.predecessor.as_ref().map(|predecessor| *predecessor.digest.as_bytes());
        let (id, place) = (family.facts.id(), family.place());
        let rotated = family.rotate(&rotation, self.clock.elapsed());
        match rotated {
            Rotated::Done => {
                state.spent.extend(older);
                if let Some((successor, _)) = rotation.successor() {
                    state.make_room(self.capacity, rotation.now(), Some(id));
                    state.tokens.insert(*successor.as_bytes(), id);
                }
            }
            Rotated::Replayed => state.has_ended(id, place),
            Rotated::Repeated { .. } | Rotated::Gone => {}
        }
        Ok(rotated)
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        Ok(lock(&self.state).end(family))
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        let mut state = lock(&self.state);
        let is_theirs = |family: &Family| family.facts.subject() == subject && family.facts.realm() == realm;
        let theirs = state.families.iter().filter(|(_, family)| is_theirs(family) && !family.lineage.is_ended);
        let theirs: Vec<FamilyId> = theirs.map(|(id, _)| *id).collect();
        Ok(theirs.into_iter().map(|id| u64::from(state.end(id))).sum())
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
            let store = MemoryRefreshTokens::new().with_capacity(capacity).unwrap();
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
        let store = MemoryRefreshTokens::new().with_capacity(4).unwrap();
        for family in 0..100 {
            store.begin(facts(family), token(family, 0), SystemTime::UNIX_EPOCH).await.unwrap();
            assert_eq!(use_token(&store, family, 0).await, Rotated::Done);
            let reuse = Rotation::new(token(family, 1), SystemTime::UNIX_EPOCH);
            assert_eq!(store.rotate(reuse).await.unwrap(), Rotated::Done);
            assert!(lock(&store.state).tokens.len() <= 4);
        }
    }

    #[tokio::test]
    async fn what_ends_or_is_over_leaves_nothing_behind_and_goes_first_when_there_is_no_room() {
        let store = MemoryRefreshTokens::new().with_capacity(4).unwrap();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for family in 0..4 {
            store.begin(facts(family), token(family, 0), at(0)).await.unwrap();
        }
        assert!(store.revoke_family(facts(2).id()).await.unwrap());
        store.begin(facts(4), token(4, 0), at(0)).await.unwrap();
        assert!(store.find(&token(2, 0)).await.unwrap().is_none());
        for family in [0, 1, 3, 4] {
            assert!(store.find(&token(family, 0)).await.unwrap().is_some(), "{family}");
        }
        store.begin(facts(5), token(5, 0), at(3600)).await.unwrap();
        let state = lock(&store.state);
        assert_eq!((state.families.len(), state.order.len(), state.by_expiry.len()), (1, 1, 1));
        assert_eq!((state.logins.len(), state.tokens.len()), (1, 1));
    }

    #[tokio::test]
    async fn a_thousand_logins_of_one_subject_cost_nobody_else_theirs_and_leave_a_hundred() {
        let store = MemoryRefreshTokens::new().with_capacity(1000).unwrap();
        let now = SystemTime::UNIX_EPOCH;
        let login = |subject: &str, realm, app: &str, number: u16| {
            let mut id = [0; 16];
            id[..2].copy_from_slice(&number.to_be_bytes());
            id[2] = subject.len() as u8;
            id[3..3 + app.len()].copy_from_slice(app.as_bytes());
            let until = now + Duration::from_secs(3600);
            RefreshFamily::new(FamilyId::from_bytes(id), subject, ClientId::new(app).unwrap(), now, until)
                .with_realm(realm)
        };
        let others = [
            ("bob", None, "app", 0),
            ("alice", None, "web", 1),
            ("alice", Some(""), "app", 2),
            ("ann", None, "app", 3),
        ];
        for (subject, realm, app, number) in others {
            store.begin(login(subject, realm, app, number), token(200, number), now).await.unwrap();
        }
        for number in 0..1000 {
            let number = 1000 + number;
            store.begin(login("alice", None, "app", number), token(1, number), now).await.unwrap();
            // One that logs out and in again takes nobody's place either.
            if number % 3 == 0 {
                assert!(store.revoke_family(login("alice", None, "app", number).id()).await.unwrap());
            }
        }
        for (.., number) in others {
            let rotation = Rotation::new(token(200, number), now).with_successor(token(201, number), [0; 32]);
            assert_eq!(store.rotate(rotation).await.unwrap(), Rotated::Done, "{number}");
        }
        let held =
            |state: &State| (state.order.range((true, 0)..).count(), state.logins.values().map(VecDeque::len).max());
        assert_eq!(held(&lock(&store.state)), (MOST_LOGINS + others.len(), Some(MOST_LOGINS)));
        // The newest ones are left.
        assert_eq!(store.revoke_subject(None, "alice").await.unwrap(), 101);
        assert!(store.find(&token(1, 1000 + 849)).await.unwrap().is_none());
        assert!(store.find(&token(1, 1000 + 850)).await.unwrap().is_some());
    }

    #[derive(Debug)]
    struct Passed(std::sync::atomic::AtomicU64);

    impl Clock for Passed {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }

        fn elapsed(&self) -> Duration {
            Duration::from_secs(self.0.load(std::sync::atomic::Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn two_minutes_after_its_use_a_token_is_spent_whatever_the_wall_clock_shows() {
        let passed = Arc::new(Passed(0.into()));
        let store = MemoryRefreshTokens::new().with_capacity(3).unwrap().with_clock(Arc::clone(&passed));
        let repeat = || {
            let rotation = Rotation::new(token(0, 0), SystemTime::UNIX_EPOCH).with_leeway(Duration::from_secs(10));
            store.rotate(rotation.with_successor(token(0, 9), [9; 32]))
        };
        store.begin(facts(0), token(0, 0), SystemTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(use_token(&store, 0, 0).await, Rotated::Done);
        passed.0.store(120, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(repeat().await.unwrap(), Rotated::repeated([0; 32]));
        passed.0.store(121, std::sync::atomic::Ordering::Relaxed);
        let found = store.find(&token(0, 0)).await.unwrap().unwrap();
        assert_eq!(found.state(), RefreshTokenState::Spent);
        assert_eq!(repeat().await.unwrap(), Rotated::Replayed);
        assert!(store.find(&token(0, 1)).await.unwrap().is_some_and(|found| found.state() == RefreshTokenState::Ended));
        // And nothing of it is left when its room is needed.
        for family in 1..4 {
            store.begin(facts(family), token(family, 0), SystemTime::UNIX_EPOCH).await.unwrap();
        }
        assert!(store.find(&token(0, 0)).await.unwrap().is_none());
        assert_eq!(lock(&store.state).tokens.len(), 3);
    }
}
