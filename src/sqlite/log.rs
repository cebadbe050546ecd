//! Emptying the write-ahead log: it keeps pages as they were, and so what was forgotten since.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::boundary::sync::held;

/// The time between two tries as long as more is being forgotten.
const INTERVAL: Duration = Duration::from_secs(60);

/// When the log is to be emptied.
pub(super) struct OldPages(Mutex<State>);

struct State {
    /// The log may hold what was forgotten.
    are_left: bool,
    /// More is being forgotten.
    is_busy: bool,
    tried: Instant,
}

impl OldPages {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { are_left: false, is_busy: false, tried: Instant::now() }))
    }

    /// A step of pruning forgot something or not, and there may be more.
    pub(super) fn pruned(&self, has_forgotten: bool, is_short: bool) {
        let mut state = self.lock();
        state.are_left |= has_forgotten;
        state.is_busy = is_short;
    }

    /// Something was forgotten that the log may still hold.
    pub(super) fn forgot(&self) {
        self.lock().are_left = true;
    }

    /// Whether it is time: as soon as nothing is left to forget, or a minute after the last try.
    pub(super) fn are_due(&self) -> bool {
        let state = self.lock();
        state.are_left && (!state.is_busy || state.tried.elapsed() >= INTERVAL)
    }

    /// It was tried. If somebody held it back, it is tried again after a later step.
    pub(super) fn tried(&self, is_empty: bool) {
        let mut state = self.lock();
        state.are_left &= !is_empty;
        state.tried = Instant::now();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        held(self.0.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_emptied_when_nothing_is_left_to_forget_and_again_after_it_was_held_back() {
        let pages = OldPages::new();
        pages.pruned(false, false);
        assert!(!pages.are_due(), "nothing was forgotten");
        pages.pruned(true, true);
        assert!(!pages.are_due(), "there is more");
        pages.lock().tried -= INTERVAL;
        assert!(pages.are_due(), "there was more for a minute");
        pages.tried(false);
        assert!(!pages.are_due());
        pages.pruned(false, false);
        assert!(pages.are_due());
        pages.tried(true);
        assert!(!pages.are_due());
    }
}
