//! What the suites have in common: how a broken promise is reported, how calls are made at the same time, and values that
//! nothing else has.

use std::fmt::{self, Debug};
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Barrier;

use crate::boundary::backend::{BackendError, OperationError};
use crate::protocol::secret::secrets::{SecretDigest, random_bytes};
use crate::protocol::token::family::FamilyId;

/// A call of any kind that is made beside others.
pub(super) type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Makes two handles of one new store or limiter. Behind a pointer, like the handles themselves: each suite is so large that a
/// test would take long to build if it were compiled anew for each type.
pub(super) type Make<'a, S> = &'a dyn Fn() -> Pin<Box<dyn Future<Output = [S; 2]> + 'a>>;

/// How many calls are made at the same time.
pub(super) const PARALLEL: usize = 64;

/// How often a race is run.
pub(super) const ROUNDS: usize = 20;

/// Fails the test that runs the suite.
#[track_caller]
#[allow(clippy::panic, reason = "a suite of tests fails by a panic")]
fn fail(message: fmt::Arguments<'_>) -> ! {
    panic!("{message}")
}

#[track_caller]
pub(super) fn broken(promise: &str) -> ! {
    fail(format_args!("broken promise: {promise}"))
}

#[track_caller]
pub(super) fn must(holds: bool, promise: &str) {
    assert!(holds, "broken promise: {promise}");
}

#[track_caller]
pub(super) fn must_be<T: PartialEq + Debug>(seen: T, promised: T, promise: &str) {
    assert!(seen == promised, "broken promise: {promise}: {seen:?} and not {promised:?}");
}

/// The answer of a call that has no reason to fail.
#[track_caller]
pub(super) fn answer<T>(answer: Result<T, BackendError>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => fail(format_args!("a call of the contract's suite failed: {error:?}")),
    }
}

/// The same of a call that applications make themselves.
#[track_caller]
pub(super) fn done<T>(answer: Result<T, OperationError>) -> T {
    match answer {
        Ok(answer) => answer,
        Err(error) => fail(format_args!("a call of the contract's suite failed: {error:?}")),
    }
}

/// A value that the suite itself makes.
#[track_caller]
pub(super) fn made<T, E: Debug>(value: Result<T, E>) -> T {
    match value {
        Ok(value) => value,
        Err(error) => fail(format_args!("the suite cannot make a value: {error:?}")),
    }
}

/// The present in whole milliseconds, which every store can keep.
pub(super) fn present() -> SystemTime {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    later(UNIX_EPOCH, u64::try_from(millis).unwrap_or_default())
}

/// So many milliseconds later.
pub(super) fn later(time: SystemTime, millis: u64) -> SystemTime {
    time.checked_add(Duration::from_millis(millis)).unwrap_or(time)
}

/// So many milliseconds earlier.
pub(super) fn earlier(time: SystemTime, millis: u64) -> SystemTime {
    time.checked_sub(Duration::from_millis(millis)).unwrap_or(time)
}

/// Whether a store gave a time back: to the millisecond at least.
pub(super) fn is_same_time(one: SystemTime, other: SystemTime) -> bool {
    let apart = one.duration_since(other).unwrap_or_else(|before| before.duration());
    apart < Duration::from_millis(1)
}

pub(super) fn new_bytes() -> [u8; 32] {
    *made(random_bytes())
}

/// The digest of a token that nobody has.
pub(super) fn new_digest() -> SecretDigest {
    SecretDigest::from_bytes(new_bytes())
}

pub(super) fn new_family_id() -> FamilyId {
    let bytes = new_bytes();
    FamilyId::from_bytes(made(bytes.first_chunk().copied().ok_or("32 bytes are too few")))
}

/// A name that nothing else in the store has.
pub(super) fn new_name(of: &str) -> String {
    format!("{of}-{}", new_family_id())
}

/// Makes calls at the same time, each in a task of its own, and returns their results in the order of the calls.
///
/// # Panics
///
/// Where a call does, and on a runtime with one thread.
pub async fn together<F>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let is_parallel = Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread;
    assert!(is_parallel, "the suite needs `#[tokio::test(flavor = \"multi_thread\")]`: it makes calls in parallel");
    answers(calls.into_iter().map(|call| -> Call<F::Output> { Box::pin(call) }).collect()).await
}

/// Apart, so that it is compiled once for each type of answers and not for each call.
async fn answers<T: Send + 'static>(calls: Vec<Call<T>>) -> Vec<T> {
    let start = Arc::new(Barrier::new(calls.len()));
    let tasks: Vec<_> = calls
        .into_iter()
        .map(|call| {
            let start = Arc::clone(&start);
            tokio::spawn(async move {
                start.wait().await;
                call.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        match task.await {
            Ok(answer) => answers.push(answer),
            Err(failed) => match failed.try_into_panic() {
                Ok(panicked) => resume_unwind(panicked),
                Err(cancelled) => fail(format_args!("the runtime ended before the suite: {cancelled}")),
            },
        }
    }
    answers
}

/// Polls a future so many times at most, and drops it.
pub(super) async fn give_up<F: Future>(future: F, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Two handles of one store, for calls that are made beside each other.
pub(super) struct Handles<S>([Arc<S>; 2]);

impl<S> Handles<S> {
    pub(super) fn new(handles: [S; 2]) -> Self {
        Self(handles.map(Arc::new))
    }

    /// One of the two, by turns.
    pub(super) fn get(&self, number: usize) -> &S {
        let [one, other] = &self.0;
        if number.is_multiple_of(2) { one } else { other }
    }
}

impl<S> Clone for Handles<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
