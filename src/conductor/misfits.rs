//! Registrations of clients that cannot work with what the endpoint has: told, because nothing else shows them before the client
//! is refused.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::endpoint::Endpoint;
use crate::observe::telemetry;
use crate::protocol::client::{Client, ClientAuthentication, ClientId, PASSWORD, REFRESH_TOKEN};
use crate::protocol::policy::MissingScope;
use crate::protocol::scope::Scope;

/// The most clients that are remembered as told.
const MOST: usize = 1024;

/// The clients that were told already, if the registry could not name them at the start.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashSet<ClientId>>);

impl Told {
    /// Whether nobody was told of this client before. When there are too many, nothing more is told.
    fn is_first(&self, client: &ClientId) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MOST && told.insert(client.clone())
    }
}

impl Endpoint {
    /// What is told when the endpoint is built. `clients` are all that there are, if they are known.
    pub(crate) fn tell_misfits(&self, clients: Option<&[Client]>, serves_introspection: bool) {
        if self.refresh.is_some() && !self.can_recheck {
            telemetry::misfit(
                None,
                "there are refresh tokens, but the verifier cannot tell whether a login still holds, so every refresh is \
                 refused: implement `CredentialVerifier::recheck`, or `UserStore::find_by_id` for `Argon2Verifier`",
            );
        }
        let Some(clients) = clients else { return };
        if serves_introspection && !clients.iter().any(Client::may_introspect) {
            telemetry::misfit(
                None,
                "no client may introspect, so every token is shown as inactive: `ClientBuilder::allow_introspection`",
            );
        }
        for client in clients {
            self.tell_misfits_of(client);
        }
    }

    /// Warns about a client at its first request, because the registry cannot name its clients.
    pub(super) fn tell_new_misfits_of(&self, client: Option<&Client>) {
        // Where nobody listens, a known client costs no more than an unknown one.
        if let (Some(told), Some(client)) = (&self.told, client)
            && telemetry::is_enabled()
            && self.misfits(client, self.clock.now()).next().is_some()
            && told.is_first(client.id())
        {
            self.tell_misfits_of(client);
        }
    }

    fn tell_misfits_of(&self, client: &Client) {
        self.misfits(client, self.clock.now()).for_each(|misfit| telemetry::misfit(Some(client.id()), misfit));
    }

    fn misfits<'a>(&'a self, client: &'a Client, now: SystemTime) -> impl Iterator<Item = &'static str> + 'a {
        let serves = |grant: &String| self.grant_named(grant).is_some();
        let has_grant = |grant: &str| client.allows_grant(grant);
        let gets_tokens = client.grants().iter().any(|grant| grant != REFRESH_TOKEN);
        let mut secrets = client.secrets().peekable();
        let scopes = client.scopes();
        let is_beyond = |ceiling: &Scope| !scopes.iter().any(|scope| ceiling.contains(scope));
        [
            (
                has_grant(REFRESH_TOKEN) && self.refresh.is_none(),
                "it may have refresh tokens, but the endpoint keeps none: `.refresh_tokens(..)`",
            ),
            (
                has_grant(REFRESH_TOKEN) && !gets_tokens,
                "it may refresh, but has no grant that gives it a refresh token: `ClientBuilder::allow_password_grant`",
            ),
            (
                client.grants().iter().any(|grant| grant != PASSWORD && grant != REFRESH_TOKEN && !serves(grant)),
                "it may use a grant type that is not served here: `.extension_grant(..)`",
            ),
            (
                client.may_introspect() && self.access.is_none(),
                "it may introspect, but nothing tells what a token stands for: `.access_tokens(..)`",
            ),
            (
                *client.authentication() == ClientAuthentication::SecretPost && !self.post_allowed,
                "it sends its secret in the body, which is refused: `.refuse_secrets_in_body()`",
            ),
            (
                secrets.peek().is_some() && secrets.all(|(_, end)| end.is_some_and(|end| end <= now)),
                "all its secrets have expired",
            ),
            (
                has_grant(PASSWORD) && client.sunset().is_some_and(|sunset| sunset.end() <= now),
                "its end date is over: the password grant is refused to it",
            ),
            (
                gets_tokens && scopes.is_empty() && self.rules.missing_scope != MissingScope::Scopeless,
                "it is registered for no scope, so every login is refused: `ClientBuilder::scopes`, or `.scopeless()`",
            ),
            (
                gets_tokens && !scopes.is_empty() && self.rules.ceiling.as_ref().is_some_and(is_beyond),
                "nothing of its scope is within `.scope_ceiling(..)`, so every login is refused",
            ),
        ]
        .into_iter()
        .filter_map(|(is_misfit, text)| is_misfit.then_some(text))
    }
}
