//! The tables of the refresh token families in memory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::{Hash, Hasher};
use std::time::{Duration, SystemTime};

use super::digests::DigestMap;
use super::slab::{Chain, Links, Slab, Slot};
use crate::boundary::refresh::MOST_LOGINS;
use crate::protocol::millis;
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lineage::Lineage;
use crate::protocol::token::subject_at_client::SubjectAtClient;

/// The most families that are removed in one call because they are over: each call adds one at most.
const MOST_OVER: usize = 64;

/// A family and its place in the tables.
pub(super) struct Kept {
    pub(super) family: RefreshFamily,
    pub(super) lineage: Lineage,
    /// The number of its changes.
    pub(super) stamp: u64,
    /// When a token was used last, by the clock that never goes back.
    pub(super) used: Duration,
    pub(super) is_ended: bool,
    order: Links,
    login: Links,
}

#[derive(Default)]
pub(super) struct FamilyTable {
    families: Slab<Box<Kept>>,
    by_id: DigestMap<FamilyId, Slot>,
    by_expiry: BTreeSet<(i64, Slot)>,
    /// Oldest first.
    living: Chain,
    /// Those that have ended, first one first.
    ended: Chain,
    /// Those that live, oldest first.
    logins: HashMap<LoginsOf, Chain>,
}

/// The key of the logins of one subject at one client.
struct LoginsOf(RefreshFamily);

impl LoginsOf {
    fn subject(&self) -> SubjectAtClient<'_> {
        self.0.subject_at_client()
    }
}

impl Hash for LoginsOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.subject().hash(state);
    }
}

impl PartialEq for LoginsOf {
    fn eq(&self, other: &Self) -> bool {
        self.subject() == other.subject()
    }
}

impl Eq for LoginsOf {}

impl FamilyTable {
    pub(super) fn get(&self, id: FamilyId) -> Option<&Kept> {
        self.families.get(*self.by_id.get(&id)?).map(Box::as_ref)
    }

    pub(super) fn get_mut(&mut self, id: FamilyId) -> Option<&mut Kept> {
        self.families.get_mut(*self.by_id.get(&id)?).map(Box::as_mut)
    }

    /// Adds a family, if its id is new, and answers which that lived it took the place of. There are no more than `capacity` then.
    pub(super) fn begin(
        &mut self,
        family: RefreshFamily,
        lineage: Lineage,
        now: SystemTime,
        elapsed: Duration,
        capacity: usize,
    ) -> Option<Vec<FamilyId>> {
        let id = family.id();
        if self.by_id.contains_key(&id) {
            return None;
        }
        self.remove_over(now);
        let mut ended = Vec::new();
        ended.extend(self.make_room_for_login(&family, now));
        while self.families.len() >= capacity {
            let Some(slot) = self.ended.first().or(self.living.first()) else { break };
            ended.extend(self.remove(slot));
        }
        let is_added = self.add(Kept {
            family,
            lineage,
            stamp: 0,
            used: elapsed,
            is_ended: false,
            order: Links::default(),
            login: Links::default(),
        });
        is_added.then_some(ended)
    }

    fn add(&mut self, kept: Kept) -> bool {
        let family = kept.family.clone();
        let Some(slot) = self.families.insert(Box::new(kept)) else { return false };
        self.by_id.insert(family.id(), slot);
        self.by_expiry.insert((millis::floor(family.expires()), slot));
        self.living.push(&mut self.families, slot, |kept| &mut kept.order);
        let theirs = self.logins.entry(LoginsOf(family)).or_default();
        theirs.push(&mut self.families, slot, |kept| &mut kept.login);
        true
    }

    fn remove_over(&mut self, now: SystemTime) {
        for _ in 0..MOST_OVER {
            let Some((_, slot)) = self.by_expiry.first().copied() else { break };
            if self.families.get(slot).is_none_or(|kept| kept.family.expires() > now) {
                break;
            }
            self.remove(slot);
        }
    }

    /// Makes room for one login more of this subject at this client, at the cost of one that is over or of the oldest, which it
    /// answers.
    fn make_room_for_login(&mut self, family: &RefreshFamily, now: SystemTime) -> Option<FamilyId> {
        let theirs = self.logins.get(&LoginsOf(family.clone())).filter(|theirs| theirs.len() >= MOST_LOGINS)?;
        let over = theirs.find(&self.families, |kept| &kept.login, |kept| now >= kept.family.expires());
        let slot = over.or(theirs.first())?;
        self.remove(slot)
    }

    /// Removes a family for good, and answers its id if it had not ended.
    fn remove(&mut self, slot: Slot) -> Option<FamilyId> {
        let kept = self.families.get(slot)?;
        let (family, is_ended) = (kept.family.clone(), kept.is_ended);
        if is_ended {
            self.ended.unlink(&mut self.families, slot, |kept| &mut kept.order);
        } else {
            self.log_out(slot, family.clone());
        }
        self.by_id.remove(&family.id());
        self.by_expiry.remove(&(millis::floor(family.expires()), slot));
        self.families.remove(slot);
        (!is_ended).then(|| family.id())
    }

    /// It counts as a login no more.
    fn log_out(&mut self, slot: Slot, family: RefreshFamily) {
        self.living.unlink(&mut self.families, slot, |kept| &mut kept.order);
        if let Entry::Occupied(mut theirs) = self.logins.entry(LoginsOf(family)) {
            theirs.get_mut().unlink(&mut self.families, slot, |kept| &mut kept.login);
            if theirs.get().len() == 0 {
                theirs.remove();
            }
        }
    }

    /// Ends a family; answers whether it had not ended yet.
    pub(super) fn end(&mut self, id: FamilyId) -> bool {
        let Some(slot) = self.by_id.get(&id).copied() else { return false };
        let Some(kept) = self.families.get_mut(slot).filter(|kept| !kept.is_ended) else { return false };
        kept.is_ended = true;
        let family = kept.family.clone();
        self.log_out(slot, family);
        self.ended.push(&mut self.families, slot, |kept| &mut kept.order);
        true
    }

    /// Ends all families of a subject in a realm, and answers how many there were.
    pub(super) fn end_all(&mut self, realm: Option<&str>, subject: &str) -> u64 {
        let theirs = self
            .families
            .iter()
            .filter(|kept| !kept.is_ended && kept.family.subject_id() == subject && kept.family.realm() == realm);
        let theirs: Vec<FamilyId> = theirs.map(|kept| kept.family.id()).collect();
        theirs.into_iter().map(|id| u64::from(self.end(id))).sum()
    }

    /// How many there are: in all, that live, that have ended, and logins with their largest number.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 5] {
        assert_eq!((self.families.len(), self.families.len()), (self.by_id.len(), self.by_expiry.len()));
        assert_eq!(self.families.len(), self.living.len() + self.ended.len());
        let most = self.logins.values().map(Chain::len).max().unwrap_or(0);
        [self.families.len(), self.living.len(), self.ended.len(), self.logins.len(), most]
    }
}
