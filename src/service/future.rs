use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::body::ResponseBody;
use super::intake::EndpointFuture;

pin_project! {
    /// The future of a [`PasswordGrantService`](crate::PasswordGrantService): the inner service's own for requests that
    /// pass through, without a box around it.
    pub struct ResponseFuture<F, B> {
        #[pin]
        kind: Kind<F, B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, B> {
        Pass { #[pin] future: F },
        Own { #[pin] future: EndpointFuture<B> },
    }
}

impl<F, B> ResponseFuture<F, B> {
    #[inline]
    pub(super) fn pass(future: F) -> Self {
        Self { kind: Kind::Pass { future } }
    }

    pub(super) fn own(future: EndpointFuture<B>) -> Self {
        Self { kind: Kind::Own { future } }
    }
}

impl<F, B, ResB, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<ResB>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Pass { future } => future.poll(cx).map_ok(|response| {
                let (head, body) = response.into_parts();
                Response::from_parts(head, ResponseBody::inner(body))
            }),
            KindProj::Own { future } => future.poll_response(cx).map(|response| Ok(response.map(ResponseBody::own))),
        }
    }
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
