//! May this login have tokens, and which?

use std::fmt;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;

use super::backend::BackendError;
use super::login_event::LoginEvent;
use super::maybe::Answering;
use super::put_down::PutDown;
use crate::protocol::rules::ruling::Ruling;

/// Looks at each login whose credentials were proven right, before its tokens are given: lets it go on, adds to it or takes away from
/// it, or refuses it. Given to [`Builder::rule`](crate::Builder::rule).
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling};
///
/// struct Contracts { /* your pool */ }
///
/// impl Contracts {
///     async fn has_ended(&self, user: &str) -> Result<bool, std::io::Error> {
///         # let _ = user; return Ok(false);
///         // ..
///     }
/// }
///
/// #[async_trait]
/// impl LoginRule for Contracts {
///     fn name(&self) -> &str {
///         "contracts"
///     }
///
///     async fn apply(&self, login: LoginEvent) -> Result<Ruling, BackendError> {
///         Ok(match self.has_ended(login.subject().id()).await? {
///             true => Ruling::deny("the contract has ended")?,
///             false => Ruling::proceed(),
///         })
///     }
/// }
/// ```
///
/// # Contract
/// - `apply` is asked once for each login and each refresh that would get tokens, after the rules that were added before it, and
///   never before the credentials were found right: not for a wrong password, an unknown name, a locked account, a spent budget or a
///   password that is [blocked](crate::user::OnLeak::Block) as leaked. [`LoginEvent::stage`] says which it is.
/// - The first rule that refuses ends it: no later rule is asked.
/// - Scope and lifetime only shrink below what client, endpoint, verifier and, at a refresh, the login allow; see
///   [`Ruling::add_scope`].
/// - `name` is asked once, when the endpoint is built.
///
/// # Security
/// - It never sees a password. The login may still end without tokens, as when a store fails, so don't take it for one that
///   succeeded: that is what [`AuditSink`](crate::audit::AuditSink) is told.
/// - A denial looks like a wrong password, but for the time: the rule takes some, and a verifier may have less or more to do after a
///   right password (a look into later directories, a hash to upgrade). Whether somebody has a right password may show
///   in that time.
/// - It fails closed: with an `Err`, a panic, or no answer within its [time](crate::mount::RequestLimits::rule_deadline), no token is
///   given.
///
/// # Cancellation
/// The future is dropped when the client hangs up, when its time is over, or when the deadline passes. In the first and the last
/// case the attempt stays charged.
///
/// # Errors
/// A [`BackendError`] gives the charge back and answers 503, or 500 if it is a [fault](BackendError::fault). Its text goes to
/// telemetry, with the name of the rule.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `LoginRule`",
    note = "implement the trait with `#[async_trait]`, or wrap a closure: `rule_fn(\"name\", |login: LoginEvent| async move {{ .. }})`; a trait object goes in an `Arc`"
)]
pub trait LoginRule: Send + Sync + 'static {
    /// The name of the rule, for telemetry and audit: 1 to 100 characters, none of them a control character. Each rule of an
    /// endpoint has its own.
    fn name(&self) -> &str;

    /// Decides on a login.
    async fn apply(&self, login: LoginEvent) -> Result<Ruling, BackendError>;

    /// [`apply`](Self::apply), as the endpoint asks it: polled once. No rule of an application can replace it, because nothing outside this crate
    /// can name what it answers: so a rule is written once, and one around another one leaves out nothing.
    #[doc(hidden)]
    fn ask(&self, login: &LoginEvent, cx: &mut Context<'_>) -> Asked<'_> {
        let mut deciding = PutDown::new(self.apply(login.clone()));
        match Pin::new(&mut deciding).poll(cx) {
            Poll::Ready(answer) => Asked(Ok(answer)),
            Poll::Pending => Asked(Err(deciding)),
        }
    }
}

impl<R: LoginRule + ?Sized> LoginRule for Arc<R> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn apply<'s, 'f>(&'s self, login: LoginEvent) -> Answering<'f, Ruling>
    where
        's: 'f,
        Self: 'f,
    {
        (**self).apply(login)
    }

    fn ask(&self, login: &LoginEvent, cx: &mut Context<'_>) -> Asked<'_> {
        (**self).ask(login, cx)
    }
}

/// What a rule answers that was polled once: it may be there at once.
#[doc(hidden)]
pub struct Asked<'a>(Result<Result<Ruling, BackendError>, PutDown<Answering<'a, Ruling>>>);

impl<'a> Asked<'a> {
    /// Nothing is waited for.
    pub(crate) const fn at_once(answer: Result<Ruling, BackendError>) -> Self {
        Self(Ok(answer))
    }

    /// The answer was polled once, and takes its time.
    pub(crate) fn begun(answering: Answering<'a, Ruling>) -> Self {
        Self(Err(PutDown::new(answering)))
    }

    /// The answer, or the future of one that is not there yet.
    pub(super) fn into_ready(self) -> Result<Result<Ruling, BackendError>, PutDown<Answering<'a, Ruling>>> {
        self.0
    }
}

impl fmt::Debug for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}
