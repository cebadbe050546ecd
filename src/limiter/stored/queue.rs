//! What waits in this process for its records, and the order in which it has them.
//!
//! One operation at a time leads: it takes as many of those that wait as go into one load and one swap, runs their steps one after
//! the other over the same records, and answers them all. What leads next was waiting meanwhile. So a crowd costs the store a few
//! calls, and a process meets conflicts with other processes only.
//!
//! An operation is dropped with its request. If it leads, what it took goes back to those that wait, with what was tried.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{Mutex as Turns, MutexGuard as Turn, oneshot};

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
    pub(super) guess: u64,
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
    /// What this one has tried without an answer, because what led was dropped.
    pub(super) unanswered: Vec<Tried>,
    /// What it is trying now.
    pub(super) trying: Option<Tried>,
    /// What came too late when it was tried last, as far as the store says.
    pub(super) late: Option<Tried>,
    /// How often it had its records.
    pub(super) runs: usize,
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

    /// Whether it is of no use any more: nobody waits for it.
    fn is_void(&self) -> bool {
        self.answer.is_closed() && !self.outlives_its_request
    }
}

#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Vec<Operation>>,
    turns: Turns<()>,
}

/// One's own operation, in the queue.
pub(super) struct Waiting(oneshot::Receiver<Result<Ended, Failed>>);

/// What comes first to one that waits.
pub(super) enum Comes<'a> {
    Answer(Result<Ended, Failed>),
    /// To lead.
    Turn(Turn<'a, ()>),
}

/// What a leader has taken. If it is dropped, what has no answer yet waits again.
pub(super) struct Taken<'a> {
    queue: &'a Queue,
    pub(super) operations: Vec<Operation>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Vec<Operation>> {
        held(self.waiting.lock())
    }

    /// Adds an operation at the end. One that is new is 503 if too many wait.
    pub(super) fn add(&self, lane: Lane, keys: TouchedKeys, step: Step) -> Result<Waiting, BackendError> {
        let mut waiting = self.lock();
        if waiting.len() >= MOST_WAITING {
            waiting.retain(|operation| !operation.is_void());
        }
        if waiting.len() >= MOST_WAITING {
            return Err(BackendError::overloaded(Duration::from_secs(1)));
        }
        Ok(add(&mut waiting, lane, keys, step, None, false))
    }

    /// The same of one that goes on with what was let in before: it is done though its request is dropped.
    pub(super) fn go_on(&self, lane: Lane, keys: TouchedKeys, step: Step, earlier: Option<Tried>) -> Waiting {
        add(&mut self.lock(), lane, keys, step, earlier, true)
    }

    /// Takes what has its records next, with no more of them than a store takes in one call, unless one operation has more.
    pub(super) fn take(&self, most_records: usize) -> Taken<'_> {
        let mut waiting = self.lock();
        waiting.retain(|operation| !operation.is_void());
        let next = next(&waiting, most_records);
        let mut places = 0..;
        let is_next = |_: &mut Operation| places.next().and_then(|place| next.get(place).copied()).unwrap_or(false);
        let operations = waiting.extract_if(.., is_next).collect();
        Taken { queue: self, operations }
    }

    /// Waits for the answer to an operation, or until it is to lead.
    pub(super) async fn first<'a>(&'a self, waiting: &mut Waiting) -> Comes<'a> {
        let mut turn = pin!(self.turns.lock());
        poll_fn(|cx| {
            if let Poll::Ready(answer) = pin!(&mut waiting.0).poll(cx) {
                return Poll::Ready(Comes::Answer(answer.unwrap_or_else(|_| Err(lost()))));
            }
            turn.as_mut().poll(cx).map(Comes::Turn)
        })
        .await
    }
}

impl Waiting {
    /// The answer, if it is there.
    pub(super) fn answer(&mut self) -> Option<Result<Ended, Failed>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(lost())),
        }
    }
}

impl Taken<'_> {
    /// Has them wait again, before those that came later.
    pub(super) fn put_back(self) {}
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.operations.is_empty() {
            return;
        }
        let mut back = mem::take(&mut self.operations);
        for operation in &mut back {
            operation.unanswered.extend(operation.trying.take());
        }
        let mut waiting = self.queue.lock();
        back.append(&mut waiting);
        *waiting = back;
    }
}

fn add(
    waiting: &mut Vec<Operation>,
    lane: Lane,
    keys: TouchedKeys,
    step: Step,
    earlier: Option<Tried>,
    outlives_its_request: bool,
) -> Waiting {
    let (answer, answered) = oneshot::channel();
    waiting.push(Operation {
        keys,
        step,
        earlier,
        unanswered: Vec::new(),
        trying: None,
        late: None,
        runs: 0,
        lane,
        outlives_its_request,
        answer,
    });
    Waiting(answered)
}

/// An operation went without an answer, which does not happen.
fn lost() -> Failed {
    Failed { error: BackendError::fault("an attempt was lost on its way to its records"), again: Again::Never }
}

/// Which of those that wait have their records next.
///
/// All, if that is not too much. Else each network has its first one before any has a second, and so has each account: a crowd takes
/// time from those that share its network or its account.
fn next(waiting: &[Operation], most_records: usize) -> Vec<bool> {
    let mut places: Vec<(usize, usize)> = ranks(waiting.iter().map(|operation| operation.lane)).zip(0..).collect();
    places.sort_unstable();
    let (mut next, mut keys) = (vec![false; waiting.len()], HashSet::new());
    for (_, place) in places.into_iter().take(MOST_AT_ONCE) {
        let Some(operation) = waiting.get(place) else { continue };
        let new: Vec<Key> = operation.keys.iter().filter(|key| !keys.contains(key)).collect();
        if !keys.is_empty() && keys.len().saturating_add(new.len()) > most_records {
            break;
        }
        keys.extend(new);
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
        one_more(guesses.entry(guess).or_default()).max(of_network.unwrap_or_default())
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
