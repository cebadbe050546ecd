use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use super::answer::Dialect;
use super::rules::{Rules, Verification};
use crate::boundary::body::ResponseBody;

pin_project! {
    /// The future of a [`BearerService`](crate::BearerService): the inner service's own for requests that pass at once, without
    /// a box around it.
    pub struct BearerFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        kind: Kind<S, S::Future, B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<S, F, B> {
        Pass { #[pin] future: F },
        Ask { task: Box<Task<S, B>> },
        Own { response: Option<Response<Bytes>> },
    }
}

/// What is needed while a token is looked up; boxed, so that futures of passing requests stay small.
struct Task<S, B> {
    rules: Rules,
    verification: Verification,
    inner: S,
    request: Option<Request<B>>,
}

impl<S: Service<Request<B>>, B> BearerFuture<S, B> {
    #[inline]
    pub(super) fn pass(future: S::Future) -> Self {
        Self { kind: Kind::Pass { future } }
    }

    pub(super) fn ask(rules: Rules, verification: Verification, inner: S, request: Request<B>) -> Self {
        let task = Task { rules, verification, inner, request: Some(request) };
        Self { kind: Kind::Ask { task: Box::new(task) } }
    }

    pub(super) fn own(response: Response<Bytes>) -> Self {
        Self { kind: Kind::Own { response: Some(response) } }
    }
}

impl<S: Service<Request<B>>, B> Task<S, B> {
    fn poll_way(&mut self, cx: &mut Context<'_>) -> Poll<Kind<S, S::Future, B>> {
        let found = ready!(Pin::new(&mut self.verification.looking).poll(cx));
        let Some(mut request) = self.request.take() else { return Poll::Pending };
        Poll::Ready(match self.rules.conclude(found, &self.verification) {
            Ok(principal) => {
                request.extensions_mut().insert(principal);
                Kind::Pass { future: self.inner.call(request) }
            }
            Err(refusal) => Kind::Own { response: Some(self.rules.refuse(&refusal, Dialect::of(request.headers()))) },
        })
    }
}

impl<S, B, ResB> Future for BearerFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResB>>,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.kind.as_mut().project() {
                KindProj::Pass { future } => {
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                KindProj::Own { response } => {
                    // Polled again after it was ready, it just never wakes.
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::own)));
                }
                KindProj::Ask { task } => ready!(task.poll_way(cx)),
            };
            this.kind.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for BearerFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerFuture")
    }
}
