//! Registrations of clients that cannot work with what the endpoint has: a warning, because nothing else shows them before the client
//! is refused.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::boundary::clock::Clock;
use crate::boundary::sync::held;
use crate::observe::telemetry;
use crate::protocol::client::grant_type::{GrantType, begins_login, is_of_extension};
use crate::protocol::client::policy;
use crate::protocol::client::registered::{Client, ClientAuthentication, ClientId, REFRESH_TOKEN, SECOND_FACTOR};
use crate::protocol::client::sunset::end::Sunset;
use crate::protocol::profile::Profile;
use crate::protocol::scope::Scope;

/// The most clients whose warnings are remembered.
const MOST: usize = 1024;

/// The clients that had their warning already.
#[derive(Default)]
struct Warned(Mutex<HashSet<ClientId>>);

impl Warned {
    /// Whether there was no warning about this client before. When there are too many clients, no more warnings come.
    fn is_first(&self, client: &ClientId) -> bool {
        let mut told = held(self.0.lock());
        told.len() < MOST && told.insert(client.clone())
    }
}

/// What an endpoint has that a registration can ask for.
pub(crate) struct EndpointOffer {
    pub(crate) grants: Vec<GrantType>,
    pub(crate) refresh_tokens: bool,
    /// The issuer gives ID tokens.
    pub(crate) id_tokens: bool,
    /// The issuer names another store than that of the refresh tokens.
    pub(crate) is_apart: bool,
    pub(crate) introspection: bool,
    pub(crate) second_factors: bool,
    pub(crate) access_tokens: bool,
    /// The verifier can recheck a login.
    pub(crate) can_recheck: bool,
    pub(crate) secrets_in_body: bool,
    pub(crate) scopeless: bool,
    pub(crate) profile: Profile,
    pub(crate) scope_ceiling: Option<Scope>,
    pub(crate) keyed_sides: KeyedSides,
    pub(crate) requires_sunset: bool,
    /// Something looks exceptions from the end of a client up.
    pub(crate) sunset_exceptions: bool,
    /// The realms that the verifier knows, if it has a list.
    pub(crate) realms: Option<Vec<String>>,
}

/// Which of endpoint and limiter have the operator's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyedSides {
    /// Both or none, or a limiter that needs none.
    Fitting,
    Endpoint,
    Limiter,
}

impl KeyedSides {
    pub(crate) const fn of(endpoint: bool, limiter: Option<bool>) -> Self {
        match (endpoint, limiter) {
            (true, Some(false)) => Self::Endpoint,
            (false, Some(true)) => Self::Limiter,
            _ => Self::Fitting,
        }
    }

    const fn misfit(self) -> Option<&'static str> {
        match self {
            Self::Fitting => None,
            Self::Endpoint => Some(
                "the endpoint has a shared key and the limiter's store has none, so that the same mistake counts again after a \
                 restart: give it to the store too, `SqliteStoreBuilder::shared_key`",
            ),
            Self::Limiter => Some(
                "the limiter has a shared key and the endpoint has none, so that the same mistake counts again in each process \
                 and after a restart: give it to the endpoint too, `AttackProtection::shared_key`",
            ),
        }
    }
}

/// Holds registrations against the offer.
pub(crate) struct Misfits {
    offer: EndpointOffer,
    clock: Arc<dyn Clock>,
    /// If the registry does not name its clients at the start.
    told: Option<Warned>,
}

impl Misfits {
    /// `clients` are all that there are, if they are known.
    pub(crate) fn new(offer: EndpointOffer, clock: Arc<dyn Clock>, clients: Option<&[Client]>) -> Self {
        Self { offer, clock, told: clients.is_none().then(Warned::default) }
    }

