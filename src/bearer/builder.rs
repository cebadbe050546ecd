use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::answer::Challenge;
use super::cache::TokenCache;
use super::config_error::BearerConfigError;
use super::guard::BearerGuard;
use super::refusal::BearerRefusal;
use super::route_rules::{GuardParts, GuardRealm, OnRefusal, RouteRules};
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::clock::{Clock, SharedClock};
use crate::observe::telemetry;
use crate::protocol::wire::charset::is_nqschar;
use crate::protocol::wire::uri::is_absolute_uri;

/// Puts a [`BearerGuard`] together. Required is [`audience`](Self::audience) or [`any_audience`](Self::any_audience).
#[must_use]
pub struct BearerGuardBuilder {
    verifier: Box<dyn AccessTokenVerifier>,
    audience: Vec<String>,
    any_audience: bool,
    realm: GuardRealm,
    challenge_realm: String,
    resource_metadata: Option<String>,
    cache: Option<TokenCache>,
    clock: Option<Arc<dyn Clock>>,
    deadline: Duration,
    on_refusal: Option<OnRefusal>,
}

impl BearerGuardBuilder {
    pub(super) fn new(verifier: impl AccessTokenVerifier) -> Self {
        Self {
            verifier: Box::new(verifier),
            audience: Vec::new(),
            any_audience: false,
            realm: GuardRealm::None,
            challenge_realm: "api".to_owned(),
            resource_metadata: None,
            cache: None,
            clock: None,
            deadline: Duration::from_secs(5),
            on_refusal: None,
        }
    }

    /// The name of this API in the audience of its tokens, compared byte by byte. Called again, another name of it: one of
    /// them must be there. A token that names no audience is refused. Required, because a token that was given for one API
    /// must not open another (RFC 9700 section 2.3).
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience.push(audience.into());
        self
    }

    /// Takes tokens for any audience, and those that name none. Default: not said, and then
    /// [`audience`](Self::audience) is required. Change it when your issuer serves this API alone. Of an endpoint with
    /// [second factors](crate::Builder::second_factor) it takes the tokens for `<issuer>/mfa/`, too, which have scopes of that API
    /// alone: so [require a scope](super::BearerGuard::require_scope) of your own.
    pub fn any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// The realm (directory of users) that the token's user must be of: that of [`Grant::realm`](crate::Grant::realm). Not to be
    /// confused with [`challenge_realm`](Self::challenge_realm). Replaces what was set before. Default: tokens of no realm, which
    /// are those of clients that list none, and no others.
    pub fn token_realm(self, realm: impl Into<String>) -> Self {
        self.token_realms([realm])
    }

    /// The realms (directories of users) of one of which the token's user must be. Replaces what was set before. Default: see
    /// [`token_realm`](Self::token_realm). Change it when the API serves several realms whose users have different subjects, as
    /// those of [`Realms`](crate::realms::Realms) have.
    ///
    /// # Errors
    /// [`build`](Self::build) refuses an empty list.
    pub fn token_realms<S: Into<String>>(mut self, realms: impl IntoIterator<Item = S>) -> Self {
        self.realm = GuardRealm::OneOf(realms.into_iter().map(Into::into).collect());
        self
    }

    /// Takes tokens of every realm. Default: see [`token_realm`](Self::token_realm). Change it when the API itself keeps the
    /// realms apart, by [`Principal::realm`](crate::store::AccessTokenRecord::realm): one subject's identifier may stand for
    /// different people in two realms.
    pub fn any_token_realm(mut self) -> Self {
        self.realm = GuardRealm::Any;
        self
    }

    /// The `realm` of the challenge (RFC 6750 section 3): a name of the protected space for people to read. Default: `api`.
    pub fn challenge_realm(mut self, realm: impl Into<String>) -> Self {
        self.challenge_realm = realm.into();
        self
    }

    /// Where this API's metadata is, named in each challenge (RFC 9728 section 5.1). Default: not named.
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// Remembers for a short while which tokens were good. All clones of the guard share it. Default: every token is looked
    /// up for every request, so that a revocation is seen at once. Change it when look-ups cost more than the delay; see
    /// [`TokenCache`] for what it is.
    pub fn cache(mut self, cache: TokenCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// How long a look-up may take before the answer is 503. Default: 5 seconds. Change it to less than what your clients
    /// wait for; it must stay above the deadlines of what the verifier asks, such as that of an
    /// [introspection client](super::IntrospectionClient::with_deadline).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Gets each refusal, for your logs and metrics: the client does not learn what went wrong inside. It must not block.
    /// Default: none.
    pub fn on_refusal(mut self, told: impl Fn(&BearerRefusal) + Send + Sync + 'static) -> Self {
        self.on_refusal = Some(Box::new(told));
        self
    }

    /// The clocks, of the guard and of its verifier if that was given none: see [`Clock`]. Default: the operating
    /// system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// Checks everything and gives the guard.
    ///
    /// # Errors
    /// The first thing that was wrong, with its cure.
    pub fn build(self) -> Result<BearerGuard, BearerConfigError> {
        match (self.audience.is_empty(), self.any_audience) {
            (true, false) => return Err(BearerConfigError::NoAudience),
            (false, true) => return Err(BearerConfigError::Audiences),
            _ if self.audience.iter().any(String::is_empty) => return Err(BearerConfigError::EmptyAudience),
            _ => {}
        }
        if matches!(&self.realm, GuardRealm::OneOf(realms) if realms.is_empty()) {
            return Err(BearerConfigError::NoRealm);
        }
        if self.challenge_realm.is_empty() || !self.challenge_realm.bytes().all(is_nqschar) {
            return Err(BearerConfigError::ChallengeRealm);
        }
        if self.resource_metadata.as_ref().is_some_and(|url| !is_absolute_uri(url)) {
            return Err(BearerConfigError::ResourceMetadata);
        }
        if self.deadline.is_zero() {
            return Err(BearerConfigError::Deadline);
        }
        if self.cache.as_ref().is_some_and(TokenCache::is_empty) {
            return Err(BearerConfigError::Cache);
        }
        let clock = SharedClock::new(self.clock);
        if !self.verifier.follow_clock(&clock) {
            telemetry::other_clock("the verifier of access tokens");
        }
        let parts = GuardParts {
            verifier: self.verifier,
            audience: self.audience,
            realm: self.realm,
            challenge: Challenge { realm: self.challenge_realm, resource_metadata: self.resource_metadata },
            cache: self.cache,
            clock: Arc::clone(clock.clock()),
            deadline: self.deadline,
            on_refusal: self.on_refusal,
        };
        Ok(BearerGuard { rules: Arc::new(RouteRules::new(parts)) })
    }
}

impl fmt::Debug for BearerGuardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerGuardBuilder").field("audience", &self.audience).finish_non_exhaustive()
    }
}
