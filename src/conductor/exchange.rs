//! The ladder: one token request, once through.
//!
//! Each rung consumes what the rung above gave, and that value is made nowhere else, so an illegal order does not compile:
//! [`ladder`](crate::boundary::ladder) names the values in their order.
//!
//! ```text
//! match head -> collect body -> parse -> find client -> authenticate client -> permit the grant -> decide the scope
//!    -> RESERVE the attempt -> VERIFY the credentials -> WEIGH (leaks) -> ISSUE -> settle the charge -> encode
//! refresh: find the family -> whose is it -> renew -> recheck the user -> WEIGH -> ISSUE -> rotate
//! ```
//!
//! The first three rungs stand in [`Gate`](super::gate::Gate), the last one in the protocol's encoder.
//! Login rules and a second factor have their place in [`Endpoint::weigh`].

use std::mem;

use http::Extensions;

use super::answer::Reply;
use super::endpoint::{Endpoint, Head, ServedGrant};
use super::gate::Step;
use super::purpose::Purpose;
use super::rungs::Failure;
use super::trail::Trail;
use super::weigh::Weighing;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::ladder::charge::{Guessed, UserCharge};
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user;
use crate::boundary::verifier::Attempt;
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::{Form, Known};

impl Endpoint {
    /// Cheap and harmless checks first, the password last: a request that cannot succeed never reaches the verifier.
    ///
    /// Head and form stay where the answer's future holds them: what an async function takes by value is held twice.
    pub(super) async fn exchange(
        &self,
        head: &mut Head,
        step: &mut Step,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        if let Step::Throttle(wait) = step {
            // Nothing is asked for these, not even whether a page may read the answer.
            return Err(TokenError::new(Reason::RequestsThrottled).with_retry_after(*wait));
        }
        if !trail.is_own_site {
            self.note_origin(head, trail).await?;
        }
        let form = match step {
            Step::Exchange(form) => form,
            Step::Options => return Ok(Reply::Options),
            Step::Refuse(reason) => return Err((*reason).into()),
            Step::Read | Step::Throttle(_) => return Err(Reason::BodyIncomplete.into()),
        };
        if trail.purpose == Purpose::Token && form.span(Known::GrantType).is_none() {
            return Err(Reason::MissingParameter.into());
        }
        // What is borrowed is held to the end of its block, by the future of every request.
        let (presented, client, now) = {
            let presented = self.present(head, form, trail)?;
            let client = self.find_client(&presented, form, trail).await?;
            self.permit_site(head, client.as_ref(), trail)?;
            let now = self.clock.now();
            let client = self.authenticate(head, form, &presented, client, now, trail).await?;
            if trail.purpose == Purpose::Introspection {
                // Before the address may become another one.
                self.gate.ceilings().count_introspection(client.client(), trail)?;
            }
            self.note_end_user(head, &client, trail);
            (presented, client, now)
        };
        match trail.purpose {
            Purpose::Token => drop(presented),
            Purpose::Revocation => return Box::pin(self.revocation(form, client, trail)).await,
            Purpose::Introspection => return Box::pin(self.introspection(form, presented, client)).await,
        }

        let requested = form.get(Known::GrantType).unwrap_or_default();
        let grant = self.grant_named(requested).ok_or(Reason::UnsupportedGrantType)?;
        trail.grant_type = Some(grant.grant_type().clone());
        let client = client.permit(grant.grant_type(), now)?;
        if !grant.is_complete(form) {
            return Err(Reason::MissingParameter.into());
        }
        let extensions = &mut head.extensions;
        match grant {
            ServedGrant::Refresh(refresh) => Box::pin(self.refresh(refresh, form, client, trail)).await,
            ServedGrant::Password(_) => {
                let terms = Terms::of(client, form.get(Known::Scope), &self.rules)?;
                self.password(form, terms, extensions, trail).await
            }
            ServedGrant::Extension(_, grant) => {
                let terms = Terms::of(client, form.get(Known::Scope), &self.rules)?;
                Box::pin(self.extension(grant, form, terms, extensions, trail)).await
            }
        }
    }

    /// RFC 6749 section 4.3.
    #[allow(clippy::manual_async_fn, reason = "an async function would hold its arguments twice")]
    fn password<'a>(
        &'a self,
        form: &'a mut Form,
        terms: Terms,
        extensions: &'a mut Extensions,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Reply, TokenError>> + Send + 'a {
        async move {
            // What is borrowed is held to the end of its block.
            let (charge, owner) = {
                let username = form.get(Known::Username).unwrap_or_default();
                let realm = terms.client().realm();
                let account = self.patience.accounts.of(self.verifier.account_key(username, realm)).await;
                let account = account.map_err(|error| error.because(Reason::VerifierFailed))?;
                trail.account = self.auditor.digest(&account);
                let fingerprint = self.fingerprint(realm, &account, form);
                let charge = self.reserve(Guessed::account(realm, &account), Some(fingerprint), trail).await?;
                (charge, self.owner(realm, &account))
            };

            let said = Self::said(mem::take(form), &terms, mem::take(extensions), trail)?;
            let (attempt, used) = Attempt::charged(charge, said);
            let answer = self.patience.verifier.of(user::verify(&*self.verifier, attempt, self.screen.is_some())).await;
            let login = self.judge(answer, Reason::VerifierFailed, terms);
            let grant = match self.weigh(login, trail) {
                Weighing::Done(grant) => grant,
                Weighing::Looking(looking) => looking.await,
            };
            let issued = self.issue(grant, trail).await;

            let (reply, settlement) = Failure::settle(issued);
            let lock = self.settle(used, settlement).await;
            self.notify(lock, owner, trail);
            reply
        }
    }

    /// RFC 6749 section 4.5.
    async fn extension(
        &self,
        grant: &dyn ExtensionGrant,
        form: &mut Form,
        terms: Terms,
        extensions: &mut Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let request = Self::extension_request(mem::take(form), &terms, mem::take(extensions), trail);
        let realm = terms.client().realm();
        let account = self.patience.extension_key.of(grant.account_key(&request)).await;
        let account = account.map_err(|error| error.because(Reason::ExtensionFailed))?;
        trail.account = account.as_ref().and_then(|account| self.auditor.digest(account));
        // What names no account still counts on the address.
        let (charge, owner) = match &account {
            Some(account) => {
                let charge = self.reserve(Guessed::account(realm, account), None, trail).await?;
                (UserCharge::Account(charge), self.owner(realm, account))
            }
            None => (UserCharge::Nobody(self.reserve(Guessed::nobody(), None, trail).await?), None),
        };

        let (exchanging, used) = user::exchange(grant, request, charge);
        let login = self.judge(self.patience.extension.of(exchanging).await, Reason::ExtensionFailed, terms);
        let grant = self.weigh(login, trail).end().await;
        let issued = self.issue(grant, trail).await;

        let (reply, settlement) = Failure::settle(issued);
        let lock = self.settle(used, settlement).await;
        self.notify(lock, owner, trail);
        reply
    }
}
