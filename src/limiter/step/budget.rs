//! How many attempts within which time.

use std::time::Duration;

use crate::boundary::setting::SettingError;

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
    /// `attempts` in a row, each within `window` of the one before; then a lock for as long as the window, every time. Attempts
    /// under way count too, so it also bounds how many run at once.
    ///
    /// There is at least 1 attempt, and the window has at least 1 millisecond: [`build`](crate::Builder::build) refuses an
    /// endpoint whose limiter has another budget.
    #[must_use]
    pub fn new(attempts: u32, window: Duration) -> Self {
        let window = millis(window);
        Self { attempts, window, first: window, longest: window }
    }

    /// Locks for `first`, then for twice as long each time, up to `longest`.
    ///
    /// `first` has at least 1 millisecond, and `longest` is no shorter: [`build`](crate::Builder::build) refuses other locks.
    ///
    /// A lock that is shorter than the window gains nothing for the guesser as long as both allow as many attempts a day.
    #[must_use]
    pub fn locked_for(mut self, first: Duration, longest: Duration) -> Self {
        self.first = millis(first);
        self.longest = millis(longest);
        self
    }

    /// The same with so many times the attempts.
    #[inline]
    pub(crate) fn times(self, factor: u32) -> Self {
        Self { attempts: self.attempts.saturating_mul(factor), ..self }
    }

    /// The same with a tenth of the attempts, and one at least. What cannot be stays so.
    pub(super) fn tenth(self) -> Self {
        Self { attempts: tenth(self.attempts), ..self }
    }

    /// Whether it can be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if self.attempts == 0 {
            return Err(SettingError::new("Lockout::new", self.attempts, "1 attempt or more"));
        }
        if self.window == 0 {
            return Err(SettingError::new("Lockout::new", time(self.window), "a window of 1 millisecond or more"));
        }
        if self.first == 0 {
            let range = "a first lock of 1 millisecond or more";
            return Err(SettingError::new("Lockout::locked_for", time(self.first), range));
        }
        if self.longest < self.first {
            let range = "a longest lock that is no shorter than the first";
            return Err(SettingError::new("Lockout::locked_for", time(self.longest), range));
        }
        Ok(())
    }

    /// How long the lock after so many in a row lasts.
    #[inline]
    pub(crate) fn lock(&self, strikes: u8) -> u64 {
        let doublings = u32::from(strikes.saturating_sub(1)).min(63);
        self.first.saturating_mul(1 << doublings).min(self.longest)
    }
}

fn tenth(attempts: u32) -> u32 {
    attempts.div_ceil(10)
}

/// A bucket of attempts that fills again, one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    pub(crate) burst: u32,
    pub(crate) interval: u64,
    /// What the interval was to be.
    refill_every: Duration,
}

impl TokenBucket {
    /// `burst` attempts at once, and one more each time that `refill_every` has passed.
    ///
    /// There is at least 1 attempt, one more after at least 1 millisecond, and the whole bucket is full again within 290 million
    /// years: [`build`](crate::Builder::build) refuses an endpoint whose limiter has another budget.
    #[must_use]
    pub fn new(burst: u32, refill_every: Duration) -> Self {
        Self { burst, interval: countable(burst, refill_every), refill_every }
    }

    /// The same with a tenth of the burst, and one at least, which fills again at a tenth of the rate.
    pub(super) fn tenth(self) -> Self {
        Self::new(tenth(self.burst), self.refill_every.saturating_mul(10))
    }

    /// Whether it can be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if self.burst == 0 {
            return Err(SettingError::new("TokenBucket::new", self.burst, "a burst of 1 attempt or more"));
        }
        if self.interval != millis(self.refill_every) {
            let range = "1 millisecond or more for each attempt, and 290 million years at most for the whole bucket";
            return Err(SettingError::new("TokenBucket::new", self.refill_every, range));
        }
        Ok(())
    }

    /// The same with so many times the attempts, at once and in the long run; rather fewer where that is no whole number of
    /// milliseconds.
    #[inline]
    pub(crate) fn times(self, factor: u32) -> Self {
        let interval = self.interval.div_ceil(u64::from(factor.max(1)));
        Self::new(self.burst.saturating_mul(factor), Duration::from_millis(interval))
    }
}

/// What a limit or a ceiling does when its budget is spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Block,
    Monitor,
    Off,
}

impl Mode {
    /// What is off stays off: there is nothing to watch.
    #[inline]
    pub(crate) fn monitored(self) -> Self {
        if self == Self::Off { Self::Off } else { Self::Monitor }
    }
}

/// The nearest interval that can be counted with: the time that fills the whole bucket must be a number, or the bucket would
/// have no end.
#[inline]
fn countable(burst: u32, refill_every: Duration) -> u64 {
    let longest = (u64::MAX / 2).checked_div(u64::from(burst)).unwrap_or(u64::MAX);
    millis(refill_every).clamp(1, longest)
}

#[inline]
fn time(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[inline]
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
