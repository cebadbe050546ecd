//! The reservations whose settling failed, so that it can be tried once more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most that are kept: those of an outage that is longer than a request lives are of no use any more.
const MOST: usize = 4096;

/// Only what is kept here may be settled by a second try, with what is known of the first.
pub(crate) struct Unsettled<T>(Mutex<VecDeque<([u8; 32], T)>>);

impl<T> Default for Unsettled<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Unsettled<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<([u8; 32], T)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep(&self, key: &[u8; 32], first: T) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back((*key, first));
    }

    /// What was kept, if it was.
    pub(crate) fn take(&self, key: &[u8; 32]) -> Option<T> {
        let mut kept = self.lock();
        let place = kept.iter().position(|(one, _)| one == key);
        place.and_then(|place| kept.remove(place)).map(|(_, first)| first)
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
        (0..=MOST).for_each(|number| unsettled.keep(&key(number), number));
        assert_eq!(unsettled.take(&key(0)), None);
        assert_eq!((unsettled.take(&key(1)), unsettled.take(&key(1))), (Some(1), None));
        assert_eq!(unsettled.take(&key(MOST)), Some(MOST));
    }
}
