//! What the limits say, in the long way: nothing is hashed, bounded or summed up. The tests compare the limiter with it.

use std::collections::HashMap;

use super::step::budget::{Lockout, TokenBucket};
use super::step::key::GuessKind;
use super::step::policy::Policy;
use super::step::slots::Slot;
use crate::boundary::limiter::{Limit, Settlement};

/// One key in the long way: every count that ever was, with all its charges.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    counts: Vec<Count>,
}

#[derive(Clone, Debug, Default)]
struct Count {
    charges: Vec<u32>,
    /// The last charge, or what lifted a lock.
    last: u64,
    /// The locks in a row before this count.
    locks_before: u32,
    lock: Option<u64>,
    /// The end of a lock of the cell that it shared with others.
    ended: Option<u64>,
    denied: Option<u32>,
}

impl History {
    /// How long the `nth` lock in a row lasts.
    fn length(budget: &Lockout, nth: u32) -> u64 {
        (1..nth).fold(budget.first, |length, _| length * 2).min(budget.longest)
    }

    fn live(&mut self, budget: &Lockout, now: u64) -> Option<&mut Count> {
        self.counts.last_mut().filter(|count| {
            let after_a_lock = if count.locks_before > 0 { budget.longest } else { 0 };
            count.ended.is_none() && now < count.lock.unwrap_or(count.last + after_a_lock.max(budget.window))
        })
    }

    /// A lock of the cell that it shares with others was over at this time, and ended its count as a lock of its own would.
    fn end(&mut self, over: u64) {
        if let Some(count) = self.counts.last_mut().filter(|count| count.lock.is_none()) {
            count.ended.get_or_insert(over);
        }
    }

    pub(super) fn refusal(&mut self, budget: &Lockout, now: u64) -> Option<u64> {
        self.live(budget, now)?.lock.map(|end| end - now)
    }

    pub(super) fn is_repeat(&mut self, budget: &Lockout, now: u64, print: u32, within: u64) -> bool {
        self.live(budget, now).is_some_and(|count| {
            let is_open = count.lock.is_none() && !count.charges.is_empty();
            is_open && count.denied == Some(print) && now - count.last < within
        })
    }

    pub(super) fn charge(&mut self, budget: &Lockout, now: u64, number: u32) -> bool {
        if self.live(budget, now).is_none() {
            let locks_before = self.counts.last().map_or(0, |before| {
                let nth = before.locks_before + u32::from(before.lock.is_some());
                let after_a_lock = if before.locks_before > 0 { budget.longest } else { 0 };
                let end = before.lock.or(before.ended).unwrap_or(before.last + after_a_lock.max(budget.window));
                if now < end + budget.longest { nth } else { 0 }
            });
            self.counts.push(Count { locks_before, ..Count::default() });
        }
        let count = self.counts.last_mut().unwrap();
        count.charges.push(number);
        count.last = now;
        count.denied = None;
        let locks = count.charges.len() == budget.attempts as usize;
        count.lock = locks.then(|| now + Self::length(budget, count.locks_before + 1));
        locks
    }

    pub(super) fn deny(&mut self, budget: &Lockout, now: u64, number: u32, print: u32) {
        if let Some(count) = self.live(budget, now).filter(|count| count.charges.contains(&number)) {
            count.denied = Some(print);
        }
    }

    pub(super) fn refund(&mut self, budget: &Lockout, now: u64, number: u32) {
        let Some(count) = self.live(budget, now).filter(|count| count.charges.contains(&number)) else { return };
        count.charges.retain(|other| *other != number);
        count.denied = None;
        if count.lock.take().is_some() {
            count.last = now;
        }
    }
}

/// The attempts of one address, as debts that time pays.
#[derive(Clone, Debug, Default)]
pub(super) struct Debts {
    debt: u64,
    paid_at: u64,
    /// Those taken since there was no debt.
    taken: Vec<u32>,
}

impl Debts {
    fn pay(&mut self, now: u64) {
        self.debt = self.debt.saturating_sub(now - self.paid_at);
        self.paid_at = now;
    }

    fn refusal(&mut self, bucket: &TokenBucket, now: u64) -> Option<u64> {
        self.pay(now);
        let limit = u64::from(bucket.burst) * bucket.interval;
        (self.debt + bucket.interval).checked_sub(limit).filter(|wait| *wait > 0)
    }

    fn take(&mut self, bucket: &TokenBucket, now: u64, number: u32) {
        self.pay(now);
        if self.debt == 0 {
            self.taken.clear();
        }
        self.debt += bucket.interval;
        self.taken.push(number);
    }

    fn give(&mut self, rest: u64, now: u64, number: u32, has_room: bool) {
        self.pay(now);
        // Beside the debts of others it cannot be told when there was none.
        if self.taken.contains(&number) || !has_room {
            self.debt = self.debt.saturating_sub(rest);
        }
    }
}

/// One attempt: which account (or client), from which address, with which secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    pub(super) who: u32,
    pub(super) is_client: bool,
    pub(super) from: Option<u32>,
    pub(super) is_exempt: bool,
    pub(super) secret: u32,
}

