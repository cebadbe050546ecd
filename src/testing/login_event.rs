//! Logins without a request, for rules.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Extensions;

use crate::boundary::login_event::{DecidedSoFar, EventDraft, LoginEvent, LoginFacts, LoginStage, RequestFacts};
use crate::protocol::client::error::ClientError;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy::{self, ScopeLimits};
use crate::protocol::client::registered::Client;
use crate::protocol::explained::explained;
use crate::protocol::profile::Profile;
use crate::protocol::rules::decisions::Decisions;
use crate::protocol::rules::error::RulingError;
use crate::protocol::rules::ruling::{Objection, Ruling};
use crate::protocol::scope::{Scope, ScopeError};
use crate::protocol::token::lifetime::{UnfitTime, lifetime};
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::user::subject::Subject;

/// How long an access token lives if neither its client nor the test says it.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A login of this user as the endpoint would show it to a [`LoginRule`](crate::rules::LoginRule): by a right password, now, from
/// the public client `test`, for no scope, unless you say otherwise.
///
/// ```
/// use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling, rule_fn};
/// use tower_password_grant::testing::login_event;
/// use tower_password_grant::{Client, Subject};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let rule = rule_fn("no admin for customers", |login: LoginEvent| async move {
///     Ok(match login.realm() {
///         Some("customers") => Ruling::proceed().remove_scope("admin"),
///         _ => Ruling::proceed(),
///     })
/// });
/// let app = Client::public("app").realms(["customers", "employees"]);
/// let app = app.scopes("read admin").build()?;
/// let login = |user| {
///     login_event(Subject::new(user)).client(app.clone()).scope("read admin")
/// };
/// let customer = login("customers|17").realm("customers").build()?;
/// let ruling = rule.apply(customer).await;
/// assert_eq!(ruling.ok(), Some(Ruling::proceed().remove_scope("admin")));
/// let employee = login("employees|17").realm("employees").build()?;
/// let ruling = rule.apply(employee).await;
/// assert_eq!(ruling.ok(), Some(Ruling::proceed()));
/// # Ok(())
/// # }
/// ```
///
/// The subject is given to the rule as it is. So write it as your verifier answers it: `employees|17` behind
/// [`Realms`](crate::realms::Realms), `17` behind one that
/// [keeps the identifiers](crate::realms::Realms::keep_subject_ids).
///
/// It is what a rule is given, and nothing else: no token comes of it.
pub fn login_event(subject: Subject) -> LoginEventBuilder {
    LoginEventBuilder {
        subject,
        profile: Profile::default(),
        grant_type: GrantType::PASSWORD,
        client: None,
        realm: None,
        scope: None,
        limit: None,
        login_scope: None,
        audience: None,
        lifetime: None,
        methods: None,
        is_finished: false,
        authenticated_at: None,
        address: None,
        extensions: Extensions::new(),
        before: Vec::new(),
    }
}

/// Puts a [`LoginEvent`] together; see [`login_event`].
#[must_use]
pub struct LoginEventBuilder {
    subject: Subject,
    profile: Profile,
    grant_type: GrantType,
    client: Option<Client>,
    realm: Option<String>,
    scope: Option<String>,
    limit: Option<String>,
    login_scope: Option<String>,
    audience: Option<String>,
    lifetime: Option<Duration>,
    methods: Option<AuthenticationMethods>,
    is_finished: bool,
    authenticated_at: Option<SystemTime>,
    address: Option<IpAddr>,
    extensions: Extensions,
    before: Vec<Ruling>,
}

impl LoginEventBuilder {
    /// The [profile](crate::Builder::profile) of the endpoint, which can let clients ask for more. Default: the standards alone.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The login goes on by its refresh token. Default: the grant `password`.
    pub fn refresh(mut self) -> Self {
        self.grant_type = GrantType::REFRESH;
        self
    }

    /// The user has shown a second factor. Default: not asked for.
    pub fn second_factor(mut self) -> Self {
        self.is_finished = true;
        self
    }

