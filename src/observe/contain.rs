//! Containing what the application's code may do: panic, or never answer.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::timer::{self, Timer};
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
pub(crate) fn begin<T>(call: impl FnOnce() -> T) -> Result<T, Cut> {
    // What it borrows is looked at no more after a panic.
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| Cut::Panicked)
}

pin_project! {
    /// Runs a future until it ends, panics or its time is over. A named type, because an async function would hold the future
    /// twice.
    pub(crate) struct Contain<F> {
        #[pin]
        future: F,
        limit: Option<Duration>,
        timer: Timer,
    }
}

impl<F> Contain<F> {
    pub(crate) fn new(limit: Option<Duration>, future: F) -> Self {
        Self { future, limit, timer: None }
    }
}

impl<T, E: From<Cut>, F: Future<Output = Result<T, E>>> Future for Contain<F> {
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // The future is never polled again after a panic, so nobody sees what it left half-done.
        let polled = catch_unwind(AssertUnwindSafe(|| {
            if let Poll::Ready(outcome) = this.future.poll(cx) {
                return Poll::Ready(outcome);
            }
            let Some(limit) = *this.limit else { return Poll::Pending };
            timer::passed(this.timer, limit, cx).map(|()| Err(Cut::Overdue.into()))
        }));
        polled.unwrap_or_else(|_| Poll::Ready(Err(Cut::Panicked.into())))
    }
}
