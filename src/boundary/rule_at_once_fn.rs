//! Login rules from closures that wait for nothing.

use std::borrow::Cow;
use std::fmt;
use std::future::ready;
use std::task::Context;

use crate::boundary::backend::BackendError;
use crate::boundary::login_event::LoginEvent;
use crate::boundary::login_rule::{Asked, LoginRule};
use crate::boundary::maybe::Answering;
use crate::protocol::rules::ruling::Ruling;

/// A [`LoginRule`] from a closure that waits for nothing; see [`rule_at_once_fn`].
#[derive(Clone)]
pub struct RuleAtOnceFn<F> {
    name: Cow<'static, str>,
    decide: F,
}

/// A [`LoginRule`] from its name and a closure that decides without waiting for anything. It must not block. Beside
/// [`rule_fn`](crate::rules::rule_fn) it saves a future for each login.
///
/// ```
/// use tower_password_grant::rules::{LoginEvent, Ruling, rule_at_once_fn};
///
/// let rule = rule_at_once_fn("no admin for customers", |login: &LoginEvent| {
///     Ok(match login.realm() {
///         Some("customers") => Ruling::proceed().remove_scope("admin"),
///         _ => Ruling::proceed(),
///     })
/// });
/// # let _ = rule;
/// ```
pub fn rule_at_once_fn<F>(name: impl Into<Cow<'static, str>>, decide: F) -> RuleAtOnceFn<F>
where
    F: Fn(&LoginEvent) -> Result<Ruling, BackendError> + Send + Sync + 'static,
{
    RuleAtOnceFn { name: name.into(), decide }
}

impl<F> LoginRule for RuleAtOnceFn<F>
where
    F: Fn(&LoginEvent) -> Result<Ruling, BackendError> + Send + Sync + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn apply<'s, 'f>(&'s self, login: LoginEvent) -> Answering<'f, Ruling>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(ready((self.decide)(&login)))
    }

    fn ask(&self, login: &LoginEvent, _: &mut Context<'_>) -> Asked<'_> {
        Asked::at_once((self.decide)(login))
    }
}

impl<F> fmt::Debug for RuleAtOnceFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuleAtOnceFn").field(&self.name).finish()
    }
}
