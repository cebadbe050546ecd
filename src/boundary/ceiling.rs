//! A cheap ceiling on all token requests of one address, before anything of them is read.

use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::protocol::address::Network;

/// What it does with a request that is too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Block,
    Monitor,
    Off,
}

/// A power of two.
const CELLS: usize = 1 << 16;

/// How many token requests of one address (IPv6: of one /64) are taken, whatever they hold.
///
/// It never grows: addresses are counted in 65,536 cells of 8 bytes, chosen by a hash under a key that nobody outside knows.
/// So a few addresses share a cell; a flood from very many makes it stricter.
///
/// Its refusals cost next to nothing: not even the registry is asked whose pages may read them, so they have no CORS headers.
pub struct RequestCeiling {
    cells: Box<[AtomicU64]>,
    hasher: RandomState,
    /// In microseconds: the time that a request takes up, and how much of it may be taken up in advance.
    interval: u64,
    ahead: u64,
    mode: Mode,
}

impl RequestCeiling {
    /// `burst` requests at once (at least 1), and `per_second` (at least 1, at most a million) in the long run.
    #[must_use]
    pub fn per_address(burst: u32, per_second: u32) -> Self {
        let interval = 1_000_000_u64.checked_div(u64::from(per_second.clamp(1, 1_000_000))).unwrap_or(1);
        let ahead = interval.saturating_mul(u64::from(burst.max(1)));
        let cells = (0..CELLS).map(|_| AtomicU64::new(0)).collect();
        Self { cells, hasher: RandomState::new(), interval, ahead, mode: Mode::Block }
    }

    /// No ceiling: for a host whose proxy has one.
    #[must_use]
    pub fn none() -> Self {
        Self { cells: Box::default(), hasher: RandomState::new(), interval: 0, ahead: 0, mode: Mode::Off }
    }

    /// Refuses nothing, but says in events what it would have refused.
    #[must_use]
    pub fn monitor(mut self) -> Self {
        self.mode = Mode::Monitor;
        self
    }

    /// Counts one request; `Err` with the time to wait if it is too many. Without a lock: one number is exchanged.
    pub(crate) fn count(&self, address: IpAddr, now: Duration) -> Result<(), Duration> {
        if self.mode == Mode::Off {
            return Ok(());
        }
        let hash = self.hasher.hash_one(Network::of(address));
        let Some(cell) = usize::try_from(hash & 0xffff_ffff).ok().and_then(|hash| self.cells.get(hash & (CELLS - 1)))
        else {
            return Ok(());
        };
        let now = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
        let mut until = cell.load(Ordering::Relaxed);
        loop {
            let next = until.max(now).saturating_add(self.interval);
            let taken = next.saturating_sub(now);
            if taken > self.ahead {
                return Err(Duration::from_micros(taken.saturating_sub(self.ahead)));
            }
            match cell.compare_exchange_weak(until, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => until = other,
            }
        }
    }

    pub(crate) fn is_monitor(&self) -> bool {
        self.mode == Mode::Monitor
    }
}

impl Default for RequestCeiling {
    /// 1,000 at once and 100 a second.
    fn default() -> Self {
        Self::per_address(1000, 100)
    }
}

impl std::fmt::Debug for RequestCeiling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestCeiling").field("mode", &self.mode).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_burst_is_taken_and_then_an_even_rate() {
        let ceiling = RequestCeiling::per_address(3, 10);
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        assert!((0..3).all(|_| ceiling.count(one, at(1000)).is_ok()));
        assert_eq!(ceiling.count(one, at(1000)), Err(at(100)));
        assert_eq!(ceiling.count(one, at(1040)), Err(at(60)));
        assert!(ceiling.count(other, at(1040)).is_ok());
        assert!(ceiling.count(one, at(1100)).is_ok());
        assert!(ceiling.count(one, at(1100)).is_err());
    }

    #[test]
    fn no_parallel_requests_exceed_the_burst() {
        let ceiling = RequestCeiling::per_address(100, 1);
        let taken = std::thread::scope(|scope| {
            let count = || (0..100).filter(|_| ceiling.count([192, 0, 2, 1].into(), at(0)).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(taken, 100);
    }

    #[test]
    fn clock_extremes_neither_panic_nor_open_it() {
        let ceiling = RequestCeiling::per_address(1, 1);
        let address = [192, 0, 2, 1].into();
        for now in [Duration::MAX, Duration::ZERO, Duration::MAX] {
            let _ = ceiling.count(address, now);
        }
        assert!(ceiling.count(address, at(5)).is_err());
    }
}
