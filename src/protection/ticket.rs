//! What a reservation of the memory limiter holds: what was charged, where, and under which number.

use super::policy::Charges;
use super::table::{Key, Place};
use crate::boundary::limiter::Rule;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) guess: u64,
    pub(crate) network: u64,
    pub(crate) number: u32,
    /// When it was reserved, in milliseconds; 48 bits.
    pub(crate) made: u64,
    /// The fingerprint of the secret; 0 for none.
    pub(crate) print: u32,
    pub(crate) is_client: bool,
    pub(crate) has_address: bool,
    pub(crate) charges: Charges,
    pub(crate) pair_place: Place,
    pub(crate) account_place: Place,
    pub(crate) address_place: Place,
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

    /// The key under which this rule counts the attempt.
    pub(crate) fn key_of(&self, rule: Rule) -> Key {
        match rule {
            Rule::Account => self.account(),
            Rule::Address | Rule::Requests => self.address(),
            Rule::AccountAndAddress | Rule::ClientAndAddress => self.pair(),
        }
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let flags = [
            self.is_client,
            self.has_address,
            self.charges.pair,
            self.charges.account,
            self.charges.address,
            self.charges.locks_pair,
            self.charges.locks_account,
            self.pair_place == Place::Shared,
            self.account_place == Place::Shared,
            self.address_place == Place::Shared,
            self.pair_place == Place::Spared,
        ];
        let flags = flags.iter().rev().fold(0_u16, |bits, flag| bits << 1 | u16::from(*flag));
        let mut bytes = [0; 32];
        let parts = self.guess.to_le_bytes().into_iter().chain(self.network.to_le_bytes());
        let parts = parts.chain(self.number.to_le_bytes()).chain(self.print.to_le_bytes());
        let parts = parts.chain(flags.to_le_bytes()).chain(self.made.to_le_bytes());
        bytes.iter_mut().zip(parts).for_each(|(slot, byte)| *slot = byte);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x, y, z, made @ ..] = *bytes;
        let flags = u16::from_le_bytes([y, z]);
        let made = made.iter().rev().fold(0, |made, byte| made << 8 | u64::from(*byte));
        let flag = |at: u32| flags >> at & 1 == 1;
        let place = |at: u32| if flag(at) { Place::Shared } else { Place::Own };
        Self {
            guess: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            network: u64::from_le_bytes([i, j, k, l, m, n, o, p]),
            number: u32::from_le_bytes([q, r, s, t]),
            print: u32::from_le_bytes([u, v, w, x]),
            made,
            is_client: flag(0),
            has_address: flag(1),
            charges: Charges {
                pair: flag(2),
                account: flag(3),
                address: flag(4),
                locks_pair: flag(5),
                locks_account: flag(6),
                monitored: None,
            },
            pair_place: if flag(10) { Place::Spared } else { place(7) },
            account_place: place(8),
            address_place: place(9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_through_a_reservation(guess: u64, network: u64, number: u32, print: u32, flags: u16, made: u64) {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&guess.to_le_bytes());
            bytes[8..16].copy_from_slice(&network.to_le_bytes());
            bytes[16..20].copy_from_slice(&number.to_le_bytes());
            bytes[20..24].copy_from_slice(&print.to_le_bytes());
            // A pair is in one place.
            let flags = flags & if flags & 0x400 != 0 { 0x77f } else { 0x7ff };
            bytes[24..26].copy_from_slice(&flags.to_le_bytes());
            bytes[26..].copy_from_slice(&made.to_le_bytes()[..6]);
            let ticket = Ticket::from_bytes(&bytes);
            prop_assert_eq!((ticket.guess, ticket.network, ticket.number, ticket.print), (guess, network, number, print));
            prop_assert_eq!(ticket.made, made & 0xffff_ffff_ffff);
            prop_assert_eq!(ticket.to_bytes(), bytes);
        }
    }
}
