//! Time comes in through this door, so that tests need no sleeping.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// The two clocks that the endpoint reads.
///
/// # Contract
/// Neither method blocks. `elapsed` never goes back; `now` may.
///
/// # Security
/// A lock lasts as long as `elapsed` says, a token, a client secret and a client's end date as long as `now` says: who
/// sets these clocks sets them, too.
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

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The clocks, with the monotonic one starting now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
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
