use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::builder::BearerGuardBuilder;
use super::route_needs::{RouteNeeds, SecondFactorNeeded};
use super::route_rules::RouteRules;
use crate::boundary::access::AccessTokenVerifier;
use crate::protocol::scope::ScopeError;

/// Lets only requests with a good bearer token through to an API (RFC 6750), and names the caller to the API: a layer for
/// axum, tonic and plain hyper.
///
/// A request that passes carries a [`Principal`](super::Principal) in its extensions.
///
/// ```
/// use std::sync::Arc;
/// use axum::routing::{get, post};
/// use axum::{Extension, Router};
/// use tower_password_grant::OpaqueIssuer;
/// use tower_password_grant::bearer::{BearerGuard, Principal};
/// use tower_password_grant::store::MemoryAccessTokens;
///
/// // The same one goes to the token endpoint: `.issuer(Arc::clone(&tokens))`.
/// let tokens = OpaqueIssuer::new(MemoryAccessTokens::new());
/// let tokens = Arc::new(tokens.with_audience(["https://api.example"]));
/// let guard = BearerGuard::builder(tokens).audience("https://api.example").build()?;
///
/// let me = |Extension(caller): Extension<Principal>| async move {
///     caller.subject_id().to_owned()
/// };
/// let app: Router = Router::new()
///     .route("/api/me", get(me).layer(guard.require_scope("read")?))
///     .route("/api/me", post(me).layer(guard.require_scope("write")?.without_cache()));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # What it answers
///
/// | Request | HTTP | gRPC |
/// |---|---|---|
/// | no `Authorization` header, or another scheme | 401, challenge without an error | 16 `UNAUTHENTICATED` |
/// | two `Authorization` headers; `Bearer` without a token or with several parts | 400 `invalid_request` | 16 |
/// | a token that is malformed, unknown, expired, revoked, bound to a key, for another audience or realm | 401 `invalid_token` | 16 |
/// | a good token with too little scope | 403 `insufficient_scope`, with the `scope` that is needed | 7 `PERMISSION_DENIED` |
/// | a good token without the [second factor](Self::require_second_factor) that is needed | 401 `insufficient_user_authentication`, with `acr_values` and `max_age` | 16, with this word in the message |
/// | a good token, and everything that [`optional`](Self::optional) lets through | the inner service's answer, untouched | the same |
/// | the verifier's backend fails or is too slow | 503 with `Retry-After` | 14 `UNAVAILABLE` |
/// | the verifier has a [fault](crate::error::BackendErrorKind::Fault) or panics | 500 | 13 `INTERNAL` |
///
/// Its own answers are `no-store`, and each 400, 401 and 403 has one `WWW-Authenticate: Bearer` challenge. A request whose
/// `Content-Type` is `application/grpc` is answered in gRPC's way: HTTP 200 with `grpc-status` in the head and no body.
///
/// # What passes without a token
///
/// CORS preflight requests, because browsers send them without credentials: `OPTIONS` with `Origin` and
/// `Access-Control-Request-Method`, without `Content-Type` and without a body. They carry no principal; nothing but your CORS
/// layer should answer them. Anybody can send one, so where something behind the guard acts whatever the method is, as tonic's
/// services, axum's `any` and every `service_fn` of hyper or tower do, [refuse them](Self::refuse_preflight) and put the CORS
/// layer before the guard: `.layer(guard.refuse_preflight())`. [Mounting](crate::manual::mounting#a-guard-on-hyper) shows it.
///
/// # What is not read
///
/// Tokens in the query, the body or cookies (RFC 6750 sections 2.2, 2.3 and 5.3), and headers such as `X-User`.
///
/// # Runtime
///
/// A verifier that is not ready at once needs tokio's timer. It is called with the request's own task: when the client hangs
/// up, the look-up is dropped.
#[derive(Clone)]
pub struct BearerGuard {
    pub(super) rules: Arc<RouteRules>,
}

