//! What waits in this process for its records, and the order in which it has them.
//!
//! One task leads as long as anything waits: it takes as many as go into one load and one swap, runs their steps one after the other
//! over the same records, and answers them all. So a crowd costs the store a few calls, and a process meets conflicts with other
//! processes only. The task is of no request: one that is dropped takes nothing of the others with it.

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;

use super::touched::{Touched, TouchedKeys, Tried};
use crate::boundary::backend::BackendError;
use crate::boundary::sync::held;
use crate::limiter::step::key::Key;

/// How many operations may wait. Any more are 503 before anything is compared.
pub(super) const MOST_WAITING: usize = 8_192;
/// How many have their records at once.
const MOST_AT_ONCE: usize = 1_024;

/// What an operation does to its records: again whenever they were loaded anew, until they are swapped.
pub(super) type Step = Box<dyn FnMut(&mut Touched<'_>) + Send>;

/// What an operation waits with: those of one account have their turns in the order in which they came, and no network takes all
/// turns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lane {
    /// `None`: of no account.
    pub(super) guess: Option<u64>,
    pub(super) network: Option<u64>,
}

/// How an operation ended whose step was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By this run of its step, which has kept what it came to.
    Now,
    /// By a swap of before, which was not known to have happened.
    Earlier,
}

/// Why an operation did not end well, and whether it may be tried once more.
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

/// One that waits, or has its records.
pub(super) struct Operation {
    pub(super) keys: TouchedKeys,
    pub(super) step: Step,
    /// What an earlier operation for the same purpose has tried.
    pub(super) earlier: Option<Tried>,
    /// What it is trying now.
    pub(super) trying: Option<Tried>,
    /// What came too late when it was tried last, as far as the store says.
    pub(super) late: Option<Tried>,
    /// How often it had its records.
    pub(super) runs: usize,
    /// How often another process was first on one of its own records.
    pub(super) beaten: usize,
    lane: Lane,
    /// Whether it is done though nobody waits for it any more.
    outlives_its_request: bool,
    answer: oneshot::Sender<Result<Ended, Failed>>,
}

impl Operation {
    pub(super) fn answer(self, ended: Result<Ended, Failed>) {
        // Its request may be gone.
        let _ = self.answer.send(ended);
    }

    /// Whether it may be tried once more, if nothing is tried now.
    pub(super) fn again(&mut self) -> Again {
        match (self.late.take(), self.earlier.take()) {
            (Some(_), Some(_)) => Again::Never,
            (late, earlier) => Again::Perhaps(late.or(earlier)),
        }
    }

    /// Whether it is of no use any more: nobody waits for it.
    fn is_void(&self) -> bool {
        self.answer.is_closed() && !self.outlives_its_request
    }
}

#[derive(Default)]
pub(super) struct Queue(Mutex<Waits>);

#[derive(Default)]
struct Waits {
    operations: Vec<Operation>,
    /// Whether a task leads.
    is_led: bool,
    /// Whether those that were beaten had the last turn.
    took_beaten: bool,
}

/// An operation that was added.
pub(super) struct Waiting {
    answer: oneshot::Receiver<Result<Ended, Failed>>,
    /// Whether no task leads yet, and one is to be started.
    pub(super) needs_leader: bool,
}

impl Waiting {
    /// Waits for the answer.
    pub(super) async fn ended(self) -> Result<Ended, Failed> {
        self.answer.await.unwrap_or_else(|_| Err(lost()))
    }
}

/// What has its turn. What has no answer when it is dropped, as by a panic of the store, has failed.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) operations: Vec<Operation>,
}

/// Leads as long as it lives. If it is dropped while something waits, as at the end of the runtime, that has failed.
pub(super) struct Leader {
    queue: Arc<Queue>,
    /// Another one may lead.
    is_over: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waits> {
        held(self.0.lock())
    }

    /// Adds an operation at the end. One that is new is 503 if too many wait.
    pub(super) fn add(&self, lane: Lane, keys: TouchedKeys, step: Step) -> Result<Waiting, BackendError> {
        let mut waits = self.lock();
        if waits.operations.len() >= MOST_WAITING {
            waits.operations.retain(|operation| !operation.is_void());
        }
        if waits.operations.len() >= MOST_WAITING {
            return Err(BackendError::overloaded(Duration::from_secs(1)));
        }
        Ok(waits.add(lane, keys, step, None, false))
    }

    /// The same of one that goes on with what was let in before: it is done though its request is dropped.
    pub(super) fn go_on(&self, lane: Lane, keys: TouchedKeys, step: Step, earlier: Option<Tried>) -> Waiting {
        self.lock().add(lane, keys, step, earlier, true)
    }

