//! A token that is presented to be revoked or asked about.

use super::super::families::{Families, FoundRefreshToken};
use super::super::rungs::Rungs;
use crate::protocol::charset::is_bearer_token;
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::Form;
use crate::protocol::record::AccessTokenRecord;
use crate::protocol::refresh_token::RefreshToken;

/// What a token turned out to be.
pub(super) enum Known<'a> {
    Refresh(Box<FoundRefreshToken>, &'a Families),
    Access(AccessTokenRecord),
}

/// The token of the form.
pub(super) fn required_token(form: &Form) -> Result<&str, TokenError> {
    // The hint changes nothing, but it is a parameter of this endpoint.
    form.single("token_type_hint")?;
    form.single("token")?.ok_or_else(|| Reason::MissingParameter.into())
}

/// Finds out what a token is, whatever kind the client hints at: at most one look-up, by its form.
pub(super) async fn look_up<'a>(rungs: &'a Rungs, token: &str) -> Result<Option<Known<'a>>, TokenError> {
    if !is_bearer_token(token) {
        return Ok(None);
    }
    if let Some(families) = rungs.families.as_deref()
        && RefreshToken::has_form(token)
    {
        let found = families.find(token).await?;
        return Ok(found.map(|found| Known::Refresh(Box::new(found), families)));
    }
    Ok(rungs.access.find(token).await?.map(Known::Access))
}
