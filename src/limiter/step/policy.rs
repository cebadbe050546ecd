//! The limits: each with its budget and its mode.

use std::time::Duration;

use super::budget::{Lockout, Mode, TokenBucket};
use super::key::{GuessKind, Key, RECENT, kind};
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
    pub(crate) second: FactorBudgets,
    /// How many times the budgets of a /64 a /56 and a /48 have.
    pub(super) factors: [u32; 2],
    /// How long the same secret for the same account counts once, in milliseconds.
    pub(crate) repeat: u64,
    /// Each at the [place](mode_of) of its limit.
    pub(super) modes: [Mode; 10],
}

/// The budgets of second factors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactorBudgets {
    /// Of one challenge.
    pub(crate) challenge: Lockout,
    /// Of a user in a short time.
    pub(crate) recent: Lockout,
    /// Of a user since the last finished login.
    pub(crate) in_a_row: Lockout,
    /// Of a user and an address.
    pub(crate) recovery_code: Lockout,
    /// Of messages to one authenticator.
    pub(crate) authenticator: Lockout,
    /// Of messages to one user.
    pub(crate) delivery: Lockout,
}

impl Default for FactorBudgets {
    fn default() -> Self {
        let minutes = |minutes: u64| Duration::from_secs(minutes.saturating_mul(60));
        let days = |days: u64| minutes(days.saturating_mul(24 * 60));
        Self {
            // Until it has ended.
            challenge: Lockout::new(5, PENDING),
            recent: Lockout::new(10, minutes(15)),
            in_a_row: Lockout::new(100, days(30)).locked_for(days(1), days(7)),
            recovery_code: Lockout::new(5, minutes(60)),
            authenticator: Lockout::new(1, Duration::from_secs(30)),
            delivery: Lockout::new(5, minutes(60)),
        }
    }
}

/// How long after its charge an attempt that is pending may still succeed: a challenge ends before, and one that follows it, too.
pub(crate) const PENDING: Duration = Duration::from_secs(30 * 60);

/// Where the mode of a limit stands; none if it is not one of the limiter's.
#[inline]
const fn mode_of(limit: Limit) -> Option<usize> {
    Some(match limit {
        Limit::AccountAndAddress => 0,
        Limit::Account => 1,
        Limit::Address => 2,
        Limit::ClientAndAddress => 3,
        Limit::Challenge => 4,
        Limit::Factor => 5,
        Limit::FactorInARow => 6,
        Limit::RecoveryCode => 7,
        Limit::Authenticator => 8,
        Limit::Delivery => 9,
        Limit::Requests | Limit::Introspections => return None,
    })
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
            second: FactorBudgets::default(),
            modes: [Mode::Block; 10],
        }
    }
}

