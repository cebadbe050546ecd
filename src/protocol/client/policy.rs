//! Which grant and which scope (RFC 6749 sections 3.3, 4.3 and 5.2).

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use super::grant_type::{GrantType, began_by_password, begins_login};
use super::registered::{Client, ClientId, PASSWORD, REFRESH_TOKEN};
use super::sunset::end::Sunset;
use super::sunset::judge::{Admission, Applicant, Phase};
use super::sunset::steps::http_date;
use crate::protocol::audience::Audience;
use crate::protocol::factor::api;
use crate::protocol::profile::Profile;
use crate::protocol::realm::Realm;
use crate::protocol::rules::decisions::Decisions;
use crate::protocol::scope::Scope;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::lifetime::rest_of_family;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::wire::error::{Reason, TokenError};

/// What a request that asks for no scope is granted (RFC 6749 section 3.3). Given to
/// [`Builder::missing_scope`](crate::Builder::missing_scope).
///
/// ```
/// use tower_password_grant::token::MissingScope;
///
/// let missing = MissingScope::Default("read".parse()?);
/// # let _ = missing;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingScope {
    /// The default of its client. Without one it is refused.
    #[default]
    ClientDefault,
    /// The default of its client. Without one this scope, as far as the client is registered for it; where nothing is left, it
    /// is refused.
    Default(Scope),
    /// Nothing: it is refused, even where there is a default.
    Refuse,
    /// A token without a scope, whatever default the client has. For systems that do not use scopes.
    Scopeless,
}

/// The rules of the endpoint for its grants.
#[derive(Clone)]
pub(crate) struct GrantRules {
    /// How scopes and audiences are read.
    pub(crate) profile: Profile,
    pub(crate) missing_scope: MissingScope,
    /// More than this is never granted by this endpoint.
    pub(crate) scope_ceiling: Option<Scope>,
    /// That of the endpoints of second factors, if there are some.
    pub(crate) factor_audience: Option<Audience>,
    pub(crate) lifetime: Duration,
    /// Grants by which a password login begins are for clients with an end date alone.
    pub(crate) requires_sunset: bool,
    /// Decides which users the ramp of an end reaches first.
    pub(crate) ramp: Keyed,
    /// Of access tokens that a refresh gives, if it is another one.
    pub(crate) refreshed_lifetime: Option<Duration>,
}

impl GrantRules {
    /// How long an access token lives that a grant of this type gives to this client.
    pub(crate) fn lifetime_of(&self, client: &Client, grant_type: GrantType) -> Duration {
        let refreshed = if grant_type.is_refresh() { self.refreshed_lifetime } else { None };
        refreshed.or(client.lifetime()).unwrap_or(self.lifetime)
    }
}

impl GrantRules {
    /// The audience by which this client may manage the second factors of its users.
    #[inline]
    pub(crate) fn factor_audience_of(&self, client: &Client) -> Option<&Audience> {
        self.factor_audience.as_ref().filter(|_| client.allows_second_factor())
    }

    /// Whether tokens for this audience manage second factors, whatever allows the client to ask for it.
    #[inline]
    pub(crate) fn is_of_factors(&self, audience: Option<&str>) -> bool {
        self.factor_audience.as_ref().is_some_and(|own| audience == Some(own.as_str()))
    }
}

/// Whether the client may use this grant type today.
#[inline]
pub(crate) fn permit_grant(
    client: &Client,
    grant_type: GrantType,
    moment: impl FnOnce() -> SystemTime,
) -> Result<(), TokenError> {
    if !client.allows_grant(grant_type.name()) {
        return Err(not_permitted(client, grant_type, Reason::GrantNotAllowed));
    }
    // The date ends what begins by a password, and no login that has begun.
    match client.sunset() {
        Some(sunset) if grant_type.begins_password_login() => permit_by_sunset(client, sunset, grant_type, moment()),
        _ => Ok(()),
    }
}

