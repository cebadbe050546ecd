//! What a host may choose for the limiter in memory.

use super::limiter::MemoryLimiter;
use super::tables::Tables;
use crate::boundary::clock::{Clock, PartClock};
use crate::limiter::step::limits::Limits;

impl MemoryLimiter {
    /// Other limits. Default: [`Limits::new`]. To be set before the first use, as it forgets everything.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.tables = Tables::new(limits.capacity);
        self.limits = limits;
        self
    }

    /// Another clock, for tests. Default: the one that the endpoint [hands](Clock) to it, else the operating system's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }
}
