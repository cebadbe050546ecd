//! The records of one attempt, as they were loaded and as a step leaves them.

use super::record::{LockedNetworks, Record};
use crate::boundary::limiter::{BegunLock, Limit, Settlement};
use crate::boundary::records::RecordStamp;
use crate::limiter::step::facts::Facts;
use crate::limiter::step::key::{Key, SPENT, kind};
use crate::limiter::step::known::Told;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::records::{self, Begun, Records};
use crate::limiter::step::slots::{Slot, Slots};
use crate::limiter::step::ticket::Ticket;
use crate::limiter::step::transition::{Attempted, Compared, Step};

/// The key of the record that tells when everything was forgotten. It is read with the others, and written by nothing else.
pub(super) const EVERYTHING: Key = (0, 0);

/// Which records are touched, in the order of their keys.
#[derive(Clone, Debug)]
pub(super) struct TouchedKeys(Vec<Key>);

impl TouchedKeys {
    /// Of these keys, and of those that tell whether they were forgotten.
    pub(super) fn new(keys: impl IntoIterator<Item = Key>) -> Self {
        let with_their_own = |key: Key| [Some(key), of_guess(key), of_network(key)];
        let mut keys: Vec<_> = keys.into_iter().flat_map(with_their_own).flatten().chain([EVERYTHING]).collect();
        keys.sort_unstable();
        keys.dedup();
        Self(keys)
    }

    /// All that an attempt may touch: which addresses are known is seen only once they are loaded.
    pub(super) fn of(facts: &Facts) -> Self {
        Self::new(facts.touches(false).iter().map(|slot| facts.key(slot)))
    }

    /// Those of an attempt that was charged and is settled so.
    pub(super) fn of_ticket(ticket: &Ticket, settlement: Settlement) -> Self {
        Self::new(ticket.touched_by(settlement).iter().map(|slot| ticket.key(slot)))
    }

    /// The same, and the one that tells whether it succeeded after it was pending.
    pub(super) fn of_resumed(ticket: &Ticket) -> Self {
        let touched = ticket.touched_by(Settlement::Success).iter().map(|slot| ticket.key(slot));
        Self::new(touched.chain([ticket.spent_key()]))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Key> {
        self.0.iter().copied()
    }
}

/// The record of the account, client or user alone, which tells whether an operator forgot it.
fn of_guess((guess, network): Key) -> Option<Key> {
    (network != SPENT).then_some((guess, 0))
}

/// The same of the network, if the record counts on one.
fn of_network((guess, network): Key) -> Option<Key> {
    (!kind(guess).has_own_pair()).then_some((0, network))
}

/// A swap of which it is not known whether it happened.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) stamp: RecordStamp,
    /// The records that one operation changed by it, as they were before.
    pub(super) seen: Vec<(Key, Option<RecordStamp>)>,
}

/// What the records show of such a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trace {
    Done,
    /// It did not happen, and another swap over the same stamps is the only one that can.
    Undone,
    Lost,
}

/// The records of an attempt at one moment, behind the attempts that have the same turn and came before.
///
/// An operator who forgets an account, an address or everything cannot find all records that count on it. So its own record tells
/// when that was, and they are as new ones if they were not changed since.
#[derive(Debug)]
pub(super) struct Touched<'a> {
    limits: &'a Limits,
    /// In milliseconds since 1970, by the store's clock; behind no time at which one of the records was changed.
    pub(super) now: u64,
    pub(super) held: Vec<Held>,
}

/// A record as it was, and as a step leaves it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) key: Key,
    pub(super) seen: Option<RecordStamp>,
    pub(super) before: Record,
    pub(super) record: Record,
    /// It is swapped though nothing changes, so that no other swap may come in between.
    pub(super) is_fence: bool,
}

impl<'a> Touched<'a> {
    /// `time`: that of the store, in milliseconds since 1970.
    pub(super) fn new(limits: &'a Limits, time: u64, held: Vec<Held>) -> Self {
        // What is charged now is not what an operator forgot in this very millisecond.
        let cleared = held.iter().map(|held| held.record.cleared.saturating_add(1)).fold(time, u64::max);
        let now = records::time(cleared, held.iter().map(|held| &held.record.counts));
        let mut touched = Self { limits, now, held };
        touched.forget_cleared();
        touched
    }

    fn forget_cleared(&mut self) {
        let cleared: Vec<_> = self.held.iter().map(|held| (held.key, held.record.cleared)).collect();
        let at = |key: Key| cleared.iter().find(|(other, _)| *other == key).map_or(0, |(_, at)| *at);
        for held in self.held.iter_mut().filter(|held| held.key != EVERYTHING) {
            let (guess, network) = held.key;
            let own = if guess == 0 || network == 0 { 0 } else { at((guess, 0)).max(at((0, network))) };
            if held.record.counts.changed <= own.max(at(EVERYTHING)) {
                held.forget();
            }
        }
    }

