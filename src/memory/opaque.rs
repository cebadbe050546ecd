//! Opaque access tokens: random strings that mean nothing by themselves.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;

use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::issuer::TokenIssuer;
use crate::protocol::client::ClientId;
use crate::protocol::grant::Grant;
use crate::protocol::response::IssuedTokens;
use crate::protocol::scope::Scope;
use crate::protocol::secrets::{SecretDigest, Token};

/// Tells an access token from every other kind of token at first sight.
const PREFIX: &str = "at_";

/// What an opaque access token stands for.
#[derive(Clone, Debug)]
pub struct AccessTokenRecord {
    subject: Arc<str>,
    client: ClientId,
    realm: Option<Arc<str>>,
    scope: Scope,
    expires: SystemTime,
}

impl AccessTokenRecord {
    /// The subject's identifier.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The client that the token was issued to.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// The realm of the client, if it is bound to one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The granted scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// From when on the token is worth nothing.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.expires
    }
}

/// Keeps what opaque access tokens stand for, by their digests: the token itself is never stored (RFC 6749 section 10.3).
///
/// # Contract
/// A record that was inserted can be found until it expires.
///
/// # Security
/// Whoever can insert a record can make a token.
///
/// # Cancellation
/// A dropped `insert` may or may not have stored the record; the token was not delivered then.
///
/// # Errors
/// A [`BackendError`] answers 503, and no token is given.
#[async_trait]
pub trait AccessTokenStore: Send + Sync + 'static {
    /// Keeps the record.
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError>;
}

#[async_trait]
impl<T: AccessTokenStore + ?Sized> AccessTokenStore for Arc<T> {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        (**self).insert(digest, record).await
    }
}

/// Issues opaque bearer tokens: `at_` and 43 characters that carry 256 random bits, 46 characters in all.
///
/// ```
/// use std::sync::Arc;
/// use tower_password_grant::{MemoryAccessTokens, OpaqueIssuer};
///
/// let tokens = Arc::new(MemoryAccessTokens::new());
/// let issuer = OpaqueIssuer::new(Arc::clone(&tokens));
/// assert!(tokens.find("at_unknown").is_none());
/// ```
#[derive(Clone, Debug)]
pub struct OpaqueIssuer<S> {
    store: S,
}

impl<S: AccessTokenStore> OpaqueIssuer<S> {
    /// An issuer whose tokens stand for what `store` keeps.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store }
    }
}

#[async_trait]
impl<S: AccessTokenStore> TokenIssuer for OpaqueIssuer<S> {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let token = Token::random(PREFIX)?;
        let expires = grant.authenticated_at().checked_add(grant.lifetime());
        let record = AccessTokenRecord {
            subject: grant.subject().id().into(),
            client: grant.client().id().clone(),
            realm: grant.realm().map(Into::into),
            scope: grant.scope().clone(),
            expires: expires.ok_or_else(|| BackendError::fault("the lifetime of a token is beyond all time"))?,
        };
        self.store.insert(token.digest(), record).await?;
        Ok(IssuedTokens::bearer(token, grant.lifetime()))
    }
}

/// Opaque access tokens in the memory of this process: bounded, and gone after a restart. When it is full, the oldest
/// tokens go first.
pub struct MemoryAccessTokens {
    state: Mutex<State>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    records: HashMap<[u8; 32], AccessTokenRecord>,
    /// Oldest first.
    order: VecDeque<[u8; 32]>,
}

impl MemoryAccessTokens {
    /// Room for 100,000 tokens.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// The same with another clock, for tests.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), capacity: 100_000, clock }
    }

    /// Another bound.
    #[must_use]
    pub fn with_capacity(mut self, tokens: usize) -> Self {
        self.capacity = tokens.max(1);
        self
    }

    /// What `token` stands for, if it was issued here and has not expired.
    #[must_use]
    pub fn find(&self, token: &str) -> Option<AccessTokenRecord> {
        let digest = SecretDigest::of(token);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let record = state.records.get(digest.as_bytes())?;
        (self.clock.now() < record.expires).then(|| record.clone())
    }
}

impl Default for MemoryAccessTokens {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl AccessTokenStore for MemoryAccessTokens {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        while let Some(oldest) = state.order.front().copied() {
            let expired = state.records.get(&oldest).is_none_or(|record| record.expires <= now);
            if !expired && state.records.len() < self.capacity {
                break;
            }
            state.order.pop_front();
            state.records.remove(&oldest);
        }
        state.order.push_back(*digest.as_bytes());
        state.records.insert(*digest.as_bytes(), record);
        Ok(())
    }
}

impl fmt::Debug for MemoryAccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryAccessTokens").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
