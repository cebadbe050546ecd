use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;

use super::config_error::ConfigError;
use super::danger::Danger;
use super::layer::PasswordGrantLayer;
use super::mount::Mount;
use crate::boundary::audit::AuditSink;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::document::PublicDocument;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::peer::PeerAddress;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::transport::TransportSecurity;
use crate::boundary::verifier::CredentialVerifier;
use crate::conductor::audit::Auditor;
use crate::conductor::endpoint::{Endpoint, NamedGrant};
use crate::conductor::telemetry;
use crate::memory::limiter::MemoryLimiter;
use crate::protocol::charset::is_nqschar;
use crate::protocol::client::PASSWORD;
use crate::protocol::policy::{MissingScope, Rules};
use crate::protocol::scope::Scope;
use crate::protocol::secrets::random_bytes;
use crate::protocol::sunset::{is_absolute_uri, is_uri_reference};

/// Where it starts: [`PasswordGrant::builder`].
#[derive(Debug)]
pub struct PasswordGrant(());

impl PasswordGrant {
    /// A builder of the token endpoint. Required are [`clients`](Builder::clients), [`verifier`](Builder::verifier),
    /// [`issuer`](Builder::issuer) and [`peer_address`](Builder::peer_address).
    pub fn builder() -> Builder {
        Builder { clients: NotSet(()), verifier: NotSet(()), issuer: NotSet(()), options: Options::default() }
    }
}

/// A required part that was not given yet.
#[derive(Debug)]
pub struct NotSet(());

/// The registry was given.
#[diagnostic::on_unimplemented(message = "call `.clients(..)` with a `ClientRegistry` before `.build()`")]
pub trait HasClients: ClientRegistry {}
impl<T: ClientRegistry> HasClients for T {}

/// The verifier was given.
#[diagnostic::on_unimplemented(message = "call `.verifier(..)` with a `CredentialVerifier` before `.build()`")]
pub trait HasVerifier: CredentialVerifier {}
impl<T: CredentialVerifier> HasVerifier for T {}

/// The issuer was given.
#[diagnostic::on_unimplemented(message = "call `.issuer(..)` with a `TokenIssuer` before `.build()`")]
pub trait HasIssuer: TokenIssuer {}
impl<T: TokenIssuer> HasIssuer for T {}

/// Puts a token endpoint together. Every option tells its default; see the [manual](crate::manual::defaults) for why.
#[must_use]
pub struct Builder<C = NotSet, V = NotSet, I = NotSet> {
    clients: C,
    verifier: V,
    issuer: I,
    options: Options,
}

struct Options {
    token_path: String,
    documents: Vec<(String, Arc<dyn PublicDocument>)>,
    limiter: Option<Box<dyn AttemptLimiter>>,
    clock: Option<Arc<dyn Clock>>,
    audit: Option<Box<dyn AuditSink>>,
    methods: Vec<Box<dyn ClientAuthMethod>>,
    extensions: Vec<Box<dyn ExtensionGrant>>,
    password_grant: bool,
    default_scope: Option<String>,
    missing_scope: MissingScope,
    ceiling: Option<String>,
    lifetime: Duration,
    peer: Option<PeerAddress>,
    transport: TransportSecurity,
    max_body: usize,
    body_deadline: Option<Duration>,
    deadline: Option<Duration>,
    post_allowed: bool,
    ignore_foreign_schemes: bool,
    refuse_early_data: bool,
    error_uri: Option<String>,
    challenge_realm: String,
    danger: Danger,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token_path: "/oauth/token".to_owned(),
            documents: Vec::new(),
            limiter: None,
            clock: None,
            audit: None,
            methods: Vec::new(),
            extensions: Vec::new(),
            password_grant: true,
            default_scope: None,
            missing_scope: MissingScope::ClientDefault,
            ceiling: None,
            lifetime: Duration::from_secs(3600),
            peer: None,
            transport: TransportSecurity::unchecked(),
            max_body: 32 * 1024,
            body_deadline: Some(Duration::from_secs(10)),
            deadline: Some(Duration::from_secs(30)),
            post_allowed: true,
            ignore_foreign_schemes: false,
            refuse_early_data: false,
            error_uri: None,
            challenge_realm: "token endpoint".to_owned(),
            danger: Danger::default(),
        }
    }
}

impl<C, V, I> Builder<C, V, I> {
    /// Who is calling: the clients. Required.
    pub fn clients<T: ClientRegistry>(self, clients: T) -> Builder<T, V, I> {
        Builder { clients, verifier: self.verifier, issuer: self.issuer, options: self.options }
    }

    /// Is this the user's password. Required.
    pub fn verifier<T: CredentialVerifier>(self, verifier: T) -> Builder<C, T, I> {
        Builder { clients: self.clients, verifier, issuer: self.issuer, options: self.options }
    }

    /// What is given. Required.
    pub fn issuer<T: TokenIssuer>(self, issuer: T) -> Builder<C, V, T> {
        Builder { clients: self.clients, verifier: self.verifier, issuer, options: self.options }
    }