    fn get(&self, key: Key) -> Option<&Held> {
        self.held.iter().find(|held| held.key == key)
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Held> {
        self.held.iter_mut().find(|held| held.key == key)
    }

    /// What became of an attempt whose records these are, and what began by it. A right secret is told no sooner than a wrong one
    /// would be: over all the counts that had room, and only once a charge would have been kept.
    pub(super) fn attempt<R, W>(
        &mut self,
        facts: &Facts,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> (Attempted<R, W>, Vec<Begun>) {
        let (step, now) = (Step::by(self.limits), self.now);
        let (attempted, begun) = self.records(|slot| facts.key(slot)).attempt(&step, facts, now, compare);
        if matches!(attempted, Attempted::Right { .. }) {
            self.fence();
        }
        let is_named =
            |begun: &&Begun| matches!(begun.limit, Limit::AccountAndAddress | Limit::Factor | Limit::RecoveryCode);
        for Begun { key: (guess, network), .. } in begun.iter().filter(is_named) {
            if let Some(held) = self.get_mut((*guess, 0)) {
                held.record.locked.push(*network);
            }
        }
        (attempted, begun)
    }

    /// Settles an attempt that was charged to these records, as far as they are still the same.
    pub(super) fn settle(&mut self, ticket: &Ticket, settlement: Settlement) -> Option<BegunLock> {
        let (step, now) = (Step::by(self.limits), self.now);
        self.records(|slot| ticket.key(slot)).settle(&step, ticket, settlement, now)
    }

    /// Settles as a success what was pending, if it is in time and for the first time.
    pub(super) fn resume(&mut self, ticket: &Ticket) -> Option<BegunLock> {
        let (step, now) = (Step::by(self.limits), self.now);
        let is_resumed = |held: &mut Held| step.resume(ticket, &mut held.record.counts.tally, now);
        let is_settled = self.get_mut(ticket.spent_key()).is_some_and(is_resumed);
        if is_settled { self.settle(ticket, Settlement::Success) } else { None }
    }

    fn records(&mut self, key: impl Fn(Slot) -> Key) -> Records<'_> {
        let slot = |held: &Held| Slot::ALL.into_iter().find(|slot| key(*slot) == held.key);
        let found = self.held.iter_mut().filter_map(|held| Some((slot(held)?, &mut held.record.counts)));
        Records::new(found, Slots::NONE)
    }

    /// The lock of this key, if there is one.
    pub(super) fn lock(&self, key: Key) -> Option<(Limit, u64)> {
        self.limits.policy.lock(key, &self.get(key)?.record.counts.tally, self.now)
    }

    /// Where an account was locked last.
    pub(super) fn locked(&self, guess: u64) -> Vec<Key> {
        let locked = self.get((guess, 0)).map(|held| held.record.locked).unwrap_or_default();
        locked.iter().map(|network| (guess, network)).collect()
    }

    /// Forgets the counts of this key, and answers whether they still held something.
    pub(super) fn forget(&mut self, key: Key) -> bool {
        let now = self.now;
        self.get_mut(key).is_some_and(|held| !std::mem::take(&mut held.record.counts.tally).is_over(now))
    }

    /// Forgets what the owner of an account was told.
    pub(super) fn untell(&mut self, key: Key) {
        if let Some(held) = self.get_mut(key) {
            held.record.counts.told = Told::default();
        }
    }

    /// Forgets all that counts on this key, and answers whether its own counts still held something.
    pub(super) fn clear(&mut self, key: Key) -> bool {
        self.untell(key);
        let now = self.now;
        if let Some(held) = self.get_mut(key) {
            held.record.cleared = now;
            held.record.locked = LockedNetworks::default();
        }
        self.forget(key)
    }

    /// Has all records swapped, whatever a step changes.
    fn fence(&mut self) {
        self.held.iter_mut().filter(|held| held.key != EVERYTHING).for_each(|held| held.is_fence = true);
    }

    /// Whether another swap came before this one on one of its records, so that it can happen no more.
    pub(super) fn has_moved(&self, tried: &Tried) -> bool {
        tried.seen.iter().any(|(key, seen)| self.get(*key).is_some_and(|held| held.seen != *seen))
    }

    /// What these records, which were loaded after it, show of a swap. It was done in all of them or in none.
    pub(super) fn trace(&self, tried: &Tried) -> Trace {
        let mut trace = Trace::Lost;
        for (key, seen) in &tried.seen {
            let Some(held) = self.get(*key) else { continue };
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
    /// It is as a new one from now on; its numbers go on.
    fn forget(&mut self) {
        self.record.counts.forget();
        self.record.locked = LockedNetworks::default();
        self.before = self.record;
    }

    pub(super) fn is_changed(&self) -> bool {
        self.is_fence || self.record != self.before
    }
}
