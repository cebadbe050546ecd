//! Where authenticators are kept.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use crate::boundary::backend::BackendError;
use crate::protocol::factor::authenticator::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorUser, Removed,
};
use crate::protocol::secret::secrets::SecretDigest;

/// Keeps the authenticators of users, and the digests of their recovery codes. One method for each promise. `mfa::Factors` takes a
/// store that is a [`OneTimeValues`](crate::store::OneTimeValues), too. [Your stores](crate::manual::your_stores#second-factors) has a whole one.
///
/// What an application calls by itself, to help a user or to show what there is:
///
/// ```
/// use std::time::SystemTime;
///
/// use tower_password_grant::BackendError;
/// use tower_password_grant::mfa::FactorUser;
/// use tower_password_grant::store::FactorStore;
///
/// /// The user has lost all factors: how many there were.
/// async fn reset(store: &dyn FactorStore, user: &str) -> Result<usize, BackendError> {
///     let user = FactorUser::new(None, user);
///     let lost = store.list(user, SystemTime::now()).await?.len();
///     store.remove_all(user).await?;
///     Ok(lost)
/// }
/// # use tower_password_grant::store::MemoryFactors;
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # assert_eq!(reset(&MemoryFactors::new(), "user-1").await.unwrap(), 0);
/// # });
/// ```
///
/// # Contract
/// - Each method is one atomic step, over all processes that share the store. Where it answers with a `bool`, exactly one of any
///   number of equal calls is answered `true`, and of [`remove`](Self::remove) one [`Removed::Gone`], but for what is added again.
/// - `if_no_factor` is a condition of that step: with it, and with [`Enrolment::if_no_factor`], nothing changes if the user has an
///   active factor at that moment, whatever a look before has shown. It comes with what a password alone asks for.
/// - Users are equal only if both realm and subject are: hash them with their lengths, not joined by a separator.
/// - [`enrol`](Self::enrol) replaces what waits unconfirmed, with its recovery codes. It answers [`Enrolled::TooMany`] beyond 16
///   authenticators of one user.
/// - [`confirm`](Self::confirm) makes the authenticator and the recovery codes of its enrolment active. Recovery codes that were
///   active before go on to count, and then those of the enrolment are dropped.
/// - [`spend_step`](Self::spend_step) goes forward only: it writes the step if it is later than the one that is kept.
/// - [`swap_recovery_code`](Self::swap_recovery_code) takes the old code away and adds the new one together.
/// - [`remove`](Self::remove) of the last active factor removes the recovery codes with it: alone they are no factor.
///
/// # Security
/// What is lost here lets a password alone in: an authenticator is never taken as absent because the store is down. A step or a
/// recovery code that is spent twice is a second login for the one who watched. [`Authenticator::sealed`] is sealed for its user
/// and its identifier; keep it as it is.
///
/// # Cancellation
/// A dropped call may have taken effect, as a whole or not at all.
///
/// # Errors
/// A [`BackendError`] answers 503. It never means that there is no factor.
#[async_trait]
pub trait FactorStore: Send + Sync + 'static {
    /// The authenticators of a user, the oldest first, without those that are [over](Authenticator::is_over).
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError>;

    /// Begins an enrolment.
    async fn enrol(
        &self,
        user: FactorUser<'_>,
        enrolment: Enrolment,
        now: SystemTime,
    ) -> Result<Enrolled, BackendError>;

    /// Ends an enrolment: its first right code has come. Answers whether the authenticator is active by this call.
    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError>;

    /// Removes an authenticator. Where `if_no_factor` forbids it, that is the answer whether it is there or not.
    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError>;

    /// Removes all authenticators and recovery codes of a user: for an operator who helps somebody who has lost them.
    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError>;

    /// Spends a time step of an authenticator app. Answers whether it is later than all that were spent.
    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError>;

    /// Swaps a recovery code, which must be active, for a new one. Answers whether the old one was there.
    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError>;
}

#[async_trait]
impl<T: FactorStore + ?Sized> FactorStore for Arc<T> {
    async fn list(&self, user: FactorUser<'_>, now: SystemTime) -> Result<Vec<Authenticator>, BackendError> {
        (**self).list(user, now).await
    }

    async fn enrol(
        &self,
        user: FactorUser<'_>,
        enrolment: Enrolment,
        now: SystemTime,
    ) -> Result<Enrolled, BackendError> {
        (**self).enrol(user, enrolment, now).await
    }

    async fn confirm(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
        now: SystemTime,
    ) -> Result<bool, BackendError> {
        (**self).confirm(user, id, if_no_factor, now).await
    }

    async fn remove(
        &self,
        user: FactorUser<'_>,
        id: &AuthenticatorId,
        if_no_factor: bool,
    ) -> Result<Removed, BackendError> {
        (**self).remove(user, id, if_no_factor).await
    }

    async fn remove_all(&self, user: FactorUser<'_>) -> Result<(), BackendError> {
        (**self).remove_all(user).await
    }

    async fn spend_step(&self, user: FactorUser<'_>, id: &AuthenticatorId, step: u64) -> Result<bool, BackendError> {
        (**self).spend_step(user, id, step).await
    }

    async fn swap_recovery_code(
        &self,
        user: FactorUser<'_>,
        old: &SecretDigest,
        new: &SecretDigest,
    ) -> Result<bool, BackendError> {
        (**self).swap_recovery_code(user, old, new).await
    }
}
