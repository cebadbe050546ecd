//! Attempts that are counted in the file, so that a restart takes nothing back.

mod operator;
mod rows;
mod steps;
mod unsettled;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use self::rows::Prints;
use self::steps::{Checking, Lock, Locked, Refused, Reserving, Step, Try};
use self::unsettled::Unsettled;
use super::counting_key::CountingKey;
use super::failure::{Failure, Unanswered};
use super::store::SqliteStore;
use crate::boundary::backend::BackendError;
use crate::boundary::check::SecretCheck;
use crate::boundary::clock::SharedClock;
use crate::boundary::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Checked, Decided, Guess, Refusal, Reservation, Reserved, Rule, Settlement,
};
use crate::boundary::maybe::MaybeFuture;
use crate::boundary::setting::SettingError;
use crate::protection::budget::millis;
use crate::protection::locks::Locks;
use crate::protection::network::Tier;
use crate::protection::rules::LimiterRules;
use crate::protection::ticket::Ticket;

/// The statements of the limiter.
pub(super) fn statements() -> impl Iterator<Item = &'static str> {
    rows::STATEMENTS.into_iter().chain(operator::STATEMENTS)
}

/// Counts attempts in the file of a [`SqliteStore`], by the rules of [`MemoryLimiter`](crate::MemoryLimiter): what was charged is durable before a
/// secret is compared, and a restart or crash takes nothing back. Processes that share the file share the counts.
///
/// The file holds no names and addresses, only digests: under a [shared key](super::SqliteStoreBuilder::shared_key) if there is
/// one, else under a key of the same file. Whose locks they are is kept in memory, for
/// [`locks`](Self::locks): after a restart, and in another process, it is not known until the lock ends. So is, without a shared
/// key, which secret was denied last, so that the same mistake counts again after a restart; and whether an owner was told of a lock by another rule, so that the
/// notice may come twice. Give all processes the same rules.
///
/// Time is that of the wall clock at the start, and goes on as the monotonic clock does: a wall clock that is set neither
/// lifts nor lengthens a lock before the next start, and after it time never goes back behind what was counted at.
///
/// Each attempt takes two durable commits, which it shares with all who wait at that moment. A refused attempt takes none. A
/// [`check`](AttemptLimiter::check), such as that of a client's secret, takes one if it was wrong, and none if it was right,
/// there was nothing to forgive, and its address is one from which it succeeded before.
///
/// Put it into an [`Arc`] to give it to the endpoint and keep it for the operator.
pub struct SqliteLimiter {
    store: SqliteStore,
    rules: LimiterRules,
    key: Arc<CountingKey>,
    prints: Arc<Prints>,
    /// Those of the store, so that each limiter of it knows whose the locks are.
    locks: Arc<Locks>,
    unsettled: Unsettled,
}

impl SqliteStore {
    /// A limiter whose counts are in this store, with the default rules. Make one of it, and share it; further ones of
    /// this store in this process count together with it and name the same locks.
    #[must_use]
    pub fn limiter(&self) -> SqliteLimiter {
        SqliteLimiter {
            store: self.clone(),
            rules: LimiterRules::new(),
            key: self.counting_key(),
            prints: Arc::default(),
            locks: self.locks(),
            unsettled: Unsettled::default(),
        }
    }
}