    /// Has those wait again that another process came before, ahead of what came later.
    pub(super) fn put_back(&self, taken: &mut Taken) {
        let mut waits = self.lock();
        let later = mem::replace(&mut waits.operations, mem::take(&mut taken.operations));
        waits.operations.extend(later);
    }
}

impl Leader {
    pub(super) const fn of(queue: Arc<Queue>) -> Self {
        Self { queue, is_over: false }
    }

    /// Takes what has its records next, with no more of them than a store takes in one call, unless one operation has more. `None`:
    /// nothing waits, and the next one that comes needs a leader.
    pub(super) fn take(&mut self, most_records: usize) -> Option<Taken> {
        let mut waits = self.queue.lock();
        waits.operations.retain(|operation| !operation.is_void());
        if waits.operations.is_empty() {
            waits.is_led = false;
            self.is_over = true;
            return None;
        }
        // What another process is in the way of waits for itself: the others have every second turn without it.
        let has = |beaten| waits.operations.iter().any(|operation| (operation.beaten > 0) == beaten);
        let only = (has(true) && has(false)).then_some(!waits.took_beaten);
        waits.took_beaten = only.unwrap_or_default();
        let next = next(&waits.operations, most_records, only);
        let mut places = 0..;
        let is_next = |_: &mut Operation| places.next().and_then(|place| next.get(place).copied()).unwrap_or(false);
        let operations = waits.operations.extract_if(.., is_next).collect();
        Some(Taken { operations })
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut waits = self.queue.lock();
        waits.is_led = false;
        let left = Taken { operations: mem::take(&mut waits.operations) };
        drop(waits);
        drop(left);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        for operation in mem::take(&mut self.operations) {
            operation.answer(Err(lost()));
        }
    }
}

impl Waits {
    fn add(
        &mut self,
        lane: Lane,
        keys: TouchedKeys,
        step: Step,
        earlier: Option<Tried>,
        outlives_its_request: bool,
    ) -> Waiting {
        let (answer, answered) = oneshot::channel();
        self.operations.push(Operation {
            keys,
            step,
            earlier,
            trying: None,
            late: None,
            runs: 0,
            beaten: 0,
            lane,
            outlives_its_request,
            answer,
        });
        Waiting { answer: answered, needs_leader: !mem::replace(&mut self.is_led, true) }
    }
}

/// What led has gone without an answer.
fn lost() -> Failed {
    let error =
        "an attempt was lost on its way to its records: the store of records has panicked, or there is no runtime";
    Failed { error: BackendError::fault(error), again: Again::Never }
}

/// Which of those that wait have their records next.
///
/// All, if that is not too much, or all of those that were beaten, or that were not. Else each network has its first one before any
/// has a second, and so has each account: a crowd takes time from those that share its network or its account.
fn next(waiting: &[Operation], most_records: usize, only_beaten: Option<bool>) -> Vec<bool> {
    let mut places: Vec<(usize, usize)> = ranks(waiting.iter().map(|operation| operation.lane)).zip(0..).collect();
    places.sort_unstable();
    let (mut next, mut keys) = (vec![false; waiting.len()], HashSet::new());
    let (mut is_full, mut count) = (false, 0_usize);
    for (_, place) in places {
        let Some(operation) = waiting.get(place) else { continue };
        if count >= MOST_AT_ONCE || only_beaten.is_some_and(|beaten| (operation.beaten > 0) != beaten) {
            continue;
        }
        let new: Vec<Key> = operation.keys.iter().filter(|key| !keys.contains(key)).collect();
        is_full |= !keys.is_empty() && keys.len().saturating_add(new.len()) > most_records;
        // What needs no other record goes along.
        if is_full && !new.is_empty() {
            continue;
        }
        keys.extend(new);
        count = count.saturating_add(1);
        if let Some(is_next) = next.get_mut(place) {
            *is_next = true;
        }
    }
    next
}

/// How many are before each on its account or of its network, whichever are more.
fn ranks(lanes: impl Iterator<Item = Lane>) -> impl Iterator<Item = usize> {
    let (mut guesses, mut networks) = (HashMap::new(), HashMap::new());
    lanes.map(move |Lane { guess, network }| {
        let of_network = network.map(|network| one_more(networks.entry(network).or_default()));
        let of_guess = guess.map(|guess| one_more(guesses.entry(guess).or_default()));
        of_guess.max(of_network).unwrap_or_default()
    })
}

/// How many there were before this one.
fn one_more(count: &mut usize) -> usize {
    let before = *count;
    *count = before.saturating_add(1);
    before
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
