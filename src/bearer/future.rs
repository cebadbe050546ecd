use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use super::principal::mark;
use super::refusal::BearerRefusal;
use super::route_rules::{RouteRules, Verification};
use crate::boundary::body::ResponseBody;

pin_project! {
    /// The future of a [`BearerService`](super::BearerService): the inner service's own for requests that pass at once, without
    /// a box around it.
    pub struct BearerFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        stage: Stage<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S, F, B> {
        Pass { #[pin] future: F },
        Ask { task: Box<Task<S, B>> },
        Own { response: Option<Response<Bytes>> },
    }
}

/// What is needed while a token is looked up; boxed, so that futures of passing requests stay small.
struct Task<S, B> {
    rules: Arc<RouteRules>,
    verification: Verification,
    inner: S,
    request: Option<Request<B>>,
}

impl<S: Service<Request<B>>, B> BearerFuture<S, B> {
    #[inline]
    pub(super) fn pass(future: S::Future) -> Self {
        Self { stage: Stage::Pass { future } }
    }

    pub(super) fn ask(rules: Arc<RouteRules>, verification: Verification, inner: S, request: Request<B>) -> Self {
        let task = Task { rules, verification, inner, request: Some(request) };
        Self { stage: Stage::Ask { task: Box::new(task) } }
    }

    pub(super) fn own(response: Response<Bytes>) -> Self {
        Self { stage: Stage::Own { response: Some(response) } }
    }
}

impl<S, B, ResB> Task<S, B>
where
    S: Service<Request<B>, Response = Response<ResB>>,
{
    /// The inner service's future, or why the request was refused.
    fn poll_way(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Future, BearerRefusal>> {
        let found = ready!(Pin::new(&mut self.verification.looking).poll(cx));
        let principal = match self.rules.conclude(found, &self.verification) {
            Ok(principal) => principal,
            Err(refusal) => return Poll::Ready(Err(refusal)),
        };
        let Some(mut request) = self.request.take() else { return Poll::Pending };
        mark(&mut request, Some(principal));
        Poll::Ready(Ok(self.inner.call(request)))
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
            match this.stage.as_mut().project() {
                StageProj::Pass { future } => {
                    return future.poll(cx).map_ok(|response| response.map(ResponseBody::inner));
                }
                StageProj::Own { response } => {
                    // Polled again after it was ready, it just never wakes.
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::own)));
                }
                StageProj::Ask { task } => match ready!(task.poll_way(cx)) {
                    Ok(future) => this.stage.set(Stage::Pass { future }),
                    Err(refusal) => {
                        let Some(request) = &task.request else { return Poll::Pending };
                        let response = task.rules.refuse(&refusal, request.headers(), ResponseBody::own);
                        this.stage.set(Stage::Own { response: None });
                        return Poll::Ready(Ok(response));
                    }
                },
            }
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for BearerFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerFuture")
    }
}
