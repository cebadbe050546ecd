//! A future that is often ready at once.

use std::fmt;
use std::future::{Future, pending};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::backend::BackendError;

/// The answer of a method that an in-memory part gives at once and a networked part later.
///
/// It exists so that the common case costs no allocation. Write `MaybeFuture::ready(value)` or
/// `MaybeFuture::new(async move { .. })`, inside of which `?` and `.await` can be used. A method that answers one is no
/// `async fn`, in an `impl` neither: there the compiler says that its lifetimes do not match the trait (E0195).
#[must_use = "futures do nothing unless you await them"]
pub struct MaybeFuture<'a, T>(State<'a, T>);

enum State<'a, T> {
    Ready(Option<T>),
    Pending(Later<'a, T>),
}

/// An answer that takes its time.
pub(crate) type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'a, T> MaybeFuture<'a, T> {
    /// An answer that is known already.
    pub const fn ready(value: T) -> Self {
        Self(State::Ready(Some(value)))
    }

    /// An answer that takes its time.
    pub fn new(future: impl Future<Output = T> + Send + 'a) -> Self {
        Self(State::Pending(Box::pin(future)))
    }
}

impl<'a, T: Send + Unpin + 'a> MaybeFuture<'a, T> {
    /// Changes the answer: at once and in its place, if it is known already.
    #[inline]
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut T) + Send + 'a) {
        match &mut self.0 {
            State::Ready(None) => {}
            State::Ready(Some(answer)) => change(answer),
            State::Pending(_) => self.change_later(change),
        }
    }

    #[cold]
    fn change_later(&mut self, change: impl FnOnce(&mut T) + Send + 'a) {
        let asked = mem::replace(&mut self.0, State::Ready(None));
        *self = Self::new(async move {
            let mut answer = Self(asked).await;
            change(&mut answer);
            answer
        });
    }
}

impl<'a, T: Send + 'a> MaybeFuture<'a, T> {
    /// The answer, or the future of one that is not known yet.
    #[inline]
    pub(crate) fn into_ready(self) -> Result<T, Later<'a, T>> {
        match self.0 {
            State::Ready(Some(value)) => Ok(value),
            State::Ready(None) => Err(Box::pin(pending())),
            State::Pending(future) => Err(future),
        }
    }
}

/// The answer of an `#[async_trait]` method of a part, as that attribute writes it: forwarded so, it costs no second box.
pub(crate) type Answering<'a, T> = Later<'a, Result<T, BackendError>>;

/// An answer of an `#[async_trait]` method, without another box around it.
impl<'a, T> From<Later<'a, T>> for MaybeFuture<'a, T> {
    fn from(future: Later<'a, T>) -> Self {
        Self(State::Pending(future))
    }
}

impl<T: Unpin> Future for MaybeFuture<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            State::Ready(value) => ready_once(value),
            State::Pending(future) => future.as_mut().poll(cx),
        }
    }
}

/// The answer of a future that has one. Like any finished future it must not be polled again after that; if it is, it just never
/// wakes.
#[inline]
pub(crate) fn ready_once<T>(answer: &mut Option<T>) -> Poll<T> {
    answer.take().map_or(Poll::Pending, Poll::Ready)
}

impl<T> fmt::Debug for MaybeFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaybeFuture")
    }
}