impl Policy {
    /// All that is said here, one number after the other.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        let FactorBudgets { challenge, recent, in_a_row, recovery_code, authenticator, delivery } = self.second;
        let lockouts =
            [self.pair, self.account, self.client, challenge, recent, in_a_row, recovery_code, authenticator, delivery];
        let lockouts = lockouts
            .into_iter()
            .flat_map(|Lockout { attempts, window, first, longest }| [attempts.into(), window, first, longest]);
        let [net56, net48] = self.factors;
        let others = [self.address.burst.into(), self.address.interval, net56.into(), net48.into(), self.repeat];
        let modes = self.modes.into_iter().map(|mode| match mode {
            Mode::Block => 0,
            Mode::Monitor => 1,
            Mode::Off => 2,
        });
        lockouts.chain(others).chain(modes)
    }

    /// A tenth of each budget, and one attempt at least.
    pub(super) fn tenth(self) -> Self {
        let FactorBudgets { challenge, recent, in_a_row, recovery_code, authenticator, delivery } = self.second;
        Self {
            pair: self.pair.tenth(),
            account: self.account.tenth(),
            client: self.client.tenth(),
            address: self.address.tenth(),
            second: FactorBudgets {
                challenge: challenge.tenth(),
                recent: recent.tenth(),
                in_a_row: in_a_row.tenth(),
                recovery_code: recovery_code.tenth(),
                authenticator: authenticator.tenth(),
                delivery: delivery.tenth(),
            },
            ..self
        }
    }

    /// Whether every budget can be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        let FactorBudgets { in_a_row, delivery, .. } = &self.second;
        self.pairs().into_iter().chain([&self.account, in_a_row, delivery]).try_for_each(Lockout::check)?;
        for factor in self.factors {
            one_or_more("Limits::with_ipv6_factors", factor)?;
        }
        self.address.check()
    }

    #[inline]
    pub(crate) fn mode(&self, limit: Limit) -> Mode {
        mode_of(limit).and_then(|index| self.modes.get(index)).copied().unwrap_or(Mode::Off)
    }

    /// Sets the mode of a limit, and answers whether it is one of the limiter's.
    pub(crate) fn set_mode(&mut self, limit: Limit, mode: Mode) -> bool {
        let of_limit = mode_of(limit).and_then(|index| self.modes.get_mut(index));
        of_limit.map(|of_limit| *of_limit = mode).is_some()
    }

    /// The limit and budget of an account, client or user and its address, or of a part of the user.
    #[inline]
    pub(crate) fn pair_limit(&self, kind: GuessKind) -> (Limit, &Lockout) {
        match kind {
            GuessKind::Account => (Limit::AccountAndAddress, &self.pair),
            GuessKind::Client | GuessKind::Nobody => (Limit::ClientAndAddress, &self.client),
            GuessKind::Factor => (Limit::Challenge, &self.second.challenge),
            GuessKind::RecoveryCode => (Limit::RecoveryCode, &self.second.recovery_code),
            GuessKind::Delivery => (Limit::Authenticator, &self.second.authenticator),
        }
    }

    /// The limit and budget of an account or user over all addresses.
    #[inline]
    pub(crate) fn account_limit(&self, kind: GuessKind) -> (Limit, &Lockout) {
        match kind {
            GuessKind::Factor => (Limit::FactorInARow, &self.second.in_a_row),
            GuessKind::Delivery => (Limit::Delivery, &self.second.delivery),
            GuessKind::Account | GuessKind::Client | GuessKind::Nobody | GuessKind::RecoveryCode => {
                (Limit::Account, &self.account)
            }
        }
    }

    /// Sets how many times the budgets of a /64 a /56 and a /48 have.
    pub(crate) fn set_factors(&mut self, net56: u32, net48: u32) {
        self.factors = [net56, net48];
    }

    #[inline]
    fn factor(&self, tier: Tier) -> u32 {
        let [net56, net48] = self.factors;
        match tier {
            Tier::Net56 => net56,
            Tier::Net48 => net48,
        }
    }

    /// The budget of failures in a row in such a record; that of the pair for those that are [buckets](Slot::is_bucket).
    #[inline]
    pub(crate) fn lockout(&self, slot: Slot, kind: GuessKind) -> Lockout {
        let budget = match slot {
            Slot::Account => self.account_limit(kind).1,
            Slot::Recent => &self.second.recent,
            _ => self.pair_limit(kind).1,
        };
        slot.tier().map_or(*budget, |tier| budget.times(self.factor(tier)))
    }

    /// The budget of such a record that is a [bucket](Slot::is_bucket).
    #[inline]
    pub(crate) fn bucket(&self, slot: Slot) -> TokenBucket {
        slot.tier().map_or(self.address, |tier| self.address.times(self.factor(tier)))
    }

    /// The limit that counts in such a record.
    #[inline]
    pub(crate) fn limit(&self, slot: Slot, kind: GuessKind) -> Limit {
        match slot {
            Slot::Account => self.account_limit(kind).0,
            Slot::Recent => Limit::Factor,
            slot if slot.is_bucket() => Limit::Address,
            _ => self.pair_limit(kind).0,
        }
    }

    /// How long a lock may be remembered after its end, in milliseconds.
    #[inline]
    pub(crate) fn memory(&self, slot: Slot) -> u64 {
        match slot {
            Slot::Account => self.account.longest.max(self.second.in_a_row.longest).max(self.second.delivery.longest),
            Slot::Address => 0,
            // Those of wider networks lie together.
            _ => self.pairs_remember(),
        }
    }

    /// How long a lock of an account, client or user and its address, challenge or authenticator may be remembered after its end, in
    /// milliseconds.
    pub(crate) fn pairs_remember(&self) -> u64 {
        self.pairs().into_iter().map(|budget| budget.longest).fold(0, u64::max)
    }

    /// The budgets of what lies in the table of pairs.
    fn pairs(&self) -> [&Lockout; 6] {
        let FactorBudgets { challenge, recent, recovery_code, authenticator, .. } = &self.second;
        [&self.pair, &self.client, challenge, recent, recovery_code, authenticator]
    }

    /// How long after its last charge the record of a pair may say something at most, in milliseconds.
    pub(crate) fn longest_memory(&self) -> u64 {
        let longest = |budget: &Lockout| budget.window.max(budget.longest).saturating_add(budget.longest);
        self.pairs().into_iter().map(longest).fold(0, u64::max)
    }

    /// The lock of a key, if there is one: by which limit, and how long it still lasts, in milliseconds. None where the limit does
    /// not block.
    pub(crate) fn lock(&self, (guess, network): Key, tally: &Tally, now: u64) -> Option<(Limit, u64)> {
        let slot = match (guess, network) {
            (0, _) => Slot::Address,
            (_, 0) => Slot::Account,
            (_, RECENT) if kind(guess) == GuessKind::Factor => Slot::Recent,
            _ if kind(guess).has_own_pair() => return None,
            _ => Slot::Pair,
        };
        let limit = self.limit(slot, kind(guess));
        if self.mode(limit) != Mode::Block {
            return None;
        }
        let factor = tier(network).filter(|_| is_ipv6(network)).map_or(1, |tier| self.factor(tier));
        let lasts = match slot {
            Slot::Address => tally.empty(&self.address.times(factor), now),
            _ => tally.locked(&self.lockout(slot, kind(guess)).times(factor), now),
        };
        lasts.map(|lasts| (limit, lasts))
    }
}