impl Try {
    pub(super) const fn kind(&self) -> GuessKind {
        if self.is_client { GuessKind::Client } else { GuessKind::Account }
    }
}

/// The slots of what was charged.
pub(super) const COUNTED: [Slot; 7] =
    [Slot::Pair, Slot::Account, Slot::Address, Slot::Pair56, Slot::Net56, Slot::Pair48, Slot::Net48];

/// What was charged: pair, account, address; pair and address of the /56 and of the /48.
pub(super) type Charged = [bool; 7];

/// The numbers of the /56 and the /48 of an address, if it is one of IPv6. Those of IPv4 are below 4.
fn around(from: Option<u32>) -> Option<[u32; 2]> {
    match from? {
        0..4 => None,
        4 | 5 => Some([100, 200]),
        6 => Some([101, 200]),
        _ => Some([102, 201]),
    }
}

/// All limits together, blocking.
#[derive(Debug)]
pub(super) struct Histories {
    policy: Policy,
    /// Whether each address has its own tally.
    has_room: bool,
    pairs: HashMap<(bool, u32, Option<u32>), History>,
    accounts: HashMap<u32, History>,
    addresses: HashMap<u32, Debts>,
    /// Of the numbers of wider networks, with and without an account or client.
    wide_pairs: HashMap<(bool, u32, u32), History>,
    wide_addresses: HashMap<u32, Debts>,
    /// The last four of each account and client, the newest first.
    known: HashMap<(bool, u32), Vec<u32>>,
}

impl Histories {
    pub(super) fn new(policy: Policy, has_room: bool) -> Self {
        let (pairs, accounts, addresses) = Default::default();
        let (wide_pairs, wide_addresses, known) = Default::default();
        Self { policy, has_room, pairs, accounts, addresses, wide_pairs, wide_addresses, known }
    }

    /// The wider networks of an attempt, each with the budgets of its width.
    fn wide(&self, attempt: &Try) -> Vec<(u32, Lockout, TokenBucket)> {
        let tiers = [(Slot::Pair56, Slot::Net56), (Slot::Pair48, Slot::Net48)]
            .map(|(pair, net)| (self.policy.lockout(pair, attempt.kind()), self.policy.bucket(net)));
        let networks = around(attempt.from).into_iter().flatten();
        networks.zip(tiers).map(|(network, (pair, address))| (network, pair, address)).collect()
    }

    fn pair(&mut self, attempt: &Try) -> (Lockout, &mut History) {
        let budget = if attempt.is_client { self.policy.client } else { self.policy.pair };
        (budget, self.pairs.entry((attempt.is_client, attempt.who, attempt.from)).or_default())
    }

    /// The limits that count this attempt.
    fn limits(&self, attempt: &Try) -> Charged {
        let known = self.known.get(&(attempt.is_client, attempt.who));
        let is_known = attempt.from.is_some_and(|from| known.is_some_and(|known| known.contains(&from)));
        let pair = attempt.is_client || !attempt.is_exempt;
        let address = attempt.from.is_some() && !attempt.is_exempt;
        let is_wide = around(attempt.from).is_some() && !is_known;
        let (wide_pair, wide_address) = (is_wide && pair, is_wide && address);
        let account = !attempt.is_client && (attempt.is_exempt || !is_known);
        [pair, account, address, wide_pair, wide_address, wide_pair, wide_address]
    }

    /// What is charged if the attempt is granted; else the limit and the wait.
    pub(super) fn judge(&mut self, attempt: &Try, now: u64) -> Result<Charged, (Limit, u64)> {
        let Policy { account, address, repeat, .. } = self.policy;
        let limits = self.limits(attempt);
        let [of_pair, of_account, of_address, ..] = limits;
        let (budget, pair) = self.pair(attempt);
        let is_repeat = pair.is_repeat(&budget, now, attempt.secret, repeat);
        let pair_refuses = pair.refusal(&budget, now).filter(|_| of_pair);
        let pair_limit = if attempt.is_client { Limit::ClientAndAddress } else { Limit::AccountAndAddress };
        let history = self.accounts.entry(attempt.who).or_default();
        let is_repeat_elsewhere = history.is_repeat(&account, now, attempt.secret, repeat);
        let account_refuses = history.refusal(&account, now).filter(|_| of_account);
        let debts = attempt.from.map(|from| self.addresses.entry(from).or_default());
        let address_refuses = debts.and_then(|debts| debts.refusal(&address, now)).filter(|_| of_address);
        let refusals = [
            pair_refuses.map(|wait| (pair_limit, wait)),
            account_refuses.map(|wait| (Limit::Account, wait)),
            address_refuses.map(|wait| (Limit::Address, wait)),
        ];
        let mut refusals: Vec<_> = refusals.into_iter().flatten().collect();
        for ((network, budget, bucket), of) in
            self.wide(attempt).into_iter().zip([[limits[3], limits[4]], [limits[5], limits[6]]])
        {
            let pair = self.wide_pairs.entry((attempt.is_client, attempt.who, network)).or_default();
            let refusal = pair.refusal(&budget, now).filter(|_| of[0]);
            refusals.extend(refusal.map(|wait| (pair_limit, wait)));
            let address = self.wide_addresses.entry(network).or_default();
            let refusal = address.refusal(&bucket, now).filter(|_| of[1]);
            refusals.extend(refusal.map(|wait| (Limit::Address, wait)));
        }
        match refusals.first() {
            Some((limit, _)) => Err((*limit, refusals.iter().map(|(_, wait)| *wait).max().unwrap())),
            None => Ok([
                of_pair && !is_repeat,
                of_account && !is_repeat && !is_repeat_elsewhere,
                of_address,
                limits[3] && !is_repeat,
                limits[4],
                limits[5] && !is_repeat,
                limits[6],
            ]),
        }
    }

