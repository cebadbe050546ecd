//! The way there and back: load, step, swap, again if another process was first.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(not(shuttle))]
use tokio::{
    task::yield_now,
    time::{sleep as pause, timeout},
};

use super::mark::{MARK, Mark};
use super::queue::{Again, Ended, Failed, Lane, Leader, Operation, Queue, Step, Taken, Waiting};
use super::sheet::{Sheet, record_keys};
use super::touched::{Touched, TouchedKeys, Trace, Tried};
use crate::boundary::backend::BackendError;
use crate::boundary::records::{AttemptRecords, LoadedRecord, RecordStamp};
use crate::boundary::sync::held;
use crate::limiter::step::key::Key;
use crate::limiter::step::limits::Limits;
use crate::protocol::secret::secrets::{fill_random, random_bytes};
use crate::protocol::secret::shared_key::SharedKey;

// A model checker has no time and no runtime, and tries all orders.
#[cfg(shuttle)]
fn pause(_: Duration) -> std::future::Ready<()> {
    std::future::ready(shuttle::thread::yield_now())
}

#[cfg(shuttle)]
async fn yield_now() {}

#[cfg(shuttle)]
async fn timeout<T>(_: Duration, call: impl Future<Output = T>) -> Result<T, std::convert::Infallible> {
    Ok(call.await)
}

/// Runs what leads in a task of its own. Without a runtime it is dropped, and what waits has failed.
#[cfg(not(shuttle))]
fn start(lead: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        // It answers those that wait, and nobody waits for itself.
        drop(runtime.spawn(lead));
    }
}

#[cfg(shuttle)]
fn start(lead: impl Future<Output = ()>) {
    // The stores of the model answer at once, so that nothing comes in between but what they do.
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(lead).poll(&mut cx).is_ready(), "a store of the model waits");
}

/// How long one call of the store may take: behind it others wait.
const CALL: Duration = Duration::from_secs(5);

/// How often another may be first. The attempts of one process have their turns together, so it takes that many processes.
const MOST_RUNS: usize = 64;

/// The records of a limiter, and the limits by which they count.
pub(super) struct Swapping<S> {
    pub(super) records: Arc<S>,
    pub(super) limits: Limits,
    queue: Arc<Queue>,
    mark: Arc<Mark>,
}

impl<S> Clone for Swapping<S> {
    fn clone(&self) -> Self {
        let Self { records, limits, queue, mark } = self;
        let (records, queue, mark) = (Arc::clone(records), Arc::clone(queue), Arc::clone(mark));
        Self { records, limits: *limits, queue, mark }
    }
}

/// How a step ended that was swapped.
pub(super) enum Swapped<T> {
    Now(T),
    /// By the swap that was tried earlier.
    Earlier,
}

impl From<Failed> for BackendError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// Where a step leaves what it came to.
struct Outcome<T>(Arc<Mutex<Option<T>>>);

impl<T: Send + 'static> Outcome<T> {
    /// The step that leaves it.
    fn of(mut step: impl FnMut(&mut Touched<'_>) -> T + Send + 'static) -> (Self, Step) {
        let kept = Arc::new(Mutex::new(None));
        let outcome = Self(Arc::clone(&kept));
        let step = move |touched: &mut Touched<'_>| {
            let came_to = step(touched);
            *held(kept.lock()) = Some(came_to);
        };
        (outcome, Box::new(step))
    }

    fn swapped(self, ended: Ended) -> Result<Swapped<T>, Failed> {
        match (ended, held(self.0.lock()).take()) {
            (Ended::Earlier, _) => Ok(Swapped::Earlier),
            (Ended::Now, Some(outcome)) => Ok(Swapped::Now(outcome)),
            (Ended::Now, None) => Err(lost()),
        }
    }
}

impl<S> Swapping<S> {
    pub(super) fn new(records: S, key: &SharedKey) -> Self {
        let (records, mark) = (Arc::new(records), Arc::new(Mark::of(key)));
        Self { records, limits: Limits::new(), queue: Arc::default(), mark }
    }
}

