use std::fmt;
use std::sync::Arc;

use super::aside::Aside;
use super::row_step::{CheckedRows, RowStep};
use crate::boundary::backend::BackendError;
use crate::boundary::check::SecretCheck;
use crate::boundary::clock::SharedClock;
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, BegunLock, Checked, Reservation, Reserved, Settlement};
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::setting::SettingError;
use crate::limiter::first_tries::FirstTries;
use crate::limiter::locks::Locks;
use crate::limiter::step::budget::millis;
use crate::limiter::step::facts::Facts;
use crate::limiter::step::limits::Limits;
use crate::limiter::step::ticket::Ticket;
use crate::limiter::step::transition::Compared;
use crate::sqlite::counting_key::CountingKey;
use crate::sqlite::db::Db;
use crate::sqlite::failure::{Failure, Unanswered};
use crate::sqlite::job::ignored;
use crate::sqlite::store::SqliteStore;

/// Counts attempts in the file of a [`SqliteStore`], by the limits of [`MemoryLimiter`](crate::limiter::MemoryLimiter): what was
/// charged is durable before a secret is compared, and a restart or crash takes nothing back. Processes that share the
/// file share the counts.
///
/// The file holds no names and addresses, only digests: under a [shared
/// key](crate::sqlite::SqliteStoreBuilder::shared_key) if there is one, else under a key of the same file. Whose locks
/// they are is kept in memory, for [`locks`](crate::limiter::LimiterOperator::locks): after a restart, and in another process,
/// it is not known until the lock ends. So is, without a shared key, which secret was denied last, so that the same
/// mistake counts again after a restart. Give all processes the same limits.
///
/// Time is that of the wall clock at the start, and goes on as the monotonic clock does: a wall clock that is set
/// neither lifts nor lengthens a lock before the next start, and after it time goes on from the latest that was counted
/// at. Of processes whose clocks differ, none counts an attempt behind what its records were counted at.
///
/// Each attempt takes two durable commits, which it shares with all who wait at that moment. A refused attempt takes
/// none. A [`check`](AttemptLimiter::check), such as that of a client's secret, takes one if it was wrong, and none if
/// it was right, there was nothing to forgive, and its address is one from which it succeeded before. While the file
/// cannot be written, as on a full disk, a wrong secret is an error and counts nothing. So once that happened to a
/// client, its right secret takes a commit, too, and is an error like a wrong one, until the charge of that guess would be kept.
///
/// Put it into an [`Arc`] to give it to the endpoint and keep it for the operator.
pub struct SqliteLimiter {
    pub(super) store: SqliteStore,
    pub(super) limits: Limits,
    pub(super) key: Arc<CountingKey>,
    pub(super) aside: Arc<Aside>,
    /// Those of the store, so that each limiter of it knows whose the locks are.
    pub(super) locks: Arc<Locks>,
    pub(super) first_tries: FirstTries<()>,
}

impl SqliteStore {
    /// A limiter whose counts are in this store, with the default limits. Make one of it, and share it; further ones of
    /// this store in this process count together with it and name the same locks.
    #[must_use]
    pub fn limiter(&self) -> SqliteLimiter {
        SqliteLimiter {
            store: self.clone(),
            limits: Limits::new(),
            key: self.counting_key(),
            aside: Arc::default(),
            locks: self.locks(),
            first_tries: FirstTries::default(),
        }
    }
}

