use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::builder::Builder;
use super::request_limits::RequestLimits;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::document::PublicDocument;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::login_rule::LoginRule;
use crate::boundary::shield::{OnLeak, Shield};
use crate::boundary::transport::TransportSecurity;
use crate::limiter::protection::AttackProtection;
use crate::protocol::client::policy::MissingScope;
use crate::protocol::profile::Profile;

/// Where the endpoint stands: its paths, what is in front of it, and what a request may take. See
/// [mounting](crate::manual::mounting).
impl<C, V, I> Builder<C, V, I> {
    /// The path of the token endpoint, compared byte by byte with the path that the layer sees. Default:
    /// `/oauth/token`. Inside a router that strips a prefix, this is the stripped path.
    pub fn token_path(mut self, path: impl Into<String>) -> Self {
        self.options.token_path = path.into();
        self
    }

    /// Where browsers find this server, such as `https://login.example`; a path behind it does not matter. A page that logs in
    /// from a browser is then one of your own only if its whole origin is that one (RFC 6454), whatever `Sec-Fetch-Site` says:
    /// to the browser of a victim, a hostile name that was bound to this server's address is the same site.
    ///
    /// Default: the [base URL](crate::mount::Metadata::base_url) of the [metadata](Self::metadata), or without metadata not known:
    /// then a page is your own if `Sec-Fetch-Site` says so, or without that header if its host and port are those that the
    /// request names, so that one that came over http counts as
    /// one of the https server of the same name. Set it whenever browsers reach the server; and where its pages are on another
    /// host than the metadata say. Pages of further origins belong on the list of [their
    /// client](crate::client::ClientBuilder::allow_origin).
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.options.public_url = Some(url.into());
        self
    }

    /// How the endpoint learns that a request came over TLS. Default: it does not ask.
    pub fn transport_security(mut self, policy: TransportSecurity) -> Self {
        self.options.transport = policy;
        self
    }

    /// What one request may take of memory and time. Default: [`RequestLimits::new`], a body of 32 KiB within 10 seconds, and 30
    /// seconds for the answer. Change it with the deadlines of what is behind the endpoint, and of what is in front of it.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses a limit of zero, and a deadline of a part that is longer than that of the whole.
    pub fn request_limits(mut self, limits: RequestLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Serves a public document, such as a JWKS, at a path of this layer. Default: none.
    pub fn document(mut self, path: impl Into<String>, document: impl PublicDocument) -> Self {
        self.options.documents.push((path.into(), Arc::new(document)));
        self
    }

    /// The header in which a server that logs in for its users names the address of each. It counts only from clients
    /// that [may name it](crate::client::ClientBuilder::trust_end_user_address), and only as one bare address. Default:
    /// `auth0-forwarded-for`. Change it for clients that send another one; not to one that your proxies write.
    pub fn end_user_address_header(mut self, name: HeaderName) -> Self {
        self.options.end_user_header = name;
        self
    }

    /// Refuses requests marked `Early-Data: 1` (RFC 8470) with 425. Default: off. For hosts whose proxy accepts TLS 1.3
    /// early data, which can be replayed.
    pub fn refuse_early_data(mut self) -> Self {
        self.options.refuse_early_data = true;
        self
    }
}

/// What protects accounts. See [attack protection](crate::manual::attack_protection).
impl<C, V, I> Builder<C, V, I> {
    /// Budgets of attempts, the ceiling on requests, and what belongs to them. Default: [`AttackProtection::new`]: all of it is
    /// on, and counts in the memory of this process. Change it when several processes share the load, or for other budgets. A
    /// second call replaces the first.
    ///
    /// ```
    /// # use tower_password_grant::PasswordGrant;
    /// use std::time::Duration;
    /// use tower_password_grant::limiter::{
    ///     AttackProtection, Limits, Lockout, MemoryLimiter,
    /// };
    ///
    /// // The default with 5 guesses instead of 10 for each account and address.
    /// let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    /// let five = Lockout::new(5, minutes(60)).locked_for(minutes(15), minutes(60));
    /// let limits = Limits::new().with_account_and_address_budget(five);
    /// let limiter = MemoryLimiter::new().with_limits(limits);
    /// let builder = PasswordGrant::builder()
    ///     .attack_protection(AttackProtection::new().limiter(limiter));
    /// # let _ = builder;
    /// ```
    ///
    /// # Errors
    /// [`build`](Self::build) refuses rules and ceilings that are out of range, and an allow-list of every address.
    pub fn attack_protection(mut self, protection: AttackProtection) -> Self {
        self.options.protection = protection;
        self
    }

