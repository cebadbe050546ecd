//! Terms: what an authenticated client may have, once its user is verified too (RFC 6749 sections 3.3, 4.3 and 6).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::Extensions;

use super::challenge::Opened;
use super::client::PermittedClient;
use crate::boundary::exceptions::WhoIsOut;
use crate::boundary::login_event::{EventDraft, LoginStage, RequestFacts};
use crate::boundary::recheck::Recheck;
use crate::boundary::refresh::StoredFamily;
use crate::protocol::audience::{self, Audience};
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy::{self, GrantRules};
use crate::protocol::client::registered::Client;
use crate::protocol::client::sunset::judge::Admission;
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::realm::{self, Realm};
use crate::protocol::scope::Scope;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::lineage::{Decision, TokenUse};
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::{Form, Known};

/// What a login may give. What the endpoint's settings say of it is looked up where it is decided: the future of every request holds
/// terms.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(super) client: Client,
    pub(super) realm: Realm,
    pub(super) grant_type: GrantType,
    pub(super) scope: Scope,
    /// What the tokens are for, if the request names it.
    pub(super) audience: Option<Audience>,
}

impl Terms {
    /// Decides realm, audience and scope.
    #[inline]
    pub(crate) fn of(client: PermittedClient, form: &Form, rules: &GrantRules) -> Result<Self, TokenError> {
        policy::require_sunset(client.client(), client.grant_type(), rules)?;
        let realm = Self::choose_realm(&client, form)?;
        let requested = requested_audience(client.client(), form, rules)?;
        let factors = rules.factor_audience_of(client.client());
        let audience = policy::audience_of_login(client.client(), requested, rules.profile, factors)?;
        let scope = policy::scope_of_login(client.client(), form.get(Known::Scope), audience.as_ref(), rules)?;
        Ok(Self::new(client, realm, scope, audience))
    }

    /// The terms of a login that was left open, which its client finishes. The registration may have shrunk since. `began`: the grant
    /// type of the login, by which the client must still be allowed to log in.
    pub(crate) fn of_open(
        client: PermittedClient,
        opened: &Opened,
        began: GrantType,
        rules: &GrantRules,
        now: impl FnOnce() -> SystemTime,
    ) -> Result<Self, TokenError> {
        let (own, challenge) = (client.client(), opened.challenge());
        let realm = policy::realm_of_open(own, challenge.realm.as_deref())?;
        match &challenge.family {
            // It was begun to refresh another one, so it is not new, and it is over with that one.
            Some(family) => policy::permit_going_on(own, began, family.ends, now)?,
            None => {
                policy::permit_grant(own, began, now)?;
                policy::require_sunset(own, began, rules)?;
            }
        }
        let factors = rules.factor_audience_of(own);
        let audience = policy::audience_of_login(own, challenge.audience.as_deref(), rules.profile, factors)?;
        let scope = policy::scope_of_open(own, &challenge.scope, audience.as_ref(), rules)?;
        let (client, _) = client.into_parts();
        Ok(Self { client, realm, grant_type: began, scope, audience })
    }

    /// The question whether the user of a login that was left open may still log in.
    pub(crate) fn question(&self, challenge: &Challenge, address: Option<IpAddr>) -> Recheck {
        let Self { client, realm, scope, .. } = self;
        Recheck::about(Arc::clone(&challenge.subject), client, realm, scope, challenge.authenticated_at, address)
    }

    /// The request only chooses among the realms of its authenticated client. To a client that lists none, `realm` is a parameter
    /// that the endpoint does not know, but in the grant that asks for it.
    fn choose_realm(client: &PermittedClient, form: &Form) -> Result<Realm, Reason> {
        if !client.client().lists_realms() && !client.grant_type().names_realm() {
            return Ok(Realm::default());
        }
        client.client().chosen_realm(form.single(realm::PARAMETER)?).ok_or(Reason::UnknownRealm)
    }

    fn new(client: PermittedClient, realm: Realm, scope: Scope, audience: Option<Audience>) -> Self {
        let (client, grant_type) = client.into_parts();
        Self { client, realm, grant_type, scope, audience }
    }

    /// What the plan of the client says of this user, whose credentials are right.
    #[inline]
    pub(super) fn admission(&self, subject: &Subject, rules: &GrantRules, now: SystemTime) -> Admission {
        policy::admission((&self.client, self.grant_type), self.realm.as_deref(), || subject.id(), rules, now)
    }

    /// The same of the user of a login that was left open. A login that goes on with a family is in: a refresh is, too.
    pub(crate) fn admission_of_open(&self, opened: &Opened, rules: &GrantRules, now: SystemTime) -> Admission {
        let Challenge { subject, family, .. } = opened.challenge();
        if family.is_some() {
            return Admission::In;
        }
        policy::admission((&self.client, self.grant_type), self.realm.as_deref(), || &**subject, rules, now)
    }

    /// What a look-up is asked about such a user.
    pub(crate) fn who_is_out<'a>(&'a self, opened: &'a Opened) -> WhoIsOut<'a> {
        let subject = &opened.challenge().subject;
        WhoIsOut { client: self.client.id(), realm: self.realm.as_deref(), subject }
    }