/// What the end of a client says before anything is known of its user. As long as a user may be excepted, ramp and end say nothing
/// yet: else the answer to a wrong password would tell who is.
#[inline(never)]
fn permit_by_sunset(
    client: &Client,
    sunset: &Sunset,
    grant_type: GrantType,
    now: SystemTime,
) -> Result<(), TokenError> {
    match sunset.phase_at(now) {
        Phase::Open | Phase::Ramp => Ok(()),
        Phase::Brownout(until) => {
            let until = http_date(until).unwrap_or_default();
            Err(TokenError::new(Reason::GrantBrownout).about(&until).with_page(sunset.link_target()))
        }
        Phase::Ended if sunset.has_exceptions(now) => Ok(()),
        Phase::Ended => Err(not_permitted(client, grant_type, Reason::GrantSunset)),
    }
}

/// The refusal of a client that may not use the grant type, for this reason. Where it is to end, its page says how to move on.
#[cold]
pub(crate) fn not_permitted(client: &Client, grant_type: GrantType, reason: Reason) -> TokenError {
    let error = TokenError::new(reason).about(grant_type.name());
    let is_by_end = matches!(reason, Reason::GrantSunset | Reason::GrantRamped);
    error.with_page(client.sunset().filter(|_| is_by_end).and_then(Sunset::link_target))
}

/// Whether the endpoint serves the grant type to clients without an end date, or this one has one.
#[inline]
pub(crate) fn require_sunset(client: &Client, grant_type: GrantType, rules: &GrantRules) -> Result<(), TokenError> {
    let lacks_one = rules.requires_sunset && client.sunset().is_none() && grant_type.begins_password_login();
    if lacks_one { Err(not_permitted(client, grant_type, Reason::SunsetRequired)) } else { Ok(()) }
}

/// What the end of a client says of a user whose password is right. The subject is asked for only if there is an end: its text may
/// have to be made first.
#[inline]
pub(crate) fn admission<'a>(
    (client, grant_type): (&Client, GrantType),
    realm: Option<&str>,
    subject: impl FnOnce() -> &'a str,
    rules: &GrantRules,
    now: SystemTime,
) -> Admission {
    match client.sunset() {
        Some(sunset) if grant_type.begins_password_login() => {
            let applicant = Applicant { client: client.id().as_str(), realm, subject: subject() };
            sunset.admission_of(applicant, &rules.ramp, now)
        }
        _ => Admission::In,
    }
}

/// The end that the plan of a client sets to the families of logins that a password began, if this grant type begins such ones.
pub(crate) fn families_end(client: &Client, grant_type: GrantType) -> Option<SystemTime> {
    client.sunset().filter(|_| grant_type.begins_password_login())?.families_end()
}

/// The same of a family that has begun.
pub(crate) fn family_end(client: &Client, family: &RefreshFamily) -> Option<SystemTime> {
    let end = client.sunset()?.families_end()?;
    began_by_password(family.began()).then_some(end)
}

/// Whether the client may go on with a login that began by this grant type, as it does by its refresh tokens. `ends`: when the family
/// ends that it goes on with; the plan of the client may end it earlier.
pub(crate) fn permit_going_on(
    client: &Client,
    began: GrantType,
    ends: SystemTime,
    moment: impl FnOnce() -> SystemTime,
) -> Result<(), TokenError> {
    let may = [began.name(), REFRESH_TOKEN].into_iter().all(|grant| client.allows_grant(grant));
    if !may {
        return Err(not_permitted(client, began, Reason::GrantNotAllowed));
    }
    let ends = families_end(client, began).map_or(ends, |end| end.min(ends));
    rest_of_family(ends, moment())?;
    Ok(())
}

/// A grant by which the client may begin logins, for one that is known by its tokens alone: by a password, or not, where the client
/// has such a one. The plan of the client and the ledger of usage go by it.
pub(crate) fn login_grant(client: &Client, by_password: bool) -> &str {
    let begin = || client.grants().iter().map(String::as_str).filter(|grant| begins_login(grant));
    let alike = begin().find(|grant| began_by_password(grant) == by_password);
    alike.or_else(|| begin().next()).unwrap_or(PASSWORD)
}

