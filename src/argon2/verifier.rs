//! The verifier over a user store.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use super::config::Argon2VerifierBuilder;
use super::error::{Argon2ConfigError, HashError};
use super::hasher::{Done, Hasher, Job, Task};
use super::lane::Sender;
use super::pool::{Pool, Undone};
use super::queue::NoPlace;
use super::stats::HashingStats;
use super::upgrade::{Upgrade, Upgrades};
use crate::boundary::account::AccountKey;
use crate::boundary::backend::{BackendError, LostDecision, OperationError};
use crate::boundary::maybe::{Answering, MaybeFuture};
use crate::boundary::provided::{Provided, is_provided};
use crate::boundary::recheck::Recheck;
use crate::boundary::users::login_name::LoginName;
use crate::boundary::users::store::{NoFindById, UserStore};
use crate::boundary::users::stored_user::StoredUser;
use crate::boundary::users::stored_user::trimmed;
use crate::boundary::verifier::{Attempt, CredentialVerifier, Denial, Verdict};
use crate::observe::patience::Bound;
use crate::observe::telemetry;
use crate::protocol::address::Network;
use crate::protocol::secret::secrets::Password;

/// How often a login follows credentials that change under it.
const LOOKS: usize = 3;

/// Verifies passwords against stored Argon2id hashes; see the [module](super).
///
/// It is a [`CredentialVerifier`]. Put it into an [`Arc`] to give it to the endpoint and keep it for
/// [`hash_password`](Self::hash_password) and [`stats`](Self::stats). Over a store that is a
/// [`UserInsert`](crate::store::UserInsert) it takes users of another directory, too: see [`Migrate`](crate::realms::Migrate).
pub struct Argon2Verifier<S> {
    pub(super) store: Arc<S>,
    pub(super) counts_by_name: bool,
    /// Of each call of the store.
    pub(super) patience: Bound,
    pub(super) hasher: Arc<Hasher>,
    pub(super) pool: Pool<Job>,
    pub(super) held: Held,
    pub(super) upgrades: Arc<Upgrades>,
    /// Digests accounts, which share the queue.
    pub(super) digests: RandomState,
}

impl<S: UserStore> Argon2Verifier<S> {
    /// A verifier with the defaults of its [builder](Self::builder).
    ///
    /// # Errors
    /// Fails when the operating system gives no memory, threads or randomness.
    pub fn new(store: S) -> Result<Self, Argon2ConfigError> {
        Self::builder(store).build()
    }

    /// A builder, for another cost, number of threads or queue.
    pub fn builder(store: S) -> Argon2VerifierBuilder<S> {
        Argon2VerifierBuilder::new(store)
    }

    /// Hashes a new password on the verifier's threads, for sign-up and password changes. The result is a PHC string
    /// with a salt from the operating system.
    ///
    /// # Errors
    /// Fails when the queue is full, or when the system gives no randomness.
    pub async fn hash_password(&self, password: Password) -> Result<String, OperationError> {
        Ok(self.make(password, Sender::Stranger(None)).await?)
    }

    /// Hashes a new password.
    pub(super) async fn make(&self, password: Password, sender: Sender) -> Result<String, BackendError> {
        let done = self.run(password, Task::Make, sender).await?;
        done.fresh.ok_or_else(|| BackendError::fault(HashError::Unusable))
    }

    /// What the hashing threads did so far.
    #[must_use]
    pub fn stats(&self) -> HashingStats {
        let counts = self.pool.counts();
        HashingStats {
            threads: self.pool.threads(),
            running: self.pool.running(),
            peak_running: self.pool.peak_running(),
            waiting: self.pool.waiting(),
            waiting_reserved: self.pool.waiting_reserved(),
            capacity: self.pool.capacity(),
            reserved: self.pool.reserved(),
            mean_time: self.pool.mean_time(),
            hashes: self.hasher.hashes.load(Ordering::Relaxed),
            abandoned: counts.abandoned.load(Ordering::Relaxed),
            refused: counts.refused.load(Ordering::Relaxed),
            refused_by_share: counts.refused_by_share.load(Ordering::Relaxed),
            displaced: counts.displaced.load(Ordering::Relaxed),
            expired: counts.expired.load(Ordering::Relaxed),
            held: self.held.now.load(Ordering::Relaxed),
            panicked: counts.panicked.load(Ordering::Relaxed),
            unusable_hashes: self.hasher.unusable.load(Ordering::Relaxed),
            failed_saves: self.upgrades.failed.load(Ordering::Relaxed),
        }
    }

