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
    /// Whether there are others than those of each attempt.
    #[inline]
    pub(super) const fn has_others(&self) -> bool {
        self.wide.is_some() || self.recent.is_some()
    }

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
    let counts_account = facts.counts_on_account() && (is_exempt || !is_known);

    let mut verdict = Verdicts::default();
    verdict.add(Slot::Pair, counts_pair(facts), pair_limit, policy, || tallies.pair.wait(pair_budget, now));
    verdict.add(Slot::Account, counts_account, account_limit, policy, || tallies.account.wait(account_budget, now));
    verdict.add(Slot::Address, counts_address(facts), Limit::Address, policy, || {
        tallies.address.empty(&policy.address, now)
    });
    if tallies.has_others() {
        verdict = look_at_others(verdict, policy, facts, now, tallies);
    }
    match verdict.refused {
        Some((limit, wait)) => Err(Spent { limit, wait, address: verdict.address }),
        None => Ok(Room { counts: verdict.counts, monitored: verdict.monitored }),
    }
}

/// Whether an attempt counts on its pair. The allow-list lifts what names an address, but never the account's own ceiling, nor that
/// of client secrets.
const fn counts_pair(facts: &Facts) -> bool {
    match facts.kind {
        GuessKind::Nobody => false,
        GuessKind::Client => true,
        _ => !facts.is_exempt,
    }
}

/// Whether an attempt counts on its address.
const fn counts_address(facts: &Facts) -> bool {
    facts.has_address && !facts.is_exempt
}

/// The same of tallies that most attempts do not touch. Out of the way of those, and by value, so that what they find stays in
/// registers.
#[inline(never)]
fn look_at_others(mut verdict: Verdicts, policy: &Policy, facts: &Facts, now: u64, tallies: &Tallies<'_>) -> Verdicts {
    let &Facts { kind, .. } = facts;
    for (slot, tally) in Slot::WIDE.into_iter().zip(tallies.wide.as_deref().into_iter().flatten()) {
        if slot.is_bucket() {
            verdict.add(slot, counts_address(facts), Limit::Address, policy, || tally.empty(&policy.bucket(slot), now));
        } else {
            let counts_around = counts_pair(facts) && !kind.is_of_factor();
            let limit = policy.pair_limit(kind).0;
            verdict.add(slot, counts_around, limit, policy, || tally.wait(&policy.lockout(slot, kind), now));
        }
    }
    if let Some(recent) = tallies.recent.as_deref() {
        let wait = || recent.wait(&policy.lockout(Slot::Recent, kind), now);
        verdict.add(Slot::Recent, true, Limit::Factor, policy, wait);
    }
    verdict
}

/// What the single limits said so far.
#[derive(Default)]
struct Verdicts {
    /// What the attempt is to be charged to.
    counts: Slots,
    refused: Option<(Limit, u64)>,
    address: Option<u64>,
    monitored: Option<Limit>,
}

impl Verdicts {
    /// Adds what the limit of one record says, if it applies.
    #[inline]
    fn add(&mut self, slot: Slot, applies: bool, limit: Limit, policy: &Policy, wait: impl FnOnce() -> Option<u64>) {
        if !applies {
            return;
        }
        let mode = policy.mode(limit);
        if mode == Mode::Off {
            return;
        }
        match wait() {
            None => self.counts = self.counts.with(slot),
            Some(wait) if mode == Mode::Block => {
                let (first, longest) = self.refused.unwrap_or((limit, 0));
                self.refused = Some((first, longest.max(wait)));
                if limit == Limit::Address {
                    self.address = self.address.max(Some(wait));
                }
            }
            Some(_) => {
                self.monitored.get_or_insert(limit);
            }
        }
    }
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
