//! Wrong secrets whose charge may not be kept.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::boundary::sync::held;
use crate::limiter::step::facts::Facts;

/// The most accounts and clients. Beyond them every one is taken for marked.
const MOST: usize = 65_536;

/// The accounts and clients at which a wrong secret was compared and whose charge is not known to be kept. An attacker
/// who guesses there uncounted must not learn which secret is right.
#[derive(Default)]
pub(super) struct Unkept(Mutex<Marks>);

#[derive(Default)]
struct Marks {
    /// The newest mark of each.
    of: HashMap<u64, Marked>,
    last: u64,
}

/// A comparison that was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

/// What is known of the newest of them at an account or client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) mark: Mark,
    /// The attempt, whose charge may not be kept. There are others if there are too many to know each.
    pub(super) attempt: Option<Facts>,
}

impl Unkept {
    fn lock(&self) -> MutexGuard<'_, Marks> {
        held(self.0.lock())
    }

    /// A wrong secret was compared in this attempt. Its charge comes next.
    pub(super) fn mark(&self, attempt: &Facts) -> Mark {
        let mut marks = self.lock();
        marks.last = marks.last.saturating_add(1);
        let mark = Mark(marks.last);
        if marks.of.len() < MOST || marks.of.contains_key(&attempt.guess) {
            marks.of.insert(attempt.guess, Marked { mark, attempt: Some(*attempt) });
        }
        mark
    }

    /// The mark, if there is one.
    pub(super) fn of(&self, guess: u64) -> Option<Marked> {
        let marks = self.lock();
        let is_full = marks.of.len() >= MOST;
        let any = || is_full.then_some(Marked { mark: Mark(marks.last), attempt: None });
        marks.of.get(&guess).copied().or_else(any)
    }

    /// What was written at this mark is kept. A later one stays. Where there are too many, all until then go: else those of
    /// made-up ids, whose secret nobody gives again, would be there for ever.
    pub(super) fn kept(&self, guess: u64, mark: Mark) {
        let mut marks = self.lock();
        if marks.of.len() >= MOST {
            marks.of.retain(|_, other| other.mark.0 > mark.0);
        } else if marks.of.get(&guess).is_some_and(|newest| newest.mark == mark) {
            marks.of.remove(&guess);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limiter::step::key::GuessKind;

    fn attempt(guess: u64) -> Facts {
        Facts {
            guess,
            network: guess,
            print: 0,
            kind: GuessKind::Client,
            beside: guess,
            has_address: true,
            is_exempt: false,
        }
    }

    #[test]
    fn a_mark_stays_until_it_is_kept_and_beyond_the_most_all_are_marked() {
        let unkept = Unkept::default();
        let of = |guess| unkept.of(guess).map(|marked| marked.mark);
        assert_eq!(of(1), None);
        let first = unkept.mark(&attempt(1));
        let elsewhere = Facts { network: 7, beside: 7, ..attempt(1) };
        let second = unkept.mark(&elsewhere);
        unkept.kept(1, first);
        assert_eq!(unkept.of(1), Some(Marked { mark: second, attempt: Some(elsewhere) }));
        assert_eq!(of(2), None);
        unkept.kept(1, second);
        assert_eq!(of(1), None);
        for guess in 0..MOST as u64 {
            unkept.mark(&attempt(guess));
        }
        let unmarked = MOST as u64;
        let proof = of(unmarked).unwrap();
        let later = unkept.mark(&attempt(3));
        unkept.kept(unmarked, proof);
        assert_eq!([7, unmarked, 3].map(of), [None, None, Some(later)]);
    }
}
