//! The registration of clients (RFC 6749 section 2).

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::error::ClientError;
use super::realms::OwnRealms;
use super::registered::{
    Client, ClientAuthentication, ClientId, Inner, PASSWORD, PASSWORD_REALM, REFRESH_TOKEN, RefreshRules,
    SECOND_FACTOR, StoredSecret, is_client_id,
};
use super::sunset::end::Sunset;
use crate::protocol::audience::Audience;
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::lifetime;
use crate::protocol::wire::origin::is_sent;

/// Registers a [`Client`]; [`build`](Self::build) answers errors.
#[must_use]
#[derive(Clone)]
pub struct ClientBuilder {
    inner: Inner,
    /// The realm grant was asked for by its name, so there must be a realm.
    needs_realm: bool,
    error: Option<ClientError>,
}

impl ClientBuilder {
    pub(crate) fn new(id: &str, authentication: ClientAuthentication) -> Self {
        Self {
            inner: Inner {
                id: ClientId(id.into()),
                authentication,
                secrets: [None, None],
                raw_basic: false,
                trusts_end_user_address: false,
                grants: Vec::new(),
                scopes: Scope::default(),
                default_scope: None,
                origins: Vec::new(),
                realms: OwnRealms::default(),
                lifetime: None,
                sunset: None,
                stands_for: Vec::new(),
                allowed_audiences: Vec::new(),
                may_introspect: false,
                refresh: RefreshRules::default(),
            },
            needs_realm: false,
            error: (!is_client_id(id)).then_some(ClientError::Id),
        }
    }

    pub(crate) fn from_inner(inner: Inner) -> Self {
        Self { inner, needs_realm: false, error: None }
    }

    fn fail(mut self, error: ClientError) -> Self {
        self.error.get_or_insert(error);
        self
    }

    /// Sets what was found fit.
    fn set<T, E: Into<ClientError>>(mut self, found: Result<T, E>, set: impl FnOnce(&mut Inner, T)) -> Self {
        match found {
            Ok(fit) => set(&mut self.inner, fit),
            Err(error) => return self.fail(error.into()),
        }
        self
    }

