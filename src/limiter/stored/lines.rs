//! The attempts under way in this process that have something in common.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::boundary::sync::held;

/// What attempts under way share, by what they have in common. It is kept as long as one of them is there.
pub(super) struct Lines<K, L>(Mutex<HashMap<K, Line<L>>>);

struct Line<L> {
    shared: Arc<L>,
    count: usize,
}

/// An attempt in a line.
pub(super) struct InLine<'a, K: Copy + Eq + Hash, L> {
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
    pub(super) fn join(&self, key: K) -> InLine<'_, K, L> {
        let mut lines = self.lock();
        let line = lines.entry(key).or_insert_with(|| Line { shared: Arc::default(), count: 0 });
        let others = line.count;
        line.count = others.saturating_add(1);
        InLine { lines: self, key, shared: Arc::clone(&line.shared), others }
    }
}

impl<K, L> Lines<K, L> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Line<L>>> {
        held(self.0.lock())
    }
}

impl<K: Copy + Eq + Hash, L> Drop for InLine<'_, K, L> {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(&self.key) else { return };
        line.count = line.count.saturating_sub(1);
        if line.count == 0 {
            lines.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_kept_as_long_as_one_is_in_it() {
        let lines: Lines<u8, Mutex<u32>> = Lines::default();
        let (one, other) = (lines.join(1), lines.join(1));
        assert_eq!((one.others, other.others, lines.join(2).others), (0, 1, 0));
        *one.shared.lock().unwrap() = 7;
        drop(one);
        assert_eq!((*lines.join(1).shared.lock().unwrap(), lines.lock().len()), (7, 1));
        drop(other);
        assert!(lines.lock().is_empty());
        assert_eq!(*lines.join(1).shared.lock().unwrap(), 0);
    }
}
