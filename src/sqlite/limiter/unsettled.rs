//! The reservations whose settling failed for sure, so that it can be tried once more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most that are kept: those of an outage that is longer than a request lives are of no use any more.
const MOST: usize = 4096;

/// Only what is kept here may be settled by a second try. What is not known to have failed may be done.
#[derive(Default)]
pub(super) struct Unsettled(Mutex<VecDeque<[u8; 32]>>);

impl Unsettled {
    fn lock(&self) -> MutexGuard<'_, VecDeque<[u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, key: &[u8; 32]) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back(*key);
    }

    /// Tells whether it was kept.
    pub(super) fn forget(&self, key: &[u8; 32]) -> bool {
        let mut kept = self.lock();
        let place = kept.iter().position(|one| one == key);
        place.and_then(|place| kept.remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_tried_again_once_and_the_oldest_goes_first() {
        let unsettled = Unsettled::default();
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_le_bytes());
            key
        };
        (0..=MOST).for_each(|number| unsettled.keep(&key(number)));
        assert!(!unsettled.forget(&key(0)));
        assert!(unsettled.forget(&key(1)) && !unsettled.forget(&key(1)));
        assert!(unsettled.forget(&key(MOST)));
    }
}
