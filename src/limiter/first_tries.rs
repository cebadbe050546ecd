//! The reservations whose settling failed, so that it can be tried once more.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use crate::boundary::limiter::Reservation;
use crate::boundary::sync::held;

/// The most that are kept: those of an outage that is longer than a request lives are of no use any more.
const MOST: usize = 4096;

/// A second try of which no first one is kept settles nothing: whether the first has taken the charge back is not known, so the
/// charge stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stays;

/// What is known of the first try to settle a reservation; `None` if this is the first. A second one takes it away by the
/// reservation's key.
pub(crate) fn first_try<T>(
    reservation: &Reservation,
    take: impl FnOnce(&[u8; 32]) -> Option<T>,
) -> Result<Option<T>, Stays> {
    if reservation.is_again() { take(reservation.key()).map(Some).ok_or(Stays) } else { Ok(None) }
}

/// First tries that may be tried once more, each with what is known of it.
pub(crate) struct FirstTries<T>(Mutex<VecDeque<([u8; 32], T)>>);

impl<T> Default for FirstTries<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> FirstTries<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<([u8; 32], T)>> {
        held(self.0.lock())
    }

    pub(crate) fn keep(&self, reservation: &Reservation, first: T) {
        let mut kept = self.lock();
        if kept.len() >= MOST {
            kept.pop_front();
        }
        kept.push_back((*reservation.key(), first));
    }

    /// The [first try](first_try) of a reservation that is to be settled.
    pub(crate) fn first_of(&self, reservation: &Reservation) -> Result<Option<T>, Stays> {
        first_try(reservation, |key| self.take(key))
    }

    fn take(&self, key: &[u8; 32]) -> Option<T> {
        let mut kept = self.lock();
        let place = kept.iter().position(|(one, _)| one == key);
        place.and_then(|place| kept.remove(place)).map(|(_, first)| first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reservation(number: usize) -> Reservation {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        Reservation::new(key)
    }

    #[test]
    fn each_is_tried_again_once_and_the_oldest_goes_first() {
        let tries = FirstTries::default();
        (0..=MOST).for_each(|number| tries.keep(&reservation(number), number));
        let second = |number| tries.first_of(&reservation(number).again());
        assert_eq!(second(0), Err(Stays));
        assert_eq!((second(1), second(1)), (Ok(Some(1)), Err(Stays)));
        assert_eq!(second(MOST), Ok(Some(MOST)));
    }

    #[test]
    fn a_first_try_asks_for_no_other_and_a_second_without_one_settles_nothing() {
        let kept = || first_try(&reservation(1), |_| -> Option<u8> { panic!("there is none before the first") });
        assert_eq!(kept(), Ok(None));
        assert_eq!(first_try::<u8>(&reservation(1).again(), |_| None), Err(Stays));
        assert_eq!(first_try(&reservation(1).again(), |key| Some(key[0])), Ok(Some(1)));
    }
}