    /// Where the peer's address comes from, on which attempts are counted. Required, because nothing in a request tells
    /// it reliably, and a wrong guess would either lock everybody out together or nobody at all.
    pub fn peer_address(mut self, source: PeerAddress) -> Self {
        self.options.peer = Some(source);
        self
    }

    /// The path of the token endpoint, compared byte by byte with the path that the layer sees. Default:
    /// `/oauth/token`. Inside a router that strips a prefix, this is the stripped path.
    pub fn token_path(mut self, path: impl Into<String>) -> Self {
        self.options.token_path = path.into();
        self
    }

    /// Serves a public document, such as a JWKS, at a path of this layer. Default: none.
    pub fn document(mut self, path: impl Into<String>, document: impl PublicDocument) -> Self {
        self.options.documents.push((path.into(), Arc::new(document)));
        self
    }

    /// Counts the attempts. Default: [`MemoryLimiter`], 10 for each account and address and for each client and address
    /// within 15 minutes, in this process only. Change it when several processes share the load.
    pub fn limiter(mut self, limiter: impl AttemptLimiter) -> Self {
        self.options.limiter = Some(Box::new(limiter));
        self
    }

    /// The clocks. Default: the operating system's. For tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.options.clock = Some(Arc::new(clock));
        self
    }

    /// Takes an event for every answer. Default: none; `tracing` events are independent of it.
    pub fn audit(mut self, sink: impl AuditSink) -> Self {
        self.options.audit = Some(Box::new(sink));
        self
    }

    /// A way of client authentication that the endpoint does not know itself (RFC 6749 section 2.3.2). Default: none.
    pub fn client_auth_method(mut self, method: impl ClientAuthMethod) -> Self {
        self.options.methods.push(Box::new(method));
        self
    }

    /// A grant type of your own (RFC 6749 section 4.5). Default: none.
    pub fn extension_grant(mut self, grant: impl ExtensionGrant) -> Self {
        self.options.extensions.push(Box::new(grant));
        self
    }

    /// Switches the password grant off: it is answered `unsupported_grant_type`. Default: on for clients that allow it.
    /// For the day after the last client has moved, while extension grants stay.
    pub fn without_password_grant(mut self) -> Self {
        self.options.password_grant = false;
        self
    }

    /// What a client without its own default gets when it asks for no scope, as far as it is registered for it. Default:
    /// none, so that such a request is refused.
    pub fn default_scope(mut self, scope: impl Into<String>) -> Self {
        self.options.default_scope = Some(scope.into());
        self
    }

    /// Refuses requests without a scope even where there is a default (RFC 6749 section 3.3). Default: off.
    pub fn require_scope(mut self) -> Self {
        self.options.missing_scope = MissingScope::Refuse;
        self
    }

    /// Issues tokens without a scope when none is asked for. Default: off. For systems that do not use scopes.
    pub fn scopeless(mut self) -> Self {
        self.options.missing_scope = MissingScope::Scopeless;
        self
    }

    /// The most that this endpoint grants, whatever clients are registered for; more is silently left out and `scope`
    /// in the answer says so. Default: no limit. RFC 6749 section 10.7 advises to keep this grant's scope small.
    pub fn scope_ceiling(mut self, scope: impl Into<String>) -> Self {
        self.options.ceiling = Some(scope.into());
        self
    }

    /// How long access tokens live, in whole seconds, for clients without their own lifetime. Default: one hour, the
    /// most that RFC 6750 section 5.3 advises.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.options.lifetime = lifetime;
        self
    }

    /// How the endpoint learns that a request came over TLS. Default: it does not ask.
    pub fn transport_security(mut self, policy: TransportSecurity) -> Self {
        self.options.transport = policy;
        self
    }

    /// The most bytes of a body. Default: 32 KiB. A larger one is answered 413 without being parsed.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.options.max_body = bytes;
        self
    }

    /// How long a body may take to arrive. Default: 10 seconds, then 408. `None` leaves it to an outer layer. Needs
    /// tokio's timer.
    pub fn body_deadline(mut self, deadline: Option<Duration>) -> Self {
        self.options.body_deadline = deadline;
        self
    }

    /// How long verifier, registry, issuer and limiter may take together. Default: 30 seconds, then 503; the attempt
    /// stays charged. `None` leaves it to an outer layer. Needs tokio's timer.
    pub fn deadline(mut self, deadline: Option<Duration>) -> Self {
        self.options.deadline = deadline;
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

    /// Refuses requests marked `Early-Data: 1` (RFC 8470) with 425. Default: off. For hosts whose proxy accepts TLS 1.3
    /// early data, which can be replayed.
    pub fn refuse_early_data(mut self) -> Self {
        self.options.refuse_early_data = true;
        self
    }

    /// A page about errors, sent as `error_uri` with each. Default: none.
    pub fn error_uri(mut self, uri: impl Into<String>) -> Self {
        self.options.error_uri = Some(uri.into());
        self
    }

    /// The `realm` of the Basic challenge. Default: `token endpoint`.
    pub fn challenge_realm(mut self, realm: impl Into<String>) -> Self {
        self.options.challenge_realm = realm.into();
        self
    }

    /// Choices that weaken the endpoint, apart from the others.
    pub fn danger(mut self, choose: impl FnOnce(Danger) -> Danger) -> Self {
        self.options.danger = choose(self.options.danger);
        self
    }

    /// Checks everything and gives the layer.
    ///
    /// # Errors
    /// The first thing that was wrong, with its cure.
    pub fn build(self) -> Result<PasswordGrantLayer, ConfigError>
    where
        C: HasClients,
        V: HasVerifier,
        I: HasIssuer,
    {
        let options = self.options;
        let paths = options.documents.iter().map(|(path, _)| path).chain([&options.token_path]);
        check_paths(paths)?;
        let peer = options.peer.ok_or(ConfigError::NoPeerAddress)?;
        if options.transport.needs_peer() && peer.is_unknown() {
            return Err(ConfigError::ProxiesWithoutPeer);
        }
        if options.lifetime < Duration::from_secs(1) {
            return Err(ConfigError::Lifetime(options.lifetime));
        }
        if options.max_body == 0 {
            return Err(ConfigError::BodyLimit);
        }
        if options.error_uri.as_deref().is_some_and(|uri| !is_uri_reference(uri)) {
            return Err(ConfigError::ErrorUri);
        }
        let default_scope = options.default_scope.map(parse_scope).transpose()?;
        let missing_scope = match (options.missing_scope, default_scope) {
            (MissingScope::ClientDefault, Some(scope)) => MissingScope::Default(scope),
            (other, _) => other,
        };
        let rules =
            Rules { missing_scope, ceiling: options.ceiling.map(parse_scope).transpose()?, lifetime: options.lifetime };
        let clock = options.clock.unwrap_or_else(|| Arc::new(SystemClock::new()));
        let limiter = options.limiter.unwrap_or_else(|| Box::new(MemoryLimiter::new().with_clock(Arc::clone(&clock))));
        telemetry::built(options.password_grant);
        let endpoint = Endpoint {
            registry: Box::new(self.clients),
            verifier: Box::new(self.verifier),
            issuer: Box::new(self.issuer),
            limiter,
            clock,
            auditor: Auditor::new(options.audit, *random_bytes()?),
            methods: options.methods,
            extensions: named(options.extensions)?,
            password_grant: options.password_grant.then(|| Arc::from(PASSWORD)),
            rules,
            peer,
            transport: options.transport,
            max_body: options.max_body,
            body_deadline: options.body_deadline,
            deadline: options.deadline,
            post_allowed: options.post_allowed,
            ignore_foreign_schemes: options.ignore_foreign_schemes,
            refuse_early_data: options.refuse_early_data,
            reveal_custom_denials: options.danger.reveal_custom_denials,
            error_uri: options.error_uri,
            challenge: challenge(&options.challenge_realm)?,
        };
        Ok(PasswordGrantLayer::new(Mount {
            token_path: options.token_path,
            endpoint: Arc::new(endpoint),
            documents: options.documents,
        }))
    }
}

