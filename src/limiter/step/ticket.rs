//! What a reservation of the limiters holds: what was charged, where, and under which number.

use super::facts::{Facts, key};
use super::key::{GuessKind, Key, Place, SPENT, kind, with_kind};
use super::slots::{Slot, Slots};
use crate::boundary::limiter::{Limit, Reservation, Settlement};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) guess: u64,
    pub(crate) network: u64,
    pub(crate) number: u32,
    /// When it was charged, in milliseconds; in 42 bits, which are 139 years.
    pub(crate) at: u64,
    /// The fingerprint of the secret; 0 for none.
    pub(crate) print: u32,
    pub(crate) has_address: bool,
    pub(crate) charged: Slots,
    /// The locks that began by it. In its bytes those of wider networks are all that were charged, if one began.
    pub(crate) locks: Slots,
    /// Those that are counted in cells, together with others.
    shared: Slots,
    /// The pair's cell is one for preferred keys.
    is_spared: bool,
}

impl Ticket {
    /// Of an attempt that was charged at `at`, with each tally in a place of its own.
    pub(crate) fn new(facts: &Facts, number: u32, at: u64, charged: Slots, locks: Slots) -> Self {
        Self {
            guess: facts.guess,
            network: facts.network,
            number,
            at,
            print: facts.print,
            has_address: facts.has_address,
            charged,
            locks,
            shared: Slots::NONE,
            is_spared: false,
        }
    }

    #[inline]
    pub(crate) const fn kind(&self) -> GuessKind {
        kind(self.guess)
    }

    /// The key of a record that [settling](Self::touched_by) it may change.
    #[inline]
    pub(crate) fn key(&self, slot: Slot) -> Key {
        key(self.guess, self.network, slot)
    }

    /// The tallies that settling it so may change.
    #[inline]
    pub(crate) fn touched_by(&self, settlement: Settlement) -> Slots {
        if self.kind().is_of_factor() {
            return self.touched_of_factor(settlement);
        }
        match settlement {
            // The failures of the pair are forgotten though this attempt was not charged to it.
            Settlement::Success => self.charged.with(Slot::Pair),
            Settlement::Untried => self.charged,
            Settlement::Denied | Settlement::Pending | Settlement::Refused | Settlement::Undecided => {
                self.charged.and(Slots::LOCKOUTS)
            }
        }
    }

