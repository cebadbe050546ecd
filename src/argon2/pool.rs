//! A fixed number of threads that each own their memory, and a bounded queue before them.
//!
//! A job owns everything it needs. So the future of a request may be dropped at any time: a job that has begun runs to
//! its end on its thread, and only then does that thread take the next one. There is no permit that could be freed early.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// No queue is longer, whatever the measured speed says.
const LONGEST: usize = 65_536;

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

/// The queue is full. The job was dropped.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full {
    /// When the jobs that wait now will be done.
    pub(super) drained_in: Duration,
}

/// The threads; they end when it is dropped.
pub(super) struct Pool<W: Work> {
    shared: Arc<Shared<W>>,
}

struct Shared<W: Work> {
    state: Mutex<State<W>>,
    wake: Condvar,
    limit: Limit,
    threads: usize,
    counts: Counts,
}

struct State<W: Work> {
    queue: VecDeque<Job<W>>,
    idle: usize,
    closed: bool,
}

struct Job<W: Work> {
    work: W,
    reply: oneshot::Sender<W::Answer>,
}

#[derive(Default)]
pub(super) struct Counts {
    running: AtomicUsize,
    peak: AtomicUsize,
    mean_nanos: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) panicked: AtomicU64,
}

impl<W: Work> Pool<W> {
    /// Starts a thread for each of `memories`. `job_time` is what one job takes, to begin with. `on_start` runs first in
    /// each thread.
    pub(super) fn start(
        memories: Vec<W::Memory>,
        limit: Limit,
        job_time: Duration,
        on_start: Option<Arc<dyn Fn() + Send + Sync>>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State { queue: VecDeque::new(), idle: 0, closed: false }),
            wake: Condvar::new(),
            limit,
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

    /// Puts a job into the queue. The answer never comes if the job panics.
    pub(super) fn submit(&self, work: W) -> Result<oneshot::Receiver<W::Answer>, Full> {
        let (reply, answer) = oneshot::channel();
        let mut state = self.shared.lock();
        // An idle thread has not yet taken the job it was woken for, so it counts as room for one more.
        let room = self.capacity().saturating_add(state.idle);
        let waiting = state.queue.len();
        if waiting >= room {
            drop(state);
            self.shared.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Full { drained_in: self.time_of(waiting) });
        }
        state.queue.push_back(Job { work, reply });
        drop(state);
        self.shared.wake.notify_one();
        Ok(answer)
    }

    /// How many jobs may wait at the present speed: at least one.
    pub(super) fn capacity(&self) -> usize {
        match self.shared.limit {
            Limit::Jobs(jobs) => jobs,
            Limit::Time(longest) => {
                let mean = self.mean_time().as_nanos().max(1);
                let jobs = longest.as_nanos().saturating_mul(self.shared.threads as u128).checked_div(mean);
                usize::try_from(jobs.unwrap_or(1)).unwrap_or(LONGEST).clamp(1, LONGEST)
            }
        }
    }

    /// What `jobs` take on all threads together.
    fn time_of(&self, jobs: usize) -> Duration {
        let threads = u64::try_from(self.shared.threads).unwrap_or(u64::MAX).max(1);
        let total = nanos(self.mean_time()).saturating_mul(u64::try_from(jobs).unwrap_or(u64::MAX));
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
}

impl<W: Work> Drop for Pool<W> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.queue);
        drop(state);
        drop(left);
        self.shared.wake.notify_all();
    }
}

impl<W: Work> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        // No job runs while the lock is held; whatever panicked then left the queue whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does until the pool is dropped.
    fn serve(&self, memory: &mut W::Memory) {
        while let Some(job) = self.next() {
            if job.reply.is_closed() {
                self.counts.abandoned.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            // A job leaves nothing half-done that the next one would see: every hash overwrites the memory it reads.
            if catch_unwind(AssertUnwindSafe(|| self.run(job, memory))).is_err() {
                self.counts.panicked.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn next(&self) -> Option<Job<W>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            state.idle = state.idle.saturating_add(1);
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
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
        let _ = job.reply.send(answer);
    }
}

impl Counts {
    /// Moves the average an eighth of the way to the newest time.
    fn note(&self, took: Duration) {
        let step = |mean: u64| (mean / 8).saturating_mul(7).saturating_add(nanos(took) / 8);
        let _ = self.mean_nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |mean| Some(step(mean)));
    }
}

/// Counts a running job until it is dropped, by a panic too.
struct Running<'a>(&'a Counts);

impl<'a> Running<'a> {
    fn enter(counts: &'a Counts) -> Self {
        let running = counts.running.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        counts.peak.fetch_max(running, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
