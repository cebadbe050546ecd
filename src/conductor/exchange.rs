//! The ladder: one token request, once through.
//!
//! Each rung consumes what the rung above gave, and that value is made nowhere else, so an illegal order does not compile:
//! [`ladder`](crate::boundary::ladder) names the values in their order.
//!
//! ```text
//! match head -> collect body -> parse -> find client -> authenticate client
//!    -> permit the grant -> decide realm and scope
//!    -> RESERVE the attempt -> VERIFY the credentials
//!    -> WEIGH (leaks, login rules, second factor) -> or leave the login open: `mfa_required`
//!    -> ISSUE -> settle the charge -> encode
//! refresh: find the family -> whose is it -> renew -> recheck the user
//!    -> WEIGH (login rules, second factor) -> ISSUE -> rotate, or leave the login open
//! second factor: open the login -> whose is it -> RESERVE the code -> CHECK and spend it
//!    -> spend the login -> recheck the user -> WEIGH (login rules, second factor)
//!    -> ISSUE -> settle both charges
//! ```
//!
//! [`Gate`] judges the head; the service collects the body, which is then parsed. The rungs from the realm on
//! stand in the flow of the grant, the last one in the protocol's encoder.
//! [`Scales`](super::login::scales::Scales) find out what is weighed: they look for leaks and ask the login rules. A login that lacks a
//! second factor is left open, and its [redemption](super::flows::redemption) finishes it.

use super::answer::Reply;
use super::door::{Door, Head, permit_site};
use super::flows::grants::{Grants, Served};
use super::flows::introspection::IntrospectionFlow;
use super::flows::mfa_challenge::ChallengeFlow;
use super::flows::mfa_manage::ManagementFlow;
use super::flows::revocation::RevocationFlow;
use super::gate::{Gate, Next};
use super::login::rungs::Rungs;
use super::purpose::Purpose;
use super::trail::Trail;
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::{Form, Known};
use crate::protocol::wire::media_type::BodyFormats;

/// Exchanges forms for answers: the gate, the client's door, and what lies behind it.
pub(crate) struct Exchange {
    pub(crate) gate: Gate,
    pub(crate) door: Door,
    pub(crate) grants: Grants,
    pub(crate) revocation: RevocationFlow,
    pub(crate) introspection: IntrospectionFlow,
    /// If there are second factors.
    pub(crate) challenge: Option<Box<ChallengeFlow>>,
    pub(crate) management: Option<Box<ManagementFlow>>,
    pub(crate) rungs: Rungs,
}

impl Exchange {
    /// Cheap and harmless checks first, the password last: a request that cannot succeed never reaches the verifier.
    ///
    /// Head and form stay where the answer's future holds them: what an async function takes by value is held twice.
    pub(super) async fn climb(&self, head: &mut Head, next: &mut Next, trail: &mut Trail) -> Result<Reply, TokenError> {
        if let Next::Throttle(wait) = next {
            // Nothing is asked for these, not even whether a page may read the answer.
            return Err(TokenError::new(Reason::RequestsThrottled).with_retry_after(*wait));
        }
        if !trail.caller.is_own_site {
            self.door.note_origin(head, trail).await?;
        }
        let form = match next {
            Next::Exchange(form) => form,
            Next::Options => return Ok(Reply::Options),
            Next::Refuse(reason) => return Err(refused(*reason, trail.purpose)),
            Next::Read(_) | Next::Throttle(_) => return Err(Reason::BodyIncomplete.into()),
        };
        if trail.purpose == Purpose::Token {
            if form.span(Known::GrantType).is_none() {
                return Err(TokenError::missing("grant_type"));
            }
        } else if trail.purpose.takes_bearer() {
            return Box::pin(self.manage(head, form, trail)).await;
        }
        let presented = self.door.present(head, form, trail)?;
        // What is borrowed is held to the end of its block, by the future of every request.
        let client = {
            self.door.find(&presented, form, trail).await?;
            self.rungs.note_plan(trail);
            permit_site(head, trail)?;
            let client = self.door.authenticate(head, form, &presented, trail).await?;
            if trail.purpose == Purpose::Introspection {
                // Before the address may become another one.
                self.gate.throttle().count_introspection(client.client(), trail)?;
            }
            self.gate.senders().note_end_user(&head.headers, client.client(), trail);
            client
        };
        match trail.purpose {
            Purpose::Token => drop(presented),
            Purpose::Revocation => return Box::pin(self.revocation.serve(form, client, trail)).await,
            Purpose::Introspection => return Box::pin(self.introspection.serve(form, presented, client)).await,
            Purpose::FactorChallenge => return Box::pin(self.challenge(form, client, trail)).await,
            // Managed above, by a bearer token.
            Purpose::Associate | Purpose::Authenticators | Purpose::Authenticator => {
                return Err(Reason::BearerInvalid.into());
            }
        }

        let requested = form.get(Known::GrantType).unwrap_or_default();
        let served = self.grants.named(requested).ok_or(Reason::UnsupportedGrantType)?;
        let grant_type = served.grant_type();
        trail.grant_type = Some(grant_type);
        let client = client.permit(grant_type, self.door.now())?;
        if let Some(parameter) = served.missing(form) {
            return Err(TokenError::missing(parameter));
        }
        let extensions = &mut head.extensions;
        match served {
            Served::Password(flow) => flow.serve(&self.rungs, client, form, extensions, trail).await,
            Served::Other(flow) => flow.serve(&self.rungs, client, form, extensions, trail).await,
        }
    }
}

impl Exchange {
    /// The challenge endpoint. Without second factors nothing leads here.
    async fn challenge(
        &self,
        form: &Form,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let flow = self.challenge.as_deref().ok_or(Reason::MalformedMfaToken)?;
        flow.serve(form, client, trail).await
    }

    /// The management of second factors.
    async fn manage(&self, head: &Head, form: &mut Form, trail: &mut Trail) -> Result<Reply, TokenError> {
        let flow = self.management.as_deref().ok_or(Reason::BearerInvalid)?;
        flow.serve((&self.door, self.gate.senders(), &self.rungs), head, form, trail).await
    }
}

/// The refusal of a request that was not read. Where JSON is read whatever the profile says, the sentence names it.
#[cold]
fn refused(reason: Reason, purpose: Purpose) -> TokenError {
    match (reason, purpose.formats(BodyFormats::Form)) {
        (Reason::ContentType, BodyFormats::FormAndJson) => TokenError::new(reason).of_form_or_json(),
        _ => reason.into(),
    }
}