    /// Looks a name up. Nobody has the empty name, though a row may have an empty alias.
    pub(super) async fn find(
        &self,
        name: &LoginName<'_>,
        realm: Option<&str>,
    ) -> Result<Option<StoredUser>, BackendError> {
        if name.is_empty() { Ok(None) } else { self.patience.of(self.store.find(name, realm)).await }
    }

    /// Where an attempt comes from.
    pub(super) fn origin(&self, attempt: &Attempt) -> Origin {
        let name = || AccountKey::canonical(attempt.counted_name());
        let known = attempt.is_from_known_address().then(|| self.account(attempt.realm(), name().as_str()));
        Origin { network: attempt.address().map(Network::of), known }
    }

    /// Whose job an attempt is: of an account that is known at the network, if it is one. An account that is not found here is one
    /// of another directory, before or behind which this one is asked.
    pub(super) fn sender(&self, origin: Origin, realm: Option<&str>, found: Option<&StoredUser>) -> Sender {
        match origin {
            Origin { network: Some(network), known: Some(name) } => {
                Sender::Known { network, account: found.map_or(name, |user| self.account(realm, user.id())) }
            }
            Origin { network, .. } => Sender::Stranger(network),
        }
    }

    fn account(&self, realm: Option<&str>, account: &str) -> u64 {
        self.digests.hash_one((realm, account))
    }

    async fn run(&self, password: Password, task: Task, sender: Sender) -> Result<Done, BackendError> {
        let job = Job { hasher: Arc::clone(&self.hasher), password, task };
        match self.pool.submit(job, sender) {
            Ok(ticket) => match ticket.await {
                Ok(done) => done.map_err(|error| match error {
                    HashError::Prohibited => BackendError::fault(error),
                    _ => BackendError::unavailable(error),
                }),
                // It was held in the queue for longer than any refusal is.
                Err(Undone::Expired) => Err(self.overloaded()),
                Err(Undone::Displaced) => Err(self.hold_back().await),
                Err(Undone::Lost) => Err(BackendError::fault(LostDecision("password hash"))),
            },
            Err(NoPlace::Full | NoPlace::ShareTaken) => Err(self.hold_back().await),
        }
    }

    async fn hold_back(&self) -> BackendError {
        let overloaded = self.overloaded();
        self.held.hold().await;
        overloaded
    }

    fn overloaded(&self) -> BackendError {
        BackendError::overloaded(self.pool.drained_in().max(Duration::from_secs(1)))
    }

    /// Saves an upgraded hash, if there is one, and answers the one that the user has now.
    async fn save(
        &self,
        user: &StoredUser,
        login: LoginName<'static>,
        realm: Option<&str>,
        fresh: Option<String>,
    ) -> Option<String> {
        let old = user.password_hash().map(str::to_owned);
        let (Some(old), Some(new)) = (old.clone(), fresh) else { return old };
        let (realm, user_id) = (realm.map(str::to_owned), user.id().to_owned());
        let upgrade = Upgrade { login, realm, user_id, old, new, patience: self.patience };
        Some(upgrade.run(Arc::clone(&self.store), Arc::clone(&self.upgrades)).await)
    }
}

