//! Counting at an even rate, without a lock and within a fixed room.

use std::hash::{BuildHasher as _, Hash};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::protocol::secret::word_hash::Key;

/// Powers of two.
const CELLS: usize = 1 << 16;
const ROW: usize = 1 << 10;

const MICROS: u64 = 1_000_000;

/// Counts requests by key: so many at once, and so many a second in the long run.
///
/// It never grows: keys are counted in 65,536 cells of 8 bytes, chosen by a hash under a secret key. A
/// cell holds the instant until which its time is taken up.
pub(super) struct Meter {
    cells: Box<[AtomicU64]>,
    hasher: Key,
    /// In microseconds: the time that a request takes up, and how much of it may be taken up in advance.
    interval: u64,
    ahead: u64,
}

/// One counted request: what is needed to give its count back. The default stands for one that was not counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    /// The end of the time that it takes up, in microseconds.
    end: Option<NonZeroU64>,
    /// By how many microseconds that of each wider key ends later.
    wider: [i32; 2],
}

impl Counted {
    /// The same with its counts on two wider keys.
    pub(super) fn with_wider(self, wider: [Self; 2]) -> Self {
        let own = self.end.map_or(0, NonZeroU64::get);
        let later = |other: Self| {
            let end = other.end.map_or(0, NonZeroU64::get);
            let beyond = i32::try_from(end.saturating_sub(own)).unwrap_or(i32::MIN);
            let before = i32::try_from(own.saturating_sub(end)).map_or(i32::MIN, i32::saturating_neg);
            if end >= own { beyond } else { before }
        };
        Self { wider: wider.map(later), ..self }
    }

    /// Its counts on the wider keys.
    pub(super) fn wider(self) -> [Self; 2] {
        let own = self.end.map_or(0, NonZeroU64::get);
        let ends = self.wider.map(|later| own.saturating_add_signed(later.into()));
        ends.map(|end| Self { end: NonZeroU64::new(end).filter(|_| self.end.is_some()), wider: [0; 2] })
    }
}

/// A rate that no meter can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateError {
    pub(crate) burst: u32,
    pub(crate) per_second: u32,
}

impl Meter {
    /// No cells yet when the rate is out of range: then nothing is counted, and `build` tells the caller.
    pub(super) fn new(burst: u32, per_second: u32) -> Result<Self, RateError> {
        let interval = MICROS.checked_div(u64::from(per_second)).filter(|interval| *interval > 0 && burst > 0);
        let interval = interval.ok_or(RateError { burst, per_second })?;
        let ahead = interval.saturating_mul(u64::from(burst));
        // Row by row: cell by cell takes milliseconds where nothing is optimized.
        let rows: Vec<_> = (0..CELLS / ROW).map(|_| [const { AtomicU64::new(0) }; ROW]).collect();
        Ok(Self { cells: rows.into_flattened().into(), hasher: Key::random(), interval, ahead })
    }

    #[inline]
    fn cell(&self, key: impl Hash) -> Option<&AtomicU64> {
        let hash = self.hasher.hash_one(key);
        usize::try_from(hash & 0xffff_ffff).ok().and_then(|hash| self.cells.get(hash & (CELLS - 1)))
    }

    /// Counts one request; `Err` with the time to wait if it is too many. Without a lock: one number is exchanged.
    pub(super) fn count(&self, key: impl Hash, now: Duration) -> Result<Counted, Duration> {
        self.count_at(key, self.interval, self.ahead, now)
    }

    /// The same for a key with so many times the rate and the burst.
    pub(super) fn count_times(&self, key: impl Hash, factor: u32, now: Duration) -> Result<Counted, Duration> {
        let interval = self.interval_of(factor);
        let burst = self.ahead.checked_div(self.interval).unwrap_or(0).saturating_mul(factor.into());
        self.count_at(key, interval, interval.saturating_mul(burst), now)
    }

    /// Rather longer where it is no whole number of microseconds.
    fn interval_of(&self, factor: u32) -> u64 {
        self.interval.div_ceil(u64::from(factor.max(1)))
    }

    fn count_at(&self, key: impl Hash, interval: u64, ahead: u64, now: Duration) -> Result<Counted, Duration> {
        let Some(cell) = self.cell(key) else { return Ok(Counted::default()) };
        let now = micros(now);
        let mut until = cell.load(Ordering::Relaxed);
        loop {
            let next = until.max(now).saturating_add(interval);
            let taken = next.saturating_sub(now);
            if taken > ahead {
                return Err(Duration::from_micros(taken.saturating_sub(ahead)));
            }
            match cell.compare_exchange_weak(until, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(Counted { end: NonZeroU64::new(next), wider: [0; 2] }),
                Err(other) => until = other,
            }
        }
    }

