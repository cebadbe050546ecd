//! Which keys have a place of their own in a table that is nearly full.

/// How long after a search for what is over the next one may be, in milliseconds.
pub(crate) const SWEEP: u64 = 1000;

/// How many keys a table has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    keys: usize,
    /// The most keys that the networks of one /48 have of their own, unless they are preferred.
    of_a_crowd: usize,
}

impl Capacity {
    /// So many keys in all.
    pub(crate) const fn of(keys: usize) -> Self {
        let share = keys / 16;
        Self { keys, of_a_crowd: if share == 0 { 1 } else { share } }
    }

    /// That of one part of a table, with so many keys. Where one part holds all networks of a /48, they have their share of the
    /// whole in it.
    pub(crate) const fn part(self, keys: usize) -> Self {
        Self { keys, ..self }
    }

    pub(crate) const fn keys(self) -> usize {
        self.keys
    }

    /// Whether a new key may have a place of its own beside so many others. The last eighth of the room is kept for keys that are
    /// [preferred](super::slots::Slot::is_preferred), and so is what one /48 has beyond its share. How many keys the networks of its
    /// /48 have, 0 for IPv4, is asked for only where it matters.
    #[inline]
    pub(crate) fn has_room<E>(
        self,
        others: usize,
        is_preferred: bool,
        of_its_crowd: impl FnOnce() -> Result<usize, E>,
    ) -> Result<bool, E> {
        let kept = if is_preferred { 0 } else { self.keys / 8 };
        if others >= self.keys.saturating_sub(kept) {
            return Ok(false);
        }
        Ok(is_preferred || of_its_crowd()? < self.of_a_crowd)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn has_room(capacity: Capacity, others: usize, is_preferred: bool, of_its_crowd: usize) -> bool {
        capacity.has_room(others, is_preferred, || Ok::<_, Infallible>(of_its_crowd)).unwrap()
    }

    proptest! {
        #[test]
        fn strangers_leave_an_eighth_to_those_who_are_known_and_a_48_leaves_others_their_room(
            keys in 0_usize..5000, others in 0_usize..5000, of_its_crowd in 0_usize..400,
        ) {
            let capacity = Capacity::of(keys);
            prop_assert_eq!(has_room(capacity, others, true, of_its_crowd), others < keys);
            let is_crowded = of_its_crowd >= 1 && of_its_crowd >= keys / 16;
            prop_assert_eq!(has_room(capacity, others, false, of_its_crowd), others < keys - keys / 8 && !is_crowded);
            prop_assert_eq!(capacity.part(7).of_a_crowd, capacity.of_a_crowd);
        }
    }

    #[test]
    fn a_crowd_is_counted_only_where_that_decides() {
        let capacity = Capacity::of(80);
        let never = || -> Result<usize, Infallible> { panic!("it decides nothing") };
        assert_eq!([capacity.has_room(70, false, never), capacity.has_room(79, true, never)], [Ok(false), Ok(true)]);
        assert_eq!(capacity.has_room(69, false, || Err("unknown")), Err("unknown"));
    }
}
