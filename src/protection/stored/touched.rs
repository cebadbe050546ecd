//! The records of one attempt, as they were loaded and as a step leaves them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::record::Record;
use crate::boundary::backend::BackendError;
use crate::boundary::limiter::{BegunLock, Settlement};
use crate::boundary::records::{LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};
use crate::protection::budget::millis;
use crate::protection::facts::Facts;
use crate::protection::records::{Begun, Records};
use crate::protection::rules::LimiterRules;
use crate::protection::slots::{Slot, Slots};
use crate::protection::step::{Attempted, Compared, Step};
use crate::protection::table::Key;
use crate::protection::ticket::Ticket;

/// The farthest that a record is kept for, in milliseconds: a hundred years.
const FARTHEST: u64 = 100 * 366 * 24 * 3_600_000;

/// Which records are touched, in the order of their keys.
#[derive(Clone, Debug)]
pub(super) struct Places(Vec<(Slot, RecordKey)>);

impl Places {
    fn new(slots: Slots, key: impl Fn(Slot) -> Key) -> Self {
        let mut places: Vec<_> = slots.iter().map(|slot| (slot, record_key(key(slot)))).collect();
        places.sort_unstable_by_key(|(_, key)| *key);
        Self(places)
    }

    /// Those of an attempt.
    pub(super) fn of(facts: &Facts) -> Self {
        let guess = if facts.has_no_account { Slots::NONE } else { Slots::of(&[Slot::Pair, Slot::Account]) };
        let slots = guess.with_if(Slot::Address, facts.has_address);
        Self::new(if facts.has_wide() { slots.or(Slots::WIDE) } else { slots }, |slot| facts.key(slot))
    }

    /// Those of an attempt that was charged.
    pub(super) fn of_ticket(ticket: &Ticket) -> Self {
        let slots =
            ticket.charged.or(Slots::of(&[Slot::Pair, Slot::Account])).with_if(Slot::Address, ticket.has_address);
        // Each of these may tell that others were forgotten.
        let has_wide = !ticket.charged.and(Slots::WIDE).is_empty();
        Self::new(if has_wide { slots.or(Slots::WIDE) } else { slots }, |slot| ticket.key(slot))
    }

    pub(super) fn keys(&self) -> Vec<RecordKey> {
        self.0.iter().map(|(_, key)| *key).collect()
    }
}

/// Both halves are keyed digests or 0, so no two slots of an attempt have one key.
fn record_key((guess, network): Key) -> RecordKey {
    let mut bytes = [0; 16];
    bytes.copy_from_slice([guess, network].map(u64::to_be_bytes).as_flattened());
    RecordKey::from_bytes(bytes)
}

/// A swap of which it is not known whether it happened.
#[derive(Debug)]
pub(super) struct Tried {
    stamp: RecordStamp,
    seen: Vec<(RecordKey, Option<RecordStamp>)>,
}

/// What the records tell of such a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    Done,
    /// It did not happen, and another swap over the same stamps is the only one that can.
    Undone,
    Lost,
}

/// The records of an attempt at one moment.
///
/// An operator who forgets an account, or an address, cannot find the records that count on both it and something else. So
/// its own record tells when that was, and they are as new ones if they were not changed since.
#[derive(Debug)]
pub(super) struct Touched<'a> {
    rules: &'a LimiterRules,
    /// In milliseconds since 1970, by the store's clock; behind no time at which one of the records was changed.
    pub(super) now: u64,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    slot: Slot,
    key: RecordKey,
    seen: Option<RecordStamp>,
    before: Record,
    record: Record,
    /// It is swapped though nothing changes, so that no other swap may come in between.
    is_fence: bool,
}

impl<'a> Touched<'a> {
    pub(super) fn read(rules: &'a LimiterRules, places: &Places, loaded: &LoadedRecords) -> Result<Self, BackendError> {
        if loaded.records().len() != places.0.len() {
            return Err(BackendError::fault("a store of records did not answer for each key"));
        }
        let held =
            places.0.iter().zip(loaded.records()).map(|((slot, key), found)| Held::read(*slot, *key, found.as_ref()));
        let held = held.collect::<Result<Vec<_>, BackendError>>()?;
        let since_1970 = loaded.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // What is charged now is not what an operator forgot in this very millisecond.
        let cleared = held.iter().map(|held| held.record.cleared.saturating_add(1)).max().unwrap_or_default();
        let mut touched = Self { rules, now: 0, held };
        touched.now = touched.records().time(millis(since_1970).max(cleared));
        touched.forget_cleared();
        Ok(touched)
    }

