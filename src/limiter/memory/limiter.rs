//! The limiter in the memory of this process.

use std::cell::OnceCell;
use std::convert::Infallible;
use std::fmt;

use super::shards::digest_key;
use super::table::Table;
use super::tables::{Accounts, Tables, keep_told, recent_tally, shard_of, wide_tallies};
use crate::boundary::backend::BackendError;
use crate::boundary::check::SecretCheck;
use crate::boundary::clock::{Clock as _, PartClock, SharedClock};
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, BegunLock, Checked, Reservation, Reserved, Settlement};
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::setting::SettingError;
use crate::boundary::sync::atomic::{AtomicU32, Ordering};
use crate::limiter::first_tries::{Stays, first_try};
use crate::limiter::locks::Locks;
use crate::limiter::step::budget::millis;
use crate::limiter::step::digests::Digests;
use crate::limiter::step::facts::Facts;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::look::Tallies;
use crate::limiter::step::slots::{Slot, Slots};
use crate::limiter::step::tally::Tally;
use crate::limiter::step::ticket::Ticket;
use crate::limiter::step::transition::{Attempted, Charged, Compared, News, Outcome, Right, Step};

/// Counts attempts in the memory of this process, by these limits, which [`Limits`] may change; the other
/// two, of [requests](crate::limiter::RequestCeiling) and [introspections](crate::limiter::IntrospectionCeiling), are kept by the endpoint:
///
/// | Limit | Default |
/// |---|---|
/// | [`AccountAndAddress`](crate::limiter::Limit::AccountAndAddress) | 10 in a row, then locked for 15, 30, 60, 60 .. minutes |
/// | [`Account`](crate::limiter::Limit::Account) | 100 in a row over all addresses, then locked for 1, 2, 4 .. 24 hours; not for addresses from which the account succeeded before |
/// | [`Address`](crate::limiter::Limit::Address) | 300 over all accounts and clients, one more each minute |
/// | [`ClientAndAddress`](crate::limiter::Limit::ClientAndAddress) | as for account and address |
///
/// and by six more for second factors:
///
/// | Limit | Default |
/// |---|---|
/// | [`Challenge`](crate::limiter::Limit::Challenge) | 5 codes at one challenge |
/// | [`Factor`](crate::limiter::Limit::Factor) | 10 codes of one user over all challenges and addresses, then none for 15 minutes |
/// | [`FactorInARow`](crate::limiter::Limit::FactorInARow) | 100 codes of one user since the last finished login, then locked for 1, 2, 4, 7, 7 .. days |
/// | [`RecoveryCode`](crate::limiter::Limit::RecoveryCode) | 5 recovery codes of one user from one address, then none for an hour |
/// | [`Authenticator`](crate::limiter::Limit::Authenticator) | 1 message with a code in 30 seconds |
/// | [`Delivery`](crate::limiter::Limit::Delivery) | 5 messages to one user, then none for an hour |
///
/// A success takes back its own charges, and forgets the failures of its account from its address. The secret that
/// was denied last counts no more for the same account within half a minute, because clients and phones repeat what failed.
///
/// Bounded: each of the tables of accounts, of pairs with an address, and of addresses holds at most
/// [`capacity`](crate::limiter::Limits::with_capacity) keys. When one is full of keys that still count, new keys share cells, chosen by a
/// keyed hash. A cell counts its keys as one: a lock of it locks each of them, and ends the count of each as a lock of its own
/// does. So a flood can make the limiter stricter, and gives no key more guesses. A restart clears it, and processes do not
/// share it.
///
/// IPv6 addresses count by their /64; and in a second tier by their /56, which has
/// [4 times](crate::limiter::Limits::with_ipv6_factors) the budgets of a /64, and by their /48, which has 16 times: what names an address
/// in the table above. Addresses from which an account or client succeeded before are spared by the second tier. One /48 has at
/// most a sixteenth of each table for itself; beyond it, its networks share cells among themselves.
///
/// Put it into an [`Arc`](std::sync::Arc) to give it to the endpoint and keep it for the operator: see
/// [`LimiterOperator`](crate::limiter::LimiterOperator).
#[doc(alias = "brute_force")]
#[doc(alias = "lockout")]
#[doc(alias = "rate_limit")]
#[doc(alias = "throttle")]
#[doc(alias = "in_memory")]
pub struct MemoryLimiter {
    pub(super) limits: Limits,
    pub(super) tables: Tables,
    pub(super) locks: Locks,
    pub(in crate::limiter) digests: Digests,
    pub(super) numbers: AtomicU32,
    pub(super) clock: PartClock,
}

