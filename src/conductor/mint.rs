//! The access token of a grant.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::answer::Reply;
use super::failure::Failure;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::Grant;
use crate::observe::patience::{Bound, Within};
use crate::protocol::error::Reason;
use crate::protocol::response::IssuedTokens;
use crate::protocol::scope::Scope;

/// What an issuer is at.
type AtIssue<'a> = Pin<Box<dyn Future<Output = Result<IssuedTokens, BackendError>> + Send + 'a>>;

/// The issuer, with the time of its calls.
pub(crate) struct Mint {
    issuer: Box<dyn TokenIssuer>,
    patience: Bound,
}

impl Mint {
    pub(crate) fn new(issuer: Box<dyn TokenIssuer>, patience: Bound) -> Self {
        Self { issuer, patience }
    }

    /// Whether the issuer goes by the endpoint's clock.
    pub(crate) fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.issuer.follow_clock(clock)
    }

    /// Begins to issue the access token of a grant.
    #[inline]
    pub(super) fn begin(&self, grant: Grant) -> Minting<'_> {
        let scope = Some(grant.scope().clone());
        Minting { scope, issuing: self.patience.of(self.issuer.issue(grant)) }
    }
}

/// An access token that is being issued, until it is fit to be sent. A named type, because an async function would hold its
/// arguments twice.
pub(super) struct Minting<'a> {
    scope: Option<Scope>,
    issuing: Within<'a, AtIssue<'a>>,
}

impl Future for Minting<'_> {
    type Output = Result<Minted, Failure>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let issued = ready!(Pin::new(&mut self.issuing).poll(cx));
        let tokens = issued.map_err(|error| Failure::Untried(error.because(Reason::IssuerFailed)))?;
        tokens.check().map_err(|reason| Failure::Untried(reason.into()))?;
        Poll::Ready(Ok(Minted { tokens, scope: self.scope.take().unwrap_or_default() }))
    }
}

/// What was issued, and for which scope.
pub(super) struct Minted {
    pub(super) tokens: IssuedTokens,
    scope: Scope,
}

impl Minted {
    /// The answer of the token endpoint. A record that is still to be saved was left to nobody.
    #[inline]
    pub(super) fn reply(&self) -> Result<Reply, Failure> {
        if self.tokens.is_unsaved() {
            let text = "the issuer left a record that its grant did not ask it to leave";
            return Err(Failure::Untried(BackendError::fault(text).because(Reason::IssuerFailed)));
        }
        self.tokens.to_json(&self.scope).map(Reply::Tokens).map_err(|reason| Failure::Untried(reason.into()))
    }
}
