//! Putting down what the application gave, whose `Drop` may panic.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// Drops something. A panic in its `Drop` changes nothing, and reaches nobody.
#[inline]
pub(crate) fn put_down(drop: impl FnOnce()) {
    // What it borrows is looked at no more after a panic.
    let _ = catch_unwind(AssertUnwindSafe(drop));
}

/// Runs a call, and [puts it down](put_down) where it has ended, where it was cut off, and where its request ends before it.
pub(crate) struct PutDown<F>(Option<F>);

impl<F> PutDown<F> {
    pub(crate) const fn new(call: F) -> Self {
        Self(Some(call))
    }

    #[inline]
    fn put_down(&mut self) {
        if let Some(call) = self.0.take() {
            put_down(|| drop(call));
        }
    }
}

impl<F: Future + Unpin> Future for PutDown<F> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(call) = &mut self.0 else { return Poll::Pending };
        let polled = Pin::new(call).poll(cx);
        if polled.is_ready() {
            self.put_down();
        }
        polled
    }
}

impl<F> Drop for PutDown<F> {
    fn drop(&mut self) {
        self.put_down();
    }
}
