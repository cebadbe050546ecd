//! Checks that are decided at once: looked at, compared, and charged or forgiven under the locks.

use super::limiter::{MemoryLimiter, shard_of};
use super::policy::Tallies;
use super::sync::atomic::Ordering;
use super::tally::Tally;
use super::wide;
use crate::boundary::check::SecretCheck;
use crate::boundary::limiter::{AttemptKey, Checked, Decided};

impl MemoryLimiter {
    /// One step under the locks: nothing is under way in it, so a right check takes no place.
    pub(super) fn try_check(&self, key: &AttemptKey<'_>, check: SecretCheck<'_>) -> Option<Checked> {
        let now = self.now();
        let mut ticket = self.ticket(key, now);
        let mut pairs = shard_of(&self.tables.pairs, ticket.pair())?;
        let mut accounts = shard_of(&self.tables.accounts, ticket.account())?;
        let mut addresses = shard_of(&self.tables.addresses, ticket.address())?;

        let is_known = accounts.known.contains(ticket.guess, ticket.network, now);
        let mut facts = ticket.facts(key, is_known, now);
        let mut tallies = Tallies { pair: pairs.get(ticket.pair(), is_known).0, ..Tallies::default() };
        if !ticket.is_client {
            tallies.account = accounts.tallies.get(ticket.account(), false).0;
        }
        tallies.address = addresses.get(ticket.address(), is_known).0;
        let mut wide = if is_known { None } else { self.lock_wide(&ticket) };
        tallies.wide = wide.as_mut().map(|table| wide::tallies(table, &ticket));
        let room = match self.policy.look(&tallies, &facts) {
            Ok(room) => room,
            Err(spent) => {
                drop((pairs, accounts, addresses, wide));
                return Some(Checked::Refused(self.refuse(&ticket, &tallies, spent, now)));
            }
        };
        let mut decided = Decided::new(check.decide());
        if let Some(rule) = room.monitored {
            decided = decided.would_refuse(rule);
        }
        if decided.is_right() {
            if tallies.pair != Tally::default() {
                pairs.forget(ticket.pair());
            }
            if ticket.has_address && accounts.known.is_news(ticket.guess, ticket.network, now) {
                accounts.known.insert(ticket.guess, ticket.network, now);
            }
            return Some(Checked::Decided(decided));
        }
        ticket.number = self.numbers.fetch_add(1, Ordering::Relaxed);
        facts.number = ticket.number;
        ticket.charges = self.policy.charge_wrong(&mut tallies, &facts, room);
        if ticket.charges.pair {
            let memory = self.policy.pairs_remember();
            ticket.pair_place = pairs.keep(ticket.pair(), (tallies.pair, ticket.number), now, memory, is_known);
        }
        if ticket.charges.account {
            let memory = self.policy.account.longest;
            ticket.account_place =
                accounts.tallies.keep(ticket.account(), (tallies.account, ticket.number), now, memory, false);
        }
        if ticket.charges.address {
            ticket.address_place = addresses.keep(ticket.address(), (tallies.address, ticket.number), now, 0, is_known);
        }
        if let Some(table) = &mut wide {
            self.keep_wide(table, &mut ticket, &tallies, now);
        }
        drop((pairs, accounts, addresses, wide));
        self.describe(&ticket, key, &tallies, now);
        Some(Checked::Decided(match self.news(&ticket, now) {
            Some(lock) => decided.with_new_lock(lock),
            None => decided,
        }))
    }
}
