//! Wrong secrets whose charge may not be kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::boundary::sync::held;

/// The most accounts and clients. Beyond them every one is taken for marked.
const MOST: usize = 65_536;

/// The accounts and clients at which a wrong secret was compared and whose charge is not known to be kept. An attacker
/// who guesses there uncounted must not learn which secret is right.
#[derive(Default)]
pub(super) struct Unkept(Mutex<Marks>);

#[derive(Default)]
struct Marks {
    /// The newest mark of each.
    of: HashMap<u64, Mark>,
    last: u64,
}

/// A comparison that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Unkept {
    fn lock(&self) -> MutexGuard<'_, Marks> {
        held(self.0.lock())
    }

    /// A wrong secret was compared. Its charge comes next.
    pub(super) fn mark(&self, guess: u64) -> Mark {
        let mut marks = self.lock();
        marks.last = marks.last.saturating_add(1);
        let mark = Mark(marks.last);
        if marks.of.len() < MOST || marks.of.contains_key(&guess) {
            marks.of.insert(guess, mark);
        }
        mark
    }

    /// The mark, if there is one.
    pub(super) fn of(&self, guess: u64) -> Option<Mark> {
        let marks = self.lock();
        let is_full = marks.of.len() >= MOST;
        marks.of.get(&guess).copied().or_else(|| is_full.then_some(Mark(marks.last)))
    }

    /// What was written at this mark is kept. A later one stays. Where there are too many, all until then go: else those of
    /// made-up ids, whose secret nobody gives again, would be there for ever.
    pub(super) fn kept(&self, guess: u64, mark: Mark) {
        let mut marks = self.lock();
        if marks.of.len() >= MOST {
            marks.of.retain(|_, other| other.0 > mark.0);
        } else if marks.of.get(&guess) == Some(&mark) {
            marks.of.remove(&guess);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stays_until_it_is_kept_and_beyond_the_most_all_are_marked() {
        let unkept = Unkept::default();
        assert_eq!(unkept.of(1), None);
        let (first, second) = (unkept.mark(1), unkept.mark(1));
        unkept.kept(1, first);
        assert_eq!((unkept.of(1), unkept.of(2)), (Some(second), None));
        unkept.kept(1, second);
        assert_eq!(unkept.of(1), None);
        for guess in 0..MOST as u64 {
            unkept.mark(guess);
        }
        let unmarked = MOST as u64;
        let proof = unkept.of(unmarked).unwrap();
        let later = unkept.mark(3);
        unkept.kept(unmarked, proof);
        assert_eq!([7, unmarked, 3].map(|guess| unkept.of(guess)), [None, None, Some(later)]);
    }
}
