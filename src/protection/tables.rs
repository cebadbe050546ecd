//! Where the limiter in memory keeps what it counts: tables in parts, each with its lock.

use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

use super::facts::Facts;
use super::known_table::KnownTable;
use super::network::{Tier, widened};
use super::slots::{Slot, Slots};
use super::sync::{Mutex, MutexGuard, SHARDS, WIDE_SHARDS};
use super::table::{Key, Place, Table, quota};
use super::tally::Tally;

/// Locked in this order wherever several are locked: pairs, accounts, addresses, wide; never two of a kind.
pub(super) struct Tables {
    pub(super) pairs: Vec<Mutex<Table>>,
    pub(super) accounts: Vec<Mutex<Accounts>>,
    pub(super) addresses: Vec<Mutex<Table>>,
    /// Pairs with IPv6 networks that are wider than a /64, and these networks: in one part for each /48, so that one lock is
    /// enough for an attempt.
    pub(super) wide: Vec<Mutex<Table>>,
    /// Whether these ever held anything. It needs no order of its own: a reader that does not see it yet was first.
    pub(super) has_wide: AtomicBool,
}

pub(super) struct Accounts {
    pub(super) tallies: Table,
    pub(super) known: KnownTable,
}

impl Tables {
    pub(super) fn new(capacity: usize) -> Self {
        let each = capacity.div_ceil(SHARDS);
        let each_wide = capacity.div_ceil(WIDE_SHARDS);
        let accounts = || Accounts { tallies: Table::new(each, false), known: KnownTable::new(each) };
        let wide = || Table::new(each_wide, false).with_quota(quota(capacity));
        Self {
            // A pair becomes preferred by a success, which forgets its failures.
            pairs: (0..SHARDS).map(|_| Mutex::new(Table::new(each, true))).collect(),
            accounts: (0..SHARDS).map(|_| Mutex::new(accounts())).collect(),
            addresses: (0..SHARDS).map(|_| Mutex::new(Table::new(each, false))).collect(),
            wide: (0..WIDE_SHARDS).map(|_| Mutex::new(wide())).collect(),
            has_wide: AtomicBool::new(false),
        }
    }

    /// The part with the wide networks around an IPv6 address.
    pub(super) fn wide_part(&self, network: u64) -> Option<MutexGuard<'_, Table>> {
        let around = widened(network, Tier::Net48);
        shard_at(&self.wide, usize::try_from(around >> 16 & 0xff).ok()? & (WIDE_SHARDS - 1))
    }
}

/// The shard of a key.
pub(super) fn shard_of<T>(shards: &[Mutex<T>], (guess, network): Key) -> Option<MutexGuard<'_, T>> {
    shard_at(shards, usize::try_from((guess ^ network.rotate_right(16)) & 0xffff).ok()? & (SHARDS - 1))
}

pub(super) fn shard_at<T>(shards: &[Mutex<T>], index: usize) -> Option<MutexGuard<'_, T>> {
    // Nothing can panic while a lock is held; if it did, the counts would still be right.
    shards.get(index).map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Copies of the tallies of wider networks, and which of them are in cells.
pub(super) fn wide_tallies(table: &mut Table, facts: &Facts) -> ([Tally; 4], Slots) {
    let mut shared = Slots::NONE;
    let tallies = Slot::WIDE.map(|slot| {
        let mut copy = Tally::default();
        let (tally, is_own) = table.look(facts.key(slot), false, &mut copy);
        shared = shared.with_if(slot, !is_own);
        *tally
    });
    (tallies, shared)
}

/// Keeps which locks of wider networks were told of, for those that have a place of their own.
#[cold]
pub(super) fn keep_told(table: &mut Table, facts: &Facts, tallies: &[Tally; 4]) {
    for (slot, tally) in Slot::WIDE.into_iter().zip(tallies) {
        if let Some(own) = table.get_mut(facts.key(slot), Place::Own) {
            *own = *tally;
        }
    }
}
