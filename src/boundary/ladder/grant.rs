//! Logins, and the grants that they become once they were weighed.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::terms::{Renewal, Terms};
use super::user::{ReverifiedUser, VerifiedUser};
use crate::boundary::recheck::Recheck;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy;
use crate::protocol::client::registered::Client;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::Password;
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lifetime::SHORTEST_LIFETIME;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::user::subject::Subject;
use crate::protocol::weigh::{self, Demanded, Proven};
use crate::protocol::wire::error::Reason;

/// What is decided of a login, and stands in its grant.
#[derive(Clone)]
struct GrantFacts {
    subject: Subject,
    client: Client,
    realm: Realm,
    scope: Scope,
    grant_type: GrantType,
    lifetime: Duration,
    authenticated_at: SystemTime,
    issued_at: SystemTime,
    family: Option<FamilyId>,
}

impl GrantFacts {
    /// Of terms and the user that they are for, narrowed to what the verifier lets this user have; never widened.
    #[inline(always)]
    fn decide(terms: Terms, subject: Subject, allowed: Option<&Scope>, now: SystemTime) -> Result<Self, Reason> {
        let Terms { client, realm, grant_type, scope, scope_ceiling, lifetime } = terms;
        let scope = policy::narrow(scope, [allowed, scope_ceiling.as_ref()])?;
        Ok(Self {
            subject,
            client,
            realm,
            scope,
            grant_type,
            lifetime,
            authenticated_at: now,
            issued_at: now,
            family: None,
        })
    }
}

/// A login: a verified user within terms. It gives nothing before it was [weighed](Self::weigh).
pub(crate) struct Login {
    facts: GrantFacts,
    proven: Proven,
    /// For those that look at passwords once they were found right.
    password: Option<Box<Password>>,
}

impl Login {
    /// The login of a user whose credentials were just verified.
    #[inline(always)]
    pub(crate) fn of(terms: Terms, user: VerifiedUser, now: SystemTime) -> Result<Self, Reason> {
        let VerifiedUser { verified, password } = user;
        let facts = GrantFacts::decide(terms, verified.subject, verified.scope.as_ref(), now)?;
        let proven = Proven::nothing(facts.grant_type.has_password());
        Ok(Self { facts, proven, password })
    }

    /// The login of a family, prolonged for its user as the verifier knows that one now.
    pub(crate) fn renewed(renewal: Renewal, user: ReverifiedUser, now: SystemTime) -> Result<Self, Reason> {
        let Renewal { terms, family } = renewal;
        let ReverifiedUser(verified) = user;
        if !verified.subject.keeps_login(family.subject(), family.credential_version()) {
            return Err(Reason::CredentialsChanged);
        }
        let mut facts = GrantFacts::decide(terms, verified.subject, verified.scope.as_ref(), now)?;
        facts.authenticated_at = family.authenticated_at();
        facts.family = Some(family.id());
        // No access token outlives the family that it came from.
        let rest = family.expires().duration_since(now).unwrap_or_default();
        if rest < SHORTEST_LIFETIME {
            return Err(Reason::RefreshTokenExpired);
        }
        facts.lifetime = facts.lifetime.min(rest);
        Ok(Self { facts, proven: Proven::nothing(false), password: None })
    }

    /// The user.
    pub(crate) const fn subject(&self) -> &Subject {
        &self.facts.subject
    }

    /// Takes the password out, if it was kept to be looked at.
    pub(crate) const fn take_password(&mut self) -> Option<Box<Password>> {
        self.password.take()
    }

    /// What the login has proven so far.
    pub(crate) const fn proven(&mut self) -> &mut Proven {
        &mut self.proven
    }

    /// Weighs what is demanded of the login against what it has proven: the only way to a grant.
    #[inline(always)]
    pub(crate) fn weigh(self, demanded: Demanded) -> Result<Grant, Reason> {
        weigh::weigh(demanded, self.proven)?;
        Ok(Grant { facts: self.facts, leaves_record: false })
    }
}

