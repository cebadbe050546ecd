//! What a reservation of the limiters holds: what was charged, where, and under which number.

use super::network::{Tier, is_ipv6, widened};
use super::policy::{Charges, Facts, WideCharges};
use super::table::{Key, Place};
use crate::boundary::limiter::{AttemptKey, Guess, Rule};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) guess: u64,
    pub(crate) network: u64,
    pub(crate) number: u32,
    /// When it was charged, in milliseconds; in 44 bits, which are 557 years.
    pub(crate) at: u64,
    /// The fingerprint of the secret; 0 for none.
    pub(crate) print: u32,
    pub(crate) is_client: bool,
    pub(crate) has_address: bool,
    pub(crate) charges: Charges,
    pub(crate) pair_place: Place,
    pub(crate) account_place: Place,
    pub(crate) address_place: Place,
    /// Of the /56 and the /48.
    pub(crate) wide_places: [WidePlaces; 2],
}

/// Where the tallies of a wider network lie: that of the pair, and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WidePlaces {
    pub(crate) pair: Place,
    pub(crate) address: Place,
}

impl WidePlaces {
    pub(crate) const OWN: Self = Self { pair: Place::Own, address: Place::Own };
}

impl Ticket {
    pub(crate) fn pair(&self) -> Key {
        (self.guess, self.network)
    }

    pub(crate) fn account(&self) -> Key {
        (self.guess, 0)
    }

    pub(crate) fn address(&self) -> Key {
        (0, self.network)
    }

    /// Whether it counts on wider networks, too.
    pub(crate) fn has_wide(&self) -> bool {
        self.has_address && is_ipv6(self.network)
    }

    /// The keys of a wider network: with the account or client, and alone.
    pub(crate) fn wide(&self, tier: Tier) -> (Key, Key) {
        let network = widened(self.network, tier);
        ((self.guess, network), (0, network))
    }

    /// What the rules need to know of an attempt.
    pub(crate) fn facts(&self, key: &AttemptKey<'_>, is_known: bool, now: u64) -> Facts {
        Facts {
            is_client: self.is_client,
            has_no_account: matches!(key.guess, Guess::NoAccount),
            has_address: self.has_address,
            is_exempt: key.is_exempt,
            is_known,
            print: self.print,
            now,
            number: self.number,
        }
    }

    /// The key under which this rule counts the attempt.
    pub(crate) fn key_of(&self, rule: Rule) -> Key {
        match rule {
            Rule::Account => self.account(),
            Rule::Address | Rule::Requests | Rule::Introspections => self.address(),
            Rule::AccountAndAddress | Rule::ClientAndAddress => self.pair(),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let flag = |is_set: bool, at: u32| u32::from(is_set) << at;
        let [net56, net48] = self.charges.wide;
        let [place56, place48] = self.wide_places;
        let flags = flag(self.is_client, 0)
            | flag(self.has_address, 1)
            | flag(self.charges.pair, 2)
            | flag(self.charges.account, 3)
            | flag(self.charges.address, 4)
            | flag(self.charges.locks_pair, 5)
            | flag(self.charges.locks_account, 6)
            | flag(self.pair_place == Place::Shared, 7)
            | flag(self.account_place == Place::Shared, 8)
            | flag(self.address_place == Place::Shared, 9)
            | flag(self.pair_place == Place::Spared, 10)
            | flag(net56.pair, 11)
            | flag(net56.address, 12)
            | flag(net48.pair, 13)
            | flag(net48.address, 14)
            | flag(self.charges.locks_wide, 15)
            | flag(place56.pair == Place::Shared, 16)
            | flag(place56.address == Place::Shared, 17)
            | flag(place48.pair == Place::Shared, 18)
            | flag(place48.address == Place::Shared, 19);
        let numbers = u64::from(self.number) | u64::from(self.print) << 32;
        let words = [self.guess, self.network, numbers, u64::from(flags) | self.at << 20].map(u64::to_le_bytes);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(words.as_flattened());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        let (numbers, flags) = (word(2), word(3));
        let flag = |at: u32| flags >> at & 1 == 1;
        let place = |at: u32| if flag(at) { Place::Shared } else { Place::Own };
        Self {
            guess: word(0),
            network: word(1),
            number: (numbers & 0xffff_ffff) as u32,
            print: (numbers >> 32) as u32,
            at: flags >> 20,
            is_client: flag(0),
            has_address: flag(1),
            charges: Charges {
                pair: flag(2),
                account: flag(3),
                address: flag(4),
                locks_pair: flag(5),
                locks_account: flag(6),
                locks_wide: flag(15),
                wide: [(11, 12), (13, 14)]
                    .map(|(pair, address)| WideCharges { pair: flag(pair), address: flag(address) }),
                monitored: None,
            },
            pair_place: if flag(10) { Place::Spared } else { place(7) },
            account_place: place(8),
            address_place: place(9),
            wide_places: [(16, 17), (18, 19)]
                .map(|(pair, address)| WidePlaces { pair: place(pair), address: place(address) }),
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
            // A pair is in one place.
            let unused = if words[3] & 0x400 != 0 { 0x80 } else { 0 };
            bytes.copy_from_slice([words[0], words[1], words[2], words[3] & !unused].map(u64::to_le_bytes).as_flattened());
            let ticket = Ticket::from_bytes(&bytes);
            prop_assert_eq!((ticket.guess, ticket.network, ticket.at), (words[0], words[1], words[3] >> 20));
            prop_assert_eq!(ticket.to_bytes(), bytes);
        }
    }
}
