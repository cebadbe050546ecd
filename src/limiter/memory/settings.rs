//! What a host may choose for the limiter in memory.

use super::limiter::MemoryLimiter;
use super::tables::Tables;
use crate::boundary::clock::{Clock, PartClock};
use crate::limiter::step::rules::LimiterRules;

impl MemoryLimiter {
    /// Other rules. Default: [`LimiterRules::new`]. To be set before the first use, as it forgets everything.
    #[must_use]
    pub fn with_rules(mut self, rules: LimiterRules) -> Self {
        self.tables = Tables::new(rules.capacity);
        self.rules = rules;
        self
    }

    /// Another clock, for tests. Default: the one that the endpoint [hands](Clock) to it, else the operating system's.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }
}
