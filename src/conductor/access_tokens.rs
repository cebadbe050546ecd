//! Access tokens after they were issued.

use crate::boundary::access::{AccessTokenVerifier, RevocationOutcome};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::observe::patience::Bound;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::wire::error::{Reason, TokenError};

/// What looks access tokens up and ends them, if anything does.
pub(crate) struct AccessTokens {
    verifier: Option<Box<dyn AccessTokenVerifier>>,
    patience: Bound,
}

impl AccessTokens {
    pub(crate) fn new(verifier: Option<Box<dyn AccessTokenVerifier>>, patience: Bound) -> Self {
        Self { verifier, patience }
    }

    /// Whether the verifier goes by the endpoint's clock.
    pub(crate) fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.verifier.as_ref().is_none_or(|own| own.follow_clock(clock))
    }

    /// Whether anything knows access tokens.
    pub(crate) fn are_known(&self) -> bool {
        self.verifier.is_some()
    }

    pub(super) async fn find(&self, token: &str) -> Result<Option<AccessTokenRecord>, TokenError> {
        let Some(verifier) = &self.verifier else { return Ok(None) };
        self.patience.of(verifier.verify(token)).await.map_err(failed)
    }

    /// Ends one token; `false` if it is of a kind that cannot be ended.
    pub(super) async fn end(&self, token: &str) -> Result<bool, TokenError> {
        let Some(verifier) = &self.verifier else { return Ok(false) };
        let ended = self.patience.of(verifier.revoke(token)).await.map_err(failed)?;
        Ok(matches!(ended, RevocationOutcome::Done))
    }

    /// Ends those of a family. Tokens that cannot be ended live on until they expire, as their verifier says.
    pub(super) async fn end_family(&self, family: FamilyId) -> Result<(), TokenError> {
        let Some(verifier) = &self.verifier else { return Ok(()) };
        self.patience.of(verifier.revoke_family(family)).await.map(drop).map_err(failed)
    }
}

fn failed(error: BackendError) -> TokenError {
    error.because(Reason::AccessTokensFailed)
}