    /// The login came by the [grant with a realm](crate::client::ClientBuilder::allow_realm_grant). Default: the grant `password`.
    pub fn realm_grant(mut self) -> Self {
        self.grant_type = GrantType::PASSWORD_IN_REALM;
        self
    }

    /// The login came by the extension grant of this name. Default: the grant `password`.
    pub fn extension_grant(mut self, name: &str) -> Self {
        self.grant_type = GrantType::extension(name, false);
        self
    }

    /// The client, and with it the realm: its default one, if it lists some. Default: a public client `test`, of no realm, that is
    /// registered for the scope that it asks for.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The realm of the user: one that the client lists. Default: the client's default.
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.to_owned());
        self
    }

    /// The scope that was asked for: tokens separated by single spaces. Default: at a refresh that of the login, else the client's
    /// default, else none.
    pub fn scope(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// The most that the verifier or the endpoint's ceiling allow of it. Default: all of it.
    pub fn granted_within(mut self, scope: &str) -> Self {
        self.limit = Some(scope.to_owned());
        self
    }

    /// What the login has got that a [refresh](Self::refresh) prolongs: no rule adds more. Default: what the refresh asks for.
    pub fn login_scope(mut self, scope: &str) -> Self {
        self.login_scope = Some(scope.to_owned());
        self
    }

    /// The resource server that the login asked its tokens for: one that the client [may
    /// name](crate::client::ClientBuilder::allow_audience), in a [profile](Self::profile) that reads it. Default: none.
    pub fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    /// How long the access token is to live, a second or more. Default: as the client is registered, else an hour.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// In which ways the user was authenticated. Default: by a password; of an
    /// [extension grant](Self::extension_grant) nothing is known.
    pub fn methods(mut self, methods: AuthenticationMethods) -> Self {
        self.methods = Some(methods);
        self
    }

    /// When the user was authenticated. Default: now.
    pub fn authenticated_at(mut self, time: SystemTime) -> Self {
        self.authenticated_at = Some(time);
        self
    }

    /// The address that the request comes from. Default: unknown.
    pub fn address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address = Some(address.into());
        self
    }

    /// Adds what a layer of the host would have put into the request.
    pub fn extension<T: Clone + Send + Sync + 'static>(mut self, extension: T) -> Self {
        self.extensions.insert(extension);
        self
    }

    /// A rule before the one under test has decided this. Each call is one more rule. Default: there was none.
    pub fn ruled(mut self, ruling: Ruling) -> Self {
        self.before.push(ruling);
        self
    }

    /// Gives the event.
    ///
    /// # Errors
    /// Fails on a malformed scope, on one that the client is not registered for, on one that the refreshed login has not got or of
    /// which nothing is left, on a realm that the client does not list, on an audience that it may not name in this profile, on a
    /// lifetime of less than a second, and where a ruling before refuses the login: then no further rule is asked.
    pub fn build(self) -> Result<LoginEvent, LoginEventError> {
        let parse = |text: &String| text.parse::<Scope>().map_err(LoginEventError::Scope);
        let asked = self.scope.as_ref().map(parse).transpose()?;
        let endpoint = self.limit.as_ref().map(parse).transpose()?;
        let family = self.login_scope.as_ref().filter(|_| self.grant_type.is_refresh()).map(parse).transpose()?;
        let client = match self.client {
            Some(client) => client,
            None => client_for(asked.as_ref()).map_err(LoginEventError::Client)?,
        };
        let reach = policy::reach(&client, self.profile, false);
        let all = family.as_ref().map(|family| family.intersection(&reach));
        let default = || all.or_else(|| client.default_scope().cloned());
        let requested = asked.or_else(default).unwrap_or_default();
        if !requested.is_subset(&reach) {
            return Err(LoginEventError::NotRegistered);
        }
        let decisions = followed(self.before)?;
        let family = self.grant_type.is_refresh().then(|| family.unwrap_or_else(|| requested.clone()));
        if !family.as_ref().is_none_or(|family| requested.is_subset(family)) {
            return Err(LoginEventError::NotGranted);
        }
        let limits = ScopeLimits { profile: self.profile, user: family, endpoint, is_for_factors: false };
        let scope = limits.narrow(requested.clone()).map_err(|_| LoginEventError::NothingGranted)?;
        let given = self.lifetime.or(client.lifetime()).unwrap_or(LIFETIME);
        let given = lifetime(given).map_err(|_| LoginEventError::Lifetime(given))?;
        let decided = DecidedSoFar {
            scope: limits.ruled(&scope, &client, &decisions),
            lifetime: decisions.lifetime(given),
            decisions: Some(Arc::new(decisions)),
        };
        let audience = policy::audience_of_login(&client, self.audience.as_deref(), self.profile, None);
        let stage = if self.is_finished { LoginStage::SecondFactor } else { LoginStage::of(&self.grant_type) };
        let draft = EventDraft::new(RequestFacts {
            stage,
            audience: audience.map_err(|_| LoginEventError::Audience)?,
            realm: client.chosen_realm(self.realm.as_deref()).ok_or(LoginEventError::Realm)?,
            client,
            grant_type: self.grant_type,
            requested,
            address: self.address,
            extensions: self.extensions,
        });
        let authenticated_at = self.authenticated_at.unwrap_or_else(SystemTime::now);
        let begun = if self.grant_type.is_refresh() { GrantType::PASSWORD } else { self.grant_type };
        let methods = self.methods.unwrap_or_else(|| begun.methods());
        Ok(draft.complete(LoginFacts { subject: self.subject, methods, authenticated_at, decided }))
    }
}

