//! Which budgets an attempt touches, and what they say together: pure.

use std::time::Duration;

use super::budget::{Lockout, Mode, TokenBucket};
use super::network::{Tier, is_ipv6, tier};
use super::table::Key;
use super::tally::Tally;
use crate::boundary::limiter::Rule;
use crate::boundary::setting::SettingError;
use crate::protocol::address::IPV6_FACTORS;

/// The rules, each with its budget and its mode.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) pair: Lockout,
    pub(crate) account: Lockout,
    pub(crate) client: Lockout,
    pub(crate) address: TokenBucket,
    /// How many times the budgets of a /64 a /56 and a /48 have.
    factors: [u32; 2],
    /// How long the same secret for the same account counts once, in milliseconds.
    pub(crate) repeat: u64,
    modes: [Mode; 4],
}

/// What is known of an attempt besides its keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) is_client: bool,
    /// Nothing that can be guessed: only the address counts.
    pub(crate) has_no_account: bool,
    pub(crate) has_address: bool,
    pub(crate) is_exempt: bool,
    /// The account or client succeeded from this address before.
    pub(crate) is_known: bool,
    /// Of the secret; 0 for none.
    pub(crate) print: u32,
    pub(crate) now: u64,
    /// The number of the reservation.
    pub(crate) number: u32,
}

/// The tallies that an attempt touches: of the account or client and its address, of the account, of the address.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) pair: Tally,
    pub(crate) account: Tally,
    pub(crate) address: Tally,
    /// Of the /56 and the /48, for IPv6.
    pub(crate) wide: Option<[Wide; 2]>,
}

/// The tallies of a network that is wider than a /64: of the account or client and it, of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wide {
    pub(crate) pair: Tally,
    pub(crate) address: Tally,
}

/// Which tallies were charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charges {
    pub(crate) pair: bool,
    pub(crate) account: bool,
    pub(crate) address: bool,
    /// Of the /56 and the /48: the pair and the network itself.
    pub(crate) wide: [WideCharges; 2],
    /// A lock begins by this charge.
    pub(crate) locks_pair: bool,
    pub(crate) locks_account: bool,
    /// That of the pair with a /56 or a /48.
    pub(crate) locks_wide: bool,
    /// Which rule would have refused if it blocked.
    pub(crate) monitored: Option<Rule>,
}

/// Which tallies of a wider network were charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WideCharges {
    pub(crate) pair: bool,
    pub(crate) address: bool,
}

/// What the rules say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Charged(Charges),
    /// Nothing was charged: the first rule that refuses, and the longest wait in milliseconds.
    Refused(Spent),
}

/// A budget is spent: the first rule that refuses, and the longest wait in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) rule: Rule,
    pub(crate) wait: u64,
    /// The wait for the address alone, if its budget is spent.
    pub(crate) address: Option<u64>,
}

