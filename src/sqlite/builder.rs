//! The options of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, fs, io, thread};

use tokio::sync::{Semaphore, watch};

use super::counting_key::CountingKey;
use super::error::SqliteError;
use super::location::{self, Files};
use super::open::{Opening, PAGE};
use super::prune::Pruner;
use super::queue::Queue;
use super::reader::Reader;
use super::stats::Counters;
use super::store::{Handle, SqliteStore};
use super::time::CountingTime;
use super::writer::{Pruning, Writer};
use crate::boundary::access::MOST_TOKENS;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::identity::StoreIdentity;
use crate::protocol::secret::shared_key::SharedKey;

/// The longest `busy_timeout`.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// The least `max_size`, in bytes: the empty tables take half of it.
const SMALLEST: u64 = 256 << 10;
/// The largest `max_size`, in bytes: what SQLite can count with pages of 4 KiB.
const LARGEST: u64 = 0xffff_fffe * PAGE;
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
const LONGEST_INTERVAL: Duration = Duration::from_secs(86_400);

/// Options of a [`SqliteStore`]; see [`SqliteStore::builder`].
#[must_use]
pub struct SqliteStoreBuilder {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    reader_threads: usize,
    queue: usize,
    busy_timeout: Duration,
    max_size: u64,
    pruning: Pruning,
    access_tokens_per_login: u32,
    shared_key: Option<SharedKey>,
    forgets_others: bool,
}

