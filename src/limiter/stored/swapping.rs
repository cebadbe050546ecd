//! The way there and back: load, step, swap, again if another was first.

use std::time::Duration;

use super::touched::{Touched, TouchedKeys, Trace, Tried};
use crate::boundary::backend::BackendError;
use crate::boundary::records::{AttemptRecords, RecordStamp};
use crate::limiter::step::limits::Limits;
use crate::protocol::secret::secrets::random_bytes;

/// How often another may be first. The attempts of one process wait for each other, so it takes that many processes.
const MOST_TURNS: usize = 64;

/// The records of a limiter, and the limits by which they count.
pub(super) struct Swapping<S> {
    pub(super) records: S,
    pub(super) limits: Limits,
}

/// How a step ended that was swapped.
pub(super) enum Swapped<T> {
    Now(T),
    /// By the swap that was tried earlier.
    Earlier,
}

/// A step that was not swapped, as far as is known.
pub(super) struct Failed {
    pub(super) error: BackendError,
    pub(super) again: Again,
}

/// Whether a step may be tried once more.
pub(super) enum Again {
    /// Nothing was swapped; or this was tried, and can be found out.
    Perhaps(Option<Tried>),
    /// It may have been swapped, and no record shows it any more.
    Never,
}

impl From<Failed> for BackendError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

impl<S: AttemptRecords> Swapping<S> {
    pub(super) async fn load(&self, keys: &TouchedKeys) -> Result<Touched<'_>, BackendError> {
        let loaded = self.records.load(&keys.record_keys()).await?;
        Touched::read(&self.limits, keys, &loaded)
    }

    /// Runs a step over these records until what it changes is swapped. What was tried `earlier` is not done twice.
    pub(super) async fn run<T>(
        &self,
        keys: &TouchedKeys,
        earlier: Option<Tried>,
        mut step: impl FnMut(&mut Touched<'_>) -> T,
    ) -> Result<Swapped<T>, Failed> {
        for _ in 0..MOST_TURNS {
            let mut touched = match self.load(keys).await {
                Ok(touched) => touched,
                Err(error) => return Err(Failed { error, again: Again::Perhaps(earlier) }),
            };
            match earlier.as_ref().map(|tried| touched.trace(tried)) {
                Some(Trace::Done) => return Ok(Swapped::Earlier),
                Some(Trace::Lost) => return Err(lost()),
                Some(Trace::Undone) | None => {}
            }
            let outcome = step(&mut touched);
            if !touched.is_changed() {
                return Ok(Swapped::Now(outcome));
            }
            let (changes, tried) = match new_stamp() {
                Ok(stamp) => touched.changes(stamp),
                Err(error) => return Err(Failed { error, again: Again::Perhaps(earlier) }),
            };
            match self.records.swap(&changes).await {
                Ok(true) => return Ok(Swapped::Now(outcome)),
                Ok(false) => {}
                Err(error) => return self.find_out(keys, tried, error).await.map(|()| Swapped::Now(outcome)),
            }
        }
        Err(Failed { error: never_first(), again: Again::Perhaps(earlier) })
    }

    /// Runs a step that was not tried before.
    pub(super) async fn run_new<T>(
        &self,
        keys: &TouchedKeys,
        step: impl FnMut(&mut Touched<'_>) -> T,
    ) -> Result<T, BackendError> {
        match self.run(keys, None, step).await? {
            Swapped::Now(done) => Ok(done),
            Swapped::Earlier => Err(BackendError::fault("nothing was tried before")),
        }
    }

    /// Whether a swap happened whose answer is this error.
    async fn find_out(&self, keys: &TouchedKeys, tried: Tried, error: BackendError) -> Result<(), Failed> {
        let trace = self.load(keys).await.map(|touched| touched.trace(&tried));
        match trace {
            Ok(Trace::Done) => Ok(()),
            Ok(Trace::Lost) => Err(Failed { error, again: Again::Never }),
            Ok(Trace::Undone) | Err(_) => Err(Failed { error, again: Again::Perhaps(Some(tried)) }),
        }
    }
}

/// No overload: so many conflicts are rare, and a store that never swaps looks the same.
fn never_first() -> BackendError {
    let error = BackendError::unavailable(NeverFirst);
    // An attempt that tries again soon waits for fewer.
    error.with_retry_after(Duration::from_secs(1))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "another was first {MOST_TURNS} times: `swap` of the store of records answered `false` each time (if that is so \
     without other processes, hold the store to `testing::contract::attempt_records`)"
)]
struct NeverFirst;

fn lost() -> Failed {
    let error = BackendError::unavailable("whether a swap of records happened is not known any more");
    Failed { error, again: Again::Never }
}

fn new_stamp() -> Result<RecordStamp, BackendError> {
    let bytes = random_bytes()?;
    Ok(RecordStamp::from_bytes(bytes.first_chunk().copied().unwrap_or_default()))
}
