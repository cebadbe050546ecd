//! Authenticators in memory, behind a store that can make a mistake which the gate must catch. None of them is in the library.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::clock::SharedClock;
use tower_password_grant::mfa::FactorUser;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorStore, MemoryFactors, OneTimeValues, Removed,
    SecretDigest,
};

/// What a store does otherwise than the one in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// It fails once a recovery code was looked up: both answers are the same, and only the look-up can differ.
    FailsBehindRecovery,
    /// Mistake: it does not say which step was used last, so that a used code is found out by a write, and a wrong one is not.
    HidesLastStep,
    /// Mistake: it reads a user's rows one by one until it has found the right one.
    ReadsRowByRow,
    /// Mistake: it knows used recovery codes, and looks nothing up for them.
    KnowsUsedRecoveryCodes,
    /// Mistake: it knows which identifiers exist, and looks nothing up for the others.
    KnowsIdentifiers,
    /// Mistake: it looks for the owner of an identifier that exists.
    LooksForTheOwner,
    /// Mistake of the limiter: it writes down what is right.
    Notes,
}

/// What a mistake goes by that its call does not say: whether the request has what it is about. A real one would have it from the
/// application.
pub type Insider = Arc<AtomicBool>;

/// The store of an endpoint.
pub struct Store {
    pub kept: MemoryFactors,
    change: Change,
    insider: Insider,
    used: Mutex<HashSet<[u8; 32]>>,
    identifiers: Mutex<HashSet<AuthenticatorId>>,
    /// The swap of a recovery code that was answered with a failure.
    swapped: Mutex<Option<[SecretDigest; 2]>>,
}

impl Store {
    pub fn new(change: Change, insider: &Insider) -> Arc<Self> {
        Arc::new(Self {
            kept: MemoryFactors::new(),
            change,
            insider: Arc::clone(insider),
            used: Mutex::default(),
            identifiers: Mutex::default(),
            swapped: Mutex::default(),
        })
    }

    /// Takes the last swap of a recovery code back.
    pub async fn swap_back(&self, user: FactorUser<'_>) {
        let swapped = self.swapped.lock().unwrap().take();
        if let Some([old, new]) = swapped {
            self.kept.swap_recovery_code(user, &new, &old).await.unwrap();
        }
    }
}

#[async_trait]
impl FactorStore for Store {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        let mut all = self.kept.list(user, now).await?;
        if self.change == Change::HidesLastStep {
            all.iter_mut().for_each(|one| one.last_step = None);
        }
        if self.change == Change::LooksForTheOwner && self.insider.load(Relaxed) {
            drop(std::hint::black_box(self.kept.list(FactorUser::new(None, "bob"), now).await?));
        }
        Ok(all)
    }

    async fn enrol(&self, user: FactorUser<'_>, new: Enrolment, now: SystemTime) -> Result<Enrolled, BackendError> {
        self.identifiers.lock().unwrap().insert(new.authenticator.id.clone());
        self.kept.enrol(user, new, now).await
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        self.kept.confirm(user, id, if_no_factor, now).await
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        if self.change == Change::KnowsIdentifiers && !self.identifiers.lock().unwrap().contains(id) {
            return Ok(Removed::Unknown);
        }
        self.kept.remove(user, id, if_no_factor).await
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        self.kept.remove_all(user).await
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        if self.change == Change::ReadsRowByRow {
            let all = self.kept.list(user, SystemTime::UNIX_EPOCH).await?;
            let read: Vec<Authenticator> = all.iter().take_while(|one| one.id != *id).cloned().collect();
            drop(std::hint::black_box(read));
        }
        self.kept.spend_step(user, id, step).await
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        let knows_used = self.change == Change::KnowsUsedRecoveryCodes;
        if knows_used && self.used.lock().unwrap().contains(old.as_bytes()) {
            return Ok(false);
        }
        let was_there = self.kept.swap_recovery_code(user, old, new).await?;
        if knows_used && was_there {
            self.used.lock().unwrap().insert(*old.as_bytes());
        }
        if self.change == Change::FailsBehindRecovery {
            *self.swapped.lock().unwrap() = Some([old.clone(), new.clone()]);
            return Err(BackendError::unavailable("this ends here"));
        }
        Ok(was_there)
    }
}

#[async_trait]
impl OneTimeValues for Store {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        self.kept.consume(value, expires).await
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        self.kept.is_spent(value).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.kept.follow_clock(clock)
    }
}
