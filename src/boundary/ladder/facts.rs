//! What is decided of a login.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::terms::Terms;
use crate::boundary::verifier::Verified;
use crate::protocol::audience::Audience;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy::{GrantRules, ScopeLimits};
use crate::protocol::client::registered::Client;
use crate::protocol::factor::challenge::Prolonged;
use crate::protocol::realm::Realm;
use crate::protocol::rules::decisions::Decisions;
use crate::protocol::scope::Scope;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::lifetime::rest_of_family;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::error::Reason;

/// What is decided of a login, and stands in its grant.
#[derive(Clone)]
pub(super) struct GrantFacts {
    pub(super) subject: Subject,
    pub(super) client: Client,
    pub(super) realm: Realm,
    pub(super) scope: Scope,
    pub(super) audience: Option<Audience>,
    pub(super) grant_type: GrantType,
    pub(super) lifetime: Duration,
    pub(super) methods: AuthenticationMethods,
    pub(super) authenticated_at: SystemTime,
    pub(super) issued_at: SystemTime,
    pub(super) family: Option<FamilyId>,
    /// The family whose place that of this login takes.
    pub(super) prolongs: Option<Box<Prolonged>>,
    /// Whether it ends no later than that family would have.
    pub(super) ends_as_before: bool,
    /// What login rules have decided, if they change anything.
    pub(super) decisions: Option<Arc<Decisions>>,
}

impl GrantFacts {
    /// Of terms and the user that they are for, narrowed to what the verifier lets this user have; never widened.
    #[inline(always)]
    pub(super) fn decide(
        terms: Terms,
        verified: Verified,
        methods: AuthenticationMethods,
        rules: &GrantRules,
        now: SystemTime,
    ) -> Result<(Self, ScopeLimits), Reason> {
        let Terms { client, realm, grant_type, scope, audience } = terms;
        let Verified { subject, scope: allowed, .. } = verified;
        let (profile, endpoint) = (rules.profile, rules.scope_ceiling.clone());
        let is_for_factors = rules.is_of_factors(audience.as_ref().map(Audience::as_str));
        let limits = ScopeLimits { profile, user: allowed, endpoint, is_for_factors };
        let lifetime = rules.lifetime_of(&client, grant_type);
        let scope = limits.narrow(scope)?;
        let facts = Self {
            subject,
            client,
            realm,
            scope,
            audience,
            grant_type,
            lifetime,
            methods,
            authenticated_at: now,
            issued_at: now,
            family: None,
            prolongs: None,
            ends_as_before: false,
            decisions: None,
        };
        Ok((facts, limits))
    }

    /// The scope of a family that begins with it: a refresh that asked for less shrinks its access token alone.
    pub(super) fn family_scope(&self) -> &Scope {
        let before = self.prolongs.as_deref().and_then(|family| family.scope.as_ref());
        before.unwrap_or(&self.scope)
    }

    /// Shortens the access token, which does not outlive the family that it comes from.
    pub(super) fn live_until(&mut self, end: SystemTime) -> Result<(), Reason> {
        self.lifetime = self.lifetime.min(rest_of_family(end, self.issued_at)?);
        Ok(())
    }

    /// The latest end of a family that begins with it, and of its access tokens, if there is one.
    pub(super) fn latest_end(&self) -> Option<SystemTime> {
        self.prolongs.as_deref().filter(|_| self.ends_as_before).map(|family| family.ends)
    }
}
