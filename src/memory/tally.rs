//! One budget: a pure state machine with explicit time.

use std::time::Duration;

/// How many attempts within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) attempts: u32,
    pub(crate) window: Duration,
}

/// The charges on one key. It starts afresh when nothing was charged for a whole window, so any window holds at most the
/// budget. Refusals change nothing: they do not extend a lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    charges: u32,
    /// When the last charge was made.
    last: Duration,
}

impl Tally {
    /// Charges one attempt, or tells how long there is no budget.
    pub(crate) fn charge(&mut self, budget: Budget, now: Duration) -> Result<(), Duration> {
        if self.is_over(budget, now) {
            self.charges = 0;
        }
        if self.charges >= budget.attempts {
            return Err(self.last.saturating_add(budget.window).saturating_sub(now));
        }
        self.charges = self.charges.saturating_add(1);
        // A clock that went back must not shorten the lock.
        self.last = self.last.max(now);
        Ok(())
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

    const BUDGET: Budget = Budget { attempts: 3, window: Duration::from_secs(60) };

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
        fn clock_extremes_saturate(now in prop_oneof![Just(Duration::MAX), Just(Duration::ZERO), Just(at(1))]) {
            let mut tally = Tally::default();
            for _ in 0..5 {
                let _ = tally.charge(BUDGET, Duration::MAX);
                let _ = tally.charge(BUDGET, now);
            }
            prop_assert!(tally.charge(BUDGET, Duration::ZERO).is_err());
        }
    }
}
