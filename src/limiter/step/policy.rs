//! The limits: each with its budget and its mode.

use std::time::Duration;

use super::budget::{Lockout, Mode, TokenBucket};
use super::key::{Key, is_client};
use super::network::{Tier, is_ipv6, tier};
use super::slots::Slot;
use super::tally::Tally;
use crate::boundary::limiter::Limit;
use crate::boundary::setting::{SettingError, one_or_more};
use crate::protocol::address::IPV6_FACTORS;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) pair: Lockout,
    pub(crate) account: Lockout,
    pub(crate) client: Lockout,
    pub(crate) address: TokenBucket,
    /// How many times the budgets of a /64 a /56 and a /48 have.
    pub(super) factors: [u32; 2],
    /// How long the same secret for the same account counts once, in milliseconds.
    pub(crate) repeat: u64,
    pub(super) modes: [Mode; 4],
}

impl Default for Policy {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes.saturating_mul(60));
        let pair = Lockout::new(10, minutes(60)).locked_for(minutes(15), minutes(60));
        Self {
            pair,
            account: Lockout::new(100, minutes(24 * 60)).locked_for(minutes(60), minutes(24 * 60)),
            client: pair,
            address: TokenBucket::new(300, minutes(1)),
            factors: IPV6_FACTORS,
            repeat: 30_000,
            modes: [Mode::Block; 4],
        }
    }
}

impl Policy {
    /// Whether every budget can be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        [self.pair, self.account, self.client].iter().try_for_each(Lockout::check)?;
        for factor in self.factors {
            one_or_more("Limits::with_ipv6_factors", factor)?;
        }
        self.address.check()
    }

    pub(crate) fn mode(&self, limit: Limit) -> Mode {
        let [pair, account, address, client] = self.modes;
        match limit {
            Limit::AccountAndAddress => pair,
            Limit::Account => account,
            Limit::Address => address,
            Limit::ClientAndAddress => client,
            _ => Mode::Off,
        }
    }

    /// Sets the mode of a limit, and answers whether it is one of the limiter's.
    pub(crate) fn set_mode(&mut self, limit: Limit, mode: Mode) -> bool {
        let [pair, account, address, client] = &mut self.modes;
        let of_limit = match limit {
            Limit::AccountAndAddress => pair,
            Limit::Account => account,
            Limit::Address => address,
            Limit::ClientAndAddress => client,
            _ => return false,
        };
        *of_limit = mode;
        true
    }

    /// The limit and budget of an account or client and its address.
    pub(crate) fn pair_limit(&self, is_client: bool) -> (Limit, &Lockout) {
        if is_client { (Limit::ClientAndAddress, &self.client) } else { (Limit::AccountAndAddress, &self.pair) }
    }

    /// Sets how many times the budgets of a /64 a /56 and a /48 have.
    pub(crate) fn set_factors(&mut self, net56: u32, net48: u32) {
        self.factors = [net56, net48];
    }

    fn factor(&self, tier: Tier) -> u32 {
        let [net56, net48] = self.factors;
        match tier {
            Tier::Net56 => net56,
            Tier::Net48 => net48,
        }
    }

    /// The budget of failures in a row in such a record; that of the pair for those that are [buckets](Slot::is_bucket).
    pub(crate) fn lockout(&self, slot: Slot, is_client: bool) -> Lockout {
        let budget = if slot == Slot::Account { &self.account } else { self.pair_limit(is_client).1 };
        slot.tier().map_or(*budget, |tier| budget.times(self.factor(tier)))
    }

    /// The budget of such a record that is a [bucket](Slot::is_bucket).
    pub(crate) fn bucket(&self, slot: Slot) -> TokenBucket {
        slot.tier().map_or(self.address, |tier| self.address.times(self.factor(tier)))
    }

    /// The limit that counts in such a record.
    pub(crate) fn limit(&self, slot: Slot, is_client: bool) -> Limit {
        match slot {
            Slot::Account => Limit::Account,
            slot if slot.is_bucket() => Limit::Address,
            _ => self.pair_limit(is_client).0,
        }
    }

    /// How long a lock may be remembered after its end, in milliseconds.
    pub(crate) fn memory(&self, slot: Slot) -> u64 {
        match slot {
            Slot::Account => self.account.longest,
            Slot::Address => 0,
            // Those of wider networks lie together.
            _ => self.pairs_remember(),
        }
    }

    /// How long a lock of an account or client and its address may be remembered after its end, in milliseconds.
    pub(crate) fn pairs_remember(&self) -> u64 {
        self.pair.longest.max(self.client.longest)
    }

    /// How long after its last charge the record of a pair may say something at most, in milliseconds.
    pub(crate) fn longest_memory(&self) -> u64 {
        let longest = |budget: &Lockout| budget.window.max(budget.longest).saturating_add(budget.longest);
        longest(&self.pair).max(longest(&self.client))
    }

    /// The lock of a key, if there is one: by which limit, and how long it still lasts, in milliseconds. None where the limit does
    /// not block.
    pub(crate) fn lock(&self, (guess, network): Key, tally: &Tally, now: u64) -> Option<(Limit, u64)> {
        let limit = match (guess, network) {
            (0, _) => Limit::Address,
            (_, 0) => Limit::Account,
            _ => self.pair_limit(is_client(guess)).0,
        };
        if self.mode(limit) != Mode::Block {
            return None;
        }
        let factor = tier(network).filter(|_| is_ipv6(network)).map_or(1, |tier| self.factor(tier));
        let lasts = match limit {
            Limit::Address => tally.empty(&self.address.times(factor), now),
            Limit::Account => tally.locked(&self.account, now),
            _ => tally.locked(&self.pair_limit(limit == Limit::ClientAndAddress).1.times(factor), now),
        };
        lasts.map(|lasts| (limit, lasts))
    }
}
