//! A fixed number of threads that each own their memory, and a bounded queue before them.
//!
//! A job owns everything it needs. So the future of a request may be dropped at any time: a job that has begun runs to
//! its end on its thread, and only then does that thread take the next one. There is no permit that could be freed early.
//! A job that still waits leaves the queue with its future, at once: a client that hangs up holds no other's place.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::counts::{Counts, Running, nanos};
use super::lane::{Sender, Waiting};
use super::places::{Percents, Places};
use super::queue::{NoPlace, Placed, Queue};

use crate::boundary::sync::held;

/// No queue is longer, whatever the measured speed says.
pub(super) const LONGEST: usize = 65_536;

/// Work for a thread.
pub(super) trait Work: Send + 'static {
    /// What each thread owns and lends to its jobs.
    type Memory: Send + 'static;
    type Answer: Send + 'static;

    fn run(self, memory: &mut Self::Memory) -> Self::Answer;
}

/// How many jobs may wait for a thread.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    /// This many.
    Jobs(usize),
    /// As many as are done within this time.
    Time(Duration),
}

/// What bounds the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) jobs: Limit,
    pub(super) percents: Percents,
    /// A job that waited longer is not done any more.
    pub(super) deadline: Duration,
}

/// Why a job was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Undone {
    /// It waited longer than the deadline.
    Expired,
    /// It had a reserved place on loan, which is needed.
    Displaced,
    /// It panicked, or the pool is gone.
    Lost,
}

/// The threads; they end when it is dropped.
pub(super) struct Pool<W: Work> {
    shared: Arc<Shared<W>>,
}

struct Shared<W: Work> {
    state: Mutex<State<W>>,
    wake: Condvar,
    limits: Limits,
    threads: usize,
    counts: Counts,
}

struct State<W: Work> {
    queue: Queue<Job<W>>,
    idle: usize,
    closed: bool,
}

struct Job<W: Work> {
    work: W,
    reply: oneshot::Sender<Result<W::Answer, Undone>>,
}

/// The way to a job's answer. Dropped, it takes the job out of the queue.
pub(super) struct Ticket<W: Work> {
    shared: Arc<Shared<W>>,
    number: u64,
    answer: oneshot::Receiver<Result<W::Answer, Undone>>,
    is_answered: bool,
}

