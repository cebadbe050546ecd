//! The limiter in the memory of this process.

use std::fmt;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::budget::millis;
use super::digests::Digests;
use super::known::Known;
use super::locks::Locks;
use super::policy::{Charges, Decision, Policy, Spent, Tallies};
use super::rules::LimiterRules;
use super::sync::atomic::{AtomicU32, Ordering};
use super::sync::{Mutex, MutexGuard, SHARDS, digest_key};
use super::table::{Key, Place, Table};
use super::tally::Tally;
use super::ticket::{Ticket, WidePlaces};
use super::wide;
use crate::boundary::backend::BackendError;
use crate::boundary::check::SecretCheck;
use crate::boundary::clock::{Clock as _, PartClock, SharedClock};
use crate::boundary::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Checked, Guess, Refusal, Reservation, Reserved, Rule, Settlement,
};
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::setting::SettingError;

/// Counts attempts in the memory of this process, by four rules, which [`LimiterRules`](crate::LimiterRules) may change:
///
/// | Rule | Default |
/// |---|---|
/// | [`AccountAndAddress`](Rule::AccountAndAddress) | 10 in a row, then locked for 15, 30, 60, 60 .. minutes |
/// | [`Account`](Rule::Account) | 100 in a row over all addresses, then locked for 1, 2, 4 .. 24 hours; not for addresses from which the account succeeded before |
/// | [`Address`](Rule::Address) | 300 over all accounts and clients, one more each minute |
/// | [`ClientAndAddress`](Rule::ClientAndAddress) | as for account and address |
///
/// A success takes back its own charges, and forgets the failures of its account from its address. The secret that
/// was denied last counts no more for the same account within half a minute, because clients and phones repeat what failed.
///
/// Bounded: each of the tables of accounts, of pairs with an address, and of addresses holds at most
/// [`capacity`](crate::LimiterRules::with_capacity) keys. When one is full of keys that still count, new keys share cells, chosen by a
/// keyed hash. A cell counts its keys as one: a lock of it locks each of them, and ends the count of each as a lock of its own
/// does. So a flood can make the limiter stricter, and gives no key more guesses. A restart clears it, and processes do not
/// share it.
///
/// IPv6 addresses count by their /64; and in a second tier by their /56, which has
/// [4 times](crate::LimiterRules::with_ipv6_factors) the budgets of a /64, and by their /48, which has 16 times: what names an address
/// in the table above. Addresses from which an account or client succeeded before are spared by the second tier. One /48 has at
/// most a sixteenth of each table for itself; beyond it, its networks share cells among themselves.
///
/// Put it into an [`Arc`](std::sync::Arc) to give it to the endpoint and keep it for [`locks`](Self::locks) and
/// [`unblock_account`](Self::unblock_account).
pub struct MemoryLimiter {
    pub(crate) policy: Policy,
    pub(super) tables: Tables,
    pub(super) locks: Locks,
    pub(crate) capacity: usize,
    pub(crate) lifetime: u64,
    pub(super) digests: Digests,
    pub(super) numbers: AtomicU32,
    pub(super) clock: PartClock,
}

/// Locked in this order wherever several are locked: pairs, accounts, addresses, wide; never two of a kind.
pub(super) struct Tables {
    pub(super) pairs: Vec<Mutex<Table>>,
    pub(super) accounts: Vec<Mutex<Accounts>>,
    pub(super) addresses: Vec<Mutex<Table>>,
    /// Pairs with IPv6 networks that are wider than a /64, and these networks: in one part for each /48.
    pub(super) wide: Vec<Mutex<Table>>,
    /// Whether these ever held anything. It needs no order of its own: a reader that does not see it yet was first.
    pub(super) has_wide: AtomicBool,
}

pub(super) struct Accounts {
    pub(super) tallies: Table,
    pub(super) known: Known,
}

