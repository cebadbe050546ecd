//! Time comes in through this door, so that tests need no sleeping.

use std::fmt::Debug;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant, SystemTime};

/// The two clocks that the endpoint and its parts read.
///
/// Give yours to the builder of the [endpoint](crate::Builder::clock), and to that of the
/// [guard](crate::bearer::BearerGuardBuilder::clock) if there is one, and nowhere else: both hand it to their parts, the limiter,
/// the issuer with its store and what verifies access tokens among them. A part that was given another clock itself
/// (`with_clock`) keeps it, and a warning event names it; so does a `SqliteStore`, which is at work from its opening on
/// and is given its clock there. Parts of your own take it by `follow_clock`, which each of those traits has.
///
/// # What goes by which
///
/// | By [`now`](Self::now), the wall clock | By [`elapsed`](Self::elapsed), which is monotonic |
/// |---|---|
/// | when tokens are issued and expire, and `not before` | budgets and locks of the limiters |
/// | refresh token families, their idle time and their leeway | the ceilings of requests |
/// | the life of client secrets, end dates of clients | how long an answer took |
/// | one-time values, pruning of the SQLite store | caches of tokens, keys of another issuer |
///
/// A wall clock that was set back is noticed by the monotonic one at refreshes: a spent refresh token stays spent. Deadlines, the
/// queue of password hashes, the SQLite store's waits for another process and the interval of its pruning are real time, of
/// tokio or the operating system, and of no clock that is given.
///
/// # Contract
/// Neither method blocks. `elapsed` never goes back; `now` may.
///
/// # Security
/// A lock lasts as long as `elapsed` says, a token, a client secret and a client's end date as long as `now` says.
/// Anyone who sets these clocks sets them, too.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock: for expiry dates and the facts in a token.
    fn now(&self) -> SystemTime;

    /// Time since some fixed moment, which never goes back: for counting attempts.
    fn elapsed(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }

    fn elapsed(&self) -> Duration {
        (**self).elapsed()
    }
}

/// The clocks of the operating system. All of a process show the same.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The clocks. The monotonic one started with the first of the process.
    #[must_use]
    pub fn new() -> Self {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self { start: *START }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The time of what is forgotten for good: a wall clock that is set forward for a moment must not make what is spent fresh.
pub(crate) struct SteadyTime {
    clock: Arc<dyn Clock>,
    origin: SystemTime,
    elapsed_at_origin: Duration,
}

impl SteadyTime {
    /// Begins with what the wall clock shows now.
    pub(crate) fn begin(clock: Arc<dyn Clock>) -> Self {
        let (origin, elapsed_at_origin) = (clock.now(), clock.elapsed());
        Self { clock, origin, elapsed_at_origin }
    }

    /// What the wall clock shows, but no more than has passed since the beginning.
    pub(crate) fn now(&self) -> SystemTime {
        let passed = self.clock.elapsed().saturating_sub(self.elapsed_at_origin);
        self.origin.checked_add(passed).map_or_else(|| self.clock.now(), |steady| steady.min(self.clock.now()))
    }
}

/// The clock that an endpoint or a guard hands to its parts; see [`Clock`].
#[derive(Clone, Debug)]
pub struct SharedClock {
    clock: Arc<dyn Clock>,
    is_chosen: bool,
}

impl SharedClock {
    /// The one that was chosen, or the operating system's.
    pub(crate) fn new(chosen: Option<Arc<dyn Clock>>) -> Self {
        let is_chosen = chosen.is_some();
        Self { clock: chosen.unwrap_or_else(|| Arc::new(SystemClock::new())), is_chosen }
    }

    /// The clock, for a part of your own that reads one.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What its monotonic clock showed.
    pub(crate) const fn showed(&self, elapsed: Duration) -> Reading<'_> {
        Reading { clock: self, elapsed }
    }

    /// Whether `other` shows the same time of day, give or take a second. It compares [`now`](Clock::now) alone, not
    /// [`elapsed`](Clock::elapsed).
    #[must_use]
    pub fn agrees_with(&self, other: &dyn Clock) -> bool {
        const MOST: Duration = Duration::from_secs(1);
        let (own, other) = (self.clock.now(), other.now());
        own.duration_since(other).unwrap_or_else(|error| error.duration()) <= MOST
    }
}

/// What the monotonic clock of an endpoint showed a moment ago, for parts that go by the same clock: reading it again costs more than
/// what they do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<'a> {
    clock: &'a SharedClock,
    elapsed: Duration,
}

/// The clock of a part: the one that it was given, else the one that is handed to it first, else the operating system's. Clones
/// share it.
#[derive(Clone, Debug)]
pub(crate) struct PartClock {
    system: SystemClock,
    other: Arc<OnceLock<Arc<dyn Clock>>>,
}

impl PartClock {
    pub(crate) fn system() -> Self {
        Self { system: SystemClock::new(), other: Arc::default() }
    }

    pub(crate) fn given(clock: impl Clock) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Self { system: SystemClock::new(), other: Arc::new(clock.into()) }
    }

    /// Takes the clock unless there is another one, and answers whether the part goes by it.
    pub(crate) fn follow(&self, shared: &SharedClock) -> bool {
        if !shared.is_chosen {
            return self.other.get().is_none_or(|other| shared.agrees_with(other));
        }
        let other = self.other.get_or_init(|| Arc::clone(&shared.clock));
        Arc::ptr_eq(other, &shared.clock) || shared.agrees_with(other)
    }

    /// What the monotonic clock shows, or showed when it was read. A reading of another clock says nothing here.
    #[inline]
    pub(crate) fn elapsed_by(&self, reading: Option<Reading<'_>>) -> Duration {
        let is_own = |reading: &Reading<'_>| match self.other.get() {
            Some(other) => Arc::ptr_eq(other, &reading.clock.clock),
            None => !reading.clock.is_chosen,
        };
        reading.filter(is_own).map_or_else(|| self.elapsed(), |reading| reading.elapsed)
    }

    fn get(&self) -> &dyn Clock {
        self.other.get().map_or(&self.system, |other| &**other)
    }
}

impl Clock for PartClock {
    fn now(&self) -> SystemTime {
        self.get().now()
    }

    fn elapsed(&self) -> Duration {
        self.get().elapsed()
    }
}
