//! Logins, and the grants that they become once they were weighed.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::clearance::{self, Cleared, Demand, Look, Proven};
use super::exception::LookedUp;
use super::factor::Returned;
use super::facts::GrantFacts;
use super::ruled::Ruled;
use super::terms::{Renewal, Terms};
use super::unweighed::Unweighed;
use super::user::{ReturningUser, ReverifiedUser, VerifiedUser};
use crate::boundary::exceptions::WhoIsOut;
use crate::boundary::login_event::{DecidedSoFar, EventDraft, LoginEvent, LoginFacts};
use crate::boundary::recheck::Recheck;
use crate::protocol::audience::Audience;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy::{self, GrantRules, ScopeLimits, left_of};
use crate::protocol::client::registered::Client;
use crate::protocol::client::sunset::judge::Admission;
use crate::protocol::factor::authenticator::FactorUser;
use crate::protocol::rules::decisions::Decisions;
use crate::protocol::rules::error::RulingError;
use crate::protocol::rules::refusal::RuleRefusal;
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::Password;
use crate::protocol::token::claims::{Claims, NO_CLAIMS};
use crate::protocol::token::credentials;
use crate::protocol::token::family::{FamilyId, RefreshFamily};
use crate::protocol::token::lifetime::SHORTEST_LIFETIME;
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::token::record::{AccessTokenRecord, RecordParts};
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::error::{Reason, TokenError};

/// A login: a verified user within terms. It gives nothing before it was [weighed](Self::weigh).
pub(crate) struct Login {
    facts: GrantFacts,
    limits: ScopeLimits,
    demand: Demand,
    proven: Proven,
    /// Where it goes on by a refresh token.
    family: Option<RefreshFamily>,
    /// For those that look at passwords once they were found right.
    password: Option<Box<Password>>,
}

impl Login {
    /// The login of a user whose credentials were just verified.
    #[inline(always)]
    pub(crate) fn of(
        terms: Terms,
        user: VerifiedUser,
        demand: Demand,
        rules: &GrantRules,
        now: SystemTime,
    ) -> Result<Self, Reason> {
        let VerifiedUser { verified, password } = user;
        let methods = verified.methods.and(terms.grant_type.methods());
        let admission = terms.admission(&verified.subject, rules, now);
        let proven = Proven::by_verdict(methods, terms.grant_type.has_password(), admission, now);
        let (facts, limits) = GrantFacts::decide(terms, verified, methods, rules, now)?;
        Ok(Self { facts, limits, demand, proven, family: None, password })
    }

    /// The login of a family, prolonged for its user as the verifier knows that one now.
    pub(crate) fn renewed(
        renewal: Renewal,
        user: ReverifiedUser,
        demand: Demand,
        rules: &GrantRules,
        now: SystemTime,
    ) -> Result<Self, Reason> {
        let Renewal { terms, family, ends } = renewal;
        let ReverifiedUser(verified) = user;
        if !verified.subject.keeps_login(family.subject_id(), family.credential_version()) {
            return Err(Reason::CredentialsChanged);
        }
        let proven = Proven::by_family(family.methods(), family.authenticated_at());
        let (mut facts, mut limits) = GrantFacts::decide(terms, verified, proven.methods(), rules, now)?;
        facts.authenticated_at = family.authenticated_at();
        facts.family = Some(family.id());
        // No access token outlives the family that it came from.
        facts.live_until(ends)?;
        limits.hold_to(family.scope());
        Ok(Self { facts, limits, demand, proven, family: Some(family), password: None })
    }

    /// The login that was left open, for a user who is back with a second factor.
    pub(crate) fn resumed(
        terms: Terms,
        returned: Returned,
        demand: Demand,
        rules: &GrantRules,
        now: SystemTime,
    ) -> Result<Self, Reason> {
        let Returned { user: ReturningUser(verified), right, prolongs } = returned;
        // Where it prolongs another login, that one bounds what rules add; else what bounds each login does.
        let bound = prolongs.is_some().then(|| terms.scope.clone());
        let admission = terms.admission(&verified.subject, rules, now);
        // A refresh goes on, whatever the plan of the client says of new logins; where it would refuse one, no longer than before.
        let ends_as_before = prolongs.is_some() && admission != Admission::In;
        let admission = if prolongs.is_some() { Admission::In } else { admission };
        let proven = Proven::by_factor(right, admission, now);
        let (mut facts, mut limits) = GrantFacts::decide(terms, verified, proven.methods(), rules, now)?;
        if let Some(bound) = bound {
            limits.hold_to(&bound);
        }
        (facts.prolongs, facts.ends_as_before) = (prolongs, ends_as_before);
        facts.latest_end().map_or(Ok(()), |end| facts.live_until(end))?;
        Ok(Self { facts, limits, demand, proven, family: None, password: None })
    }

