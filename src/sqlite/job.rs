//! One operation on its way to a thread of the store and back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::db::Db;
use super::failure::{Failure, Unanswered};

/// What an operation will answer.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, Unanswered>>;

/// The transaction that an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// None of the writer's: it only reads.
    None,
    /// One that it shares with others.
    Shared,
    /// One of its own, after those that can share one.
    Own,
}

/// An operation, of any type of answer.
pub(super) trait Job: Send {
    /// Does the work once, and answers whether what it changed is to be kept. Contains its panics.
    fn run(&mut self, db: &Db) -> bool;

    /// The transaction that it needs.
    fn transaction(&self) -> Transaction;

    /// Answers the call that waits: what the work said, unless its transaction was `lost`.
    fn answer(self: Box<Self>, lost: Option<&Failure>);
}

/// Some work, and the call that waits for its result.
pub(super) struct Operation<T, W, K> {
    work: Option<W>,
    /// What is done once the changes are durable, also if the call waits no more.
    kept: K,
    result: Option<Result<T, Failure>>,
    transaction: Transaction,
    waits: oneshot::Sender<Result<T, Unanswered>>,
}

impl<T, W, K> Operation<T, W, K>
where
    T: Send + 'static,
    W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
    K: FnOnce(&T) + Send + 'static,
{
    pub(super) fn boxed(work: W, transaction: Transaction, kept: K) -> (Box<dyn Job>, Answer<T>) {
        let (waits, answer) = oneshot::channel();
        (Box::new(Self { work: Some(work), kept, result: None, transaction, waits }), answer)
    }
}

/// Nothing is to be done.
pub(super) fn ignored<T>(_: &T) {}

impl<T, W, K> Job for Operation<T, W, K>
where
    T: Send,
    W: FnOnce(&Db) -> Result<T, Failure> + Send,
    K: FnOnce(&T) + Send,
{
    fn run(&mut self, db: &Db) -> bool {
        let Some(work) = self.work.take() else { return false };
        // A statement that a panic left open is closed by its own destructor, and the changes are undone by the caller.
        let result = catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or(Err(Failure::Panicked));
        let is_done = result.is_ok();
        self.result = Some(result);
        is_done
    }

    fn transaction(&self) -> Transaction {
        self.transaction
    }

    fn answer(self: Box<Self>, lost: Option<&Failure>) {
        let answer = match (self.result, lost) {
            (Some(Err(failure)), _) => Err(Unanswered::from(failure)),
            (Some(Ok(value)), None) => {
                (self.kept)(&value);
                Ok(value)
            }
            (None, None) => Err(Unanswered::from(Failure::Panicked)),
            (_, Some(cause)) => Err(Unanswered::lost(cause)),
        };
        // Nobody may wait any more: what was done stays done.
        let _ = self.waits.send(answer);
    }
}