impl BearerGuard {
    /// A builder of a guard over `verifier`, which says what a token stands for:
    /// [`OpaqueIssuer`](crate::OpaqueIssuer), `JwtVerifier` (feature `jwt`) or
    /// [`IntrospectionClient`](super::IntrospectionClient).
    pub fn builder(verifier: impl AccessTokenVerifier) -> BearerGuardBuilder {
        BearerGuardBuilder::new(verifier)
    }

    fn changed(&self, change: impl FnOnce(&mut RouteRules)) -> Self {
        let mut rules = RouteRules::clone(&self.rules);
        change(&mut rules);
        Self { rules: Arc::new(rules) }
    }

    /// The guard of a route that needs this scope: all of the tokens in it, and those that the guard needed before. Default:
    /// any scope passes.
    ///
    /// # Errors
    /// Fails when it is no scope (RFC 6749 A.4).
    pub fn require_scope(&self, scope: &str) -> Result<Self, ScopeError> {
        let before = &self.rules.needs().scope;
        let both = if before.is_empty() { scope.to_owned() } else { format!("{before} {scope}") };
        let scope = both.parse()?;
        Ok(self.needing(|needs| needs.scope = scope))
    }

    fn needing(&self, change: impl FnOnce(&mut RouteNeeds)) -> Self {
        let mut needs = self.rules.needs().clone();
        change(&mut needs);
        Self { rules: Arc::new(self.rules.with_needs(needs)) }
    }

    /// The guard of a route that needs a second factor (RFC 9470): a token whose user was authenticated in
    /// [two ways at least](crate::token::AuthenticationMethods::has_second_factor), as its record or its claims `amr` and `acr`
    /// say. With `max_age` that was so long ago at most, in whole seconds, by `auth_time`, which no refresh makes later; a token
    /// without `auth_time` is then refused. Of two calls both count, and so the shorter time. Default: how the user was
    /// authenticated does not matter. Change it for what a stolen password must not open, with some minutes for what a stolen
    /// token must not either.
    ///
    /// The challenge names what is missing in `acr_values`, the value of OpenID's PAPE that tokens have in `acr`, and `max_age`. A
    /// client answers it with a new login, of which a [rule](crate::rules::Ruling) or the endpoint demands the factor.
    #[must_use]
    pub fn require_second_factor(&self, max_age: Option<Duration>) -> Self {
        let needed = SecondFactorNeeded::within(max_age);
        self.needing(|needs| {
            needs.second_factor = Some(needs.second_factor.map_or(needed, |before| before.and(needed)))
        })
    }

    /// The guard of a route on which each token is looked up anew, so that a revocation is seen at once. Default: what
    /// [`cache`](BearerGuardBuilder::cache) says.
    #[must_use]
    pub fn without_cache(&self) -> Self {
        self.changed(|rules| rules.is_cached = false)
    }

    /// The guard of a route that is open to all and knows some: requests without credentials, or with those of another
    /// scheme, pass without a principal. A bad bearer token is refused all the same. Default: credentials are needed.
    #[must_use]
    pub fn optional(&self) -> Self {
        self.changed(|rules| rules.is_optional = true)
    }

    /// The guard of a route on which CORS preflight requests need a token like all others. Default: they
    /// [pass](Self#what-passes-without-a-token). Change it for gRPC services and for the `service_fn` of
    /// plain hyper, which take every method for a call, and for other handlers of every method; a CORS layer has its place before the guard then.
    #[must_use]
    pub fn refuse_preflight(&self) -> Self {
        self.changed(|rules| rules.passes_preflight = false)
    }
}

impl fmt::Debug for BearerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerGuard")
            .field("audience", &self.rules.parts.audience)
            .field("token_realm", &self.rules.parts.realm)
            .field("scope", &self.rules.needs().scope)
            .field("second_factor", &self.rules.needs().second_factor)
            .field("cache", &self.rules.parts.cache.as_ref().filter(|_| self.rules.is_cached))
            .field("optional", &self.rules.is_optional)
            .field("passes_preflight", &self.rules.passes_preflight)
            .finish_non_exhaustive()
    }
}
