//! Where refresh token families are kept (RFC 6749 section 6, RFC 9700 section 4.14.2).

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::backend::BackendError;
use super::clock::SharedClock;
use super::identity::StoreIdentity;
use super::maybe::{Answering, MaybeFuture};
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lineage::{Decision, Lineage, TokenUse};
use crate::protocol::token::unsaved::UnsavedAccessToken;

/// The most families of one realm, subject and client that have not ended, in the stores of this crate.
pub(crate) const MOST_LOGINS: usize = 100;

/// Which state of a family was seen: a store that replaces a family only if it still has the stamp that was seen with it keeps
/// what another call wrote meanwhile.
///
/// The store gives a family another stamp with each change, and never one that it had before: a counter will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FamilyStamp(u64);

impl FamilyStamp {
    /// A stamp, by the store's own number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A family that a login begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewFamily {
    /// What no refresh changes.
    pub family: RefreshFamily,
    /// Which of its tokens count.
    pub lineage: Lineage,
    /// When it begins.
    pub now: SystemTime,
    /// The access token of the login, to be kept in the same step; only for a store that keeps access tokens, too.
    pub access_token: Option<UnsavedAccessToken>,
}

/// A family that a store has found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredFamily {
    /// What no refresh changes.
    pub family: RefreshFamily,
    /// Which of its tokens count.
    pub lineage: Lineage,
    /// Which state of it this is.
    pub stamp: FamilyStamp,
    /// Whether it was ended.
    pub is_ended: bool,
}

impl StoredFamily {
    /// A family in the state that has this stamp, which was not ended.
    #[must_use]
    pub const fn new(family: RefreshFamily, lineage: Lineage, stamp: FamilyStamp) -> Self {
        Self { family, lineage, stamp, is_ended: false }
    }

    /// Whether it was ended.
    #[must_use]
    pub const fn with_ended(mut self, is_ended: bool) -> Self {
        self.is_ended = is_ended;
        self
    }

    /// What a token of it is worth that is used so; `None` if the family was ended.
    pub(crate) fn decide(&self, using: &TokenUse) -> Option<Decision> {
        (!self.is_ended).then(|| self.lineage.decide(&self.family, using))
    }
}

/// The use of a refresh token: what is to be kept if the family is still as it was seen.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// Whose token was used.
    pub family: FamilyId,
    /// The stamp that was seen with it.
    pub seen: FamilyStamp,
    /// The family's lineage from now on; without one it stays as it is, and so does its stamp.
    pub lineage: Option<Lineage>,
    /// The access token that the refresh gives, to be kept in the same step; only for a store that keeps access tokens, too.
    pub access_token: Option<UnsavedAccessToken>,
}

