use std::sync::Arc;
use std::time::Duration;

use super::checks::{check_proxies, is_narrow, named, routes, wording};
use super::config_error::ConfigError;
use super::layer::PasswordGrantLayer;
use super::metadata::Facts;
use super::mount::Mount;
use super::options::Options;
use crate::boundary::clock::SharedClock;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::registry::ClientRegistry;
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
use crate::protection::limiter::MemoryLimiter;
use crate::protocol::grant_type::GrantType;
use crate::protocol::keyed::Keyed;
use crate::protocol::origin::OwnOrigin;
use crate::protocol::policy::{MissingScope, Rules};
use crate::protocol::scope::Scope;
use crate::protocol::secrets::random_bytes;
use crate::protocol::shared_key::Purpose;

impl Options {
    /// Checks the settings, in themselves and against one another, and puts the endpoint together.
    pub(super) fn assemble(
        mut self,
        registry: Box<dyn ClientRegistry>,
        verifier: Box<dyn CredentialVerifier>,
        issuer: Box<dyn TokenIssuer>,
    ) -> Result<PasswordGrantLayer, ConfigError> {
        let extensions = named(self.extensions)?;
        let password_grant = self.password_grant.then(GrantType::password);
        let refresh_grant = self.tokens.refresh.as_ref().map(|_| GrantType::refresh());
        let grants = password_grant.iter().chain(&refresh_grant).chain(extensions.iter().map(|(grant, _)| grant));
        let grants: Vec<GrantType> = grants.cloned().collect();
        let facts = Facts {
            token_path: &self.token_path,
            revocation_path: self.tokens.revocation_path.as_deref(),
            introspection_path: self.tokens.introspection_path.as_deref(),
            grants: &grants,
            post_allowed: self.post_allowed,
        };
        let others = self.tokens.served(&facts, self.documents)?;
        let routes = routes(self.token_path.clone(), others)?;
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
        let can_recheck = Recheck::is_answered_by(&*verifier);
        let clients = registry.all_clients();
        let begins_password_logins = grants.iter().any(GrantType::begins_password_login);
        let offer = Offer {
            grants,
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
            refresh: self.tokens.refresh_tokens(&*clock, Keyed::new(shared_key, Purpose::Places)),
            clock,
            access: self.tokens.access,
            care: self.tokens.care,
            password_grant,
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
        telemetry::built(begins_password_logins);
        parts.iter().filter(|(_, follows)| !follows).for_each(|(part, _)| telemetry::other_clock(part));
        endpoint.misfits.tell_all(clients.as_deref());
        Ok(PasswordGrantLayer::new(Mount { routes, endpoint: Arc::new(endpoint) }))
    }
}

fn parse_scope(text: String) -> Result<Scope, ConfigError> {
    text.parse().map_err(|error| ConfigError::Scope(text, error))
}

fn own_origin(url: &str) -> Result<OwnOrigin, ConfigError> {
    OwnOrigin::of_url(url).ok_or_else(|| ConfigError::PublicUrl(url.to_owned()))
}
