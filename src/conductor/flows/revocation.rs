//! Revocation (RFC 7009).

use super::super::answer::Reply;
use super::super::rungs::Rungs;
use super::super::trail::Trail;
use super::presented::{Known, look_up, required_token};
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::protocol::client::Client;
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::Form;
use crate::protocol::policy;
use crate::protocol::refresh_token::RefreshToken;

/// The flow of a revocation.
pub(crate) struct Revocation {
    /// Revoking an access token ends its refresh token, too.
    access_token_ends_family: bool,
}

impl Revocation {
    pub(crate) fn new(access_token_ends_family: bool) -> Self {
        Self { access_token_ends_family }
    }

    /// RFC 7009 section 2.
    pub(crate) async fn serve(
        &self,
        rungs: &Rungs,
        form: &Form,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let client = client.into_client();
        let token = required_token(form)?;
        let outcome = self.revoke(rungs, token, &client, trail).await;
        rungs.budget.count_unknown(&outcome, &client, trail).await?;
        match outcome {
            // What is worth nothing already is revoked (RFC 7009 section 2.2).
            Err(error) if error.reason == Reason::UnknownRefreshToken => Ok(Reply::Revoked),
            // Anybody can send the id of a public client, so its errors would tell whose token it is.
            Err(error) if error.reason == Reason::ForeignToken && client.is_public() => {
                // Nothing became of that family.
                trail.family = None;
                Ok(Reply::Revoked)
            }
            outcome => outcome,
        }
    }

    async fn revoke(
        &self,
        rungs: &Rungs,
        token: &str,
        client: &Client,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        match look_up(rungs, token).await? {
            None if !would_be_known(rungs, token) => Err(Reason::TokenNotRevocable.into()),
            None => Err(Reason::UnknownRefreshToken.into()),
            Some(Known::Refresh(found, families)) => {
                trail.family = Some(found.stored.family.clone());
                let realm = policy::realm_of_own(client, &found.stored.family).ok_or(Reason::ForeignToken)?;
                trail.realm = realm.clone();
                families.end(found.stored.family.id()).await?;
                Ok(Reply::Revoked)
            }
            Some(Known::Access(record)) => {
                if record.client() != client.id() || !client.serves_realm(record.realm()) {
                    return Err(Reason::ForeignToken.into());
                }
                // The token last: as long as it is known, a client that got an error can try again.
                if let (true, Some(family), Some(families)) =
                    (self.access_token_ends_family, record.family(), rungs.families.as_deref())
                {
                    families.end(family).await?;
                }
                if rungs.access.end(token).await? { Ok(Reply::Revoked) } else { Err(Reason::TokenNotRevocable.into()) }
            }
        }
    }
}

/// Whether a token of this form would be known here.
fn would_be_known(rungs: &Rungs, token: &str) -> bool {
    rungs.access.are_known() || (rungs.families.is_some() && RefreshToken::has_form(token))
}
