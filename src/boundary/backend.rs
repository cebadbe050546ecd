//! "Could not decide": what a trait of the application answers when its own backend fails.

use std::error::Error;
use std::fmt;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::explained::explained;
use crate::protocol::wait::seconds_to_wait;
use crate::protocol::wire::error::{Reason, TokenError};

type BoxError = Box<dyn Error + Send + Sync>;

/// A verifier, registry, issuer or limiter could not do its work. It is never a verdict on the credentials.
///
/// The client gets 503 `temporarily_unavailable` with `Retry-After`, never `invalid_grant`, on which clients throw their
/// tokens away (RFC 6749 section 5.2). The cause goes to telemetry only.
///
/// Any error converts by `?`, one of `anyhow` and a plain text too. For that reason this type itself cannot implement
/// `std::error::Error`; it can be printed. `?` still turns it into a `Box<dyn Error>` or an [`OperationError`], which is an error
/// type; for `anyhow` and for `Box<dyn Error + Send + Sync>` write [`.into_error()`](Self::into_error) before the `?`.
///
/// ```
/// use tower_password_grant::BackendError;
///
/// fn read() -> Result<String, BackendError> {
///     Ok(std::fs::read_to_string("/nowhere")?)
/// }
///
/// fn start() -> Result<String, Box<dyn std::error::Error>> {
///     Ok(read()?)
/// }
/// assert!(start().is_err());
///
/// fn task() -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
///     Ok(read().map_err(BackendError::into_error)?)
/// }
/// assert!(task().is_err());
/// assert_eq!(BackendError::fault("no such table").to_string(), "no such table");
/// ```
pub struct BackendError {
    pub(crate) kind: BackendErrorKind,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) source: Option<BoxError>,
}

/// The code that compares a secret was lost before it answered, as by a panic: it may have been about to say no.
#[derive(Debug, thiserror::Error)]
#[error("the {0} panicked")]
pub(crate) struct LostDecision(pub(crate) &'static str);

/// One verifier failed after another one had decided about the same guess, or that it has no such account.
#[derive(Debug, thiserror::Error)]
#[error("a directory failed after an earlier one had been asked")]
struct InTurn(#[source] Option<BoxError>);

/// What kind of failure a [`BackendError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// A dependency is down or slow: 503.
    Unavailable,
    /// More work than can be done: 503.
    Overloaded,
    /// A fault, which a second try does not help: 500 `server_error`.
    Fault,
}

impl BackendErrorKind {
    /// Its name in telemetry.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Overloaded => "overloaded",
            Self::Fault => "fault",
        }
    }
}

impl BackendError {
    /// A dependency is down: 503.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self { kind: BackendErrorKind::Unavailable, retry_after: None, source: Some(source.into()) }
    }

    /// A fault, which a second try does not help: 500 `server_error`.
    pub fn fault(source: impl Into<BoxError>) -> Self {
        Self { kind: BackendErrorKind::Fault, retry_after: None, source: Some(source.into()) }
    }

    /// More work than can be done now: 503. `retry_after` is rounded up to whole seconds.
    #[must_use]
    pub fn overloaded(retry_after: Duration) -> Self {
        Self { kind: BackendErrorKind::Overloaded, retry_after: Some(retry_after), source: None }
    }

    /// When to try again, rounded up to whole seconds. Default: 5 seconds.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same of a verifier that is asked after others, one of which may have denied the guess: the answer is that of the failure,
    /// but no charge comes back.
    pub(crate) fn in_turn(self) -> Self {
        Self { source: Some(Box::new(InTurn(self.source))), ..self }
    }

    /// Whether the guess may have been decided all the same, so that it stays charged.
    pub(crate) fn may_hide_a_denial(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.is::<LostDecision>() || source.is::<InTurn>())
    }

    /// The same, as a fault if an error of this type is the source, or behind it: a second try meets it again.
    pub(crate) fn or_fault_of<E: Error + 'static>(self) -> Self {
        let first = self.source.as_deref().map(|source| source as &(dyn Error + 'static));
        let is_fault = successors(first, |&error| error.source()).any(|error| error.is::<E>());
        Self { kind: if is_fault { BackendErrorKind::Fault } else { self.kind }, ..self }
    }

    /// The error of the whole request, with `reason` for telemetry.
    pub(crate) fn because(self, reason: Reason) -> TokenError {
        let reason = match self.kind {
            BackendErrorKind::Overloaded => Reason::Overloaded,
            BackendErrorKind::Unavailable | BackendErrorKind::Fault => reason,
        };
        let mut error = TokenError::new(reason).of_failure(self.kind == BackendErrorKind::Fault);
        error.retry_after = self.retry_after;
        error.with_source(self.source)
    }

    /// What went wrong, as an error type, for `anyhow` and for `Box<dyn Error + Send + Sync>`.
    #[must_use]
    pub fn into_error(self) -> OperationError {
        OperationError(self)
    }

    /// What the outermost cause says is behind it.
    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().and_then(|source| source.source())
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// The same failure once more, for each of those that one call has failed.
    pub(crate) fn shared(failed: &Arc<OperationError>) -> Self {
        let Self { kind, retry_after, .. } = failed.0;
        Self { kind, retry_after, source: Some(Box::new(Shared(Arc::clone(failed)))) }
    }
}

/// A failure of several.
struct Shared(Arc<OperationError>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Error for Shared {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl<E: Into<BoxError>> From<E> for BackendError {
    fn from(source: E) -> Self {
        // What was a failure of this crate keeps its kind on its way through a trait of the application.
        match source.into().downcast::<OperationError>() {
            Ok(failed) => failed.0,
            Err(source) => Self::unavailable(source),
        }
    }
}

impl From<BackendError> for Box<dyn Error> {
    fn from(error: BackendError) -> Self {
        Box::new(OperationError(error))
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(self).fmt(f)
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.kind)?;
        explained(&Shown(self), f)
    }
}

/// What your own code gets when it calls an operation of this crate and that cannot be done, such as
/// `SqliteStore::put_client` or `Argon2Verifier::hash_password`: `?` takes it into any other error.
///
/// Its message and its causes say what failed; `Debug` writes them in one line, for a `main` that returns it. Inside a
/// trait of this crate `?` makes the [`BackendError`] of it that it was.
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::BackendError;
/// use tower_password_grant::error::{BackendErrorKind, OperationError};
///
/// let busy: OperationError = BackendError::overloaded(Duration::from_secs(2)).into_error();
/// assert_eq!(busy.to_string(), "too much work waits already: try again in 2 s");
/// assert_eq!(busy.kind(), BackendErrorKind::Overloaded);
/// ```
pub struct OperationError(BackendError);

impl OperationError {
    /// Whether trying again may help.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.0.kind
    }

    /// When to try again, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl From<BackendError> for OperationError {
    fn from(error: BackendError) -> Self {
        Self(error)
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Shown(&self.0).fmt(f)
    }
}

impl fmt::Debug for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

impl Error for OperationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause()
    }
}

/// A failure as an error. The outermost cause is its message.
struct Shown<'a>(&'a BackendError);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.source, self.0.retry_after) {
            (Some(source), _) => source.fmt(f),
            (None, None) => f.write_str("too much work waits already: try again later"),
            (None, Some(wait)) => {
                write!(f, "too much work waits already: try again in {} s", seconds_to_wait(wait))
            }
        }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Shown<'_> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause()
    }
}