    /// Adds a secret that works until `expires` (for ever if `None`). Two may live at once, so that a new one can be
    /// rolled out before the old one ends.
    pub fn secret(mut self, digest: &SecretDigest, expires: Option<SystemTime>) -> Self {
        if bool::from(digest.ct_eq(&SecretDigest::of(""))) {
            return self.fail(ClientError::EmptySecret);
        }
        let stored = StoredSecret { digest: digest.clone(), expires };
        match self.inner.secrets.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                *slot = Some(stored);
                self
            }
            None => self.fail(ClientError::TooManySecrets),
        }
    }

    /// Replaces the secrets by this one, which works from now on. Of those before, the one that was added last works until
    /// `old_until` beside it, or until its own end if that comes sooner: until then the client can be given the new one. An
    /// `old_until` that is over ends it at once, as after a leak.
    pub fn rotate_secret(mut self, digest: &SecretDigest, old_until: SystemTime) -> Self {
        let [first, second] = std::mem::take(&mut self.inner.secrets);
        if let Some(StoredSecret { digest, expires }) = second.or(first) {
            let expires = Some(expires.map_or(old_until, |own| own.min(old_until)));
            self.inner.secrets = [Some(StoredSecret { digest, expires }), None];
        }
        self.secret(digest, None)
    }

    /// Takes a grant type away: `"password"`, `"refresh_token"` or another. Nothing happens if the client does not have it.
    pub fn remove_grant(mut self, grant_type: &str) -> Self {
        self.inner.grants.retain(|known| known != grant_type);
        self
    }

    /// Adds scope tokens, separated by single spaces, to [`scopes`](Self::scopes). The [default](Self::default_scope) stays.
    pub fn add_scope(self, scope: &str) -> Self {
        let scopes = &self.inner.scopes;
        let both = scope.parse().and_then(|added: Scope| format!("{scopes} {added}").trim().parse());
        self.set(both.map_err(ClientError::Scope), |inner, scopes| inner.scopes = scopes)
    }

    /// Takes scope tokens away, separated by single spaces, from [`scopes`](Self::scopes) and from the
    /// [default](Self::default_scope). A default of which nothing is left is none.
    pub fn remove_scope(self, scope: &str) -> Self {
        self.set(scope.parse().map_err(ClientError::Scope), |inner, removed: Scope| {
            inner.scopes = inner.scopes.without(&removed);
            let default = inner.default_scope.take().map(|default| default.without(&removed));
            inner.default_scope = default.filter(|default| !default.is_empty());
        })
    }

    /// Takes an origin away. Nothing happens if the client does not have it.
    pub fn remove_origin(mut self, origin: &str) -> Self {
        self.inner.origins.retain(|known| known != origin);
        self
    }

    /// Pins how the client sends its secret. Default: header and body are both accepted, because client libraries use
    /// one for the first request and the other for the next. Change it once you know your client.
    pub fn authenticate_by(mut self, authentication: ClientAuthentication) -> Self {
        self.inner.authentication = authentication;
        self
    }

    /// Accepts an `Authorization: Basic` value whose halves were not form-encoded, as RFC 6749 section 2.3.1 asks, but
    /// written as they are. Default: off; only ids or secrets with `%` or `+` need it. For migration.
    pub fn raw_basic(mut self) -> Self {
        self.inner.raw_basic = true;
        self
    }

    /// Believes the client what it says about its users' addresses, in a
    /// [header](crate::Builder::end_user_address_header): guesses are then counted on the user's address instead of the
    /// client's own, so that one user's mistakes lock no other out. Default: off. Turn it on for a server that logs in
    /// for many users and passes the address on that it saw, not a header of theirs: a user who can choose the address has
    /// no budget per address. The ceiling on all requests of an address stays the client's own: see
    /// [`exempt_networks`](crate::limiter::AttackProtection::exempt_networks). Confidential clients only.
    pub fn trust_end_user_address(mut self) -> Self {
        self.inner.trusts_end_user_address = true;
        self
    }

    /// Allows the password grant. RFC 9700 section 2.4 forbids it for new clients: set an [end date](Self::sunset).
    pub fn allow_password_grant(self) -> Self {
        self.allow_grant(PASSWORD)
    }

    /// Allows the realm grant: the password grant with a `realm` that the request must name, one of [`realms`](Self::realms).
    /// Its grant type is `http://auth0.com/oauth/grant-type/password-realm`, as the SDKs of Auth0 send it. Default: not allowed,
    /// also where the password grant is; that takes a `realm`, too, and serves clients that send it so. The client's
    /// [end date](Self::sunset) is one for both.
    pub fn allow_realm_grant(mut self) -> Self {
        self.needs_realm = true;
        self.allow_grant(PASSWORD_REALM)
    }

    /// Allows a grant type (RFC 6749 section 4.5), such as one of an [`ExtensionGrant`](crate::grant::ExtensionGrant). Default:
    /// none.
    pub fn allow_grant(mut self, grant_type: &str) -> Self {
        if !self.inner.grants.iter().any(|known| known == grant_type) {
            self.inner.grants.push(grant_type.to_owned());
        }
        self
    }

    /// Gives the client refresh tokens, if the endpoint [keeps them](crate::Builder::refresh_tokens), and lets it use them
    /// (RFC 6749 section 6). Default: none. A refresh token is worth a login for weeks: allow it to clients that would
    /// otherwise keep the password. A [profile](crate::mount::Profile) may ask for a scope, too.
    pub fn allow_refresh_tokens(self) -> Self {
        self.allow_grant(REFRESH_TOKEN)
    }

    /// Lets the client finish logins with a second factor, if the endpoint [asks for one](crate::Builder::second_factor): by a code of
    /// an authenticator app, by a code or a question on another way, and by a recovery code. It adds the grant types
    /// `http://auth0.com/oauth/grant-type/mfa-otp`, `.../mfa-oob` and `.../mfa-recovery-code`, each of which
    /// [`allow_grant`](Self::allow_grant) adds alone and [`remove_grant`](Self::remove_grant) takes away. Default: none, and where a
    /// second factor is demanded the client gets `mfa_required` with nothing to go on with.
    pub fn allow_second_factor(self) -> Self {
        SECOND_FACTOR.into_iter().fold(self, Self::allow_grant)
    }

    /// How long after a login its last refresh token ends, however often it was refreshed. Default: the endpoint's.
    pub fn refresh_token_lifetime(self, lifetime: Duration) -> Self {
        self.set(lifetime::lifetime(lifetime), |inner, lifetime| inner.refresh.lifetime = Some(lifetime))
    }

    /// How long a refresh token may lie unused. Default: the endpoint's.
    pub fn refresh_token_idle_lifetime(self, lifetime: Duration) -> Self {
        self.set(lifetime::lifetime(lifetime), |inner, lifetime| inner.refresh.idle_lifetime = Some(lifetime))
    }

    /// How long after its first use a refresh token may be presented again, as long as its successor is unused, by a client
    /// that did not get the answer: it gets the same successor again. Zero to 60 seconds. Default: the endpoint's, 10
    /// seconds. With zero a lost answer is a lost login.
    pub fn refresh_token_leeway(self, leeway: Duration) -> Self {
        self.set(lifetime::leeway(leeway), |inner, leeway| inner.refresh.leeway = Some(leeway))
    }

    /// Leaves the client its refresh token instead of rotating it at each use, so that a stolen copy is never noticed.
    /// Default: rotation. For confidential clients that cannot store a new one (RFC 9700 section 2.2.2).
    pub fn reuse_refresh_tokens(mut self) -> Self {
        self.inner.refresh.is_reused = true;
        self
    }

    /// Lets the client ask about tokens (RFC 7662): about its own, about those for its [audiences](Self::resource_server), and
    /// about those without an audience; of its [realms](Self::realms) only if it lists some, and of all if it lists none. Default: a
    /// confidential client gets `{"active":false}` for each token. A public client is refused there with `invalid_client`, whatever it asks about, and
    /// [`build`](Self::build) refuses to give it this right: an API has a [secret](crate::Client::confidential).
    pub fn allow_introspection(mut self) -> Self {
        self.inner.may_introspect = true;
        self
    }

    /// Lets the client ask for tokens that are for this API, by the parameter `audience` of its logins, in a
    /// [profile](crate::mount::Profile::Auth0) that has it; call it once for each. The name, of one character or more and without
    /// control characters, is what stands in the audience of the tokens. Default: none, and `audience` is a parameter that the endpoint
    /// does not know.
    ///
    /// A login that names another API is refused, and one that names none gets the audience of the issuer. The tokens of a login stay
    /// for the API that it named, at each refresh. What the client itself stands for is its [`resource_server`](Self::resource_server).
    pub fn allow_audience(self, name: &str) -> Self {
        self.set(Audience::new(name).ok_or(ClientError::Audience), |inner, audience| {
            if !inner.allowed_audiences.contains(&audience) {
                inner.allowed_audiences.push(audience);
            }
        })
    }

    /// Takes an [audience](Self::allow_audience) away: logins for it can be refreshed no more. Nothing happens if the client may not
    /// ask for it.
    pub fn remove_audience(mut self, name: &str) -> Self {
        self.inner.allowed_audiences.retain(|known| known.as_str() != name);
        self
    }

    /// A resource server that the client stands for, as it is written in the audience of tokens. Default: none. What it may ask
    /// tokens for is [`allow_audience`](Self::allow_audience).
    pub fn resource_server(mut self, audience: impl Into<String>) -> Self {
        self.inner.stands_for.push(audience.into());
        self
    }

    /// The scope tokens, separated by single spaces, that the client may ask for. Replaces what was set before:
    /// [`add_scope`](Self::add_scope) adds. Default: none. A [profile](crate::mount::Profile) may let every client ask for more.
    pub fn scopes(self, scopes: &str) -> Self {
        self.set(scopes.parse().map_err(ClientError::Scope), |inner, scopes| inner.scopes = scopes)
    }

    /// What the client gets when it asks for no scope; must be within [`scopes`](Self::scopes). Default: the endpoint's
    /// own default.
    pub fn default_scope(self, scope: &str) -> Self {
        self.set(scope.parse().map_err(ClientError::Scope), |inner, scope| inner.default_scope = Some(scope))
    }

    /// Lets pages of this origin use the client (answers CORS for it and takes its requests), written as browsers write
    /// it: `https://app.example`, `http://localhost:3000`. Default: none.
    pub fn allow_origin(mut self, origin: &str) -> Self {
        // Anything else would be listed and never match what a browser sends.
        if !is_sent(origin) {
            return self.fail(ClientError::Origin);
        }
        self.inner.origins.push(origin.to_owned());
        self
    }

    /// Binds the client to one realm, a separate user directory: [`realms`](Self::realms) with this one alone. Default: none.
    pub fn realm(self, realm: &str) -> Self {
        self.realms([realm])
    }

    /// The realms (separate user directories) of the client's users, the default first, each named by 1 to 128 bytes of
    /// printable characters without `|`. Replaces what was set before. Default: none, and the client's users are of no realm.
    ///
    /// A login chooses one of them by the parameter `realm`, and gets the default without it. One that the client does not list is
    /// `invalid_request`, whether it exists or not. The verifier gets the realm with every attempt
    /// ([`Realms`](crate::realms::Realms) asks a verifier for each), and guards refuse the tokens until they name it
    /// ([`token_realms`](crate::bearer::BearerGuardBuilder::token_realms)). Of a realm that is taken from a client, its refresh
    /// tokens are refused, and kept in case it comes back.
    ///
    /// ```
    /// use tower_password_grant::Client;
    ///
    /// let app = Client::public("app").allow_password_grant().allow_realm_grant().scopes("read");
    /// let app = app.realms(["customers", "employees"]).build()?;
    /// assert_eq!(app.default_realm(), Some("customers"));
    /// # Ok::<_, tower_password_grant::client::ClientError>(())
    /// ```
    pub fn realms(self, realms: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.set(OwnRealms::new(realms).map_err(ClientError::Realm), |inner, realms| inner.realms = realms)
    }

    /// The realms of a registration that was kept.
    pub(super) fn kept_realms(mut self, names: &[String]) -> Self {
        self.inner.realms = OwnRealms::kept(names);
        self
    }

    /// How long an access token of the password grant lives for this client, in whole seconds. Default: the endpoint's.
    pub fn access_token_lifetime(self, lifetime: Duration) -> Self {
        self.set(lifetime::lifetime(lifetime), |inner, lifetime| inner.lifetime = Some(lifetime))
    }

    /// Announces the end of the password grant for this client, and ends it on that day, with the steps that the plan has. A second
    /// call replaces the first, so that [`Client::sunset`] can be changed and put back.
    pub fn sunset(mut self, sunset: Sunset) -> Self {
        if let Some(error) = sunset.contradiction() {
            return self.fail(error);
        }
        self.inner.sunset = Some(sunset);
        self
    }

    /// Takes the end of the password grant back, with all its steps. Nothing happens if the client has none.
    pub fn remove_sunset(mut self) -> Self {
        self.inner.sunset = None;
        self
    }

    /// Checks everything and gives the client.
    ///
    /// # Errors
    /// The first thing that was wrong.
    pub fn build(self) -> Result<Client, ClientError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let inner = self.inner;
        if inner.default_scope.as_ref().is_some_and(|scope| !scope.is_subset(&inner.scopes)) {
            return Err(ClientError::DefaultScope);
        }
        if self.needs_realm && inner.realms.is_empty() {
            return Err(ClientError::RealmGrant);
        }
        let has_secret = inner.secrets.iter().any(Option::is_some);
        let needs_secret = matches!(
            inner.authentication,
            ClientAuthentication::Secret | ClientAuthentication::SecretBasic | ClientAuthentication::SecretPost
        );
        if has_secret != needs_secret {
            return Err(ClientError::Authentication);
        }
        for (is_set, error) in [
            (inner.trusts_end_user_address, ClientError::EndUserAddress),
            (inner.refresh.is_reused, ClientError::ReusedRefreshToken),
            (inner.may_introspect, ClientError::PublicIntrospection),
        ] {
            if is_set && inner.authentication == ClientAuthentication::None {
                return Err(error);
            }
        }
        Ok(Client(Arc::new(inner)))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("id", &self.inner.id).field("error", &self.error).finish_non_exhaustive()
    }
}
