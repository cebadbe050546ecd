//! Containing what the application's code may do: panic, or never answer.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::timer::{self, Timer};
use crate::boundary::put_down::put_down;
use crate::protocol::wire::error::{Reason, TokenError};

/// What ended a contained future before its own end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cut {
    #[error("no answer in time")]
    Overdue,
    #[error("a panic")]
    Panicked,
}

impl From<Cut> for TokenError {
    fn from(cut: Cut) -> Self {
        Self::new(match cut {
            Cut::Overdue => Reason::Deadline,
            Cut::Panicked => Reason::Panicked,
        })
    }
}

/// Begins a call, which may panic before it gives a future.
#[inline]
pub(crate) fn begin<T>(call: impl FnOnce() -> T) -> Result<T, Cut> {
    // What it borrows is looked at no more after a panic.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Cut::Panicked)
}

pin_project! {
    /// Runs a future until it ends, panics or its time is over, and drops it where it was cut off. A named type, because an async
    /// function would hold the future twice.
    // An enum is no larger than what runs: the limit has room for the other case, which no async block has.
    #[project = Containing]
    pub(crate) enum Contain<F> {
        Running {
            #[pin]
            future: F,
            limit: Option<Duration>,
            timer: Timer,
        },
        CutOff,
    }
}

impl<F> Contain<F> {
    pub(crate) fn new(limit: Option<Duration>, future: F) -> Self {
        Self::Running { future, limit, timer: None }
    }

    /// A future that was polled for this task, and goes on: its time runs from now on.
    pub(crate) fn begun(limit: Option<Duration>, future: F, cx: &mut Context<'_>) -> Result<Self, Cut> {
        let mut timer = None;
        match limit.map(|limit| timer::passed(&mut timer, limit, cx)) {
            Some(Poll::Ready(())) => Err(Cut::Overdue),
            _ => Ok(Self::Running { future, limit, timer }),
        }
    }
}

impl<T, E: From<Cut>, F: Future<Output = Result<T, E>>> Future for Contain<F> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Containing::Running { future, limit, timer } = self.as_mut().project() else { return Poll::Pending };
        let mut is_cut_off = false;
        // The future is never polled again after a panic, so nobody sees what it left half-done.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let Poll::Ready(outcome) = future.poll(cx) {
                return Poll::Ready(outcome);
            }
            let Some(limit) = *limit else { return Poll::Pending };
            let over = timer::passed(timer, limit, cx);
            is_cut_off = over.is_ready();
            over.map(|()| Err(Cut::Overdue.into()))
        }));
        let polled = polled.unwrap_or_else(|_| {
            is_cut_off = true;
            Poll::Ready(Err(Cut::Panicked.into()))
        });
        if is_cut_off {
            put_down(|| self.set(Self::CutOff));
        }
        polled
    }
}
