//! What an operator may see of the limiter over a store of records, and do.

use std::net::IpAddr;

use async_trait::async_trait;

use super::limiter::StoredLimiter;
use super::queue::Lane;
use super::touched::{EVERYTHING, Touched, TouchedKeys};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::limiter::Guess;
use crate::boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage, MOST_LOCKS};
use crate::boundary::records::AttemptRecords;
use crate::limiter::step::key::Key;
use crate::limiter::step::slots::TableKind;
use crate::limiter::step::unblock::{Unblock, Which};

/// A store of records cannot be searched. So the locks that began in this process are listed, the last 16,384 of them, and no
/// others. By its account a lock is found whichever process it began in: the account's record names the last 8 networks from
/// which it was locked. What is unblocked is so for all processes; attempts that fell short of a lock go, too, and are not
/// counted.
#[async_trait]
impl<S: AttemptRecords> LimiterOperator for StoredLimiter<S> {
    async fn locks(&self, after: Option<LockCursor>, most: usize) -> Result<LockPage, OperationError> {
        let most = most.clamp(1, MOST_LOCKS);
        let [_, guess, network] = after.map_or([0; 3], |cursor| cursor.words());
        let keys = self.locks.keys(|key| key > (guess, network), most);
        let last = keys.last().filter(|_| keys.len() == most);
        let next = last.map(|(guess, network)| LockCursor::of_words([0, *guess, *network]));
        let locks = self.active(keys.iter().copied()).await?;
        Ok(LockPage::new(locks, next))
    }

    async fn locks_of(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<Vec<ActiveLock>, OperationError> {
        let guess = self.digests.guess(&Guess::Account { realm, account });
        let found = self.active(self.keys_of(guess).await?).await?;
        Ok(found.into_iter().map(|lock| lock.named(realm, account)).collect())
    }

    async fn unblock_account(&self, realm: Option<&str>, account: &AccountKey<'_>) -> Result<usize, OperationError> {
        Ok(self.unblock(&Unblock::account(&self.digests, realm, account)).await?)
    }

    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        Ok(self.unblock(&Unblock::address(&self.digests, address)).await?)
    }

    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        let pair = Unblock::pair(&self.digests, &Guess::Account { realm, account }, address);
        Ok(self.unblock(&pair).await? > 0)
    }

    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        let pair = Unblock::pair(&self.digests, &Guess::Client { client_id }, address);
        Ok(self.unblock(&pair).await? > 0)
    }

    async fn factor_locks_of(&self, realm: Option<&str>, subject: &str) -> Result<Vec<ActiveLock>, OperationError> {
        let mut keys = Vec::new();
        for guess in self.digests.of_user(realm, subject) {
            keys.extend(self.keys_of(guess).await?);
        }
        let found = self.active(keys).await?;
        Ok(found.into_iter().map(|lock| lock.of_user(realm, subject)).collect())
    }

    async fn unblock_factor(&self, realm: Option<&str>, subject: &str) -> Result<usize, OperationError> {
        Ok(self.unblock(&Unblock::factor(&self.digests, realm, subject)).await?)
    }

    async fn forget_everything(&self) -> Result<(), OperationError> {
        self.operate(TouchedKeys::new([]), |touched| touched.clear(EVERYTHING)).await?;
        self.locks.clear();
        Ok(())
    }
}

impl<S: AttemptRecords> StoredLimiter<S> {
    /// The locks among these keys, with what is known of them.
    async fn active(&self, keys: impl IntoIterator<Item = Key>) -> Result<Vec<ActiveLock>, BackendError> {
        let mut locks = Vec::new();
        for key in keys {
            let touched = self.swapping.load(&TouchedKeys::new([key])).await?;
            locks.extend(touched.lock(key).map(|lock| self.locks.active(key, lock)));
        }
        Ok(locks)
    }

    /// The keys under which an account may be locked, as far as its record and this process know.
    async fn keys_of(&self, guess: u64) -> Result<Vec<Key>, BackendError> {
        let touched = self.swapping.load(&TouchedKeys::new([(guess, 0)])).await?;
        let mut keys = touched.locked(guess);
        keys.extend(self.locks.keys(|(other, _)| other == guess, MOST_LOCKS));
        keys.push((guess, 0));
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    /// Forgets what is unblocked. Of records that cannot be found one by one only those are counted that are known to be locked.
    async fn unblock(&self, unblock: &Unblock) -> Result<usize, BackendError> {
        let mut locks = 0_usize;
        for forgotten in unblock.forgotten.iter().filter(|forgotten| forgotten.is_counted) {
            let keys = match forgotten.which {
                Which::OfGuess(guess) => self.keys_of(guess).await?,
                Which::OfNetwork(network) => self.locks.keys(|(_, other)| other == network, MOST_LOCKS),
                Which::One(_) => continue,
            };
            let keys = keys.into_iter().filter(|key| forgotten.table == TableKind::of(*key));
            locks = locks.saturating_add(self.active(keys).await?.len());
        }
        let keys = TouchedKeys::new(unblock.forgotten.iter().map(|forgotten| record_of(forgotten.which)));
        let (untold, all) = (unblock.untold, unblock.forgotten.clone());
        let forget = move |touched: &mut Touched<'_>| {
            if let Some(guess) = untold {
                touched.untell((guess, 0));
            }
            let counted = all.iter().map(|forgotten| {
                let key = record_of(forgotten.which);
                let is_held = match forgotten.which {
                    Which::One(_) => touched.forget(key),
                    Which::OfGuess(_) | Which::OfNetwork(_) => touched.clear(key),
                };
                usize::from(is_held && forgotten.is_counted)
            });
            counted.fold(0, usize::saturating_add)
        };
        let own = self.operate(keys, forget).await?;
        Ok(own.saturating_add(locks))
    }

    /// Runs a step that is of no attempt.
    async fn operate<T: Send + 'static>(
        &self,
        keys: TouchedKeys,
        step: impl FnMut(&mut Touched<'_>) -> T + Send + 'static,
    ) -> Result<T, BackendError> {
        self.swapping.run(Lane { guess: None, network: None }, keys, step).await
    }
}

/// The record that is forgotten, or that tells since when all others are.
fn record_of(which: Which) -> Key {
    match which {
        Which::OfGuess(guess) => (guess, 0),
        Which::OfNetwork(network) => (0, network),
        Which::One(key) => key,
    }
}