    /// The user.
    pub(crate) const fn subject(&self) -> &Subject {
        &self.facts.subject
    }

    /// Whose second factors count.
    pub(crate) fn factor_user(&self) -> FactorUser<'_> {
        FactorUser::new(self.facts.realm.as_deref(), self.facts.subject.id())
    }

    /// Whether there is no second factor, however old.
    pub(crate) const fn lacks_factor(&self) -> bool {
        self.proven.lacks_factor()
    }

    /// Whether its tokens are for the endpoints of second factors.
    pub(crate) const fn manages_factors(&self) -> bool {
        self.limits.is_for_factors
    }

    /// Notes that the settings were asked whether they demand a second factor of it, and that they do.
    pub(crate) fn demand_by_settings(&mut self, demands_factor: bool) {
        self.proven.note_asked_for_factors();
        if demands_factor {
            self.demand.and(Demand::second_factor());
        }
    }

    /// Whether the plan of the client lets its user in, as far as is known.
    #[inline]
    pub(crate) const fn is_in(&self) -> bool {
        self.proven.is_in()
    }

    /// Whether somebody is to be asked if its user is excepted from the end of the client.
    pub(crate) const fn awaits_look_up(&self) -> bool {
        self.proven.awaits_look_up()
    }

    /// Refuses it where the plan of the client has no place for it, before anything else is asked.
    pub(crate) fn weigh_admission(&self) -> Result<(), Box<Unweighed>> {
        clearance::weigh_admission(&self.proven).map_err(|lack| Unweighed::of(lack, &self.facts, None))
    }

    /// What a look-up is asked about.
    pub(crate) fn who_is_out(&self) -> WhoIsOut<'_> {
        let GrantFacts { client, realm, subject, .. } = &self.facts;
        WhoIsOut { client: client.id(), realm: realm.as_deref(), subject: subject.id() }
    }

    /// Notes what a look-up has found, which must be an exception before anything else is asked.
    pub(crate) fn note_look_up(&mut self, LookedUp(until): LookedUp) -> Result<(), Box<Unweighed>> {
        self.proven.note_exception(until.is_some_and(|until| self.facts.issued_at < until));
        self.weigh_admission()
    }

    /// Whether the password was kept, to be looked at.
    pub(crate) const fn keeps_password(&self) -> bool {
        self.password.is_some()
    }

    /// Takes the password out, if it was kept to be looked at.
    pub(crate) const fn take_password(&mut self) -> Option<Box<Password>> {
        self.password.take()
    }

    /// Notes what a look at the password has found, which must be good enough before anything else is asked.
    pub(crate) fn note_password(&mut self, look: Look) -> Result<(), Box<Unweighed>> {
        self.proven.note_password(look);
        clearance::weigh_password(&self.demand, &self.proven).map_err(|lack| Unweighed::of(lack, &self.facts, None))
    }

    /// What the first rule sees of the login, drafted by its own terms.
    #[inline]
    pub(crate) fn event(&self, draft: EventDraft) -> LoginEvent {
        let GrantFacts { subject, methods, authenticated_at, .. } = &self.facts;
        let (subject, authenticated_at) = (subject.clone(), *authenticated_at);
        draft.complete(LoginFacts { subject, methods: *methods, authenticated_at, decided: self.decided() })
    }

    /// Shows the next rule what was decided since.
    pub(crate) fn show(&self, event: &mut LoginEvent) {
        event.show(self.decided());
    }

    fn decided(&self) -> DecidedSoFar {
        DecidedSoFar { scope: self.scope(), lifetime: self.lifetime(), decisions: self.facts.decisions.clone() }
    }

    /// Takes in what the rule of this name has decided, and answers whether that changes anything.
    #[inline]
    pub(crate) fn follow(&mut self, Ruled(later): Ruled, rule: &Arc<str>) -> Result<bool, RulingError> {
        let changes = match later {
            None => false,
            Some(later) => {
                self.change(&later, rule)?;
                true
            }
        };
        self.proven.note_rule();
        Ok(changes)
    }

    fn change(&mut self, later: &Decisions, rule: &Arc<str>) -> Result<(), RulingError> {
        let narrows = later.take_of(|| self.scope());
        if let Some(age) = later.factor_age() {
            let earliest = self.facts.issued_at.checked_sub(age);
            self.demand.and(earliest.map_or_else(Demand::second_factor, Demand::second_factor_since));
        }
        let decisions = Arc::make_mut(self.facts.decisions.get_or_insert_default());
        decisions.follow(later)?;
        if narrows {
            decisions.note_narrowed(rule);
        }
        Ok(())
    }

    /// What the rules so far leave of the scope.
    #[inline]
    fn scope(&self) -> Scope {
        let GrantFacts { client, scope, decisions, .. } = &self.facts;
        let Some(decisions) = decisions else { return scope.clone() };
        self.limits.ruled(scope, client, decisions)
    }

    /// What they leave of the lifetime.
    fn lifetime(&self) -> Duration {
        let GrantFacts { lifetime, decisions, .. } = &self.facts;
        decisions.as_ref().map_or(*lifetime, |decisions| decisions.lifetime(*lifetime))
    }

    /// Adds a member to the answer, which no rule sees.
    pub(crate) fn tell(&mut self, member: &Claims) {
        Arc::make_mut(self.facts.decisions.get_or_insert_default()).tell(member);
    }

    /// Has its tokens manage second factors no longer than the credentials of the user stay as they are.
    pub(crate) fn hold_to_credentials(&mut self) {
        let claim = credentials::claim_of(&self.facts.subject);
        Arc::make_mut(self.facts.decisions.get_or_insert_default()).keep_private(&claim);
    }

    /// Weighs what is demanded of the login against what it has proven: the only way to a grant.
    // The error is boxed, so that no place is kept for it beside the grant.
    #[inline]
    pub(crate) fn weigh(self) -> Result<Grant, Box<Unweighed>> {
        match clearance::weigh(&self.demand, &self.proven) {
            Ok(cleared) if self.facts.decisions.is_none() => Ok(Grant::of(self.facts, cleared)),
            Ok(cleared) => self.conclude(cleared),
            Err(lack) => Err(Unweighed::of(lack, &self.facts, self.family.as_ref())),
        }
    }

    /// Has what the rules decided take effect.
    #[cold]
    fn conclude(mut self, cleared: Cleared) -> Result<Grant, Box<Unweighed>> {
        let scope = left_of(&self.facts.scope, self.scope()).map_err(|reason| self.emptied(reason))?;
        (self.facts.scope, self.facts.lifetime) = (scope, self.lifetime());
        Ok(Grant::of(self.facts, cleared))
    }

    /// Nothing is left of the scope, and events name the rule that took the last of it.
    fn emptied(&self, reason: Reason) -> Box<Unweighed> {
        let rule = self.facts.decisions.as_deref().and_then(Decisions::narrowed_by).cloned();
        let of_rule = |rule| TokenError::of_rule(RuleRefusal::nothing_left(rule), false);
        Box::new(Unweighed::Refused(rule.map_or_else(|| reason.into(), of_rule)))
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
    /// Of a login that was weighed and has proven enough.
    #[inline(always)]
    #[allow(clippy::use_self, reason = "a test looks for the one place where a grant is written")]
    fn of(facts: GrantFacts, _: Cleared) -> Self {
        Grant { facts, leaves_record: false }
    }

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

    /// The resource server that the login asked its tokens for, of those that the client
    /// [may name](crate::client::ClientBuilder::allow_audience). It is the one audience of the access token, in place of those that the
    /// issuer gives to tokens otherwise. At a refresh it is that of the login.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        self.facts.audience.as_ref().map(Audience::as_str)
    }

    /// What stands in the access token as its audience: the one that the login asked for, else the issuer's `own`.
    pub(crate) fn audience_or<L: From<Arc<[String]>>>(&self, own: impl FnOnce() -> L) -> L {
        self.facts.audience.as_ref().map_or_else(own, |asked| asked.to_list().into())
    }

    /// `password`, `refresh_token`, or the grant type of an extension grant.
    #[must_use]
    pub fn grant_type(&self) -> &str {
        self.facts.grant_type.name()
    }

    /// The grant type itself.
    pub(crate) fn kind(&self) -> GrantType {
        self.facts.grant_type
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

    /// In which ways the resource owner was authenticated, at a refresh in the login: what the
    /// [claims](AuthenticationMethods) `amr` and `acr` say. None where nothing is known.
    #[must_use]
    pub fn methods(&self) -> AuthenticationMethods {
        self.facts.methods
    }

    /// When the resource owner was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> SystemTime {
        self.facts.authenticated_at
    }

    /// The claims that [login rules](crate::rules) add to the access token, for an issuer of your own. None of them has the name of
    /// one that RFC 7519 or RFC 9068 defines. Introspection shows them where the record has them as
    /// [shown claims](crate::store::AccessTokenRecord::with_shown_claims).
    #[must_use]
    pub fn claims(&self) -> &Claims {
        self.facts.decisions.as_deref().map_or(&NO_CLAIMS, Decisions::claims)
    }

    /// Claims for the endpoints of this crate alone, beside [those of login rules](Self::claims). An issuer of your own keeps them with
    /// the access token as they are, and its [verifier](crate::bearer::AccessTokenVerifier) answers them among the
    /// [claims](crate::store::AccessTokenRecord::claims). Introspection shows none of them.
    ///
    /// A token for the [endpoints of second factors](crate::manual::second_factor) has one, `credentials_digest`: they refuse it after a
    /// change of its user's [credential version](Subject::with_credential_version). Tokens for other audiences have none.
    #[must_use]
    pub fn private_claims(&self) -> &Claims {
        self.facts.decisions.as_deref().map_or(&NO_CLAIMS, Decisions::private)
    }

    /// Whether a login goes on by it that began before: at a refresh, and where a refresh has asked for a second factor.
    pub(crate) fn goes_on(&self) -> bool {
        self.kind().is_refresh() || self.facts.prolongs.is_some()
    }

    /// What login rules have decided, if they change anything.
    pub(crate) fn decisions(&self) -> Option<Arc<Decisions>> {
        self.facts.decisions.clone()
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

    /// Whether the plan of the client leaves time for a family of refresh tokens that begins now.
    pub(crate) fn has_time_for_family(&self) -> bool {
        let Some(end) = self.families_end() else { return true };
        end.duration_since(self.facts.issued_at).is_ok_and(|rest| rest >= SHORTEST_LIFETIME)
    }

    fn families_end(&self) -> Option<SystemTime> {
        policy::families_end(&self.facts.client, self.facts.grant_type)
    }

    /// The scope of a family that begins with it.
    pub(crate) fn family_scope(&self) -> &Scope {
        self.facts.family_scope()
    }

    /// Begins a family of refresh tokens, which no access token of it outlives; `None` if it would end beyond all time.
    /// The plan of the client, which can be moved, bounds the access token alone: each refresh is held to it as it is then.
    pub(crate) fn begin_family(&mut self, id: FamilyId, lifetime: Duration) -> Option<RefreshFamily> {
        let by_plan = self.families_end().map(|end| end.duration_since(self.facts.issued_at).unwrap_or_default());
        let facts = &mut self.facts;
        facts.family = Some(id);
        facts.lifetime = facts.lifetime.min(lifetime).min(by_plan.unwrap_or(lifetime));
        let expires = facts.issued_at.checked_add(lifetime)?;
        let expires = facts.latest_end().map_or(expires, |end| end.min(expires));
        let family =
            RefreshFamily::new(id, facts.subject.id(), facts.client.id().clone(), facts.authenticated_at, expires)
                .with_realm(facts.realm.as_deref())
                .with_scope(facts.family_scope().clone())
                .with_audience(facts.audience.as_ref().map(Audience::as_str))
                .with_grant_type(Some(facts.grant_type.name()))
                .with_methods(facts.methods)
                .with_credential_version(facts.subject.credential_version());
        Some(family)
    }

    /// The record of an access token for this grant, which is for `audience` unless the login asked for one.
    pub(crate) fn record(&self, audience: Option<&Arc<[String]>>, expires: SystemTime) -> AccessTokenRecord {
        let facts = &self.facts;
        AccessTokenRecord::from(RecordParts {
            subject: facts.subject.to_id(),
            client: facts.client.id().clone(),
            realm: facts.realm.as_deref().map(str::to_owned),
            scope: facts.scope.clone(),
            audience: self.audience_or(|| audience.cloned()),
            issued: facts.issued_at,
            expires,
            authenticated_at: Some(facts.authenticated_at),
            methods: facts.methods,
            family: facts.family,
            claims: facts.decisions.as_ref().map_or_else(Claims::new, |decisions| decisions.of_record()),
        })
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
