//! Rulings: a login rule of the application was asked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::boundary::backend::BackendError;
use crate::boundary::login_event::LoginEvent;
use crate::boundary::login_rule::LoginRule;
use crate::boundary::maybe::Answering;
use crate::boundary::put_down::PutDown;
use crate::protocol::rules::ruling::{Changes, Objection, Ruling};

/// What one rule has decided on one login, which goes on.
pub(crate) struct Ruled(pub(super) Changes);

/// Why a login does not go on.
pub(crate) enum Stopped {
    /// The rule refuses it.
    Refused(Objection),
    /// The rule did not decide.
    Undecided(BackendError),
}

/// A rule's answer about a login. What is rare is boxed: answers are handed on from call to call.
type Answered = Result<Ruled, Box<Stopped>>;

/// A rule that was asked and takes its time. A named type, because the next one waits in its place.
pub(crate) struct Deciding<'a>(PutDown<Answering<'a, Ruling>>);

impl Future for Deciding<'_> {
    type Output = Answered;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        Pin::new(&mut self.0).poll(cx).map(read)
    }
}

/// Has a rule decide on a login, and polls its answer once: the only maker of what it decided. `Err` holds the call, if its answer is
/// not there yet.
#[inline]
pub(crate) fn ask<'a>(
    rule: &'a dyn LoginRule,
    login: &LoginEvent,
    cx: &mut Context<'_>,
) -> Result<Answered, Deciding<'a>> {
    rule.ask(login, cx).into_ready().map(read).map_err(Deciding)
}

#[inline]
fn read(answer: Result<Ruling, BackendError>) -> Answered {
    match answer {
        Ok(ruling) => match ruling.read() {
            Ok(changes) => Ok(Ruled(changes)),
            Err(objection) => Err(Box::new(Stopped::Refused(objection))),
        },
        Err(error) => Err(Box::new(Stopped::Undecided(error))),
    }
}
