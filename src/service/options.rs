use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

use super::checks::{check_paths, check_proxies, is_narrow, named, wording};
use super::config_error::ConfigError;
use super::danger::Danger;
use super::deadlines::Deadlines;
use super::layer::PasswordGrantLayer;
use super::metadata::Facts;
use super::mount::Mount;
use super::token_options::TokenOptions;
use crate::boundary::audit::AuditSink;
use crate::boundary::auth_method::ClientAuthMethod;
use crate::boundary::clock::{Clock, SharedClock};
use crate::boundary::document::PublicDocument;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::notifier::LockNotifier;
use crate::boundary::peer::PeerAddress;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::shield::{OnLeak, Shield};
use crate::boundary::transport::TransportSecurity;
use crate::boundary::verifier::{CredentialVerifier, Recheck};
use crate::conductor::answer::Answers;
use crate::conductor::ceilings::Ceilings;
use crate::conductor::endpoint::Endpoint;
use crate::conductor::gate::{BodyLimits, Gate, HeadRules};
use crate::conductor::misfits::{Misfits, Offer};
use crate::conductor::senders::Senders;
use crate::conductor::weigh::Screen;
use crate::observe::audit::Auditor;
use crate::observe::telemetry;
use crate::protection::ceiling::{IntrospectionCeiling, RequestCeiling};
use crate::protection::limiter::MemoryLimiter;
use crate::protocol::client::PASSWORD;
use crate::protocol::keyed::Keyed;
use crate::protocol::origin::OwnOrigin;
use crate::protocol::policy::{MissingScope, Rules};
use crate::protocol::profile::Profile;
use crate::protocol::rfc6749::RFC_6749;
use crate::protocol::scope::Scope;
use crate::protocol::secrets::random_bytes;
use crate::protocol::shared_key::{Purpose, SharedKey};

/// Everything that a builder was told besides its three required parts.
pub(super) struct Options {
    pub(super) token_path: String,
    pub(super) tokens: TokenOptions,
    pub(super) documents: Vec<(String, Arc<dyn PublicDocument>)>,
    pub(super) limiter: Option<Box<dyn AttemptLimiter>>,
    pub(super) clock: Option<Arc<dyn Clock>>,
    pub(super) audit: Option<Box<dyn AuditSink>>,
    pub(super) shield: Option<(Box<dyn Shield>, OnLeak)>,
    pub(super) methods: Vec<Box<dyn ClientAuthMethod>>,
    pub(super) extensions: Vec<Box<dyn ExtensionGrant>>,
    pub(super) password_grant: bool,
    pub(super) default_scope: Option<String>,
    pub(super) require_scope: bool,
    pub(super) scopeless: bool,
    pub(super) ceiling: Option<String>,
    pub(super) lifetime: Duration,
    pub(super) peer: Option<PeerAddress>,
    pub(super) exempt: Vec<IpNet>,
    pub(super) request_ceiling: Option<RequestCeiling>,
    pub(super) introspection_ceiling: IntrospectionCeiling,
    pub(super) notifier: Option<Box<dyn LockNotifier>>,
    pub(super) conceals_account_locks: bool,
    pub(super) end_user_header: HeaderName,
    pub(super) transport: TransportSecurity,
    pub(super) public_url: Option<String>,
    pub(super) max_body: usize,
    pub(super) deadlines: Deadlines,
    pub(super) post_allowed: bool,
    pub(super) ignore_foreign_schemes: bool,
    pub(super) refuse_early_data: bool,
    pub(super) profile: Profile,
    pub(super) error_uri: Option<String>,
    pub(super) challenge_realm: String,
    pub(super) shared_key: Option<SharedKey>,
    pub(super) danger: Danger,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token_path: "/oauth/token".to_owned(),
            tokens: TokenOptions::default(),
            documents: Vec::new(),
            limiter: None,
            clock: None,
            audit: None,
            shield: None,
            methods: Vec::new(),
            extensions: Vec::new(),
            password_grant: true,
            default_scope: None,
            require_scope: false,
            scopeless: false,
            ceiling: None,
            lifetime: Duration::from_secs(3600),
            peer: None,
            exempt: Vec::new(),
            request_ceiling: None,
            introspection_ceiling: IntrospectionCeiling::none(),
            notifier: None,
            conceals_account_locks: false,
            end_user_header: HeaderName::from_static("auth0-forwarded-for"),
            transport: TransportSecurity::unchecked(),
            public_url: None,
            max_body: 32 * 1024,
            deadlines: Deadlines::default(),
            post_allowed: true,
            ignore_foreign_schemes: false,
            refuse_early_data: false,
            profile: RFC_6749,
            error_uri: None,
            challenge_realm: "token endpoint".to_owned(),
            shared_key: None,
            danger: Danger::default(),
        }
    }
}

