//! A store of records in a map whose answers are lost, late or errors.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::yield_now;
use tower_password_grant::BackendError;
use tower_password_grant::limiter::{AttemptRecords, LoadedRecords, RecordChange, RecordKey};

use super::world::{guess, limiter};
use crate::support::records::MapRecords;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// The next load fails.
    LoadFails,
    /// The next swap does not happen, and fails.
    SwapFails,
    /// The next swap fails, and happens when the test says so.
    SwapFailsAndHappensLater,
    /// The next swap happens, and fails.
    AnswerIsLost,
    /// The same, and all that follows fails until there is other trouble.
    AnswerIsLostAndThenDown,
    /// The next swap is sent twice: it happens, and then it comes too late.
    SentTwice,
    /// The same, and the next load fails.
    SentTwiceAndThenLoadFails,
    /// The next swap happens, and nothing is heard of it.
    NoAnswer,
    /// The next load panics.
    Panics,
    /// The next swap happens, and fails; and before anybody looks, five other guesses at `alice` are charged.
    LostAmongOthers,
    Down,
}

/// Clones are handles of the same store.
#[derive(Clone)]
pub(crate) struct Unreliable(Arc<State>);

struct State {
    records: MapRecords,
    trouble: Mutex<Trouble>,
    late: Mutex<Vec<RecordChange>>,
    /// How many swaps have no trouble before the next that has.
    spared: AtomicUsize,
    troubles: AtomicUsize,
    loads: AtomicUsize,
    swaps: AtomicUsize,
    most_records: AtomicUsize,
    is_held: watch::Sender<bool>,
    are_loads_held: watch::Sender<bool>,
}

fn failed() -> BackendError {
    BackendError::unavailable("connection reset")
}

impl Unreliable {
    pub(crate) fn new(records: MapRecords) -> Self {
        Self(Arc::new(State {
            records,
            trouble: Mutex::new(Trouble::None),
            late: Mutex::default(),
            spared: AtomicUsize::new(0),
            troubles: AtomicUsize::new(0),
            loads: AtomicUsize::new(0),
            swaps: AtomicUsize::new(0),
            most_records: AtomicUsize::new(512),
            is_held: watch::Sender::new(false),
            are_loads_held: watch::Sender::new(false),
        }))
    }

    pub(crate) fn next(&self, trouble: Trouble) {
        *self.0.trouble.lock().unwrap() = trouble;
    }

    /// The same of the swap after the next one.
    pub(crate) fn next_but_one(&self, trouble: Trouble) {
        self.0.spared.store(1, SeqCst);
        self.next(trouble);
    }

    /// How much trouble there was.
    pub(crate) fn troubles(&self) -> usize {
        self.0.troubles.load(SeqCst)
    }

    /// How many records one call takes from now on.
    pub(crate) fn take_at_most(&self, records: usize) {
        self.0.most_records.store(records, SeqCst);
    }

    /// How many loads and swaps were asked for.
    pub(crate) fn calls(&self) -> (usize, usize) {
        (self.0.loads.load(SeqCst), self.0.swaps.load(SeqCst))
    }

    /// The swap that was late happens now, if it still can.
    pub(crate) async fn happen(&self) {
        let late = std::mem::take(&mut *self.0.late.lock().unwrap());
        if !late.is_empty() {
            self.0.records.swap(&late).await.unwrap();
        }
    }

    /// The records themselves.
    pub(crate) fn records(&self) -> MapRecords {
        self.0.records.clone()
    }

    /// Lets swaps wait, or go on.
    pub(crate) fn hold(&self, is_held: bool) {
        self.0.is_held.send_replace(is_held);
    }

    /// Lets the answers to loads wait, or go on.
    pub(crate) fn hold_loads(&self, are_held: bool) {
        self.0.are_loads_held.send_replace(are_held);
    }

    /// Waits until there were so many loads.
    pub(crate) async fn until_loads(&self, loads: usize) {
        while self.calls().0 < loads {
            yield_now().await;
        }
    }

    /// How many loads there are when no task goes on any more: a clock that is paused goes on only then.
    pub(crate) async fn loads_at_rest(&self) -> usize {
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.calls().0
    }

    fn take(&self, meant: impl Fn(Trouble) -> bool) -> Trouble {
        let mut trouble = self.0.trouble.lock().unwrap();
        let taken = *trouble;
        if !meant(taken) {
            return Trouble::None;
        }
        self.0.troubles.fetch_add(1, SeqCst);
        *trouble = match taken {
            Trouble::Down | Trouble::AnswerIsLostAndThenDown => Trouble::Down,
            _ => Trouble::None,
        };
        taken
    }
}

#[async_trait]
impl AttemptRecords for Unreliable {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        self.0.loads.fetch_add(1, SeqCst);
        assert_eq!(self.take(|trouble| trouble == Trouble::Panics), Trouble::None, "a fault of the store");
        match self.take(|trouble| matches!(trouble, Trouble::LoadFails | Trouble::Down)) {
            Trouble::None => {
                let loaded = self.0.records.load(keys).await;
                self.0.are_loads_held.subscribe().wait_for(|are_held| !are_held).await.unwrap();
                loaded
            }
            _ => Err(failed()),
        }
    }

    fn most_records(&self) -> usize {
        self.0.most_records.load(SeqCst)
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        assert!(changes.len() <= self.most_records().max(16));
        self.0.swaps.fetch_add(1, SeqCst);
        self.0.is_held.subscribe().wait_for(|is_held| !is_held).await.unwrap();
        if self.0.spared.fetch_update(SeqCst, SeqCst, |spared| spared.checked_sub(1)).is_ok() {
            return self.0.records.swap(changes).await;
        }
        match self.take(|trouble| !matches!(trouble, Trouble::LoadFails | Trouble::Panics | Trouble::None)) {
            Trouble::None | Trouble::LoadFails => return self.0.records.swap(changes).await,
            Trouble::SwapFails | Trouble::Down | Trouble::Panics => {}
            Trouble::SwapFailsAndHappensLater => *self.0.late.lock().unwrap() = changes.to_vec(),
            Trouble::AnswerIsLost | Trouble::AnswerIsLostAndThenDown => {
                assert!(self.0.records.swap(changes).await?);
            }
            twice @ (Trouble::SentTwice | Trouble::SentTwiceAndThenLoadFails) => {
                assert!(self.0.records.swap(changes).await?);
                if twice == Trouble::SentTwiceAndThenLoadFails {
                    self.next(Trouble::LoadFails);
                }
                return self.0.records.swap(changes).await;
            }
            Trouble::NoAnswer => {
                assert!(self.0.records.swap(changes).await?);
                std::future::pending::<()>().await;
            }
            Trouble::LostAmongOthers => {
                assert!(self.0.records.swap(changes).await?);
                let other = limiter(self.0.records.clone());
                for _ in 0..5 {
                    guess(&other, "alice").await.unwrap();
                }
            }
        }
        Err(failed())
    }
}
