use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::{Layer, Service};

use super::future::BearerFuture;
use super::guard::BearerGuard;
use super::principal::mark;
use super::route_rules::Admission;
use crate::boundary::body::ResponseBody;

/// A service behind a [`BearerGuard`].
///
/// Readiness is the inner service's own: a slot that it reserved before a request that was refused is kept for the next call,
/// or given back if the token had to be looked up first.
#[derive(Clone)]
pub struct BearerService<S> {
    inner: S,
    guard: BearerGuard,
}

impl<S> Layer<S> for BearerGuard {
    type Service = BearerService<S>;

    fn layer(&self, inner: S) -> BearerService<S> {
        BearerService { inner, guard: self.clone() }
    }
}

impl<S, B, ResB> Service<Request<B>> for BearerService<S>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    B: Body,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = BearerFuture<S, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let rules = &self.guard.rules;
        let has_body = !request.body().is_end_stream();
        match rules.admit(request.method(), request.headers(), has_body) {
            Ok(Admission::Pass) => {
                mark(&mut request, None);
                BearerFuture::pass(self.inner.call(request))
            }
            Ok(Admission::Known(principal)) => {
                mark(&mut request, Some(principal));
                BearerFuture::pass(self.inner.call(request))
            }
            Ok(Admission::Ask(verification)) => {
                // The instance that was ready goes into the future, which may call it later; its clone takes its place here.
                let clone = self.inner.clone();
                let inner = mem::replace(&mut self.inner, clone);
                BearerFuture::ask(Arc::clone(rules), verification, inner, request)
            }
            Err(refusal) => BearerFuture::own(rules.refuse(&refusal, request.headers(), |body| body)),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for BearerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerService").field("inner", &self.inner).field("guard", &self.guard).finish()
    }
}
