//! Access tokens after they were issued: what they stand for, and their end.

use std::sync::Arc;

use async_trait::async_trait;

use super::backend::BackendError;
use super::clock::SharedClock;
use super::identity::StoreIdentity;
use super::maybe::{Answering, MaybeFuture};
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::record::AccessTokenRecord;

/// The most records of one login, in the stores of this crate.
pub(crate) const MOST_TOKENS: usize = 100;

/// Keeps what opaque access tokens stand for, by their digests: the token itself is never stored (RFC 6749 section 10.3).
///
/// `Arc` of a store is a store, so that the issuer and your own code share it. These are the methods to copy;
/// [your stores](crate::manual::your_stores#access-tokens) has a whole one.
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::store::{
///     AccessTokenRecord, AccessTokenStore, FamilyId, SecretDigest,
/// };
///
/// struct Tokens { /* your pool */ }
///
/// type Answer<T> = Result<T, BackendError>;
///
/// #[async_trait]
/// impl AccessTokenStore for Tokens {
///     async fn insert(
///         &self,
///         digest: SecretDigest,
///         record: AccessTokenRecord,
///     ) -> Answer<()> {
///         # let _ = (digest, record); return Ok(());
///         // INSERT INTO access_tokens ..
///     }
///
///     async fn find(&self, digest: &SecretDigest) -> Answer<Option<AccessTokenRecord>> {
///         # let _ = digest; return Ok(None);
///         // SELECT .. WHERE digest = $1
///     }
///
///     async fn revoke(&self, digest: &SecretDigest) -> Answer<bool> {
///         # let _ = digest; return Ok(false);
///         // DELETE .. WHERE digest = $1
///     }
///
///     async fn revoke_family(&self, family: FamilyId) -> Answer<u64> {
///         # let _ = family; return Ok(0);
///         // DELETE .. WHERE family = $1
///     }
///
///     async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Answer<u64> {
///         # let _ = (realm, subject); return Ok(0);
///         // DELETE .. WHERE realm IS NOT DISTINCT FROM $1 AND subject = $2
///     }
/// }
/// ```
///
/// # Contract
/// - A record that was inserted is found until it expires or is removed; then never again.
/// - A store may bound the records of one login: of one family, or, of those without a family, of one realm, subject and client.
///   Then a new record may remove the oldest ones of the same login. The stores of this crate keep the newest 100 unless you
///   set another number.
/// - It may bound the records of one subject in one realm as well, over all its logins, and remove the oldest of these. However
///   many logins a subject has, they cost no other subject a record.
/// - [`revoke_family`](Self::revoke_family) and [`revoke_subject`](Self::revoke_subject) remove every record that was inserted
///   before they were called.
///
/// # Security
/// Anyone who can insert a record can make a token. A record that is found after it was removed is fatal.
///
/// # Cancellation
/// A dropped `insert` may or may not have stored the record; the token was not delivered then. A dropped removal may or may
/// not have happened, and the client got no answer that it did.
///
/// # Errors
/// A [`BackendError`] answers 503: no token is given, none is taken as good, none is said to be revoked.
#[async_trait]
pub trait AccessTokenStore: Send + Sync + 'static {
    /// Keeps the record.
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError>;

    /// Finds the record. One that has expired may be found or not.
    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError>;

    /// Removes a record, and answers whether there was one.
    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError>;

    /// Removes the records of a refresh token family, and answers how many there were.
    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError>;

    /// Removes the records of a subject in this realm, and answers how many there were.
    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError>;

    /// Which store this is, if it is a [`RefreshTokenStore`](crate::store::RefreshTokenStore), too, that saves in its own step the access
    /// token that comes with a family: where both parts are the same store, a login and a refresh are one step then. Default:
    /// none, and each record comes through [`insert`](Self::insert).
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

impl<T: AccessTokenStore + ?Sized> AccessTokenStore for Arc<T> {
    fn insert<'s, 'f>(&'s self, digest: SecretDigest, record: AccessTokenRecord) -> Answering<'f, ()>
    where
        's: 'f,
        Self: 'f,
    {
        (**self).insert(digest, record)
    }

    fn find<'s, 'd, 'f>(&'s self, digest: &'d SecretDigest) -> Answering<'f, Option<AccessTokenRecord>>
    where
        's: 'f,
        'd: 'f,
        Self: 'f,
    {
        (**self).find(digest)
    }

    fn revoke<'s, 'd, 'f>(&'s self, digest: &'d SecretDigest) -> Answering<'f, bool>
    where
        's: 'f,
        'd: 'f,
        Self: 'f,
    {
        (**self).revoke(digest)
    }

    fn revoke_family<'s, 'f>(&'s self, family: FamilyId) -> Answering<'f, u64>
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

/// Tells what an access token stands for: for the [`BearerGuard`](crate::bearer::BearerGuard) in front of an API (RFC 6750), and for
/// the introspection and revocation endpoints (RFC 7662, RFC 7009).
///
/// [`OpaqueIssuer`](crate::OpaqueIssuer) is one over its store, `JwtVerifier` (feature `jwt`) one over public keys,
/// [`IntrospectionClient`](crate::bearer::IntrospectionClient) one over another server's endpoint.
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use async_trait::async_trait;
/// use tower_password_grant::bearer::AccessTokenVerifier;
/// use tower_password_grant::store::AccessTokenRecord;
/// use tower_password_grant::{BackendError, ClientId, MaybeFuture};
///
/// type Found = Result<Option<AccessTokenRecord>, BackendError>;
///
/// /// Tokens of the system from before.
/// struct Sessions { /* your pool */ }
///
/// impl Sessions {
///     async fn look_up(&self, token: &str) -> Found {
///         // SELECT user_id, app, created, expires FROM sessions WHERE token_digest = $1
///         # if token != "s-1" { return Ok(None) }
///         let (user, app, now) = ("user-1", ClientId::new("cli")?, SystemTime::now());
///         let end = now + Duration::from_secs(60);
///         let record = AccessTokenRecord::new(user, app, now, end);
///         Ok(Some(record.with_scope("read".parse()?)))
///     }
/// }
///
/// #[async_trait]
/// impl AccessTokenVerifier for Sessions {
///     fn verify<'a>(&'a self, token: &'a str) -> MaybeFuture<'a, Found> {
///         MaybeFuture::new(self.look_up(token))
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # assert!(Sessions {}.verify("s-1").await.is_ok_and(|found| found.is_some()));
/// # }
/// ```
///
/// # Contract
/// - `verify` answers a record only for a token that is good now: known, neither expired nor revoked, signed as it should be,
///   and an access token, not one of another kind. Every other text is `Ok(None)`, not an error.
/// - Audience, realm and scope are judged by the caller.
///
/// # Security
/// False acceptance is fatal. The text comes from any sender: bounded, visible ASCII, and nothing else.
///
/// # Cancellation
/// The future is dropped when the client hangs up. A dropped `revoke` may or may not have happened.
///
/// # Errors
/// A [`BackendError`] answers 503: an API never takes it for a bad token, and no client gets an answer that a token was revoked.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `AccessTokenVerifier`",
    note = "of a `JwtIssuer` it is `issuer.verifier()`; an `OpaqueIssuer` is one itself; otherwise implement the trait with `#[async_trait]`"
)]
pub trait AccessTokenVerifier: Send + Sync + 'static {
    /// What this token stands for now.
    fn verify<'a>(&'a self, token: &'a str) -> MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>>;

    /// Ends a token before its time. Default: [`RevocationOutcome::Unsupported`], as for tokens that each API verifies by
    /// themselves.
    async fn revoke(&self, token: &str) -> Result<RevocationOutcome, BackendError> {
        let _ = token;
        Ok(RevocationOutcome::Unsupported)
    }

    /// Ends the access tokens of a refresh token family. Default: [`RevocationOutcome::Unsupported`], as for tokens that everybody
    /// verifies by themselves: they live on until they expire.
    async fn revoke_family(&self, family: FamilyId) -> Result<RevocationOutcome, BackendError> {
        let _ = family;
        Ok(RevocationOutcome::Unsupported)
    }

    /// Takes the clock of the endpoint or guard that the part is given to, and answers whether the part goes by it from now on.
    /// Default: yes, for parts that read no clock. One that has another clock keeps it and answers no, and a warning says so.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }
}

#[async_trait]
impl<T: AccessTokenVerifier + ?Sized> AccessTokenVerifier for Arc<T> {
    fn verify<'a>(&'a self, token: &'a str) -> MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>> {
        (**self).verify(token)
    }

    async fn revoke(&self, token: &str) -> Result<RevocationOutcome, BackendError> {
        (**self).revoke(token).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<RevocationOutcome, BackendError> {
        (**self).revoke_family(family).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }
}

/// What became of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationOutcome {
    /// The token is worth nothing any more.
    Done,
    /// Such tokens cannot be revoked here: `unsupported_token_type` (RFC 7009 section 2.2.1).
    Unsupported,
}
