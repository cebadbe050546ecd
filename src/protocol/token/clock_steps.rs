//! Steps of a wall clock: instants that it has shown before.

use std::time::{Duration, SystemTime};

use super::lifetime::MAX_LEEWAY;

/// Drift between the two clocks that slewing explains; only more counts as a step.
const TOLERANCE: Duration = Duration::from_secs(1);

/// Notices when a wall clock is set back, and keeps which instants it shows a second time since: what was used at one of them
/// looks like what was used at the same instant the first time, long ago.
#[derive(Debug)]
pub(crate) struct ClockSteps {
    /// What the clocks showed last.
    last: Reading,
    twice: ShownTwice,
}

/// The instants that a wall clock may show a second time: from the first one to the last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShownTwice(Option<(SystemTime, SystemTime)>);

impl ShownTwice {
    /// No instant.
    pub(crate) const NONE: Self = Self(None);

    /// Whether the wall clock does not show the time since this instant.
    pub(crate) fn contains(self, instant: SystemTime) -> bool {
        self.0.is_some_and(|(first, last)| (first..=last).contains(&instant))
    }
}

/// What the wall clock showed, and the monotonic one before and after it was read. The process may have been stopped in between.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) wall: SystemTime,
    before: Duration,
    after: Duration,
}

impl Reading {
    pub(crate) fn of(elapsed: impl Fn() -> Duration, wall: impl FnOnce() -> SystemTime) -> Self {
        let before = elapsed();
        let wall = wall();
        Self { wall, before, after: elapsed() }
    }
}

impl ClockSteps {
    pub(crate) const fn new(shown: Reading) -> Self {
        Self { last: shown, twice: ShownTwice::NONE }
    }

    /// What the clock shows twice, as far as it is known now.
    pub(crate) const fn twice(&self) -> ShownTwice {
        self.twice
    }

    /// Notes what the clocks show now.
    pub(crate) fn observe(&mut self, shown: Reading) {
        let last = std::mem::replace(&mut self.last, shown);
        let wall = shown.wall;
        let later = |passed: Duration| last.wall.checked_add(passed).unwrap_or(last.wall);
        // So much has passed at least. A pause within a reading is no step.
        let expected = later(shown.before.saturating_sub(last.after));
        if expected.duration_since(wall).is_ok_and(|step| step > TOLERANCE) {
            // Before the clock was set back it showed no more than this.
            let latest = later(shown.after.saturating_sub(last.before));
            // What was used shortly before `wall` would be in its leeway again.
            let first = wall.checked_sub(MAX_LEEWAY).unwrap_or(wall);
            let (first_before, last_before) = self.twice.0.unwrap_or((first, latest));
            self.twice = ShownTwice(Some((first.min(first_before), latest.max(last_before))));
        } else if self.twice.0.is_some_and(|(_, last)| wall.duration_since(last).is_ok_and(|since| since > MAX_LEEWAY))
        {
            self.twice = ShownTwice::NONE;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    impl ClockSteps {
        /// Whether the clocks can tell how long ago `used` was.
        fn tells(&mut self, used: SystemTime, wall: SystemTime, elapsed: Duration) -> bool {
            self.observe(at(wall, elapsed));
            !self.twice().contains(used)
        }
    }

    fn at(wall: SystemTime, elapsed: Duration) -> Reading {
        Reading::of(|| elapsed, || wall)
    }

    fn wall(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn after(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_used_at_an_instant_that_is_shown_again_cannot_be_told() {
        let mut steps = ClockSteps::new(at(wall(0), after(0)));
        assert!(steps.tells(wall(1000), wall(1005), after(1005)));
        // Back by 600 s, at 1100.
        assert!(!steps.tells(wall(1000), wall(500), after(1100)));
        for (used, can_tell) in [(439, true), (440, false), (500, false), (1100, false), (1101, true)] {
            assert_eq!(steps.tells(wall(used), wall(501), after(1101)), can_tell, "{used}");
        }
        // It is so until the clock has caught up, and the leeway after it is over.
        assert!(!steps.tells(wall(1000), wall(1005), after(1605)));
        assert!(!steps.tells(wall(1090), wall(1160), after(1760)));
        assert!(steps.tells(wall(1090), wall(1161), after(1761)));
    }

    #[test]
    fn clocks_that_only_go_on_or_are_set_forward_can_always_tell() {
        let mut steps = ClockSteps::new(at(wall(0), after(0)));
        let shown = [(10, 10), (10, 11), (5000, 12), (5001, 13), (1_000_000, 14), (1_000_100, 115)];
        assert!(shown.iter().all(|(now, passed)| steps.tells(wall(*now), wall(*now), after(*passed))));
        // A short jump forward and back, of which nothing was seen, is none.
        assert!(steps.tells(wall(1_000_200), wall(1_000_200), after(215)));
    }

    #[test]
    fn a_pause_while_the_clocks_are_read_is_no_step_but_hides_none_that_is_longer() {
        let paused = |shown: u64, before: u64, later: u64| Reading {
            wall: wall(shown),
            before: after(before),
            after: after(later),
        };
        let mut steps = ClockSteps::new(at(wall(0), after(0)));
        // Stopped before the wall clock was read, after that, and both.
        for shown in [paused(130, 100, 130), paused(140, 140, 170), paused(190, 180, 200)] {
            steps.observe(shown);
            assert!(steps.tells(shown.wall, wall(201), after(201)), "{shown:?}");
            steps = ClockSteps::new(shown);
        }
        steps.observe(paused(130, 205, 215));
        assert!(steps.twice().contains(wall(130)) && steps.twice().contains(wall(220)), "back by 65 s or more");
    }

    #[test]
    fn several_steps_back_add_up() {
        let mut steps = ClockSteps::new(at(wall(1000), after(0)));
        assert!(!steps.tells(wall(1005), wall(900), after(10)));
        assert!(!steps.tells(wall(905), wall(600), after(20)));
        assert!(!steps.tells(wall(1005), wall(1005), after(425)));
        assert!(!steps.tells(wall(545), wall(1006), after(426)));
    }
}
