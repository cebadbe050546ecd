//! The records of one attempt as a store holds them, and each step over all of them at once: what is numbered, timed, remembered
//! and told by them. A store loads them and keeps those that changed, and decides nothing.
//!
//! There is no number and no clock of the whole, which all would have to wait for. A charge is numbered one above the latest
//! number on the records that it touches, and time stands on each record: it is never behind what the record was changed at. The
//! limiter in memory has both for the whole, because there a counter and a clock cost less than a number and a time beside each
//! tally.

use super::facts::Facts;
use super::key::Key;
use super::known::{KnownAddresses, Told};
use super::look::Tallies;
use super::slots::{Slot, Slots};
use super::tally::{Tally, UNDER_WAY};
use super::ticket::Ticket;
use super::transition::{Attempted, Charged, Compared, News, Outcome, Right, Step};
use crate::boundary::limiter::{BegunLock, Limit, Settlement};

/// What is counted under one key, and of an account or client what is remembered. All times are in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// When it began. An attempt that was charged before has nothing here to take back, whatever its number.
    pub(crate) since: u64,
    /// When it was changed last; 0 for never.
    pub(crate) changed: u64,
    /// The last number of an attempt that was charged to it.
    pub(crate) number: u32,
    pub(crate) tally: Tally,
    /// Of the account or client.
    pub(crate) known: KnownAddresses,
    pub(crate) told: Told,
}

impl Counts {
    /// It is as a new one from now on; its numbers go on.
    #[inline]
    pub(crate) fn forget(&mut self) {
        *self = Self { number: self.number, ..Self::default() };
    }

    /// When the record may be removed, as far as it counts. Not as long as an attempt may be under way that was charged to it: one
    /// that takes its place begins with other numbers.
    #[inline]
    pub(crate) fn counts_until(&self, memory: u64) -> u64 {
        self.tally.forgotten_at(memory).max(self.changed.saturating_add(UNDER_WAY))
    }

    /// When it may be removed, as far as it remembers; 0 if it remembers nothing.
    #[inline]
    pub(crate) fn remembers_until(&self, lifetime: u64) -> u64 {
        let is_known = self.known != KnownAddresses::default();
        let known = if is_known { self.known.seen().saturating_add(lifetime) } else { 0 };
        known.max(self.told.until())
    }

    /// It was changed by a step at this time.
    #[inline]
    pub(crate) fn touch(&mut self, now: u64) {
        if self.changed == 0 {
            self.since = now;
        }
        self.changed = self.changed.max(now);
    }
}

/// The time of a step that is done now: behind none at which one of its records was changed.
#[inline]
pub(crate) fn time<'a>(now: u64, records: impl IntoIterator<Item = &'a Counts>) -> u64 {
    records.into_iter().map(|counts| counts.changed).fold(now, u64::max)
}

/// The records of an attempt, each in the place of its slot. One that is not there is as a new one, and kept nowhere.
#[derive(Debug, Default)]
pub(crate) struct Records<'a> {
    counts: [Option<&'a mut Counts>; 8],
    /// Those that are not in a place of their own: copies of cells in which others are counted, too.
    shared: Slots,
}

/// A lock that began, or a bucket that was emptied, and until when. In milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) limit: Limit,
    pub(crate) key: Key,
    pub(crate) at: u64,
    pub(crate) until: u64,
}

