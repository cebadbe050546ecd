//! The threads that only read, each with a connection of its own. A read begins after it was asked for, so it sees all
//! that was answered before.

use std::sync::Arc;
use std::time::Duration;

use super::db::Db;
use super::job::Job;
use super::location::Files;
use super::queue::{Closing, Queue, Taken};
use super::stats::{Counters, add};

/// How long a thread sleeps if nobody wakes it.
const IDLE_WAIT: Duration = Duration::from_secs(3600);

pub(super) struct Reader {
    pub(super) db: Db,
    pub(super) files: Arc<Files>,
    pub(super) queue: Arc<Queue<Box<dyn Job>>>,
    pub(super) counters: Arc<Counters>,
}

impl Reader {
    /// Works until the queue is closed and empty.
    pub(super) fn run(self) {
        let closing = Closing(&self.queue);
        loop {
            match self.queue.take(1, Duration::ZERO, IDLE_WAIT) {
                Taken::Some(jobs) => jobs.into_iter().for_each(|job| read(job, &self.db, &self.files, &self.counters)),
                Taken::Nothing => {}
                Taken::Closed => break,
            }
        }
        drop(closing);
    }
}

/// Has a job read, and answers it.
pub(super) fn read(mut job: Box<dyn Job>, db: &Db, files: &Files, counters: &Counters) {
    let is_done = job.run(db);
    add(&counters.reads, 1);
    add(&counters.read_steps, db.take_steps());
    let seen = if is_done { Ok(()) } else { files.check() };
    job.answer(seen.err().as_ref());
}
