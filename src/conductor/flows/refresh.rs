//! The refresh token grant (RFC 6749 section 6, RFC 9700 section 4.14.2).
//!
//! The order is that of the ladder: whose token it is, whether it still lives, what it may give, whether its user may still be
//! logged in, and only then the access token and, as the last step, the rotation. What fails before costs the client nothing,
//! and what is minted while the family ends is never sent.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;

use http::Extensions;

use super::super::answer::Reply;
use super::super::failure::Failure;
use super::super::families::{Families, FoundRefreshToken, new_successor, with_refresh_token};
use super::super::login::rungs::Rungs;
use super::super::trail::Trail;
use super::grants::Flow;
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::terms::Claim;
use crate::boundary::refresh_use::Used;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::registered::Client;
use crate::protocol::token::family::FamilyId;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::{Form, Known};

/// The flow of the refresh token grant.
pub(crate) struct RefreshFlow {
    families: Arc<Families>,
    /// A refresh that the verifier denies ends the login.
    ends_denied: bool,
}

impl RefreshFlow {
    pub(crate) fn new(families: Arc<Families>, ends_denied: bool) -> Self {
        Self { families, ends_denied }
    }

    async fn run(
        &self,
        rungs: &Rungs,
        permitted: PermittedClient,
        form: &Form,
        extensions: &mut Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let client = permitted.client().clone();
        let request = Request { form, client: &client };
        let outcome = self.refresh(rungs, &request, permitted, extensions, trail).await.map_err(TokenError::at_refresh);
        rungs.count_unknown(&outcome, &client, trail).await?;
        outcome
    }

    async fn refresh(
        &self,
        rungs: &Rungs,
        request: &Request<'_>,
        permitted: PermittedClient,
        extensions: &mut Extensions,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let Request { form, client } = *request;
        let token = form.get(Known::RefreshToken).unwrap_or_default();
        let families = &*self.families;
        let found = families.find(token).await?.ok_or(Reason::UnknownRefreshToken)?;
        let now = families.read_clocks();
        let family = found.stored.family.id();
        trail.family = Some(found.stored.family.clone());
        // A foreign token stays: a client can have got it by mistake, and must not be able to log its user out.
        let claim = Claim::of(permitted, &found.stored)?;
        trail.realm = claim.realm().clone();
        let mut using = families.use_of(&found, client, now);
        let live = match claim.find_live(&using) {
            Ok(live) => live,
            Err(reason) => return Err(self.end_if_copied(family, reason, trail).await),
        };
        let is_repeat = live.is_repeat();
        let renewal = rungs.renewal(live, form)?;
        let question = renewal.question(trail.caller.address);
        let answer = rungs.users().recheck(&question).await;
        let user = match answer.map_err(|error| error.because(Reason::VerifierFailed))? {
            Ok(user) => user,
            Err(denial) => {
                if self.ends_denied {
                    families.end(family).await?;
                }
                return Err(denial.reason().into());
            }
        };
        let mut grant = match rungs.renew(renewal, user, now, mem::take(extensions), trail).await {
            Ok(grant) => grant,
            Err(error) => {
                if error.reason == Reason::CredentialsChanged {
                    families.end(family).await?;
                }
                return Err(error);
            }
        };

        let FoundRefreshToken { token, stored } = found;
        let rotates = !is_repeat && !client.refresh_rules().is_reused;
        let successor = if rotates { Some(new_successor(&token)?) } else { None };
        using.successor = successor.as_ref().map(|(next, salt)| (next.digest().clone(), *salt));
        families.leave_record(&mut grant);
        let mut minted = rungs.mint(grant, trail).await.map_err(Failure::into_error)?;
        let access_token = families.take_record(&mut minted.tokens)?;
        let successor = match families.use_token(stored, using, access_token).await? {
            Used::Done => successor.map(|(next, _)| next),
            Used::Repeated { salt } => Some(token.successor(&salt)),
            // Since it was found, its successor was used, or the family was ended. What was minted ends with it.
            Used::Replayed => {
                trail.is_replay = true;
                families.end_access_tokens(family).await?;
                return Err(Reason::RefreshTokenReplayed.into());
            }
            Used::Gone => {
                families.end_access_tokens(family).await?;
                return Err(Reason::RefreshTokenEnded.into());
            }
        };
        if let Some(token) = successor {
            minted.tokens = with_refresh_token(minted.tokens, &token)?;
        }
        minted.reply().map_err(Failure::into_error)
    }

    /// Refuses a token that cannot be used any more; a copy of one that was used ends its family.
    async fn end_if_copied(&self, family: FamilyId, reason: Reason, trail: &mut Trail) -> TokenError {
        match reason {
            Reason::RefreshTokenReplayed => match self.families.revoke(family).await {
                // Reported once: what ended the family before was reported then.
                Ok(is_first) => trail.is_replay = is_first,
                Err(error) => return error,
            },
            // What ended the family may have got no further than that.
            Reason::RefreshTokenEnded => {}
            reason => return reason.into(),
        }
        if let Err(error) = self.families.end_access_tokens(family).await {
            return error;
        }
        if trail.is_replay { Reason::RefreshTokenReplayed } else { Reason::RefreshTokenEnded }.into()
    }
}

impl Flow for RefreshFlow {
    fn grant_type(&self) -> GrantType {
        GrantType::REFRESH
    }

    fn missing(&self, form: &Form) -> Option<&str> {
        form.span(Known::RefreshToken).is_none().then_some("refresh_token")
    }

    fn serve<'a>(
        &'a self,
        rungs: &'a Rungs,
        client: PermittedClient,
        form: &'a mut Form,
        extensions: &'a mut Extensions,
        trail: &'a mut Trail,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, TokenError>> + Send + 'a>> {
        Box::pin(self.run(rungs, client, form, extensions, trail))
    }
}

/// A request for a refresh.
#[derive(Clone, Copy)]
struct Request<'a> {
    form: &'a Form,
    client: &'a Client,
}
