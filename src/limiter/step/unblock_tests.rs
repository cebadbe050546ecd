use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;
use crate::boundary::limiter::AttemptKey;
use crate::limiter::step::facts::Facts;
use crate::limiter::step::slots::Slot;
use crate::protocol::secret::keyed::Keyed;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attempt {
    name: u8,
    is_client: bool,
    from: u8,
}

impl Attempt {
    fn any() -> impl Strategy<Value = Self> {
        (0_u8..3, any::<bool>(), 0_u8..8).prop_map(|(name, is_client, from)| Self { name, is_client, from })
    }

    /// Two of IPv4; of the others the numbers of their /48, /56 and /64 tell them apart.
    fn address(self) -> IpAddr {
        match self.from {
            from @ 0..2 => Ipv4Addr::new(192, 0, 2, from).into(),
            _ => {
                let [net_48, net_56, net_64] = self.networks();
                Ipv6Addr::new(0x2001, 0xdb8, net_48, net_56 << 8 | net_64, 0, 0, 0, 1).into()
            }
        }
    }

    fn networks(self) -> [u16; 3] {
        let from = u16::from(self.from);
        [from >> 2, from >> 1 & 1, from & 1]
    }

    /// Whether both count on the same network in such a record.
    fn shares_network(self, other: Self, slot: Slot) -> bool {
        let same = |parts: usize| self.networks()[..parts] == other.networks()[..parts];
        match (slot, self.from < 2, other.from < 2) {
            (Slot::Account, ..) => true,
            (Slot::Pair | Slot::Address, true, true) => self.from == other.from,
            (Slot::Pair | Slot::Address, false, false) => same(3),
            (Slot::Pair56 | Slot::Net56, false, false) => same(2),
            (Slot::Pair48 | Slot::Net48, false, false) => same(1),
            _ => false,
        }
    }

    fn with_guess<T>(self, act: impl FnOnce(&Guess<'_>, &AccountKey<'_>) -> T) -> T {
        let name = self.name.to_string();
        let account = AccountKey::resolved(name.as_str());
        match self.is_client {
            true => act(&Guess::Client { client_id: &name }, &account),
            false => act(&Guess::Account { realm: None, account: &account }, &account),
        }
    }

    fn facts(self, digests: &Digests) -> Facts {
        self.with_guess(|guess, _| Facts::new(&AttemptKey::new(*guess, Some(self.address())), digests))
    }
}

/// Whether the record is forgotten, and counted in the answer.
fn forgets(unblock: &Unblock, key: Key) -> Option<bool> {
    let table = TableKind::of(key);
    unblock.forgotten.iter().find(|forgotten| forgotten.table == table && forgotten.has(key)).map(|it| it.is_counted)
}

proptest! {
    /// T9, P9: what is meant is forgotten, with what would refuse it still, and nothing else.
    #[test]
    fn what_is_unblocked_is_all_of_what_is_meant_and_nothing_of_another(meant in Attempt::any(), other in Attempt::any()) {
        let digests = Digests::new(Keyed::random());
        let account = meant.with_guess(|_, account| Unblock::account(&digests, None, account));
        let address = Unblock::address(&digests, meant.address());
        let pair = meant.with_guess(|guess, _| Unblock::pair(&digests, guess, Some(meant.address())));
        let facts = other.facts(&digests);
        let is_same_guess = (meant.name, meant.is_client) == (other.name, other.is_client);
        for slot in facts.touches(false).iter() {
            let (key, is_own) = (facts.key(slot), slot.tier().is_none());
            let names = !matches!(slot, Slot::Address | Slot::Net56 | Slot::Net48);
            let is_near = meant.shares_network(other, slot);
            let is_account = names && !other.is_client && meant.name == other.name;
            prop_assert_eq!(forgets(&account, key), is_account.then_some(is_own), "account {:?}", slot);
            let is_address = slot != Slot::Account && is_near;
            prop_assert_eq!(forgets(&address, key), is_address.then_some(is_own), "address {:?}", slot);
            let is_pair = names && slot != Slot::Account && is_same_guess && is_near;
            prop_assert_eq!(forgets(&pair, key), is_pair.then_some(is_own), "pair {:?}", slot);
        }
        let guess = meant.facts(&digests).guess;
        prop_assert_eq!(address.untold, None);
        prop_assert_eq!(pair.untold, Some(guess));
        prop_assert_eq!(account.untold == Some(guess), !meant.is_client);
    }
}
