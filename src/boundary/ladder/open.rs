//! Logins with a second factor open. One becomes a challenge, and nothing else.

use std::borrow::Cow;

use super::challenge::NewChallenge;
use super::clearance::Open;
use super::facts::GrantFacts;
use crate::protocol::audience::Audience;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::authenticator::FactorUser;
use crate::protocol::factor::challenge::{Challenge, Prolonged};
use crate::protocol::secret::secrets::RandomnessError;
use crate::protocol::token::family::RefreshFamily;
use crate::protocol::token::methods::AuthenticationMethods;

/// A login that lacks a second factor, as it was left.
pub(crate) struct OpenLogin {
    counted: AuthenticationMethods,
    facts: GrantFacts,
    /// The grant type by which it began.
    began: Cow<'static, str>,
    prolongs: Option<Box<Prolonged>>,
}

impl OpenLogin {
    pub(super) fn of(open: Open, facts: &GrantFacts, family: Option<&RefreshFamily>) -> Self {
        // What a family began with goes on.
        let began = match family {
            Some(family) => Cow::Owned(family.began().to_owned()),
            None => Cow::Borrowed(facts.grant_type.name()),
        };
        let prolongs = match family {
            Some(family) => Some(Box::new(Prolonged {
                id: family.id(),
                ends: family.expires(),
                scope: Some(family.scope()).filter(|scope| !scope.is_empty() && **scope != facts.scope).cloned(),
            })),
            // It was left open before.
            None => facts.prolongs.clone(),
        };
        Self { counted: open.counted(), facts: facts.clone(), began, prolongs }
    }

    /// The client that may finish it.
    pub(crate) const fn client(&self) -> &Client {
        &self.facts.client
    }

    /// Whose second factors count.
    pub(crate) fn factor_user(&self) -> FactorUser<'_> {
        FactorUser::new(self.facts.realm.as_deref(), self.facts.subject.id())
    }

    /// In which ways the user was authenticated, as far as it counts.
    pub(crate) const fn counted(&self) -> AuthenticationMethods {
        self.counted
    }

    /// The challenge to finish it. `attempt`: the reservation of its password, or of what stands in its place.
    pub(crate) fn into_challenge(self, attempt: Option<[u8; 32]>) -> Result<NewChallenge, RandomnessError> {
        let Self { counted, facts, began, prolongs } = self;
        NewChallenge::begin(facts.issued_at, |id, expires| Challenge {
            id,
            client: facts.client.id().clone(),
            realm: facts.realm.as_deref().map(str::to_owned),
            subject: facts.subject.id().into(),
            credential_version: facts.subject.credential_version().map(str::to_owned),
            scope: facts.scope,
            audience: facts.audience.as_ref().map(|audience| Audience::as_str(audience).to_owned()),
            grant_type: began,
            methods: counted,
            authenticated_at: facts.authenticated_at,
            expires,
            attempt,
            family: prolongs.map(|prolonged| *prolonged),
        })
    }
}