/// Keeps refresh token families, each as one record, whatever its login went through. The tokens themselves are never stored
/// (RFC 6749 section 10.4).
///
/// A store decides nothing: which token counts is in the [`Lineage`], which it keeps as it is given. So it needs to find a
/// record by its key, and to replace it if no other call did. The suites in `testing::contract` (feature `testing`) hold your own
/// store to all that is said here: `refresh_token_store`, and `tokens_in_one_step` if it has an [identity](Self::identity).
///
/// Two methods answer a [`MaybeFuture`], and are no `async fn`: `fn find(..) -> MaybeFuture<'_, ..>` with
/// `MaybeFuture::new(async move { .. })` for its body. `Arc` of a store is a store, so that the endpoint and your own code, such
/// as a change of the password, share it. These are the methods to copy; [your stores](crate::manual::your_stores#logins) has a
/// whole one.
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::store::{
///     FamilyId, NewFamily, RefreshTokenStore, Rotation, StoredFamily,
/// };
/// use tower_password_grant::{BackendError, MaybeFuture};
///
/// struct Logins { /* your pool */ }
///
/// type Answer<T> = Result<T, BackendError>;
///
/// #[async_trait]
/// impl RefreshTokenStore for Logins {
///     async fn begin(&self, new: NewFamily) -> Answer<Vec<FamilyId>> {
///         # let _ = new; return Ok(vec![]);
///         // INSERT INTO logins ..
///     }
///
///     fn find(&self, family: FamilyId) -> MaybeFuture<'_, Answer<Option<StoredFamily>>> {
///         MaybeFuture::new(async move {
///             # let _ = family; return Ok(None);
///             // SELECT .. WHERE id = $1
///         })
///     }
///
///     fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Answer<bool>> {
///         MaybeFuture::new(async move {
///             # let _ = rotation; return Ok(false);
///             // UPDATE .. WHERE id = $1 AND stamp = $2 AND NOT is_ended
///         })
///     }
///
///     async fn revoke_family(&self, family: FamilyId) -> Answer<bool> {
///         # let _ = family; return Ok(false);
///         // UPDATE .. SET is_ended = true WHERE id = $1 AND NOT is_ended
///     }
///
///     async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Answer<u64> {
///         # let _ = (realm, subject); return Ok(0);
///         // UPDATE .. WHERE realm IS NOT DISTINCT FROM $1 AND subject = $2 AND NOT is_ended
///     }
/// }
/// ```
///
/// # Contract
/// - A family that was begun is found until it is over, ended or not, with the last lineage that was kept.
/// - [`rotate`](Self::rotate) looks and changes in one step. It is `true`, and all that the rotation holds is kept, if the family
///   has not ended and still has the stamp that was seen; else it is `false` and nothing is kept. So of any number of rotations
///   with one stamp and a new lineage exactly one is `true`.
/// - Each new lineage gives the family a stamp that it never had before. A rotation without one leaves the stamp as it is.
/// - A family that has ended stays so: [`rotate`](Self::rotate) and [`revoke_family`](Self::revoke_family) may run at the same
///   time, and whichever comes later must see the other.
/// - A family may be forgotten once it has expired. How long it may be unused is not the store's to know.
/// - A store may bound the logins of one subject at one client: then the oldest ones of the same realm, subject and client
///   end, and no others'. The stores of this crate keep 100.
/// - [`begin`](Self::begin) answers which families it ended or forgot, for that bound or for want of room, before they were
///   over: their access tokens are ended next, which nothing could reach any more. A store that is the access token store, too,
///   and hides the tokens of families that have ended, may answer none.
/// - A store may [forget](Lineage::without_predecessor) a predecessor that was used longer ago than any leeway (60 seconds),
///   and should: its record holds half of what the successor follows from.
/// - Lineages are kept as [bytes](Lineage::to_bytes). Those of a later version are an error, and are never replaced.
/// - An access token that comes with a step is saved if the step is done, and not at all if it is not: never one without the
///   other, whatever is killed in between.
/// - What was answered is durable, as far as the store promises it.
/// - All families of one subject in one realm have the same [place](FamilyId::place).
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
    /// Begins a family, and answers which others ended for it, mostly none. Its id is new; if it were not, that is an error.
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError>;

    /// Finds a family and changes nothing. One that is over may be found or not.
    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>>;

    /// Keeps the use of a token if the family is still as it was seen, in one step, and answers whether it was.
    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>>;

    /// Ends a family, and answers whether it had not ended before.
    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError>;

    /// Ends every family of this subject in this realm, and answers how many had not ended before. For "log out everywhere",
    /// and when an account is closed.
    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError>;

    /// Which store this is, if it is an [`AccessTokenStore`](crate::store::AccessTokenStore), too, and saves the access token that comes
    /// with [`begin`](Self::begin) and [`rotate`](Self::rotate) in the same step. Default: none, and none comes.
    fn identity(&self) -> Option<StoreIdentity> {
        None
    }

    /// Takes the clock of the endpoint or guard that the part is given to, and answers whether the part goes by it from now on.
    /// Default: yes, for parts that read no clock. One that has another clock keeps it and answers no, and a warning says so.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }
}

impl<S: RefreshTokenStore + ?Sized> RefreshTokenStore for Arc<S> {
    fn begin<'s, 'f>(&'s self, new: NewFamily) -> Answering<'f, Vec<FamilyId>>
    where
        's: 'f,
        Self: 'f,
    {
        (**self).begin(new)
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        (**self).find(family)
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        (**self).rotate(rotation)
    }

    fn revoke_family<'s, 'f>(&'s self, family: FamilyId) -> Answering<'f, bool>
    where
        's: 'f,
        Self: 'f,
    {
        (**self).revoke_family(family)
    }

    fn revoke_subject<'s, 'r, 't, 'f>(&'s self, realm: Option<&'r str>, subject: &'t str) -> Answering<'f, u64>
    where
        's: 'f,
        'r: 'f,
        't: 'f,
        Self: 'f,
    {
        (**self).revoke_subject(realm, subject)
    }

    fn identity(&self) -> Option<StoreIdentity> {
        (**self).identity()
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }
}