/// The most that a client may ask for: what it is registered for, or if its tokens are for the endpoints of second factors, the scopes of
/// these; and what the profile has for every client. Logins, refreshes and login rules are all held to it.
#[inline]
pub(crate) fn reach(client: &Client, profile: Profile, is_for_factors: bool) -> Cow<'_, Scope> {
    // What an API takes for a scope of its own must not stand in a token that is for another one.
    let own = if is_for_factors { api::scopes() } else { client.scopes() };
    match profile.common_scopes() {
        None => Cow::Borrowed(own),
        Some(common) => Cow::Owned(own.union(common)),
    }
}

/// The scope that a request asks for, which must be within `most`: few ask, so it is found out only for these. Where the profile drops the rest, a request of which nothing is
/// left asks for none.
// Within its callers it takes fewer instructions.
#[inline(always)]
fn asked_within<'a>(
    most: impl FnOnce() -> Cow<'a, Scope>,
    requested: Option<&str>,
    profile: Profile,
    beyond: Reason,
) -> Result<Option<Scope>, Reason> {
    let Some(text) = requested else { return Ok(None) };
    let scope: Scope = text.parse().map_err(|_| Reason::MalformedScope)?;
    let most = most();
    if scope.is_subset(&most) {
        return Ok(Some(scope));
    }
    if !profile.drops_scopes() {
        return Err(beyond);
    }
    Ok(Some(scope.intersection(&most)).filter(|left| !left.is_empty()))
}

/// Decides the scope that a login asks for.
#[inline]
pub(crate) fn scope_of_login(
    client: &Client,
    requested: Option<&str>,
    audience: Option<&Audience>,
    rules: &GrantRules,
) -> Result<Scope, Reason> {
    let is_for_factors = rules.is_of_factors(audience.map(Audience::as_str));
    let reach = || reach(client, rules.profile, is_for_factors);
    let scope = match asked_within(reach, requested, rules.profile, Reason::ScopeNotRegistered)? {
        Some(scope) => scope,
        None => match (&rules.missing_scope, client.default_scope()) {
            (MissingScope::Scopeless, _) => Scope::default(),
            (MissingScope::Refuse, _) => return Err(Reason::NoScope),
            (_, Some(default)) => within(default, is_for_factors, reach),
            (MissingScope::Default(default), None) => default.intersection(&reach()),
            (MissingScope::ClientDefault, None) => return Err(Reason::NoScope),
        },
    };
    if scope.is_empty() && rules.missing_scope != MissingScope::Scopeless {
        return Err(Reason::NoScope);
    }
    Ok(scope)
}

/// The default of a client, which is within its registered scope: it could not have been built otherwise. Endpoints of second factors
/// have other scopes, so a login for these has to name what it is for.
fn within<'a>(default: &Scope, is_for_factors: bool, reach: impl FnOnce() -> Cow<'a, Scope>) -> Scope {
    if is_for_factors { default.intersection(&reach()) } else { default.clone() }
}

/// Checks that a token was issued to this client (RFC 7009 section 2.1). Its realm is no ground to keep it from the client that ends it.
pub(crate) fn check_owner(client: &Client, issued_to: &ClientId) -> Result<(), Reason> {
    if issued_to == client.id() { Ok(()) } else { Err(Reason::ForeignToken) }
}

/// Decides the realm of a refresh, which is that of the login. The registration of the client may have shrunk since.
pub(crate) fn realm_of_refresh(client: &Client, family: &RefreshFamily) -> Result<Realm, Reason> {
    client.served_realm(family.realm()).ok_or(Reason::RealmWithdrawn)
}

/// Decides the realm of a user whose second factors are managed, which is that of the login. The registration of the client may have
/// shrunk since.
pub(crate) fn realm_of_factors(client: &Client, realm: Option<&str>) -> Option<Realm> {
    client.served_realm(realm).filter(|_| client.allows_second_factor())
}

/// Whether this client may know what an access token stands for: one that is for it, for nobody in particular, or was issued to it.
pub(crate) fn may_know(client: &Client, record: &AccessTokenRecord) -> bool {
    let is_for_it = record.audience().iter().any(|audience| client.audiences().contains(audience));
    client.may_know_realm(record.realm())
        && (is_for_it || record.audience().is_empty() || record.client() == client.id())
}

