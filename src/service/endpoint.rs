use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::Service;

use super::intake::EndpointFuture;
use crate::boundary::body::{NoInner, ResponseBody};
use crate::conductor::endpoint::Endpoint;
use crate::conductor::purpose::Purpose;

/// The token endpoint as a leaf service: it answers every request that it gets, whatever its path. Made by
/// [`PasswordGrantLayer::endpoint`](crate::PasswordGrantLayer::endpoint).
#[derive(Clone)]
pub struct TokenEndpoint {
    endpoint: Arc<Endpoint>,
    purpose: Purpose,
}

impl TokenEndpoint {
    pub(super) fn new(endpoint: Arc<Endpoint>, purpose: Purpose) -> Self {
        Self { endpoint, purpose }
    }
}

impl<B: Body> Service<Request<B>> for TokenEndpoint {
    type Response = Response<ResponseBody<NoInner>>;
    type Error = Infallible;
    type Future = EndpointFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        EndpointFuture::start(&self.endpoint, self.purpose, request)
    }
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenEndpoint")
    }
}
