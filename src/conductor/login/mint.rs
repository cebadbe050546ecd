//! The access token of a grant.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::maybe::{Later, MaybeFuture};
use crate::conductor::answer::Reply;
use crate::conductor::failure::Failure;
use crate::observe::patience::{Bound, Within};
use crate::protocol::rules::decisions::Decisions;
use crate::protocol::scope::Scope;
use crate::protocol::wire::error::Reason;
use crate::protocol::wire::response::IssuedTokens;

/// What an issuer answers.
type Issued = Result<IssuedTokens, BackendError>;

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
    pub(super) fn begin(&self, grant: Grant) -> Minting<'_, MaybeFuture<'_, Issued>> {
        let facts = Facts::of(&grant);
        Minting { facts, issuing: self.patience.of(self.issuer.issue_at_once(grant)) }
    }

    /// Begins to issue the access token of a grant that gets no other, for an answer with it alone. What an issuer gives at once is
    /// written at once: the tokens are too large to lie in the future of each request.
    #[inline]
    pub(super) fn begin_alone(&self, grant: Grant) -> Result<Result<Reply, Failure>, Replying<'_>> {
        let facts = Facts::of(&grant);
        match self.issuer.issue_at_once(grant).into_ready() {
            Ok(issued) => Ok(answer(issued, &facts)),
            Err(issuing) => Err(Replying(Minting { facts, issuing: self.patience.of(issuing) })),
        }
    }
}

/// What the answer says of a grant beside its tokens.
#[derive(Default)]
struct Facts {
    scope: Scope,
    /// What login rules have decided, if they change anything.
    decisions: Option<Arc<Decisions>>,
}

impl Facts {
    #[inline]
    fn of(grant: &Grant) -> Self {
        Self { scope: grant.scope().clone(), decisions: grant.decisions() }
    }
}

/// An access token that is being issued, until it is fit to be sent. A named type, because an async function would hold its
/// arguments twice.
pub(crate) struct Minting<'a, F> {
    facts: Facts,
    issuing: Within<'a, F>,
}

impl<F: Future<Output = Issued> + Unpin> Future for Minting<'_, F> {
    type Output = Result<Minted, Failure>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let tokens = ready!(Pin::new(&mut self.issuing).poll(cx)).map_err(failed)?;
        check(&tokens)?;
        Poll::Ready(Ok(Minted { tokens, facts: mem::take(&mut self.facts) }))
    }
}

/// The answer with an access token alone, which is being issued.
pub(super) struct Replying<'a>(Minting<'a, Later<'a, Issued>>);

impl Future for Replying<'_> {
    type Output = Result<Reply, Failure>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Minting { facts, issuing } = &mut self.0;
        Pin::new(issuing).poll(cx).map(|issued| answer(issued, facts))
    }
}

/// What was issued, and for which grant.
pub(crate) struct Minted {
    pub(crate) tokens: IssuedTokens,
    facts: Facts,
}

impl Minted {
    /// The answer of the token endpoint.
    pub(crate) fn reply(&self) -> Result<Reply, Failure> {
        reply(&self.tokens, &self.facts)
    }
}

#[cold]
fn failed(error: BackendError) -> Failure {
    Failure::Untried(error.because(Reason::IssuerFailed))
}

/// The answer with what was issued.
#[inline]
fn answer(issued: Issued, facts: &Facts) -> Result<Reply, Failure> {
    match issued {
        Ok(ref tokens) => check(tokens).and_then(|()| reply(tokens, facts)),
        Err(error) => Err(failed(error)),
    }
}

/// Whether what was issued may be sent.
#[inline]
fn check(tokens: &IssuedTokens) -> Result<(), Failure> {
    tokens.check().map_err(|reason| Failure::Untried(reason.into()))
}

/// The answer of the token endpoint. A record that is still to be saved was left to no store.
#[inline]
fn reply(tokens: &IssuedTokens, facts: &Facts) -> Result<Reply, Failure> {
    if tokens.is_unsaved() {
        return Err(failed(BackendError::fault("the issuer left a record that its grant did not ask it to leave")));
    }
    let members = facts.decisions.as_deref().map(Decisions::members);
    tokens.to_json(&facts.scope, members).map(Reply::Tokens).map_err(|reason| Failure::Untried(reason.into()))
}
