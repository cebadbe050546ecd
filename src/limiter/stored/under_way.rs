//! How many attempts of each network are under way in this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::boundary::sync::held;
use crate::limiter::step::network::{Tier, is_ipv6, widened};

#[derive(Default)]
pub(super) struct Networks(Mutex<HashMap<u64, usize>>);

/// An attempt of a network. It counts until it is dropped.
pub(super) struct UnderWay<'a> {
    networks: &'a Networks,
    /// All whose addresses share records: of IPv6 a /48.
    pub(super) network: u64,
    /// How many others were under way when it came.
    pub(super) others: usize,
}

impl Networks {
    /// One more attempt of this network.
    pub(super) fn come(&self, network: u64) -> UnderWay<'_> {
        let network = if is_ipv6(network) { widened(network, Tier::Net48) } else { network };
        let mut counts = self.lock();
        let count = counts.entry(network).or_default();
        let others = *count;
        *count = others.saturating_add(1);
        UnderWay { networks: self, network, others }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        held(self.0.lock())
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut counts = self.networks.lock();
        let Some(count) = counts.get_mut(&self.network) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_kept_as_long_as_one_of_its_attempts_is_under_way() {
        let networks = Networks::default();
        let (one, other) = (networks.come(1), networks.come(1));
        assert_eq!((one.others, other.others, networks.come(2).others), (0, 1, 0));
        drop(one);
        assert_eq!((networks.come(1).others, networks.lock().len()), (1, 1));
        drop(other);
        assert!(networks.lock().is_empty());
        assert_eq!(networks.come(1).others, 0);
    }
}
