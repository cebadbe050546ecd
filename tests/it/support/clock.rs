//! A clock that stands still until a test moves it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_password_grant::clock::Clock;

/// Clones share one time, which starts at 2026-01-01T00:00:00Z: what has passed, and how far the wall clock was set back.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Duration>>, Arc<Mutex<Duration>>);

impl ManualClock {
    pub fn new() -> Self {
        Self(Arc::default(), Arc::default())
    }

    pub fn start() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_767_225_600)
    }

    pub fn advance_secs(&self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    pub fn advance(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }

    /// Sets the wall clock right after it was set back.
    pub fn set_right(&self) {
        *self.1.lock().unwrap() = Duration::ZERO;
    }

    /// Sets the wall clock back, as an operator or NTP would.
    pub fn set_back(&self, time: Duration) {
        *self.1.lock().unwrap() += time;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        Self::start() + self.elapsed() - *self.1.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}