impl MemoryLimiter {
    /// The limits above, and 262,144 keys in each table.
    #[must_use]
    pub fn new() -> Self {
        let limits = Limits::new();
        Self {
            tables: Tables::new(limits.capacity),
            limits,
            locks: Locks::default(),
            digests: Digests::new(digest_key()),
            numbers: AtomicU32::new(1),
            clock: PartClock::system(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        millis(self.clock.elapsed())
    }

    fn step(&self) -> Step<'_> {
        Step::by(&self.limits)
    }

    /// One step under the locks of all that the attempt touches.
    ///
    /// Charges are numbered by one counter, which is cheaper here than a number beside each tally; taken under the locks, it is
    /// later than that of each charge before on the same tallies, as the step demands. The time is that at which the head of the
    /// request was judged, if the endpoint read this clock then and waited for nothing since: reading it again costs more than a look
    /// at a tally.
    fn attempt<R, W>(&self, key: &AttemptKey<'_>, compare: impl FnOnce() -> Compared<R, W>) -> Option<Attempted<R, W>> {
        let (now, step) = (millis(self.clock.elapsed_by(key.reading)), self.step());
        let facts = Facts::new(key, &self.digests);
        let mut pairs = shard_of(&self.tables.pairs, facts.key(Slot::Pair))?;
        let mut accounts = shard_of(&self.tables.accounts, facts.key(Slot::Account))?;
        let Accounts { tallies: accounts, known } = &mut *accounts;
        let mut addresses = shard_of(&self.tables.addresses, facts.key(Slot::Address))?;

        let moment = step.moment(&facts, known.get(facts.guess), now);
        let is_known = moment.is_known;
        let [mut new_pair, mut new_account, mut new_address] = [Tally::default(); 3];
        let is_preferred = |slot: Slot| facts.is_preferred(slot, is_known);
        // It lies in the same part as the pair.
        let mut recent = facts.counts_on_recent().then(|| recent_tally(&mut pairs, &facts));
        let (pair, has_pair) = pairs.look(facts.key(Slot::Pair), is_preferred(Slot::Pair), &mut new_pair);
        let (account, has_account) = match facts.counts_on_account() {
            true => accounts.look(facts.key(Slot::Account), is_preferred(Slot::Account), &mut new_account),
            false => (&mut new_account, false),
        };
        let (address, has_address) =
            addresses.look(facts.key(Slot::Address), is_preferred(Slot::Address), &mut new_address);
        let shared = Slots::NONE
            .with_if(Slot::Pair, !has_pair)
            .with_if(Slot::Account, !has_account)
            .with_if(Slot::Address, !has_address);
        let mut wide = if facts.touches_wide(is_known) { self.tables.wide_part(facts.network) } else { None };
        let mut wide_tallies = wide.as_mut().map(|table| wide_tallies(table, &facts));
        let shared_wide = wide_tallies.as_ref().map_or(Slots::NONE, |(_, shared)| *shared);
        let wide_tallies = wide_tallies.as_mut().map(|(tallies, _)| tallies);
        let mut tallies = Tallies {
            pair,
            account,
            address,
            wide: wide_tallies,
            shared: shared.or(shared_wide),
            recent: recent.as_mut(),
        };
        let number = || self.numbers.fetch_add(1, Ordering::Relaxed);
        let (mut charged, wrong) = match step.attempt(&facts, moment, &mut tallies, number, compare) {
            Outcome::Charged(charged, wrong) => (charged, wrong),
            Outcome::Refused(refused) => {
                if let (Some(_), Some(table), Some(wide)) = (refused.news, &mut wide, tallies.wide) {
                    keep_told(table, &facts, wide);
                }
                return Some(Attempted::Refused(
                    refused.into_refusal(|news| news.tell(now, known.told(facts.guess, now))),
                ));
            }
            Outcome::Right(Right { monitored, is_news }, right) => {
                if is_news {
                    known.remember(facts.guess, facts.network, now, self.limits.lifetime);
                }
                return Some(Attempted::Right { right, monitored });
            }
        };
        if !charged.begun.is_empty() {
            self.describe(&charged, key, &mut tallies);
        }
        let ticket = &mut charged.ticket;
        if let (Some(table), Some(wide)) = (&mut wide, tallies.wide) {
            self.keep_wide(table, ticket, wide);
        }
        if let Some(recent) = recent {
            self.keep_recent(&mut pairs, ticket, recent);
        }
        let number = ticket.number;
        let new = ticket.charged.and(shared);
        let mut put = |slot: Slot, table: &mut Table, tally: Tally| {
            if new.has(slot) {
                let memory = self.limits.policy.memory(slot);
                ticket.set_place(slot, table.put(facts.key(slot), (tally, number), now, memory, is_preferred(slot)));
            }
        };
        put(Slot::Pair, &mut pairs, new_pair);
        put(Slot::Account, accounts, new_account);
        put(Slot::Address, &mut addresses, new_address);
        let news = charged.news.and_then(|news| news.tell(now, known.told(facts.guess, now)));
        let Charged { ticket, monitored, is_known, .. } = charged;
        Some(Attempted::Charged { wrong, ticket, monitored, is_known, news })
    }

    /// Keeps what was charged to wider networks.
    fn keep_wide(&self, table: &mut Table, ticket: &mut Ticket, tallies: &[Tally; 4]) {
        self.tables.has_wide.store(true, Ordering::Release);
        for (slot, tally) in Slot::WIDE.into_iter().zip(tallies) {
            if ticket.charged.has(slot) {
                let (memory, tally) = (self.limits.policy.memory(slot), (*tally, ticket.number));
                ticket.set_place(slot, table.keep(ticket.key(slot), tally, ticket.at, memory, false));
            }
        }
    }

    /// Keeps what was charged to a user's codes in a short time.
    #[cold]
    fn keep_recent(&self, table: &mut Table, ticket: &mut Ticket, tally: Tally) {
        if ticket.charged.has(Slot::Recent) {
            let (memory, tally) = (self.limits.policy.memory(Slot::Recent), (tally, ticket.number));
            ticket.set_place(Slot::Recent, table.keep(ticket.key(Slot::Recent), tally, ticket.at, memory, true));
        }
    }

    /// Keeps whose locks began by a charge, and whose bucket it emptied.
    #[cold]
    fn describe(&self, charged: &Charged, key: &AttemptKey<'_>, tallies: &mut Tallies<'_>) {
        let now = charged.ticket.at;
        self.step().begun(charged, tallies, |limit, on, until| self.locks.describe(limit, on, key, now, until));
    }

    /// Settles in each tally that is touched, one after the other, each under its own lock.
    fn settle_ticket(&self, ticket: &Ticket, settlement: Settlement) -> Option<BegunLock> {
        let (step, touched, time) = (self.step(), ticket.touched_by(settlement), OnceCell::new());
        let now = || *time.get_or_init(|| self.now());
        let mut news = None;
        let mut settle = |slot: Slot, table: &mut Table| {
            if let Some(tally) = table.get_mut(ticket.key(slot), ticket.place(slot)) {
                news = News::first(news, step.settle(ticket, settlement, slot, tally, now));
            }
        };
        if touched.has(Slot::Pair)
            && let Some(mut table) = shard_of(&self.tables.pairs, ticket.key(Slot::Pair))
        {
            settle(Slot::Pair, &mut table);
        }
        if touched.has(Slot::Recent) {
            self.settle_recent(ticket, settlement);
        }
        let remembers = step.remembers(ticket, settlement);
        if (touched.has(Slot::Account) || remembers)
            && let Some(mut accounts) = shard_of(&self.tables.accounts, ticket.key(Slot::Account))
        {
            if touched.has(Slot::Account) {
                settle(Slot::Account, &mut accounts.tallies);
            }
            if remembers {
                accounts.known.remember(ticket.guess, ticket.network, ticket.at, self.limits.lifetime);
            }
        }
        if touched.has(Slot::Address)
            && let Some(mut table) = shard_of(&self.tables.addresses, ticket.key(Slot::Address))
        {
            settle(Slot::Address, &mut table);
        }
        let touched_wide = touched.and(Slots::WIDE);
        if !touched_wide.is_empty()
            && let Some(mut table) = self.tables.wide_part(ticket.network)
        {
            touched_wide.iter().for_each(|slot| settle(slot, &mut table));
        }
        self.locks.settled(&self.limits.policy, ticket, settlement);
        news.and_then(|news| self.tell(ticket, news, now()))
    }

    /// Whether what was pending succeeds now. That it did is kept before anything comes back.
    #[cold]
    fn resume(&self, reservation: &Reservation, settlement: Settlement) -> bool {
        let (ticket, now) = (Ticket::from_bytes(reservation.key()), self.now());
        let key = ticket.spent_key();
        let Some(mut table) = shard_of(&self.tables.pairs, key).filter(|_| !reservation.stays(settlement)) else {
            return false;
        };
        let mut spent = Tally::default();
        spent = *table.look(key, true, &mut spent).0;
        let is_first = self.step().resume(&ticket, &mut spent, now);
        if is_first {
            table.keep(key, (spent, ticket.number), now, self.limits.policy.memory(Slot::Pair), true);
        }
        is_first
    }

    /// Settles in the tally of a user's codes in a short time, of which the owner gets no notice.
    #[cold]
    fn settle_recent(&self, ticket: &Ticket, settlement: Settlement) {
        let key = ticket.key(Slot::Recent);
        if let Some(mut table) = shard_of(&self.tables.pairs, key)
            && let Some(tally) = table.get_mut(key, ticket.place(Slot::Recent))
        {
            let _ = self.step().settle(ticket, settlement, Slot::Recent, tally, || self.now());
        }
    }

    #[cold]
    fn tell(&self, ticket: &Ticket, news: News, now: u64) -> Option<BegunLock> {
        let mut accounts = shard_of(&self.tables.accounts, ticket.key(Slot::Account))?;
        news.tell(now, accounts.known.told(ticket.guess, now))
    }
}

fn no_shard() -> BackendError {
    BackendError::fault("the limiter has no shard for a key")
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl AttemptLimiter for MemoryLimiter {
    fn validate(&self) -> Result<(), SettingError> {
        self.limits.check()
    }

    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        let reserved = self.attempt(key, || Compared::LATER).map(Attempted::into_reserved);
        MaybeFuture::ready(reserved.ok_or_else(no_shard))
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        // Here settling never fails, so no first try is kept.
        MaybeFuture::ready(Ok(match first_try::<Infallible>(&reservation, |_| None) {
            Ok(_) if reservation.is_resumed() && !self.resume(&reservation, settlement) => None,
            Ok(_) => self.settle_ticket(&Ticket::from_bytes(reservation.key()), settlement),
            Err(Stays) => None,
        }))
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        let checked = self.attempt(key, || Compared::of(check.decide())).map(Attempted::into_checked);
        MaybeFuture::ready(checked.ok_or_else(no_shard))
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.clock.follow(clock)
    }
}

impl fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
