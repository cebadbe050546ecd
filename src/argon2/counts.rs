//! What the hashing threads count.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// No job that took less is cut short in the average, in nanoseconds.
const LEAST: u64 = 1_000_000;

#[derive(Default)]
pub(super) struct Counts {
    pub(super) running: AtomicUsize,
    pub(super) peak: AtomicUsize,
    pub(super) mean_nanos: AtomicU64,
    pub(super) abandoned: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) refused_by_share: AtomicU64,
    pub(super) displaced: AtomicU64,
    pub(super) expired: AtomicU64,
    pub(super) panicked: AtomicU64,
}

impl Counts {
    /// Moves the average an eighth of the way to the newest time.
    ///
    /// A job whose thread was kept from the processor says little of the next ones, so it counts as a few of them at most: else
    /// the places for a whole second would be gone at once.
    pub(super) fn note(&self, took: Duration) {
        let step = |mean: u64| {
            let most = mean.saturating_mul(4).max(LEAST);
            (mean / 8).saturating_mul(7).saturating_add(nanos(took).min(most) / 8)
        };
        let _ = self.mean_nanos.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |mean| Some(step(mean)));
    }
}

/// Counts a running job until it is dropped, by a panic too.
pub(super) struct Running<'a>(&'a Counts);

impl<'a> Running<'a> {
    pub(super) fn enter(counts: &'a Counts) -> Self {
        let running = counts.running.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        counts.peak.fetch_max(running, Ordering::Relaxed);
        Self(counts)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