    /// The key of the record that tells whether it succeeded after it was pending. What two tickets share, one of them has spent.
    #[inline]
    pub(crate) fn spent_key(&self) -> Key {
        let number = u64::from(self.number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = self.at.wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
        let digest = self.guess.rotate_left(7) ^ self.network.rotate_left(29) ^ number ^ at;
        (with_kind(digest, GuessKind::Factor as u64), SPENT)
    }

    #[cold]
    fn touched_of_factor(&self, settlement: Settlement) -> Slots {
        let kind = self.kind();
        let own = if kind.has_own_pair() { self.charged.without(Slots::of(&[Slot::Pair])) } else { self.charged };
        match settlement {
            // A message that was sent is not taken back by what comes of it.
            Settlement::Success if kind == GuessKind::Delivery => Slots::NONE,
            // The failures in a row are forgotten.
            Settlement::Success => own.with_if(Slot::Account, kind == GuessKind::Factor),
            Settlement::Untried => own,
            Settlement::Undecided if kind == GuessKind::Delivery => Slots::NONE,
            Settlement::Denied | Settlement::Pending | Settlement::Refused | Settlement::Undecided => {
                own.and(Slots::LOCKOUTS)
            }
        }
    }

    /// Whether settling it so forgets all that was counted there, and not what it was charged alone: the failures of an account or
    /// client from its address, and those of a second factor in a row, if nobody else is counted with them.
    #[inline]
    pub(crate) fn forgives(&self, settlement: Settlement, slot: Slot) -> bool {
        let is_of_these = match slot {
            Slot::Pair => !self.kind().is_of_factor(),
            Slot::Account => self.kind() == GuessKind::Factor,
            _ => false,
        };
        settlement == Settlement::Success && is_of_these && !self.is_shared(slot)
    }

    #[inline]
    pub(crate) fn place(&self, slot: Slot) -> Place {
        match slot {
            _ if !self.shared.has(slot) => Place::Own,
            Slot::Pair if self.is_spared => Place::Spared,
            // It always is.
            Slot::Recent => Place::Spared,
            _ => Place::Shared,
        }
    }

    /// Whether others are counted in the same tally.
    #[inline]
    pub(crate) const fn is_shared(&self, slot: Slot) -> bool {
        self.shared.has(slot)
    }

    #[inline]
    pub(crate) fn set_place(&mut self, slot: Slot, place: Place) {
        self.shared = self.shared.with_if(slot, place != Place::Own);
        self.is_spared |= slot == Slot::Pair && place == Place::Spared;
    }

    /// As the answer to the attempt, with the limit that would have refused if it blocked, and whether the address is known.
    #[inline]
    pub(crate) fn into_reservation(self, monitored: Option<Limit>, is_known: bool) -> Reservation {
        let reservation = Reservation::new(self.to_bytes()).from_known_address(is_known);
        match monitored {
            Some(limit) => reservation.would_refuse(limit),
            None => reservation,
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let flag = |is_set: bool, at: u32| u32::from(is_set) << at;
        let flags = flag(self.has_address, 0)
            | u32::from(self.charged.bits()) << 1
            | u32::from(self.shared.bits()) << 9
            | flag(self.is_spared, 17)
            | flag(self.locks.has(Slot::Pair), 18)
            | flag(self.locks.has(Slot::Account), 19)
            | flag(!self.locks.and(Slots::WIDE).is_empty(), 20)
            | flag(self.locks.has(Slot::Recent), 21);
        let numbers = u64::from(self.number) | u64::from(self.print) << 32;
        let words = [self.guess, self.network, numbers, u64::from(flags) | self.at << 22].map(u64::to_le_bytes);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(words.as_flattened());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        let (numbers, flags) = (word(2), word(3));
        let flag = |at: u32| flags >> at & 1 == 1;
        let charged = Slots::from_bits((flags >> 1) as u8);
        let wide = if flag(20) { charged.and(Slots::WIDE_PAIRS) } else { Slots::NONE };
        Self {
            guess: word(0),
            network: word(1),
            number: (numbers & 0xffff_ffff) as u32,
            print: (numbers >> 32) as u32,
            at: flags >> 22,
            has_address: flag(0),
            charged,
            locks: wide.with_if(Slot::Pair, flag(18)).with_if(Slot::Account, flag(19)).with_if(Slot::Recent, flag(21)),
            shared: Slots::from_bits((flags >> 9) as u8),
            is_spared: flag(17),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_through_a_reservation(words: [u64; 4]) {
            let mut bytes = [0; 32];
            // Where a wider network began a lock, its pair was charged.
            let unused = if words[3] >> 1 & 0x28 == 0 { 1 << 20 } else { 0 };
            bytes.copy_from_slice([words[0], words[1], words[2], words[3] & !unused].map(u64::to_le_bytes).as_flattened());
            let ticket = Ticket::from_bytes(&bytes);
            prop_assert_eq!((ticket.guess, ticket.network, ticket.at), (words[0], words[1], words[3] >> 22));
            prop_assert_eq!(ticket.to_bytes(), bytes);
        }

        #[test]
        fn each_record_is_found_in_the_place_where_it_was_charged(places in prop::array::uniform8(0_u8..3)) {
            let facts = Facts { guess: 1, network: 2, print: 3, kind: GuessKind::Account, beside: 2, has_address: true, is_exempt: false };
            let mut ticket = Ticket::new(&facts, 4, 5, Slots::WIDE, Slots::NONE);
            let place_of = |slot: Slot| match places[slot as usize] {
                0 => Place::Own,
                2 if slot == Slot::Pair => Place::Spared,
                _ if slot == Slot::Recent => Place::Spared,
                _ => Place::Shared,
            };
            Slot::ALL.into_iter().for_each(|slot| ticket.set_place(slot, place_of(slot)));
            let ticket = Ticket::from_bytes(&ticket.to_bytes());
            for slot in Slot::ALL {
                prop_assert_eq!(ticket.place(slot), place_of(slot));
            }
        }
    }
}
