//! The tables of the access tokens in memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::time::SystemTime;

use super::digests::DigestMap;
use super::slab::{Chain, Links, Slab, Slot};
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::holder::Holder;
use crate::protocol::token::record::AccessTokenRecord;

pub(super) type Key = [u8; 32];

/// How many tokens there may be.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// In all.
    pub(super) capacity: usize,
    /// Of one login.
    pub(super) per_login: usize,
}

impl Bounds {
    /// Of one subject in one realm, over all its logins: a part of the room, and no less than one login has.
    fn share(self) -> usize {
        (self.capacity / 16).max(self.per_login)
    }
}

/// Among how many tokens an insertion looks for what has expired, one after the other through all of them.
const LOOKED_AT: usize = 4;
/// The same as long as there is no room: no token that counts goes while an expired one is so near.
const LOOKED_AT_WITHOUT_ROOM: usize = 64;

/// A token and its place in the tables.
struct Kept {
    key: Key,
    /// One more than that of the newest of its login when it came.
    number: u64,
    record: AccessTokenRecord,
    order: Links,
    login: Links,
    owner: Links,
}

#[derive(Default)]
pub(super) struct Tokens {
    tokens: Slab<Kept>,
    by_key: DigestMap<Key, Slot>,
    /// Oldest first, as all chains here.
    order: Chain,
    logins: HashMap<OwnedHolder, Chain>,
    owners: HashMap<Owner, Chain>,
    /// Which was looked at last.
    looked_at: Option<Slot>,
}

/// The holder of a record, which borrows nothing.
enum OwnedHolder {
    Family(FamilyId),
    /// A record without a family.
    Record(AccessTokenRecord),
}

impl OwnedHolder {
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

impl PartialEq for OwnedHolder {
    fn eq(&self, other: &Self) -> bool {
        self.holder() == other.holder()
    }
}

impl Eq for OwnedHolder {}

impl Hash for OwnedHolder {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.holder().hash(state);
    }
}

/// What the records of one subject in one realm have in common.
struct Owner(AccessTokenRecord);

impl Owner {
    fn parts(&self) -> (Option<&str>, &str) {
        (self.0.realm(), self.0.subject_id())
    }
}

impl PartialEq for Owner {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Owner {}

impl Hash for Owner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts().hash(state);
    }
}

impl Tokens {
    pub(super) fn get(&self, key: &Key) -> Option<&AccessTokenRecord> {
        Some(&self.tokens.get(*self.by_key.get(key)?)?.record)
    }

    /// Adds a record, in the place of what its login or its subject may not have beside it. Then some of what has expired goes, and
    /// the oldest of all beyond the capacity.
    pub(super) fn insert(&mut self, key: Key, record: AccessTokenRecord, bounds: Bounds, now: SystemTime) {
        self.remove(&key);
        // First their own: one in the place of another of the same subject costs nobody else.
        if let Some(slot) = self.add(key, record, bounds) {
            self.take(slot);
        }
        self.remove_expired(bounds, now);
        while let Some(slot) = self.order.first()
            && let Some(oldest) = self.tokens.get(slot)
            && (self.tokens.len() > bounds.capacity || oldest.record.has_expired(now))
        {
            self.take(slot);
        }
    }

    /// Removes what has expired among the next few. The oldest of all need not be among them: one that lives long would keep all that
    /// came after it.
    fn remove_expired(&mut self, bounds: Bounds, now: SystemTime) {
        for looked in 0..LOOKED_AT_WITHOUT_ROOM {
            if looked >= LOOKED_AT && self.tokens.len() <= bounds.capacity {
                break;
            }
            self.looked_at = self.tokens.next(self.looked_at);
            let Some(slot) = self.looked_at else { break };
            if self.tokens.get(slot).is_some_and(|kept| kept.record.has_expired(now)) {
                self.take(slot);
            }
        }
    }

    /// Adds a record, and answers which other has to go for it, if one has: each call adds one.
    fn add(&mut self, key: Key, record: AccessTokenRecord, bounds: Bounds) -> Option<Slot> {
        let login = self.logins.entry(OwnedHolder::of(&record)).or_default();
        let newest = login.last().and_then(|slot| self.tokens.get(slot));
        let number = newest.map_or(0, |newest| newest.number).saturating_add(1);
        let (order, owner) = (Links::default(), Links::default());
        let kept = Kept { key, number, record: record.clone(), order, login: Links::default(), owner };
        let slot = self.tokens.insert(kept)?;
        self.by_key.insert(key, slot);
        self.order.push(&mut self.tokens, slot, |kept| &mut kept.order);
        login.push(&mut self.tokens, slot, |kept| &mut kept.login);
        let owner = self.owners.entry(Owner(record)).or_default();
        owner.push(&mut self.tokens, slot, |kept| &mut kept.owner);
        let last_beyond = number.saturating_sub(bounds.per_login as u64);
        let is_beyond = |slot: &Slot| self.tokens.get(*slot).is_some_and(|kept| kept.number <= last_beyond);
        let of_share = if owner.len() > bounds.share() { owner.first() } else { None };
        login.first().filter(is_beyond).or(of_share)
    }

