//! Values in numbered slots, and chains of them: what is found without a search is moved without one.

use std::num::NonZeroU32;

/// The number of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(NonZeroU32);

impl Slot {
    fn of(index: usize) -> Option<Self> {
        u32::try_from(index).ok()?.checked_add(1).and_then(NonZeroU32::new).map(Self)
    }

    const fn index(self) -> usize {
        (self.0.get() as usize).saturating_sub(1)
    }
}

/// Values in slots. Large ones are boxed, so that they need not move when there are more.
pub(super) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<Slot>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) const fn len(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.slots.get(slot.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.slots.get_mut(slot.index())?.as_mut()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(Option::as_ref)
    }

    /// The slot after this one, whether it is free or not; the first one after the last, and after none.
    pub(super) fn next(&self, slot: Option<Slot>) -> Option<Slot> {
        let index = slot.map_or(0, |slot| slot.index().saturating_add(1));
        Slot::of(if index < self.slots.len() { index } else { 0 })
    }

    /// Puts a value into a free slot; `None` if there are no more numbers.
    pub(super) fn insert(&mut self, value: T) -> Option<Slot> {
        if let Some(slot) = self.free.pop()
            && let Some(room) = self.slots.get_mut(slot.index())
        {
            *room = Some(value);
            return Some(slot);
        }
        let slot = Slot::of(self.slots.len())?;
        self.slots.push(Some(value));
        Some(slot)
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        let value = self.slots.get_mut(slot.index())?.take()?;
        self.free.push(slot);
        Some(value)
    }
}

/// The neighbours of a value in a chain.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Links {
    before: Option<Slot>,
    after: Option<Slot>,
}

/// A chain of values, in the order in which they came.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Chain {
    first: Option<Slot>,
    last: Option<Slot>,
    length: u32,
}

/// Which links of a value belong to the chain.
type Of<T> = fn(&mut T) -> &mut Links;

impl Chain {
    pub(super) const fn first(&self) -> Option<Slot> {
        self.first
    }

    pub(super) const fn last(&self) -> Option<Slot> {
        self.last
    }

    pub(super) const fn len(&self) -> usize {
        self.length as usize
    }

    /// Adds a value at the end.
    pub(super) fn push<T>(&mut self, slab: &mut Slab<T>, slot: Slot, links: Of<T>) {
        let last = self.last.replace(slot);
        if let Some(value) = slab.get_mut(slot) {
            *links(value) = Links { before: last, after: None };
        }
        match last.and_then(|last| slab.get_mut(last)) {
            Some(last) => links(last).after = Some(slot),
            None => self.first = Some(slot),
        }
        self.length = self.length.saturating_add(1);
    }

    /// Takes a value of this chain out of it.
    pub(super) fn unlink<T>(&mut self, slab: &mut Slab<T>, slot: Slot, links: Of<T>) {
        let Some(value) = slab.get_mut(slot) else { return };
        let Links { before, after } = std::mem::take(links(value));
        match before.and_then(|before| slab.get_mut(before)) {
            Some(before) => links(before).after = after,
            None => self.first = after,
        }
        match after.and_then(|after| slab.get_mut(after)) {
            Some(after) => links(after).before = before,
            None => self.last = before,
        }
        self.length = self.length.saturating_sub(1);
    }

    /// The first value of which this is true.
    pub(super) fn find<T>(
        &self,
        slab: &Slab<T>,
        links: fn(&T) -> &Links,
        is_meant: impl Fn(&T) -> bool,
    ) -> Option<Slot> {
        let mut next = self.first;
        while let Some(slot) = next {
            let value = slab.get(slot)?;
            if is_meant(value) {
                return Some(slot);
            }
            next = links(value).after;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Value(u32, Links);

    fn all(chain: &Chain, slab: &Slab<Value>) -> Vec<u32> {
        let seen = std::cell::RefCell::new(Vec::new());
        chain.find(
            slab,
            |value| &value.1,
            |value| {
                seen.borrow_mut().push(value.0);
                false
            },
        );
        assert_eq!(seen.borrow().len(), chain.len());
        seen.into_inner()
    }

    #[test]
    fn a_chain_keeps_its_order_whatever_is_taken_out() {
        let (mut slab, mut chain) = (Slab::default(), Chain::default());
        let links: Of<Value> = |value| &mut value.1;
        let slots: Vec<Slot> = (0..5).map(|number| slab.insert(Value(number, Links::default())).unwrap()).collect();
        for slot in &slots {
            chain.push(&mut slab, *slot, links);
        }
        let mut left = vec![0, 1, 2, 3, 4];
        for number in [2, 0, 4, 3, 1] {
            assert_eq!(all(&chain, &slab), left);
            chain.unlink(&mut slab, slots[number], links);
            left.retain(|one| *one as usize != number);
        }
        assert_eq!((all(&chain, &slab), chain.first()), (vec![], None));
        chain.push(&mut slab, slots[3], links);
        chain.push(&mut slab, slots[1], links);
        assert_eq!(all(&chain, &slab), [3, 1]);
    }

    #[test]
    fn a_slot_that_is_free_is_used_again() {
        let mut slab = Slab::default();
        let slots: Vec<Slot> = (0..3).map(|number| slab.insert(number).unwrap()).collect();
        assert_eq!(slab.remove(slots[1]), Some(1));
        assert!(slab.get(slots[1]).is_none() && slab.remove(slots[1]).is_none());
        assert_eq!((slab.len(), slab.insert(7)), (2, Some(slots[1])));
        assert_eq!((slab.get(slots[1]), slab.iter().copied().collect()), (Some(&7), vec![0, 7, 2]));
    }

    #[test]
    fn a_walk_comes_by_each_slot_and_begins_again() {
        let mut slab = Slab::default();
        let slots: Vec<Slot> = (0..3).map(|number| slab.insert(number).unwrap()).collect();
        slab.remove(slots[1]);
        let walk = std::iter::successors(slab.next(None), |slot| slab.next(Some(*slot)));
        assert_eq!(walk.take(5).collect::<Vec<_>>(), [slots[0], slots[1], slots[2], slots[0], slots[1]]);
    }
}
