//! Refresh token families: what one login gave to one client, however often its token is rotated.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::methods::AuthenticationMethods;
use super::subject_at_client::SubjectAtClient;
use crate::protocol::client::registered::{ClientId, PASSWORD};
use crate::protocol::scope::Scope;
use crate::protocol::skew::{SKEW, is_ahead};

/// The identifier of a refresh token family: 128 bits, no secret. The first 16 are its [place](Self::place), the others a digest
/// of what the tokens of the family have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyId([u8; 16]);

impl FamilyId {
    /// An identifier from its 16 bytes, as [`as_bytes`](Self::as_bytes) gave them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, to store them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// One of 65,536 groups of subjects: all families of one subject in one realm have the same, so that a store that lies on
    /// several machines can keep them on one.
    #[must_use]
    pub const fn place(&self) -> u16 {
        let [high, low, ..] = self.0;
        u16::from_be_bytes([high, low])
    }
}

impl fmt::Display for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for FamilyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FamilyId({self})")
    }
}

/// What a refresh token stands for: the facts of the login that it came from, which no refresh changes. Cloning is cheap.
///
/// A [`RefreshTokenStore`](crate::store::RefreshTokenStore) keeps every one of them.
#[derive(Clone, Debug)]
pub struct RefreshFamily(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    id: FamilyId,
    subject: Arc<str>,
    client: ClientId,
    realm: Option<Box<str>>,
    scope: Scope,
    audience: Option<Box<str>>,
    grant_type: Option<Box<str>>,
    methods: AuthenticationMethods,
    authenticated_at: SystemTime,
    credential_version: Option<Box<str>>,
    expires: SystemTime,
}

impl RefreshFamily {
    /// A family of this subject and client, with nothing else: for stores, which read families back, and for tests.
    /// `authenticated_at` is when the resource owner was authenticated, `expires` when the family ends however often it was
    /// refreshed.
    #[must_use]
    pub fn new(
        id: FamilyId,
        subject: impl Into<Arc<str>>,
        client: ClientId,
        authenticated_at: SystemTime,
        expires: SystemTime,
    ) -> Self {
        Self(Arc::new(Inner {
            id,
            subject: subject.into(),
            client,
            realm: None,
            scope: Scope::default(),
            audience: None,
            grant_type: None,
            methods: AuthenticationMethods::NONE,
            authenticated_at,
            credential_version: None,
            expires,
        }))
    }

    fn change(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The realm of the login.
    #[must_use]
    pub fn with_realm(self, realm: Option<&str>) -> Self {
        self.change(|inner| inner.realm = realm.map(Into::into))
    }

    /// The granted scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        self.change(|inner| inner.scope = scope)
    }

    /// The audience that the login asked for.
    #[must_use]
    pub fn with_audience(self, audience: Option<&str>) -> Self {
        self.change(|inner| inner.audience = audience.map(Into::into))
    }

    /// The grant type of the login.
    #[must_use]
    pub fn with_grant_type(self, grant_type: Option<&str>) -> Self {
        self.change(|inner| inner.grant_type = grant_type.map(Into::into))
    }

    /// In which ways the resource owner was authenticated. Default: none is known.
    #[must_use]
    pub fn with_methods(self, methods: AuthenticationMethods) -> Self {
        self.change(|inner| inner.methods = methods)
    }

    /// The version of the credentials at the login.
    #[must_use]
    pub fn with_credential_version(self, version: Option<&str>) -> Self {
        self.change(|inner| inner.credential_version = version.map(Into::into))
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> FamilyId {
        self.0.id
    }

    /// The subject's identifier.
    #[must_use]
    pub fn subject_id(&self) -> &str {
        &self.0.subject
    }

    /// Whose logins are bounded together with it.
    pub(crate) fn subject_at_client(&self) -> SubjectAtClient<'_> {
        SubjectAtClient { realm: self.realm(), subject: self.subject_id(), client: self.client() }
    }

    pub(crate) fn shared_subject(&self) -> Arc<str> {
        Arc::clone(&self.0.subject)
    }

    /// The client that the tokens are for, and for no other.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.0.client
    }

    /// The realm of the login, if it has one: that which the client chose of those that it lists.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.0.realm.as_deref()
    }

    /// The scope that was granted at the login; no refresh goes beyond it.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The resource server that the login asked its tokens for, if it named one
    /// ([`allow_audience`](crate::client::ClientBuilder::allow_audience)); each refresh gives tokens for the same.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.0.audience.as_deref()
    }

    /// The grant type of the login: `password`, or that of an extension grant.
    #[must_use]
    pub fn grant_type(&self) -> Option<&str> {
        self.0.grant_type.as_deref()
    }

    /// The name of the grant type by which the login began. One that was kept without its grant type began by a password: that is the
    /// stricter reading.
    pub(crate) fn began(&self) -> &str {
        self.grant_type().unwrap_or(PASSWORD)
    }

    /// In which ways the resource owner was authenticated (RFC 8176); no refresh adds one.
    #[must_use]
    pub fn methods(&self) -> AuthenticationMethods {
        self.0.methods
    }

    /// When the resource owner was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> SystemTime {
        self.0.authenticated_at
    }

    /// The version of the subject's credentials at the login, if the verifier named one
    /// ([`Subject::with_credential_version`](crate::Subject::with_credential_version)).
    #[must_use]
    pub fn credential_version(&self) -> Option<&str> {
        self.0.credential_version.as_deref()
    }

    /// When the family ends, however often it was refreshed.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.0.expires
    }

    /// Whether the login lies more than 5 seconds ahead of `now`: a clock that was ahead must not make a login last longer.
    pub(crate) fn is_early(&self, now: SystemTime) -> bool {
        is_ahead(self.0.authenticated_at, now, SKEW)
    }

    /// Whether it is over at `now`, by age or because it was not used for `idle`.
    #[must_use]
    pub fn is_over(&self, last_used: SystemTime, idle: Duration, now: SystemTime) -> bool {
        now >= self.0.expires || now.duration_since(last_used).is_ok_and(|unused| unused >= idle)
    }
}
