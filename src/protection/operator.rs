//! What an operator may see and do: list the locks, and lift them.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use super::limiter::MemoryLimiter;
use super::locks::ActiveLock;
use super::network::{Tier, is_ipv6, widened};
use super::table::{Key, Table, is_client};
use super::tables::{shard_at, shard_of};
use crate::boundary::account::AccountKey;
use crate::boundary::limiter::{Guess, Rule};

/// For operators. Each of these looks through all keys, one shard after the other, and holds up a request for no longer
/// than one shard takes. What keys count together, because a table is full, is not listed and ends by time only.
impl MemoryLimiter {
    /// All locks that hold now, in no order.
    ///
    /// The accounts are what verifiers made of user names that somebody typed, which may be a password in the wrong field:
    /// show them to operators, and keep them out of logs.
    #[must_use]
    pub fn locks(&self) -> Vec<ActiveLock> {
        let now = self.now();
        let mut found = Vec::new();
        for table in (0..self.tables.pairs.len()).filter_map(|index| shard_at(&self.tables.pairs, index)) {
            self.collect(&table, now, &mut found, |(guess, _)| self.rules.policy.pair_rule(is_client(guess)).0);
        }
        for held in (0..self.tables.accounts.len()).filter_map(|index| shard_at(&self.tables.accounts, index)) {
            self.collect(&held.tallies, now, &mut found, |_| Rule::Account);
        }
        for table in (0..self.tables.addresses.len()).filter_map(|index| shard_at(&self.tables.addresses, index)) {
            self.collect(&table, now, &mut found, |_| Rule::Address);
        }
        for table in (0..self.tables.wide.len()).filter_map(|index| shard_at(&self.tables.wide, index)) {
            self.collect(&table, now, &mut found, |(guess, _)| match guess {
                0 => Rule::Address,
                guess => self.rules.policy.pair_rule(is_client(guess)).0,
            });
        }
        found
    }

    fn collect(&self, table: &Table, now: u64, found: &mut Vec<ActiveLock>, rule: impl Fn(Key) -> Rule) {
        for (key, tally) in table.iter() {
            let rule = rule(key);
            let Some(remaining) = self.rules.policy.lasts(rule, key, &tally, now) else { continue };
            found.push(self.locks.active(rule, key, remaining));
        }
    }

    /// Forgets all attempts on an account, from all addresses. Tells how many keys it forgot: 0 also where the key is of
    /// another kind than the verifier gives. With `Argon2Verifier` an account is
    /// [`resolved`](AccountKey::resolved) from its id; with `count_by_login_name`, and with a verifier without an
    /// `account_key` of its own, it is the [`canonical`](AccountKey::canonical) name.
    pub fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> usize {
        let guess = self.digests.guess(&Guess::Account { realm, account });
        self.forget_told(guess);
        let pairs = self.retain_pairs(|(other, _)| other != guess);
        self.retain_wide(|(other, _)| other != guess);
        let own = shard_of(&self.tables.accounts, (guess, 0));
        own.map_or(0, |mut held| held.tallies.retain(self.now(), |(other, _)| other != guess)).saturating_add(pairs)
    }

    /// Forgets all attempts from an address (IPv6: from its /64), on all accounts and clients; and what its /56 and its /48 have
    /// spent together, which would refuse it still. Tells how many keys of the address it forgot.
    pub fn unblock_address(&self, address: IpAddr) -> usize {
        let network = self.digests.network(Some(address));
        let pairs = self.retain_pairs(|(_, other)| other != network);
        self.forget_around(network, |_| true);
        let own = shard_of(&self.tables.addresses, (0, network));
        own.map_or(0, |mut table| table.retain(self.now(), |(_, other)| other != network)).saturating_add(pairs)
    }

    /// Forgets the attempts on an account from one address; `None` for a host without addresses. Tells whether there were
    /// any.
    pub fn unblock_account_at(&self, realm: Option<&str>, account: &AccountKey<'_>, address: Option<IpAddr>) -> bool {
        self.unblock_pair(&Guess::Account { realm, account }, address)
    }

    /// Forgets the attempts on a client's secret from one address. Tells whether there were any.
    pub fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> bool {
        self.unblock_pair(&Guess::Client { client_id }, address)
    }

    fn unblock_pair(&self, guess: &Guess<'_>, address: Option<IpAddr>) -> bool {
        let key = (self.digests.guess(guess), self.digests.network(address));
        self.forget_told(key.0);
        self.forget_around(key.1, |other| other == key.0);
        shard_of(&self.tables.pairs, key).is_some_and(|mut table| table.retain(self.now(), |other| other != key) > 0)
    }

    /// The owner of the account is told of its next lock again.
    fn forget_told(&self, guess: u64) {
        if let Some(mut held) = shard_of(&self.tables.accounts, (guess, 0)) {
            held.known.forget_told(guess);
        }
    }

    /// Forgets what the /56 and the /48 around a /64 have spent, on these accounts and clients.
    fn forget_around(&self, network: u64, is_meant: impl Fn(u64) -> bool) {
        if is_ipv6(network)
            && let Some(mut table) = self.tables.wide_part(network)
        {
            let around = Tier::ALL.map(|tier| widened(network, tier));
            table.retain(self.now(), |(guess, other)| !around.contains(&other) || !is_meant(guess));
        }
    }

    fn retain_wide(&self, keep: impl Fn(Key) -> bool) {
        if !self.tables.has_wide.load(Ordering::Acquire) {
            return;
        }
        let parts = (0..self.tables.wide.len()).filter_map(|index| shard_at(&self.tables.wide, index));
        for mut table in parts {
            table.retain(self.now(), &keep);
        }
    }

    fn retain_pairs(&self, keep: impl Fn(Key) -> bool) -> usize {
        let shards = (0..self.tables.pairs.len()).filter_map(|index| shard_at(&self.tables.pairs, index));
        shards.fold(0, |sum, mut table| sum.saturating_add(table.retain(self.now(), &keep)))
    }
}