/// Whether the client may not use the grant type of the login any more.
pub(crate) fn is_withdrawn(client: &Client, family: &RefreshFamily) -> bool {
    family.grant_type().is_some_and(|login| !client.allows_grant(login))
}

/// Decides the scope that a refresh asks for (RFC 6749 section 6). The registration of the client may have shrunk since the
/// login.
pub(crate) fn scope_of_refresh(
    client: &Client,
    family: &RefreshFamily,
    requested: Option<&str>,
    rules: &GrantRules,
) -> Result<Scope, Reason> {
    let asked = asked_within(|| Cow::Borrowed(family.scope()), requested, rules.profile, Reason::ScopeNotGranted)?;
    let scope = asked.unwrap_or_else(|| family.scope().clone());
    let reach = reach(client, rules.profile, false);
    left_of(&scope, scope.intersection(&reach))
}

/// Decides the realm of a login that was left open in this one. The registration of the client may have changed since.
pub(crate) fn realm_of_open(client: &Client, realm: Option<&str>) -> Result<Realm, Reason> {
    client.served_realm(realm).ok_or(Reason::MalformedMfaToken)
}

/// Decides the scope of a login that was left open with this one. The registration of the client may have shrunk since.
pub(crate) fn scope_of_open(
    client: &Client,
    scope: &Scope,
    audience: Option<&Audience>,
    rules: &GrantRules,
) -> Result<Scope, Reason> {
    let reach = reach(client, rules.profile, rules.is_of_factors(audience.map(Audience::as_str)));
    left_of(scope, scope.intersection(&reach))
}

/// Whether a request of the client may name an audience. Without that, `audience` is a parameter that the endpoint does not know.
pub(crate) fn knows_audiences(client: &Client, profile: Profile) -> bool {
    profile.reads_audience() && client.names_audiences()
}

/// Decides the audience of a login that asks for this one: it must be one that the client may ask for. `factors`: that by which it may
/// manage second factors, which is no matter of the profile.
#[inline]
pub(crate) fn audience_of_login(
    client: &Client,
    requested: Option<&str>,
    profile: Profile,
    factors: Option<&Audience>,
) -> Result<Option<Audience>, TokenError> {
    let Some(name) = requested else { return Ok(None) };
    let of_factors = factors.filter(|audience| audience.as_str() == name).cloned();
    let registered = || if knows_audiences(client, profile) { client.allowed_audience(name) } else { None };
    of_factors.or_else(registered).map(Some).ok_or_else(|| not_allowed(name))
}

fn not_allowed(audience: &str) -> TokenError {
    TokenError::new(Reason::AudienceNotAllowed).about(audience)
}

/// Decides the audience of a refresh, which is that of the login: one that asks for another would get tokens that do not serve it.
/// The registration of the client may have shrunk since, and the audience have become that of second factors.
pub(crate) fn audience_of_refresh(
    client: &Client,
    family: &RefreshFamily,
    requested: Option<&str>,
    rules: &GrantRules,
) -> Result<Option<Audience>, TokenError> {
    let find = |name: &str| client.allowed_audience(name).filter(|_| !rules.is_of_factors(Some(name)));
    let audience = family.audience().map(|name| find(name).ok_or(Reason::AudienceWithdrawn)).transpose()?;
    match requested {
        Some(name) if audience.as_ref().map(Audience::as_str) != Some(name) => Err(not_allowed(name)),
        _ => Ok(audience),
    }
}

/// Whether a login with this scope, for this audience, begins a family of refresh tokens. None prolongs the right to manage second
/// factors: each token for that shows one anew.
pub(crate) fn begins_family(client: &Client, scope: &Scope, audience: Option<&str>, rules: &GrantRules) -> bool {
    client.allows_grant(REFRESH_TOKEN) && has_scope_of_families(scope, rules.profile) && !rules.is_of_factors(audience)
}

/// Whether a scope has what the profile asks of a login with refresh tokens. A ceiling without it leaves no login with one.
pub(crate) fn has_scope_of_families(scope: &Scope, profile: Profile) -> bool {
    profile.refresh_token_scope().is_none_or(|needed| scope.contains(needed))
}