fn check_paths<'a>(paths: impl Iterator<Item = &'a String>) -> Result<(), ConfigError> {
    let mut seen = std::collections::HashSet::new();
    for path in paths {
        let legal = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b));
        if !legal {
            return Err(ConfigError::Path(path.clone()));
        }
        if !seen.insert(path) {
            return Err(ConfigError::PathTwice(path.clone()));
        }
    }
    Ok(())
}

fn parse_scope(text: String) -> Result<Scope, ConfigError> {
    text.parse().map_err(|error| ConfigError::Scope(text, error))
}

fn named(grants: Vec<Box<dyn ExtensionGrant>>) -> Result<Vec<NamedGrant>, ConfigError> {
    let mut named: Vec<NamedGrant> = Vec::new();
    for grant in grants {
        let name = grant.grant_type();
        if !is_absolute_uri(name) {
            return Err(ConfigError::GrantType(name.to_owned()));
        }
        if named.iter().any(|(known, _)| **known == *name) {
            return Err(ConfigError::GrantTwice(name.to_owned()));
        }
        named.push((Arc::from(name), grant));
    }
    Ok(named)
}

fn challenge(realm: &str) -> Result<HeaderValue, ConfigError> {
    if !realm.bytes().all(is_nqschar) {
        return Err(ConfigError::ChallengeRealm);
    }
    HeaderValue::try_from(format!("Basic realm=\"{realm}\", charset=\"UTF-8\""))
        .map_err(|_| ConfigError::ChallengeRealm)
}

impl<C, V, I> fmt::Debug for Builder<C, V, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("token_path", &self.options.token_path).finish_non_exhaustive()
    }
}
