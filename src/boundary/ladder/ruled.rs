//! Rulings: a login rule of the application was asked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::boundary::backend::BackendError;
use crate::boundary::login_event::LoginEvent;
use crate::boundary::login_rule::LoginRule;
use crate::boundary::maybe::Answering;
use crate::protocol::rules::ruling::Ruling;

/// What one rule has decided on one login.
pub(crate) struct Ruled(pub(super) Ruling);

/// A rule's answer about a login.
type Answered = Result<Ruled, BackendError>;

/// A rule that was asked and takes its time. A named type, because the next one waits in its place.
pub(crate) struct Asked<'a>(Answering<'a, Ruling>);

impl Future for Asked<'_> {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        self.0.as_mut().poll(cx).map(|answer| answer.map(Ruled))
    }
}

/// Has a rule decide on a login: the only maker of what it decided. `Err` holds the call, if its answer is not there at once.
pub(crate) fn apply(rule: &dyn LoginRule, login: LoginEvent) -> Result<Answered, Asked<'_>> {
    match rule.apply_at_once(login).into_ready() {
        Ok(answer) => Ok(answer.map(Ruled)),
        Err(answering) => Err(Asked(answering)),
    }
}