    /// The warnings when the endpoint is built.
    pub(crate) fn tell_all(&self, clients: Option<&[Client]>) {
        if self.offer.refresh_tokens && !self.offer.can_recheck {
            telemetry::misfit(
                None,
                "there are refresh tokens, but the verifier cannot tell whether a login still holds, so every refresh is \
                 refused: implement `CredentialVerifier::recheck`, or `UserStore::find_by_id` for `Argon2Verifier`",
            );
        }
        if self.offer.is_apart {
            telemetry::misfit(
                None,
                "the issuer and the refresh tokens name two stores, so that a login and a refresh are two steps: open the \
                 store once and give clones of it to both",
            );
        }
        if self.offer.second_factors && !self.offer.access_tokens {
            telemetry::misfit(
                None,
                "there are second factors, but nothing tells what an access token stands for, so none manages them outside a login: \
                 `.access_tokens(..)`",
            );
        }
        if let Some(misfit) = self.offer.keyed_sides.misfit() {
            telemetry::misfit(None, misfit);
        }
        let Some(clients) = clients else { return };
        if self.offer.introspection && !clients.iter().any(Client::may_introspect) {
            telemetry::misfit(
                None,
                "no client may introspect, so every token is shown as inactive: `ClientBuilder::allow_introspection`",
            );
        }
        if self.offer.refresh_tokens && !clients.iter().any(|client| client.allows_grant(REFRESH_TOKEN)) {
            telemetry::misfit(
                None,
                "no client may refresh, so no login gives a refresh token: `ClientBuilder::allow_refresh_tokens`",
            );
        }
        if self.offer.second_factors && !clients.iter().any(Client::allows_second_factor) {
            telemetry::misfit(
                None,
                "there are second factors, but no client may show one, so no login that needs one is ever finished: \
                 `ClientBuilder::allow_second_factor`",
            );
        }
        clients.iter().for_each(|client| self.tell(client));
    }

    /// Warns about a client at its first request, because the registry cannot name its clients.
    pub(super) fn tell_new(&self, client: Option<&Client>) {
        // Without a listener, a known client costs no more than an unknown one.
        if let (Some(told), Some(client)) = (&self.told, client)
            && telemetry::is_enabled()
            && self.of(client, self.clock.now()).next().is_some()
            && told.is_first(client.id())
        {
            self.tell(client);
        }
    }

    fn tell(&self, client: &Client) {
        self.of(client, self.clock.now()).for_each(|misfit| telemetry::misfit(Some(client.id()), misfit));
    }

    fn of(&self, client: &Client, now: SystemTime) -> impl Iterator<Item = &'static str> {
        let Self { offer, .. } = self;
        let logins = Logins::of(client, offer);
        let of_logins = of_grants(client, offer, logins).into_iter().chain(of_sunset(client, offer, logins, now));
        let of_access = of_logins.chain(of_credentials(client, offer, now));
        let of_tokens = of_scope(client, offer, logins).into_iter().chain(of_audience(client, offer));
        let all = of_access.chain(of_tokens).chain(of_realms(client, offer, logins));
        all.filter_map(|(is_misfit, text)| is_misfit.then_some(text))
    }
}

