//! The authenticators of users in the memory of this process.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;

use super::factor_table::FactorTable;
use super::once::MemoryOneTimeValues;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SharedClock};
use crate::boundary::factors::store::FactorStore;
use crate::boundary::maybe::Answering;
use crate::boundary::once::OneTimeValues;
use crate::boundary::setting::{SettingError, one_or_more};
use crate::boundary::sync::{Mutex, held};
use crate::protocol::factor::authenticator::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorUser, Removed,
};
use crate::protocol::factor::changes::UserFactors;
use crate::protocol::secret::secrets::SecretDigest;

/// Authenticators and recovery codes in the memory of this process, and the one-time values that are spent with them: bounded,
/// and gone after a restart, after which every user logs in by the password alone until there is another factor. For tests and
/// trials: an application keeps them in a file or a database.
///
/// A user takes some 1 KiB. Beyond the bound a new user takes the place of the one whose enrolment has waited longest for its
/// first right code. Where there is none, the enrolment is an error: an active factor is never forgotten.
///
/// `Arc<MemoryFactors>` is a [`FactorStore`] and [`OneTimeValues`], too: give a clone to the second factors, and look at the store
/// by the other.
#[doc(alias = "in_memory")]
pub struct MemoryFactors {
    table: Mutex<FactorTable>,
    once: MemoryOneTimeValues,
    capacity: usize,
}

impl MemoryFactors {
    /// Room for the authenticators of 100,000 users, and for 100,000 one-time values.
    #[must_use]
    pub fn new() -> Self {
        Self { table: Mutex::new(FactorTable::default()), once: MemoryOneTimeValues::new(), capacity: 100_000 }
    }

    /// Another clock, which says what one-time values have expired. Default: the one that the endpoint
    /// [hands](Clock) to it, else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.once = self.once.with_clock(clock);
        self
    }

    /// Another bound: the authenticators of at least one user.
    ///
    /// # Errors
    /// Fails when it is none.
    pub fn with_capacity(mut self, users: usize) -> Result<Self, SettingError> {
        self.capacity = one_or_more("MemoryFactors::with_capacity", users)?;
        Ok(self)
    }
}

impl Default for MemoryFactors {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl FactorStore for MemoryFactors {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        let table = held(self.table.lock());
        Ok(table.of(user).iter().filter(|kept| !kept.is_over(now)).cloned().collect())
    }

    async fn enrol(
        &self,
        user: FactorUser<'_>,
        enrolment: Enrolment,
        _now: SystemTime,
    ) -> Result<Enrolled, BackendError> {
        let enrolled = held(self.table.lock()).enrol(user, enrolment, self.capacity);
        enrolled.ok_or_else(|| BackendError::unavailable("there is no room for the authenticators of another user"))
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        let mut table = held(self.table.lock());
        let changes = UserFactors::of(table.of(user)).confirm(id, if_no_factor, now);
        if let Some(changes) = &changes {
            table.apply(user, changes);
        }
        Ok(changes.is_some())
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        let mut table = held(self.table.lock());
        Ok(match UserFactors::of(table.of(user)).remove(id, if_no_factor) {
            Ok(changes) => {
                table.apply(user, &changes);
                Removed::Gone
            }
            Err(answer) => answer,
        })
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        held(self.table.lock()).forget(user);
        Ok(())
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        let mut table = held(self.table.lock());
        let Some(kept) = table.authenticator(user, id) else { return Ok(false) };
        let is_later = kept.last_step.is_none_or(|last| last < step);
        if is_later {
            kept.last_step = Some(step);
        }
        Ok(is_later)
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        let mut table = held(self.table.lock());
        let Some(code) = table.code(user, old) else { return Ok(false) };
        *code = new.clone();
        Ok(true)
    }
}

impl OneTimeValues for MemoryFactors {
    fn consume<'s, 'v, 'f>(&'s self, value: &'v SecretDigest, expires: SystemTime) -> Answering<'f, bool>
    where
        's: 'f,
        'v: 'f,
        Self: 'f,
    {
        self.once.consume(value, expires)
    }

    fn is_spent<'s, 'v, 'f>(&'s self, value: &'v SecretDigest) -> Answering<'f, bool>
    where
        's: 'f,
        'v: 'f,
        Self: 'f,
    {
        self.once.is_spent(value)
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.once.follow_clock(clock)
    }
}

impl fmt::Debug for MemoryFactors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFactors").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::protocol::factor::authenticator::AuthenticatorKind::Otp;

    const NOW: SystemTime = UNIX_EPOCH;

    /// Begins an enrolment of this user.
    async fn enrol(store: &MemoryFactors, subject: &str) -> Result<AuthenticatorId, BackendError> {
        let id = AuthenticatorId::random(Otp).unwrap();
        let new = Authenticator::new(id.clone(), Otp, None, Vec::new(), NOW);
        store.enrol(FactorUser::new(None, subject), Enrolment::new(new, None, false), NOW).await.map(|_| id)
    }

    async fn is_kept(store: &MemoryFactors, subject: &str) -> bool {
        !store.list(FactorUser::new(None, subject), NOW).await.unwrap().is_empty()
    }

    #[tokio::test]
    async fn beyond_the_bound_the_longest_unconfirmed_goes_and_an_active_factor_never() {
        let store = MemoryFactors::new().with_capacity(2).unwrap();
        let alice = FactorUser::new(None, "alice");
        let id = enrol(&store, "alice").await.unwrap();
        assert!(store.confirm(alice, &id, true, NOW).await.unwrap());
        for subject in ["bob", "carol", "dave"] {
            enrol(&store, subject).await.unwrap();
        }
        assert!(is_kept(&store, "alice").await && is_kept(&store, "dave").await);
        assert!(!is_kept(&store, "bob").await && !is_kept(&store, "carol").await);
        let id = enrol(&store, "dave").await.unwrap();
        assert!(store.confirm(FactorUser::new(None, "dave"), &id, true, NOW).await.unwrap());
        let error = enrol(&store, "erin").await.unwrap_err();
        assert!(error.to_string().contains("no room for the authenticators of another user"), "{error}");
        enrol(&store, "alice").await.unwrap();
        assert!(is_kept(&store, "alice").await && is_kept(&store, "dave").await);
        assert_eq!(held(store.table.lock()).counts(), [2, 2, 0]);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_users_without_authenticators() {
        let store = MemoryFactors::new();
        for realm in [None, Some("a"), Some("b")] {
            let user = FactorUser::new(realm, "alice");
            let new = Authenticator::new(AuthenticatorId::random(Otp).unwrap(), Otp, None, Vec::new(), NOW);
            let id = new.id.clone();
            store.enrol(user, Enrolment::new(new, None, true), NOW).await.unwrap();
            if realm == Some("a") {
                store.remove_all(user).await.unwrap();
            } else if realm == Some("b") {
                assert!(store.confirm(user, &id, true, NOW).await.unwrap());
                assert_eq!(store.remove(user, &id, false).await.unwrap(), Removed::Gone);
            }
        }
        assert_eq!(held(store.table.lock()).counts(), [1, 1, 1]);
        store.remove_all(FactorUser::new(None, "alice")).await.unwrap();
        assert_eq!(held(store.table.lock()).counts(), [0, 0, 0]);
    }
}
