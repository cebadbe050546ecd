//! The records that an attempt touches, by what each counts.

use super::key::Key;
use super::network::{Tier, is_ipv6, tier};

/// What a record counts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The account or client and the address.
    Pair,
    /// The account over all addresses.
    Account,
    /// The address, which is a /64 for IPv6.
    Address,
    /// The account or client and the /56 around the address.
    Pair56,
    /// The /56 around the address.
    Net56,
    /// The account or client and the /48 around the address.
    Pair48,
    /// The /48 around the address.
    Net48,
    /// The user's codes of a second factor, over all challenges, in a short time.
    Recent,
}

impl Slot {
    pub(crate) const ALL: [Self; 8] =
        [Self::Pair, Self::Account, Self::Address, Self::Pair56, Self::Net56, Self::Pair48, Self::Net48, Self::Recent];
    /// Those that only an IPv6 address has, in the order in which they are counted.
    pub(crate) const WIDE: [Self; 4] = [Self::Pair56, Self::Net56, Self::Pair48, Self::Net48];

    #[inline]
    const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Which network around an IPv6 address it counts on, if it is one that is wider than a /64.
    #[inline]
    pub(crate) const fn tier(self) -> Option<Tier> {
        match self {
            Self::Pair | Self::Account | Self::Address | Self::Recent => None,
            Self::Pair56 | Self::Net56 => Some(Tier::Net56),
            Self::Pair48 | Self::Net48 => Some(Tier::Net48),
        }
    }

    /// Whether it counts all attempts from an address or network, in a bucket that fills again; else it counts failures in a row.
    #[inline]
    pub(crate) const fn is_bucket(self) -> bool {
        matches!(self, Self::Address | Self::Net56 | Self::Net48)
    }

    /// Whether a record may use room that is kept for those that were seen before, for an attempt from an address that is known
    /// or not. Strangers fill neither that of an account's pairs nor that of addresses.
    #[inline]
    pub(crate) const fn is_preferred(self, is_known: bool) -> bool {
        is_known && matches!(self, Self::Pair | Self::Address)
    }

    /// Whether it counts on a user whose second factor is open, without a network around.
    #[inline]
    pub(crate) const fn is_of_user(self) -> bool {
        matches!(self, Self::Pair | Self::Account | Self::Recent)
    }

    /// Whether those that are [preferred](Self::is_preferred) share no cell with others. Right only where a key that becomes
    /// preferred may begin anew: a pair becomes so by a success, which forgets its failures.
    #[inline]
    pub(crate) const fn has_spared_cells(self) -> bool {
        matches!(self, Self::Pair | Self::Recent)
    }
}

/// The records that lie together, because they have one bound of their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TableKind {
    Pair,
    Account,
    Address,
    /// IPv6 networks that are wider than a /64, with an account or client or alone.
    Wide,
}

impl TableKind {
    /// Where the record with this key lies.
    #[inline]
    pub(crate) const fn of((guess, network): Key) -> Self {
        match (guess, network) {
            (_, 0) => Self::Account,
            _ if is_ipv6(network) && tier(network).is_some() => Self::Wide,
            (0, _) => Self::Address,
            _ => Self::Pair,
        }
    }
}

/// Some of the records of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots(u8);

impl Slots {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const WIDE: Self = Self::of(&Slot::WIDE);
    /// Those in which failures in a row are counted.
    pub(crate) const LOCKOUTS: Self = Self::of(&[Slot::Pair, Slot::Account, Slot::Pair56, Slot::Pair48, Slot::Recent]);
    /// The account or client and networks wider than a /64.
    pub(crate) const WIDE_PAIRS: Self = Self::of(&[Slot::Pair56, Slot::Pair48]);

    #[inline]
    pub(crate) const fn of(slots: &[Slot]) -> Self {
        let (mut bits, mut rest) = (0, slots);
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    #[inline]
    pub(crate) const fn has(self, slot: Slot) -> bool {
        self.0 & slot.bit() != 0
    }

    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub(crate) const fn and(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    #[must_use]
    pub(crate) const fn or(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    #[must_use]
    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    #[must_use]
    pub(crate) const fn with(self, slot: Slot) -> Self {
        Self(self.0 | slot.bit())
    }

    #[must_use]
    pub(crate) const fn with_if(self, slot: Slot, is_meant: bool) -> Self {
        Self(self.0 | (is_meant as u8) << slot as u8)
    }

    /// In the order in which they are counted.
    #[inline]
    pub(crate) fn iter(self) -> impl Iterator<Item = Slot> {
        Slot::ALL.into_iter().filter(move |slot| self.has(*slot))
    }

    /// A bit for each.
    #[inline]
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    #[inline]
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_has_a_bit_of_its_own_and_its_width() {
        for (index, slot) in (0..).zip(Slot::ALL) {
            assert_eq!(Slots::of(&[slot]).bits(), 1 << index);
            assert_eq!(Slots::WIDE.has(slot), slot.tier().is_some());
            assert_ne!(Slots::LOCKOUTS.has(slot), slot.is_bucket());
            assert_eq!(Slots::from_bits(u8::MAX).iter().nth(index), Some(slot));
        }
        assert_eq!(Slots::WIDE_PAIRS, Slots::WIDE.and(Slots::LOCKOUTS));
        assert!(Slots::NONE.is_empty() && !Slots::NONE.with_if(Slot::Pair, true).is_empty());
    }
}