    fn forget_cleared(&mut self) {
        let cleared = |slot| self.get(slot).map_or(0, |held| held.record.cleared);
        let of_account = cleared(Slot::Account);
        let pairs = [(Slot::Pair, Slot::Address), (Slot::Pair56, Slot::Net56), (Slot::Pair48, Slot::Net48)];
        for (slot, cleared) in pairs.map(|(pair, network)| (pair, of_account.max(cleared(network)))) {
            if let Some(held) = self.get_mut(slot)
                && held.record.counts.changed <= cleared
            {
                held.forget();
            }
        }
    }

    fn get(&self, slot: Slot) -> Option<&Held> {
        self.held.iter().find(|held| held.slot == slot)
    }

    fn get_mut(&mut self, slot: Slot) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.slot == slot)
    }

    /// What became of an attempt whose records these are, and what began by it.
    pub(super) fn attempt<R, W>(
        &mut self,
        facts: &Facts,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> (Attempted<R, W>, Vec<Begun>) {
        let (step, now) = (Step::by(self.rules), self.now);
        self.records().attempt(&step, facts, now, compare)
    }

    /// Settles an attempt that was charged to these records, as far as they are still the same.
    pub(super) fn settle(&mut self, ticket: &Ticket, settlement: Settlement) -> Option<BegunLock> {
        let (step, now) = (Step::by(self.rules), self.now);
        self.records().settle(&step, ticket, settlement, now)
    }

    fn records(&mut self) -> Records<'_> {
        Records::new(self.held.iter_mut().map(|held| (held.slot, &mut held.record.counts)), Slots::NONE)
    }

    /// Has all records swapped, whatever a step changes.
    pub(super) fn fence(&mut self) {
        self.held.iter_mut().for_each(|held| held.is_fence = true);
    }

    pub(super) fn is_changed(&self) -> bool {
        self.held.iter().any(Held::is_changed)
    }

    /// What is to be swapped, if anything is, and how to find out whether it was.
    pub(super) fn changes(&mut self, stamp: RecordStamp) -> (Vec<RecordChange>, Tried) {
        let (rules, now) = (self.rules, self.now);
        let mut tried = Tried { stamp, seen: Vec::new() };
        let mut changes = Vec::new();
        for held in self.held.iter_mut().filter(|held| held.is_changed()) {
            held.record.history.push(stamp);
            held.record.counts.touch(now);
            tried.seen.push((held.key, held.seen));
            let until = forgotten_at(rules, held.slot, &held.record).min(now.saturating_add(FARTHEST));
            changes.push(RecordChange::new(held.key, held.seen, stamp, held.record.to_bytes(), time(until)));
        }
        (changes, tried)
    }

    /// What these records, which were loaded after it, tell of a swap. It was done in all of them or in none.
    pub(super) fn trace(&self, tried: &Tried) -> Trace {
        let mut trace = Trace::Lost;
        for (key, seen) in &tried.seen {
            let Some(held) = self.held.iter().find(|held| held.key == *key) else { continue };
            if held.record.history.has(tried.stamp) {
                return Trace::Done;
            }
            // A record that is gone takes with it what was done to it.
            let is_whole = match (held.seen, seen) {
                (None, Some(_)) => false,
                _ => held.record.history.is_whole_since(*seen),
            };
            if is_whole {
                trace = Trace::Undone;
            }
        }
        trace
    }
}

impl Held {
    fn read(slot: Slot, key: RecordKey, found: Option<&LoadedRecord>) -> Result<Self, BackendError> {
        let before = found.map(|found| Record::from_bytes(found.bytes())).transpose()?.unwrap_or_default();
        let seen = found.map(LoadedRecord::stamp);
        Ok(Self { slot, key, seen, before, record: before, is_fence: false })
    }

    /// It is as a new one from now on; its numbers go on.
    fn forget(&mut self) {
        self.record.counts.forget();
        self.before = self.record;
    }

    fn is_changed(&self) -> bool {
        self.is_fence || self.record != self.before
    }
}

/// From when on a record says nothing, in milliseconds.
fn forgotten_at(rules: &LimiterRules, slot: Slot, record: &Record) -> u64 {
    let counts = record.counts.tally.forgotten_at(rules.policy.memory(slot));
    let known = if record.counts.known == Default::default() {
        0
    } else {
        record.counts.known.seen().saturating_add(rules.lifetime)
    };
    // As long as there may be a record that was forgotten with it.
    let cleared = if record.cleared == 0 { 0 } else { record.cleared.saturating_add(rules.policy.longest_memory()) };
    counts.max(known).max(cleared).max(record.counts.told.until())
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
