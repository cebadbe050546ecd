//! What an operator may see of the limiter over a store of records, and do.

use std::net::IpAddr;

use async_trait::async_trait;

use super::limiter::StoredLimiter;
use super::swapping::Swapped;
use super::touched::{EVERYTHING, Places, Touched};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::limiter::Guess;
use crate::boundary::operator::{ActiveLock, LimiterOperator, LockCursor, LockPage, MOST_LOCKS};
use crate::boundary::records::AttemptRecords;
use crate::protection::network::{Tier, is_ipv6, widened};
use crate::protection::table::Key;

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
        let guess = self.digests.guess(&Guess::Account { realm, account });
        let networks = self.keys_of(guess).await?.into_iter().filter(|(_, network)| *network != 0);
        let locks = self.active(networks).await?.len();
        let own = self.change([(guess, 0)], |touched| usize::from(touched.clear((guess, 0)))).await?;
        Ok(own.saturating_add(locks))
    }

    async fn unblock_address(&self, address: IpAddr) -> Result<usize, OperationError> {
        let network = self.digests.network(Some(address));
        let locks =
            self.active(self.locks.keys(|(guess, other)| guess != 0 && other == network, MOST_LOCKS)).await?.len();
        let keys = around(network).map(|network| (0, network));
        let own = |touched: &mut Touched<'_>| {
            let is_held = touched.clear((0, network));
            for key in keys.clone() {
                touched.clear(key);
            }
            usize::from(is_held)
        };
        let own = self.change(keys.clone().chain([(0, network)]), own).await?;
        Ok(own.saturating_add(locks))
    }

    async fn unblock_account_at(
        &self,
        realm: Option<&str>,
        account: &AccountKey<'_>,
        address: Option<IpAddr>,
    ) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Account { realm, account }, address).await?)
    }

    async fn unblock_client(&self, client_id: &str, address: Option<IpAddr>) -> Result<bool, OperationError> {
        Ok(self.unblock_pair(&Guess::Client { client_id }, address).await?)
    }

    async fn forget_everything(&self) -> Result<(), OperationError> {
        self.change([], |touched| touched.clear(EVERYTHING)).await?;
        self.locks.clear();
        Ok(())
    }
}

/// The /56 and the /48 around a /64.
fn around(network: u64) -> impl Iterator<Item = u64> + Clone {
    Tier::ALL.into_iter().filter(move |_| is_ipv6(network)).map(move |tier| widened(network, tier))
}

impl<S: AttemptRecords> StoredLimiter<S> {
    /// The locks among these keys, with what is known of them.
    async fn active(&self, keys: impl IntoIterator<Item = Key>) -> Result<Vec<ActiveLock>, BackendError> {
        let mut locks = Vec::new();
        for key in keys {
            let touched = self.swapping.load(&Places::new([key])).await?;
            locks.extend(touched.lock(key).map(|lock| self.locks.active(key, lock)));
        }
        Ok(locks)
    }

    /// The keys under which an account may be locked, as far as its record and this process know.
    async fn keys_of(&self, guess: u64) -> Result<Vec<Key>, BackendError> {
        let touched = self.swapping.load(&Places::new([(guess, 0)])).await?;
        let mut keys = touched.locked(guess);
        keys.extend(self.locks.keys(|(other, _)| other == guess, MOST_LOCKS));
        keys.push((guess, 0));
        keys.sort_unstable();
        keys.dedup();
        Ok(keys)
    }

    async fn unblock_pair(&self, guess: &Guess<'_>, address: Option<IpAddr>) -> Result<bool, BackendError> {
        let (guess, network) = (self.digests.guess(guess), self.digests.network(address));
        let wide = around(network).map(|network| (guess, network));
        let forget = |touched: &mut Touched<'_>| {
            touched.untell((guess, 0));
            for key in wide.clone() {
                touched.forget(key);
            }
            touched.forget((guess, network))
        };
        self.change(wide.clone().chain([(guess, network)]), forget).await
    }

    async fn change<T>(
        &self,
        keys: impl IntoIterator<Item = Key>,
        step: impl FnMut(&mut Touched<'_>) -> T,
    ) -> Result<T, BackendError> {
        match self.swapping.run(&Places::new(keys), None, step).await? {
            Swapped::Now(done) => Ok(done),
            Swapped::Earlier => Err(BackendError::fault("nothing was tried before")),
        }
    }
}
