//! How many attempts within which time.

use std::time::Duration;

/// A number of attempts in a row, then a lock that grows.
///
/// Attempts count together as long as no `window` goes by without one. The one that reaches the number begins a lock. Each
/// that follows lasts twice as long, up to a longest, until for the time of the longest nothing was counted or locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    pub(crate) attempts: u32,
    // In milliseconds, as everything that is counted with.
    pub(crate) window: u64,
    pub(crate) first: u64,
    pub(crate) longest: u64,
}

impl Lockout {
    /// `attempts` (at least 1) in a row, each within `window` (at least 1 ms) of the one before; then a lock for as long as
    /// the window, every time. Attempts under way count too, so it also bounds how many run at once.
    #[must_use]
    pub fn new(attempts: u32, window: Duration) -> Self {
        let window = millis(window).max(1);
        Self { attempts: attempts.max(1), window, first: window, longest: window }
    }

    /// Locks for `first` (at least 1 ms), then for twice as long each time, up to `longest`.
    ///
    /// A lock that is shorter than the window gains nothing for the guesser as long as both allow as many attempts a day.
    #[must_use]
    pub fn locked_for(mut self, first: Duration, longest: Duration) -> Self {
        self.first = millis(first).max(1);
        self.longest = millis(longest).max(self.first);
        self
    }

    /// The same with so many times the attempts.
    pub(crate) fn times(self, factor: u32) -> Self {
        Self { attempts: self.attempts.saturating_mul(factor), ..self }
    }

    /// How long the lock after so many in a row lasts.
    pub(crate) fn lock(&self, strikes: u8) -> u64 {
        let doublings = u32::from(strikes.saturating_sub(1)).min(63);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

/// A bucket of attempts that fills again, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    pub(crate) burst: u32,
    pub(crate) interval: u64,
}

impl TokenBucket {
    /// `burst` attempts at once (at least 1), and one more each time that `refill_every` (at least 1 ms) has passed.
    #[must_use]
    pub fn new(burst: u32, refill_every: Duration) -> Self {
        let burst = burst.max(1);
        // The time that fills the whole bucket must be a number, or the bucket would have no end.
        let longest = (u64::MAX / 2).checked_div(u64::from(burst)).unwrap_or(u64::MAX);
        Self { burst, interval: millis(refill_every).clamp(1, longest) }
    }

    /// The same with so many times the attempts, at once and in the long run; rather fewer where that is no whole number of
    /// milliseconds.
    pub(crate) fn times(self, factor: u32) -> Self {
        let interval = self.interval.div_ceil(u64::from(factor.max(1)));
        Self::new(self.burst.saturating_mul(factor), Duration::from_millis(interval))
    }
}

/// What a rule does when its budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Block,
    Monitor,
    Off,
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
