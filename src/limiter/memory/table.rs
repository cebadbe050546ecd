//! A bounded map of tallies that never forgets one that counts.

use std::convert::Infallible;

use super::places::Places;
use crate::limiter::step::capacity::{Capacity, SWEEP};
use crate::limiter::step::cell::{KINDS, cell_counts, cell_of, crowd_cell};
use crate::limiter::step::key::{Key, Place};
use crate::limiter::step::network::{CROWDS, crowd};
use crate::limiter::step::tally::Tally;

/// When it is full of tallies that count, new keys share a fixed number of cells, chosen by the key's own hash. So a flood
/// can make it stricter, never forgetful.
///
/// A cell counts its keys as if they were one. A lock of the cell is a lock of each of them and ends the count of each, as a
/// lock of its own would. So one key of a cell never has more guesses than a key of its own can have.
#[derive(Debug)]
pub(crate) struct Table {
    tallies: Places,
    capacity: Capacity,
    /// As many as the capacity, rounded up to a power of two; an eighth of that for clients, whose budget is another; and
    /// again an eighth for preferred keys, half of it for clients. Empty as long as there was always room.
    cells: Vec<Tally>,
    /// How many keys each crowd has, as far as there are any of IPv6.
    crowds: Vec<u32>,
    /// In which the keys of IPv6 are counted that have none of their own: some for each crowd, so that one /48 spoils no
    /// other's. Empty as long as there was always room.
    crowded: Vec<Tally>,
    /// Whether it [has](crate::limiter::step::slots::Slot::has_spared_cells) cells for preferred keys alone.
    spares: bool,
    next_sweep: u64,
}

impl Table {
    pub(crate) fn new(capacity: Capacity, spares: bool) -> Self {
        Self {
            tallies: Places::new(capacity.keys()),
            capacity,
            cells: Vec::new(),
            crowds: Vec::new(),
            crowded: Vec::new(),
            spares,
            next_sweep: 0,
        }
    }