    pub(super) fn charge(&mut self, attempt: &Try, charged: Charged, now: u64, number: u32) {
        let [pair, account, address, ..] = charged;
        for ((network, budget, bucket), of) in self.wide(attempt).into_iter().zip(charged[3..].chunks(2)) {
            if of[0] {
                let pair = self.wide_pairs.entry((attempt.is_client, attempt.who, network)).or_default();
                pair.charge(&budget, now, number);
            }
            if of[1] {
                self.wide_addresses.entry(network).or_default().take(&bucket, now, number);
            }
        }
        let Policy { account: account_budget, address: bucket, .. } = self.policy;
        if pair {
            let (budget, history) = self.pair(attempt);
            history.charge(&budget, now, number);
        }
        if account {
            self.accounts.entry(attempt.who).or_default().charge(&account_budget, now, number);
        }
        if let Some(from) = attempt.from.filter(|_| address) {
            self.addresses.entry(from).or_default().take(&bucket, now, number);
        }
    }

    /// Settles an attempt that was charged so, at this time and under this number.
    pub(super) fn settle(
        &mut self,
        attempt: &Try,
        charged: Charged,
        (at, now): (u64, u64),
        number: u32,
        settlement: Settlement,
    ) {
        let Policy { account: account_budget, address: bucket, .. } = self.policy;
        let [pair, account, address, ..] = charged;
        for ((network, budget, bucket), of) in self.wide(attempt).into_iter().zip(charged[3..].chunks(2)) {
            let history = self.wide_pairs.entry((attempt.is_client, attempt.who, network)).or_default();
            match settlement {
                Settlement::Denied if of[0] => history.deny(&budget, now, number, attempt.secret),
                Settlement::Success | Settlement::Undecided | Settlement::Untried if of[0] => {
                    history.refund(&budget, now, number);
                }
                _ => {}
            }
            if of[1] && matches!(settlement, Settlement::Success | Settlement::Untried) {
                // What time has paid since is not given back.
                let rest = bucket.interval.saturating_sub(now - at);
                self.wide_addresses.entry(network).or_default().give(rest, now, number, true);
            }
        }
        let (budget, history) = self.pair(attempt);
        match settlement {
            Settlement::Denied if pair => history.deny(&budget, now, number, attempt.secret),
            Settlement::Success => *history = History::default(),
            Settlement::Undecided | Settlement::Untried if pair => history.refund(&budget, now, number),
            _ => {}
        }
        let history = self.accounts.entry(attempt.who).or_default();
        match settlement {
            Settlement::Denied if account => history.deny(&account_budget, now, number, attempt.secret),
            Settlement::Success | Settlement::Undecided | Settlement::Untried if account => {
                history.refund(&account_budget, now, number);
            }
            _ => {}
        }
        let Some(from) = attempt.from else { return };
        if address && matches!(settlement, Settlement::Success | Settlement::Untried) {
            self.addresses.entry(from).or_default().give(bucket.interval, now, number, self.has_room);
        }
        if settlement == Settlement::Success {
            let known = self.known.entry((attempt.is_client, attempt.who)).or_default();
            known.retain(|other| *other != from);
            known.insert(0, from);
            known.truncate(4);
        }
    }

    /// A lock of the cell of these pairs is over.
    pub(super) fn end_pairs(&mut self, are_of: impl Fn(&(bool, u32, Option<u32>)) -> bool, over: u64) {
        self.pairs.iter_mut().filter(|(key, _)| are_of(key)).for_each(|(_, history)| history.end(over));
    }

    /// A lock of the cell of these accounts is over.
    pub(super) fn end_accounts(&mut self, are_of: impl Fn(u32) -> bool, over: u64) {
        self.accounts.iter_mut().filter(|(who, _)| are_of(**who)).for_each(|(_, history)| history.end(over));
    }

    /// What an operator may forget.
    pub(super) fn unblock_account(&mut self, who: u32) {
        self.pairs.retain(|(is_client, other, _), _| *is_client || *other != who);
        self.wide_pairs.retain(|(is_client, other, _), _| *is_client || *other != who);
        self.accounts.remove(&who);
    }

    pub(super) fn unblock_address(&mut self, from: u32) {
        self.pairs.retain(|(_, _, other), _| *other != Some(from));
        self.addresses.remove(&from);
        let around = around(Some(from)).unwrap_or_default();
        self.wide_pairs.retain(|(_, _, network), _| !around.contains(network));
        self.wide_addresses.retain(|network, _| !around.contains(network));
    }
}
