//! A token that is presented to be revoked or asked about.

use std::sync::Arc;

use super::super::access_tokens::AccessTokens;
use super::super::families::{Families, FoundRefreshToken};
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::refresh_token::RefreshToken;
use crate::protocol::wire::charset::is_bearer_token;
use crate::protocol::wire::error::TokenError;
use crate::protocol::wire::form::Form;

/// What a token turned out to be.
pub(super) enum FoundToken<'a> {
    Refresh(Box<FoundRefreshToken>, &'a Families),
    Access(AccessTokenRecord),
}

/// The token of the form.
pub(super) fn required_token(form: &Form) -> Result<&str, TokenError> {
    // The hint changes nothing, but it is a parameter of this endpoint.
    form.single("token_type_hint")?;
    form.single("token")?.ok_or_else(|| TokenError::missing("token"))
}

/// Where the tokens are known that were issued.
#[derive(Clone)]
pub(crate) struct IssuedBefore {
    /// If the endpoint gives refresh tokens.
    pub(crate) families: Option<Arc<Families>>,
    pub(crate) access: Arc<AccessTokens>,
}

impl IssuedBefore {
    /// Finds out what a token is, whatever kind the client hints at: at most one look-up, by its form.
    pub(super) async fn look_up(&self, token: &str) -> Result<Option<FoundToken<'_>>, TokenError> {
        if !is_bearer_token(token.as_bytes()) {
            return Ok(None);
        }
        if let Some(families) = self.families.as_deref()
            && RefreshToken::has_form(token)
        {
            let found = families.find(token).await?;
            return Ok(found.map(|found| FoundToken::Refresh(Box::new(found), families)));
        }
        Ok(self.access.find(token).await?.map(FoundToken::Access))
    }

    /// Whether a token of this form would be known here.
    pub(super) fn would_know(&self, token: &str) -> bool {
        self.access.are_known() || (self.families.is_some() && RefreshToken::has_form(token))
    }
}
