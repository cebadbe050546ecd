//! Instants as the store keeps them: whole milliseconds since 1970.
//!
//! They are rounded down, so that nothing lives longer than it was promised, at most a millisecond shorter. Only the
//! end of a one-time value is rounded up: it must not be forgotten sooner.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::failure::Failure;
use crate::boundary::clock::Clock;
use crate::protocol::millis;
pub(super) use crate::protocol::millis::{ceil, floor};

/// The instant of what was written.
pub(super) fn instant(millis: i64) -> Result<SystemTime, Failure> {
    millis::instant(millis).ok_or(Failure::Row("an instant"))
}

/// The time that attempts are counted by: since 1970, by the wall clock when the store was opened, and by the monotonic
/// one since then.
#[derive(Clone)]
pub(super) struct CountingTime {
    clock: Arc<dyn Clock>,
    origin: Duration,
    elapsed_at_origin: Duration,
}

impl CountingTime {
    /// Begins now, or at `latest`, in milliseconds, if the wall clock was set back behind it.
    pub(super) fn begin(clock: Arc<dyn Clock>, latest: i64) -> Self {
        let wall = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let latest = Duration::from_millis(latest.max(0).cast_unsigned());
        let elapsed_at_origin = clock.elapsed();
        Self { clock, origin: wall.max(latest), elapsed_at_origin }
    }

    /// The wall clock's instant, but no later than `now` would be: for what is forgotten for good, so that a clock that
    /// is set forward for a moment makes nothing fresh that was spent.
    pub(super) fn earlier(&self, wall: SystemTime) -> SystemTime {
        UNIX_EPOCH.checked_add(self.now()).map_or(wall, |counted| counted.min(wall))
    }

    pub(super) fn now(&self) -> Duration {
        self.origin.saturating_add(self.clock.elapsed().saturating_sub(self.elapsed_at_origin))
    }
}

/// The wall clock, which goes on for a while as if it had not been set back: until all that was over before is
/// forgotten.
pub(super) struct ForwardTime {
    wall: SystemTime,
    elapsed: Duration,
    /// Since when the wall clock is behind.
    behind: Option<Duration>,
}

impl ForwardTime {
    pub(super) fn begin(wall: SystemTime, elapsed: Duration) -> Self {
        Self { wall, elapsed, behind: None }
    }

    /// The instant when the wall clock shows `wall`, and that much time has passed.
    pub(super) fn at(&mut self, wall: SystemTime, elapsed: Duration) -> SystemTime {
        let passed = elapsed.saturating_sub(self.elapsed);
        let expected = self.wall.checked_add(passed).unwrap_or(wall);
        let behind = *self.behind.get_or_insert(elapsed);
        if wall < expected && elapsed.saturating_sub(behind) <= DISTRUST {
            return expected;
        }
        *self = Self::begin(wall, elapsed);
        wall
    }
}

/// How long a wall clock that was set back is not believed: longer than any predecessor may be presented again.
const DISTRUST: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn instants_are_rounded_down_on_both_sides_of_1970() {
        let at = |nanos: u64| UNIX_EPOCH + Duration::from_nanos(nanos);
        let before = |nanos: u64| UNIX_EPOCH - Duration::from_nanos(nanos);
        assert_eq!([floor(at(0)), floor(at(1_999_999)), floor(at(2_000_000))], [0, 1, 2]);
        assert_eq!([floor(before(1)), floor(before(1_000_000)), floor(before(1_000_001))], [-1, -1, -2]);
        assert_eq!([ceil(at(0)), ceil(at(1)), ceil(at(1_000_000))], [0, 1, 1]);
        assert_eq!(floor(UNIX_EPOCH + Duration::from_secs(u64::MAX / 4)), i64::MAX);
    }

    proptest! {
        #[test]
        fn nothing_lives_longer_and_at_most_a_millisecond_shorter(nanos in 0..u64::MAX / 2) {
            let time = UNIX_EPOCH + Duration::from_nanos(nanos);
            let kept = instant(floor(time)).unwrap();
            prop_assert!(kept <= time && time < kept + Duration::from_millis(1));
            let end = instant(ceil(time)).unwrap();
            prop_assert!(time <= end && end < time + Duration::from_millis(1));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed_after_two_minutes() {
        let (at, passed) = (|seconds| UNIX_EPOCH + Duration::from_secs(seconds), Duration::from_secs);
        let mut time = ForwardTime::begin(at(10_000), passed(0));
        assert_eq!(time.at(at(10_060), passed(60)), at(10_060));
        // Forward at once, and back.
        assert_eq!(time.at(at(20_000), passed(61)), at(20_000));
        assert_eq!(time.at(at(10_062), passed(62)), at(20_001));
        assert_eq!(time.at(at(10_182), passed(182)), at(20_121));
        assert_eq!(time.at(at(10_183), passed(183)), at(10_183));
        assert_eq!(time.at(at(10_184), passed(184)), at(10_184));
    }
}
