//! How full the limiter is.

use super::limiter::MemoryLimiter;
use super::tables::shard_at;

/// How full a [`MemoryLimiter`] is, for gauges and alerts; see [`MemoryLimiter::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimiterStats {
    /// Accounts and clients, each with an address, that are held; some may no longer count.
    pub pairs: usize,
    /// Accounts that are held.
    pub accounts: usize,
    /// Addresses that are held.
    pub addresses: usize,
    /// IPv6 networks that are wider than a /64, alone and with an account or client.
    pub wide: usize,
    /// The most that each of these may be.
    pub capacity: usize,
    /// Whether one of them was ever full of what counts, so that keys shared a budget. Then raise the
    /// [capacity](crate::limiter::Limits::with_capacity).
    pub was_full: bool,
    /// Whether the networks of one IPv6 /48 ever had as much of a table as one may have, so that they shared budgets among
    /// themselves: an attacker with much room.
    pub was_crowded: bool,
}

impl MemoryLimiter {
    /// How full it is now. Looks at one shard after the other, in a few microseconds.
    #[must_use]
    pub fn stats(&self) -> LimiterStats {
        let mut stats = LimiterStats {
            pairs: 0,
            accounts: 0,
            addresses: 0,
            wide: 0,
            capacity: self.limits.capacity,
            was_full: false,
            was_crowded: false,
        };
        for index in 0..self.tables.pairs.len() {
            if let Some(table) = shard_at(&self.tables.pairs, index) {
                stats.pairs = stats.pairs.saturating_add(table.len());
                stats.was_full |= table.was_full();
                stats.was_crowded |= table.was_crowded();
            }
            if let Some(held) = shard_at(&self.tables.accounts, index) {
                stats.accounts = stats.accounts.saturating_add(held.tallies.len());
                stats.was_full |= held.tallies.was_full();
            }
            if let Some(table) = shard_at(&self.tables.addresses, index) {
                stats.addresses = stats.addresses.saturating_add(table.len());
                stats.was_full |= table.was_full();
                stats.was_crowded |= table.was_crowded();
            }
        }
        for table in (0..self.tables.wide.len()).filter_map(|index| shard_at(&self.tables.wide, index)) {
            stats.wide = stats.wide.saturating_add(table.len());
            stats.was_full |= table.was_full();
            stats.was_crowded |= table.was_crowded();
        }
        stats
    }
}
