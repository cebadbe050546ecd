//! Whether the budgets of an attempt have room, all together: pure.

use super::budget::Mode;
use super::facts::Facts;
use super::key::GuessKind;
use super::known::KnownAddresses;
use super::policy::Policy;
use super::slots::{Slot, Slots};
use super::tally::Tally;
use crate::boundary::limiter::Limit;

/// The tallies that an attempt touches, each where it lies or a copy. One that is not there is as a new one.
#[derive(Debug)]
pub(crate) struct Tallies<'a> {
    pub(crate) pair: &'a mut Tally,
    pub(crate) account: &'a mut Tally,
    pub(crate) address: &'a mut Tally,
    /// Those of [`Slot::WIDE`], in that order, if the attempt [touches](Facts::touches_wide) them.
    pub(crate) wide: Option<&'a mut [Tally; 4]>,
    /// That of the user's codes in a short time, if the attempt [counts](Facts::counts_on_recent) on it.
    pub(crate) recent: Option<&'a mut Tally>,
    /// Those that are not in a place of their own: copies of cells in which others are counted, too, or new.
    pub(crate) shared: Slots,
}

impl Tallies<'_> {
    /// Those of wider networks, as far as there are any.
    pub(crate) fn wide_mut(&mut self) -> impl Iterator<Item = (Slot, &mut Tally)> {
        let wide = self.wide.as_deref_mut().map(|wide| wide.as_mut_slice()).unwrap_or_default();
        Slot::WIDE.into_iter().zip(wide)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Tally> {
        match slot {
            Slot::Pair => Some(self.pair),
            Slot::Account => Some(self.account),
            Slot::Address => Some(self.address),
            Slot::Recent => self.recent.as_deref_mut(),
            _ => self.wide_mut().find_map(|(other, tally)| (other == slot).then_some(tally)),
        }
    }
}

/// The moment at which an attempt is judged, and what is remembered of its account or client then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment<'a> {
    /// In milliseconds; never behind a time at which one of the records was counted.
    pub(super) now: u64,
    pub(super) known: Option<&'a KnownAddresses>,
    /// It succeeded from this address before.
    pub(crate) is_known: bool,
}

/// A budget is spent: the first limit that refuses, and the longest wait in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) limit: Limit,
    pub(crate) wait: u64,
    /// The wait for the address alone, if its budget is spent.
    pub(crate) address: Option<u64>,
}

/// Every budget has room, and these count. Only a look makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(super) counts: Slots,
    /// Which limit would have refused if it blocked.
    pub(super) monitored: Option<Limit>,
}

/// Looks at every tally that the attempt touches.
#[inline]
pub(crate) fn look(policy: &Policy, facts: &Facts, moment: Moment<'_>, tallies: &Tallies<'_>) -> Result<Room, Spent> {
    let Moment { now, is_known, .. } = moment;
    let &Facts { kind, is_exempt, .. } = facts;
    let (pair_limit, pair_budget) = policy.pair_limit(kind);
    let (account_limit, account_budget) = policy.account_limit(kind);
    // The allow-list lifts what names an address, but never the account's own ceiling, nor that of client secrets.
    let counts_pair = kind != GuessKind::Nobody && (kind == GuessKind::Client || !is_exempt);
    let counts_account = facts.counts_on_account() && (is_exempt || !is_known);
    let counts_address = facts.has_address && !is_exempt;

    let mut verdict = Verdicts::default();
    let pair = verdict.add(counts_pair, pair_limit, policy, || tallies.pair.wait(pair_budget, now));
    let account = verdict.add(counts_account, account_limit, policy, || tallies.account.wait(account_budget, now));
    let address = verdict.add(counts_address, Limit::Address, policy, || tallies.address.empty(&policy.address, now));
    let mut counts =
        Slots::NONE.with_if(Slot::Pair, pair).with_if(Slot::Account, account).with_if(Slot::Address, address);
    if let Some(wide) = tallies.wide.as_deref() {
        for (slot, tally) in Slot::WIDE.into_iter().zip(wide) {
            let counts_it = if slot.is_bucket() {
                verdict.add(counts_address, Limit::Address, policy, || tally.empty(&policy.bucket(slot), now))
            } else {
                let counts_around = counts_pair && !kind.is_of_factor();
                verdict.add(counts_around, pair_limit, policy, || tally.wait(&policy.lockout(slot, kind), now))
            };
            counts = counts.with_if(slot, counts_it);
        }
    }
    if let Some(recent) = tallies.recent.as_deref() {
        let has_room =
            verdict.add(true, Limit::Factor, policy, || recent.wait(&policy.lockout(Slot::Recent, kind), now));
        counts = counts.with_if(Slot::Recent, has_room);
    }
    match verdict.refused {
        Some((limit, wait)) => Err(Spent { limit, wait, address: verdict.address }),
        None => Ok(Room { counts, monitored: verdict.monitored }),
    }
}

/// What the single limits said so far.
#[derive(Default)]
struct Verdicts {
    refused: Option<(Limit, u64)>,
    address: Option<u64>,
    monitored: Option<Limit>,
}

impl Verdicts {
    /// Whether the attempt is to be charged to this limit, as far as it goes.
    fn add(&mut self, applies: bool, limit: Limit, policy: &Policy, wait: impl FnOnce() -> Option<u64>) -> bool {
        let mode = policy.mode(limit);
        if !applies || mode == Mode::Off {
            return false;
        }
        match wait() {
            None => true,
            Some(wait) if mode == Mode::Block => {
                let (first, longest) = self.refused.unwrap_or((limit, 0));
                self.refused = Some((first, longest.max(wait)));
                if limit == Limit::Address {
                    self.address = self.address.max(Some(wait));
                }
                false
            }
            Some(_) => {
                self.monitored.get_or_insert(limit);
                false
            }
        }
    }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
