use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::body_buffer::WipedBytes;
use super::mount::document;
use super::routes::Target;
use crate::boundary::body::{NoInner, ResponseBody};
use crate::conductor::door::Head;
use crate::conductor::endpoint::{Answer, Endpoint};
use crate::conductor::gate::{BodyLimits, Next, Reading};
use crate::conductor::purpose::Purpose;
use crate::conductor::trail::Caller;
use crate::observe::timer::{self, Timer};
use crate::protocol::wire::error::Reason;

/// How many frames are taken before other tasks get their turn: a flood of empty ones must not hold the thread.
const FRAMES_PER_POLL: usize = 64;

/// A body read to its end.
pub(super) enum Collected<D> {
    /// It came whole.
    One(D),
    Many(WipedBytes),
}

impl<D: Buf> Collected<D> {
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::One(data) => data.chunk(),
            Self::Many(bytes) => bytes.as_slice(),
        }
    }

    pub(super) fn into_bytes(self) -> Bytes {
        match self {
            Self::One(mut data) => data.copy_to_bytes(data.remaining()),
            Self::Many(bytes) => Bytes::from_owner(bytes),
        }
    }
}

pin_project! {
    /// Reads a body within its limit and deadline.
    ///
    /// A body that is there at once is not copied. What has to wait for more goes into a buffer of our own: a frame is part of
    /// a larger buffer of its connection, which one byte would keep.
    pub(super) struct Collect<B> {
        #[pin]
        body: B,
        read: WipedBytes,
        timer: Timer,
    }
}

impl<B: Body> Collect<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, read: WipedBytes::default(), timer: None }
    }

    /// The limits are the same at each poll. They are not held, because the future of each request would hold them.
    pub(super) fn poll(
        mut self: Pin<&mut Self>,
        limits: BodyLimits,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Collected<B::Data>, Reason>> {
        let BodyLimits { size, deadline } = limits;
        // The first frame, not copied yet.
        let mut first: Option<B::Data> = None;
        for _ in 0..FRAMES_PER_POLL {
            let mut this = self.as_mut().project();
            let frame = match this.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(Reason::BodyIncomplete)),
                Poll::Ready(None) => return Poll::Ready(Ok(self.whole(first))),
                Poll::Pending => {
                    self.as_mut().keep(first, size);
                    // A body that is there already pays nothing for the timer.
                    return if self.is_late(deadline, cx) {
                        Poll::Ready(Err(Reason::BodyTimeout))
                    } else {
                        Poll::Pending
                    };
                }
            };
            // Trailers are ignored.
            let Ok(data) = frame.into_data() else { continue };
            let before = first.as_ref().map_or(this.read.as_slice().len(), Buf::remaining);
            if before.saturating_add(data.remaining()) > size {
                return Poll::Ready(Err(Reason::BodyTooLarge));
            }
            if before == 0 && data.chunk().len() == data.remaining() {
                first = Some(data);
            } else {
                self.as_mut().keep(first.take(), size);
                self.as_mut().keep(Some(data), size);
            }
            // The whole declared length is there: no need to wait until the body says that nothing follows.
            if self.body.is_end_stream() {
                return Poll::Ready(Ok(self.whole(first)));
            }
        }
        self.as_mut().keep(first, size);
        // The body's deadline holds for a flood that never waits, too.
        if self.is_late(deadline, cx) {
            return Poll::Ready(Err(Reason::BodyTimeout));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The body, of which `first` is all if it is there.
    fn whole(self: Pin<&mut Self>, first: Option<B::Data>) -> Collected<B::Data> {
        match first {
            Some(data) => Collected::One(data),
            None => Collected::Many(std::mem::take(self.project().read)),
        }
    }

    /// Copies a frame into the buffer.
    fn keep(self: Pin<&mut Self>, data: Option<B::Data>, limit: usize) {
        let Some(data) = data else { return };
        let this = self.project();
        let expected = this.body.size_hint().upper().and_then(|more| usize::try_from(more).ok());
        let arrived = this.read.as_slice().len().saturating_add(data.remaining());
        let most = expected.map_or(limit, |more| arrived.saturating_add(more).min(limit));
        this.read.append(data, most);
    }

    /// Whether the deadline has passed, which starts with the first wait.
    fn is_late(self: Pin<&mut Self>, deadline: Option<Duration>, cx: &mut Context<'_>) -> bool {
        let Some(limit) = deadline else { return false };
        timer::passed(self.project().timer, limit, cx).is_ready()
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
        start: Option<Start>,
        #[pin]
        collect: Collect<B>,
    }
}

/// What was known before the body was read.
struct Start {
    endpoint: Arc<Endpoint>,
    purpose: Purpose,
    head: Head,
    caller: Caller,
    reading: Reading,
}

impl<B: Body> EndpointFuture<B> {
    /// Starts with a request for an endpoint.
    // Else the request is copied once more. The place of the task is there before the task is, for the same reason.
    #[inline(always)]
    pub(super) fn start(endpoint: &Arc<Endpoint>, purpose: Purpose, request: Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let state = match endpoint.gate().admit(purpose, &head) {
            (Next::Read(reading), caller) => {
                let start = Start { endpoint: Arc::clone(endpoint), purpose, head: head.into(), caller, reading };
                let task = Box::write(Box::new_uninit(), Task { start: Some(start), collect: Collect::new(body) });
                State::Collect { task: Box::into_pin(task) }
            }
            (next, caller) => State::Answer { answer: Arc::clone(endpoint).answer(purpose, head.into(), caller, next) },
        };
        Self { state }
    }

    /// Starts with a request for what is served at its path. Kept out of the way of passing requests.
    #[inline(never)]
    pub(super) fn serve(endpoint: &Arc<Endpoint>, served: &Target, request: Request<B>) -> Self {
        match served {
            Target::Endpoint(purpose) => Self::start(endpoint, *purpose, request),
            Target::Document(published) => {
                let response = document(&**published, served.methods(), request.method());
                Self::answer(Box::pin(std::future::ready(response)))
            }
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
                    let Some(start) = task.start.as_mut() else { return Poll::Pending };
                    let next = match task.collect.poll(start.endpoint.gate().limits(), cx) {
                        Poll::Ready(Ok(body)) => start.reading.parse(body.as_slice()),
                        Poll::Ready(Err(reason)) => Next::Refuse(reason),
                        Poll::Pending => return start.caller.waits(Poll::Pending),
                    };
                    let Some(Start { endpoint, purpose, head, caller, .. }) = task.start.take() else {
                        return Poll::Pending;
                    };
                    endpoint.answer(purpose, head, caller, next)
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