/// Whether something does not fit, and what is said then.
type Held = (bool, &'static str);

/// Which logins a client may begin.
#[derive(Clone, Copy)]
struct Logins {
    /// Any that gives tokens.
    any: bool,
    /// One by a password, of those that the endpoint serves.
    by_password: bool,
    /// One in a realm that the request has to name.
    by_realm: bool,
}

impl Logins {
    fn of(client: &Client, offer: &EndpointOffer) -> Self {
        let own_grants = || offer.grants.iter().filter(|served| client.allows_grant(served.name()));
        Self {
            any: client.grants().iter().any(|grant| begins_login(grant)),
            by_password: own_grants().any(|grant| grant.begins_password_login()),
            by_realm: own_grants().any(|grant| grant.names_realm()),
        }
    }
}

fn of_sunset(client: &Client, offer: &EndpointOffer, logins: Logins, now: SystemTime) -> [Held; 3] {
    let sunset = client.sunset().filter(|_| logins.by_password);
    let looks_up = |sunset: &Sunset| sunset.exceptions_looked_up_until().is_some_and(|until| now < until);
    [
        (
            sunset.is_some_and(|sunset| sunset.end() <= now && !sunset.has_exceptions(now)),
            "its end date is over: the password grant is refused to it",
        ),
        (
            logins.by_password && sunset.is_none() && offer.requires_sunset,
            "it has no end date, so the password grant is refused to it because `.require_sunset()` is set: \
             `ClientBuilder::sunset`",
        ),
        (
            sunset.is_some_and(looks_up) && !offer.sunset_exceptions,
            "the plan of its end looks exceptions up, but there is nothing to ask: `.sunset_exceptions(..)`",
        ),
    ]
}

fn of_grants(client: &Client, offer: &EndpointOffer, logins: Logins) -> [Held; 4] {
    let serves = |grant: &String| offer.grants.iter().any(|served| served.name() == grant);
    let may_refresh = client.allows_grant(REFRESH_TOKEN);
    [
        (
            may_refresh && !offer.refresh_tokens,
            "it may have refresh tokens, but the endpoint keeps none: `.refresh_tokens(..)`",
        ),
        (
            may_refresh && !logins.any,
            "it may refresh, but has no grant that gives it a refresh token: `ClientBuilder::allow_password_grant`",
        ),
        (
            client.grants().iter().any(|grant| is_of_extension(grant) && !serves(grant)),
            "it may use a grant type that is not served here: `.extension_grant(..)`",
        ),
        (
            client.grants().iter().any(|grant| SECOND_FACTOR.contains(&grant.as_str()) && !serves(grant)),
            "it may show a second factor, but the endpoint asks for none: `.second_factor(..)`",
        ),
    ]
}

fn of_credentials(client: &Client, offer: &EndpointOffer, now: SystemTime) -> [Held; 3] {
    let mut secrets = client.secrets().peekable();
    [
        (
            client.may_introspect() && !offer.access_tokens,
            "it may introspect, but nothing tells what a token stands for: `.access_tokens(..)`",
        ),
        (
            *client.authentication() == ClientAuthentication::SecretPost && !offer.secrets_in_body,
            "it sends its secret in the body, which is refused because `.refuse_secrets_in_body()` is set",
        ),
        (
            secrets.peek().is_some() && secrets.all(|(_, end)| end.is_some_and(|end| end <= now)),
            "all its secrets have expired",
        ),
    ]
}

fn of_scope(client: &Client, offer: &EndpointOffer, logins: Logins) -> [Held; 3] {
    let scopes = policy::reach(client, offer.profile, false);
    let ceiling = offer.scope_ceiling.as_ref();
    let keeps_none = |ceiling: &Scope| !policy::has_scope_of_families(ceiling, offer.profile);
    let is_beyond = |ceiling: &Scope| !scopes.iter().any(|scope| ceiling.contains(scope));
    [
        (
            client.allows_grant(REFRESH_TOKEN) && logins.any && ceiling.is_some_and(keeps_none),
            "it may refresh, but `.scope_ceiling(..)` lacks the scope that the profile asks of a login with a refresh token, so no \
             login gives it one",
        ),
        (
            logins.any && scopes.is_empty() && !offer.scopeless,
            "it is registered for no scope, so every login is refused: `ClientBuilder::scopes`, or `MissingScope::Scopeless`",
        ),
        (
            logins.any && !scopes.is_empty() && ceiling.is_some_and(is_beyond),
            "nothing of its scope is within `.scope_ceiling(..)`, so every login is refused",
        ),
    ]
}

fn of_audience(client: &Client, offer: &EndpointOffer) -> [Held; 2] {
    let knows_audiences = policy::knows_audiences(client, offer.profile);
    let is_own_api = || client.allowed_audiences().any(|audience| audience == client.id().as_str());
    [
        (
            client.names_audiences() && !knows_audiences,
            "it may name audiences, which the profile does not read: `Builder::profile`",
        ),
        (
            offer.id_tokens && knows_audiences && is_own_api(),
            "it may name itself as the audience, which is that of its ID tokens, so a login for both fails: \
             `ClientBuilder::remove_audience`",
        ),
    ]
}

fn of_realms(client: &Client, offer: &EndpointOffer, logins: Logins) -> [Held; 4] {
    let knows = |realm: &str| offer.realms.as_ref().is_none_or(|known| known.iter().any(|known| known == realm));
    let lists_none = !client.lists_realms();
    [
        (
            logins.by_realm && lists_none,
            "it may use the realm grant, but lists no realm, so that every login by it is refused: `ClientBuilder::realms`",
        ),
        (
            logins.by_password && offer.realms.is_some() && lists_none,
            "it lists no realm, but the verifier knows users of realms only, so every login fails: `ClientBuilder::realms`",
        ),
        (
            client.may_introspect() && offer.introspection && offer.realms.is_some() && lists_none,
            "it may introspect and lists no realm, so it is shown the tokens of every realm: `ClientBuilder::realms`",
        ),
        (
            !client.realms().all(knows),
            "it lists a realm that the verifier does not know, so every login there fails: `Realms::realm`",
        ),
    ]
}
