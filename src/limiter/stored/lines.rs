//! The attempts under way in this process that have something in common.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What attempts under way share, by what they have in common. It is kept as long as one of them is there.
pub(super) struct Lines<K, L>(Mutex<HashMap<K, Line<L>>>);

struct Line<L> {
    shared: Arc<L>,
    places: usize,
}

/// The place of an attempt in a line.
pub(super) struct Place<'a, K: Copy + Eq + Hash, L> {
    lines: &'a Lines<K, L>,
    key: K,
    pub(super) shared: Arc<L>,
    /// How many others were in the line when it came.
    pub(super) others: usize,
}

impl<K, L> Default for Lines<K, L> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash, L: Default> Lines<K, L> {
    pub(super) fn place(&self, key: K) -> Place<'_, K, L> {
        let mut lines = self.lock();
        let line = lines.entry(key).or_insert_with(|| Line { shared: Arc::default(), places: 0 });
        let others = line.places;
        line.places = others.saturating_add(1);
        Place { lines: self, key, shared: Arc::clone(&line.shared), others }
    }
}

impl<K, L> Lines<K, L> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Line<L>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash, L> Drop for Place<'_, K, L> {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(&self.key) else { return };
        line.places = line.places.saturating_sub(1);
        if line.places == 0 {
            lines.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_kept_as_long_as_one_has_a_place_in_it() {
        let lines: Lines<u8, Mutex<u32>> = Lines::default();
        let (one, other) = (lines.place(1), lines.place(1));
        assert_eq!((one.others, other.others, lines.place(2).others), (0, 1, 0));
        *one.shared.lock().unwrap() = 7;
        drop(one);
        assert_eq!((*lines.place(1).shared.lock().unwrap(), lines.lock().len()), (7, 1));
        drop(other);
        assert!(lines.lock().is_empty());
        assert_eq!(*lines.place(1).shared.lock().unwrap(), 0);
    }
}
