//! What an access token stands for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use super::claims::Claims;
use super::family::FamilyId;
use super::holder::Holder;
use super::methods::AuthenticationMethods;
use super::subject_at_client::SubjectAtClient;
use crate::protocol::client::registered::ClientId;
use crate::protocol::scope::Scope;
use crate::protocol::skew::{SKEW, is_ahead};

/// What an access token stands for: which subject lets which client do what, where, and until when. Cloning is cheap.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_password_grant::ClientId;
/// use tower_password_grant::store::AccessTokenRecord;
///
/// let now = SystemTime::now();
/// let end = now + Duration::from_secs(3600);
/// let record = AccessTokenRecord::new("user-17", ClientId::new("cli")?, now, end)
///     .with_scope("read".parse()?)
///     .with_audience(["https://api.example"]);
/// assert!(record.is_live(now));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AccessTokenRecord(Arc<RecordParts>);

/// What a record holds, before it is shared.
#[derive(Clone)]
pub(crate) struct RecordParts {
    pub(crate) subject: Cow<'static, str>,
    pub(crate) client: ClientId,
    pub(crate) realm: Option<String>,
    pub(crate) scope: Scope,
    pub(crate) audience: Option<Arc<[String]>>,
    pub(crate) issued: SystemTime,
    pub(crate) expires: SystemTime,
    pub(crate) authenticated_at: Option<SystemTime>,
    pub(crate) methods: AuthenticationMethods,
    pub(crate) family: Option<FamilyId>,
    pub(crate) claims: Claims,
}

impl From<RecordParts> for AccessTokenRecord {
    fn from(parts: RecordParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl AccessTokenRecord {
    /// A token of this subject and client, with nothing else: for stores, which read records back, and for verifiers.
    #[must_use]
    pub fn new(subject: impl Into<String>, client: ClientId, issued: SystemTime, expires: SystemTime) -> Self {
        Self::from(RecordParts {
            subject: Cow::Owned(subject.into()),
            client,
            realm: None,
            scope: Scope::default(),
            audience: None,
            issued,
            expires,
            authenticated_at: None,
            methods: AuthenticationMethods::NONE,
            family: None,
            claims: Claims::new(),
        })
    }

    /// Whose access tokens are bounded together with it.
    pub(crate) fn holder(&self) -> Holder<'_> {
        match self.0.family {
            Some(family) => Holder::Family(family),
            None => Holder::Subject(SubjectAtClient {
                realm: self.realm(),
                subject: self.subject_id(),
                client: self.client(),
            }),
        }
    }

    fn change(mut self, change: impl FnOnce(&mut RecordParts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The realm of the login.
    #[must_use]
    pub fn with_realm(self, realm: Option<&str>) -> Self {
        self.change(|parts| parts.realm = realm.map(str::to_owned))
    }

    /// The granted scope.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        self.change(|parts| parts.scope = scope)
    }

    /// The resource servers that the token is for.
    #[must_use]
    pub fn with_audience<A: Into<String>>(self, audience: impl IntoIterator<Item = A>) -> Self {
        let audience = audience.into_iter().map(Into::into).collect();
        self.change(|parts| parts.audience = Some(audience))
    }

    /// When the resource owner was authenticated.
    #[must_use]
    pub fn with_authenticated_at(self, at: Option<SystemTime>) -> Self {
        self.change(|parts| parts.authenticated_at = at)
    }

    /// In which ways the resource owner was authenticated. Default: none is known.
    #[must_use]
    pub fn with_methods(self, methods: AuthenticationMethods) -> Self {
        self.change(|parts| parts.methods = methods)
    }

    /// The refresh token family that the token belongs to, and ends with.
    #[must_use]
    pub fn with_family(self, family: Option<FamilyId>) -> Self {
        self.change(|parts| parts.family = family)
    }

    /// Claims besides those that have a method here. Introspection keeps them to itself, but for `iss`, `jti`, `nbf` and `cnf`.
    #[must_use]
    pub fn with_claims(self, claims: Claims) -> Self {
        self.change(|parts| parts.claims = claims)
    }

    /// Claims that introspection shows, too, such as those of [login rules](crate::Grant::claims): beside those of
    /// [`with_claims`](Self::with_claims), and in place of those that have the same name. Their names stand in the claim
    /// `shown_claims`, which a store keeps like any other.
    #[must_use]
    pub fn with_shown_claims(self, claims: &Claims) -> Self {
        self.change(|parts| parts.claims = parts.claims.followed_by(&claims.shown()))
    }

    /// The subject's identifier.
    #[must_use]
    pub fn subject_id(&self) -> &str {
        &self.0.subject
    }

    /// The client that the token was issued to.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.0.client
    }

    /// The realm of the login, if it has one: that which the client chose of those that it lists.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.0.realm.as_deref()
    }

    /// The granted scope.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// The resource servers that the token is for; none if the issuer does not name any.
    #[must_use]
    pub fn audience(&self) -> &[String] {
        self.0.audience.as_deref().unwrap_or_default()
    }

    /// When the token was issued.
    #[must_use]
    pub fn issued_at(&self) -> SystemTime {
        self.0.issued
    }

    /// From when on the token is worth nothing.
    #[must_use]
    pub fn expires(&self) -> SystemTime {
        self.0.expires
    }

    /// When the resource owner was authenticated, if it is known.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        self.0.authenticated_at
    }

    /// In which ways the resource owner was authenticated (RFC 8176), as far as it is known.
    #[must_use]
    pub fn methods(&self) -> AuthenticationMethods {
        self.0.methods
    }

    /// The refresh token family that the token belongs to, if there is one.
    #[must_use]
    pub fn family(&self) -> Option<FamilyId> {
        self.0.family
    }

    /// Claims besides those that have a method here.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The claim of this name, if it is there and is a `T`: `principal.claim::<String>("tenant")`.
    #[must_use]
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.claims.get(name)
    }

    /// Whether it has been issued at `now`, and has not expired. It may have been issued 5 seconds ahead of `now`, because clocks
    /// differ and are set back a little; one from further in the future is not good before its time.
    #[must_use]
    pub fn is_live(&self, now: SystemTime) -> bool {
        !self.has_expired(now) && !self.is_early(now, SKEW)
    }

    /// Whether it has expired at `now`.
    #[must_use]
    pub fn has_expired(&self, now: SystemTime) -> bool {
        now >= self.0.expires
    }

    /// Whether it was issued more than `skew` ahead of `now`.
    pub(crate) fn is_early(&self, now: SystemTime, skew: Duration) -> bool {
        is_ahead(self.0.issued, now, skew)
    }
}

impl fmt::Debug for AccessTokenRecord {
    /// Without the claims: they may hold personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenRecord")
            .field("subject", &self.0.subject)
            .field("client", &self.0.client)
            .field("realm", &self.0.realm)
            .field("scope", &self.0.scope)
            .field("audience", &self.audience())
            .field("issued", &self.0.issued)
            .field("expires", &self.0.expires)
            .finish_non_exhaustive()
    }
}
