//! Waiting for answers.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use http::{Response, StatusCode};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Everything here waits on the main thread. One waker for all, so that no case pays for it.
static WAKER: LazyLock<Waker> = LazyLock::new(|| Waker::from(Arc::new(Unpark(thread::current()))));

pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(&WAKER);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}

/// Waits for an answer and drops it.
pub fn finish<B, E>(future: impl Future<Output = Result<Response<B>, E>>, expected: StatusCode) {
    let Ok(response) = wait(future) else { panic!("no answer") };
    assert_eq!(response.status(), expected);
}
