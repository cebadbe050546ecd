//! Login rules from closures.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;

use crate::boundary::backend::BackendError;
use crate::boundary::login_event::LoginEvent;
use crate::boundary::login_rule::LoginRule;
use crate::boundary::maybe::Answering;
use crate::protocol::rules::ruling::Ruling;

/// A [`LoginRule`] from a closure; see [`rule_fn`].
#[derive(Clone)]
pub struct RuleFn<F> {
    name: Cow<'static, str>,
    apply: F,
}

/// A [`LoginRule`] from its name and a closure that answers a future. One that waits for nothing is cheaper by
/// [`rule_at_once_fn`](crate::rules::rule_at_once_fn).
///
/// ```
/// use std::time::Duration;
/// use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};
///
/// let rule = rule_fn("short on the road", |login: LoginEvent| async move {
///     let is_at_home = login.address().is_some_and(|address| address.is_loopback());
///     Ok(match is_at_home {
///         true => Ruling::proceed(),
///         false => Ruling::proceed().shorten_lifetime(Duration::from_secs(300))?,
///     })
/// });
/// # let _ = rule;
/// ```
pub fn rule_fn<F, Fut>(name: impl Into<Cow<'static, str>>, apply: F) -> RuleFn<F>
where
    F: Fn(LoginEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Ruling, BackendError>> + Send + 'static,
{
    RuleFn { name: name.into(), apply }
}

impl<F, Fut> LoginRule for RuleFn<F>
where
    F: Fn(LoginEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Ruling, BackendError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn apply<'s, 'f>(&'s self, login: LoginEvent) -> Answering<'f, Ruling>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin((self.apply)(login))
    }
}

impl<F> fmt::Debug for RuleFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuleFn").field(&self.name).finish()
    }
}
