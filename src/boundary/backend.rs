//! "Could not decide": what a trait of the application answers when its own backend fails.

use std::fmt;
use std::time::Duration;

use crate::protocol::error::{Reason, TokenError, Wire};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A verifier, registry, issuer or limiter could not do its work. It is never a verdict on the credentials.
///
/// The client gets 503 `temporarily_unavailable` with `Retry-After`, never `invalid_grant`, on which clients throw their
/// tokens away (RFC 6749 section 5.2). The cause goes to telemetry only.
///
/// Any error converts by `?`, one of `anyhow` and a plain text too. For that reason this type itself does not implement
/// `std::error::Error`: where you call a method that answers it, [`into_error`](Self::into_error) gives one.
///
/// ```
/// use tower_password_grant::BackendError;
///
/// fn read() -> Result<String, BackendError> {
///     Ok(std::fs::read_to_string("/nowhere")?)
/// }
///
/// fn start() -> Result<String, Box<dyn std::error::Error>> {
///     Ok(read().map_err(BackendError::into_error)?)
/// }
/// assert!(start().is_err());
/// ```
pub struct BackendError {
    pub(crate) kind: BackendErrorKind,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) source: Option<BoxError>,
}

/// What kind of failure a [`BackendError`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// A dependency is down or slow: 503.
    Unavailable,
    /// More work than can be done: 503.
    Overloaded,
    /// A fault that trying again will not mend: 500 `server_error`.
    Fault,
}

impl BackendError {
    /// A dependency is down: 503.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self { kind: BackendErrorKind::Unavailable, retry_after: None, source: Some(source.into()) }
    }

    /// A fault that trying again will not mend: 500 `server_error`.
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

    /// The error of the whole request, with `reason` for telemetry.
    pub(crate) fn because(self, reason: Reason) -> TokenError {
        let mut error = TokenError::new(match self.kind {
            BackendErrorKind::Overloaded => Reason::Overloaded,
            BackendErrorKind::Unavailable | BackendErrorKind::Fault => reason,
        });
        error.wire = match self.kind {
            BackendErrorKind::Fault => Wire::Fault,
            BackendErrorKind::Unavailable | BackendErrorKind::Overloaded => Wire::Unavailable,
        };
        error.retry_after = self.retry_after;
        error.with_source(self.source)
    }

    /// What went wrong, as an error that `?` takes outside the traits: in tests, or in a sign-up that calls
    /// `Argon2Verifier::hash_password`.
    #[must_use]
    pub fn into_error(self) -> impl std::error::Error + Send + Sync + 'static {
        Failure(self.source)
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }
}

impl<E: Into<BoxError>> From<E> for BackendError {
    fn from(source: E) -> Self {
        Self::unavailable(source)
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendError").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

/// A [`BackendError`] outside the traits: its source, as one that is an error itself.
#[derive(Debug)]
struct Failure(Option<BoxError>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(source) => source.fmt(f),
            None => f.write_str("more work than can be done now"),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().and_then(|source| source.source())
    }
}
