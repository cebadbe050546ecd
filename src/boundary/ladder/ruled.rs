//! Rulings: a login rule of the application was asked.

use std::future::Future;

use super::asking::Asking;
use crate::boundary::backend::BackendError;
use crate::boundary::login_event::LoginEvent;
use crate::boundary::login_rule::LoginRule;
use crate::protocol::rules::ruling::Ruling;

/// What one rule has decided on one login.
pub(crate) struct Ruled(pub(super) Ruling);

/// A rule's answer about a login.
type Answered = Result<Ruled, BackendError>;

/// Has a rule decide on a login: the only maker of what it decided. `Err` holds the call, if its answer is not there at once.
pub(crate) fn apply(
    rule: &dyn LoginRule,
    login: LoginEvent,
) -> Result<Answered, impl Future<Output = Answered> + Send + Unpin + '_> {
    Asking::at_once(rule.apply_at_once(login), |answer: Result<Ruling, BackendError>| answer.map(Ruled))
}