impl<S: AttemptRecords> Swapping<S> {
    /// These records as they are.
    pub(super) async fn load(&self, keys: &TouchedKeys) -> Result<Touched<'_>, BackendError> {
        let all: Vec<Key> = keys.iter().collect();
        self.sheet(&all).await?.0.touched(keys)
    }

    /// The records of these keys. The last of them is there as it was loaded, too.
    async fn sheet(&self, keys: &[Key]) -> Result<(Sheet<'_>, Option<LoadedRecord>), BackendError> {
        let keys_of_records = record_keys(keys.iter().copied());
        let loaded = timeout(CALL, self.records.load(&keys_of_records)).await.unwrap_or_else(|_| Err(no_answer()))?;
        Ok((Sheet::read(&self.limits, keys, &loaded)?, loaded.records().last().cloned().flatten()))
    }

    /// Runs a step over these records until what it changes is swapped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        keys: TouchedKeys,
        step: impl FnMut(&mut Touched<'_>) -> T + Send + 'static,
    ) -> Result<T, BackendError> {
        let (outcome, step) = Outcome::of(step);
        let waiting = self.queue.add(lane, keys, step)?;
        match outcome.swapped(self.ended(waiting).await?)? {
            Swapped::Now(outcome) => Ok(outcome),
            Swapped::Earlier => Err(BackendError::fault("nothing was tried before")),
        }
    }

    /// The same of what goes on with an attempt that was let in. What was tried `earlier` is not done twice.
    pub(super) async fn go_on<T: Send + 'static>(
        &self,
        lane: Lane,
        keys: TouchedKeys,
        earlier: Option<Tried>,
        step: impl FnMut(&mut Touched<'_>) -> T + Send + 'static,
    ) -> Result<Swapped<T>, Failed> {
        let (outcome, step) = Outcome::of(step);
        let waiting = self.queue.go_on(lane, keys, step, earlier);
        outcome.swapped(self.ended(waiting).await?)
    }

    /// Waits until an operation has ended.
    async fn ended(&self, waiting: Waiting) -> Result<Ended, Failed> {
        if waiting.needs_leader {
            start(self.clone().lead(Leader::of(Arc::clone(&self.queue))));
        }
        waiting.ended().await
    }

    /// Leads until nothing waits.
    async fn lead(self, mut leader: Leader) {
        loop {
            let is_new = self.mark.is_new();
            // The mark takes the place of a record.
            let most = self.records.most_records().saturating_sub(usize::from(is_new));
            let Some(taken) = leader.take(most) else { return };
            self.turn(taken, is_new).await;
            // Those that were answered go on meanwhile, also if the store waits for nothing.
            yield_now().await;
        }
    }

    /// One load and one swap for those that have their turn. `is_new`: the mark goes with them.
    async fn turn(&self, mut taken: Taken, is_new: bool) {
        let beaten = taken.operations.iter().map(|operation| operation.beaten).max().unwrap_or_default();
        if let Some(wait) = between(beaten) {
            pause(wait).await;
        }
        let mark = is_new.then_some(MARK);
        let keys = taken.operations.iter().flat_map(|operation| operation.keys.iter());
        let mut keys: Vec<Key> = keys.chain(mark).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut sheet, last, stamp) = match (self.sheet(&keys).await, new_stamp()) {
            (Ok((sheet, last)), Ok(stamp)) => (sheet, last, stamp),
            (Err(error), _) | (_, Err(error)) => {
                return fail(taken, error);
            }
        };
        play(&mut taken, &mut sheet, stamp);
        let mut changes = sheet.changes(stamp);
        if changes.is_empty() {
            return done(taken);
        }
        if is_new {
            changes.extend(self.mark.change(&self.limits, last.as_ref(), stamp, sheet.now()));
        }
        let swapped = timeout(CALL, self.records.swap(&changes)).await.unwrap_or_else(|_| Err(no_answer()));
        match swapped {
            Ok(true) => {
                if is_new {
                    self.mark.is_kept(&self.limits, last.as_ref());
                }
                done(taken);
            }
            Ok(false) => {
                taken.operations.iter_mut().for_each(|operation| operation.late = operation.trying.take());
                self.queue.put_back(&mut taken);
            }
            Err(error) => self.find_out(taken, &keys, error).await,
        }
    }

    /// Answers whether a swap happened whose own answer is this error.
    async fn find_out(&self, mut taken: Taken, keys: &[Key], error: BackendError) {
        let sheet = self.sheet(keys).await;
        let trace = |operation: &Operation| {
            let touched = sheet.as_ref().ok()?.0.touched(&operation.keys).ok()?;
            Some(operation.trying.as_ref().map(|tried| touched.trace(tried)))
        };
        let failed = Arc::new(error.into_error());
        for mut operation in mem::take(&mut taken.operations) {
            let answer = match trace(&operation) {
                // It has changed nothing, and what it saw may not have happened.
                Some(None) => Err(Again::Perhaps(None)),
                Some(Some(Trace::Done)) => Ok(Ended::Now),
                Some(Some(Trace::Lost)) => Err(Again::Never),
                Some(Some(Trace::Undone)) | None => Err(Again::Perhaps(operation.trying.take())),
            };
            operation.answer(answer.map_err(|again| Failed { error: BackendError::shared(&failed), again }));
        }
    }
}

