//! What the store did.

use std::sync::atomic::{AtomicU64, Ordering};

/// A look at the store, for metrics and alerts; see [`SqliteStore::stats`](super::SqliteStore::stats). Counts are those
/// since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteStats {
    /// Operations that were written, or found nothing to write.
    pub operations: u64,
    /// Durable commits that they took: fewer, where several waited at once.
    pub commits: u64,
    /// Transactions that failed; every operation in one was answered an error.
    pub failures: u64,
    /// Operations that were refused because too many waited.
    pub refused: u64,
    /// Operations that wait to be written now.
    pub waiting: usize,
    /// Operations that only read.
    pub reads: u64,
    /// Instructions of SQLite's virtual machine that writing took: what the operations cost, on any machine.
    pub steps: u64,
    /// The same of reading.
    pub read_steps: u64,
    /// Rows that were removed after their end.
    pub pruned: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) operations: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) failures: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) reads: AtomicU64,
    pub(super) steps: AtomicU64,
    pub(super) read_steps: AtomicU64,
    pub(super) pruned: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn look(&self, waiting: usize) -> SqliteStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SqliteStats {
            operations: get(&self.operations),
            commits: get(&self.commits),
            failures: get(&self.failures),
            refused: get(&self.refused),
            waiting,
            reads: get(&self.reads),
            steps: get(&self.steps),
            read_steps: get(&self.read_steps),
            pruned: get(&self.pruned),
        }
    }
}
