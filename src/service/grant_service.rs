use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::answer_body::{AnswerBody, EnclosedBody};
use super::future::ResponseFuture;
use super::intake::EndpointFuture;
use super::mount::Mount;

/// Other grant types are answered `unsupported_grant_type`. The default.
#[derive(Clone, Copy, Debug)]
pub struct Reject(pub(super) ());

/// A service behind a [`PasswordGrantLayer`](crate::PasswordGrantLayer).
///
/// Readiness is the inner service's own: a full inner service delays token requests too, and a slot that it reserved
/// before a token request is kept for the next call.
#[derive(Clone)]
pub struct PasswordGrantService<S, O = Reject, A = EnclosedBody> {
    pub(super) inner: S,
    pub(super) mount: Arc<Mount>,
    pub(super) others: O,
    pub(super) bodies: A,
}

impl<S, ReqB, ResB, A> Service<Request<ReqB>> for PasswordGrantService<S, Reject, A>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ReqB: Body,
    A: AnswerBody<ResB> + Clone,
{
    type Response = Response<A::Body>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ReqB, A>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        match self.mount.routes.find(request.uri().path()) {
            None => ResponseFuture::pass(self.inner.call(request)),
            Some(served) => {
                let future = EndpointFuture::serve(&self.mount.endpoint, served, request);
                ResponseFuture::own(future, self.bodies.clone())
            }
        }
    }
}

impl<S: fmt::Debug, O, A> fmt::Debug for PasswordGrantService<S, O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordGrantService")
            .field("inner", &self.inner)
            .field("routes", &self.mount.routes)
            .finish_non_exhaustive()
    }
}
