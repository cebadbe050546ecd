//! The tallies of IPv6 networks that are wider than a /64, in memory.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::limiter::{MemoryLimiter, shard_at};
use super::network::{Tier, widened};
use super::policy::{Tallies, Wide};
use super::sync::{Mutex, MutexGuard, WIDE_SHARDS};
use super::table::{Table, quota};
use super::tally::Tally;
use super::ticket::Ticket;
use crate::boundary::limiter::{AttemptKey, BegunLock, Rule};

/// All wide networks of a /48 lie in one part, so that one lock is enough for an attempt.
pub(super) fn tables(capacity: usize) -> Vec<Mutex<Table>> {
    let each = capacity.div_ceil(WIDE_SHARDS);
    (0..WIDE_SHARDS).map(|_| Mutex::new(Table::new(each, false).with_quota(quota(capacity)))).collect()
}

pub(super) fn tallies(table: &mut Table, ticket: &Ticket) -> [Wide; 2] {
    Tier::ALL.map(|tier| {
        let (pair, address) = ticket.wide(tier);
        Wide { pair: table.get(pair, false).0, address: table.get(address, false).0 }
    })
}

/// One of the two sides of a wide tally.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Pair,
    Address,
}

impl MemoryLimiter {
    /// The part with the wide networks of an address.
    pub(super) fn wide_part(&self, network: u64) -> Option<MutexGuard<'_, Table>> {
        let around = widened(network, Tier::Net48);
        shard_at(&self.tables.wide, usize::try_from(around >> 16 & 0xff).ok()? & (WIDE_SHARDS - 1))
    }

    pub(super) fn lock_wide(&self, ticket: &Ticket) -> Option<MutexGuard<'_, Table>> {
        if ticket.has_wide() { self.wide_part(ticket.network) } else { None }
    }

    /// Keeps what was charged.
    pub(super) fn keep_wide(&self, table: &mut Table, ticket: &mut Ticket, tallies: &Tallies, now: u64) {
        self.tables.has_wide.store(true, Ordering::Release);
        let memory = self.policy.pairs_remember();
        let charges = ticket.charges.wide;
        for ((at, wide), charges) in (0_usize..).zip(tallies.wide.iter().flatten()).zip(charges) {
            let Some(tier) = Tier::ALL.get(at) else { continue };
            let (pair, address) = ticket.wide(*tier);
            let Some(places) = ticket.wide_places.get_mut(at) else { continue };
            if charges.pair {
                places.pair = table.keep(pair, (wide.pair, ticket.number), now, memory, false);
            }
            if charges.address {
                places.address = table.keep(address, (wide.address, ticket.number), now, memory, false);
            }
        }
    }

    /// Changes what was charged, as far as it is still there.
    fn change_wide(&self, ticket: &Ticket, mut change: impl FnMut(Tier, Side, &mut Tally)) {
        if !ticket.charges.wide.iter().any(|charges| charges.pair || charges.address) {
            return;
        }
        let Some(mut table) = self.lock_wide(ticket) else { return };
        for ((tier, charges), places) in Tier::ALL.into_iter().zip(ticket.charges.wide).zip(ticket.wide_places) {
            let (pair, address) = ticket.wide(tier);
            for (is_charged, side, key, place) in [
                (charges.pair, Side::Pair, pair, places.pair),
                (charges.address, Side::Address, address, places.address),
            ] {
                if is_charged && let Some(tally) = table.get_mut(key, place) {
                    change(tier, side, tally);
                }
            }
        }
    }

    /// Takes charges back.
    pub(super) fn refund_wide(&self, ticket: &Ticket, keeps_address: bool) {
        self.change_wide(ticket, |tier, side, tally| match side {
            Side::Pair => tally.refund(&self.policy.wide_pair(ticket.is_client, tier), || self.now(), ticket.number),
            Side::Address if keeps_address => {}
            Side::Address => {
                // Many use it, so what time has paid may be another's.
                let paid = self.now().saturating_sub(ticket.at);
                tally.give(&self.policy.wide_address(tier), ticket.number, paid);
            }
        });
    }

    pub(super) fn deny_wide(&self, ticket: &Ticket, now: u64) {
        self.change_wide(ticket, |_, side, tally| {
            if side == Side::Pair {
                tally.deny(now, ticket.number, 0);
            }
        });
    }

    /// The lock of an account from a wide network, if nobody was told of it yet.
    pub(super) fn tell_wide(&self, ticket: &Ticket, now: u64) -> Option<BegunLock> {
        if ticket.is_client {
            return None;
        }
        let mut lasts = None;
        self.change_wide(ticket, |tier, side, tally| {
            if side == Side::Pair
                && let Some(lock) = tally.locked(&self.policy.wide_pair(false, tier), now)
                && !std::mem::replace(&mut tally.is_told, true)
            {
                lasts = lasts.max(Some(lock));
            }
        });
        let lasts = lasts?;
        let is_news = self.locks.is_news(ticket.guess, now, now.saturating_add(lasts));
        is_news.then(|| BegunLock::new(Rule::AccountAndAddress, Duration::from_millis(lasts)))
    }

    /// Keeps whose locks began by a charge, and which buckets it emptied.
    pub(super) fn describe_wide(&self, ticket: &Ticket, key: &AttemptKey<'_>, tallies: &Tallies, now: u64) {
        let (rule, _) = self.policy.pair_rule(ticket.is_client);
        let charged = tallies.wide.iter().flatten().zip(ticket.charges.wide);
        for (tier, (wide, charges)) in Tier::ALL.into_iter().zip(charged) {
            let (pair, address) = ticket.wide(tier);
            let lock = wide.pair.locked(&self.policy.wide_pair(ticket.is_client, tier), now);
            if let Some(lasts) = lock.filter(|_| charges.pair && ticket.charges.locks_wide) {
                self.locks.describe(rule, pair, key, now, now.saturating_add(lasts));
            }
            let empty = wide.address.empty(&self.policy.wide_address(tier), now);
            if let Some(wait) = empty.filter(|_| charges.address) {
                self.locks.describe(Rule::Address, address, key, now, now.saturating_add(wait));
            }
        }
    }

    pub(super) fn unname_wide(&self, ticket: &Ticket) {
        let (rule, _) = self.policy.pair_rule(ticket.is_client);
        Tier::ALL.iter().for_each(|tier| self.locks.unname(rule, ticket.wide(*tier).0));
    }
}
