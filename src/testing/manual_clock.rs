//! A clock that stands still.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::boundary::clock::Clock;
use crate::boundary::sync::held;

/// A clock that moves only when a test moves it. Clones share their time.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_password_grant::clock::Clock;
/// use tower_password_grant::testing::ManualClock;
///
/// let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
/// let endpoint_clock = clock.clone();
/// clock.advance(Duration::from_secs(900));
/// assert_eq!(endpoint_clock.elapsed(), Duration::from_secs(900));
/// assert_eq!(endpoint_clock.now(), SystemTime::UNIX_EPOCH + Duration::from_secs(900));
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Time>>);

#[derive(Debug)]
struct Time {
    now: SystemTime,
    elapsed: Duration,
}

impl ManualClock {
    /// A clock whose wall shows the real time of this moment.
    #[must_use]
    pub fn new() -> Self {
        Self::at(SystemTime::now())
    }

    /// A clock whose wall shows `now`.
    #[must_use]
    pub fn at(now: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(Time { now, elapsed: Duration::ZERO })))
    }

    /// Lets time pass, on the wall and since the start. Both stop at the end of all time.
    pub fn advance(&self, time: Duration) {
        let mut own = held(self.0.lock());
        own.now = own.now.checked_add(time).unwrap_or(own.now);
        own.elapsed = own.elapsed.saturating_add(time);
    }

    /// Sets the wall clock alone, forwards or backwards, as an operator or NTP would.
    pub fn set_wall(&self, now: SystemTime) {
        held(self.0.lock()).now = now;
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        held(self.0.lock()).now
    }

    fn elapsed(&self) -> Duration {
        held(self.0.lock()).elapsed
    }
}
