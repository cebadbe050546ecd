//! What an operator may see of the limiter in memory, and do: list the locks, and lift them.

use std::net::IpAddr;

use async_trait::async_trait;

use super::limiter::MemoryLimiter;
use super::table::Table;
use super::tables::{shard_at, shard_of};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::OperationError;
use crate::boundary::limiter::{Guess, Limit};
use crate::boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage, MOST_LOCKS};
use crate::limiter::step::key::Key;
use crate::limiter::step::unblock::{Forgotten, Unblock};

/// A key that is locked, by which limit and how long.
type Found = (Key, (Limit, u64));

/// Each of these looks through all keys, one shard after the other, and holds up a request for no longer than one shard takes. It
/// never fails.
#[async_trait]
impl LimiterOperator for MemoryLimiter {
    async fn locks(&self, after: Option<LockCursor>, most: usize) -> Result<LockPage, OperationError> {
        Ok(self.page(after, most.clamp(1, MOST_LOCKS)))
    }

    async fn locks_of(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<Vec<ActiveLock>, OperationError> {
        let guess = self.digests.guess(&Guess::Account { realm, account });
        let found = (0..self.tables.parts()).flat_map(|part| self.locked(part, |key| key.0 == guess)).take(MOST_LOCKS);
        Ok(found.map(|(key, lock)| self.locks.active(key, lock).named(realm, account)).collect())
    }

    async fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<usize, OperationError> {
        Ok(self.unblock(&Unblock::account(&self.digests, realm, account)))
    }

    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        Ok(self.unblock(&Unblock::address(&self.digests, address)))
    }

    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        Ok(self.unblock(&Unblock::pair(&self.digests, &Guess::Account { realm, account }, address)) > 0)
    }

    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        Ok(self.unblock(&Unblock::pair(&self.digests, &Guess::Client { client_id }, address)) > 0)
    }

    async fn factor_locks_of(&self, realm: Option<&str>, subject: &str) -> Result<Vec<ActiveLock>, OperationError> {
        let guesses = self.digests.of_user(realm, subject);
        let meant = |part| self.locked(part, |key| guesses.contains(&key.0));
        let found = (0..self.tables.parts()).flat_map(meant).take(MOST_LOCKS);
        Ok(found.map(|(key, lock)| self.locks.active(key, lock).of_user(realm, subject)).collect())
    }

    async fn unblock_factor(&self, realm: Option<&str>, subject: &str) -> Result<usize, OperationError> {
        Ok(self.unblock(&Unblock::factor(&self.digests, realm, subject)))
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
    /// The keys of a part that are locked.
    fn locked(&self, part: usize, is_meant: impl Fn(Key) -> bool) -> Vec<Found> {
        let now = self.now();
        let look = |table: &Table| {
            let meant = table.iter().filter(|(key, _)| is_meant(*key));
            meant.filter_map(|(key, tally)| Some((key, self.limits.policy.lock(key, &tally, now)?))).collect()
        };
        self.tables.part(part, |table| look(table)).unwrap_or_default()
    }

    /// Part by part, and in each by the keys.
    fn page(&self, after: Option<LockCursor>, most: usize) -> LockPage {
        let [part, guess, network] = after.map_or([0; 3], |cursor| cursor.words());
        let (mut part, mut last) = (usize::try_from(part).unwrap_or(usize::MAX), (guess, network));
        let mut locks = Vec::new();
        while part < self.tables.parts() {
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

    /// Forgets what is unblocked, and answers how much of it still counted.
    fn unblock(&self, unblock: &Unblock) -> usize {
        if let Some(guess) = unblock.untold
            && let Some(mut held) = shard_of(&self.tables.accounts, (guess, 0))
        {
            held.known.forget_told(guess);
        }
        let counted = unblock.forgotten.iter().map(|forgotten| {
            let gone = self.forget(forgotten);
            if forgotten.is_counted { gone } else { 0 }
        });
        counted.fold(0, usize::saturating_add)
    }

    /// Forgets these records, and answers how many of them still counted.
    fn forget(&self, forgotten: &Forgotten) -> usize {
        let retain = |table: &mut Table| table.retain(self.now(), |key| !forgotten.has(key));
        let gone = self.tables.parts_of(forgotten).filter_map(|part| self.tables.part(part, retain));
        gone.fold(0, usize::saturating_add)
    }
}
