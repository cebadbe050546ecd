//! The way there and back: load, step, swap, again if another process was first.

use std::mem;
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(not(shuttle))]
use tokio::time::sleep as pause;

use super::mark::{MARK, Mark};
use super::queue::{Again, Comes, Ended, Failed, Lane, Operation, Queue, Step, Taken, Waiting};
use super::sheet::{Sheet, record_keys};
use super::touched::{Touched, TouchedKeys, Trace, Tried};
use crate::boundary::backend::BackendError;
use crate::boundary::records::{AttemptRecords, LoadedRecord, RecordStamp};
use crate::boundary::sync::held;
use crate::limiter::step::key::Key;
use crate::limiter::step::limits::Limits;
use crate::protocol::secret::secrets::{fill_random, random_bytes};
use crate::protocol::secret::shared_key::SharedKey;

/// Lets others go first for a while. A model checker has no time, and tries all orders.
#[cfg(shuttle)]
fn pause(_: Duration) -> std::future::Ready<()> {
    std::future::ready(shuttle::thread::yield_now())
}

/// How often another may be first. The attempts of one process have their turns together, so it takes that many processes.
const MOST_RUNS: usize = 64;

/// The records of a limiter, and the limits by which they count.
pub(super) struct Swapping<S> {
    pub(super) records: S,
    pub(super) limits: Limits,
    queue: Queue,
    mark: Mark,
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
        Self { records, limits: Limits::new(), queue: Queue::default(), mark: Mark::of(key) }
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
        let loaded = self.records.load(&record_keys(keys.iter().copied())).await?;
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

    /// Waits until an operation has ended, and leads if it comes to that.
    async fn ended(&self, mut waiting: Waiting) -> Result<Ended, Failed> {
        let _turn = match self.queue.first(&mut waiting).await {
            Comes::Answer(answer) => return answer,
            Comes::Turn(turn) => turn,
        };
        loop {
            if let Some(answer) = waiting.answer() {
                return answer;
            }
            self.lead().await;
        }
    }

    /// One load and one swap for those that have their turn.
    async fn lead(&self) {
        let mut taken = self.queue.take(self.records.most_records());
        let runs = taken.operations.iter().map(|operation| operation.runs).max().unwrap_or_default();
        if let Some(wait) = between(runs) {
            pause(wait).await;
        }
        let is_new = self.mark.is_new();
        let mark = is_new.then_some(MARK);
        let keys = taken.operations.iter().flat_map(|operation| operation.keys.iter());
        let mut keys: Vec<Key> = keys.chain(mark).collect();
        keys.sort_unstable();
        keys.dedup();
        let (mut sheet, last, stamp) = match (self.sheet(&keys).await, new_stamp()) {
            (Ok((sheet, last)), Ok(stamp)) => (sheet, last, stamp),
            (Err(error), _) | (_, Err(error)) => {
                return fail(taken, error, |operation| match operation.unanswered.is_empty() {
                    true => Again::Perhaps(operation.earlier.take()),
                    false => Again::Never,
                });
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
        match self.records.swap(&changes).await {
            Ok(true) => {
                if is_new {
                    self.mark.is_kept(&self.limits, last.as_ref());
                }
                done(taken);
            }
            Ok(false) => {
                taken.operations.iter_mut().for_each(|operation| operation.late = operation.trying.take());
                taken.put_back();
            }
            Err(error) => self.find_out(taken, &keys, error).await,
        }
    }

    /// Answers whether a swap happened whose own answer is this error.
    async fn find_out(&self, mut taken: Taken<'_>, keys: &[Key], error: BackendError) {
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
                Some(Some(Trace::Undone)) | None if operation.unanswered.is_empty() => {
                    Err(Again::Perhaps(operation.trying.take()))
                }
                Some(Some(Trace::Undone)) | None => Err(Again::Never),
            };
            operation.answer(answer.map_err(|again| Failed { error: BackendError::shared(&failed), again }));
        }
    }
}

/// Runs the steps of all that were taken, and answers those that need no swap.
fn play(taken: &mut Taken<'_>, sheet: &mut Sheet<'_>, stamp: RecordStamp) {
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
    let again = |operation: &mut Operation| Again::Perhaps(operation.earlier.take());
    operation.runs = operation.runs.saturating_add(1);
    if operation.runs > MOST_RUNS {
        return Some(Err(Failed { error: never_first(), again: again(operation) }));
    }
    let mut touched = match sheet.touched(&operation.keys) {
        Ok(touched) => touched,
        Err(error) => return Some(Err(Failed { error, again: again(operation) })),
    };
    let unanswered = operation.unanswered.iter().map(|tried| (tried, Ended::Now));
    for (tried, ended) in unanswered.chain(operation.earlier.as_ref().map(|tried| (tried, Ended::Earlier))) {
        match touched.trace(tried) {
            Trace::Done => return Some(Ok(ended)),
            Trace::Lost => return Some(Err(not_known_any_more())),
            Trace::Undone => {}
        }
    }
    // A library below the store may have sent it twice: the second time it came too late, after the first.
    if operation.late.take().is_some_and(|tried| touched.trace(&tried) == Trace::Done) {
        return Some(Ok(Ended::Now));
    }
    (operation.step)(&mut touched);
    operation.trying = sheet.keep(touched, stamp);
    None
}

fn done(mut taken: Taken<'_>) {
    mem::take(&mut taken.operations).into_iter().for_each(|operation| operation.answer(Ok(Ended::Now)));
}

fn fail(mut taken: Taken<'_>, error: BackendError, again: impl Fn(&mut Operation) -> Again) {
    let failed = Arc::new(error.into_error());
    for mut operation in mem::take(&mut taken.operations) {
        let again = again(&mut operation);
        operation.answer(Err(Failed { error: BackendError::shared(&failed), again }));
    }
}

/// How long those wait that another process came before so often: none at first, then for a random time, so that two processes do
/// not stay in each other's way.
fn between(runs: usize) -> Option<Duration> {
    let most = match runs {
        0 | 1 => return None,
        runs => 1_u64.checked_shl(u32::try_from(runs).unwrap_or(u32::MAX).min(5)).unwrap_or(32),
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
