use std::sync::Arc;

use super::checks::{check_exempt, check_proxies, named, named_rules, routes, wording};
use super::config_error::ConfigError;
use super::flows::{checked, factor_audience, grants, is_unused_factor_grant};
use super::introspection_endpoint::IntrospectionEndpoint;
use super::layer::PasswordGrantLayer;
use super::metadata_document::EndpointFacts;
use super::mount::Mount;
use super::options::Options;
use super::realm_grant::RealmGrant;
use super::refresh_tokens::RefreshTokens;
use super::revocation_endpoint::RevocationEndpoint;
use crate::boundary::clock::SharedClock;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::verifier::CredentialVerifier;
use crate::conductor::access_tokens::AccessTokens;
use crate::conductor::answer::Answers;
use crate::conductor::budget::{Budget, BudgetSettings};
use crate::conductor::door::{ClientMethods, Clients, Door};
use crate::conductor::endpoint::Endpoint;
use crate::conductor::exchange::Exchange;
use crate::conductor::flows::introspection::IntrospectionFlow;
use crate::conductor::flows::mfa_challenge::ChallengeFlow;
use crate::conductor::flows::mfa_manage::ManagementFlow;
use crate::conductor::flows::presented::IssuedBefore;
use crate::conductor::flows::refresh::RefreshFlow;
use crate::conductor::flows::revocation::RevocationFlow;
use crate::conductor::gate::{Gate, HeadRules};
use crate::conductor::login::hearing::LoginRules;
use crate::conductor::login::mint::Mint;
use crate::conductor::login::rungs::{Parts, Rungs};
use crate::conductor::login::scales::{Exceptions, Scales, Screen};
use crate::conductor::login::users::Users;
use crate::conductor::misfits::{EndpointOffer, KeyedSides, Misfits};
use crate::conductor::notices::Notices;
use crate::conductor::senders::Senders;
use crate::conductor::throttle::Throttle;
use crate::limiter::memory::limiter::MemoryLimiter;
use crate::observe::audit::Auditor;
use crate::observe::telemetry;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy::{GrantRules, MissingScope};
use crate::protocol::factor::parameters::SECRETS;
use crate::protocol::scope::Scope;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::secrets::random_bytes;
use crate::protocol::secret::shared_key::KeyUse;
use crate::protocol::token::lifetime::lifetime;
use crate::protocol::wire::origin::OwnOrigin;