/// Runs the steps of all that were taken, and answers those that need no swap.
fn play(taken: &mut Taken, sheet: &mut Sheet<'_>, stamp: RecordStamp) {
    let mut place = 0_usize;
    while let Some(operation) = taken.operations.get_mut(place) {
        match run_one(operation, sheet, stamp) {
            Some(ended) => taken.operations.remove(place).answer(ended),
            None => place = place.saturating_add(1),
        }
    }
}

/// Runs the step of one. `Some`: it has ended without it.
fn run_one(operation: &mut Operation, sheet: &mut Sheet<'_>, stamp: RecordStamp) -> Option<Result<Ended, Failed>> {
    let failed = |error, operation: &mut Operation| Some(Err(Failed { error, again: operation.again() }));
    operation.runs = operation.runs.saturating_add(1);
    if operation.runs > MOST_RUNS {
        return failed(never_first(), operation);
    }
    let mut touched = match sheet.touched(&operation.keys) {
        Ok(touched) => touched,
        Err(error) => return failed(error, operation),
    };
    if let Some(earlier) = &operation.earlier {
        match touched.trace(earlier) {
            Trace::Done => return Some(Ok(Ended::Earlier)),
            Trace::Lost => return Some(Err(not_known_any_more())),
            // It can happen no more.
            Trace::Undone if touched.has_moved(earlier) => operation.earlier = None,
            Trace::Undone => {}
        }
    }
    if let Some(late) = operation.late.take() {
        // A library below the store may have sent it twice: the second time it came too late, after the first.
        if touched.trace(&late) == Trace::Done {
            return Some(Ok(Ended::Now));
        }
        operation.beaten = operation.beaten.saturating_add(usize::from(touched.has_moved(&late)));
    }
    (operation.step)(&mut touched);
    operation.trying = sheet.keep(touched, stamp);
    None
}

fn done(mut taken: Taken) {
    mem::take(&mut taken.operations).into_iter().for_each(|operation| operation.answer(Ok(Ended::Now)));
}

fn fail(mut taken: Taken, error: BackendError) {
    let failed = Arc::new(error.into_error());
    for mut operation in mem::take(&mut taken.operations) {
        let again = operation.again();
        operation.answer(Err(Failed { error: BackendError::shared(&failed), again }));
    }
}

/// How long those wait that another process was before so often: not at all at first, then for a random time, so that two processes do
/// not stay in each other's way.
fn between(beaten: usize) -> Option<Duration> {
    let most = match beaten {
        0 | 1 => return None,
        beaten => 1_u64.checked_shl(u32::try_from(beaten).unwrap_or(u32::MAX).min(5)).unwrap_or(32),
    };
    let mut random = [0; 1];
    // Without randomness they wait for the same time.
    let _ = fill_random(&mut random);
    let part = u64::from(u8::from_le_bytes(random)).saturating_mul(most).saturating_mul(1_000_000) >> 8;
    Some(Duration::from_nanos(part))
}

/// No overload: so many conflicts are rare, and a store that never swaps looks the same.
fn never_first() -> BackendError {
    let error = BackendError::unavailable(NeverFirst);
    // An attempt that tries again soon waits for fewer.
    error.with_retry_after(Duration::from_secs(1))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "another was first {MOST_RUNS} times: `swap` of the store of records answered `false` each time (if that is so \
     without other processes, hold the store to `testing::contract::attempt_records`)"
)]
struct NeverFirst;

fn no_answer() -> BackendError {
    BackendError::unavailable(format!("the store of records gave no answer within {} s", CALL.as_secs()))
}

fn not_known_any_more() -> Failed {
    let error = BackendError::unavailable("whether a swap of records happened is not known any more");
    Failed { error, again: Again::Never }
}

fn lost() -> Failed {
    Failed { error: BackendError::fault("the outcome of an attempt was lost"), again: Again::Never }
}

fn new_stamp() -> Result<RecordStamp, BackendError> {
    let bytes = random_bytes()?;
    Ok(RecordStamp::from_bytes(bytes.first_chunk().copied().unwrap_or_default()))
}
