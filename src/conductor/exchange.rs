//! The ladder: one token request, once through.
//!
//! Each rung consumes what the rung above gave, so an illegal order does not compile: there are no terms without an
//! authenticated client, no attempt without a charge, no grant without a verdict, no tokens without a grant.
//!
//! ```text
//! match head -> collect body -> parse -> find client -> authenticate client -> authorise grant and scope
//!    -> RESERVE the attempt -> VERIFY the credentials -> login policy -> second factor -> ISSUE
//!    -> settle the reservation -> encode
//! ```
//!
//! The first three rungs stand in [`Gate`](super::gate::Gate), the last one in the protocol's encoder.
//! The login policy asks the shield whether the password is known from a leak ([`Endpoint::screen`]). A second factor has
//! its place between it and issue.

use std::mem;

use http::Extensions;

use super::answer::Reply;
use super::endpoint::{Endpoint, Head, ServedGrant};
use super::gate::Step;
use super::purpose::Purpose;
use super::rungs::Failure;
use super::trail::Trail;
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::limiter::Guess;
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::{Form, Known};
use crate::protocol::policy::{self, Terms};

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
        trail.grant_type = Some(grant.name().clone());
        trail.announces_sunset = matches!(grant, ServedGrant::Password(_));
        let client = policy::permit_grant(client, grant.name(), now)?;
        if !grant.is_complete(form) {
            return Err(Reason::MissingParameter.into());
        }
        if let ServedGrant::Refresh(refresh) = grant {
            return Box::pin(self.refresh(refresh, form, client, trail)).await;
        }
        let terms = policy::authorise(client, grant.name(), form.get(Known::Scope), &self.rules)?;

        let extensions = &mut head.extensions;
        match grant {
            ServedGrant::Password(_) | ServedGrant::Refresh(_) => self.password(form, terms, extensions, trail).await,
            ServedGrant::Extension(_, grant) => Box::pin(self.extension(grant, form, terms, extensions, trail)).await,
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
            let (reservation, owner) = {
                let username = form.get(Known::Username).unwrap_or_default();
                let realm = terms.client().realm();
                let account = self.patience.accounts.of(self.verifier.account_key(username, realm)).await;
                let account = account.map_err(|error| error.because(Reason::VerifierFailed))?;
                trail.account = self.auditor.digest(&account);
                let guess = Guess::Account { realm, account: &account };
                let reservation = self.reserve(guess, self.fingerprint(&guess, form), trail).await?;
                (reservation, self.owner(realm, &account))
            };

            let kept = self.kept_for_shield(form);
            let attempt = Self::attempt(&reservation, mem::take(form), &terms, mem::take(extensions), trail)?;
            let verdict = self.patience.verifier.of(self.verifier.verify(attempt)).await;
            let mut grant = self.judge(verdict, Reason::VerifierFailed, terms);
            if let Some(password) = kept {
                grant = Box::pin(self.screen(grant, *password, trail)).await;
            }

            let issued = self.issue(grant, trail).await;
            let (reply, settlement) = Failure::settle(issued);
            let lock = self.settle(reservation, settlement).await;
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
        // What names no account still counts on the address.
        let (guess, owner) = match &account {
            Some(account) => (Guess::Account { realm, account }, self.owner(realm, account)),
            None => (Guess::NoAccount, None),
        };
        trail.account = account.as_ref().and_then(|account| self.auditor.digest(account));
        let reservation = self.reserve(guess, None, trail).await?;
        let has_account = account.is_some();

        let verdict = self.patience.extension.of(grant.exchange(request)).await;
        let grant = self.judge(verdict, Reason::ExtensionFailed, terms);

        let issued = self.issue(grant, trail).await;
        let (reply, settlement) = Failure::settle(issued);
        let settlement = if has_account { settlement } else { settlement.of_no_account() };
        let lock = self.settle(reservation, settlement).await;
        self.notify(lock, owner, trail);
        reply
    }
}
