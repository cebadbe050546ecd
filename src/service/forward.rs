use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::{fmt, mem};

use bytes::Bytes;
use http::header::TRANSFER_ENCODING;
use http::request::Parts;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower::Service;

use super::answer_body::{AnswerBody, EnclosedBody};
use super::grant_service::PasswordGrantService;
use super::intake::{Collect, EndpointFuture};
use super::routes::Target;
use crate::conductor::endpoint::{Answer, Endpoint};
use crate::conductor::gate::{Next, Reading};
use crate::conductor::purpose::Purpose;

/// Other grant types go to the inner service; see
/// [`forward_other_grants`](crate::PasswordGrantLayer::forward_other_grants).
pub struct Forward<B> {
    rebuild: fn(Bytes) -> B,
}

impl<B> Forward<B> {
    pub(super) fn new(rebuild: fn(Bytes) -> B) -> Self {
        Self { rebuild }
    }
}

impl<B> Clone for Forward<B> {
    fn clone(&self) -> Self {
        Self { rebuild: self.rebuild }
    }
}

impl<B> fmt::Debug for Forward<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Forward")
    }
}

impl<S, B, ResB, A> Service<Request<B>> for PasswordGrantService<S, Forward<B>, A>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone,
    B: Body,
    A: AnswerBody<ResB> + Clone,
{
    type Response = Response<A::Body>;
    type Error = S::Error;
    type Future = ForwardFuture<S, B, A>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let served = self.mount.routes.find(request.uri().path());
        let reading = match served {
            Some(Target::Endpoint(Purpose::Token)) if request.method() == Method::POST => {
                self.mount.endpoint.gate().reading(request.headers())
            }
            None | Some(Target::Endpoint(Purpose::Token)) => None,
            Some(served) => {
                let future = EndpointFuture::serve(&self.mount.endpoint, served, request);
                return ForwardFuture::of(Kind::Own { future }, &self.bodies);
            }
        };
        let Some(reading) = reading else {
            return ForwardFuture::of(Kind::Pass { future: self.inner.call(request) }, &self.bodies);
        };
        let (head, body) = request.into_parts();
        let endpoint = Arc::clone(&self.mount.endpoint);
        if let Some((refusal, caller)) = endpoint.gate().refuse_unread(&head) {
            let answer = endpoint.answer(Purpose::Token, head.into(), caller, refusal);
            return ForwardFuture::of(Kind::Own { future: EndpointFuture::answer(answer) }, &self.bodies);
        }
        // The instance that was ready goes into the future, which may call it later; its clone takes its place here.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let collect = Collect::new(body);
        let task = Task { endpoint, head: Some(head), reading, collect, inner, rebuild: self.others.rebuild };
        ForwardFuture::of(Kind::Collect { task: Box::pin(task) }, &self.bodies)
    }
}

pin_project! {
    /// The future of a service that forwards other grants.
    pub struct ForwardFuture<S, B, A = EnclosedBody>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        kind: Kind<S, S::Future, B>,
        bodies: A,
    }
}

impl<S: Service<Request<B>>, B, A: Clone> ForwardFuture<S, B, A> {
    fn of(kind: Kind<S, S::Future, B>, bodies: &A) -> Self {
        Self { kind, bodies: bodies.clone() }
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<S, F, B> {
        Pass { #[pin] future: F },
        Collect { task: Pin<Box<Task<S, B>>> },
        Own { #[pin] future: EndpointFuture<B> },
    }
}

pin_project! {
    struct Task<S, B> {
        endpoint: Arc<Endpoint>,
        head: Option<Parts>,
        reading: Reading,
        #[pin]
        collect: Collect<B>,
        inner: S,
        rebuild: fn(Bytes) -> B,
    }
}

/// Where a request goes once its body was read.
#[allow(clippy::large_enum_variant, reason = "it lives for one move")]
enum Way<B> {
    Inner(Request<B>),
    Own(Answer),
}

impl<S, B: Body> Task<S, B> {
    fn poll_way(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Way<B>> {
        let this = self.project();
        let collected = ready!(this.collect.poll(this.endpoint.gate().limits(), cx));
        let Some(mut head) = this.head.take() else { return Poll::Pending };
        let next = match collected {
            Ok(body) => match this.reading.parse(body.as_slice()) {
                Next::Exchange(form) if this.endpoint.is_foreign_grant(&form) => {
                    // The body has a known length now.
                    head.headers.remove(TRANSFER_ENCODING);
                    let request = Request::from_parts(head, (this.rebuild)(body.into_bytes()));
                    return Poll::Ready(Way::Inner(request));
                }
                next => next,
            },
            Err(reason) => Next::Refuse(reason),
        };
        let (admitted, caller) = this.endpoint.gate().admit(Purpose::Token, &head);
        let next = if matches!(admitted, Next::Read(_)) { next } else { admitted };
        Poll::Ready(Way::Own(this.endpoint.clone().answer(Purpose::Token, head.into(), caller, next)))
    }
}

impl<S, B, ResB, A> Future for ForwardFuture<S, B, A>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    B: Body,
    A: AnswerBody<ResB>,
{
    type Output = Result<Response<A::Body>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.kind.as_mut().project() {
                KindProj::Pass { future } => {
                    return A::inner(future.poll(cx));
                }
                KindProj::Own { future } => {
                    let own = |bytes| this.bodies.own(bytes);
                    return future.poll_response(cx).map(|response| Ok(response.map(own)));
                }
                KindProj::Collect { task } => match ready!(task.as_mut().poll_way(cx)) {
                    Way::Own(answer) => Kind::Own { future: EndpointFuture::answer(answer) },
                    Way::Inner(request) => Kind::Pass { future: task.as_mut().project().inner.call(request) },
                },
            };
            this.kind.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B, A> fmt::Debug for ForwardFuture<S, B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForwardFuture")
    }
}
