//! Revocation (RFC 7009).

use std::sync::Arc;

use super::super::answer::Reply;
use super::super::budget::Budget;
use super::super::trail::Trail;
use super::presented::{FoundToken, IssuedBefore, required_token};
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::protocol::client::policy;
use crate::protocol::client::registered::Client;
use crate::protocol::realm::Realm;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::Form;

/// The flow of a revocation.
pub(crate) struct RevocationFlow {
    tokens: IssuedBefore,
    budget: Arc<Budget>,
    /// Revoking an access token ends its refresh token, too.
    access_token_ends_family: bool,
}

impl RevocationFlow {
    pub(crate) fn new(tokens: IssuedBefore, budget: Arc<Budget>, access_token_ends_family: bool) -> Self {
        Self { tokens, budget, access_token_ends_family }
    }

    /// RFC 7009 section 2.
    pub(crate) async fn serve(
        &self,
        form: &Form,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let client = client.into_client();
        let token = required_token(form)?;
        let outcome = self.revoke(token, &client, trail).await;
        self.budget.count_unknown(&outcome, &client, &mut trail.caller).await?;
        match outcome {
            // What is worth nothing already is revoked (RFC 7009 section 2.2).
            Err(error) if error.reason == Reason::UnknownRefreshToken => Ok(Reply::Revoked),
            // Any sender can write the id of a public client, so its errors would show whose token it is.
            Err(error) if error.reason == Reason::ForeignToken && client.is_public() => {
                // Nothing became of that family.
                trail.family = None;
                Ok(Reply::Revoked)
            }
            outcome => outcome,
        }
    }

    async fn revoke(&self, token: &str, client: &Client, trail: &mut Trail) -> Result<Reply, TokenError> {
        match self.tokens.look_up(token).await? {
            None if !self.tokens.would_know(token) => Err(Reason::TokenNotRevocable.into()),
            None => Err(Reason::UnknownRefreshToken.into()),
            Some(FoundToken::Refresh(found, families)) => {
                let family = &found.stored.family;
                trail.family = Some(family.clone());
                policy::check_owner(client, family.client())?;
                trail.realm = family.realm().map(Realm::kept).unwrap_or_default();
                families.end(family.id()).await?;
                Ok(Reply::Revoked)
            }
            Some(FoundToken::Access(record)) => {
                policy::check_owner(client, record.client())?;
                // The token last: as long as it is known, a client that got an error can try again.
                if let (true, Some(family), Some(families)) =
                    (self.access_token_ends_family, record.family(), self.tokens.families.as_deref())
                {
                    families.end(family).await?;
                }
                if self.tokens.access.end(token).await? {
                    Ok(Reply::Revoked)
                } else {
                    Err(Reason::TokenNotRevocable.into())
                }
            }
        }
    }
}
