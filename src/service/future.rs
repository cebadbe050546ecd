use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use super::answer_body::{AnswerBody, EnclosedBody};
use super::intake::EndpointFuture;

pin_project! {
    /// The future of a [`PasswordGrantService`](crate::mount::PasswordGrantService): the inner service's own for requests that
    /// pass through, without a box around it.
    pub struct ResponseFuture<F, B, A = EnclosedBody> {
        #[pin]
        kind: Kind<F, B, A>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<F, B, A> {
        Pass { #[pin] future: F },
        Own { #[pin] future: EndpointFuture<B>, bodies: A },
    }
}

impl<F, B, A> ResponseFuture<F, B, A> {
    #[inline]
    pub(super) fn pass(future: F) -> Self {
        Self { kind: Kind::Pass { future } }
    }

    pub(super) fn own(future: EndpointFuture<B>, bodies: A) -> Self {
        Self { kind: Kind::Own { future, bodies } }
    }
}

impl<F, B, A, ResB, E> Future for ResponseFuture<F, B, A>
where
    F: Future<Output = Result<Response<ResB>, E>>,
    B: Body,
    A: AnswerBody<ResB>,
{
    type Output = Result<Response<A::Body>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProj::Pass { future } => A::inner(future.poll(cx)),
            KindProj::Own { future, bodies } => {
                future.poll_response(cx).map(|response| Ok(response.map(|bytes| bodies.own(bytes))))
            }
        }
    }
}

impl<F, B, A> fmt::Debug for ResponseFuture<F, B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture")
    }
}