/// A decided grant: which subject lets which client do what (scope), for how long. The issuer turns it into tokens and has
/// nothing left to decide.
#[derive(Clone)]
pub struct Grant {
    facts: GrantFacts,
    leaves_record: bool,
}

impl Grant {
    /// The authenticated subject.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.facts.subject
    }

    /// The authenticated client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.facts.client
    }

    /// The realm (separate user directory) of the user, if there is one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.facts.realm.as_deref()
    }

    /// The granted scope; empty only in scopeless mode.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.facts.scope
    }

    /// `password`, `refresh_token`, or the grant type of an extension grant.
    #[must_use]
    pub fn grant_type(&self) -> &str {
        self.facts.grant_type.name()
    }

    /// Whether its user logged in with a password just now.
    pub(crate) fn begins_password_login(&self) -> bool {
        self.facts.grant_type.begins_password_login()
    }

    /// How long the access token is to live, in whole seconds.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.facts.lifetime
    }

    /// When the resource owner was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> SystemTime {
        self.facts.authenticated_at
    }

    /// When the grant was decided; the access token lives from now on.
    #[must_use]
    pub fn issued_at(&self) -> SystemTime {
        self.facts.issued_at
    }

    /// The refresh token family that the access token belongs to, if the client gets refresh tokens.
    #[must_use]
    pub fn family(&self) -> Option<FamilyId> {
        self.facts.family
    }

    /// The question whether the login still holds, which comes from this address.
    pub(crate) fn question(&self, address: Option<IpAddr>) -> Recheck {
        let GrantFacts { subject, client, realm, scope, authenticated_at, .. } = &self.facts;
        Recheck::about(subject.id().into(), client, realm, scope, *authenticated_at, address)
    }

    /// Whether the record of the access token is left to the store that keeps the refresh tokens, which saves both in one step.
    /// Then the issuer saves nothing and hands the record back ([`IssuedTokens::with_unsaved`](crate::IssuedTokens::with_unsaved)).
    /// Only an issuer that [names](crate::TokenIssuer::store_identity) its store gets such a grant.
    #[must_use]
    pub fn leaves_record(&self) -> bool {
        self.leaves_record
    }

    /// Leaves the record of the access token to the store of the refresh tokens.
    pub(crate) const fn leave_record(&mut self) {
        self.leaves_record = true;
    }

    /// Begins a family of refresh tokens, which no access token of it outlives; `None` if it would end beyond all time.
    pub(crate) fn begin_family(&mut self, id: FamilyId, lifetime: Duration) -> Option<RefreshFamily> {
        let facts = &mut self.facts;
        facts.family = Some(id);
        facts.lifetime = facts.lifetime.min(lifetime);
        let expires = facts.issued_at.checked_add(lifetime)?;
        let family =
            RefreshFamily::new(id, facts.subject.id(), facts.client.id().clone(), facts.authenticated_at, expires)
                .with_realm(facts.realm.as_deref())
                .with_scope(facts.scope.clone())
                .with_grant_type(Some(facts.grant_type.name()))
                .with_credential_version(facts.subject.credential_version());
        Some(family)
    }

    /// The record of an access token for this grant.
    pub(crate) fn record(&self, audience: Option<Arc<[String]>>, expires: SystemTime) -> AccessTokenRecord {
        let facts = &self.facts;
        AccessTokenRecord::of(facts.subject.to_id(), facts.client.id().clone(), facts.issued_at, expires)
            .with_realm(facts.realm.as_deref())
            .with_scope(facts.scope.clone())
            .with_shared_audience(audience)
            .with_authenticated_at(Some(facts.authenticated_at))
            .with_family(facts.family)
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("subject", &self.facts.subject)
            .field("client", self.facts.client.id())
            .field("scope", &self.facts.scope)
            .field("grant_type", &self.facts.grant_type.name())
            .field("lifetime", &self.facts.lifetime)
            .finish_non_exhaustive()
    }
}
