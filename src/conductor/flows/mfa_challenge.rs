//! The choice of a second factor for a login that has one open, and the sending of its code.

use std::sync::Arc;

use super::super::answer::{FactorReply, Reply};
use super::super::budget::Budget;
use super::super::factors::deliveries::{Recipient, Span};
use super::super::factors::seals::not_kept;
use super::super::factors::second_factors::SecondFactors;
use super::super::trail::Trail;
use crate::boundary::audit::FactorStep;
use crate::boundary::ladder::charge::Guessed;
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::authenticator::{Authenticator, AuthenticatorId, Channel};
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::factor::choice::{Asked, Chosen};
use crate::protocol::factor::parameters::{AUTHENTICATOR_ID, CHALLENGE_TYPE, MFA_TOKEN, OOB_CHANNEL};
use crate::protocol::wire::challenge_answer;
use crate::protocol::wire::error::TokenError;
use crate::protocol::wire::form::Form;

/// The flow of a challenge.
pub(crate) struct ChallengeFlow {
    factors: Arc<SecondFactors>,
    budget: Arc<Budget>,
}

/// What the client is told, and of which authenticator.
struct Answer {
    json: Vec<u8>,
    authenticator: Option<AuthenticatorId>,
}

impl ChallengeFlow {
    pub(crate) fn new(factors: Arc<SecondFactors>, budget: Arc<Budget>) -> Self {
        Self { factors, budget }
    }

    pub(crate) async fn serve(
        &self,
        form: &Form,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let asks = client.client().clone();
        let outcome = self.challenge(form, client, trail).await;
        self.budget.count_unknown(&outcome, &asks, &mut trail.caller).await?;
        outcome
    }

    async fn challenge(
        &self,
        form: &Form,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let token = form.single(MFA_TOKEN)?.ok_or_else(|| TokenError::missing(MFA_TOKEN))?;
        let (authenticator, channel) = (form.single(AUTHENTICATOR_ID)?, form.single(OOB_CHANNEL)?);
        let types: Vec<&str> = form.list(CHALLENGE_TYPE).collect();
        let opened = self.factors.open_for(client.client(), token)?;
        let challenge = opened.challenge();
        let asked = Asked { types: &types, authenticator, channel, shown: challenge.methods };
        let answered = self.answer(challenge, asked, client, trail).await;
        answered.map_err(|error| error.of_user(&challenge.subject))
    }

    /// Answers a challenge that was opened.
    async fn answer(
        &self,
        challenge: &Challenge,
        asked: Asked<'_>,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let (factors, asks) = (&*self.factors, client.client().clone());
        trail.realm = policy::realm_of_open(&asks, challenge.realm.as_deref())?;
        let enrolled = factors.list(challenge.user()).await.map_err(not_kept)?;
        let answer = match asked.choose(&enrolled, |channel| factors.deliveries.serve(channel))? {
            Chosen::Otp => {
                self.permit(client, GrantType::MFA_OTP)?;
                Answer { json: challenge_answer::otp(), authenticator: None }
            }
            Chosen::OutOfBand(authenticator, channel) => {
                self.permit(client, GrantType::MFA_OOB)?;
                self.send(authenticator, channel, challenge, &asks, trail).await?
            }
        };
        let Answer { json, authenticator } = answer;
        let (step, subject) = (FactorStep::Challenged, challenge.subject.as_ref().to_owned());
        Ok(Reply::Factor(Box::new(FactorReply { step, subject, authenticator, json: Some(json) })))
    }

    /// Whether the client may finish the login with what is chosen.
    fn permit(&self, client: AuthenticatedClient, grant_type: GrantType) -> Result<(), TokenError> {
        let permitted = client.permit(grant_type, || self.factors.clock.now());
        permitted.map(drop)
    }

    /// Sends a code, or asks on another device, once that was charged.
    async fn send(
        &self,
        authenticator: &Authenticator,
        channel: Channel,
        challenge: &Challenge,
        client: &Client,
        trail: &mut Trail,
    ) -> Result<Answer, TokenError> {
        let (factors, user, id) = (&*self.factors, challenge.user(), &authenticator.id);
        let contact = factors.seals.open_contact(user, authenticator)?;
        let address = trail.caller.address;
        let recipient = Recipient { user, authenticator: id, channel, contact: &contact, client: client.id(), address };
        let name = recipient.name();
        let guessed = Guessed::delivery(user.realm, user.subject, &name);
        let charge = self.budget.reserve(guessed, None, Some(client), &mut trail.caller).await?;
        let login = Span { now: factors.clock.now(), ends: challenge.expires };
        let sent = factors.deliveries.send(recipient, challenge.id, charge, login).await?;
        let token = factors.seals.seal_delivery(&sent)?;
        let lasts = sent.expires.duration_since(login.now).unwrap_or_default();
        let json = challenge_answer::out_of_band(channel, token.expose(), lasts);
        Ok(Answer { json, authenticator: Some(id.clone()) })
    }
}