impl Options {
    /// Checks the settings, in themselves and against one another, and puts the endpoint together.
    pub(super) fn assemble(
        mut self,
        registry: Box<dyn ClientRegistry>,
        verifier: Box<dyn CredentialVerifier>,
        issuer: Box<dyn TokenIssuer>,
    ) -> Result<PasswordGrantLayer, ConfigError> {
        let facts = Facts {
            token_path: &self.token_path,
            revocation_path: self.tokens.revocation_path.as_deref(),
            introspection_path: self.tokens.introspection_path.as_deref(),
            password_grant: self.password_grant,
            refresh_grant: self.tokens.refresh.is_some(),
            extension_grants: self.extensions.iter().map(|grant| grant.grant_type()).collect(),
            post_allowed: self.post_allowed,
        };
        let others = self.tokens.served(&facts, self.documents)?;
        check_paths(others.iter().map(|(path, _)| path).chain([&self.token_path]))?;
        let peer = self.peer.ok_or(ConfigError::NoPeerAddress)?;
        if let Some(network) = self.exempt.iter().find(|network| !is_narrow(network)) {
            return Err(ConfigError::ExemptNetwork(*network));
        }
        check_proxies(&peer, &self.transport)?;
        if self.lifetime < Duration::from_secs(1) {
            return Err(ConfigError::Lifetime(self.lifetime));
        }
        let patience = self.deadlines.patience()?;
        if self.max_body == 0 {
            return Err(ConfigError::BodyLimit);
        }
        let public_url = self.public_url.as_deref().or_else(|| self.tokens.public_url());
        let own_origin = public_url.map(own_origin).transpose()?;
        let default_scope = self.default_scope.map(parse_scope).transpose()?;
        let missing_scope = match (self.scopeless, self.require_scope, default_scope) {
            (false, true, _) => MissingScope::Refuse,
            (false, false, Some(scope)) => MissingScope::Default(scope),
            (false, false, None) => MissingScope::ClientDefault,
            (true, false, None) => MissingScope::Scopeless,
            (true, ..) => return Err(ConfigError::Scopeless),
        };
        let rules = Rules {
            missing_scope,
            ceiling: self.ceiling.map(parse_scope).transpose()?,
            lifetime: self.lifetime,
            refreshed_lifetime: self.tokens.refreshed_lifetime,
        };
        let request_ceiling = self.request_ceiling.unwrap_or_default();
        request_ceiling.check()?;
        self.introspection_ceiling.check()?;
        let shared = SharedClock::new(self.clock);
        let clock = Arc::clone(shared.clock());
        let limiter = self.limiter.unwrap_or_else(|| Box::new(MemoryLimiter::new()));
        limiter.validate()?;
        let shared_key = self.shared_key.as_ref();
        let audit_key = shared_key.map_or_else(random_bytes, |key| Ok(key.for_purpose(Purpose::Accounts)))?;
        let grant_enabled = self.password_grant;
        let can_recheck = Recheck::is_answered_by(&*verifier);
        let clients = registry.all_clients();
        let extensions = named(self.extensions)?;
        let offer = Offer {
            extension_grants: extensions.iter().map(|(name, _)| Arc::clone(name)).collect(),
            refresh_tokens: self.tokens.refresh.is_some(),
            introspection: self.tokens.introspection_path.is_some(),
            access_tokens: self.tokens.access.is_some(),
            can_recheck,
            secrets_in_body: self.post_allowed,
            scopeless: self.scopeless,
            ceiling: rules.ceiling.clone(),
        };
        let gate = Gate::new(
            Senders::new(peer, self.end_user_header, self.exempt),
            Ceilings::new(request_ceiling, self.introspection_ceiling, Arc::clone(&clock)),
            HeadRules { transport: self.transport, own_origin, refuse_early_data: self.refuse_early_data },
            BodyLimits { size: self.max_body, deadline: self.deadlines.body },
        );
        let endpoint = Endpoint {
            gate,
            registry,
            misfits: Misfits::new(offer, Arc::clone(&clock), clients.as_deref()),
            can_recheck,
            verifier,
            issuer,
            limiter,
            auditor: Auditor::new(self.audit, audit_key),
            screen: self.shield.map(|(shield, on_leak)| Screen { shield, on_leak }),
            methods: self.methods,
            extensions,
            refresh: self.tokens.refresh_tokens(&*clock),
            clock,
            access: self.tokens.access,
            care: self.tokens.care,
            password_grant: self.password_grant.then(|| Arc::from(PASSWORD)),
            rules,
            notifier: self.notifier,
            fingerprints: Keyed::new(shared_key, Purpose::Fingerprints),
            deadline: self.deadlines.whole,
            patience,
            post_allowed: self.post_allowed,
            ignore_foreign_schemes: self.ignore_foreign_schemes,
            reveal_custom_denials: self.danger.reveal_custom_denials,
            conceals_account_locks: self.conceals_account_locks,
            answers: Answers::new(wording(self.profile, &self.challenge_realm, self.error_uri)?),
        };
        let parts = [
            ("the issuer", endpoint.issuer.follow_clock(&shared)),
            ("the attempt limiter", endpoint.limiter.follow_clock(&shared)),
            ("the refresh token store", endpoint.refresh.as_ref().is_none_or(|own| own.store.follow_clock(&shared))),
            ("the verifier of access tokens", endpoint.access.as_ref().is_none_or(|own| own.follow_clock(&shared))),
        ];
        // Only now: a builder that fails serves nothing.
        telemetry::built(grant_enabled);
        parts.iter().filter(|(_, follows)| !follows).for_each(|(part, _)| telemetry::other_clock(part));
        endpoint.misfits.tell_all(clients.as_deref());
        Ok(PasswordGrantLayer::new(Mount { token_path: self.token_path, endpoint: Arc::new(endpoint), others }))
    }
}

fn parse_scope(text: String) -> Result<Scope, ConfigError> {
    text.parse().map_err(|error| ConfigError::Scope(text, error))
}

fn own_origin(url: &str) -> Result<OwnOrigin, ConfigError> {
    OwnOrigin::of_url(url).ok_or_else(|| ConfigError::PublicUrl(url.to_owned()))
}
