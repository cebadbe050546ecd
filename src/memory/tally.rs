//! One budget: a pure state machine with explicit time.

use std::time::Duration;

/// How many attempts within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) attempts: u32,
    pub(crate) window: Duration,
    pub(crate) recovery: Recovery,
}

/// How charges end by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// All at once, when nothing was charged for a whole window, so any window holds at most the budget.
    AtOnce,
    /// One after the other, evenly over the window. For a key that is never quiet, such as an address that many users
    /// share: their mistakes would add up for ever.
    OneByOne,
}

/// The charges on one key. Refusals change nothing: they do not extend a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    charges: u32,
    /// When the last charge was made; for charges that end one by one, when the last of them ended.
    last: Duration,
}

impl Tally {
    /// Charges one attempt, or tells how long there is no budget.
    pub(crate) fn charge(&mut self, budget: Budget, now: Duration) -> Result<(), Duration> {
        if self.is_over(budget, now) {
            self.charges = 0;
        }
        let wait = match budget.recovery {
            Recovery::OneByOne if self.charges > 0 => self.recover(budget, now),
            Recovery::AtOnce | Recovery::OneByOne => budget.window,
        };
        if self.charges >= budget.attempts {
            return Err(self.last.saturating_add(wait).saturating_sub(now));
        }
        if self.charges == 0 || budget.recovery == Recovery::AtOnce {
            // A clock that went back must not shorten the lock.
            self.last = self.last.max(now);
        }
        self.charges = self.charges.saturating_add(1);
        Ok(())
    }

    /// Ends the charges whose time is over, one for each step of time, and tells the step.
    fn recover(&mut self, budget: Budget, now: Duration) -> Duration {
        let step = budget.window.checked_div(budget.attempts).unwrap_or(budget.window).max(Duration::from_nanos(1));
        let steps = now.saturating_sub(self.last).as_nanos().checked_div(step.as_nanos()).unwrap_or(0);
        let ended = u32::try_from(steps).unwrap_or(u32::MAX).min(self.charges);
        self.charges = self.charges.saturating_sub(ended);
        self.last = self.last.saturating_add(step.saturating_mul(ended));
        step
    }

    /// Takes one charge back.
    pub(crate) fn refund(&mut self) {
        self.charges = self.charges.saturating_sub(1);
    }

    /// Whether it holds nothing that still counts.
    pub(crate) fn is_over(&self, budget: Budget, now: Duration) -> bool {
        // At the end of all time a lock has no end: saturating would lift it.
        self.charges == 0 || self.last.checked_add(budget.window).is_some_and(|end| end <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUDGET: Budget = Budget { attempts: 3, window: Duration::from_secs(60), recovery: Recovery::AtOnce };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_lock_ends_by_time_and_refusals_do_not_extend_it() {
        let mut tally = Tally::default();
        for second in 0..3 {
            tally.charge(BUDGET, at(second)).unwrap();
        }
        assert_eq!(tally.charge(BUDGET, at(3)), Err(at(59)));
        assert_eq!(tally.charge(BUDGET, at(61)), Err(at(1)));
        assert_eq!(tally.charge(BUDGET, at(62)), Ok(()));
    }

    #[test]
    fn a_refund_gives_back_one_charge() {
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.charge(BUDGET, at(0)).unwrap();
        }
        tally.refund();
        assert!(tally.charge(BUDGET, at(0)).is_ok());
        assert!(tally.charge(BUDGET, at(0)).is_err());
    }

    #[test]
    fn charges_that_end_one_by_one_leave_room_at_an_even_rate() {
        let budget = Budget { recovery: Recovery::OneByOne, ..BUDGET };
        let mut tally = Tally::default();
        for _ in 0..3 {
            tally.charge(budget, at(100)).unwrap();
        }
        assert_eq!(tally.charge(budget, at(105)), Err(at(15)));
        assert_eq!(tally.charge(budget, at(130)), Ok(()));
        assert_eq!(tally.charge(budget, at(130)), Err(at(10)));
        assert_eq!(tally.charge(budget, at(140)), Ok(()));
        assert!(!tally.is_over(budget, at(199)));
        assert!(tally.is_over(budget, at(200)));
    }

    proptest! {
        #[test]
        fn no_window_holds_more_charges_than_the_budget(steps in proptest::collection::vec(0_u64..40, 1..200)) {
            let mut tally = Tally::default();
            let mut now = 0;
            let mut charged = Vec::new();
            for step in steps {
                now += step;
                if tally.charge(BUDGET, at(now)).is_ok() {
                    charged.push(now);
                }
            }
            for start in &charged {
                prop_assert!(charged.iter().filter(|time| (*start..start + 60).contains(time)).count() <= 3);
            }
        }

        #[test]
        fn clock_extremes_saturate(
            now in prop_oneof![Just(Duration::MAX), Just(Duration::ZERO), Just(at(1))],
            recovery in prop_oneof![Just(Recovery::AtOnce), Just(Recovery::OneByOne)],
        ) {
            let budget = Budget { recovery, ..BUDGET };
            let mut tally = Tally::default();
            for _ in 0..5 {
                let _ = tally.charge(budget, Duration::MAX);
                let _ = tally.charge(budget, now);
            }
            prop_assert!(tally.charge(budget, Duration::ZERO).is_err());
        }

        #[test]
        fn charges_that_end_one_by_one_never_exceed_the_budget_and_its_rate(
            steps in proptest::collection::vec(0_u64..40, 1..200),
        ) {
            let budget = Budget { recovery: Recovery::OneByOne, ..BUDGET };
            let (mut tally, mut now) = (Tally::default(), 0);
            let mut charged = Vec::new();
            for step in steps {
                now += step;
                if tally.charge(budget, at(now)).is_ok() {
                    charged.push(now);
                }
            }
            for (first, start) in charged.iter().enumerate() {
                for (last, end) in charged.iter().enumerate().skip(first) {
                    prop_assert!((last - first + 1) as u64 <= 3 + (end - start) / 20 + 1);
                }
            }
        }
    }
}