impl SqliteStoreBuilder {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            clock: Arc::new(SystemClock::new()),
            reader_threads: 2,
            queue: 1024,
            busy_timeout: Duration::from_secs(5),
            max_size: 16 << 30,
            pruning: Pruning { interval: Duration::from_secs(60), retention: Duration::from_secs(3600) },
            access_tokens_per_login: MOST_TOKENS as u32,
            shared_key: None,
            forgets_others: false,
        }
    }

    /// Another clock, which says what has expired and how long attempts count. Default: the operating system's. For
    /// tests. The store works from the moment when it is opened, so give it the endpoint's own clock here; a warning
    /// event tells if the two differ.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// How many threads read: 1 to 1,024. Default: 2. More help where many cores look up opaque tokens; there is one
    /// thread that writes.
    pub fn reader_threads(mut self, threads: usize) -> Self {
        self.reader_threads = threads;
        self
    }

    /// How many operations may wait for the writer, and how many for the readers: at least 1. Default: 1,024 each. One
    /// more is refused with 503, so it bounds both memory and how long a request can wait: at most so many operations
    /// go before it, many to a commit.
    pub fn queue(mut self, operations: usize) -> Self {
        self.queue = operations;
        self
    }

    /// How long to wait for another process that writes to the same file, an hour at most. Default: 5 seconds. Two
    /// processes may share the file, as in a rolling restart on one host.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How large the file may become, in bytes: 256 KiB to 16 TiB. Default: 16 GiB. Beyond it all that needs room is an
    /// error, and 503. A login with refresh and access token takes about 1 KiB until it expires, each refresh about 0.5
    /// KiB more, up to [a hundred](Self::access_tokens_per_login) access tokens.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = bytes;
        self
    }

    /// How often expired rows are looked for, and whether the file is still in its place: 10 ms to a day. Default:
    /// every minute. Rows are removed in small steps, between which requests are served.
    pub fn prune_every(mut self, interval: Duration) -> Self {
        self.pruning.interval = interval;
        self
    }

    /// How long rows are kept after they expired. Default: an hour, so that a clock that is set forward for a moment
    /// does not end every login.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.pruning.retention = retention;
        self
    }

    /// How many access tokens one login has: at least 1. Default: 100, so that no user fills the file. One login is a
    /// refresh token family; without refresh tokens it is whatever a subject has at a client. Its oldest token ends
    /// when it gets one more. Raise it where one account serves many machines at once, such as the jobs of a build
    /// server.
    pub fn access_tokens_per_login(mut self, tokens: u32) -> Self {
        self.access_tokens_per_login = tokens;
        self
    }

    /// The operator's key for the digests under which attempts are counted, so that a reader of the file alone can test
    /// no name and no address; and so that the file may keep which secret was denied last, and the same mistake counts
    /// once after a restart or through a second process, too. Default: a key that lies in the file, and which secret
    /// was denied last is known until a restart only. Give the same key to the endpoint
    /// ([`AttackProtection::shared_key`](crate::limiter::AttackProtection::shared_key)), and to all that open the file.
    ///
    /// # Errors
    /// [`open`](Self::open) fails with [`OtherSharedKey`](SqliteError::OtherSharedKey) if attempts were counted in the
    /// file under another key, or under none, and the other way round.
    pub fn shared_key(mut self, key: SharedKey) -> Self {
        self.shared_key = Some(key);
        self
    }

    /// Forgets what was counted in the file under another [shared key](Self::shared_key), or under none, where `open`
    /// would fail: all locks are lifted. Default: off. For the one start with another key. A process that still counts
    /// under the old one gets errors from then on, and answers 503.
    pub fn forget_attempts_under_other_keys(mut self) -> Self {
        self.forgets_others = true;
        self
    }

    /// Opens or makes the database and starts the threads. It reads and writes the file, so call it before the server
    /// starts, or in `spawn_blocking`.
    ///
    /// # Errors
    /// Fails when an option is out of its range, and when the file cannot be opened and written, or is not this
    /// store's. What would fail at the first login fails here.
    pub fn open(self) -> Result<SqliteStore, SqliteError> {
        self.check()?;
        let path = location::path_of(&self.path)?;
        location::prepare(&path)?;
        let files = Files::named(&path)?;
        let opening = Opening { path, busy_timeout: self.busy_timeout, max_size: self.max_size };
        // Looked for before SQLite plays it, as it may remove it.
        let has_log = fs::metadata(location::beside(&opening.path, "-wal")).is_ok_and(|log| log.len() > 0);
        let opened = opening.writer().and_then(|db| Opening::prove(&db).map(|()| db));
        let db = opened.map_err(|error| {
            let error = error.at(&opening.path);
            if has_log { error.with_log_of(&opening.path) } else { error }
        })?;
        let files = Arc::new(files.with_those_beside()?);
        let key = CountingKey::open(&db, &opening.path, self.shared_key.as_ref(), self.forgets_others)?;
        let latest = Opening::latest(&db)?;
        let counters = Arc::new(Counters::default());
        let (ends, alive) = watch::channel(());
        let time = CountingTime::begin(Arc::clone(&self.clock), latest);
        let handle = Handle {
            writes: Arc::new(Queue::new(self.queue)),
            reads: Arc::new(Queue::new(self.queue)),
            counters: Arc::clone(&counters),
            clock: Arc::clone(&self.clock),
            key: Arc::new(key),
            files: Arc::clone(&files),
            opening: opening.clone(),
            pruner: Arc::new(Pruner::new(self.clock, time.clone())),
            apart: Arc::new(Semaphore::new(1)),
            time,
            locks: Arc::default(),
            tokens_per_login: self.access_tokens_per_login.into(),
            identity: StoreIdentity::new(),
            alive,
        };
        let mut readers = Vec::with_capacity(self.reader_threads);
        for _ in 0..self.reader_threads {
            let (queue, counters) = (Arc::clone(&handle.reads), Arc::clone(&counters));
            let db = opening.reader().map_err(|error| error.at(&opening.path))?;
            let reader = Reader { db, files: Arc::clone(&files), queue, counters };
            readers.push(start("sqlite-reader", move || reader.run())?);
        }
        let queue = Arc::clone(&handle.writes);
        let pruning = self.pruning;
        let pruner = Arc::clone(&handle.pruner);
        // Every connection is open by now, and each opened the file that has the name.
        files.look().map_err(|_| SqliteError::Replaced)?;
        let writer = Writer { db, opening, files, queue, readers, counters, pruning, pruner };
        start("sqlite-writer", move || {
            writer.run();
            drop(ends);
        })?;
        // Until here a failure drops the handle, which ends the threads that were started.
        Ok(SqliteStore::new(handle))
    }
}

impl SqliteStoreBuilder {
    /// Whether every option is within its range.
    fn check(&self) -> Result<(), SqliteError> {
        let (interval, size) = (self.pruning.interval, self.max_size);
        let rules = [
            ("reader_threads", (1..=1024).contains(&self.reader_threads), "1 to 1,024"),
            ("queue", self.queue >= 1, "at least 1"),
            ("busy_timeout", self.busy_timeout <= LONGEST_WAIT, "an hour at most"),
            ("max_size", (SMALLEST..=LARGEST).contains(&size), "256 KiB to 16 TiB"),
            ("access_tokens_per_login", self.access_tokens_per_login >= 1, "at least 1"),
            ("prune_every", (SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&interval), "10 milliseconds to a day"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((option, _, range)) => Err(SqliteError::Option { option, range }),
            None => Ok(()),
        }
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<thread::JoinHandle<()>, SqliteError> {
    let started: io::Result<_> = thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map_err(SqliteError::Thread)
}

impl fmt::Debug for SqliteStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStoreBuilder").field("path", &self.path).finish_non_exhaustive()
    }
}
