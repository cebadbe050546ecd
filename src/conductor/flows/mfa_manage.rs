//! The management of second factors: its bearer and client, and the list of authenticators, from which one is removed.

use std::sync::Arc;

use super::super::access_tokens::AccessTokens;
use super::super::answer::{FactorReply, Reply};
use super::super::budget::Budget;
use super::super::door::{Door, Head};
use super::super::factors::bearer::Bearer;
use super::super::factors::seals::not_kept;
use super::super::factors::second_factors::SecondFactors;
use super::super::login::rungs::Rungs;
use super::super::purpose::Purpose;
use super::super::senders::Senders;
use super::super::trail::Trail;
use crate::boundary::audit::FactorStep;
use crate::protocol::audience::Audience;
use crate::protocol::client::policy;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::api;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId, Removed};
use crate::protocol::factor::parameters::ID;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::factors;
use crate::protocol::wire::form::Form;
use crate::protocol::wire::head::bearer_token;

/// The flows of the endpoints that go by a bearer token.
pub(crate) struct ManagementFlow {
    pub(crate) factors: Arc<SecondFactors>,
    pub(crate) access: Arc<AccessTokens>,
    /// That of these endpoints.
    pub(crate) audience: Audience,
    pub(crate) budget: Arc<Budget>,
}

/// Whose second factors are managed, and by which client.
pub(super) struct Manager {
    pub(super) bearer: Bearer,
    pub(super) client: Client,
    /// What the verifier says of the user now.
    pub(super) user: Known,
}

/// A user, as the verifier knows it.
pub(super) struct Known {
    pub(super) credential_version: Option<String>,
    pub(super) login_name: Option<String>,
}

impl ManagementFlow {
    /// RFC 6750 section 3.1 has the order: the token first, then what it may do.
    pub(crate) async fn serve(
        &self,
        (door, senders, rungs): (&Door, &Senders, &Rungs),
        head: &Head,
        form: &mut Form,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        // What follows is waited for.
        trail.caller.elapsed = None;
        let token = bearer_token(&head.headers).ok_or(Reason::BearerInvalid)?;
        let identified = match Bearer::of(token, &self.factors, &self.access, &self.audience).await {
            Ok(bearer) => identify(bearer, door, head, form, trail).await,
            Err(error) => Err(error),
        };
        if identified.as_ref().is_err_and(|error| error.reason == Reason::BearerInvalid) {
            self.budget.count_made_up(trail.client.as_ref(), &mut trail.caller).await?;
        }
        let (bearer, client) = identified?;
        senders.note_end_user(&head.headers, &client, trail);
        let user = look_again(&bearer, &client, rungs, trail).await?;
        let manager = Manager { bearer, client, user };
        let reply = match trail.purpose {
            Purpose::Authenticators => self.list(&manager).await,
            Purpose::Authenticator => self.remove(&manager, form).await,
            Purpose::Associate => self.enrol(&manager, form, trail).await,
            Purpose::Token | Purpose::Revocation | Purpose::Introspection | Purpose::FactorChallenge => {
                Err(Reason::BearerInvalid.into())
            }
        };
        reply.map(|reply| Reply::Factor(Box::new(reply)))
    }

    async fn list(&self, manager: &Manager) -> Result<FactorReply, TokenError> {
        manager.bearer.check_scope(api::READ, true)?;
        let authenticators = self.authenticators(manager).await?;
        Ok(manager.reply(FactorStep::Listed, None, Some(factors::list(&authenticators))))
    }

    /// A login with a factor open never removes one. Nor does a token that no factor was shown for, where there is one by now: it may
    /// be from before the enrolment.
    async fn remove(&self, manager: &Manager, form: &Form) -> Result<FactorReply, TokenError> {
        let Manager { bearer, .. } = manager;
        bearer.check_scope(api::REMOVE, false)?;
        let id = form.single(ID)?.and_then(AuthenticatorId::parse).ok_or(Reason::UnknownAuthenticator)?;
        let removing = self.factors.store.remove(bearer.user(), &id, bearer.is_by_password_alone());
        match self.factors.patience.of(removing).await.map_err(not_kept)? {
            Removed::Gone => Ok(manager.reply(FactorStep::Removed, Some(id), None)),
            Removed::Unknown => Err(Reason::UnknownAuthenticator.into()),
            Removed::HasFactor => Err(Reason::BearerScope.into()),
        }
    }

    pub(super) async fn authenticators(&self, manager: &Manager) -> Result<Vec<Authenticator>, TokenError> {
        self.factors.list(manager.bearer.user()).await.map_err(not_kept)
    }
}

impl Manager {
    pub(super) fn reply(
        &self,
        step: FactorStep,
        authenticator: Option<AuthenticatorId>,
        json: Option<Vec<u8>>,
    ) -> FactorReply {
        FactorReply { step, subject: self.bearer.user().subject.to_owned(), authenticator, json }
    }
}

/// Finds the client of a bearer, which must still be one that manages second factors of this realm.
async fn identify(
    bearer: Bearer,
    door: &Door,
    head: &Head,
    form: &mut Form,
    trail: &mut Trail,
) -> Result<(Bearer, Client), TokenError> {
    let client = door.accompany(head, form, bearer.client_id(), trail).await?;
    trail.realm = policy::realm_of_factors(&client, bearer.user().realm).ok_or(Reason::BearerInvalid)?;
    Ok((bearer, client))
}

/// Looks at the user of a bearer again, and answers what an enrolment needs of it. Whatever has become of the user, the bearer is not
/// what it was.
async fn look_again(bearer: &Bearer, client: &Client, rungs: &Rungs, trail: &Trail) -> Result<Known, TokenError> {
    let question = bearer.question(client, &trail.realm, trail.caller.address);
    let answer = rungs.users().recheck(&question).await.map_err(|error| error.because(Reason::VerifierFailed))?;
    let user = answer.map_err(|_| Reason::BearerInvalid)?;
    let [credential_version, login_name] =
        [user.credential_version(), user.login_name()].map(|text| text.map(str::to_owned));
    let known = Known { credential_version, login_name };
    let holds = match bearer {
        Bearer::Login(open) => user.returning_to(open.challenge()).is_ok(),
        Bearer::Token(record) => user.keeps_token(record),
    };
    if holds { Ok(known) } else { Err(Reason::BearerInvalid.into()) }
}
