//! A call of a trait whose answer becomes a value that proves it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::boundary::maybe::{Later, MaybeFuture};

/// A call under way, and what is made of its answer. Nothing else makes that value, so having it proves that the call was made.
pub(super) struct Asking<C, M> {
    call: C,
    make: M,
}

impl<C, M> Asking<C, M> {
    pub(super) const fn new(call: C, make: M) -> Self {
        Self { call, make }
    }
}

impl<'a, A: Send + 'a, T, M: FnMut(A) -> T> Asking<Later<'a, A>, M> {
    /// What is made of an answer that is there at once, else the call.
    #[inline]
    pub(super) fn at_once(call: MaybeFuture<'a, A>, mut make: M) -> Result<T, Self> {
        match call.into_ready() {
            Ok(answer) => Ok(make(answer)),
            Err(call) => Err(Self { call, make }),
        }
    }
}

impl<C, M, T> Future for Asking<C, M>
where
    C: Future + Unpin,
    M: FnMut(C::Output) -> T + Unpin,
{
    type Output = T;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        Pin::new(&mut this.call).poll(cx).map(&mut this.make)
    }
}
