//! How long each part of the application may take for one call: below the whole, so that one that hangs is reported soon.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::timer::{self, Timer};
use crate::boundary::backend::BackendError;
use crate::boundary::put_down::put_down;

const ACCESS_TOKENS: &str = "the verifier of access tokens";

/// The time of each part. The verifier has a longer one for the verification itself, because it hashes, and queues for it.
#[derive(Debug)]
pub(crate) struct Patience {
    pub(crate) registry: Bound,
    pub(crate) client_method: Bound,
    pub(crate) limiter: Bound,
    /// Of its look-ups: the key of an account, and whether a login still holds.
    pub(crate) accounts: Bound,
    pub(crate) verifier: Bound,
    pub(crate) extension_key: Bound,
    pub(crate) extension: Bound,
    /// The look-up of exceptions from the end of a client.
    pub(crate) exceptions: Bound,
    /// Of each login rule.
    pub(crate) rule: Option<Duration>,
    pub(crate) issuer: Bound,
    pub(crate) refresh_store: Bound,
    pub(crate) access_tokens: Bound,
    /// The stores of second factors.
    pub(crate) factors: Bound,
    /// The delivery of codes.
    pub(crate) delivery: Bound,
}

impl Patience {
    /// `store` for what looks up and keeps, `verifier` for what verifies credentials of a user, `rule` for what decides on a login
    /// then.
    pub(crate) const fn new(store: Option<Duration>, verifier: Option<Duration>, rule: Option<Duration>) -> Self {
        Self {
            registry: Bound::new("the client registry", store),
            client_method: Bound::new("the client authentication method", store).deciding(),
            limiter: Bound::new("the attempt limiter", store),
            accounts: Bound::new("the user store of the verifier", store),
            verifier: Bound::new("the verifier", verifier).deciding(),
            extension_key: Bound::new("the user store of the extension grant", store),
            extension: Bound::new("the extension grant", verifier).deciding(),
            exceptions: Bound::new("the look-up of exceptions from a client's end", store),
            rule,
            issuer: Bound::new("the issuer", store),
            refresh_store: Bound::new("the refresh token store", store),
            access_tokens: Bound::new(ACCESS_TOKENS, store),
            factors: Bound::new("the store of second factors", store),
            delivery: Bound::new("the delivery of codes", store),
        }
    }
}

/// The time of one part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// As a sentence begins with it.
    part: &'static str,
    limit: Option<Duration>,
    decides: bool,
}

impl Bound {
    pub(crate) const fn new(part: &'static str, limit: Option<Duration>) -> Self {
        Self { part, limit, decides: false }
    }

    /// Of a part that decides on credentials.
    const fn deciding(mut self) -> Self {
        self.decides = true;
        self
    }

    /// Bounds one call of the part.
    pub(crate) const fn of<F>(&self, call: F) -> Within<'_, F> {
        Within { call: Some(call), bound: self, timer: None }
    }
}

/// The answer of a call that has begun: itself if it is there already, else its future is waited for, `within` a bound. So
/// [`MaybeFuture::into_ready`](crate::boundary::maybe::MaybeFuture::into_ready) gives it.
///
/// A macro, because a future for it would hold the answer, and the future of each request would hold that.
macro_rules! answered {
    ($begun:expr) => {
        answered!($begun, waiting => waiting)
    };
    ($begun:expr, within $bound:expr) => {
        answered!($begun, waiting => $bound.of(waiting))
    };
    ($begun:expr, $waiting:ident => $future:expr) => {
        'answer: {
            // A statement of its own: what is matched on would be held while the answer is waited for.
            let $waiting = match $begun {
                Ok(answer) => break 'answer answer,
                Err(waiting) => waiting,
            };
            $future.await
        }
    };
}
pub(crate) use answered;

/// One call of a part, until it ends or its time is over: then nothing was decided.
pub(crate) struct Within<'a, F> {
    /// None once it was cut off.
    call: Option<F>,
    bound: &'a Bound,
    timer: Timer,
}

impl<T, F> Future for Within<'_, F>
where
    F: Future<Output = Result<T, BackendError>> + Unpin,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(call) = &mut this.call else { return Poll::Pending };
        // Made in its place: the answer of a part is large.
        let mut polled = Pin::new(call).poll(cx);
        if polled.is_pending() {
            polled = this.wait(cx).map(Err);
        }
        polled
    }
}

impl<F> Within<'_, F> {
    /// Waits for the end of the call's time, and drops the call then.
    #[cold]
    #[inline(never)]
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<BackendError> {
        let Bound { part, limit: Some(limit), decides } = *self.bound else { return Poll::Pending };
        timer::passed(&mut self.timer, limit, cx).map(|()| {
            put_down(|| self.call = None);
            BackendError::unavailable(Overdue { part, limit, decides })
        })
    }
}

/// A part was cut off.
#[derive(Debug)]
pub(crate) struct Overdue {
    part: &'static str,
    limit: Duration,
    decides: bool,
}

impl Overdue {
    /// The error of a verifier of access tokens that a guard cut off.
    pub(crate) fn of_access_tokens(limit: Duration) -> BackendError {
        BackendError::unavailable(Self { part: ACCESS_TOKENS, limit, decides: false })
    }

    /// Whether the call was cut off, so that it is unknown how far it got.
    pub(crate) fn cut(error: &BackendError) -> bool {
        error.source.as_ref().is_some_and(|source| source.is::<Self>())
    }

    /// Whether a part that decides on credentials was cut off, and did not report its failure itself: it may have been about
    /// to say no.
    pub(crate) fn cut_a_decision(error: &BackendError) -> bool {
        error.source.as_ref().and_then(|source| source.downcast_ref::<Self>()).is_some_and(|overdue| overdue.decides)
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, limit, .. } = self;
        write!(f, "{part} did not answer within {} s", limit.as_secs_f64())
    }
}

impl std::error::Error for Overdue {}