impl<'a> Records<'a> {
    pub(crate) fn new(found: impl IntoIterator<Item = (Slot, &'a mut Counts)>, shared: Slots) -> Self {
        let mut records = Self { shared, ..Self::default() };
        for (slot, counts) in found {
            if let Some(place) = records.counts.get_mut(slot as usize) {
                *place = Some(counts);
            }
        }
        records
    }

    /// Later than the number of each charge on these records.
    #[inline]
    fn next_number(&self) -> u32 {
        let latest = self.counts.iter().flatten().map(|counts| counts.number).reduce(later);
        latest.unwrap_or_default().wrapping_add(1)
    }

    #[inline]
    fn get_mut(&mut self, slot: Slot) -> Option<&mut Counts> {
        self.counts.get_mut(slot as usize)?.as_deref_mut()
    }

    #[inline]
    fn tally(&self, slot: Slot) -> Tally {
        self.counts.get(slot as usize).and_then(Option::as_ref).map_or_else(Tally::default, |counts| counts.tally)
    }

    /// An attempt at this time, and what began by it. A record changed if it is not as it was before.
    pub(crate) fn attempt<R, W>(
        &mut self,
        step: &Step<'_>,
        facts: &Facts,
        now: u64,
        compare: impl FnOnce() -> Compared<R, W>,
    ) -> (Attempted<R, W>, Vec<Begun>) {
        let known = self.get_mut(Slot::Account).map(|counts| counts.known);
        let moment = step.moment(facts, known.as_ref(), now);
        let mut copies = Slot::ALL.map(|slot| self.tally(slot));
        let [pair, account, address, wide @ .., recent] = &mut copies;
        let wide = facts.touches_wide(moment.is_known).then_some(wide);
        let recent = facts.counts_on_recent().then_some(recent);
        let mut tallies = Tallies { pair, account, address, wide, recent, shared: self.shared };
        let outcome = step.attempt(facts, moment, &mut tallies, || self.next_number(), compare);
        let mut begun = Vec::new();
        if let Outcome::Charged(charged, _) = &outcome {
            step.begun(charged, &mut tallies, |limit, key, until| begun.push(Begun { limit, key, at: now, until }));
        }
        for (counts, tally) in self.counts.iter_mut().zip(copies) {
            counts.iter_mut().for_each(|counts| counts.tally = tally);
        }
        let attempted = match outcome {
            Outcome::Refused(refused) => Attempted::Refused(refused.into_refusal(|news| self.tell(news, now))),
            Outcome::Charged(Charged { ticket, monitored, is_known, news, .. }, wrong) => {
                for slot in ticket.charged.iter() {
                    self.get_mut(slot).into_iter().for_each(|counts| counts.number = ticket.number);
                }
                let news = news.and_then(|news| self.tell(news, now));
                Attempted::Charged { wrong, ticket, monitored, is_known, news }
            }
            Outcome::Right(Right { monitored, is_news }, right) => {
                if is_news {
                    self.remember(step, facts.network, now);
                }
                Attempted::Right { right, monitored }
            }
        };
        (attempted, begun)
    }

    /// Settles an attempt that was charged to these records, as far as they are still the same.
    pub(crate) fn settle(
        &mut self,
        step: &Step<'_>,
        ticket: &Ticket,
        settlement: Settlement,
        now: u64,
    ) -> Option<BegunLock> {
        let mut news = None;
        for slot in ticket.touched_by(settlement).iter() {
            if let Some(counts) = self.get_mut(slot)
                && (counts.since <= ticket.at || ticket.forgives(settlement, slot))
            {
                news = News::first(news, step.settle(ticket, settlement, slot, &mut counts.tally, || now));
            }
        }
        if step.remembers(ticket, settlement) {
            self.remember(step, ticket.network, ticket.at);
        }
        news.and_then(|news| self.tell(news, now))
    }

    #[inline]
    fn remember(&mut self, step: &Step<'_>, network: u64, at: u64) {
        if let Some(counts) = self.get_mut(Slot::Account) {
            counts.known.remember(network, at, step.lifetime());
        }
    }

    #[inline]
    fn tell(&mut self, news: News, now: u64) -> Option<BegunLock> {
        news.tell(now, self.get_mut(Slot::Account).map(|counts| &mut counts.told))
    }
}

/// The later of two numbers, which go round.
#[inline]
fn later(one: u32, other: u32) -> u32 {
    if one.wrapping_sub(other) < 1 << 31 { one } else { other }
}

#[cfg(test)]
#[path = "records_tests.rs"]
mod tests;