    /// The tally of a key in its own place, if it has one, and whether it has. Else a `copy` of that of its cell, in which it may
    /// have been counted.
    #[inline]
    pub(crate) fn look<'t>(&'t mut self, key: Key, preferred: bool, copy: &'t mut Tally) -> (&'t mut Tally, bool) {
        if !self.cells.is_empty() || !self.crowded.is_empty() {
            *copy = self.get_shared(key, preferred);
        }
        match self.tallies.get_mut(key) {
            Some(own) => (own, true),
            None => (copy, false),
        }
    }

    /// What hardly ever is asked, kept out of the way of the rest.
    #[cold]
    fn get_shared(&self, key: Key, preferred: bool) -> Tally {
        let place = self.shared(preferred);
        let cell = match crowd_cell(key, place) {
            Some(cell) => self.crowded.get(cell),
            None => self.cells.get(cell_of(self.capacity.keys(), key, place)),
        };
        cell.copied().unwrap_or_default()
    }

    /// Stores the tally of a key without its own, which the reservation with this number charged. Locks are remembered for `memory`
    /// milliseconds after their end, so that a flood cannot make the next one short again.
    pub(crate) fn put(
        &mut self,
        key: Key,
        (tally, number): (Tally, u32),
        now: u64,
        memory: u64,
        preferred: bool,
    ) -> Place {
        let crowd = crowd(key.1);
        let mut has_room = self.has_room(crowd, preferred);
        if !has_room && self.next_sweep <= now {
            self.sweep(now, memory);
            has_room = self.has_room(crowd, preferred);
        }
        if has_room {
            if let Some(crowd) = crowd {
                self.count(crowd);
            }
            // It may come from a cell, where others' charges are older than what the key has here.
            self.tallies.insert(key, tally.moved(number));
            return Place::Own;
        }
        let place = self.shared(preferred);
        if let Some(cell) = crowd_cell(key, place) {
            // All of one width at once.
            let cells = cell.saturating_add(1).next_multiple_of(KINDS * CROWDS);
            self.crowded.resize(cells.max(self.crowded.len()), Tally::default());
        } else {
            let (accounts, others) = cell_counts(self.capacity.keys());
            self.cells.resize(accounts.saturating_add(others).saturating_add(others), Tally::default());
        }
        if let Some(cell) = self.get_mut(key, place) {
            *cell = tally;
        }
        place
    }

    fn has_room(&self, crowd: Option<usize>, preferred: bool) -> bool {
        let of_its_crowd = || crowd.and_then(|crowd| self.crowds.get(crowd)).map_or(0, |keys| *keys as usize);
        let Ok(has_room) = self.capacity.has_room::<Infallible>(self.tallies.len(), preferred, || Ok(of_its_crowd()));
        has_room
    }

    fn count(&mut self, crowd: usize) {
        self.crowds.resize(CROWDS, 0);
        if let Some(count) = self.crowds.get_mut(crowd) {
            *count = count.saturating_add(1);
        }
    }

    fn sweep(&mut self, now: u64, memory: u64) {
        let crowds = &mut self.crowds;
        self.tallies.retain(|key, tally| {
            let keeps = !tally.is_forgotten(now, memory);
            leave(crowds, key, keeps);
            keeps
        });
        self.next_sweep = now.saturating_add(SWEEP);
    }

    /// Stores the tally of a key, with or without its own.
    pub(crate) fn keep(
        &mut self,
        key: Key,
        (tally, number): (Tally, u32),
        now: u64,
        memory: u64,
        preferred: bool,
    ) -> Place {
        match self.tallies.get_mut(key) {
            Some(own) => {
                *own = tally;
                Place::Own
            }
            None => self.put(key, (tally, number), now, memory, preferred),
        }
    }

    pub(crate) fn get_mut(&mut self, key: Key, place: Place) -> Option<&mut Tally> {
        if place == Place::Own {
            return self.tallies.get_mut(key);
        }
        match crowd_cell(key, place) {
            Some(cell) => self.crowded.get_mut(cell),
            None => self.cells.get_mut(cell_of(self.capacity.keys(), key, place)),
        }
    }

    /// Forgets everything, cells included.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.capacity, self.spares);
    }

    /// Keeps the keys that `keep` says, and tells how many of the others still counted.
    pub(crate) fn retain(&mut self, now: u64, mut keep: impl FnMut(Key) -> bool) -> usize {
        let mut gone = 0_usize;
        let crowds = &mut self.crowds;
        self.tallies.retain(|key, tally| {
            let keeps = keep(key);
            leave(crowds, key, keeps);
            gone = gone.saturating_add(usize::from(!keeps && !tally.is_over(now)));
            keeps
        });
        gone
    }

    pub(crate) fn len(&self) -> usize {
        self.tallies.len()
    }

    /// Whether keys ever had to share cells.
    pub(crate) fn was_full(&self) -> bool {
        !self.cells.is_empty()
    }

    /// Whether the keys of a /48, or those of IPv6 in a full table, ever had to share cells.
    pub(crate) fn was_crowded(&self) -> bool {
        !self.crowded.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key, Tally)> {
        self.tallies.iter()
    }

    /// Where a key without a tally of its own is counted.
    fn shared(&self, preferred: bool) -> Place {
        Place::shared(self.spares, preferred)
    }
}

/// Takes a key that goes off the count of its crowd.
fn leave(crowds: &mut [u32], key: Key, keeps: bool) {
    if let Some(count) = crowd(key.1).filter(|_| !keeps).and_then(|crowd| crowds.get_mut(crowd)) {
        *count = count.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limiter::step::budget::Lockout;

    #[test]
    fn what_a_key_takes_along_from_a_cell_is_not_taken_back_for_what_it_charged_in_an_earlier_place() {
        let budget = Lockout::new(3, Duration::from_secs(60));
        let (one, other, late) = ((1, 0), (2, 0), (3, 0));
        let mut table = Table::new(Capacity::of(1), false);
        let charge = |table: &mut Table, key, now, number| {
            let mut copy = Tally::default();
            let mut tally = *table.look(key, false, &mut copy).0;
            tally.charge(&budget, now, number);
            table.keep(key, (tally, number), now, 0, false)
        };
        // Another has a cell, for want of room, and goes on there.
        assert_eq!(charge(&mut table, one, 0, 1), Place::Own);
        assert_eq!(charge(&mut table, other, 0, 2), Place::Shared);
        table.retain(0, |key| key != one);
        // This one has a place of its own, and loses it when its time is over.
        assert_eq!(charge(&mut table, late, 0, 3), Place::Own);
        assert_eq!(charge(&mut table, other, 50_000, 4), Place::Shared);
        table.retain(50_000, |_| false);
        // It has one again, with what it shares in the cell: the attempt under way since then takes nothing of that back.
        assert_eq!(charge(&mut table, late, 50_000, 5), Place::Own);
        let before = *table.look(late, false, &mut Tally::default()).0;
        let own = table.get_mut(late, Place::Own).unwrap();
        own.refund(&budget, || 50_000, 3);
        assert_eq!(*own, before);
        own.refund(&budget, || 50_000, 5);
        assert_ne!(*own, before);
    }
}
