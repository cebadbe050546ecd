//! What the memory of this process remembers of accounts and clients beside counts.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::shards::SHARDS;
use crate::limiter::locks::MOST;
use crate::limiter::step::capacity::SWEEP;
use crate::limiter::step::known::{KnownAddresses, Told};

/// Among how many the oldest is looked for, when there is no room. Their order is that of hashes.
const LOOKED_AT: usize = 8;
/// The most accounts whose owners were told, in one shard.
const MOST_TOLD: usize = MOST / SHARDS;

/// Bounded: when it is full, one that was long not seen loses its addresses. That makes the limits stricter for it.
#[derive(Debug)]
pub(crate) struct KnownTable {
    accounts: HashMap<u64, KnownAddresses, BuildHasherDefault<Hashed>>,
    capacity: usize,
    told: HashMap<u64, Told, BuildHasherDefault<Hashed>>,
    next_sweep: u64,
}

impl KnownTable {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { accounts: HashMap::default(), capacity, told: HashMap::default(), next_sweep: 0 }
    }

    pub(crate) fn get(&self, account: u64) -> Option<&KnownAddresses> {
        self.accounts.get(&account)
    }

    pub(crate) fn remember(&mut self, account: u64, network: u64, now: u64, lifetime: u64) {
        if let Some(known) = self.accounts.get_mut(&account) {
            known.remember(network, now, lifetime);
            return;
        }
        if self.capacity == 0 {
            return;
        }
        if self.accounts.len() >= self.capacity {
            let oldest =
                self.accounts.iter().take(LOOKED_AT).min_by_key(|(_, known)| known.seen()).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.accounts.remove(&oldest));
        }
        let mut known = KnownAddresses::default();
        known.remember(network, now, lifetime);
        self.accounts.insert(account, known);
    }

    /// What the owner of an account was told; `None` if there is no room to remember it.
    pub(crate) fn told(&mut self, account: u64, now: u64) -> Option<&mut Told> {
        if self.told.len() >= MOST_TOLD && self.next_sweep <= now {
            self.told.retain(|_, told| told.is_current(now));
            self.next_sweep = now.saturating_add(SWEEP);
        }
        let has_room = self.told.len() < MOST_TOLD || self.told.contains_key(&account);
        has_room.then(|| self.told.entry(account).or_default())
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    /// Forgets what the owner of an account was told.
    pub(crate) fn forget_told(&mut self, account: u64) {
        self.told.remove(&account);
    }
}

/// The keys are hashes already.
#[derive(Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    /// With other bits in front and at the end than those that chose the shard, which all keys of one map share.
    fn finish(&self) -> u64 {
        self.0.rotate_left(25)
    }

    fn write_u64(&mut self, part: u64) {
        self.0 = self.0.rotate_left(25) ^ part;
    }

    /// Only `u64` is hashed here.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_no_more_accounts_than_its_capacity() {
        let mut known = KnownTable::new(16);
        for account in 0..1000 {
            known.remember(account, 1, account, 1000);
        }
        assert_eq!(known.accounts.len(), 16);
        assert!(known.get(999).unwrap().contains(1, 999, 1000));
        let mut none = KnownTable::new(0);
        none.remember(1, 1, 1, 1000);
        assert!(none.get(1).is_none());
    }

    #[test]
    fn it_holds_no_more_owners_than_it_has_room_for_and_has_room_again_once_their_locks_are_over() {
        let mut known = KnownTable::new(16);
        let told = (0..1 << 20).filter(|account| known.told(*account, 0).is_some_and(|told| told.is_news(0, 5000)));
        assert_eq!(told.count(), MOST_TOLD);
        assert!(known.told(1, 2000).is_some() && known.told(1 << 20, 2000).is_none());
        assert!(known.told(1 << 20, 5000).is_some());
        known.forget_told(1 << 20);
        assert_eq!(known.told.len(), 0);
    }
}
