//! Which grant and which scope (RFC 6749 sections 3.3, 4.3 and 5.2).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::client::{Client, PASSWORD};
use super::credentials::AuthenticatedClient;
use super::error::Reason;
use super::family::RefreshFamily;
use super::grant::{Grant, Subject};
use super::scope::Scope;

/// What happens to a request that asks for no scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MissingScope {
    /// The client's default, else this one, else the request is refused.
    ClientDefault,
    Default(Scope),
    /// Refused, whatever defaults there are.
    Refuse,
    /// Tokens without scope.
    Scopeless,
}

/// The rules of the endpoint for its grants.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) missing_scope: MissingScope,
    /// More than this is never granted by this endpoint.
    pub(crate) ceiling: Option<Scope>,
    pub(crate) lifetime: Duration,
    /// Of access tokens that a refresh gives, if it is another one.
    pub(crate) refreshed_lifetime: Option<Duration>,
}

/// What an authenticated client may have, once the resource owner is authenticated too.
#[derive(Debug)]
pub(crate) struct Terms {
    client: Client,
    grant_type: Arc<str>,
    scope: Scope,
    ceiling: Option<Scope>,
    lifetime: Duration,
}

/// Whether the client may use this grant type today.
pub(crate) fn permit_grant(
    client: AuthenticatedClient,
    grant_type: &str,
    now: SystemTime,
) -> Result<AuthenticatedClient, Reason> {
    let known = client.client();
    if !known.allows_grant(grant_type) {
        return Err(Reason::GrantNotAllowed);
    }
    // The date ends the password grant only.
    if grant_type == PASSWORD && known.sunset().is_some_and(|sunset| now >= sunset.end()) {
        return Err(Reason::GrantSunset);
    }
    Ok(client)
}

/// Decides the scope. Consumes the authenticated client: there are no terms without one.
pub(crate) fn authorise(
    client: AuthenticatedClient,
    grant_type: &Arc<str>,
    requested: Option<&str>,
    rules: &Rules,
) -> Result<Terms, Reason> {
    let client = client.into_client();
    let scope = match requested {
        Some(text) => {
            let scope: Scope = text.parse().map_err(|_| Reason::MalformedScope)?;
            if !scope.is_subset(client.scopes()) {
                return Err(Reason::ScopeNotRegistered);
            }
            scope
        }
        None => match (&rules.missing_scope, client.default_scope()) {
            (MissingScope::Scopeless, _) => Scope::default(),
            (MissingScope::Refuse, _) => return Err(Reason::NoScope),
            // Within the registered scope: the client could not have been built otherwise.
            (_, Some(default)) => default.clone(),
            (MissingScope::Default(default), None) => default.intersection(client.scopes()),
            (MissingScope::ClientDefault, None) => return Err(Reason::NoScope),
        },
    };
    if scope.is_empty() && rules.missing_scope != MissingScope::Scopeless {
        return Err(Reason::NoScope);
    }
    let lifetime = client.lifetime().unwrap_or(rules.lifetime);
    Ok(Terms { client, grant_type: Arc::clone(grant_type), scope, ceiling: rules.ceiling.clone(), lifetime })
}

/// What a refresh may give, once the user's standing is known: never more than the login gave.
#[derive(Debug)]
pub(crate) struct Renewal {
    terms: Terms,
    family: RefreshFamily,
}

/// Decides what a refresh may give (RFC 6749 section 6). The registration of the client may have shrunk since the login.
pub(crate) fn renew(
    client: &Client,
    family: &RefreshFamily,
    grant_type: &Arc<str>,
    requested: Option<&str>,
    rules: &Rules,
) -> Result<Renewal, Reason> {
    let scope = match requested {
        Some(text) => {
            let scope: Scope = text.parse().map_err(|_| Reason::MalformedScope)?;
            if !scope.is_subset(family.scope()) {
                return Err(Reason::ScopeNotGranted);
            }
            scope
        }
        None => family.scope().clone(),
    };
    let registered = scope.intersection(client.scopes());
    if registered.is_empty() && !scope.is_empty() {
        return Err(Reason::NothingGranted);
    }
    let lifetime = rules.refreshed_lifetime.or(client.lifetime()).unwrap_or(rules.lifetime);
    let terms = Terms {
        client: client.clone(),
        grant_type: Arc::clone(grant_type),
        scope: registered,
        ceiling: rules.ceiling.clone(),
        lifetime,
    };
    Ok(Renewal { terms, family: family.clone() })
}

impl Renewal {
    pub(crate) fn scope(&self) -> &Scope {
        self.terms.scope()
    }

    /// Concludes the grant for the subject as it is now.
    pub(crate) fn conclude(self, subject: Subject, allowed: Option<&Scope>, now: SystemTime) -> Result<Grant, Reason> {
        let mut grant = self.terms.conclude(subject, allowed, now)?;
        grant.authenticated_at = self.family.authenticated_at();
        grant.family = Some(self.family.id());
        // No access token outlives the family that it came from, and none lives for less than a second.
        let rest = self.family.expires().duration_since(now).unwrap_or_default();
        if rest < Duration::from_secs(1) {
            return Err(Reason::RefreshTokenExpired);
        }
        grant.lifetime = grant.lifetime.min(rest);
        Ok(grant)
    }
}

impl Terms {
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Concludes the grant for `subject`, narrowed to what the verifier lets this user have; never widened.
    pub(crate) fn conclude(
        self,
        subject: Subject,
        allowed: Option<&Scope>,
        authenticated_at: SystemTime,
    ) -> Result<Grant, Reason> {
        let mut scope = self.scope;
        for limit in [allowed, self.ceiling.as_ref()].into_iter().flatten() {
            let narrowed = scope.intersection(limit);
            if narrowed.is_empty() && !scope.is_empty() {
                return Err(Reason::NothingGranted);
            }
            scope = narrowed;
        }
        Ok(Grant {
            subject,
            client: self.client,
            scope,
            grant_type: self.grant_type,
            lifetime: self.lifetime,
            authenticated_at,
            issued_at: authenticated_at,
            family: None,
        })
    }
}
