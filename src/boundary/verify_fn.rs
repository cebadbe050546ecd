//! Verifiers from closures.

use std::fmt;
use std::future::Future;

use super::backend::BackendError;
use super::maybe::Answering;
use super::recheck::Recheck;
use super::verifier::{Attempt, CredentialVerifier, Verdict};

/// A [`CredentialVerifier`] from a closure; see [`verify_fn`].
#[derive(Clone, Copy)]
pub struct VerifyFn<F, R = NoRecheck> {
    verify: F,
    recheck: R,
}

/// The closure for refreshes is not there: see [`VerifyFn::with_recheck`].
#[derive(Clone, Copy, Debug)]
pub struct NoRecheck(());

/// A [`CredentialVerifier`] from a closure that answers a future.
///
/// ```
/// use tower_password_grant::{Denial, Subject, verify_fn};
///
/// let verifier = verify_fn(|attempt| async move {
///     Ok(if attempt.password().expose() == "correct horse" {
///         Subject::new("user-1").into()
///     } else {
///         Denial::WrongPassword.into()
///     })
/// });
/// ```
///
/// What it captures, such as a pool, is cloned for each call: the closure is called many times, so a future must not take it.
/// (An `async move |..|` closure that captures something does not compile here, as its futures borrow from it.)
///
/// ```
/// # use std::sync::Arc;
/// # struct Pool;
/// # impl Pool { async fn is_right(&self, _: &str, _: &str) -> std::io::Result<bool> { Ok(true) } }
/// # use tower_password_grant::{Attempt, Denial, Subject, verify_fn};
/// let pool = Arc::new(Pool);
/// let verifier = verify_fn(move |attempt: Attempt| {
///     let pool = Arc::clone(&pool);
///     async move {
///         let (name, password) = (attempt.username(), attempt.password().expose());
///         Ok(if pool.is_right(name, password).await? {
///             Subject::new("user-1").into()
///         } else {
///             Denial::WrongPassword.into()
///         })
///     }
/// });
/// ```
pub fn verify_fn<F, Fut>(verify: F) -> VerifyFn<F>
where
    F: Fn(Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Verdict, BackendError>> + Send + 'static,
{
    VerifyFn { verify, recheck: NoRecheck(()) }
}

impl<F> VerifyFn<F> {
    /// Tells at each refresh whether a login still holds ([`CredentialVerifier::recheck`]).
    ///
    /// ```
    /// # use tower_password_grant::{Denial, Subject, verify_fn};
    /// # let verifier = verify_fn(|_| async { Ok(Denial::WrongPassword.into()) });
    /// let verifier = verifier.with_recheck(|login| async move {
    ///     let is_active = login.subject_id() == "user-1";
    ///     Ok(if is_active { Subject::new("user-1").into() } else { Denial::Disabled.into() })
    /// });
    /// ```
    pub fn with_recheck<R, Fut>(self, recheck: R) -> VerifyFn<F, R>
    where
        R: Fn(Recheck) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Verdict, BackendError>> + Send + 'static,
    {
        VerifyFn { verify: self.verify, recheck }
    }
}

impl<F, Fut> CredentialVerifier for VerifyFn<F>
where
    F: Fn(Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Verdict, BackendError>> + Send + 'static,
{
    fn verify<'s, 'f>(&'s self, attempt: Attempt) -> Answering<'f, Verdict>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin((self.verify)(attempt))
    }
}

impl<F, Fut, R, Again> CredentialVerifier for VerifyFn<F, R>
where
    F: Fn(Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Verdict, BackendError>> + Send + 'static,
    R: Fn(Recheck) -> Again + Send + Sync + 'static,
    Again: Future<Output = Result<Verdict, BackendError>> + Send + 'static,
{
    fn verify<'s, 'f>(&'s self, attempt: Attempt) -> Answering<'f, Verdict>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin((self.verify)(attempt))
    }

    fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        Box::pin((self.recheck)(login.clone()))
    }
}

impl<F, R> fmt::Debug for VerifyFn<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerifyFn")
    }
}
