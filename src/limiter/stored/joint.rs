//! Attempts that wait for their turn and would be refused alike.
//!
//! A refusal changes nothing, so it says as much of each attempt that came before its records were loaded. Those that wait are
//! refused by it, without a turn and a load of their own. So many that are locked out take one turn in the time of one load,
//! and an owner who logs in from elsewhere waits no longer than that, however many they are.
//!
//! It is never known from before: records that were loaded before an attempt came may be those from before an operator has
//! unblocked it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use tokio::sync::watch;

use super::lines::{InLine, Lines};
use crate::boundary::limiter::Refusal;
use crate::limiter::step::facts::Facts;

/// All that a refusal depends on, beside the records and the time.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Alike {
    guess: u64,
    network: u64,
    is_exempt: bool,
}

#[derive(Default)]
pub(super) struct JointRefusals(Lines<Alike, Company>);

#[derive(Default)]
struct Company {
    /// How many came so far.
    came: AtomicU64,
    /// The latest refusal, and how many had come before its records were loaded.
    refused: watch::Sender<Option<(u64, Refusal)>>,
}

/// An attempt among those that are refused alike.
pub(super) struct Waiting<'a> {
    line: InLine<'a, Alike, Company>,
    number: u64,
}

/// The moment from which on the records of an attempt are loaded, by those who came before.
#[derive(Clone, Copy)]
pub(super) struct Loading(u64);

impl JointRefusals {
    pub(super) fn join(&self, facts: &Facts) -> Waiting<'_> {
        let Facts { guess, network, is_exempt, .. } = *facts;
        let line = self.0.join(Alike { guess, network, is_exempt });
        let number = line.shared.came.fetch_add(1, Ordering::SeqCst);
        Waiting { line, number }
    }
}

impl Waiting<'_> {
    /// Waits for `turn`, or for a refusal of another by records that were loaded after this one came.
    pub(super) async fn turn<T>(&self, turn: impl Future<Output = T>) -> Result<T, Refusal> {
        let mut refused = self.line.shared.refused.subscribe();
        let of_this = |refused: &Option<(u64, Refusal)>| refused.is_some_and(|(came, _)| self.number < came);
        let (mut refused, mut turn) = (pin!(refused.wait_for(of_this)), pin!(turn));
        poll_fn(|cx| {
            if let Poll::Ready(Ok(refused)) = refused.as_mut().poll(cx)
                && let Some((_, refusal)) = *refused
            {
                return Poll::Ready(Err(refusal));
            }
            turn.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// From now on its records are loaded.
    pub(super) fn loading(&self) -> Loading {
        Loading(self.line.shared.came.load(Ordering::SeqCst))
    }

    /// It was refused by records that were loaded since then, and so are those that wait since before.
    pub(super) fn is_refused(&self, loading: Loading, refusal: Refusal) {
        // The owner gets one notice of a lock.
        let refusal = refusal.without_new_lock();
        self.line.shared.refused.send_replace(Some((loading.0, refusal)));
    }
}
