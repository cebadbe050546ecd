//! What is known of an attempt before any of its records is read.

use super::digests::Digests;
use super::key::Key;
use super::network::{is_ipv6, widened};
use super::slots::{Slot, Slots};
use crate::boundary::limiter::{AttemptKey, Guess};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// A digest of what is guessed, with its [kind](super::key::with_kind).
    pub(crate) guess: u64,
    /// The key of the address; see [`network`](super::network).
    pub(crate) network: u64,
    /// Of the secret; 0 for none.
    pub(crate) print: u32,
    pub(crate) is_client: bool,
    /// Nothing that can be guessed: only the address counts.
    pub(crate) has_no_account: bool,
    pub(crate) has_address: bool,
    pub(crate) is_exempt: bool,
}

impl Facts {
    pub(crate) fn new(key: &AttemptKey<'_>, digests: &Digests) -> Self {
        Self {
            guess: digests.guess(&key.guess),
            network: digests.network(key.address),
            print: key.fingerprint.map_or(0, |print| (print.get() >> 32) as u32 | 1),
            is_client: !matches!(key.guess, Guess::Account { .. }),
            has_no_account: matches!(key.guess, Guess::NoAccount),
            has_address: key.address.is_some(),
            is_exempt: key.is_exempt,
        }
    }

    /// Whether it may count on the account over all addresses. Clients count by their pairs alone.
    pub(crate) const fn counts_on_account(&self) -> bool {
        !self.has_no_account && !self.is_client
    }

    /// Whether it counts on wider networks, too. A network in which its address is [known](super::look::Moment::is_known) has other
    /// users as well: strangers among them must not lock the account out.
    pub(crate) const fn touches_wide(&self, is_known: bool) -> bool {
        !is_known && self.has_address && is_ipv6(self.network)
    }

    /// The records that the attempt touches, from an address that is [known](super::look::Moment::is_known) or not; those for one that
    /// is not are all that it may touch. That of an account or client tells which addresses are known.
    pub(crate) const fn touches(&self, is_known: bool) -> Slots {
        let guess = if self.has_no_account { Slots::NONE } else { Slots::of(&[Slot::Pair, Slot::Account]) };
        let slots = guess.with_if(Slot::Address, self.has_address);
        if self.touches_wide(is_known) { slots.or(Slots::WIDE) } else { slots }
    }

    pub(crate) fn key(&self, slot: Slot) -> Key {
        key(self.guess, self.network, slot)
    }
}

/// The key of a record.
pub(crate) fn key(guess: u64, network: u64, slot: Slot) -> Key {
    let around = || slot.tier().map_or(network, |tier| widened(network, tier));
    match slot {
        Slot::Pair => (guess, network),
        Slot::Account => (guess, 0),
        Slot::Address => (0, network),
        Slot::Pair56 | Slot::Pair48 => (guess, around()),
        Slot::Net56 | Slot::Net48 => (0, around()),
    }
}