impl SqliteLimiter {
    /// Other limits. Default: [`Limits::new`]. Give all that count in one file the same.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use tower_password_grant::limiter::Limits;
    /// use tower_password_grant::sqlite::SqliteStore;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let limits = Limits::new().with_budget(5, Duration::from_secs(900));
    /// let limiter = SqliteStore::open("auth.db")?.limiter().with_limits(limits);
    /// # let _ = limiter;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn facts(&self, key: &AttemptKey<'_>) -> Facts {
        Facts::new(key, &self.key.digests)
    }

    /// Has a step done in a transaction.
    pub(super) async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce(RowStep<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, BackendError> {
        Ok(self.try_step(work).await?)
    }

    /// The same, for one that may be tried once more if it is sure that it was not done.
    async fn try_step<T: Send + 'static>(
        &self,
        work: impl FnOnce(RowStep<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Unanswered> {
        self.try_step_then(work, ignored).await
    }

    /// The same, with what is done once all of it is kept, also if the call is dropped before.
    async fn try_step_then<T: Send + 'static>(
        &self,
        work: impl FnOnce(RowStep<'_>) -> Result<T, Failure> + Send + 'static,
        kept: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, Unanswered> {
        let (limits, key, aside, time) =
            (self.limits, Arc::clone(&self.key), Arc::clone(&self.aside), self.store.time());
        let work = move |db: &Db| work(RowStep::begin(db, (&key, &aside), &limits, millis(time.now()))?);
        self.store.try_write_then(work, kept).await
    }
}

impl AttemptLimiter for SqliteLimiter {
    fn has_shared_key(&self) -> Option<bool> {
        Some(self.key.is_shared())
    }

    fn validate(&self) -> Result<(), SettingError> {
        self.limits.check()
    }

    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(async move {
            let facts = self.facts(key);
            let (attempted, begun) = self.step(move |step| step.attempt(&facts, || Compared::LATER)).await?;
            self.locks.describe_all(key, &begun);
            Ok(attempted.into_reserved())
        })
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        MaybeFuture::new(async move {
            let (facts, check) = (self.facts(key), check.into_owned());
            let (guess, aside) = (facts.guess, Arc::clone(&self.aside));
            let kept = move |checked: &CheckedRows| {
                if let Some(mark) = checked.mark {
                    aside.unkept.kept(guess, mark);
                }
            };
            let checked = self.try_step_then(move |step| step.check(&facts, check), kept).await?;
            let CheckedRows { attempted, begun, .. } = checked;
            self.locks.describe_all(key, &begun);
            Ok(attempted.into_checked())
        })
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::new(async move {
            if reservation.stays(settlement) {
                return Ok(None);
            }
            let Ok(_) = self.first_tries.first_of(&reservation) else { return Ok(None) };
            let (ticket, is_resumed) = (Ticket::from_bytes(reservation.key()), reservation.is_resumed());
            let settle = move |step: RowStep<'_>| {
                if is_resumed { step.resume(&ticket) } else { step.settle(&ticket, settlement) }
            };
            let settled = self.try_step(settle).await;
            let news = settled.inspect_err(|unanswered| {
                // What may have been committed must not be taken back twice: the charge stays.
                if unanswered.is_undone() {
                    self.first_tries.keep(&reservation, ());
                }
            })?;
            self.locks.settled(&self.limits.policy, &ticket, settlement);
            Ok(news)
        })
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.store.agrees_with(clock)
    }
}

impl fmt::Debug for SqliteLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLimiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::limiter::Guess;
    use crate::limiter::step::slots::TableKind;
    use crate::sqlite::tests::folder::Folder;

    #[tokio::test]
    async fn a_proof_of_a_charge_takes_no_turn_of_what_the_charges_remove() {
        let folder = Folder::new("proof");
        let store = folder.store();
        let limiter = store.limiter();
        let from = |address: &str| AttemptKey::new(Guess::Client { client_id: "cli" }, address.parse().ok());
        limiter.aside.unkept.mark(&limiter.facts(&from("192.0.2.1")));
        let checked = limiter.check(&from("192.0.2.2"), SecretCheck::known(false)).await.unwrap();
        assert!(matches!(checked, Checked::Decided(decided) if !decided.is_right()));
        assert_eq!(limiter.aside.turn(), Some(TableKind::Wide), "one charge came before it, with two proofs");
        store.close().await;
    }
}
