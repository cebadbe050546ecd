//! Where refresh token families are kept (RFC 6749 section 6, RFC 9700 section 4.14.2).

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::backend::BackendError;
use super::clock::SharedClock;
use crate::protocol::family::{FamilyId, RefreshFamily};
use crate::protocol::lineage::{FoundRefreshToken, Rotated, Rotation};
use crate::protocol::secrets::SecretDigest;

/// The most families of one realm, subject and client that have not ended, in the stores of this crate.
pub(crate) const MOST_LOGINS: usize = 100;

/// Keeps refresh token families by the digests of their tokens: the tokens themselves are never stored (RFC 6749 section
/// 10.4).
///
/// There is one method for each promise, and each is one atomic step: a store with `get` and `set` cannot keep them. The
/// suite in `testing::contract` (feature `testing`) holds your own store to all that is said here.
///
/// # Contract
/// - A family has one live token at most. [`rotate`](Self::rotate) looks and changes in one step, so that of any number of
///   parallel uses of one token exactly one is [`Rotated::Done`].
/// - `rotate` decides in this order: a token of no family, of an ended one, or of one that [is over](RefreshFamily::is_over)
///   is [`Rotated::Gone`]; the live token is [`Rotated::Done`], and the successor is live from then on; the predecessor of an
///   unused successor within the leeway of its first use is [`Rotated::Repeated`] and changes nothing, not even the leeway;
///   every other token of the family ends it and is [`Rotated::Replayed`].
/// - The rotation is judged by [`Rotation::now`]; [`Rotation::used`] is kept as the token's use, whatever was kept before. The
///   last instant of a leeway is within it, but a leeway of zero allows no repeat at all. A clock that went back counts as no
///   time, but a predecessor that was used more than 60 seconds after the rotation's `now` is spent: how long ago that was
///   nobody knows, and a spent token stays so whatever the clock does. A use without a successor closes the window of its
///   own predecessor.
/// - A family may be forgotten once it has expired. How long it may be unused is not known before the rotation.
/// - A family that has ended stays so: [`rotate`](Self::rotate) and [`revoke_family`](Self::revoke_family) may run at the same
///   time, and whichever comes later must see the other.
/// - Every token of a family is found until the family is over, however often it was rotated, at a cost that does not grow
///   with their number.
/// - A store may bound the logins of one subject at one client: then the oldest ones of the same realm, subject and client
///   end, and no others'. The stores of this crate keep 100.
/// - A predecessor that was used longer ago than any leeway (60 seconds) may be found as [spent][spent].
/// - What was answered is durable, as far as the store promises it.
///
/// [spent]: crate::RefreshTokenState::Spent
///
/// # Security
/// A second live token is fatal, and so is a family that lives on after it was ended; a lost family is a login.
///
/// # Cancellation
/// The future is dropped when the client hangs up or the deadline passes. The step happens whole or not at all; a client that
/// did not get the answer repeats its request within the leeway.
///
/// # Errors
/// A [`BackendError`] answers 503, and the client may try again with the same token. It must be given when it is not known
/// whether the step happened.
#[async_trait]
pub trait RefreshTokenStore: Send + Sync + 'static {
    /// Begins a family with its first token, at `now`.
    async fn begin(&self, family: RefreshFamily, token: SecretDigest, now: SystemTime) -> Result<(), BackendError>;

    /// Finds a token and changes nothing. A family that is over may be found or not.
    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError>;

    /// Uses a token, in one step.
    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError>;

    /// Ends a family, and answers whether it had not ended before.
    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError>;

    /// Ends every family of this subject in this realm, and answers how many had not ended before. For "log out everywhere",
    /// and when an account is closed.
    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError>;

    /// Takes the clock of the endpoint or guard that the part is given to, and answers whether the part goes by it from now on.
    /// Default: yes, for parts that read no clock. One that has another clock keeps it and answers no, and a warning tells it.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }
}

#[async_trait]
impl<S: RefreshTokenStore + ?Sized> RefreshTokenStore for Arc<S> {
    async fn begin(&self, family: RefreshFamily, token: SecretDigest, now: SystemTime) -> Result<(), BackendError> {
        (**self).begin(family, token, now).await
    }

    async fn find(&self, token: &SecretDigest) -> Result<Option<FoundRefreshToken>, BackendError> {
        (**self).find(token).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, BackendError> {
        (**self).rotate(rotation).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        (**self).revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        (**self).revoke_subject(realm, subject).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }
}
