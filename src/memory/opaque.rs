//! Opaque access tokens: random strings that mean nothing by themselves.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::boundary::access::{AccessTokenStore, AccessTokenVerifier, RevocationOutcome};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::identity::StoreIdentity;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::maybe::MaybeFuture;
use crate::protocol::secret::secrets::{SecretDigest, Token};
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::unsaved::UnsavedAccessToken;
use crate::protocol::wire::response::IssuedTokens;

/// Tells an access token from every other kind of token at first sight.
const PREFIX: &str = "at_";

/// Issues opaque bearer tokens: `at_` and 43 characters that carry 256 random bits, 46 characters in all. It also says what
/// they stand for and revokes them: give the same one to [`issuer`](crate::Builder::issuer), to
/// [`access_tokens`](crate::Builder::access_tokens) and to the [`BearerGuard`](crate::bearer::BearerGuard), in an
/// [`Arc`].
///
/// ```
/// use std::sync::Arc;
/// use tower_password_grant::OpaqueIssuer;
/// use tower_password_grant::bearer::AccessTokenVerifier;
/// use tower_password_grant::store::MemoryAccessTokens;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tokens = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()));
/// assert!(tokens.verify("at_unknown").await.is_ok_and(|found| found.is_none()));
/// # }
/// ```
#[derive(Clone)]
pub struct OpaqueIssuer<S> {
    store: S,
    audience: Option<Arc<[String]>>,
    clock: PartClock,
}

impl<S: AccessTokenStore> OpaqueIssuer<S> {
    /// An issuer whose tokens stand for what `store` keeps.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, audience: None, clock: PartClock::system() }
    }

    /// The resource servers that the tokens are for, unless a login [asks for one](crate::Grant::audience). Default: none is named, and only an API that asks for none takes them
    /// ([`any_audience`](crate::bearer::BearerGuardBuilder::any_audience)).
    #[must_use]
    pub fn with_audience<A: Into<String>>(mut self, audience: impl IntoIterator<Item = A>) -> Self {
        self.audience = Some(audience.into_iter().map(Into::into).collect());
        self
    }

    /// Another clock, which says what has expired. Default: the one that the endpoint or the
    /// guard [hands](Clock) to it, else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    /// The store, for "log out everywhere".
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }
}

/// What the tokens look like: nothing else is looked up.
fn digest_of(token: &str) -> Option<SecretDigest> {
    Token::has_form(PREFIX, token).then(|| SecretDigest::of(token))
}

#[async_trait]
impl<S: AccessTokenStore> TokenIssuer for OpaqueIssuer<S> {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let token = Token::random(PREFIX)?;
        let expires = grant.issued_at().checked_add(grant.lifetime());
        let expires = expires.ok_or_else(|| BackendError::fault("the lifetime of a token is beyond all time"))?;
        let record = grant.record(self.audience.as_ref(), expires);
        let digest = token.digest();
        let issued = IssuedTokens::bearer(token, grant.lifetime());
        if grant.leaves_record() {
            return Ok(issued.with_unsaved(UnsavedAccessToken::new(digest, record)));
        }
        self.store.insert(digest, record).await?;
        Ok(issued)
    }

    fn store_identity(&self) -> Option<StoreIdentity> {
        self.store.identity()
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        // Both, whatever the first says.
        self.clock.follow(clock) & self.store.follow_clock(clock)
    }
}

#[async_trait]
impl<S: AccessTokenStore> AccessTokenVerifier for OpaqueIssuer<S> {
    fn verify<'a>(&'a self, token: &'a str) -> MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>> {
        let Some(digest) = digest_of(token) else { return MaybeFuture::ready(Ok(None)) };
        MaybeFuture::new(async move {
            let found = self.store.find(&digest).await?;
            Ok(found.filter(|record| record.is_live(self.clock.now())))
        })
    }

    async fn revoke(&self, token: &str) -> Result<RevocationOutcome, BackendError> {
        if let Some(digest) = digest_of(token) {
            self.store.revoke(&digest).await?;
        }
        Ok(RevocationOutcome::Done)
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<RevocationOutcome, BackendError> {
        self.store.revoke_family(family).await?;
        Ok(RevocationOutcome::Done)
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        // Both, whatever the first says.
        self.clock.follow(clock) & self.store.follow_clock(clock)
    }
}

impl<S> fmt::Debug for OpaqueIssuer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpaqueIssuer")
            .field("audience", &self.audience.as_deref().unwrap_or_default())
            .finish_non_exhaustive()
    }
}
