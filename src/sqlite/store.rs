//! The store: a handle on its threads.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{Semaphore, watch};

use super::builder::SqliteStoreBuilder;
use super::counting_key::CountingKey;
use super::db::Db;
use super::error::SqliteError;
use super::failure::{Failure, Unanswered};
use super::job::{Answer, Job, Operation, Transaction, ignored};
use super::location::Files;
use super::open::Opening;
use super::prune::Pruner;
use super::queue::{Given, Queue, Refused};
use super::stats::{Counters, SqliteStats, add};
use super::time::{CountingTime, floor};
use crate::boundary::backend::{BackendError, OperationError};
use crate::boundary::clock::{Clock, SharedClock};
use crate::boundary::identity::StoreIdentity;
use crate::limiter::locks::Locks;

/// When to try again if too much waits.
const SOON: Duration = Duration::from_secs(1);
/// How long a task waits awake for a look-up by a thread that is awake: about twice as long as one takes. Others of its
/// runtime wait meanwhile, as they do while it computes.
const LOOK_UP: Duration = Duration::from_micros(20);

/// Users, clients, refresh token families, opaque access tokens, one-time values and counted attempts in one SQLite
/// file. Cloning is cheap, and all clones are one store. See the [module](self::super) for what it promises.
///
/// ```
/// use tower_password_grant::{Client, ClientRegistry};
/// use tower_password_grant::sqlite::SqliteStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = std::env::temp_dir().join(format!("sqlite-example-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("auth.db");
/// let store = SqliteStore::open(&file)?;
/// let cli = Client::public("cli").allow_password_grant().allow_refresh_tokens();
/// let cli = cli.scopes("read").build()?;
/// store.put_client(&cli).await?;
/// assert!(store.find("cli").await.is_ok_and(|found| found.is_some()));
/// store.close().await;
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore(Arc<Handle>);

pub(super) struct Handle {
    pub(super) writes: Arc<Queue<Box<dyn Job>>>,
    pub(super) reads: Arc<Queue<Box<dyn Job>>>,
    pub(super) counters: Arc<Counters>,
    pub(super) clock: Arc<dyn Clock>,
    /// Of the limiter's digests.
    pub(super) key: Arc<CountingKey>,
    pub(super) time: CountingTime,
    /// Whose the limiter's locks are.
    pub(super) locks: Arc<Locks>,
    pub(super) files: Arc<Files>,
    pub(super) opening: Opening,
    pub(super) pruner: Arc<Pruner>,
    /// The turn of what is read apart: one at a time.
    pub(super) apart: Arc<Semaphore>,
    /// The most access tokens of one login.
    pub(super) tokens_per_login: i64,
    pub(super) identity: StoreIdentity,
    /// Ends when the writer has closed the database.
    pub(super) alive: watch::Receiver<()>,
}

impl Handle {
    fn close(&self) {
        self.writes.close();
        self.reads.close();
    }
}

impl Drop for Handle {
    /// The threads do what waits, and end.
    fn drop(&mut self) {
        self.close();
    }
}