    /// Gives back what a counted request still takes up: never more than its own interval, and nothing of what has passed.
    pub(super) fn give_back(&self, key: impl Hash, counted: Counted, now: Duration) {
        self.give_back_times(key, 1, counted, now);
    }

    /// The same for a key with so many times the rate.
    pub(super) fn give_back_times(&self, key: impl Hash, factor: u32, counted: Counted, now: Duration) {
        let Some((cell, end)) = self.cell(key).zip(counted.end) else { return };
        let rest = end.get().saturating_sub(micros(now)).min(self.interval_of(factor));
        if rest > 0 {
            let less = |until: u64| Some(until.saturating_sub(rest));
            let _ = cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn meter(burst: u32, per_second: u32) -> Meter {
        Meter::new(burst, per_second).unwrap()
    }

    #[test]
    fn a_burst_is_taken_and_then_an_even_rate() {
        let meter = meter(3, 10);
        assert!((0..3).all(|_| meter.count("one", at(1000)).is_ok()));
        assert_eq!(meter.count("one", at(1000)).unwrap_err(), at(100));
        assert_eq!(meter.count("one", at(1040)).unwrap_err(), at(60));
        assert!(meter.count("other", at(1040)).is_ok());
        assert!(meter.count("one", at(1100)).is_ok());
        assert!(meter.count("one", at(1100)).is_err());
    }

    #[test]
    fn what_is_given_back_at_once_was_never_taken() {
        let meter = meter(3, 10);
        for _ in 0..1000 {
            let counted = meter.count("one", at(1000)).unwrap();
            meter.give_back("one", counted, at(1000));
        }
        assert!((0..3).all(|_| meter.count("one", at(1000)).is_ok()));
        assert!(meter.count("one", at(1000)).is_err());
    }

    #[test]
    fn what_time_has_given_back_already_is_not_given_back_again() {
        let meter = meter(3, 10);
        let counted = [(); 3].map(|()| meter.count("one", at(0)).unwrap());
        // Meanwhile all three have passed, and somebody else took the same room.
        assert!((0..3).all(|_| meter.count("one", at(300)).is_ok()));
        counted.iter().for_each(|counted| meter.give_back("one", *counted, at(300)));
        assert_eq!(meter.count("one", at(300)).unwrap_err(), at(100));
        // Nor is what was never counted.
        meter.give_back("one", Counted::default(), at(300));
        assert!(meter.count("one", at(300)).is_err());
    }

    #[test]
    fn no_parallel_requests_exceed_the_burst() {
        let meter = meter(100, 1);
        let taken = std::thread::scope(|scope| {
            let count = || (0..100).filter(|_| meter.count("one", at(0)).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(taken, 100);
    }

    #[test]
    fn parallel_requests_that_are_given_back_leave_the_room_to_the_others() {
        let meter = meter(100, 1);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        let counted = meter.count("one", at(0)).unwrap();
                        meter.give_back("one", counted, at(0));
                    }
                });
            }
        });
        assert_eq!((0..200).filter(|_| meter.count("one", at(0)).is_ok()).count(), 100);
    }

    #[test]
    fn clock_extremes_neither_panic_nor_open_it() {
        let meter = meter(1, 1);
        for now in [Duration::MAX, Duration::ZERO, Duration::MAX] {
            if let Ok(counted) = meter.count("one", now) {
                meter.give_back("one", counted, Duration::MAX);
            }
        }
        assert!(meter.count("one", at(5)).is_err());
    }

    #[test]
    fn a_rate_out_of_range_is_an_error() {
        for (burst, per_second) in [(0, 1), (1, 0), (1, 1_000_001), (0, 0)] {
            assert_eq!(Meter::new(burst, per_second).err(), Some(RateError { burst, per_second }));
        }
        assert!(Meter::new(1, 1).is_ok() && Meter::new(u32::MAX, 1_000_000).is_ok());
    }

    proptest! {
        /// Whatever is given back and when: nobody gets more room by it than was taken.
        #[test]
        fn what_was_not_given_back_never_exceeds_the_rate(
            steps in proptest::collection::vec((0_u64..120, any::<bool>(), 0_usize..4), 1..200),
        ) {
            let meter = meter(5, 10);
            let (mut now, mut strangers) = (0, 0);
            let mut open = std::collections::VecDeque::new();
            for (wait, is_stranger, answered) in steps {
                now += wait;
                if let Ok(counted) = meter.count("one", at(now)) {
                    if is_stranger { strangers += 1 } else { open.push_back(counted) }
                }
                for _ in 0..answered {
                    if let Some(counted) = open.pop_front() {
                        meter.give_back("one", counted, at(now));
                    }
                }
                prop_assert!(strangers + open.len() as u64 <= 5 + now / 100);
            }
        }
    }
}
