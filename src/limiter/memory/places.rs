//! A map of tallies that takes little more room than they do.

use crate::limiter::step::key::Key;
use crate::limiter::step::tally::Tally;

/// The map of the standard library doubles for the first key behind seven eighths of a power of two, which is where the
/// default capacity ends: half of it would lie empty, at 41 bytes a place. Here the tallies lie in a list without gaps, which never
/// grows beyond the capacity, and beside them the numbers of their lines, twice as many places at 4 bytes. Keys go only when all are
/// looked at, and then the numbers are made anew.
#[derive(Debug)]
pub(super) struct Places {
    tallies: Vec<(Key, Tally)>,
    /// A power of two of them, at least twice as many as there are tallies; or none. A tally's number stands where its hash says,
    /// or in the next place that was free: 0 for none, or one above the line of the tally.
    lines: Vec<u32>,
    capacity: usize,
}

/// How many keys the first one makes room for.
const FEW: usize = 8;

impl Places {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { tallies: Vec::new(), lines: Vec::new(), capacity }
    }

    pub(super) fn len(&self) -> usize {
        self.tallies.len()
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Tally> {
        let mut at = hash(key);
        let last = self.lines.len().wrapping_sub(1);
        loop {
            // Without places there is none here.
            let line = *self.lines.get(at & last)? as usize;
            // No tally has this number if there is none.
            let (own, _) = self.tallies.get(line.wrapping_sub(1))?;
            if *own == key {
                return self.tallies.get_mut(line.wrapping_sub(1)).map(|(_, tally)| tally);
            }
            at = at.wrapping_add(1);
        }
    }

    /// Puts in the tally of a key that is not there.
    pub(super) fn insert(&mut self, key: Key, tally: Tally) {
        let held = self.tallies.len();
        if held == self.tallies.capacity() {
            // Twice as many, but no more than there will ever be.
            let more = held.max(FEW).min(self.capacity.saturating_sub(held)).max(1);
            self.tallies.reserve_exact(more);
        }
        self.tallies.push((key, tally));
        if self.tallies.len() > self.lines.len() / 2 {
            let places = self.tallies.len().saturating_mul(2).next_power_of_two();
            self.lines = Vec::new();
            self.lines.resize(places.max(2 * FEW), 0);
            self.number();
        } else {
            place(&mut self.lines, key, self.tallies.len());
        }
    }

    /// Keeps the tallies that `keep` says.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(Key, &mut Tally) -> bool) {
        let held = self.tallies.len();
        self.tallies.retain_mut(|(key, tally)| keep(*key, tally));
        if self.tallies.len() != held {
            self.lines.fill(0);
            self.number();
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Tally)> {
        self.tallies.iter().copied()
    }

    /// Numbers all tallies, in places that are free.
    fn number(&mut self) {
        for ((key, _), number) in self.tallies.iter().zip(1..) {
            place(&mut self.lines, *key, number);
        }
    }
}

/// Puts a number into the first free place for its key. There is always one: half of them are free.
fn place(lines: &mut [u32], key: Key, number: usize) {
    let (mut at, last) = (hash(key), lines.len().wrapping_sub(1));
    while let Some(line) = lines.get_mut(at & last) {
        if *line == 0 {
            *line = u32::try_from(number).unwrap_or(0);
            return;
        }
        at = at.wrapping_add(1);
    }
}

/// The keys are hashes already, but all of one table share the bits that chose the shard, and the networks of a /48 all but some in
/// the middle. So each bit of the result comes from many.
#[inline]
const fn hash((guess, network): Key) -> usize {
    /// 2^64 by the golden ratio, as a multiplication spreads best.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    ((guess.rotate_left(25) ^ network).wrapping_mul(SPREAD) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::limiter::step::network::of_64;

    /// A tally that differs from those of other numbers.
    fn tally(number: u32) -> Tally {
        Tally::default().moved(number)
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_of_the_standard_library_holds(
            steps in prop::collection::vec((0_u64..40, 0_u64..3, 0_u32..10), 1..300),
        ) {
            let (mut places, mut model) = (Places::new(120), HashMap::new());
            for (number, (guess, network, action)) in (1..).zip(steps) {
                let key = (guess, network);
                match action {
                    0 => {
                        let goes = |key: Key| key.0 % 3 == guess % 3;
                        places.retain(|key, _| !goes(key));
                        model.retain(|key, _| !goes(*key));
                    }
                    _ => match places.get_mut(key) {
                        Some(own) => {
                            prop_assert_eq!(model.insert(key, tally(number)), Some(*own));
                            *own = tally(number);
                        }
                        None => {
                            places.insert(key, tally(number));
                            prop_assert_eq!(model.insert(key, tally(number)), None);
                        }
                    },
                }
                prop_assert_eq!(places.len(), model.len());
                prop_assert_eq!(places.iter().collect::<HashMap<_, _>>(), model.clone());
                prop_assert!(model.iter().all(|(key, tally)| places.get_mut(*key) == Some(&mut tally.clone())));
            }
        }
    }

    #[test]
    fn a_full_table_takes_a_fifth_more_than_its_tallies() {
        let mut places = Places::new(4096);
        for key in 0..4096 {
            places.insert((key, 0), Tally::default());
        }
        assert_eq!((places.tallies.capacity(), places.lines.len()), (4096, 8192));
        let (line, tally) = (size_of::<u32>(), size_of::<(Key, Tally)>());
        assert!(8192 * line <= 4096 * tally / 5, "{line} and {tally} bytes");
        places.retain(|_, _| false);
        assert_eq!(places.get_mut((1, 0)), None);
    }

    #[test]
    fn neither_the_networks_of_a_48_nor_the_accounts_of_one_shard_crowd_in_one_place() {
        // As many /48s as may fill the table, each with its share, all of one shard.
        let networks = (0..16_u64).flat_map(|around| {
            let hash = around.wrapping_mul(0x0123_4567_89ab_cdef) & !0x3f_0000;
            let of_shard = |key: &u64| key >> 16 & 63 == 0;
            (0..=u16::MAX).map(move |subnet| of_64(hash, subnet)).filter(of_shard).take(256).map(|key| (0, key))
        });
        let accounts = (0..4096_u64).map(|number| (number.wrapping_mul(0x5851_f42d_4c95_7f2d) & !63, 0));
        for keys in [networks.collect::<Vec<_>>(), accounts.collect()] {
            let mut places = Places::new(4096);
            keys.iter().for_each(|key| places.insert(*key, Tally::default()));
            let runs = places.lines.split(|line| *line == 0).map(<[u32]>::len);
            let longest = runs.max().unwrap();
            assert!(longest < 80, "{longest} places in a row are taken by {} keys", keys.len());
        }
    }
}