    pub(super) fn remove(&mut self, key: &Key) -> bool {
        let slot = self.by_key.get(key).copied();
        slot.is_some_and(|slot| self.take(slot))
    }

    /// Removes a token, and answers whether there was one.
    fn take(&mut self, slot: Slot) -> bool {
        let Some(kept) = self.tokens.get(slot) else { return false };
        let (key, record) = (kept.key, kept.record.clone());
        self.by_key.remove(&key);
        self.order.unlink(&mut self.tokens, slot, |kept| &mut kept.order);
        let login = self.logins.entry(OwnedHolder::of(&record));
        unlink(login, &mut self.tokens, slot, |kept| &mut kept.login);
        unlink(self.owners.entry(Owner(record)), &mut self.tokens, slot, |kept| &mut kept.owner);
        self.tokens.remove(slot).is_some()
    }

    pub(super) fn remove_family(&mut self, family: FamilyId) -> u64 {
        let mut removed = 0_u64;
        while let Some(slot) = self.logins.get(&OwnedHolder::Family(family)).and_then(Chain::first) {
            removed = removed.saturating_add(u64::from(self.take(slot)));
        }
        removed
    }

    pub(super) fn remove_subject(&mut self, realm: Option<&str>, subject: &str) -> u64 {
        let is_theirs = |kept: &&Kept| kept.record.subject_id() == subject && kept.record.realm() == realm;
        let keys: Vec<Key> = self.tokens.iter().filter(is_theirs).map(|kept| kept.key).collect();
        keys.iter().map(|key| u64::from(self.remove(key))).sum()
    }

    /// How many tokens, logins and owners there are.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 3] {
        let len = self.tokens.len();
        assert_eq!([self.by_key.len(), self.order.len()], [len; 2]);
        assert_eq!(self.logins.values().map(Chain::len).sum::<usize>(), len);
        assert_eq!(self.owners.values().map(Chain::len).sum::<usize>(), len);
        [len, self.logins.len(), self.owners.len()]
    }
}

/// Takes a token out of a chain, and the chain out of its table if it was the last one.
fn unlink<K>(chain: Entry<'_, K, Chain>, tokens: &mut Slab<Kept>, slot: Slot, links: fn(&mut Kept) -> &mut Links) {
    if let Entry::Occupied(mut chain) = chain {
        chain.get_mut().unlink(tokens, slot, links);
        if chain.get().len() == 0 {
            chain.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::client::registered::ClientId;

    const BOUNDS: Bounds = Bounds { capacity: 640, per_login: 100 };

    fn key(number: usize) -> Key {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn second(number: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(number)
    }

    /// The token of a subject of its own, which comes and expires in these seconds.
    fn insert(tokens: &mut Tokens, number: usize, now: u64, expires: u64) {
        let client = ClientId::new("app").unwrap();
        let record = AccessTokenRecord::new(format!("user-{number}"), client, second(now), second(expires));
        tokens.insert(key(number), record, BOUNDS, second(now));
    }

    /// T11: room that is taken by tokens of no use is given to others before a token that counts has to go.
    #[test]
    fn no_token_that_counts_goes_for_a_new_one_while_others_behind_it_have_expired() {
        let mut tokens = Tokens::default();
        // The oldest lives long, and of the others one in sixteen soon goes.
        for number in 0..640 {
            insert(&mut tokens, number, 0, if number % 16 == 1 { 60 } else { 3600 });
        }
        for number in 640..680 {
            insert(&mut tokens, number, 61, 3600);
        }
        let found = |tokens: &Tokens| (0..700).filter(|number| tokens.get(&key(*number)).is_some()).collect::<Vec<_>>();
        let living: Vec<_> = (0..680).filter(|number| *number >= 640 || number % 16 != 1).collect();
        assert_eq!(found(&tokens), living);
        // One more than there is room for: the oldest goes.
        insert(&mut tokens, 680, 61, 3600);
        assert_eq!(found(&tokens), living[1..].iter().copied().chain([680]).collect::<Vec<_>>());
        assert_eq!(tokens.counts()[0], 640);
    }

    #[test]
    fn what_has_expired_goes_though_there_is_room_and_one_that_lives_long_came_before() {
        let mut tokens = Tokens::default();
        for number in 0..600 {
            let now = number as u64;
            insert(&mut tokens, number, now, if number == 0 { 3600 } else { now + 1 });
        }
        assert!(tokens.get(&key(0)).is_some());
        assert!(tokens.counts()[0] < 10, "{:?}", tokens.counts());
    }
}
