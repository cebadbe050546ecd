//! Where the limiter in memory keeps what it counts: tables in parts, each with its lock.

use std::ops::Range;
use std::sync::atomic::AtomicBool;

use super::known_table::KnownTable;
use super::shards::{SHARDS, WIDE_SHARDS};
use super::table::Table;
use crate::boundary::sync::{Mutex, MutexGuard, held};
use crate::limiter::step::capacity::Capacity;
use crate::limiter::step::facts::Facts;
use crate::limiter::step::key::{Key, Place};
use crate::limiter::step::network::{Tier, widened};
use crate::limiter::step::slots::{Slot, Slots, TableKind};
use crate::limiter::step::tally::Tally;
use crate::limiter::step::unblock::{Forgotten, Which};

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
    pub(super) fn new(keys: usize) -> Self {
        let all = Capacity::of(keys);
        let each = keys.div_ceil(SHARDS);
        let of = |slot: Slot| Table::new(Capacity::of(each), slot.has_spared_cells());
        let accounts = || Accounts { tallies: of(Slot::Account), known: KnownTable::new(each) };
        // All networks of a /48 lie in one part.
        let wide = || Table::new(all.part(keys.div_ceil(WIDE_SHARDS)), false);
        Self {
            pairs: (0..SHARDS).map(|_| Mutex::new(of(Slot::Pair))).collect(),
            accounts: (0..SHARDS).map(|_| Mutex::new(accounts())).collect(),
            addresses: (0..SHARDS).map(|_| Mutex::new(of(Slot::Address))).collect(),
            wide: (0..WIDE_SHARDS).map(|_| Mutex::new(wide())).collect(),
            has_wide: AtomicBool::new(false),
        }
    }

    /// The part with the wide networks around an IPv6 address.
    pub(super) fn wide_part(&self, network: u64) -> Option<MutexGuard<'_, Table>> {
        shard_at(&self.wide, wide_index(network)?)
    }

    /// The parts in which these records may lie; see [`part`](Self::part).
    pub(super) fn parts_of(&self, forgotten: &Forgotten) -> Range<usize> {
        let (first, count) = match forgotten.table {
            TableKind::Pair => (0, SHARDS),
            TableKind::Account => (SHARDS, SHARDS),
            TableKind::Address => (2 * SHARDS, SHARDS),
            TableKind::Wide => (3 * SHARDS, self.wide.len()),
        };
        let one = match (forgotten.table, forgotten.which) {
            (TableKind::Wide, Which::One((_, network)) | Which::OfNetwork(network)) => wide_index(network),
            (_, Which::One(key)) => shard_index(key),
            (_, Which::OfGuess(_) | Which::OfNetwork(_)) => None,
        };
        match one.map(|index| first.saturating_add(index)) {
            Some(only) => only..only.saturating_add(1),
            None => first..first.saturating_add(count),
        }
    }

    /// How many parts all tables have together.
    pub(super) fn parts(&self) -> usize {
        SHARDS.saturating_mul(3).saturating_add(self.wide.len())
    }

    /// Has something done with one part of them all, as long as it is locked.
    pub(super) fn part<T>(&self, part: usize, act: impl FnOnce(&mut Table) -> T) -> Option<T> {
        let index = part & (SHARDS - 1);
        match part.checked_div(SHARDS) {
            Some(0) => shard_at(&self.pairs, index).map(|mut table| act(&mut table)),
            Some(1) => shard_at(&self.accounts, index).map(|mut held| act(&mut held.tallies)),
            Some(2) => shard_at(&self.addresses, index).map(|mut table| act(&mut table)),
            _ => shard_at(&self.wide, index).map(|mut table| act(&mut table)),
        }
    }
}

/// Which part of the wide networks is that around an IPv6 address.
fn wide_index(network: u64) -> Option<usize> {
    Some(usize::try_from(widened(network, Tier::Net48) >> 16 & 0xff).ok()? & (WIDE_SHARDS - 1))
}

/// The number of the shard of a key.
fn shard_index((guess, network): Key) -> Option<usize> {
    Some(usize::try_from((guess ^ network.rotate_right(16)) & 0xffff).ok()? & (SHARDS - 1))
}

/// The shard of a key.
pub(super) fn shard_of<T>(shards: &[Mutex<T>], key: Key) -> Option<MutexGuard<'_, T>> {
    shard_at(shards, shard_index(key)?)
}

pub(super) fn shard_at<T>(shards: &[Mutex<T>], index: usize) -> Option<MutexGuard<'_, T>> {
    shards.get(index).map(|shard| held(shard.lock()))
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

/// A copy of the tally of a user's codes in a short time.
#[cold]
pub(super) fn recent_tally(table: &mut Table, facts: &Facts) -> Tally {
    let mut copy = Tally::default();
    *table.look(facts.key(Slot::Recent), true, &mut copy).0
}

/// Keeps which locks of wider networks had a notice, for those that have a place of their own.
#[cold]
pub(super) fn keep_told(table: &mut Table, facts: &Facts, tallies: &[Tally; 4]) {
    for (slot, tally) in Slot::WIDE.into_iter().zip(tallies) {
        if let Some(own) = table.get_mut(facts.key(slot), Place::Own) {
            *own = *tally;
        }
    }
}