    /// Checks each correct password against known leaks, then warns or blocks.
    /// Default: none. Change it when you have a list of leaked passwords; begin with [`OnLeak::Warn`]. A shield that
    /// fails, or takes longer than 300 milliseconds, lets the login go on. Needs tokio's timer, unless the shield answers
    /// at once.
    pub fn shield(mut self, shield: impl Shield, on_leak: OnLeak) -> Self {
        self.options.shield = Some((Box::new(shield), on_leak));
        self
    }
}

/// What a login is granted, and by which grants it begins.
impl<C, V, I> Builder<C, V, I> {
    /// What a request is granted that asks for no scope. Default: [`MissingScope::ClientDefault`]. Change it where all clients
    /// share a default, where defaults hide what a client really needs, or where scopes are not used.
    pub fn missing_scope(mut self, rule: MissingScope) -> Self {
        self.options.missing_scope = rule;
        self
    }

    /// The most that this endpoint grants, whatever clients are registered for; more is silently left out and `scope`
    /// in the answer says so. Default: no limit. RFC 6749 section 10.7 advises to keep this grant's scope small.
    pub fn scope_ceiling(mut self, scope: impl Into<String>) -> Self {
        self.options.scope_ceiling = Some(scope.into());
        self
    }

    /// How long access tokens live, in whole seconds, for clients without their own lifetime. Default: one hour, the
    /// most that RFC 6750 section 5.3 advises.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.lifetime = lifetime;
        self
    }

    /// Adds a rule that decides on each login whose credentials are right, before its tokens are given, and on each refresh: see
    /// [`rules`](crate::rules). Rules are asked in the order in which they are added. Default: none.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses two rules of one name, and a name that is empty, longer than 100 characters or has a control
    /// character.
    pub fn rule(mut self, rule: impl LoginRule) -> Self {
        self.options.rules.push(Box::new(rule));
        self
    }

    /// A grant type of your own (RFC 6749 section 4.5). Default: none.
    pub fn extension_grant(mut self, grant: impl ExtensionGrant) -> Self {
        self.options.extensions.push(Box::new(grant));
        self
    }

    /// Switches the password grant off, and the realm grant with it: they are answered `unsupported_grant_type`. Default: on for clients that allow it.
    /// For the day after the last client has moved, while extension grants stay.
    pub fn without_password_grant(mut self) -> Self {
        self.options.password_grant = false;
        self
    }
}

/// How clients authenticate, and what a refusal shows them. See [clients](crate::manual::clients) and
/// [errors](crate::manual::errors).
impl<C, V, I> Builder<C, V, I> {
    /// A way of client authentication that the endpoint does not know itself (RFC 6749 section 2.3.2). Default: none.
    pub fn client_auth_method(mut self, method: impl ClientAuthMethod) -> Self {
        self.options.methods.push(Box::new(method));
        self
    }

    /// Refuses client secrets in the body (`client_secret_post`). Default: they are accepted, as many clients send them
    /// there; RFC 6749 section 2.3.1 prefers the header.
    pub fn refuse_secrets_in_body(mut self) -> Self {
        self.options.post_allowed = false;
        self
    }

    /// Takes an `Authorization` header of another scheme than Basic as absent. Default: it is a failed client
    /// authentication. For clients that add an old bearer token to every request.
    pub fn ignore_foreign_schemes(mut self) -> Self {
        self.options.ignore_foreign_schemes = true;
        self
    }

    /// The `realm` of the Basic challenge. Default: `token endpoint`.
    pub fn challenge_realm(mut self, realm: impl Into<String>) -> Self {
        self.options.challenge_realm = realm.into();
        self
    }

    /// How requests are read and refusals are worded. Default: [`Profile::Rfc6749`], the standards alone. Change it for clients
    /// that were written against another product.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.options.profile = profile;
        self
    }

    /// A page about errors, sent as `error_uri` with each. Default: none.
    pub fn error_uri(mut self, uri: impl Into<String>) -> Self {
        self.options.error_uri = Some(uri.into());
        self
    }
}
