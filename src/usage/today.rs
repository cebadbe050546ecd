//! Which day it is at most: a clock that is set forward for a moment must not be believed.

use std::time::{Duration, SystemTime};

use crate::boundary::clock::Clock;
use crate::protocol::usage::day::Day;

/// How long a clock has to stay ahead until it is believed. The machine may have slept meanwhile, and then it is right.
const MOMENT: Duration = Duration::from_secs(3_600);
/// So far the wall clock may be from the monotonic one without being ahead of it.
const SLACK: Duration = Duration::from_secs(60);

/// What the wall clock has shown once, and what has passed since.
pub(super) struct Today {
    origin: SystemTime,
    elapsed_at_origin: Duration,
    /// Since when the wall clock is ahead of that.
    ahead_since: Option<Duration>,
}

impl Today {
    /// Begins with what the wall clock shows now.
    pub(super) fn begin(clock: &impl Clock) -> Self {
        Self { origin: clock.now(), elapsed_at_origin: clock.elapsed(), ahead_since: None }
    }

    /// The last day that an event of now may have.
    pub(super) fn at_most(&mut self, clock: &impl Clock) -> Day {
        let (wall, elapsed) = (clock.now(), clock.elapsed());
        let passed = elapsed.saturating_sub(self.elapsed_at_origin);
        let Some(latest) = self.origin.checked_add(passed.saturating_add(SLACK)) else { return Day::of(wall) };
        if wall <= latest {
            self.ahead_since = None;
        } else if elapsed.saturating_sub(*self.ahead_since.get_or_insert(elapsed)) >= MOMENT {
            *self = Self { origin: wall, elapsed_at_origin: elapsed, ahead_since: None };
            return Day::of(wall);
        }
        Day::of(latest)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::UNIX_EPOCH;

    use super::*;

    const DAY: u64 = 86_400;

    /// Seconds that the wall clock shows, and that have passed.
    fn at(wall: u64, elapsed: u64) -> impl Clock {
        #[derive(Debug)]
        struct At(SystemTime, Duration);
        impl Clock for At {
            fn now(&self) -> SystemTime {
                self.0
            }

            fn elapsed(&self) -> Duration {
                self.1
            }
        }
        At(UNIX_EPOCH + Duration::from_secs(wall), Duration::from_secs(elapsed))
    }

    #[test]
    fn a_clock_that_is_ahead_is_believed_once_it_has_stayed_so_for_an_hour() {
        let noon = 100 * DAY + DAY / 2;
        let today = Cell::new(Some(Today::begin(&at(noon, 0))));
        let shown = |wall, elapsed| {
            let mut own = today.take().unwrap();
            let day = own.at_most(&at(wall, elapsed)).number();
            today.set(Some(own));
            day
        };
        assert_eq!(shown(noon, 0), 100);
        assert_eq!(shown(noon + DAY, DAY), 101);
        // For a moment, twice.
        let later = noon + DAY;
        assert_eq!((shown(later + 300 * DAY, DAY), shown(later + 300 * DAY + 3_599, DAY + 3_599)), (101, 101));
        assert_eq!(shown(later + 3_600, DAY + 3_600), 101);
        assert_eq!(shown(later + 300 * DAY + 3_601, DAY + 3_601), 101);
        // It slept for three days.
        assert_eq!(shown(later + 3 * DAY + 7_200, DAY + 7_200), 101);
        assert_eq!(shown(later + 3 * DAY + 7_201, DAY + 7_201), 104);
        assert_eq!(shown(later + 4 * DAY + 7_201, 2 * DAY + 7_201), 105);
        // Set back it takes no day back.
        assert_eq!(shown(later, 2 * DAY + 7_202), 105);
        // At midnight it may be a little ahead.
        assert_eq!(Today::begin(&at(7 * DAY - 30, 0)).at_most(&at(7 * DAY, 0)).number(), 7);
    }
}
