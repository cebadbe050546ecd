//! Waiting for answers, and how long they take.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use http::{Response, StatusCode};

use super::cases::{Case, request};

/// Short ones, so that few of them are cut by other work on the machine.
const ROUNDS: usize = 60;
const ITERATIONS: u32 = 250;

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

/// The nanoseconds of one request of each case, in rounds in which the cases take turns. It is the time that a quarter of the
/// rounds does not exceed: other work on the machine makes times longer, and never shorter.
pub fn measure(mut cases: Vec<Case>) -> Vec<f64> {
    let mut measured = vec![Vec::new(); cases.len()];
    for _ in 0..=ROUNDS {
        for (case, times) in cases.iter_mut().zip(&mut measured) {
            let make = request(case.authorization.as_deref());
            let mut nanos = 0;
            for _ in 0..ITERATIONS {
                let request = make();
                let started = Instant::now();
                (case.act)(request);
                nanos += started.elapsed().as_nanos();
            }
            times.push(nanos as f64 / f64::from(ITERATIONS));
        }
    }
    let quartile = |mut times: Vec<f64>| {
        // The first round warms up.
        times.remove(0);
        times.sort_by(f64::total_cmp);
        times[times.len() / 4]
    };
    measured.into_iter().map(quartile).collect()
}
