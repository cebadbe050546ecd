//! What a login rule sees of a login.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Extensions;

use crate::protocol::audience::Audience;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::registered::Client;
use crate::protocol::realm::Realm;
use crate::protocol::rules::decisions::Decisions;
use crate::protocol::scope::Scope;
use crate::protocol::token::claims::{Claims, NO_CLAIMS};
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::user::subject::Subject;

/// A point at which tokens are about to be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LoginStage {
    /// The user's password is right.
    Password,
    /// An [extension grant](crate::grant::ExtensionGrant) said yes.
    Extension,
    /// A login goes on by its refresh token.
    Refresh,
    /// The user has shown a second factor, which finishes a login or a refresh that lacked one. It was asked about before, when the
    /// factor was open.
    SecondFactor,
}

impl LoginStage {
    /// Of a request for this grant type, which finishes no other.
    pub(crate) fn of(grant_type: &GrantType) -> Self {
        match (grant_type.has_password(), grant_type.is_refresh()) {
            (true, _) => Self::Password,
            (_, true) => Self::Refresh,
            _ => Self::Extension,
        }
    }
}

/// What the rules will see of a request, as long as its user is not verified. It becomes the event in its place: so what the host put
/// into the request, which the verifier looks at, too, is shared without a place of its own.
#[derive(Clone)]
pub(crate) struct EventDraft(Arc<EventFacts>);

/// A login whose tokens are about to be given, as a [`LoginRule`](crate::rules::LoginRule) sees it, with what the rules before it
/// decided. It holds no password and no token. Cloning is cheap.
#[derive(Clone)]
pub struct LoginEvent(Arc<EventFacts>);

#[derive(Clone)]
struct EventFacts {
    request: RequestFacts,
    login: LoginFacts,
}

/// What a request says of its login.
#[derive(Clone)]
pub(crate) struct RequestFacts {
    pub(crate) stage: LoginStage,
    pub(crate) client: Client,
    pub(crate) realm: Realm,
    pub(crate) grant_type: GrantType,
    pub(crate) requested: Scope,
    pub(crate) audience: Option<Audience>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) extensions: Extensions,
}

/// What is known of a login so far.
#[derive(Clone)]
pub(crate) struct LoginFacts {
    pub(crate) subject: Subject,
    pub(crate) methods: AuthenticationMethods,
    pub(crate) authenticated_at: SystemTime,
    pub(crate) decided: DecidedSoFar,
}

/// What the rules have decided so far, and what that leaves.
#[derive(Clone)]
pub(crate) struct DecidedSoFar {
    pub(crate) scope: Scope,
    pub(crate) lifetime: Duration,
    pub(crate) decisions: Option<Arc<Decisions>>,
}

impl EventDraft {
    pub(crate) fn new(request: RequestFacts) -> Self {
        // Nobody reads it: only `complete` makes an event.
        let decided = DecidedSoFar { scope: request.requested.clone(), lifetime: Duration::ZERO, decisions: None };
        let (subject, methods) = (Subject::new(""), AuthenticationMethods::NONE);
        let login = LoginFacts { subject, methods, authenticated_at: SystemTime::UNIX_EPOCH, decided };
        Self(Arc::new(EventFacts { request, login }))
    }

    pub(super) fn extensions(&self) -> &Extensions {
        &self.0.request.extensions
    }

    /// The event of the login that the request has become. It is copied if the verifier has kept its attempt.
    pub(crate) fn complete(mut self, login: LoginFacts) -> LoginEvent {
        Arc::make_mut(&mut self.0).login = login;
        LoginEvent(self.0)
    }
}

impl LoginEvent {
    /// Shows what was decided since. A rule that has kept the event sees what it saw.
    pub(super) fn show(&mut self, decided: DecidedSoFar) {
        Arc::make_mut(&mut self.0).login.decided = decided;
    }

    /// The point at which the rule is asked.
    #[must_use]
    pub fn stage(&self) -> LoginStage {
        self.0.request.stage
    }

    /// The user, with the [data](Subject::data) that the verifier attached. In a claim it is its [identifier](Subject::id).
    ///
    /// Behind [`Realms`](crate::realms::Realms) the identifier has the realm in front, as in tokens: `employees|17`.
    /// [`own_id`](crate::realms::own_id) gives the `17` that the directory knows.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.login.subject
    }

    /// The authenticated client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.request.client
    }

    /// The realm (separate user directory) of the user, if there is one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.0.request.realm.as_deref()
    }

    /// `password`, `refresh_token`, or the grant type of an extension grant.
    #[must_use]
    pub fn grant_type(&self) -> &str {
        self.0.request.grant_type.name()
    }

    /// In which ways the user was authenticated: the password of a password grant, what an extension grant
    /// [says](crate::Verdict::with_methods), and each factor that was proven since. At a refresh those of the login.
    #[must_use]
    pub fn methods(&self) -> AuthenticationMethods {
        self.0.login.methods
    }

    /// When the user was authenticated: at a refresh the time of the login.
    #[must_use]
    pub fn authenticated_at(&self) -> SystemTime {
        self.0.login.authenticated_at
    }

    /// The scope that was asked for, or the default; within what the client may have, and at a refresh within that of the login.
    #[must_use]
    pub fn requested_scope(&self) -> &Scope {
        &self.0.request.requested
    }

    /// The resource server that the login asked its tokens for, of those that the client
    /// [may name](crate::client::ClientBuilder::allow_audience); at a refresh that of the login. No rule changes it.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.0.request.audience.as_ref().map(Audience::as_str)
    }

    /// What is left of the scope, after the endpoint's ceiling, the verifier and the rules before this one.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.0.login.decided.scope
    }

    /// How long the access token is to live, after the rules before this one.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.0.login.decided.lifetime
    }

    /// The address that the request comes from, as in [`Attempt::address`](crate::Attempt::address).
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.0.request.address
    }

    /// What the host's other layers put into the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.0.request.extensions
    }

    /// The claims that the rules before this one added.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.decisions().map_or(&NO_CLAIMS, Decisions::claims)
    }

    /// The members of the answer that the rules before this one added.
    #[must_use]
    pub fn members(&self) -> &Claims {
        self.decisions().map_or(&NO_CLAIMS, Decisions::members)
    }

    fn decisions(&self) -> Option<&Decisions> {
        self.0.login.decided.decisions.as_deref()
    }
}

impl fmt::Debug for LoginEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginEvent")
            .field("stage", &self.stage())
            .field("subject", self.subject())
            .field("client", self.client().id())
            .field("scope", self.scope())
            .finish_non_exhaustive()
    }
}
