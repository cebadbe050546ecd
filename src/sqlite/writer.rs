//! The one thread that writes: all that waits goes into one transaction, and is answered when that is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::attention::{Attention, Last};
use super::db::Db;
use super::failure::Failure;
use super::job::{Job, Transaction};
use super::location::Files;
use super::open::Opening;
use super::prune::Pruner;
use super::queue::{Closing, Queue, Taken};
use super::reader::read;
use super::stats::{Counters, add};
use crate::observe::telemetry;

/// The most operations of one transaction: what is read by others meanwhile is the state before it.
const MOST: usize = 256;
/// The least time between two steps of pruning as long as there is more to remove.
const SOON: Duration = Duration::from_millis(5);

/// How long writes may wait for a reader that keeps the log from being emptied.
const LOG_WAIT: Duration = Duration::from_millis(20);

/// When rows are removed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pruning {
    pub(super) interval: Duration,
    pub(super) retention: Duration,
}

pub(super) struct Writer {
    pub(super) db: Db,
    pub(super) opening: Opening,
    pub(super) files: Arc<Files>,
    pub(super) queue: Arc<Queue<Box<dyn Job>>>,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) counters: Arc<Counters>,
    pub(super) pruning: Pruning,
    pub(super) pruner: Arc<Pruner>,
}

impl Writer {
    /// Works until the queue is closed and empty; then closes the database as the last one, which empties the log.
    pub(super) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let closing = Closing(&queue);
        let mut due = Instant::now();
        let (mut attention, mut last) = (Attention::new(), Last::Write);
        loop {
            let began = Instant::now();
            let taken = queue.take(MOST, attention.after(last), due.saturating_duration_since(began));
            attention.waited(last, began.elapsed());
            match taken {
                Taken::Some(jobs) => last = self.serve(jobs),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            if due <= Instant::now() {
                let wait = self.prune().unwrap_or(self.pruning.interval);
                due = Instant::now().checked_add(wait).unwrap_or(due);
            }
        }
        drop(closing);
        for reader in self.readers {
            let _ = reader.join();
        }
    }

    /// Look-ups first; then one transaction for all that can share one, and the answers; then one for each of the
    /// others.
    fn serve(&mut self, mut jobs: Vec<Box<dyn Job>>) -> Last {
        for job in jobs.extract_if(.., |job| job.transaction() == Transaction::None) {
            read(job, &self.db, &self.files, &self.counters);
        }
        if jobs.is_empty() {
            return Last::LookUp;
        }
        let alone: Vec<_> = jobs.extract_if(.., |job| job.transaction() == Transaction::Own).collect();
        if !jobs.is_empty() {
            self.serve_together(jobs);
        }
        alone.into_iter().for_each(|job| self.serve_together(vec![job]));
        Last::Write
    }

    fn serve_together(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let began = Instant::now();
        let done = self.contained(|db| run_all(db, &mut jobs));
        let lost = done.err();
        let count = jobs.len() as u64;
        add(if lost.is_some() { &self.counters.failures } else { &self.counters.commits }, 1);
        add(&self.counters.operations, count);
        add(&self.counters.steps, self.db.take_steps());
        if jobs.iter().any(|job| job.transaction() == Transaction::Own) {
            self.pruner.took(began.elapsed());
            self.empty_log();
        }
        jobs.into_iter().for_each(|job| job.answer(lost.as_ref()));
    }

    /// Removes some rows that are over, in a transaction of its own, and answers how long to wait if there may be more.
    fn prune(&mut self) -> Option<Duration> {
        let began = Instant::now();
        let at = self.pruner.instants(self.pruning.retention);
        let pruner = Arc::clone(&self.pruner);
        let step = self.contained(|db| {
            db.execute("BEGIN IMMEDIATE", ())?;
            let step = pruner.step(db, at)?;
            db.execute("COMMIT", ())?;
            Ok(step)
        });
        self.db.take_steps();
        let took = began.elapsed();
        match step {
            Ok(step) => {
                pruner.took(took);
                add(&self.counters.pruned, step.rows);
                self.empty_log();
                // At least half of the time is for requests.
                step.is_short.then_some(took.max(SOON))
            }
            // It is tried again at the next interval.
            Err(failure) => {
                if self.files.trusted().is_ok() {
                    telemetry::background_failed("pruning", &failure.into_backend());
                }
                None
            }
        }
    }

    /// Empties the log if it may hold what was forgotten.
    fn empty_log(&self) {
        if !self.pruner.old_pages.are_due() || self.files.trusted().is_err() {
            return;
        }
        let emptied = self.db.empty_log(LOG_WAIT, self.opening.busy_timeout);
        self.pruner.old_pages.tried(matches!(emptied, Ok(true)));
        if let Err(failure) = emptied {
            telemetry::background_failed("emptying the log", &failure.into_backend());
        }
    }

    /// Runs a transaction, and sees to it that none is open afterwards, and that what was written is where it can be
    /// found.
    fn contained<T>(&mut self, work: impl FnOnce(&Db) -> Result<T, Failure>) -> Result<T, Failure> {
        self.files.trusted()?;
        let db = &self.db;
        let result = catch_unwind(AssertUnwindSafe(|| work(db))).unwrap_or(Err(Failure::Panicked));
        let seen = self.files.check();
        let is_stuck = !db.is_idle() && (db.execute("ROLLBACK", ()).is_err() || !db.is_idle());
        // A connection that cannot get out of its transaction is of no more use. Nor is one to another file.
        if is_stuck
            && seen.is_ok()
            && let Ok(fresh) = self.opening.writer()
            && self.files.check().is_ok()
        {
            self.db = fresh;
        }
        match (seen, result) {
            // What was rolled back failed for its own reason.
            (Err(Failure::Unseen(_)), Err(failure)) => Err(failure),
            (seen, result) => seen.and(result),
        }
    }
}

fn run_all(db: &Db, jobs: &mut [Box<dyn Job>]) -> Result<(), Failure> {
    db.execute("BEGIN IMMEDIATE", ())?;
    let end = match jobs {
        [job] => {
            if run(db, job)? {
                "COMMIT"
            } else {
                "ROLLBACK"
            }
        }
        jobs => {
            jobs.iter_mut().try_for_each(|job| run_beside_others(db, job))?;
            "COMMIT"
        }
    };
    db.execute(end, ())?;
    Ok(())
}

/// Runs a job, whose failure undoes only itself.
fn run_beside_others(db: &Db, job: &mut Box<dyn Job>) -> Result<(), Failure> {
    db.execute("SAVEPOINT operation", ())?;
    if !run(db, job)? {
        db.execute("ROLLBACK TO operation", ())?;
    }
    db.execute("RELEASE operation", ())?;
    Ok(())
}

/// Runs a job, and answers whether its changes are to be kept.
fn run(db: &Db, job: &mut Box<dyn Job>) -> Result<bool, Failure> {
    let is_done = job.run(db);
    // Some errors, such as a full disk, end the whole transaction.
    if db.is_idle() { Err(Failure::Lost) } else { Ok(is_done) }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
