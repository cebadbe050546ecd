//! What an operator may see and do: list the locks, and lift them.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::budget::Mode;
use super::limiter::{MemoryLimiter, shard_at, shard_of};
use super::locks::Name;
use super::table::{Key, Table, is_client};
use crate::boundary::account::AccountKey;
use crate::boundary::limiter::{Guess, Rule};

/// A lock that holds now.
#[derive(Clone)]
#[non_exhaustive]
pub struct ActiveLock {
    /// The rule whose budget is spent.
    pub rule: Rule,
    /// How long it still lasts.
    pub remaining: Duration,
    /// The realm of the account, if there is one.
    pub realm: Option<String>,
    /// The account, if the rule counts on one. `None` too where its name is no longer known: names of more than 256 bytes
    /// and beyond 16,384 locks are not kept.
    pub account: Option<AccountKey<'static>>,
    /// The client, if the rule counts on one.
    pub client_id: Option<String>,
    /// The address, if the rule counts on one.
    pub address: Option<IpAddr>,
}

impl fmt::Debug for ActiveLock {
    /// Without the account: people type passwords into the wrong field.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveLock")
            .field("rule", &self.rule)
            .field("remaining", &self.remaining)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

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
            self.collect(&table, now, &mut found, |(guess, _)| self.policy.pair_rule(is_client(guess)).0);
        }
        for held in (0..self.tables.accounts.len()).filter_map(|index| shard_at(&self.tables.accounts, index)) {
            self.collect(&held.tallies, now, &mut found, |_| Rule::Account);
        }
        for table in (0..self.tables.addresses.len()).filter_map(|index| shard_at(&self.tables.addresses, index)) {
            self.collect(&table, now, &mut found, |_| Rule::Address);
        }
        found
    }

    fn collect(&self, table: &Table, now: u64, found: &mut Vec<ActiveLock>, rule: impl Fn(Key) -> Rule) {
        for (key, tally) in table.iter() {
            let rule = rule(key);
            let remaining = match rule {
                _ if self.policy.mode(rule) != Mode::Block => None,
                Rule::Address => tally.empty(&self.policy.address, now),
                Rule::Account => tally.locked(&self.policy.account, now),
                _ => tally.locked(self.policy.pair_rule(rule == Rule::ClientAndAddress).1, now),
            };
            let Some(remaining) = remaining else { continue };
            let name = self.locks.name(rule, key);
            let (realm, account, client_id, address) = name.map_or((None, None, None, None), Name::into_parts);
            let remaining = Duration::from_millis(remaining);
            found.push(ActiveLock { rule, remaining, realm, account, client_id, address });
        }
    }

    /// Forgets all attempts on an account, from all addresses. Tells how many keys it forgot: 0 also where the key is of
    /// another kind than the verifier gives. With `Argon2Verifier` an account is
    /// [`resolved`](AccountKey::resolved) from its id; with `count_by_login_name`, and with a verifier without an
    /// `account_key` of its own, it is the [`canonical`](AccountKey::canonical) name.
    pub fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> usize {
        let guess = self.guess(&Guess::Account { realm, account });
        self.locks.forget(guess);
        let pairs = self.retain_pairs(|(other, _)| other != guess);
        let own = shard_of(&self.tables.accounts, (guess, 0));
        own.map_or(0, |mut held| held.tallies.retain(self.now(), |(other, _)| other != guess)).saturating_add(pairs)
    }

    /// Forgets all attempts from an address (IPv6: from its /64), on all accounts and clients. Tells how many keys it forgot.
    pub fn unblock_address(&self, address: IpAddr) -> usize {
        let network = self.network(Some(address));
        let pairs = self.retain_pairs(|(_, other)| other != network);
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
        let key = (self.guess(guess), self.network(address));
        self.locks.forget(key.0);
        shard_of(&self.tables.pairs, key).is_some_and(|mut table| table.retain(self.now(), |other| other != key) > 0)
    }

    fn retain_pairs(&self, keep: impl Fn(Key) -> bool) -> usize {
        let shards = (0..self.tables.pairs.len()).filter_map(|index| shard_at(&self.tables.pairs, index));
        shards.fold(0, |sum, mut table| sum.saturating_add(table.retain(self.now(), &keep)))
    }
}
