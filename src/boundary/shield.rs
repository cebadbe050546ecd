//! Is this password known from a leak?

use std::sync::Arc;

use async_trait::async_trait;

use super::backend::BackendError;
use super::maybe::Answering;
use crate::protocol::secret::secrets::Password;
use crate::protocol::user::subject::Subject;

/// What a [`Shield`] found out about a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Nothing speaks against the password.
    Clear,
    /// The password is known from a leak.
    Leaked,
}

/// What becomes of a login whose password is right, and known from a leak; see [`Builder::shield`](crate::Builder::shield).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnLeak {
    /// The login goes on. The audit event, telemetry and metrics say that the password is known. To begin with: it shows
    /// how many users [`Block`](Self::Block) would stop.
    Warn,
    /// The login is refused with 400 `password_leaked`; the attempt stays charged. Only where users can set a new password
    /// without this login.
    Block,
}

/// Asks whether a password is known from a leak, after it was found right: attackers try leaked pairs of name and
/// password first (credential stuffing), and such a password is as good as public.
///
/// `LeakedPasswords` (feature `breach-filter`) is one over a local file, without any network. This crate makes no requests
/// of its own; your own shield can, with the HTTP client that you have. Here it asks a service that takes the first five
/// digits of a SHA-1 hash and answers every hash that begins with them, so that it never learns the password:
///
/// ```no_run
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use http_body_util::{BodyExt as _, Empty, Limited};
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use sha1::{Digest as _, Sha1};
/// use tower_password_grant::{BackendError, Password, Subject};
/// use tower_password_grant::user::{Finding, Shield};
///
/// struct RangeService {
///     // Or what you have; beyond your own network with TLS.
///     client: Client<HttpConnector, Empty<Bytes>>,
/// }
///
/// #[async_trait]
/// impl Shield for RangeService {
///     async fn inspect(
///         &self,
///         password: &Password,
///         _: &Subject,
///     ) -> Result<Finding, BackendError> {
///         let digest = Sha1::digest(password.expose());
///         let hash: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
///         let (prefix, rest) = hash.split_at(5);
///         let url = format!("http://leaks.internal/range/{prefix}").parse()?;
///         let answer = self.client.get(url).await?;
///         if !answer.status().is_success() {
///             return Err(format!("the service answered {}", answer.status()).into());
///         }
///         let body = Limited::new(answer.into_body(), 1 << 20).collect().await?.to_bytes();
///         // `REST:COUNT` in each line.
///         let mut lines = std::str::from_utf8(&body)?.lines();
///         let is_known = lines.any(|line| line.split(':').next() == Some(rest));
///         Ok(if is_known { Finding::Leaked } else { Finding::Clear })
///     }
/// }
/// ```
///
/// # Contract
/// - `inspect` is asked once for each login of the password grant that the verifier granted, and never before: not for a
///   wrong password, an unknown name, a locked account or a spent budget. Extension grants have no password and are not
///   asked about.
/// - It runs on the async threads: what computes or blocks for longer than some microseconds belongs on another thread.
///
/// # Security
/// - It sees the password of a real user, which was just found right. Don't log, store or send it, nor a whole hash of it.
/// - It fails open, as the list is an extra: with an `Err`, a panic, or no answer within 300 milliseconds, the login goes
///   on, and an event and a counter say so. Count on it to warn, not to lock.
/// - Anyone who decides what it answers can keep users out with [`OnLeak::Block`].
///
/// # Cancellation
/// The future is dropped when the client hangs up, when its 300 milliseconds are over, or when the deadline passes. The
/// attempt stays charged, unless the login goes on.
///
/// # Errors
/// A [`BackendError`] of any kind lets the login go on. Its text goes to telemetry.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Shield`",
    note = "implement the trait with `#[async_trait]`, or use `LeakedPasswords`; a trait object goes in an `Arc`"
)]
pub trait Shield: Send + Sync + 'static {
    /// Looks at a password that was found right.
    async fn inspect(&self, password: &Password, subject: &Subject) -> Result<Finding, BackendError>;
}

impl<S: Shield + ?Sized> Shield for Arc<S> {
    fn inspect<'s, 'p, 'u, 'f>(&'s self, password: &'p Password, subject: &'u Subject) -> Answering<'f, Finding>
    where
        's: 'f,
        'p: 'f,
        'u: 'f,
        Self: 'f,
    {
        (**self).inspect(password, subject)
    }
}