/// What is left of a scope. No token is given for nothing of what was asked.
pub(crate) fn left_of(scope: &Scope, left: Scope) -> Result<Scope, Reason> {
    if left.is_empty() && !scope.is_empty() { Err(Reason::NothingGranted) } else { Ok(left) }
}

/// All that bounds the scope of a login besides the registration of its client.
#[derive(Debug, Default)]
pub(crate) struct ScopeLimits {
    /// Says what the client may ask for.
    pub(crate) profile: Profile,
    /// What the verifier lets this user have; at a refresh no more than the login has got.
    pub(crate) user: Option<Scope>,
    /// The ceiling of the endpoint.
    pub(crate) endpoint: Option<Scope>,
    /// The tokens are for the endpoints of second factors.
    pub(crate) is_for_factors: bool,
}

impl ScopeLimits {
    /// Narrows a scope that was asked for, which is within those of client and family already.
    #[inline]
    pub(crate) fn narrow(&self, mut scope: Scope) -> Result<Scope, Reason> {
        if let Some(user) = &self.user {
            scope = left_of(&scope, scope.intersection(user))?;
        }
        if let Some(endpoint) = &self.endpoint {
            scope = left_of(&scope, scope.intersection(endpoint))?;
        }
        Ok(scope)
    }

    /// Holds a refresh to what the login has got that it prolongs.
    pub(crate) fn hold_to(&mut self, family: &Scope) {
        self.user = Some(match &self.user {
            Some(allowed) => family.intersection(allowed),
            None => family.clone(),
        });
    }

    /// What login rules make of a scope that was narrowed: nothing that they add is beyond any limit.
    pub(crate) fn ruled(&self, scope: &Scope, client: &Client, decisions: &Decisions) -> Scope {
        let Self { profile, user, endpoint, is_for_factors } = self;
        let reach = reach(client, *profile, *is_for_factors);
        let limits = [Some(&*reach), user.as_ref(), endpoint.as_ref()];
        decisions.scope(scope, limits.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::builder::ClientBuilder;

    #[test]
    fn a_login_goes_on_only_for_a_client_that_may_refresh_and_may_still_begin_it() {
        let client = |change: fn(ClientBuilder) -> ClientBuilder| {
            let ends = Sunset::at(SystemTime::UNIX_EPOCH);
            let client = Client::public("app").scopes("read").allow_grant("urn:example:other").sunset(ends);
            change(client).build().unwrap()
        };
        let password = GrantType::PASSWORD;
        let second = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let both = client(|client| client.allow_password_grant().allow_refresh_tokens());
        assert!(permit_going_on(&both, password, second(9), || SystemTime::UNIX_EPOCH).is_ok(), "whatever its date is");
        assert!(permit_grant(&both, password, || SystemTime::UNIX_EPOCH).is_err());
        let lacks = [client(ClientBuilder::allow_password_grant), client(ClientBuilder::allow_refresh_tokens)];
        for client in &lacks {
            let refused = permit_going_on(client, password, second(9), || SystemTime::UNIX_EPOCH).unwrap_err();
            assert_eq!(refused.reason, Reason::GrantNotAllowed);
        }
        // But for the end of the family, and the earlier one of the plan.
        let plan = Sunset::at(second(0)).end_families_at(second(9)).unwrap();
        let ending = both.to_builder().sunset(plan).build().unwrap();
        for (client, ends) in [(&both, second(9)), (&ending, second(20)), (&ending, second(9))] {
            assert!(permit_going_on(client, password, ends, || second(8)).is_ok());
            let refused = permit_going_on(client, password, ends, || second(9)).unwrap_err();
            assert_eq!(refused.reason, Reason::RefreshTokenExpired);
        }
    }

    #[test]
    fn a_refresh_is_held_to_what_verifier_and_login_both_give() {
        let scope = |text: &str| text.parse::<Scope>().unwrap();
        for (user, held) in [(None, "read write"), (Some("admin read"), "read"), (Some("read write"), "read write")] {
            let mut limits = ScopeLimits { user: user.map(scope), ..ScopeLimits::default() };
            limits.hold_to(&scope("read write"));
            assert_eq!(limits.user, Some(scope(held)), "{user:?}");
        }
    }
}
