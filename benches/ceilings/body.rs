//! How much of an endless body is taken and held.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::{Body, Frame};
use tower::Service as _;

use super::meter::{ALLOCATOR, finish};
use super::support::{library, token_request};

/// The default limit of the builder.
pub const LIMIT: usize = 32 * 1024;
pub const FRAME: usize = 5 * 1024;

/// What a flood reached.
pub struct Flood {
    /// Bytes that were taken from the body.
    pub taken: usize,
    /// The most bytes of memory that were held for it whenever it was polled, and while its last frame was looked at.
    pub held: usize,
}

/// A form that never ends and whose first bytes are malformed: it is refused for its size, so nobody parsed it.
struct Endless {
    start: Option<usize>,
    taken: Arc<AtomicUsize>,
    held: Arc<AtomicUsize>,
}

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let start = *self.start.get_or_insert_with(live);
        let frame = Bytes::from(b"%zz=%zz&".repeat(FRAME / 8));
        self.taken.fetch_add(frame.len(), Ordering::Relaxed);
        self.held.fetch_max(live().saturating_sub(start), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}

/// Sends the endless form, without a length that would refuse it at its head.
pub fn flood() -> Flood {
    let (taken, held) = (Arc::default(), Arc::default());
    let body = Endless { start: None, taken: Arc::clone(&taken), held: Arc::clone(&held) };
    let mut request: Request<Endless> = token_request(super::support::BASIC, "", |_| body);
    request.headers_mut().remove(http::header::CONTENT_LENGTH);
    finish(library::layer(10).endpoint().call(request), StatusCode::PAYLOAD_TOO_LARGE);
    Flood { taken: taken.load(Ordering::Relaxed), held: held.load(Ordering::Relaxed) }
}
