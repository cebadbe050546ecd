//! What is known of an attempt before any of its records is read.

use super::digests::Digests;
use super::key::{GuessKind, Key, RECENT, kind};
use super::network::{is_ipv6, widened};
use super::slots::{Slot, Slots};
use crate::boundary::limiter::AttemptKey;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// A digest of what is guessed, with its [kind](super::key::with_kind).
    pub(crate) guess: u64,
    /// The key of the address; see [`network`](super::network).
    pub(crate) network: u64,
    /// Of the secret; 0 for none.
    pub(crate) print: u32,
    pub(crate) kind: GuessKind,
    /// What the pair counts on beside the guess: the network, or a [part](super::key::part) of the user.
    pub(crate) beside: u64,
    /// Whether it counts on an address.
    pub(crate) has_address: bool,
    pub(crate) is_exempt: bool,
}

impl Facts {
    #[inline]
    pub(crate) fn new(key: &AttemptKey<'_>, digests: &Digests) -> Self {
        let (guess, network) = (digests.guess(&key.guess), digests.network(key.address));
        let kind = kind(guess);
        if kind.is_of_factor() {
            return Self::of_user(key, digests, guess, network);
        }
        Self {
            guess,
            network,
            print: key.fingerprint.map_or(0, |print| (print.get() >> 32) as u32 | 1),
            kind,
            beside: network,
            has_address: key.address.is_some(),
            is_exempt: key.is_exempt,
        }
    }

    /// Of an attempt on a second factor, which goes by its user.
    #[cold]
    fn of_user(key: &AttemptKey<'_>, digests: &Digests, guess: u64, network: u64) -> Self {
        let kind = kind(guess);
        let beside = digests.part(&key.guess).unwrap_or(network);
        // A message goes to the same phone wherever it is asked from.
        let has_address = key.address.is_some() && kind != GuessKind::Delivery;
        Self { guess, network, print: 0, kind, beside, has_address, is_exempt: false }
    }

    /// Whether it may count on the account or user over all addresses. Clients count by their pairs alone.
    #[inline]
    pub(crate) const fn counts_on_account(&self) -> bool {
        matches!(self.kind, GuessKind::Account | GuessKind::Factor | GuessKind::Delivery)
    }

    /// Whether it counts on its user's codes in a short time.
    #[inline]
    pub(crate) const fn counts_on_recent(&self) -> bool {
        matches!(self.kind, GuessKind::Factor)
    }

    /// Whether a record may use room that is kept for those that were seen before. A user with a second factor open was: the
    /// password was right.
    #[inline]
    pub(crate) const fn is_preferred(&self, slot: Slot, is_known: bool) -> bool {
        slot.is_preferred(is_known) || (self.kind.is_of_factor() && slot.is_of_user())
    }

    /// Whether it counts on wider networks, too. A network in which its address is [known](super::look::Moment::is_known) has other
    /// users as well: strangers among them must not lock the account out.
    #[inline]
    pub(crate) const fn touches_wide(&self, is_known: bool) -> bool {
        !is_known && self.has_address && is_ipv6(self.network)
    }

    /// The records that the attempt touches, from an address that is [known](super::look::Moment::is_known) or not; those for one that
    /// is not are all that it may touch. That of an account or client tells which addresses are known.
    #[inline]
    pub(crate) const fn touches(&self, is_known: bool) -> Slots {
        let guess = match self.kind {
            GuessKind::Account | GuessKind::Client | GuessKind::Delivery => Slots::of(&[Slot::Pair, Slot::Account]),
            GuessKind::Nobody => Slots::NONE,
            GuessKind::Factor => Slots::of(&[Slot::Pair, Slot::Account, Slot::Recent]),
            GuessKind::RecoveryCode => Slots::of(&[Slot::Pair]),
        };
        let slots = guess.with_if(Slot::Address, self.has_address);
        if self.touches_wide(is_known) { slots.or(Slots::WIDE) } else { slots }
    }

    #[inline]
    pub(crate) fn key(&self, slot: Slot) -> Key {
        match slot {
            Slot::Pair => (self.guess, self.beside),
            _ => key(self.guess, self.network, slot),
        }
    }
}

/// The key of a record.
#[inline]
pub(crate) fn key(guess: u64, network: u64, slot: Slot) -> Key {
    let around = || slot.tier().map_or(network, |tier| widened(network, tier));
    match slot {
        Slot::Pair => (guess, network),
        Slot::Account => (guess, 0),
        Slot::Recent => (guess, RECENT),
        Slot::Address => (0, network),
        Slot::Pair56 | Slot::Pair48 => (guess, around()),
        Slot::Net56 | Slot::Net48 => (0, around()),
    }
}
