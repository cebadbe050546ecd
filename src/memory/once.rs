//! One-time values in the memory of this process.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::sync::{Mutex, lock};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, SystemClock};
use crate::boundary::once::OneTimeValues;
use crate::boundary::setting::SettingError;
use crate::protocol::secrets::SecretDigest;

type Key = [u8; 32];

/// Spent one-time values in the memory of this process: bounded, and forgotten by a restart, after which a value that has not
/// expired could be spent again. When it is full of values that have not expired, the next one is an error.
pub struct MemoryOneTimeValues {
    state: Mutex<State>,
    capacity: usize,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    spent: HashSet<Key>,
    by_end: BTreeSet<(SystemTime, Key)>,
}

impl MemoryOneTimeValues {
    /// Room for 100,000 values.
    #[must_use]
    pub fn new() -> Self {
        Self { state: Mutex::new(State::default()), capacity: 100_000, clock: Arc::new(SystemClock::new()) }
    }

    /// Another clock, which tells what has expired. Default: the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Another bound: at least 1.
    ///
    /// # Errors
    /// Fails when it is less.
    pub fn with_capacity(mut self, values: usize) -> Result<Self, SettingError> {
        if values < 1 {
            return Err(SettingError::new("MemoryOneTimeValues::with_capacity", values, "1 or more"));
        }
        self.capacity = values;
        Ok(self)
    }
}

impl Default for MemoryOneTimeValues {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl OneTimeValues for MemoryOneTimeValues {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        let now = self.clock.now();
        let mut state = lock(&self.state);
        while let Some((_, over)) = state.by_end.first().copied().filter(|(end, _)| *end <= now) {
            state.by_end.pop_first();
            state.spent.remove(&over);
        }
        if state.spent.contains(value.as_bytes()) {
            return Ok(false);
        }
        if state.spent.len() >= self.capacity {
            return Err(BackendError::unavailable("there is no room for another one-time value"));
        }
        state.spent.insert(*value.as_bytes());
        state.by_end.insert((expires, *value.as_bytes()));
        Ok(true)
    }
}

impl fmt::Debug for MemoryOneTimeValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryOneTimeValues").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
