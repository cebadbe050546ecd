//! What an operator may see of the limiter in memory, and do: list the locks, and lift them.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use async_trait::async_trait;

use super::limiter::MemoryLimiter;
use super::network::{Tier, is_ipv6, widened};
use super::sync::SHARDS;
use super::table::{Key, Table};
use super::tables::{shard_at, shard_of};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::OperationError;
use crate::boundary::limiter::{Guess, Rule};
use crate::boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage, MOST_LOCKS};

/// A key that is locked, by which rule and how long.
type Found = (Key, (Rule, u64));

/// Each of these looks through all keys, one shard after the other, and holds up a request for no longer than one shard takes. It
/// never fails.
#[async_trait]
impl LimiterOperator for MemoryLimiter {
    async fn locks(&self, after: Option<LockCursor>, most: usize) -> Result<LockPage, OperationError> {
        Ok(self.page(after, most.clamp(1, MOST_LOCKS)))
    }

    async fn locks_of(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<Vec<ActiveLock>, OperationError> {
        let guess = self.digests.guess(&Guess::Account { realm, account });
        let found = (0..self.parts()).flat_map(|part| self.locked(part, |key| key.0 == guess)).take(MOST_LOCKS);
        Ok(found.map(|(key, lock)| self.locks.active(key, lock).named(realm, account)).collect())
    }

    async fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<usize, OperationError> {
        let guess = self.digests.guess(&Guess::Account { realm, account });
        self.forget_told(guess);
        let pairs = self.retain_pairs(|(other, _)| other != guess);
        self.retain_wide(|(other, _)| other != guess);
        let own = shard_of(&self.tables.accounts, (guess, 0));
        let own = own.map_or(0, |mut held| held.tallies.retain(self.now(), |(other, _)| other != guess));
        Ok(own.saturating_add(pairs))
    }

    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        let network = self.digests.network(Some(address));
        let pairs = self.retain_pairs(|(_, other)| other != network);
        self.forget_around(network, |_| true);
        let own = shard_of(&self.tables.addresses, (0, network));
        let own = own.map_or(0, |mut table| table.retain(self.now(), |(_, other)| other != network));
        Ok(own.saturating_add(pairs))
    }

    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Account { realm, account }, address))
    }

    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Client { client_id }, address))
    }

    async fn forget_everything(&self) -> Result<(), OperationError> {
        let tables = &self.tables;
        for shards in [&tables.pairs, &tables.addresses, &tables.wide] {
            (0..shards.len()).filter_map(|index| shard_at(shards, index)).for_each(|mut table| table.clear());
        }
        for mut held in (0..tables.accounts.len()).filter_map(|index| shard_at(&tables.accounts, index)) {
            held.tallies.clear();
            held.known.clear();
        }
        self.locks.clear();
        Ok(())
    }
}

impl MemoryLimiter {
    /// How many parts all tables have together.
    fn parts(&self) -> usize {
        SHARDS.saturating_mul(3).saturating_add(self.tables.wide.len())
    }

    /// The keys of a part that are locked.
    fn locked(&self, part: usize, is_meant: impl Fn(Key) -> bool) -> Vec<Found> {
        let now = self.now();
        let look = |table: &Table| {
            let meant = table.iter().filter(|(key, _)| is_meant(*key));
            meant.filter_map(|(key, tally)| Some((key, self.rules.policy.lock(key, &tally, now)?))).collect()
        };
        let index = part & (SHARDS - 1);
        let found = match part.checked_div(SHARDS) {
            Some(0) => shard_at(&self.tables.pairs, index).map(|table| look(&table)),
            Some(1) => shard_at(&self.tables.accounts, index).map(|held| look(&held.tallies)),
            Some(2) => shard_at(&self.tables.addresses, index).map(|table| look(&table)),
            _ => shard_at(&self.tables.wide, index).map(|table| look(&table)),
        };
        found.unwrap_or_default()
    }

    /// Part by part, and in each by the keys.
    fn page(&self, after: Option<LockCursor>, most: usize) -> LockPage {
        let [part, guess, network] = after.map_or([0; 3], |cursor| cursor.words());
        let (mut part, mut last) = (usize::try_from(part).unwrap_or(usize::MAX), (guess, network));
        let mut locks = Vec::new();
        while part < self.parts() {
            let mut found = self.locked(part, |key| key > last);
            found.sort_unstable_by_key(|(key, _)| *key);
            let is_whole = found.len() <= most.saturating_sub(locks.len());
            for (key, lock) in found.into_iter().take(most.saturating_sub(locks.len())) {
                locks.push(self.locks.active(key, lock));
                last = key;
            }
            if is_whole {
                (part, last) = (part.saturating_add(1), (0, 0));
            }
            if locks.len() >= most {
                let next = LockCursor::of_words([u64::try_from(part).unwrap_or(u64::MAX), last.0, last.1]);
                return LockPage::new(locks, Some(next));
            }
        }
        LockPage::new(locks, None)
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