/// A client that may ask for this.
fn client_for(scope: Option<&Scope>) -> Result<Client, ClientError> {
    let client = Client::public("test");
    match scope {
        Some(scope) => client.scopes(scope.as_str()).build(),
        None => client.build(),
    }
}

/// What rules have decided, one after the other.
fn followed(rulings: Vec<Ruling>) -> Result<Decisions, LoginEventError> {
    let mut decisions = Decisions::default();
    for ruling in rulings {
        let later = ruling.read().map_err(|objection| match objection {
            Objection::Unfit(error) => LoginEventError::Ruling(error),
            Objection::Denied(_) | Objection::InteractionRequired => LoginEventError::Refused,
        })?;
        if let Some(later) = later {
            decisions.follow(&later).map_err(LoginEventError::Ruling)?;
        }
    }
    Ok(decisions)
}

impl fmt::Debug for LoginEventBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginEventBuilder")
    }
}

/// Why no endpoint would show a login like this to a rule.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginEventError {
    /// A scope that breaks RFC 6749 A.4.
    #[error("the scope is malformed")]
    Scope(#[source] ScopeError),
    /// A scope that the client may not ask for.
    #[error("the client is not registered for the scope: `ClientBuilder::scopes`")]
    NotRegistered,
    /// A scope that the login has not got which is refreshed.
    #[error("the login that is refreshed has not got the scope: `LoginEventBuilder::login_scope`")]
    NotGranted,
    /// Nothing is left of the scope, so that the endpoint refuses the login before it asks a rule.
    #[error("nothing is left of the scope: `LoginEventBuilder::granted_within`")]
    NothingGranted,
    /// A realm that the client does not list.
    #[error("the client does not list the realm: `ClientBuilder::realms`")]
    Realm,
    /// An audience that the client may not ask for, or any in a profile that reads none.
    #[error("the client may not ask for the audience: `ClientBuilder::allow_audience`, `LoginEventBuilder::profile`")]
    Audience,
    /// The client cannot be registered.
    #[error("the client cannot be registered")]
    Client(#[source] ClientError),
    /// A lifetime of less than a second.
    #[error("{}", UnfitTime::Lifetime(*.0))]
    Lifetime(Duration),
    /// A ruling before is none, or goes beyond what all rules of a login may add.
    #[error("a ruling before cannot be followed")]
    Ruling(#[source] RulingError),
    /// A ruling before refuses the login.
    #[error("a ruling before refuses the login: the first refusal ends it, and no further rule is asked")]
    Refused,
}

impl fmt::Debug for LoginEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