/// Every budget has room, and these count. Only a look makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pair: bool,
    account: bool,
    address: bool,
    wide: [WideCharges; 2],
    pub(crate) monitored: Option<Rule>,
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
        if let Some(factor) = self.factors.iter().find(|factor| **factor == 0) {
            return Err(SettingError::new("LimiterRules::with_ipv6_factors", factor, "1 or more"));
        }
        self.address.check()
    }

    pub(crate) fn mode(&self, rule: Rule) -> Mode {
        let [pair, account, address, client] = self.modes;
        match rule {
            Rule::AccountAndAddress => pair,
            Rule::Account => account,
            Rule::Address => address,
            Rule::ClientAndAddress => client,
            Rule::Requests | Rule::Introspections => Mode::Off,
        }
    }

    pub(crate) fn set_mode(&mut self, rule: Rule, mode: Mode) {
        let [pair, account, address, client] = &mut self.modes;
        match rule {
            Rule::AccountAndAddress => *pair = mode,
            Rule::Account => *account = mode,
            Rule::Address => *address = mode,
            Rule::ClientAndAddress => *client = mode,
            Rule::Requests | Rule::Introspections => {}
        }
    }

    /// The rule and budget of an account or client and its address.
    pub(crate) fn pair_rule(&self, is_client: bool) -> (Rule, &Lockout) {
        if is_client { (Rule::ClientAndAddress, &self.client) } else { (Rule::AccountAndAddress, &self.pair) }
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

    /// The budget of an account or client and a wider network.
    pub(crate) fn wide_pair(&self, is_client: bool, tier: Tier) -> Lockout {
        self.pair_rule(is_client).1.times(self.factor(tier))
    }

    /// The budget of a wider network.
    pub(crate) fn wide_address(&self, tier: Tier) -> TokenBucket {
        self.address.times(self.factor(tier))
    }

    /// How long a lock of an account or client and its address may be remembered after its end, in milliseconds.
    pub(crate) fn pairs_remember(&self) -> u64 {
        self.pair.longest.max(self.client.longest)
    }

    /// How long a key is locked that was counted under this rule, in milliseconds; nothing where the rule does not block.
    pub(crate) fn lasts(&self, rule: Rule, (_, network): Key, tally: &Tally, now: u64) -> Option<u64> {
        if self.mode(rule) != Mode::Block {
            return None;
        }
        let factor = tier(network).filter(|_| is_ipv6(network)).map_or(1, |tier| self.factor(tier));
        match rule {
            Rule::Address => tally.empty(&self.address.times(factor), now),
            Rule::Account => tally.locked(&self.account, now),
            _ => tally.locked(&self.pair_rule(rule == Rule::ClientAndAddress).1.times(factor), now),
        }
    }

    /// Looks at every tally that the attempt touches, and charges all of them or none.
    pub(crate) fn reserve(&self, tallies: &mut Tallies, facts: &Facts) -> Decision {
        match self.look(tallies, facts) {
            Ok(room) => Decision::Charged(self.charge(tallies, facts, room)),
            Err(spent) => Decision::Refused(spent),
        }
    }

    /// Looks at every tally that the attempt touches.
    pub(crate) fn look(&self, tallies: &Tallies, facts: &Facts) -> Result<Room, Spent> {
        let Facts { is_client, is_exempt, now, .. } = *facts;
        let (pair_rule, pair_budget) = self.pair_rule(is_client);
        // The allow-list lifts what names an address, but never the account's own ceiling, nor that of client secrets.
        let counts_pair = !facts.has_no_account && (is_client || !is_exempt);
        let counts_account = !facts.has_no_account && !is_client && (is_exempt || !facts.is_known);
        let counts_address = facts.has_address && !is_exempt;

        let mut verdict = Verdicts::default();
        let pair = verdict.add(counts_pair, pair_rule, self, || tallies.pair.wait(pair_budget, now));
        let account = verdict.add(counts_account, Rule::Account, self, || tallies.account.wait(&self.account, now));
        let address = verdict.add(counts_address, Rule::Address, self, || tallies.address.empty(&self.address, now));
        let mut room = Room { pair, account, address, wide: [WideCharges::default(); 2], monitored: None };
        // A network that an account is known in has other users, too: strangers among them must not lock it out.
        if let Some(wide) = tallies.wide.as_ref().filter(|_| !facts.is_known) {
            for ((tier, wide), room) in Tier::ALL.into_iter().zip(wide).zip(&mut room.wide) {
                let pair = || wide.pair.wait(&self.wide_pair(is_client, tier), now);
                room.pair = verdict.add(counts_pair, pair_rule, self, pair);
                let address = || wide.address.empty(&self.wide_address(tier), now);
                room.address = verdict.add(counts_address, Rule::Address, self, address);
            }
        }
        match verdict.refused {
            Some((rule, wait)) => Err(Spent { rule, wait, address: verdict.address }),
            None => Ok(Room { monitored: verdict.monitored, ..room }),
        }
    }

    /// The locks of an account from wider networks that are to be told of though no charge that began them is there: as
    /// charges that could have begun them. What is under way may turn out right, and then there was no lock.
    pub(crate) fn untold_wide(&self, tallies: &Tallies, now: u64) -> Charges {
        let mut charges = Charges::default();
        for ((tier, wide), charges_of) in
            Tier::ALL.into_iter().zip(tallies.wide.iter().flatten()).zip(&mut charges.wide)
        {
            let (tally, budget) = (wide.pair, self.wide_pair(false, tier));
            charges_of.pair = !tally.is_told && tally.locked(&budget, now).is_some() && tally.is_decided(&budget, now);
            charges.locks_wide |= charges_of.pair;
        }
        charges
    }

    /// Charges every tally that has room and counts.
    pub(crate) fn charge(&self, tallies: &mut Tallies, facts: &Facts, room: Room) -> Charges {
        let Facts { now, number, print, .. } = *facts;
        let (pair_rule, pair_budget) = self.pair_rule(facts.is_client);
        let mut charges = Charges { address: room.address, monitored: room.monitored, ..Charges::default() };
        let is_repeat = tallies.pair.is_repeat(pair_budget, now, print, self.repeat);
        if room.pair && !is_repeat {
            charges.pair = true;
            let locks = tallies.pair.charge(pair_budget, now, number);
            charges.locks_pair = locks && self.mode(pair_rule) == Mode::Block;
        }
        if room.account && !is_repeat && !tallies.account.is_repeat(&self.account, now, print, self.repeat) {
            charges.account = true;
            let locks = tallies.account.charge(&self.account, now, number);
            charges.locks_account = locks && self.mode(Rule::Account) == Mode::Block;
        }
        if room.address {
            tallies.address.take(&self.address, now, number);
        }
        if let Some(wide) = &mut tallies.wide {
            for (((tier, wide), room), charges_of) in
                Tier::ALL.into_iter().zip(wide).zip(room.wide).zip(&mut charges.wide)
            {
                if room.pair && !is_repeat {
                    charges_of.pair = true;
                    let locks = wide.pair.charge(&self.wide_pair(facts.is_client, tier), now, number);
                    charges.locks_wide |= locks && self.mode(pair_rule) == Mode::Block;
                }
                if room.address {
                    charges_of.address = true;
                    wide.address.take(&self.wide_address(tier), now, number);
                }
            }
        }
        charges
    }

    /// Charges a check that was wrong. It is decided at once, so nothing of it is under way.
    pub(crate) fn charge_wrong(&self, tallies: &mut Tallies, facts: &Facts, room: Room) -> Charges {
        let charges = self.charge(tallies, facts, room);
        if charges.pair {
            tallies.pair.deny(facts.now, facts.number, facts.print);
        }
        if charges.account {
            tallies.account.deny(facts.now, facts.number, facts.print);
        }
        for (wide, charges) in tallies.wide.iter_mut().flatten().zip(charges.wide) {
            if charges.pair {
                wide.pair.deny(facts.now, facts.number, 0);
            }
        }
        charges
    }
}

/// What the single rules said so far.
#[derive(Default)]
struct Verdicts {
    refused: Option<(Rule, u64)>,
    address: Option<u64>,
    monitored: Option<Rule>,
}

impl Verdicts {
    /// Whether the attempt is to be charged to this rule, as far as it goes.
    fn add(&mut self, applies: bool, rule: Rule, policy: &Policy, wait: impl FnOnce() -> Option<u64>) -> bool {
        let mode = policy.mode(rule);
        if !applies || mode == Mode::Off {
            return false;
        }
        match wait() {
            None => true,
            Some(wait) if mode == Mode::Block => {
                let (first, longest) = self.refused.unwrap_or((rule, 0));
                self.refused = Some((first, longest.max(wait)));
                if rule == Rule::Address {
                    self.address = self.address.max(Some(wait));
                }
                false
            }
            Some(_) => {
                self.monitored.get_or_insert(rule);
                false
            }
        }
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
