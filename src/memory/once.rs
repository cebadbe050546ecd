//! One-time values in the memory of this process.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use async_trait::async_trait;

use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock, SteadyTime};
use crate::boundary::once::OneTimeValues;
use crate::boundary::setting::{SettingError, one_or_more};
use crate::boundary::sync::{Mutex, held};
use crate::protocol::secret::secrets::SecretDigest;

type Key = [u8; 32];

/// Spent one-time values in the memory of this process: bounded, and forgotten by a restart, after which a value that has not
/// expired could be spent again. When it is full of values that have not expired, the next one is an error. A clock that
/// is set makes no spent value fresh: one is forgotten when the wall clock is past its end and as much time has passed.
pub struct MemoryOneTimeValues {
    state: Mutex<State>,
    capacity: usize,
    clock: PartClock,
    /// Since the first value.
    time: OnceLock<SteadyTime>,
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
        let (clock, time) = (PartClock::system(), OnceLock::new());
        Self { state: Mutex::new(State::default()), capacity: 100_000, clock, time }
    }

    /// Another clock, which says what has expired. Default: the one that the endpoint [hands](Clock) to it before the first value,
    /// else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    /// Another bound: at least 1.
    ///
    /// # Errors
    /// Fails when it is less.
    pub fn with_capacity(mut self, values: usize) -> Result<Self, SettingError> {
        self.capacity = one_or_more("MemoryOneTimeValues::with_capacity", values)?;
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
        let now = self.time.get_or_init(|| SteadyTime::begin(Arc::new(self.clock.clone()))).now();
        let mut state = held(self.state.lock());
        while let Some((_, over)) = state.by_end.first().copied().filter(|(end, _)| *end <= now) {
            state.by_end.pop_first();
            state.spent.remove(&over);
        }
        if state.spent.len() >= self.capacity && !state.spent.contains(value.as_bytes()) {
            return Err(BackendError::unavailable("there is no room for another one-time value"));
        }
        if !state.spent.insert(*value.as_bytes()) {
            return Ok(false);
        }
        state.by_end.insert((expires, *value.as_bytes()));
        Ok(true)
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        Ok(held(self.state.lock()).spent.contains(value.as_bytes()))
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        // What was spent by one clock is not forgotten by another.
        if self.time.get().is_some() { clock.agrees_with(&self.clock) } else { self.clock.follow(clock) }
    }
}

impl fmt::Debug for MemoryOneTimeValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryOneTimeValues").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::boundary::clock::SystemClock;

    #[derive(Clone, Debug)]
    struct Hand(Arc<Mutex<(SystemTime, Duration)>>);

    impl Clock for Hand {
        fn now(&self) -> SystemTime {
            self.0.lock().unwrap().0
        }

        fn elapsed(&self) -> Duration {
            self.0.lock().unwrap().1
        }
    }

    #[tokio::test]
    async fn values_go_by_the_clock_that_is_handed_to_them_before_the_first_one() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let hand = Hand(Arc::new(Mutex::new((start, Duration::ZERO))));
        let values = MemoryOneTimeValues::new().with_capacity(1).unwrap();
        assert!(values.follow_clock(&SharedClock::new(Some(Arc::new(hand.clone())))));
        let (ticket, until) = (SecretDigest::of("ticket"), start + Duration::from_secs(600));
        for unspent in [true, false] {
            // By the operating system's clock it would be over long ago.
            assert_eq!(values.consume(&ticket, until).await.unwrap(), unspent);
        }
        let late = SharedClock::new(Some(Arc::new(SystemClock::new())));
        assert!(!values.follow_clock(&late), "what was spent by one clock is not forgotten by another");
        assert!(!values.consume(&ticket, until).await.unwrap());
    }

    #[tokio::test]
    async fn a_clock_that_jumps_past_the_end_and_back_makes_no_spent_value_fresh() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds| start + Duration::from_secs(seconds);
        let hand = Hand(Arc::new(Mutex::new((start, Duration::ZERO))));
        let set = |wall, elapsed| *hand.0.lock().unwrap() = (wall, Duration::from_secs(elapsed));
        let values = MemoryOneTimeValues::new().with_clock(hand.clone()).with_capacity(1).unwrap();
        let (ticket, other) = (SecretDigest::of("ticket"), SecretDigest::of("other"));
        assert!(values.consume(&ticket, at(600)).await.unwrap());
        set(at(1_000_000), 1);
        assert!(values.consume(&other, at(2_000_000)).await.is_err(), "it holds its place");
        set(at(2), 2);
        assert!(!values.consume(&ticket, at(600)).await.unwrap());
        set(at(600), 600);
        assert!(values.consume(&other, at(1200)).await.unwrap(), "it goes when its time has passed");
        // A clock that was ahead at the start and is put right holds it, too.
        set(at(599), 2000);
        assert!(!values.consume(&other, at(1200)).await.unwrap());
    }
}
