//! Values that are spent by their first use.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::backend::BackendError;
use super::clock::SharedClock;
use crate::protocol::secret::secrets::SecretDigest;

/// Spends one-time values: tickets, login links and the identifiers of assertions, for example in an
/// [`ExtensionGrant`](crate::grant::ExtensionGrant) of your own.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_password_grant::BackendError;
/// use tower_password_grant::store::{OneTimeValues, SecretDigest};
///
/// /// Redeems a ticket that was signed and checked elsewhere; a copy of it is worthless.
/// async fn redeem(values: &dyn OneTimeValues, id: &str) -> Result<bool, BackendError> {
///     let until = SystemTime::now() + Duration::from_secs(600);
///     values.consume(&SecretDigest::of(&format!("ticket:{id}")), until).await
/// }
/// ```
///
/// # Contract
/// [`consume`](Self::consume) looks and spends in one step: of any number of calls for one value, in whatever process, exactly
/// one is answered `true`, until `expires`. Digest the value together with its kind, so that two kinds never collide.
///
/// [`is_spent`](Self::is_spent) spends nothing. It spares work that a spent value would make vain, and comes before a `consume`, which
/// alone decides: between the two the value may be spent.
///
/// # Security
/// A value that is spent twice is fatal: what does not fit any more is an error, never `true` for a forgotten value.
///
/// # Cancellation
/// A dropped call may have spent the value.
///
/// # Errors
/// A [`BackendError`] answers 503: a value is never taken as fresh because the store is down.
#[async_trait]
pub trait OneTimeValues: Send + Sync + 'static {
    /// Spends a value, and answers whether it was unspent. It may be forgotten from `expires` on, when it must be worth nothing
    /// by itself.
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError>;

    /// Answers whether a value was spent, and is not forgotten yet.
    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError>;

    /// Takes the clock of the endpoint that the part is given to, and answers whether the part goes by it from now on. Default: yes,
    /// for parts that read no clock. One that has another clock keeps it and answers no, and a warning says so.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }
}

#[async_trait]
impl<T: OneTimeValues + ?Sized> OneTimeValues for Arc<T> {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        (**self).consume(value, expires).await
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        (**self).is_spent(value).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }
}