impl SqliteStore {
    /// Opens or makes the database at `path`, with the defaults of [`builder`](Self::builder).
    ///
    /// It reads and writes the file, so call it before the server starts, or in `spawn_blocking`.
    ///
    /// # Errors
    /// Fails when the file cannot be opened, or is not this store's.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SqliteError> {
        Self::builder(path).open()
    }

    /// Opens or makes the database at `path`, with options.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref())
    }

    pub(super) fn new(handle: Handle) -> Self {
        Self(Arc::new(handle))
    }

    /// What the store did since it was opened.
    #[must_use]
    pub fn stats(&self) -> SqliteStats {
        self.0.counters.look(self.0.writes.len())
    }

    /// Closes the store for all its clones: what waits is still done, then the log is written back into the file and
    /// the file is closed. Every later operation is an error. Without it the same happens when the last clone is
    /// dropped, and nobody waits for it; nothing that was answered is lost either way.
    pub async fn close(&self) {
        self.0.close();
        let mut alive = self.0.alive.clone();
        // Nothing is ever sent: it ends with the writer.
        let _ = alive.changed().await;
    }

    /// Removes every row that has expired, now and without the [retention](SqliteStoreBuilder::retention), and every
    /// family that was ended more than ten minutes ago, and answers how many there were. In small steps, each in a
    /// transaction of its own, between which other operations are served.
    ///
    /// # Errors
    /// As any operation.
    pub async fn prune(&self) -> Result<u64, OperationError> {
        let mut rows = 0_u64;
        loop {
            let pruner = Arc::clone(&self.0.pruner);
            let at = pruner.instants(Duration::ZERO);
            let step = self.submit(Transaction::Own, move |db| pruner.step(db, at), ignored).await;
            let step = step.map_err(BackendError::from)?;
            rows = rows.saturating_add(step.rows);
            if !step.is_short {
                add(&self.0.counters.pruned, rows);
                return Ok(rows);
            }
        }
    }

    /// Whether the store goes by this clock: it works from the moment when it is opened, so it takes no other one
    /// later.
    pub(super) fn agrees_with(&self, clock: &SharedClock) -> bool {
        clock.agrees_with(&*self.0.clock)
    }

    /// The time by the store's own clock, in milliseconds.
    pub(super) fn now(&self) -> i64 {
        floor(self.0.clock.now())
    }

    /// The files, and how to open them.
    pub(super) fn place(&self) -> (Arc<Files>, Opening) {
        (Arc::clone(&self.0.files), self.0.opening.clone())
    }

    pub(super) fn apart(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.apart)
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.0.counters)
    }

    pub(super) fn own_identity(&self) -> StoreIdentity {
        self.0.identity.clone()
    }

    pub(super) fn tokens_per_login(&self) -> i64 {
        self.0.tokens_per_login
    }

    pub(super) fn counting_key(&self) -> Arc<CountingKey> {
        Arc::clone(&self.0.key)
    }

    pub(super) fn locks(&self) -> Arc<Locks> {
        Arc::clone(&self.0.locks)
    }

    pub(super) fn time(&self) -> CountingTime {
        self.0.time.clone()
    }

    /// Has some work done in a transaction, whole or not at all, and waits until it is durable. Dropped, it may still
    /// be done.
    pub(super) async fn write<T, W>(&self, work: W) -> Result<T, BackendError>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
    {
        Ok(self.try_write(work).await?)
    }

    /// The same, for one that may be tried once more if it is sure that it was not done.
    pub(super) async fn try_write<T, W>(&self, work: W) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
    {
        self.try_write_then(work, ignored).await
    }

    /// The same, with what is done once it is durable, also if the call is dropped before.
    pub(super) async fn try_write_then<T, W, K>(&self, work: W, kept: K) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
        K: FnOnce(&T) + Send + 'static,
    {
        self.submit(Transaction::Shared, work, kept).await
    }

    /// Has something removed of which nothing must be found afterwards: what the log still has of it goes at the next
    /// pruning.
    pub(super) async fn erase<T, W>(&self, work: W) -> Result<T, BackendError>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
    {
        let pruner = Arc::clone(&self.0.pruner);
        Ok(self.try_write_then(work, move |_| pruner.old_pages.forgot()).await?)
    }

    /// Has some rows removed that are over, in a transaction of its own, and answers how many there were.
    pub(super) async fn remove_some<W>(&self, work: W) -> Result<u64, BackendError>
    where
        W: FnOnce(&Db) -> Result<u64, Failure> + Send + 'static,
    {
        let rows = self.submit(Transaction::Own, work, ignored).await?;
        add(&self.0.counters.pruned, rows);
        Ok(rows)
    }

    /// How many rows one such step may remove, as it was measured.
    pub(super) fn rows_of_a_step(&self) -> usize {
        self.0.pruner.rows()
    }

    /// Has something read.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T, BackendError>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
    {
        Ok(self.submit(Transaction::None, work, ignored).await?)
    }

    /// Has a row looked up by its key: by the writer if it waits for work, because it knows the newest state already,
    /// and what follows on the row will find it awake; else by a reader. What takes longer would hold up writes.
    pub(super) async fn look_up<T, W>(&self, work: W) -> Result<T, BackendError>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
    {
        self.0.files.trusted().map_err(Unanswered::from)?;
        let (job, mut answer) = Operation::boxed(work, Transaction::None, ignored);
        match self.0.writes.push_if_idle(job) {
            Ok(Given::Awake) => {
                if let Some(answer) = answered_soon(&mut answer) {
                    return Ok(answer?);
                }
            }
            Ok(Given::Asleep) => {}
            Err(job) => self.push(job)?,
        }
        Ok(answered(answer).await?)
    }

    async fn submit<T, W, K>(&self, transaction: Transaction, work: W, kept: K) -> Result<T, Unanswered>
    where
        T: Send + 'static,
        W: FnOnce(&Db) -> Result<T, Failure> + Send + 'static,
        K: FnOnce(&T) + Send + 'static,
    {
        self.0.files.trusted()?;
        let (job, answer) = Operation::boxed(work, transaction, kept);
        self.push(job)?;
        answered(answer).await
    }

    /// Puts a job into the queue of its threads.
    fn push(&self, job: Box<dyn Job>) -> Result<(), Unanswered> {
        let queue = match job.transaction() {
            Transaction::None => &self.0.reads,
            Transaction::Shared | Transaction::Own => &self.0.writes,
        };
        queue.push(job).map_err(|refused| {
            Unanswered::undone(match refused {
                Refused::Full => {
                    add(&self.0.counters.refused, 1);
                    BackendError::overloaded(SOON)
                }
                Refused::Closed => BackendError::unavailable("the SQLite store is closed"),
            })
        })
    }
}

async fn answered<T>(answer: Answer<T>) -> Result<T, Unanswered> {
    answer.await.unwrap_or_else(|_| Err(thread_ended()))
}

fn thread_ended() -> Unanswered {
    Unanswered::unknown(BackendError::unavailable("a thread of the SQLite store ended"))
}

/// The answer, if it comes sooner than a task that sleeps is woken. To let other tasks go first meanwhile would wake
/// threads of the runtime, which costs more than the answer.
fn answered_soon<T>(answer: &mut Answer<T>) -> Option<Result<T, Unanswered>> {
    let began = Instant::now();
    loop {
        match answer.try_recv() {
            Ok(answer) => return Some(answer),
            // There is nothing to wait for any more, and to wait all the same would panic.
            Err(TryRecvError::Closed) => return Some(Err(thread_ended())),
            Err(TryRecvError::Empty) if began.elapsed() < LOOK_UP => std::thread::yield_now(),
            Err(TryRecvError::Empty) => return None,
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
