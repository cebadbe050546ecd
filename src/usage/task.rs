//! The writing: by a task, which the first event begins, and by each call that waits for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::time::{sleep, timeout};

use super::books::Books;
use super::queue::{Missed, Queue};
use super::today::Today;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock as _, PartClock, SteadyTime};
use crate::boundary::login_note::LoginNote;
use crate::boundary::put_down::put_down;
use crate::boundary::sync::{Mutex, held};
use crate::boundary::usage::UsageStore;
use crate::observe::contain::{Contain, begin};
use crate::observe::telemetry;
use crate::protocol::usage::day::Day;

/// What comes in so much time is one batch.
const GATHERING: Duration = Duration::from_secs(1);
/// The first wait after a failure, and the longest: each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// How often it is looked whether another day has come, where nobody logs in.
const IDLE: Duration = Duration::from_secs(3_600);
/// How long a store may take to write.
const WRITING: Duration = Duration::from_secs(30);
/// How long a store may take to read or to forget what it has.
pub(super) const READING: Duration = Duration::from_secs(60);

/// What the clones of a ledger and its task share.
pub(super) struct Shared {
    pub(super) store: Box<dyn UsageStore>,
    pub(super) clock: PartClock,
    pub(super) capacity: usize,
    pub(super) retention: u32,
    pub(super) queue: Mutex<Queue>,
    pub(super) books: AsyncMutex<Books>,
    /// Begins with what is entered first, as the endpoint may hand its clock before.
    pub(super) today: Mutex<Option<Today>>,
    pub(super) wake: Notify,
}

/// Whether the task has ended, however it did: with its runtime, too, before it has begun.
struct Served(Arc<Shared>);

impl Drop for Served {
    fn drop(&mut self) {
        held(self.0.queue.lock()).is_served = false;
    }
}

/// A call of the store, which may panic or hang.
pub(super) async fn call<T, F>(limit: Duration, make: impl FnOnce() -> F) -> Result<T, BackendError>
where
    F: Future<Output = Result<T, BackendError>>,
{
    Contain::new(Some(limit), begin(make)?).await
}

impl Shared {
    /// Takes note of a login or a refresh. It never waits.
    pub(super) fn put(self: &Arc<Self>, note: &LoginNote<'_>) {
        let (is_first, is_served) = {
            let mut queue = held(self.queue.lock());
            (queue.put(note, self.capacity), queue.is_served)
        };
        if !is_served {
            self.serve();
        }
        if is_first {
            self.wake.notify_one();
        }
    }

    /// Begins the task on this runtime, if there is one.
    #[cold]
    fn serve(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let served = {
            let mut queue = held(self.queue.lock());
            if queue.is_served {
                return;
            }
            queue.is_served = true;
            Served(Arc::clone(self))
        };
        // A runtime that has ended drops what it is given.
        runtime.spawn(run(served));
    }

    /// Enters what waits.
    pub(super) fn enter(&self, books: &mut Books) {
        held(self.queue.lock()).swap(&mut books.room);
        let mut missed = Missed::default();
        let today = held(self.today.lock()).get_or_insert_with(|| Today::begin(&self.clock)).at_most(&self.clock);
        books.enter(today, &mut missed);
        if let Some(day) = missed.since {
            held(self.queue.lock()).missed.add(missed.count, day);
        }
    }

    /// Writes everything that waits, in batches.
    pub(super) async fn write(&self, books: &mut Books) -> Result<(), BackendError> {
        self.enter(books);
        loop {
            let batch = books.batch();
            if batch.is_empty() {
                books.turn_page();
                return Ok(());
            }
            let writing = batch.clone();
            let recorded = call(WRITING, || self.store.record(writing)).await;
            let left_out = recorded.inspect_err(|_| books.note_failed())?;
            if left_out > 0 {
                held(self.queue.lock()).missed.add(left_out, Day::of(self.clock.now()));
            }
            books.note_written(&batch);
        }
    }

    /// Forgets once a day what is over.
    async fn prune(&self, books: &mut Books, today: Day) -> Result<(), BackendError> {
        if books.pruned >= Some(today) {
            return Ok(());
        }
        let before = today.before(self.retention);
        if call(READING, || self.store.prune(before)).await? > 0 {
            books.doubt_the_store();
        }
        books.pruned = Some(today);
        Ok(())
    }
}

/// Writes what waits until the ledger is gone.
async fn run(served: Served) {
    let shared = &served.0;
    // A clock that is set forward for a moment must not make forget what is kept.
    let time = SteadyTime::begin(Arc::new(shared.clock.clone()));
    let mut wait = Duration::ZERO;
    loop {
        let is_idle = { held(shared.queue.lock()).len() == 0 } && wait.is_zero();
        if is_idle {
            let _ = timeout(IDLE, shared.wake.notified()).await;
        }
        let is_closed = { held(shared.queue.lock()).is_closed };
        if !is_closed {
            gather(shared, wait.max(GATHERING)).await;
        }
        let mut books = shared.books.lock().await;
        let written = async {
            shared.write(&mut books).await?;
            shared.prune(&mut books, Day::of(time.now())).await
        };
        let outcome = written.await;
        drop(books);
        if held(shared.queue.lock()).is_closed {
            return;
        }
        wait = match outcome {
            Ok(()) => Duration::ZERO,
            Err(failure) => {
                telemetry::background_failed("recording usage", &failure);
                put_down(|| drop(failure));
                wait.saturating_mul(2).clamp(FIRST_WAIT, LONGEST_WAIT)
            }
        };
    }
}

/// Waits, and makes room in the queue meanwhile: of many logins of one user one row is kept.
async fn gather(shared: &Shared, wait: Duration) {
    let mut rest = wait;
    while let Some(later) = rest.checked_sub(GATHERING) {
        sleep(GATHERING).await;
        shared.enter(&mut *shared.books.lock().await);
        if held(shared.queue.lock()).is_closed {
            return;
        }
        rest = later;
    }
}