    /// The refusal of a user who is out for this reason.
    pub(crate) fn refused_as_out(&self, reason: Reason) -> TokenError {
        policy::not_permitted(&self.client, self.grant_type, reason)
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The realm of the request. Everything that follows has it from here.
    pub(crate) const fn realm(&self) -> &Realm {
        &self.realm
    }

    pub(crate) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Takes realm and audience out of the fields for the verifier if they were understood: the verifier gets the realm as such, and
    /// the default is the same login, named or not.
    #[inline]
    pub(crate) fn remove_understood(&self, form: &mut Form) {
        if self.realm.as_deref().is_some() {
            form.remove_other(realm::PARAMETER);
        }
        if self.audience.is_some() {
            form.remove_other(audience::PARAMETER);
        }
    }

    /// What login rules will see of the request, which comes from this address and has this of its host.
    #[inline]
    pub(crate) fn draft(&self, extensions: Extensions, address: Option<IpAddr>) -> EventDraft {
        self.draft_at(LoginStage::of(&self.grant_type), extensions, address)
    }

    /// The same of a request that finishes a login which was left open.
    pub(crate) fn draft_of_open(&self, extensions: Extensions, address: Option<IpAddr>) -> EventDraft {
        self.draft_at(LoginStage::SecondFactor, extensions, address)
    }

    fn draft_at(&self, stage: LoginStage, extensions: Extensions, address: Option<IpAddr>) -> EventDraft {
        EventDraft::new(RequestFacts {
            stage,
            client: self.client.clone(),
            realm: self.realm.clone(),
            grant_type: self.grant_type,
            requested: self.scope.clone(),
            audience: self.audience.clone(),
            address,
            extensions,
        })
    }
}

/// The audience that a request asks for. To a client that names none, all others than that of second factors are a parameter that
/// the endpoint does not know.
#[inline]
fn requested_audience<'a>(client: &Client, form: &'a Form, rules: &GrantRules) -> Result<Option<&'a str>, Reason> {
    if policy::knows_audiences(client, rules.profile) {
        return form.single(audience::PARAMETER);
    }
    let Some(of_factors) = rules.factor_audience_of(client) else { return Ok(None) };
    Ok(form.single(audience::PARAMETER)?.filter(|name| *name == of_factors.as_str()))
}

/// A family of refresh tokens that is the client's own.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    client: PermittedClient,
    realm: Realm,
    found: &'a StoredFamily,
}

impl<'a> Claim<'a> {
    /// Claims the family whose token the client presents.
    pub(crate) fn of(client: PermittedClient, found: &'a StoredFamily) -> Result<Self, Reason> {
        let StoredFamily { family, .. } = found;
        policy::check_owner(client.client(), family.client())?;
        let realm = policy::realm_of_refresh(client.client(), family)?;
        Ok(Self { client, realm, found })
    }

    /// The realm of the family, which is that of the request.
    pub(crate) const fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Checks that the token may be used now; otherwise returns why not. No other place has this rule.
    pub(crate) fn find_live(self, using: &TokenUse) -> Result<LiveClaim<'a>, Reason> {
        let is_repeat = match self.found.decide(using) {
            Some(Decision::Live) => false,
            Some(Decision::Repeat { .. }) => true,
            Some(Decision::Replay) => return Err(Reason::RefreshTokenReplayed),
            Some(Decision::Over) => return Err(Reason::RefreshTokenExpired),
            Some(Decision::Early) => return Err(Reason::RefreshTokenEarly),
            None => return Err(Reason::RefreshTokenEnded),
        };
        if policy::is_withdrawn(self.client.client(), &self.found.family) {
            return Err(Reason::GrantWithdrawn);
        }
        let expires = self.found.family.expires();
        let ends = using.ends.map_or(expires, |end| end.min(expires));
        Ok(LiveClaim { claim: self, is_repeat, ends })
    }
}

/// A claim by a token that was found live, or that may be presented once more because its answer was lost.
#[derive(Debug)]
pub(crate) struct LiveClaim<'a> {
    claim: Claim<'a>,
    is_repeat: bool,
    ends: SystemTime,
}

impl LiveClaim<'_> {
    /// Whether the token was used before: its successor is unused, and the leeway is not over.
    pub(crate) const fn is_repeat(&self) -> bool {
        self.is_repeat
    }
}

/// What a refresh may give: never more than the login gave.
#[derive(Debug)]
pub(crate) struct Renewal {
    pub(super) terms: Terms,
    pub(super) family: RefreshFamily,
    /// No access token outlives that.
    pub(super) ends: SystemTime,
}

impl Renewal {
    /// Decides scope and audience. The realm is the family's. The registration of the client may have shrunk since the login.
    pub(crate) fn of(claim: LiveClaim<'_>, form: &Form, rules: &GrantRules) -> Result<Self, TokenError> {
        let ends = claim.ends;
        let Claim { client, realm, found: StoredFamily { family, .. } } = claim.claim;
        let requested = requested_audience(client.client(), form, rules)?;
        let audience = policy::audience_of_refresh(client.client(), family, requested, rules)?;
        let asked = form.get(Known::Scope);
        let scope = policy::scope_of_refresh(client.client(), family, asked, rules)?;
        Ok(Self { terms: Terms::new(client, realm, scope, audience), family: family.clone(), ends })
    }

    /// What login rules will see of the refresh, as with [`Terms::draft`].
    pub(crate) fn draft(&self, extensions: Extensions, address: Option<IpAddr>) -> EventDraft {
        self.terms.draft(extensions, address)
    }

    /// The question whether the login still holds.
    pub(crate) fn question(&self, address: Option<IpAddr>) -> Recheck {
        let Terms { client, realm, scope, .. } = &self.terms;
        let (subject, since) = (self.family.shared_subject(), self.family.authenticated_at());
        Recheck::about(subject, client, realm, scope, since, address)
    }
}