impl Options {
    /// Checks the settings, in themselves and against one another, and puts the endpoint together.
    pub(super) fn assemble(
        mut self,
        registry: Box<dyn ClientRegistry>,
        verifier: Box<dyn CredentialVerifier>,
        issuer: Box<dyn TokenIssuer>,
    ) -> Result<PasswordGrantLayer, ConfigError> {
        let extensions = named(self.extensions)?;
        let login_rules = named_rules(self.rules)?;
        self.tokens.check()?;
        let patience = self.limits.patience()?;
        let body = self.limits.body()?;
        let protection = self.protection;
        check_exempt(&protection.exempt)?;
        let shared = SharedClock::new(self.clock);
        let clock = Arc::clone(shared.clock());
        let shared_key = protection.shared_key.as_ref();
        let access = Arc::new(AccessTokens::new(self.tokens.access.take(), patience.access_tokens));
        let refresh = self.tokens.refresh.take();
        let refreshed_lifetime = refresh.as_ref().and_then(RefreshTokens::access_lifetime);
        let ends_denied = refresh.as_ref().is_some_and(RefreshTokens::ends_denied);
        let places = Keyed::new(shared_key, KeyUse::Places);
        let clients = registry.all_clients();
        let realms = verifier.realms();
        let factor_audience = match &self.second_factor {
            Some(_) => Some(factor_audience(self.tokens.issuer().or_else(|| issuer.issuer_identifier()))?),
            None => None,
        };
        let users = Users::new(verifier, patience.accounts, patience.verifier);
        let factors = self.second_factor.zip(factor_audience.as_ref());
        let factors =
            factors.map(|(given, audience)| checked(given, audience, &users, &patience, &clock)).transpose()?;
        let families = refresh.map(|tokens| tokens.families(&*issuer, &access, &clock, patience.refresh_store, places));
        // Everything that names the grants asks these for them.
        let realm_grant = RealmGrant::decide(self.password_grant, &extensions, clients.as_deref(), realms.as_deref());
        let fingerprints = Keyed::new(shared_key, KeyUse::Fingerprints);
        let refresh = families.clone().map(|families| RefreshFlow::new(families, ends_denied));
        let grants =
            grants(self.password_grant, realm_grant, refresh, extensions, factors.as_ref(), &fingerprints, &patience);
        let types: Vec<GrantType> = grants.types().collect();
        let facts = EndpointFacts {
            token_path: &self.token_path,
            revocation_path: self.tokens.revocation_path(),
            introspection_path: self.tokens.introspection_path(),
            factor_challenge_path: factors.as_ref().map(|_| self.factor_endpoints.challenge_path()),
            documents: &self.documents,
            grants: types
                .iter()
                .copied()
                .filter(|grant| realm_grant == RealmGrant::Advertised || !grant.names_realm())
                .filter(|grant| factors.is_none() || !is_unused_factor_grant(grant.name(), clients.as_deref()))
                .collect(),
            post_allowed: self.post_allowed,
            tokens: &*issuer,
        };
        let mut beside = self.tokens.served(&facts)?;
        if factors.is_some() {
            beside.extend(self.factor_endpoints.served());
        }
        let routes = routes(self.token_path.clone(), beside)?;
        let peer = self.peer.ok_or(ConfigError::NoPeerAddress)?;
        check_proxies(&peer, &self.transport)?;
        let public_url = self.public_url.as_deref().or_else(|| self.tokens.public_url());
        let own_origin = public_url.map(own_origin).transpose()?;
        let rules = GrantRules {
            profile: self.profile,
            missing_scope: self.missing_scope,
            scope_ceiling: self.scope_ceiling.map(parse_scope).transpose()?,
            factor_audience,
            lifetime: lifetime(self.lifetime)?,
            requires_sunset: self.requires_sunset,
            ramp: Keyed::shared_or_known(self.ramp_key.as_ref().or(shared_key), KeyUse::Ramp),
            refreshed_lifetime,
        };
        let request_ceiling = protection.request_ceiling.unwrap_or_default();
        request_ceiling.check()?;
        let revocation = self.tokens.revocation.unwrap_or_else(RevocationEndpoint::as_leaf);
        let serves_introspection = self.tokens.introspection.is_some();
        let introspection = self.tokens.introspection.unwrap_or_else(IntrospectionEndpoint::as_leaf);
        introspection.ceiling.check()?;
        let limiter = protection.limiter.unwrap_or_else(|| Box::new(MemoryLimiter::new()));
        limiter.validate()?;
        let audit_key = shared_key.map_or_else(random_bytes, |key| Ok(key.for_purpose(KeyUse::Accounts)))?;
        let auditor = Arc::new(Auditor::new(self.audit, self.usage, audit_key));
        let wording = wording(self.profile, &self.challenge_realm, self.error_uri)?;
        let formats = wording.formats;
        let answers = Answers::new(wording, Arc::clone(&auditor), Arc::clone(&clock));
        let reveals_denials = self.danger.reveal_custom_denials;
        let begins_password_logins = types.iter().any(|grant| grant.begins_password_login());
        let offer = EndpointOffer {
            grants: types,
            refresh_tokens: families.is_some(),
            id_tokens: !issuer.id_token_algorithms().is_empty(),
            is_apart: families.as_ref().is_some_and(|families| families.are_apart_from_the_issuer()),
            introspection: serves_introspection,
            second_factors: factors.is_some(),
            access_tokens: access.are_known(),
            can_recheck: users.can_recheck(),
            secrets_in_body: self.post_allowed,
            scopeless: rules.missing_scope == MissingScope::Scopeless,
            profile: rules.profile,
            scope_ceiling: rules.scope_ceiling.clone(),
            requires_sunset: rules.requires_sunset,
            sunset_exceptions: self.sunset_exceptions.is_some(),
            keyed_sides: KeyedSides::of(shared_key.is_some(), limiter.has_shared_key()),
            realms,
        };
        let misfits = Misfits::new(offer, Arc::clone(&clock), clients.as_deref());

        let gate = Gate::new(
            Senders::new(peer, self.end_user_header, protection.exempt),
            Throttle::new(request_ceiling, introspection.ceiling, Arc::clone(&clock)),
            HeadRules { transport: self.transport, own_origin, refuse_early_data: self.refuse_early_data, formats },
            body,
        );
        let budget = Arc::new(Budget::new(
            limiter,
            patience.limiter,
            Notices::new(protection.notifier),
            BudgetSettings { conceals_account_locks: protection.conceals_account_locks, deadline: self.limits.whole() },
            shared.clone(),
        ));
        let wall = Arc::clone(&clock);
        let known = Clients { registry, patience: patience.registry, misfits, now: Box::new(move || wall.now()) };
        let methods = ClientMethods {
            own: self.methods,
            patience: patience.client_method,
            post_allowed: self.post_allowed,
            ignore_foreign_schemes: self.ignore_foreign_schemes,
            hidden: if factors.is_some() { &SECRETS } else { &[] },
        };
        let management = factors.as_ref().zip(rules.factor_audience.clone()).map(|(factors, audience)| {
            let (factors, access, budget) = (Arc::clone(factors), Arc::clone(&access), Arc::clone(&budget));
            Box::new(ManagementFlow { factors, access, audience, budget })
        });
        let tokens = IssuedBefore { families: families.clone(), access: Arc::clone(&access) };
        let exchange = Exchange {
            gate,
            door: Door::new(known, methods, Arc::clone(&budget)),
            grants,
            revocation: RevocationFlow::new(tokens.clone(), Arc::clone(&budget), revocation.access_token_ends_family),
            challenge: factors
                .as_ref()
                .map(|factors| Box::new(ChallengeFlow::new(Arc::clone(factors), Arc::clone(&budget)))),
            management,
            introspection: IntrospectionFlow::new(tokens, Arc::clone(&clock), introspection.max_age),
            rungs: Rungs::new(Parts {
                budget,
                users,
                scales: Scales::new(
                    self.sunset_exceptions.map(|by| Exceptions { by, patience: patience.exceptions }),
                    self.shield.map(|(shield, on_leak)| Screen { shield, on_leak }),
                    LoginRules::new(
                        login_rules,
                        patience.rule,
                        reveals_denials || self.profile.reveals_denials_of_rules(),
                    ),
                    reveals_denials,
                ),
                mint: Mint::new(issuer, patience.issuer),
                families,
                access,
                factors,
                rules,
                clock,
                auditor,
            }),
        };
        // Only now: a builder that fails serves nothing.
        telemetry::built(begins_password_logins);
        tell_other_clocks(&exchange.rungs, &shared);
        exchange.door.misfits().tell_all(clients.as_deref());
        let endpoint = Arc::new(Endpoint::new(exchange, answers, self.limits.whole()));
        Ok(PasswordGrantLayer::new(Mount { routes, endpoint }))
    }
}

/// Warns about the parts that go by a clock of their own.
fn tell_other_clocks(rungs: &Rungs, shared: &SharedClock) {
    rungs
        .follow_clock(shared)
        .iter()
        .filter(|(_, follows)| !follows)
        .for_each(|(part, _)| telemetry::other_clock(part));
}

fn parse_scope(text: String) -> Result<Scope, ConfigError> {
    text.parse().map_err(|error| ConfigError::Scope(text, error))
}

fn own_origin(url: &str) -> Result<OwnOrigin, ConfigError> {
    OwnOrigin::of_url(url).ok_or_else(|| ConfigError::PublicUrl(url.to_owned()))
}
