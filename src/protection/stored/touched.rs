//! The records of one attempt, as they were loaded and as a step leaves them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::record::Record;
use crate::boundary::backend::BackendError;
use crate::boundary::limiter::{BegunLock, Rule, Settlement};
use crate::boundary::records::{LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};
use crate::protection::budget::millis;
use crate::protection::facts::Facts;
use crate::protection::look::Tallies;
use crate::protection::rules::LimiterRules;
use crate::protection::slots::{Slot, Slots};
use crate::protection::step::{Charged, Compared, News, Outcome, Right, Step};
use crate::protection::table::Key;
use crate::protection::tally::Tally;
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
    /// Whether there is a record that says something still.
    is_there: bool,
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
        let latest = held.iter().map(|held| held.record.changed.max(held.record.cleared.saturating_add(1))).max();
        let mut touched = Self { rules, now: millis(since_1970).max(latest.unwrap_or_default()), held };
        touched.forget_cleared();
        Ok(touched)
    }

    fn forget_cleared(&mut self) {
        let cleared = |slot| self.get(slot).map_or(0, |held| held.record.cleared);
        let of_account = cleared(Slot::Account);
        let pairs = [(Slot::Pair, Slot::Address), (Slot::Pair56, Slot::Net56), (Slot::Pair48, Slot::Net48)];
        for (slot, cleared) in pairs.map(|(pair, network)| (pair, of_account.max(cleared(network)))) {
            if let Some(held) = self.get_mut(slot)
                && held.record.changed <= cleared
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

    fn tally(&self, slot: Slot) -> Tally {
        self.get(slot).map_or_else(Tally::default, |held| held.record.tally)
    }

    /// What became of an attempt whose records these are, with the notice that its account's owner is given. `begun` sees the
    /// locks that began.
    pub(super) fn attempt<R, W>(
        &mut self,
        facts: &Facts,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> (Outcome<R, W>, Option<BegunLock>, Vec<Begun>) {
        let (step, now) = (Step::by(self.rules), self.now);
        let known = self.get(Slot::Account).map(|held| held.record.known);
        let [mut pair, mut account, mut address] =
            [Slot::Pair, Slot::Account, Slot::Address].map(|slot| self.tally(slot));
        let mut wide = Slot::WIDE.map(|slot| self.tally(slot));
        let mut tallies = Tallies {
            pair: &mut pair,
            account: &mut account,
            address: &mut address,
            wide: facts.has_wide().then_some(&mut wide),
            shared: Slots::NONE,
        };
        let number =
            || self.held.iter().map(|held| held.record.number).reduce(later).unwrap_or_default().wrapping_add(1);
        let moment = step.moment(facts, known.as_ref(), now);
        let outcome = step.attempt(facts, moment, &mut tallies, number, compare);
        let mut begun = Vec::new();
        if let Outcome::Charged(charged, _) = &outcome {
            step.begun(charged, &mut tallies, |rule, key, until| begun.push(Begun { rule, key, until }));
        }
        for (slot, tally) in [(Slot::Pair, pair), (Slot::Account, account), (Slot::Address, address)] {
            self.set(slot, tally);
        }
        Slot::WIDE.into_iter().zip(wide).for_each(|(slot, tally)| self.set(slot, tally));
        let news = match &outcome {
            Outcome::Refused(refused) => refused.news,
            Outcome::Charged(Charged { ticket, news, .. }, _) => {
                for slot in ticket.charged.iter() {
                    if let Some(held) = self.get_mut(slot) {
                        held.record.number = ticket.number;
                    }
                }
                *news
            }
            Outcome::Right(Right { is_news, .. }, _) => {
                if *is_news {
                    self.remember(facts.network, now);
                }
                None
            }
        };
        (outcome, news.and_then(|news| self.tell(news)), begun)
    }

    /// Settles an attempt that was charged to these records, as far as they are still the same.
    pub(super) fn settle(&mut self, ticket: &Ticket, settlement: Settlement) -> Option<BegunLock> {
        let (step, now) = (Step::by(self.rules), self.now);
        let mut news = None;
        for slot in ticket.touched_by(settlement).iter() {
            if let Some(held) = self.get_mut(slot)
                && held.is_there
                && held.record.since <= ticket.at
            {
                news = News::first(news, step.settle(ticket, settlement, slot, &mut held.record.tally, || now));
            }
        }
        if step.remembers(ticket, settlement) {
            self.remember(ticket.network, ticket.at);
        }
        news.and_then(|news| self.tell(news))
    }

    fn set(&mut self, slot: Slot, tally: Tally) {
        if let Some(held) = self.get_mut(slot) {
            held.record.tally = tally;
        }
    }

    fn remember(&mut self, network: u64, at: u64) {
        let lifetime = self.rules.lifetime;
        if let Some(held) = self.get_mut(Slot::Account) {
            held.record.known.remember(network, at, lifetime);
        }
    }

    fn tell(&mut self, news: News) -> Option<BegunLock> {
        let now = self.now;
        news.tell(now, self.get_mut(Slot::Account).map(|held| &mut held.record.told))
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
            held.record.changed = now;
            if !held.is_there {
                held.record.since = now;
            }
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

/// A lock that began, or a bucket that was emptied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    pub(super) rule: Rule,
    pub(super) key: Key,
    pub(super) until: u64,
}

impl Held {
    fn read(slot: Slot, key: RecordKey, found: Option<&LoadedRecord>) -> Result<Self, BackendError> {
        let before = found.map(|found| Record::from_bytes(found.bytes())).transpose()?.unwrap_or_default();
        let seen = found.map(LoadedRecord::stamp);
        Ok(Self { slot, key, seen, is_there: seen.is_some(), before, record: before, is_fence: false })
    }

    /// It is as a new one from now on; its numbers go on.
    fn forget(&mut self) {
        let Record { history, number, .. } = self.record;
        self.is_there = false;
        self.record = Record { history, number, ..Record::default() };
        self.before = self.record;
    }

    fn is_changed(&self) -> bool {
        self.is_fence || self.record != self.before
    }
}

/// The later of two numbers, which go round.
fn later(one: u32, other: u32) -> u32 {
    if one.wrapping_sub(other) < 1 << 31 { one } else { other }
}

/// From when on a record says nothing, in milliseconds.
fn forgotten_at(rules: &LimiterRules, slot: Slot, record: &Record) -> u64 {
    let counts = record.tally.forgotten_at(rules.policy.memory(slot));
    let known = if record.known == Default::default() { 0 } else { record.known.seen().saturating_add(rules.lifetime) };
    // As long as there may be a record that was forgotten with it.
    let cleared = if record.cleared == 0 { 0 } else { record.cleared.saturating_add(rules.policy.longest_memory()) };
    counts.max(known).max(cleared).max(record.told.until())
}

fn time(millis: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(UNIX_EPOCH)
}
