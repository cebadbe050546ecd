//! The limiter in memory, with a mistake that the gate must catch.

use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use tower_password_grant::clock::SharedClock;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, MemoryLimiter, Reservation, Reserved, Settlement,
};
use tower_password_grant::{BackendError, MaybeFuture};

use super::store::Insider;

/// Writes down the attempts that have what they need.
pub struct Noting {
    limiter: MemoryLimiter,
    insider: Insider,
    lines: Mutex<Vec<String>>,
}

impl Noting {
    pub fn new(limiter: MemoryLimiter, insider: &Insider) -> Self {
        Self { limiter, insider: Insider::clone(insider), lines: Mutex::default() }
    }
}

impl AttemptLimiter for Noting {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        if self.insider.load(Relaxed) {
            let mut lines = self.lines.lock().unwrap();
            lines.clear();
            lines.push(format!("{:?} was right", key.address));
        }
        self.limiter.reserve(key)
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        self.limiter.settle(reservation, settlement)
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.limiter.follow_clock(clock)
    }
}