impl<W: Work> Pool<W> {
    /// Starts a thread for each of `memories`. `job_time` is what one job takes, to begin with. `on_start` runs first in
    /// each thread.
    pub(super) fn start(
        memories: Vec<W::Memory>,
        limits: Limits,
        job_time: Duration,
        on_start: Option<Arc<dyn Fn() + Send + Sync>>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { queue: Queue::new(limits.percents), idle: 0, closed: false }),
            wake: Condvar::new(),
            limits,
            threads: memories.len(),
            counts: Counts::default(),
        });
        shared.counts.mean_nanos.store(nanos(job_time), Ordering::Relaxed);
        // Made before the first thread, so that those already started end if a later one cannot be.
        let pool = Self { shared };
        for mut memory in memories {
            let (shared, on_start) = (Arc::clone(&pool.shared), on_start.clone());
            thread::Builder::new().name("password-hash".to_owned()).spawn(move || {
                if let Some(on_start) = on_start {
                    let _ = catch_unwind(AssertUnwindSafe(|| on_start()));
                }
                shared.serve(&mut memory);
            })?;
        }
        Ok(pool)
    }

    /// Puts a job into the queue, if there is a place for it and for its sender. Without one the job is dropped.
    pub(super) fn submit(&self, work: W, sender: Sender) -> Result<Ticket<W>, NoPlace> {
        let (reply, answer) = oneshot::channel();
        let capacity = self.capacity();
        let mut state = self.shared.lock();
        let places = Places::new(capacity, self.shared.limits.percents, state.idle);
        let pushed = state.queue.push(Job { work, reply }, sender, places);
        drop(state);
        match pushed {
            Ok(Placed { number, displaced }) => {
                self.shared.wake.notify_one();
                if let Some(Waiting { job, .. }) = displaced {
                    self.counts().displaced.fetch_add(1, Ordering::Relaxed);
                    let _ = job.reply.send(Err(Undone::Displaced));
                }
                Ok(Ticket { shared: Arc::clone(&self.shared), number, answer, is_answered: false })
            }
            Err(no_place) => {
                let counter = match no_place {
                    NoPlace::Full => &self.counts().refused,
                    NoPlace::ShareTaken => &self.counts().refused_by_share,
                };
                counter.fetch_add(1, Ordering::Relaxed);
                Err(no_place)
            }
        }
    }

    /// How many jobs may wait at the present speed: at least one.
    pub(super) fn capacity(&self) -> usize {
        match self.shared.limits.jobs {
            Limit::Jobs(jobs) => jobs,
            Limit::Time(longest) => {
                let mean = self.mean_time().as_nanos().max(1);
                let jobs = longest.as_nanos().saturating_mul(self.shared.threads as u128).checked_div(mean);
                usize::try_from(jobs.unwrap_or(1)).unwrap_or(LONGEST).clamp(1, LONGEST)
            }
        }
    }

    /// How many of them are kept for accounts at addresses that are known.
    pub(super) fn reserved(&self) -> usize {
        Places::new(self.capacity(), self.shared.limits.percents, 0).reserved
    }

    /// When the jobs that wait now will be done.
    pub(super) fn drained_in(&self) -> Duration {
        let threads = u64::try_from(self.shared.threads).unwrap_or(u64::MAX).max(1);
        let total = nanos(self.mean_time()).saturating_mul(u64::try_from(self.waiting()).unwrap_or(u64::MAX));
        Duration::from_nanos(total.checked_div(threads).unwrap_or(total))
    }

    pub(super) fn mean_time(&self) -> Duration {
        Duration::from_nanos(self.counts().mean_nanos.load(Ordering::Relaxed))
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    pub(super) fn threads(&self) -> usize {
        self.shared.threads
    }

    pub(super) fn running(&self) -> usize {
        self.counts().running.load(Ordering::Relaxed)
    }

    pub(super) fn peak_running(&self) -> usize {
        self.counts().peak.load(Ordering::Relaxed)
    }

    pub(super) fn waiting(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// How many of them wait on reserved places.
    pub(super) fn waiting_reserved(&self) -> usize {
        self.shared.lock().queue.reserved_len()
    }
}

impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let left = std::mem::replace(&mut state.queue, Queue::new(self.shared.limits.percents));
        drop(state);
        drop(left);
        self.shared.wake.notify_all();
    }
}

impl<W: Work> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // No job runs while the lock is held; whatever panicked then left the queue whole.
        held(self.state.lock())
    }

    /// What a thread does until the pool is dropped.
    fn serve(&self, memory: &mut W::Memory) {
        while let Some(Waiting { job, since, .. }) = self.next() {
            if job.reply.is_closed() {
                self.counts.abandoned.fetch_add(1, Ordering::Relaxed);
            } else if since.elapsed() > self.limits.deadline {
                self.counts.expired.fetch_add(1, Ordering::Relaxed);
                let _ = job.reply.send(Err(Undone::Expired));
            // A job leaves nothing half-done that the next one would see: every hash overwrites the memory it reads.
            } else if catch_unwind(AssertUnwindSafe(|| self.run(job, memory))).is_err() {
                self.counts.panicked.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn next(&self) -> Option<Waiting<Job<W>>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(waiting) = state.queue.pop() {
                return Some(waiting);
            }
            state.idle = state.idle.saturating_add(1);
            state = held(self.wake.wait(state));
            state.idle = state.idle.saturating_sub(1);
        }
    }

    fn run(&self, job: Job<W>, memory: &mut W::Memory) {
        let running = Running::enter(&self.counts);
        let start = Instant::now();
        let answer = job.work.run(memory);
        self.counts.note(start.elapsed());
        drop(running);
        // The client may have hung up meanwhile.
        let _ = job.reply.send(Ok(answer));
    }
}

impl<W: Work> Future for Ticket<W> {
    type Output = Result<W::Answer, Undone>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer).poll(cx).map(|answer| {
            self.is_answered = true;
            answer.unwrap_or(Err(Undone::Lost))
        })
    }
}

impl<W: Work> Drop for Ticket<W> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        // The job is dropped after the lock.
        let withdrawn = self.shared.lock().queue.withdraw(self.number);
        if withdrawn.is_some() {
            self.shared.counts.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
