//! The addresses from which accounts and clients succeeded before.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::table::Hashed;

/// The most addresses of one account. Whoever holds an account must not fill the memory with its addresses.
pub(crate) const ADDRESSES: usize = 4;
/// Among how many the oldest is looked for, when there is no room. Their order is that of hashes.
const LOOKED_AT: usize = 8;

/// Bounded: when it is full, one that was long not seen loses its addresses. That makes the rules stricter for it.
#[derive(Debug)]
pub(crate) struct Known {
    accounts: HashMap<u64, Account, BuildHasherDefault<Hashed>>,
    capacity: usize,
    /// In milliseconds.
    lifetime: u64,
}

#[derive(Debug)]
struct Account {
    /// The last one first; 0 for none.
    networks: [u64; ADDRESSES],
    seen: u64,
}

impl Known {
    pub(crate) fn new(capacity: usize, lifetime: u64) -> Self {
        Self { accounts: HashMap::default(), capacity, lifetime }
    }

    pub(crate) fn contains(&self, account: u64, network: u64, now: u64) -> bool {
        let known = self.accounts.get(&account);
        known.is_some_and(|known| known.networks.contains(&network) && now.saturating_sub(known.seen) < self.lifetime)
    }

    /// Whether a check that succeeded from this network is worth an [`insert`](Self::insert).
    pub(crate) fn is_news(&self, account: u64, network: u64, now: u64) -> bool {
        let known = self.accounts.get(&account).filter(|known| now.saturating_sub(known.seen) < self.lifetime);
        is_news(known.map(|known| (&known.networks, known.seen)), network, now, self.lifetime)
    }

    pub(crate) fn insert(&mut self, account: u64, network: u64, now: u64) {
        if self.lifetime == 0 || self.capacity == 0 {
            return;
        }
        if let Some(known) = self.accounts.get_mut(&account) {
            if now.saturating_sub(known.seen) >= self.lifetime {
                known.networks = [0; ADDRESSES];
            }
            known.seen = now;
            // As nearly always.
            if known.networks.first() == Some(&network) {
                return;
            }
            remember(&mut known.networks, network);
            return;
        }
        if self.accounts.len() >= self.capacity {
            let oldest = self.accounts.iter().take(LOOKED_AT).min_by_key(|(_, known)| known.seen).map(|(key, _)| *key);
            oldest.and_then(|oldest| self.accounts.remove(&oldest));
        }
        let mut networks = [0; ADDRESSES];
        remember(&mut networks, network);
        self.accounts.insert(account, Account { networks, seen: now });
    }
}

/// Whether a check that succeeded is worth remembering, given what is `known` of its client. Seldom, so that those who succeed
/// all the time write next to nothing, from however many networks: where there is no room left, a further one has to wait.
pub(crate) fn is_news(known: Option<(&[u64; ADDRESSES], u64)>, network: u64, now: u64, lifetime: u64) -> bool {
    let is_due = |seen: u64| now.saturating_sub(seen) >= lifetime / 64;
    lifetime > 0
        && known.is_none_or(|(networks, seen)| is_due(seen) || (networks.contains(&0) && !networks.contains(&network)))
}

/// Puts a network in front of those that were seen before; the oldest goes.
pub(crate) fn remember(networks: &mut [u64; ADDRESSES], network: u64) {
    let last = networks.iter().position(|other| *other == network).unwrap_or(ADDRESSES.saturating_sub(1));
    if let Some(newer) = networks.get_mut(..=last) {
        newer.rotate_right(1);
    }
    if let Some(first) = networks.first_mut() {
        *first = network;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_last_four_addresses_until_they_are_too_old() {
        let mut known = Known::new(8, 100);
        for network in 1..=5 {
            known.insert(7, network, network);
        }
        known.insert(7, 2, 6);
        assert_eq!((1..=5).filter(|network| known.contains(7, *network, 6)).collect::<Vec<_>>(), [2, 3, 4, 5]);
        known.insert(7, 9, 7);
        assert_eq!((1..=9).filter(|network| known.contains(7, *network, 7)).collect::<Vec<_>>(), [2, 4, 5, 9]);
        assert!(!known.contains(7, 9, 107));
        known.insert(7, 1, 200);
        assert!(known.contains(7, 1, 200) && !known.contains(7, 9, 200));
    }

    #[test]
    fn a_client_at_many_networks_is_remembered_seldom() {
        let mut known = Known::new(8, 6400);
        let mut checks = 0;
        for now in 0..300 {
            let network = now % 7 + 1;
            if known.is_news(7, network, now) {
                known.insert(7, network, now);
                checks += 1;
            }
        }
        // The four that there is room for, and one in each 64th of the lifetime.
        assert_eq!(checks, 6);
        assert!(known.is_news(7, 9, 6800) && !Known::new(8, 0).is_news(7, 1, 0));
    }

    #[test]
    fn it_holds_no_more_accounts_than_its_capacity() {
        let mut known = Known::new(16, 1000);
        for account in 0..1000 {
            known.insert(account, 1, account);
        }
        assert_eq!(known.accounts.len(), 16);
        assert!(known.contains(999, 1, 999));
    }
}
