//! What is remembered of accounts and clients beside counts: the addresses from which they succeeded, and what their owners
//! were told. Pure, with explicit time in milliseconds.

/// The most addresses of one account. The holder of an account must not fill the memory with its addresses.
pub(crate) const ADDRESSES: usize = 4;

/// The networks of a [`KnownAddresses`] as they are written.
pub(crate) type KnownBytes = [u8; 8 * ADDRESSES];

/// What an account or client is remembered by: its last addresses. One that is remembered by nothing is as a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownAddresses {
    /// The last one first; 0 for none.
    networks: [u64; ADDRESSES],
    /// When it last succeeded, in milliseconds.
    seen: u64,
}

impl KnownAddresses {
    /// Whether it succeeded from this network, and from any less than a `lifetime` ago.
    #[inline]
    pub(crate) fn contains(&self, network: u64, now: u64, lifetime: u64) -> bool {
        self.networks.contains(&network) && now.saturating_sub(self.seen) < lifetime
    }

    /// Whether a check that succeeded is worth remembering. Seldom, so that those who succeed all the time write next to nothing,
    /// from however many networks: where there is no room left, a further one has to wait.
    #[inline]
    pub(crate) fn is_news(&self, network: u64, now: u64, lifetime: u64) -> bool {
        let is_due = now.saturating_sub(self.seen) >= lifetime / 64;
        is_due || (self.networks.contains(&0) && !self.networks.contains(&network))
    }

    /// When it last succeeded, in milliseconds.
    #[inline]
    pub(crate) const fn seen(&self) -> u64 {
        self.seen
    }

    /// The networks as they are written.
    #[inline]
    pub(crate) fn networks_to_bytes(&self) -> KnownBytes {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.networks.map(u64::to_le_bytes).as_flattened());
        bytes
    }

    /// With networks that were written.
    #[inline]
    pub(crate) fn from_networks(bytes: &KnownBytes, seen: u64) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let mut networks = [0; ADDRESSES];
        words.iter().zip(&mut networks).for_each(|(word, network)| *network = u64::from_le_bytes(*word));
        Self { networks, seen }
    }

    /// Puts a network in front of those that were seen before; the oldest goes.
    pub(crate) fn remember(&mut self, network: u64, now: u64, lifetime: u64) {
        if now.saturating_sub(self.seen) >= lifetime {
            self.networks = [0; ADDRESSES];
        }
        self.seen = self.seen.max(now);
        // As nearly always.
        if self.networks.first() == Some(&network) {
            return;
        }
        let networks = &mut self.networks;
        let last = networks.iter().position(|other| *other == network).unwrap_or(ADDRESSES.saturating_sub(1));
        if let Some(newer) = networks.get_mut(..=last) {
            newer.rotate_right(1);
        }
        if let Some(first) = networks.first_mut() {
            *first = network;
        }
    }
}

/// Until when the lock lasts of which the owner of an account has a notice, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(u64);

impl Told {
    /// The owner got a notice for a lock that holds until then, in milliseconds.
    #[inline]
    pub(crate) const fn of(until: u64) -> Self {
        Self(until)
    }

    /// Until when, in milliseconds.
    #[inline]
    pub(crate) const fn until(self) -> u64 {
        self.0
    }

    /// Whether the lock still holds.
    #[inline]
    pub(crate) const fn is_current(self, now: u64) -> bool {
        self.0 > now
    }

    /// Whether the owner is to get a notice of a lock that lasts until `until`, and is from now on: once, however many locks there
    /// are meanwhile.
    #[inline]
    pub(crate) fn is_news(&mut self, now: u64, until: u64) -> bool {
        let is_news = !self.is_current(now);
        if is_news {
            self.0 = until;
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_its_last_four_addresses_until_they_are_too_old() {
        let mut known = KnownAddresses::default();
        for network in 1..=5 {
            known.remember(network, network, 100);
        }
        known.remember(2, 6, 100);
        assert_eq!((1..=5).filter(|network| known.contains(*network, 6, 100)).collect::<Vec<_>>(), [2, 3, 4, 5]);
        known.remember(9, 7, 100);
        assert_eq!((1..=9).filter(|network| known.contains(*network, 7, 100)).collect::<Vec<_>>(), [2, 4, 5, 9]);
        assert!(!known.contains(9, 107, 100));
        known.remember(1, 200, 100);
        assert!(known.contains(1, 200, 100) && !known.contains(9, 200, 100));
        // What is settled late was seen before.
        known.remember(3, 150, 100);
        assert_eq!(known.seen(), 200);
    }

    #[test]
    fn a_client_at_many_networks_is_remembered_seldom() {
        let mut known = KnownAddresses::default();
        let mut checks = 0;
        for now in 0..300 {
            let network = now % 7 + 1;
            if known.is_news(network, now, 6400) {
                known.remember(network, now, 6400);
                checks += 1;
            }
        }
        // The four that there is room for, and one in each 64th of the lifetime.
        assert_eq!(checks, 6);
        assert!(known.is_news(9, 6800, 6400));
    }

    #[test]
    fn an_owner_is_told_once_as_long_as_a_lock_holds() {
        let mut told = Told::default();
        assert!(told.is_news(100, 200) && !told.is_news(150, 900));
        assert!(told.is_current(199) && told.is_news(200, 300));
    }
}
