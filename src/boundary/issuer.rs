//! What is given? (RFC 6749 section 5.1)

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use super::backend::BackendError;
use super::clock::SharedClock;
use super::identity::StoreIdentity;
use super::maybe::{Answering, MaybeFuture};
use crate::boundary::ladder::grant::Grant;
use crate::protocol::wire::response::IssuedTokens;

/// Turns a decided [`Grant`] into tokens (RFC 6749 section 5.1).
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::{BackendError, Grant, IssuedTokens, TokenIssuer};
/// use tower_password_grant::token::Token;
///
/// struct Tokens { /* your pool */ }
///
/// #[async_trait]
/// impl TokenIssuer for Tokens {
///     async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
///         let token = Token::random("at_")?;
///         // INSERT INTO tokens (digest, subject, scope, ...)
///         // VALUES (token.digest(), grant.subject().id(), ...)
///         Ok(IssuedTokens::bearer(token, grant.lifetime()))
///     }
/// }
/// ```
///
/// # Contract
/// Everything is decided: the issuer checks neither user nor client again. It sees no password. A grant with an
/// [audience](Grant::audience) gets an access token for that one alone, in place of those that the issuer gives to tokens otherwise.
/// What it issued is good when it is answered, unless the grant [leaves the record](Grant::leaves_record) to a store: then the
/// record is in the answer, and the store saves it before the token is sent.
///
/// # Security
/// A token must not be guessable (at most one chance in 2^128, RFC 6749 section 10.10); [`Token::random`](crate::token::Token::random)
/// is. Store digests, not tokens.
///
/// # Cancellation
/// The future is dropped when the client hangs up or the deadline passes; a token that was stored and not delivered must
/// do no harm.
///
/// # Errors
/// A [`BackendError`] answers 503, or 500 if it is a [fault](BackendError::fault), and gives the charge back.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `TokenIssuer`",
    note = "implement the trait with `#[async_trait]`, use `OpaqueIssuer`, or wrap a closure: `issue_fn(|grant| async move {{ .. }})`; a trait object goes in an `Arc`"
)]
pub trait TokenIssuer: Send + Sync + 'static {
    /// Issues the tokens of this grant.
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError>;

    /// [`issue`](Self::issue), as the endpoint asks it: the tokens may be there at once. Provided: `issue`. Override it beside
    /// `issue` where nothing is waited for, as by an issuer that signs and keeps nothing, with [`MaybeFuture::ready`]; that saves
    /// an allocation for each login. Both must issue the same.
    fn issue_at_once(&self, grant: Grant) -> MaybeFuture<'_, Result<IssuedTokens, BackendError>> {
        self.issue(grant).into()
    }

    /// The store in which the records of the issued tokens are found, if the issuer leaves them to that store where a grant
    /// [asks for it](Grant::leaves_record). Default: none, for an issuer that saves what it issues itself, always. It is asked
    /// once, when the endpoint is built.
    fn store_identity(&self) -> Option<StoreIdentity> {
        None
    }

    /// The identifier of the authorization server that the tokens carry as their `iss`. Default: none, for tokens that carry
    /// none. The [metadata document](crate::mount::Metadata::new) must name the same one. It is asked once, when the
    /// endpoint is built.
    fn issuer_identifier(&self) -> Option<&str> {
        None
    }

    /// The algorithms that sign ID tokens, such as `RS256` (RFC 7518 section 3.1), for an
    /// [OpenID configuration](crate::mount::Metadata::openid_configuration). Default: none, for an issuer that gives no ID tokens.
    /// It is asked when the endpoint is built.
    fn id_token_algorithms(&self) -> Vec<String> {
        Vec::new()
    }

    /// Takes the clock of the endpoint or guard that the part is given to, and answers whether the part goes by it from now on.
    /// Default: yes, for parts that read no clock. One that has another clock keeps it and answers no, and a warning says so.
    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let _ = clock;
        true
    }
}

impl<I: TokenIssuer + ?Sized> TokenIssuer for Arc<I> {
    fn issue<'s, 'f>(&'s self, grant: Grant) -> Answering<'f, IssuedTokens>
    where
        's: 'f,
        Self: 'f,
    {
        (**self).issue(grant)
    }

    fn issue_at_once(&self, grant: Grant) -> MaybeFuture<'_, Result<IssuedTokens, BackendError>> {
        (**self).issue_at_once(grant)
    }

    fn store_identity(&self) -> Option<StoreIdentity> {
        (**self).store_identity()
    }

    fn issuer_identifier(&self) -> Option<&str> {
        (**self).issuer_identifier()
    }

    fn id_token_algorithms(&self) -> Vec<String> {
        (**self).id_token_algorithms()
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        (**self).follow_clock(clock)
    }
}

/// A [`TokenIssuer`] from a closure; see [`issue_fn`].
#[derive(Clone, Copy)]
pub struct IssueFn<F>(F);

/// A [`TokenIssuer`] from a closure that answers a future. What it captures is cloned for each call, as [`verify_fn`](crate::verify_fn)
/// shows.
///
/// ```
/// use tower_password_grant::{issue_fn, Grant, IssuedTokens};
/// use tower_password_grant::token::Token;
///
/// let issuer = issue_fn(|grant: Grant| async move {
///     Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime()))
/// });
/// ```
pub fn issue_fn<F, Fut>(issue: F) -> IssueFn<F>
where
    F: Fn(Grant) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<IssuedTokens, BackendError>> + Send + 'static,
{
    IssueFn(issue)
}

impl<F, Fut> TokenIssuer for IssueFn<F>
where
    F: Fn(Grant) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<IssuedTokens, BackendError>> + Send + 'static,
{
    fn issue<'s, 'f>(&'s self, grant: Grant) -> Answering<'f, IssuedTokens>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin((self.0)(grant))
    }
}

impl<F> fmt::Debug for IssueFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssueFn")
    }
}
