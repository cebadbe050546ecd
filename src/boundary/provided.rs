//! Provided methods that an application should have replaced, known before they are asked.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::size_of_val;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::backend::BackendError;
use super::maybe::Answering;

/// The answer of such a method: a fault, which names what is missing.
///
/// It holds nothing, unlike the future of any method that looks at its arguments. So the two are distinguished without running
/// either: nothing of the application is asked only to find out whether it could answer.
pub(crate) struct Provided<M, T>(PhantomData<fn() -> (M, T)>);

/// What a provided method says in telemetry.
pub(crate) trait Missing: 'static {
    const TEXT: &'static str;
}

/// What a provided method answers.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unprovided(&'static str);

impl<M: Missing, T: 'static> Provided<M, T> {
    pub(crate) fn answer<'a>() -> Answering<'a, T> {
        Box::pin(Self(PhantomData))
    }
}

impl<M: Missing, T> Future for Provided<M, T> {
    type Output = Result<T, BackendError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Err(BackendError::fault(Unprovided(M::TEXT))))
    }
}

impl<M, T> fmt::Debug for Provided<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Provided")
    }
}

/// Whether the error is that of a provided method, which a part around another one finds out when it asks.
pub(crate) fn tells_of_provided(error: &BackendError) -> bool {
    error.source.as_ref().is_some_and(|source| source.is::<Unprovided>())
}

/// Whether this is the answer of a provided method. The future is not polled.
pub(crate) fn is_provided<T>(answering: &Answering<'_, T>) -> bool {
    size_of_val(&**answering) == 0
}
