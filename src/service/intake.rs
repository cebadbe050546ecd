use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use zeroize::Zeroizing;

use super::body::{NoInner, ResponseBody};
use super::mount::Mount;
use crate::conductor::endpoint::{Answer, Endpoint, Step};
use crate::conductor::purpose::Purpose;
use crate::conductor::trail::Caller;
use crate::protocol::error::Reason;

/// How many frames are taken before other tasks get their turn: a flood of empty ones must not hold the thread.
const FRAMES_PER_POLL: usize = 64;

/// A body read to its end, in as few copies as it came in.
pub(super) enum Collected {
    One(Bytes),
    Many(Zeroizing<Vec<u8>>),
}

impl Collected {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes,
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::One(bytes) => bytes,
            Self::Many(bytes) => Bytes::copy_from_slice(&bytes),
        }
    }
}

pin_project! {
    /// Reads a body within its limit and deadline.
    pub(super) struct Collect<B> {
        #[pin]
        body: B,
        read: Collected,
        limit: usize,
        deadline: Option<Duration>,
        sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    }
}

impl<B: Body> Collect<B> {
    pub(super) fn new(body: B, endpoint: &Endpoint) -> Self {
        Self {
            body,
            read: Collected::One(Bytes::new()),
            limit: endpoint.max_body,
            deadline: endpoint.body_deadline,
            sleep: None,
        }
    }

    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Collected, Reason>> {
        let mut this = self.project();
        for _ in 0..FRAMES_PER_POLL {
            let frame = match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Reason::BodyIncomplete)),
                Poll::Ready(None) => {
                    let read = std::mem::replace(this.read, Collected::One(Bytes::new()));
                    return Poll::Ready(Ok(read));
                }
                Poll::Pending => {
                    let Some(limit) = *this.deadline else { return Poll::Pending };
                    // The timer starts at the first wait; a body that is there already pays nothing for it.
                    let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                    return sleep.as_mut().poll(cx).map(|()| Err(Reason::BodyTimeout));
                }
            };
            // Trailers are ignored.
            let Ok(mut data) = frame.into_data() else { continue };
            let length = data.remaining();
            if this.read.as_slice().len().saturating_add(length) > *this.limit {
                return Poll::Ready(Err(Reason::BodyTooLarge));
            }
            match this.read {
                Collected::One(first) if first.is_empty() => *first = data.copy_to_bytes(length),
                Collected::One(first) => {
                    // Room for all that may come, so that no half-filled buffer is left behind unwiped.
                    let mut all = Zeroizing::new(Vec::with_capacity(*this.limit));
                    all.extend_from_slice(first);
                    all.extend_from_slice(&data.copy_to_bytes(length));
                    *this.read = Collected::Many(all);
                }
                Collected::Many(all) => all.extend_from_slice(&data.copy_to_bytes(length)),
            }
            // The whole declared length is there: no need to wait until the body says that nothing follows.
            if this.body.is_end_stream() {
                return Poll::Ready(Ok(std::mem::replace(this.read, Collected::One(Bytes::new()))));
            }
        }
        // The body's deadline holds for a flood that never waits, too.
        if let Some(limit) = *this.deadline {
            let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
            if sleep.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Reason::BodyTimeout));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

pin_project! {
    /// The future of a [`TokenEndpoint`](crate::TokenEndpoint).
    pub struct EndpointFuture<B> {
        #[pin]
        state: State<B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<B> {
        Collect { task: Pin<Box<Task<B>>> },
        Answer { answer: Answer },
    }
}

pin_project! {
    /// What is needed while the body is read; boxed, so that futures of passing requests stay small.
    struct Task<B> {
        endpoint: Arc<Endpoint>,
        purpose: Purpose,
        head: Option<Parts>,
        caller: Caller,
        #[pin]
        collect: Collect<B>,
    }
}

impl<B: Body> EndpointFuture<B> {
    /// Starts with a request for the token endpoint.
    pub(super) fn start(endpoint: &Arc<Endpoint>, purpose: Purpose, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let state = match endpoint.admit(&head) {
            (Step::Read, caller) => {
                let collect = Collect::new(body, endpoint);
                let task = Task { endpoint: Arc::clone(endpoint), purpose, head: Some(head), caller, collect };
                State::Collect { task: Box::pin(task) }
            }
            (step, caller) => State::Answer { answer: Arc::clone(endpoint).answer(purpose, head, caller, step) },
        };
        Self { state }
    }

    /// Starts with a request for one of the mount's own paths. Kept out of the way of passing requests.
    #[inline(never)]
    pub(super) fn for_mount(mount: &Mount, request: Request<B>) -> Self {
        match mount.document(request.uri().path(), request.method()) {
            Some(answer) => Self::answer(answer),
            None => Self::start(&mount.endpoint, mount.purpose_of(request.uri().path()), request),
        }
    }

    /// An answer that needs no body.
    pub(super) fn answer(answer: Answer) -> Self {
        Self { state: State::Answer { answer } }
    }

    pub(super) fn poll_response(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<Bytes>> {
        let mut this = self.project();
        loop {
            let answer = match this.state.as_mut().project() {
                StateProj::Answer { answer } => return answer.as_mut().poll(cx),
                StateProj::Collect { task } => {
                    let task = task.as_mut().project();
                    let collected = ready!(task.collect.poll(cx));
                    let Some(head) = task.head.take() else { return Poll::Pending };
                    let step = match collected {
                        Ok(body) => task.endpoint.parse(body.as_slice(), task.caller.credentials_len),
                        Err(reason) => Step::Refuse(reason),
                    };
                    Arc::clone(task.endpoint).answer(*task.purpose, head, *task.caller, step)
                }
            };
            this.state.set(State::Answer { answer });
        }
    }
}

impl<B: Body> Future for EndpointFuture<B> {
    type Output = Result<Response<ResponseBody<NoInner>>, std::convert::Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_response(cx).map(|response| Ok(response.map(ResponseBody::own)))
    }
}

impl<B> fmt::Debug for EndpointFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EndpointFuture")
    }
}