#[async_trait]
impl<S: UserStore> CredentialVerifier for Argon2Verifier<S> {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        // Looked up as for the account on which the attempt was counted.
        let login = LoginName::new(attempt.username()).into_owned();
        let realm = attempt.realm().map(str::to_owned);
        let origin = self.origin(&attempt);
        let mut password = attempt.into_password();
        let mut found = self.find(&login, realm.as_deref()).await?;
        for _ in 0..LOOKS {
            let stored = found.as_ref().and_then(|user| user.password_hash().map(str::to_owned));
            // Only a login that succeeds takes the time of an upgrade: it must not show a right password otherwise.
            let upgrade =
                !self.upgrades.are_stopped() && found.as_ref().is_some_and(|user| user.status().denial().is_none());
            let sender = self.sender(origin, realm.as_deref(), found.as_ref());
            let done = self.run(password, Task::Check { stored, upgrade }, sender).await?;
            let Some(user) = found else { return Ok(Denial::UnknownUser.into()) };
            if let Some(unusable) = done.unusable {
                if !unusable.is_meant() {
                    telemetry::hash_unusable(user.id(), unusable.format, unusable.cause);
                }
                return Ok(Denial::UnusableHash.into());
            }
            if !done.right {
                return Ok(Denial::WrongPassword.into());
            }
            if let Some(denial) = user.status().denial() {
                return Ok(denial.into());
            }
            let expected = self.save(&user, login.clone(), realm.as_deref(), done.fresh).await;
            // The hash took its time. A password that was changed meanwhile, or an account that was closed, must not
            // log in; if only another login upgraded the hash, the password is right for the new one too.
            match self.find(&login, realm.as_deref()).await? {
                Some(now) if now.id() == user.id() && is_same(now.password_hash(), expected.as_deref()) => {
                    return Ok(now.status().denial().map_or_else(|| now.into_subject().into(), Verdict::from));
                }
                changed => found = changed,
            }
            password = done.password;
        }
        Err(BackendError::unavailable("the stored credentials changed each time they were verified"))
    }

    fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        let finding = self.store.find_by_id(login.subject_id(), login.realm());
        if is_provided(&finding) {
            return Provided::<NoFindById, _>::answer();
        }
        Box::pin(async move {
            let Some(user) = self.patience.of(finding).await? else { return Ok(Denial::UnknownUser.into()) };
            Ok(user.status().denial().map_or_else(|| user.into_subject().into(), Verdict::from))
        })
    }

    /// The id of the user that the store finds, so that all names of one account share one budget; for a name that no account
    /// has, a key of that name.
    fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        if self.counts_by_name {
            return MaybeFuture::ready(Ok(AccountKey::canonical(username)));
        }
        MaybeFuture::new(async move {
            let name = LoginName::new(username);
            let found = self.find(&name, realm).await?;
            Ok(found.map_or_else(|| name.phantom(), |user| AccountKey::resolved(user.id().to_owned())))
        })
    }
}

/// Where an attempt comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin {
    network: Option<Network>,
    /// The account, by the digest of its name, if it logged in from there before.
    known: Option<u64>,
}

/// Whether two stored texts are one, whatever a column fills them up with.
pub(super) fn is_same(one: Option<&str>, other: Option<&str>) -> bool {
    one.map(trimmed) == other.map(trimmed)
}

/// Refusals that wait before they are sent.
pub(super) struct Held {
    pub(super) now: AtomicUsize,
    pub(super) max: usize,
    pub(super) time: Duration,
}

impl Held {
    async fn hold(&self) {
        let place = Place::take(self);
        if place.is_some() && !self.time.is_zero() {
            tokio::time::sleep(self.time).await;
        }
    }
}

/// A held refusal, until it is sent or its client hangs up.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(held: &'a Held) -> Option<Self> {
        let room = |now: usize| now.checked_add(1).filter(|next| *next <= held.max);
        held.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).ok()?;
        Some(Self(&held.now))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> fmt::Debug for Argon2Verifier<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Argon2Verifier")
            .field("parameters", &self.hasher.parameters)
            .field("threads", &self.pool.threads())
            .finish_non_exhaustive()
    }
}