impl Tables {
    pub(super) fn new(capacity: usize, lifetime: u64) -> Self {
        let each = capacity.div_ceil(SHARDS);
        let accounts = || Accounts { tallies: Table::new(each, false), known: Known::new(each, lifetime) };
        Self {
            // A pair becomes preferred by a success, which forgets its failures.
            pairs: (0..SHARDS).map(|_| Mutex::new(Table::new(each, true))).collect(),
            accounts: (0..SHARDS).map(|_| Mutex::new(accounts())).collect(),
            addresses: (0..SHARDS).map(|_| Mutex::new(Table::new(each, false))).collect(),
            wide: wide::tables(capacity),
            has_wide: AtomicBool::new(false),
        }
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

impl MemoryLimiter {
    /// The rules above, and 262,144 keys in each table.
    #[must_use]
    pub fn new() -> Self {
        let LimiterRules { policy, capacity, lifetime } = LimiterRules::new();
        Self {
            policy,
            tables: Tables::new(capacity, lifetime),
            locks: Locks::default(),
            capacity,
            lifetime,
            digests: Digests::new(digest_key()),
            numbers: AtomicU32::new(1),
            clock: PartClock::system(),
        }
    }

    pub(super) fn now(&self) -> u64 {
        millis(self.clock.elapsed())
    }

    fn try_reserve(&self, key: &AttemptKey<'_>) -> Option<Reserved> {
        let now = self.now();
        let mut ticket = self.ticket(key, now);
        let mut pairs = shard_of(&self.tables.pairs, ticket.pair())?;
        let mut accounts = shard_of(&self.tables.accounts, ticket.account())?;
        let mut addresses = shard_of(&self.tables.addresses, ticket.address())?;
        // Under the locks, so that the charges of each tally have rising numbers and none is taken for an earlier one.
        ticket.number = self.numbers.fetch_add(1, Ordering::Relaxed);

        let is_known = accounts.known.contains(ticket.guess, ticket.network, now);
        let facts = ticket.facts(key, is_known, now);
        let (pair, own_pair) = pairs.get(ticket.pair(), is_known);
        let (account, own_account) = match ticket.is_client {
            true => (Tally::default(), None),
            false => accounts.tallies.get(ticket.account(), false),
        };
        let (address, own_address) = addresses.get(ticket.address(), is_known);
        let mut wide = if is_known { None } else { self.lock_wide(&ticket) };
        let wide_tallies = wide.as_mut().map(|table| wide::tallies(table, &ticket));
        let mut tallies = Tallies { pair, account, address, wide: wide_tallies };
        let charges = match self.policy.reserve(&mut tallies, &facts) {
            Decision::Charged(charges) => charges,
            Decision::Refused(spent) => {
                drop((pairs, accounts, addresses, wide));
                return Some(Reserved::Refused(self.refuse(&ticket, &tallies, spent, now)));
            }
        };
        ticket.charges = charges;
        if charges.pair {
            match own_pair {
                Some(own) => *own = tallies.pair,
                None => {
                    let memory = self.policy.pairs_remember();
                    ticket.pair_place = pairs.put(ticket.pair(), (tallies.pair, ticket.number), now, memory, is_known);
                }
            }
        }
        if charges.account {
            match own_account {
                Some(own) => *own = tallies.account,
                None => {
                    let memory = self.policy.account.longest;
                    ticket.account_place =
                        accounts.tallies.put(ticket.account(), (tallies.account, ticket.number), now, memory, false);
                }
            }
        }
        if charges.address {
            match own_address {
                Some(own) => *own = tallies.address,
                None => {
                    ticket.address_place =
                        addresses.put(ticket.address(), (tallies.address, ticket.number), now, 0, is_known)
                }
            }
        }
        if let Some(table) = &mut wide {
            self.keep_wide(table, &mut ticket, &tallies, now);
        }
        drop((pairs, accounts, addresses, wide));
        self.describe(&ticket, key, &tallies, now);
        let reservation = Reservation::new(ticket.to_bytes());
        Some(Reserved::Charged(match charges.monitored {
            Some(rule) => reservation.would_refuse(rule),
            None => reservation,
        }))
    }

    pub(super) fn ticket(&self, key: &AttemptKey<'_>, now: u64) -> Ticket {
        Ticket {
            guess: self.digests.guess(&key.guess),
            network: self.digests.network(key.address),
            number: 0,
            at: now,
            print: key.fingerprint.map_or(0, |print| (print.get() >> 32) as u32 | 1),
            is_client: !matches!(key.guess, Guess::Account { .. }),
            has_address: key.address.is_some(),
            charges: Charges::default(),
            pair_place: Place::Own,
            account_place: Place::Own,
            address_place: Place::Own,
            wide_places: [WidePlaces::OWN; 2],
        }
    }

    /// Keeps whose locks began by a charge, and whose bucket it emptied.
    pub(super) fn describe(&self, ticket: &Ticket, key: &AttemptKey<'_>, tallies: &Tallies, now: u64) {
        let describe = |rule: Rule, lasts: Option<u64>| {
            let until = now.saturating_add(lasts.unwrap_or_default());
            self.locks.describe(rule, ticket.key_of(rule), key, now, until);
        };
        if ticket.charges.locks_pair {
            let (rule, budget) = self.policy.pair_rule(ticket.is_client);
            describe(rule, tallies.pair.locked(budget, now));
        }
        if ticket.charges.locks_account {
            describe(Rule::Account, tallies.account.locked(&self.policy.account, now));
        }
        if ticket.charges.address
            && let Some(wait) = tallies.address.empty(&self.policy.address, now)
        {
            describe(Rule::Address, Some(wait));
        }
        if ticket.has_wide() {
            self.describe_wide(ticket, key, tallies, now);
        }
    }

    pub(super) fn refuse(&self, ticket: &Ticket, tallies: &Tallies, spent: Spent, now: u64) -> Refusal {
        let Spent { rule, wait, address } = spent;
        let refusal =
            Refusal::new(rule, Duration::from_millis(wait)).with_address_wait(address.map(Duration::from_millis));
        if rule == Rule::AccountAndAddress && tallies.pair.locked(&self.policy.pair, now).is_none() {
            // So it is a wider network that refuses.
            let of_wide = Ticket { charges: self.policy.untold_wide(tallies, now), ..*ticket };
            return self.tell_wide(&of_wide, now).map_or(refusal, |lock| refusal.with_new_lock(lock));
        }
        // What is under way may turn out right, and then there was no lock.
        let is_news = match rule {
            Rule::Account => !tallies.account.is_told && tallies.account.is_decided(&self.policy.account, now),
            Rule::AccountAndAddress => !tallies.pair.is_told && tallies.pair.is_decided(&self.policy.pair, now),
            Rule::Address | Rule::ClientAndAddress | Rule::Requests | Rule::Introspections => false,
        };
        if !is_news {
            return refusal;
        }
        self.tell(ticket, rule, now).map_or(refusal, |lock| refusal.with_new_lock(lock))
    }

    /// Takes charges back, each under its own lock.
    fn take_back(&self, ticket: &Ticket, keeps_address: bool) {
        self.unname(ticket);
        if ticket.charges.pair
            && let Some(mut table) = shard_of(&self.tables.pairs, ticket.pair())
        {
            self.refund_pair(ticket, &mut table);
        }
        if ticket.charges.account
            && let Some(mut held) = shard_of(&self.tables.accounts, ticket.account())
        {
            self.refund_account(ticket, &mut held);
        }
        if !keeps_address {
            self.refund_address(ticket);
        }
        self.refund_wide(ticket, keeps_address);
    }

    /// Forgets the name of a lock that was none in the end.
    fn unname(&self, ticket: &Ticket) {
        if ticket.charges.locks_pair {
            let (rule, _) = self.policy.pair_rule(ticket.is_client);
            self.locks.unname(rule, ticket.key_of(rule));
        }
        if ticket.charges.locks_account {
            self.locks.unname(Rule::Account, ticket.account());
        }
        if ticket.charges.locks_wide {
            self.unname_wide(ticket);
        }
    }

    fn refund_pair(&self, ticket: &Ticket, table: &mut Table) {
        let (_, budget) = self.policy.pair_rule(ticket.is_client);
        let tally = table.get_mut(ticket.pair(), ticket.pair_place);
        tally.into_iter().for_each(|tally| tally.refund(budget, || self.now(), ticket.number));
    }

    fn refund_account(&self, ticket: &Ticket, held: &mut Accounts) {
        let tally = held.tallies.get_mut(ticket.account(), ticket.account_place);
        tally.into_iter().for_each(|tally| tally.refund(&self.policy.account, || self.now(), ticket.number));
    }

    fn refund_address(&self, ticket: &Ticket) {
        if ticket.charges.address
            && let Some(mut table) = shard_of(&self.tables.addresses, ticket.address())
        {
            // Where addresses share a tally, what time has paid may be another's.
            let is_shared = ticket.address_place != Place::Own;
            let paid = if is_shared { self.now().saturating_sub(ticket.at) } else { 0 };
            let tally = table.get_mut(ticket.address(), ticket.address_place);
            tally.into_iter().for_each(|tally| tally.give(&self.policy.address, ticket.number, paid));
        }
    }

    /// Tells the tallies that the attempt was decided against, and its secret.
    fn deny(&self, ticket: &Ticket, now: u64) {
        if ticket.charges.pair
            && let Some(mut table) = shard_of(&self.tables.pairs, ticket.pair())
        {
            let tally = table.get_mut(ticket.pair(), ticket.pair_place);
            tally.into_iter().for_each(|tally| tally.deny(now, ticket.number, ticket.print));
        }
        if ticket.charges.account
            && let Some(mut held) = shard_of(&self.tables.accounts, ticket.account())
        {
            let tally = held.tallies.get_mut(ticket.account(), ticket.account_place);
            tally.into_iter().for_each(|tally| tally.deny(now, ticket.number, ticket.print));
        }
        self.deny_wide(ticket, now);
    }

    /// Forgets the failures of an account or client from its address, takes its other charges back, and remembers the
    /// address.
    fn succeed(&self, ticket: &Ticket) {
        self.unname(ticket);
        if let Some(mut table) = shard_of(&self.tables.pairs, ticket.pair()) {
            if ticket.pair_place == Place::Own {
                table.forget(ticket.pair());
            } else if ticket.charges.pair {
                self.refund_pair(ticket, &mut table);
            }
        }
        if let Some(mut held) = shard_of(&self.tables.accounts, ticket.account()) {
            if ticket.charges.account {
                self.refund_account(ticket, &mut held);
            }
            if ticket.has_address {
                held.known.insert(ticket.guess, ticket.network, ticket.at);
            }
        }
        self.refund_address(ticket);
        self.refund_wide(ticket, false);
    }

    /// The lock that began by a charge which was decided against, if nobody was told of it yet.
    pub(super) fn news(&self, ticket: &Ticket, now: u64) -> Option<BegunLock> {
        let tell = |begins: bool, rule| begins.then(|| self.tell(ticket, rule, now)).flatten();
        let pair = tell(ticket.charges.locks_pair && !ticket.is_client, Rule::AccountAndAddress);
        let wide = || if ticket.charges.locks_wide { self.tell_wide(ticket, now) } else { None };
        tell(ticket.charges.locks_account, Rule::Account).or(pair).or_else(wide)
    }

    /// The lock of this rule, if nobody was told of it yet.
    fn tell(&self, ticket: &Ticket, rule: Rule, now: u64) -> Option<BegunLock> {
        let first = |tally: &mut Tally| !std::mem::replace(&mut tally.is_told, true);
        let lasts = match rule {
            Rule::AccountAndAddress => {
                let mut table = shard_of(&self.tables.pairs, ticket.pair())?;
                let tally = table.get_mut(ticket.pair(), ticket.pair_place)?;
                tally.locked(&self.policy.pair, now).filter(|_| first(tally))?
            }
            Rule::Account => {
                let mut held = shard_of(&self.tables.accounts, ticket.account())?;
                let tally = held.tallies.get_mut(ticket.account(), ticket.account_place)?;
                tally.locked(&self.policy.account, now).filter(|_| first(tally))?
            }
            Rule::Address | Rule::ClientAndAddress | Rule::Requests | Rule::Introspections => return None,
        };
        let is_news = self.locks.is_news(ticket.guess, now, now.saturating_add(lasts));
        is_news.then(|| BegunLock::new(rule, Duration::from_millis(lasts)))
    }
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new()
    }
}

impl AttemptLimiter for MemoryLimiter {
    fn validate(&self) -> Result<(), SettingError> {
        self.policy.check()
    }

    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        let reserved = self.try_reserve(key);
        MaybeFuture::ready(reserved.ok_or_else(|| BackendError::fault("the limiter has no shard for a key")))
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        if reservation.is_again() {
            // Here settling never fails, so it was done.
            return MaybeFuture::ready(Ok(None));
        }
        let mut ticket = Ticket::from_bytes(reservation.key());
        let mut news = None;
        match settlement {
            Settlement::Success => self.succeed(&ticket),
            Settlement::Denied | Settlement::Refused => {
                if settlement == Settlement::Refused {
                    ticket.print = 0;
                }
                let now = self.now();
                self.deny(&ticket, now);
                news = self.news(&ticket, now);
            }
            Settlement::Undecided => self.take_back(&ticket, true),
            Settlement::Untried => self.take_back(&ticket, false),
        }
        MaybeFuture::ready(Ok(news))
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        let checked = self.try_check(key, check);
        MaybeFuture::ready(checked.ok_or_else(|| BackendError::fault("the limiter has no shard for a key")))
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.clock.follow(clock)
    }
}

impl fmt::Debug for MemoryLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLimiter")
            .field("policy", &self.policy)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
