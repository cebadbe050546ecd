//! The choice of a second factor for a login that has one open, and the sending of its code.

use super::super::answer::Reply;
use super::super::trail::Trail;
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::protocol::wire::error::TokenError;
use crate::protocol::wire::form::Form;

/// The flow of a challenge.
pub(crate) struct ChallengeFlow;

impl ChallengeFlow {
    pub(crate) async fn serve(
        &self,
        form: &Form,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let _ = (form, client, trail);
        Err(TokenError::missing("mfa_token"))
    }
}