impl SqliteLimiter {
    /// Other rules. Default: [`LimiterRules::new`]. Give all that count in one file the same.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use tower_password_grant::{LimiterRules, sqlite::SqliteStore};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let rules = LimiterRules::new().with_budget(5, Duration::from_secs(900));
    /// let limiter = SqliteStore::open("auth.db")?.limiter().with_rules(rules);
    /// # let _ = limiter;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_rules(mut self, rules: LimiterRules) -> Self {
        self.rules = rules;
        self
    }

    fn attempt(&self, key: &AttemptKey<'_>) -> Try {
        Try {
            guess: self.key.digests.guess(&key.guess),
            network: self.key.digests.network(key.address),
            print: key.fingerprint.map_or(0, |print| (print.get() >> 32) as u32 | 1),
            is_client: !matches!(key.guess, Guess::Account { .. }),
            has_no_account: matches!(key.guess, Guess::NoAccount),
            has_address: key.address.is_some(),
            is_exempt: key.is_exempt,
        }
    }

    /// Has a step done in a transaction.
    async fn step<T: Send + 'static>(
        &self,
        work: impl FnOnce(Step<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, BackendError> {
        Ok(self.try_step(work).await?)
    }

    /// The same, for one that may be tried once more if it is sure that it was not done.
    async fn try_step<T: Send + 'static>(
        &self,
        work: impl FnOnce(Step<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Unanswered> {
        let (rules, key, prints, time) =
            (self.rules, Arc::clone(&self.key), Arc::clone(&self.prints), self.store.time());
        self.store.try_write(move |db| work(Step::begin(db, (&key, &prints), &rules, millis(time.now()))?)).await
    }

    /// The lock, if the owner of the account was not told of another that still lasts.
    fn news(&self, guess: u64, lock: Lock) -> Option<BegunLock> {
        let lasts = Duration::from_millis(lock.until.saturating_sub(lock.now));
        self.locks.is_news(guess, lock.now, lock.until).then(|| BegunLock::new(lock.rule, lasts))
    }

    fn unname(&self, ticket: &Ticket) {
        if ticket.charges.locks_pair {
            let (rule, _) = self.rules.policy.pair_rule(ticket.is_client);
            self.locks.unname(rule, ticket.key_of(rule));
        }
        if ticket.charges.locks_account {
            self.locks.unname(Rule::Account, ticket.account());
        }
        if ticket.charges.locks_wide {
            let (rule, _) = self.rules.policy.pair_rule(ticket.is_client);
            Tier::ALL.iter().for_each(|tier| self.locks.unname(rule, ticket.wide(*tier).0));
        }
    }
}

impl SqliteLimiter {
    /// Keeps whose locks began.
    fn describe(&self, key: &AttemptKey<'_>, locks: Locked) {
        for (Lock { rule, now, until }, on) in locks {
            self.locks.describe(rule, on, key, now, until);
        }
    }

    fn refusal(&self, refused: Refused) -> Refusal {
        let Refused { rule, wait, address, news, guess } = refused;
        let refusal = Refusal::new(rule, wait).with_address_wait(address);
        let news = news.and_then(|lock| self.news(guess, lock));
        news.map_or(refusal, |lock| refusal.with_new_lock(lock))
    }
}

impl AttemptLimiter for SqliteLimiter {
    fn validate(&self) -> Result<(), SettingError> {
        self.rules.check()
    }

    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(async move {
            let attempt = self.attempt(key);
            match self.step(move |step| step.reserve(&attempt)).await? {
                Reserving::Charged { ticket, locks } => {
                    self.describe(key, locks);
                    let reservation = Reservation::new(ticket.to_bytes());
                    Ok(Reserved::Charged(match ticket.charges.monitored {
                        Some(rule) => reservation.would_refuse(rule),
                        None => reservation,
                    }))
                }
                Reserving::Refused(refused) => Ok(Reserved::Refused(self.refusal(refused))),
            }
        })
    }

    fn check<'a>(
        &'a self,
        key: &'a AttemptKey<'a>,
        check: SecretCheck<'a>,
    ) -> MaybeFuture<'a, Result<Checked, BackendError>> {
        MaybeFuture::new(async move {
            let (attempt, check) = (self.attempt(key), check.into_owned());
            let (decided, monitored) = match self.step(move |step| step.check(&attempt, check)).await? {
                Checking::Refused(refused) => return Ok(Checked::Refused(self.refusal(refused))),
                Checking::Right(outcome, monitored) => (Decided::new(outcome), monitored),
                Checking::Wrong { outcome, ticket, locks, news } => {
                    self.describe(key, locks);
                    let news = news.and_then(|lock| self.news(ticket.guess, lock));
                    let decided = match news {
                        Some(lock) => Decided::new(outcome).with_new_lock(lock),
                        None => Decided::new(outcome),
                    };
                    (decided, ticket.charges.monitored)
                }
            };
            Ok(Checked::Decided(match monitored {
                Some(rule) => decided.would_refuse(rule),
                None => decided,
            }))
        })
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::new(async move {
            let ticket = Ticket::from_bytes(reservation.key());
            if reservation.is_again() && !self.unsettled.forget(reservation.key()) {
                // Whether the first try has taken the charge back is not known, so it stays.
                return Ok(None);
            }
            let settled = self.try_step(move |step| step.settle(ticket, settlement)).await;
            let lock = settled.inspect_err(|unanswered| {
                // What may have been committed must not be taken back twice: the charge stays.
                if unanswered.is_undone() {
                    self.unsettled.keep(reservation.key());
                }
            })?;
            if settlement.gives_back() {
                self.unname(&ticket);
            }
            Ok(lock.and_then(|lock| self.news(ticket.guess, lock)))
        })
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.store.agrees_with(clock)
    }
}

impl fmt::Debug for SqliteLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLimiter").field("rules", &self.rules).finish_non_exhaustive()
    }
}
