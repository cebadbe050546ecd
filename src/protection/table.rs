//! A bounded map of tallies that never forgets one that counts.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::tally::Tally;

/// Hashes of the guess and of the network, under a key that nobody outside knows; 0 for a part that is not counted on.
pub(crate) type Key = (u64, u64);

/// How long after a search for tallies that are over the next one may be, in milliseconds.
const SWEEP: u64 = 1000;

/// When it is full of tallies that count, new keys share a fixed number of cells, chosen by the key's own hash. So a flood
/// can make it stricter, never forgetful.
#[derive(Debug)]
pub(crate) struct Table {
    tallies: HashMap<Key, Tally, BuildHasherDefault<Hashed>>,
    capacity: usize,
    /// As many as the capacity, rounded up to a power of two. Empty as long as there was always room.
    cells: Vec<Tally>,
    next_sweep: u64,
}

/// Where a tally lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Own,
    Shared,
}

impl Table {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { tallies: HashMap::default(), capacity, cells: Vec::new(), next_sweep: 0 }
    }

    /// The tally of a key; for a key without its own that of its cell, in which it may have been counted.
    pub(crate) fn get(&self, key: Key) -> Tally {
        let own = self.tallies.get(&key);
        if own.is_none() && self.cells.is_empty() {
            return Tally::default();
        }
        own.or_else(|| self.cells.get(self.cell(key))).copied().unwrap_or_default()
    }

    /// Stores the tally of a key. The last eighth of the room is kept for keys that are `preferred`.
    pub(crate) fn put(&mut self, key: Key, tally: Tally, now: u64, preferred: bool) -> Place {
        if let Some(own) = self.tallies.get_mut(&key) {
            *own = tally;
            return Place::Own;
        }
        let kept = if preferred { 0 } else { self.capacity / 8 };
        let room = self.capacity.saturating_sub(kept);
        if self.tallies.len() >= room && self.next_sweep <= now {
            self.tallies.retain(|_, tally| !tally.is_over(now));
            self.next_sweep = now.saturating_add(SWEEP);
        }
        if self.tallies.len() < room {
            self.tallies.insert(key, tally);
            return Place::Own;
        }
        self.cells.resize(self.capacity.next_power_of_two(), Tally::default());
        let cell = self.cell(key);
        if let Some(cell) = self.cells.get_mut(cell) {
            *cell = tally;
        }
        Place::Shared
    }

    pub(crate) fn get_mut(&mut self, key: Key, place: Place) -> Option<&mut Tally> {
        match place {
            Place::Own => self.tallies.get_mut(&key),
            Place::Shared => {
                let cell = self.cell(key);
                self.cells.get_mut(cell)
            }
        }
    }

    /// Forgets the charges of a key of its own, which goes when the room is needed. A cell holds other keys' charges too and
    /// stays.
    pub(crate) fn forget(&mut self, key: Key) {
        if let Some(tally) = self.tallies.get_mut(&key) {
            *tally = Tally::default();
        }
    }

    /// Keeps the keys that `keep` says, and tells how many of the others still counted.
    pub(crate) fn retain(&mut self, now: u64, mut keep: impl FnMut(Key) -> bool) -> usize {
        let mut gone = 0_usize;
        self.tallies.retain(|key, tally| {
            let keeps = keep(*key);
            gone = gone.saturating_add(usize::from(!keeps && !tally.is_over(now)));
            keeps
        });
        gone
    }

    pub(crate) fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Whether keys ever had to share cells.
    pub(crate) fn was_full(&self) -> bool {
        !self.cells.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, Tally)> {
        self.tallies.iter().map(|(key, tally)| (*key, *tally))
    }

    fn cell(&self, (guess, network): Key) -> usize {
        // Other bits than those that chose the shard.
        let hash = guess.rotate_right(32) ^ network.rotate_right(48);
        usize::try_from(hash & 0xffff_ffff).unwrap_or(0) & self.cells.len().saturating_sub(1)
    }
}

/// The keys are hashes already.
#[derive(Default)]
pub(crate) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
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
