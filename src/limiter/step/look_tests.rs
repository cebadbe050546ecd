use std::convert::Infallible;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::limiter::step::budget::{Lockout, TokenBucket};
use crate::limiter::step::limits::Limits;
use crate::limiter::step::transition::{Charged, Compared, Outcome, Step};

const FACTS: Facts =
    Facts { guess: 1, network: 2, print: 0, kind: GuessKind::Account, beside: 2, has_address: true, is_exempt: false };

/// An attempt at a time, under the number of its reservation.
#[derive(Clone, Copy, Debug)]
struct At {
    facts: Facts,
    is_known: bool,
    now: u64,
    number: u32,
}

const AT: At = At { facts: FACTS, is_known: false, now: 1000, number: 1 };

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    pair: Tally,
    account: Tally,
    address: Tally,
}

fn of(facts: Facts) -> At {
    At { facts, ..AT }
}

/// Reserves on what is held.
fn reserve(policy: &Policy, held: &mut Held, at: &At) -> Result<Charged, Spent> {
    let Held { pair, account, address } = held;
    let mut tallies = Tallies { pair, account, address, wide: None, recent: None, shared: Slots::NONE };
    let limits = Limits { policy: *policy, ..Limits::new() };
    let moment = Moment { now: at.now, known: None, is_known: at.is_known };
    let number = || at.number;
    match Step::by(&limits).attempt(&at.facts, moment, &mut tallies, number, || Compared::<Infallible, ()>::Later(())) {
        Outcome::Charged(charged, ()) => Ok(charged),
        Outcome::Refused(refused) => Err(refused.spent),
        Outcome::Right(_, never) => match never {},
    }
}

fn policy() -> Policy {
    Policy {
        pair: Lockout { attempts: 2, window: 600, first: 60, longest: 600 },
        account: Lockout { attempts: 4, window: 6000, first: 600, longest: 6000 },
        client: Lockout { attempts: 3, window: 600, first: 60, longest: 600 },
        address: TokenBucket::new(6, Duration::from_millis(10)),
        repeat: 30,
        ..Policy::default()
    }
}

/// Expects a refusal.
fn refused(outcome: Result<Charged, Spent>) -> (Limit, u64, Option<u64>) {
    let Spent { limit, wait, address } = outcome.unwrap_err();
    (limit, wait, address)
}

/// Which of the three budgets were charged: pair, account, address.
fn charged(outcome: Result<Charged, Spent>) -> [bool; 3] {
    let charged = outcome.unwrap().ticket.charged;
    [Slot::Pair, Slot::Account, Slot::Address].map(|slot| charged.has(slot))
}

/// Whether nothing differs but that the owner got a notice.
fn same(one: Held, other: Held) -> bool {
    let untold = |held: Held| {
        [held.pair, held.account, held.address].map(|mut tally| {
            tally.is_told = false;
            tally
        })
    };
    untold(one) == untold(other)
}

#[test]
fn each_kind_of_attempt_is_charged_to_its_own_limits() {
    for (at, expected) in [
        (AT, [true, true, true]),
        (of(Facts { has_address: false, ..FACTS }), [true, true, false]),
        (of(Facts { kind: GuessKind::Client, ..FACTS }), [true, false, true]),
        // An address from which the account succeeded is spared by the account's budget.
        (At { is_known: true, ..AT }, [true, false, true]),
        // The allow-list lifts what names an address, but neither the account's own ceiling nor that of client secrets (T46).
        (of(Facts { is_exempt: true, ..FACTS }), [false, true, false]),
        (At { is_known: true, ..of(Facts { is_exempt: true, ..FACTS }) }, [false, true, false]),
        (of(Facts { is_exempt: true, kind: GuessKind::Client, ..FACTS }), [true, false, false]),
        // Nothing that can be guessed.
        (of(Facts { kind: GuessKind::Nobody, ..FACTS }), [false, false, true]),
    ] {
        assert_eq!(charged(reserve(&policy(), &mut Held::default(), &at)), expected, "{at:?}");
    }
}

#[test]
fn the_first_rule_that_refuses_is_told_with_the_longest_wait_and_nothing_is_charged() {
    let policy = policy();
    let mut tallies = Held::default();
    for number in 0..4 {
        tallies.account.charge(&policy.account, 1000, number);
    }
    for number in 0..2 {
        tallies.pair.charge(&policy.pair, 1000, number);
    }
    let before = tallies;
    assert_eq!(refused(reserve(&policy, &mut tallies, &AT)), (Limit::AccountAndAddress, 600, None));
    assert_eq!(tallies, before);
    let known = At { is_known: true, ..AT };
    assert_eq!(refused(reserve(&policy, &mut tallies, &known)), (Limit::AccountAndAddress, 60, None));
    let exempt = of(Facts { is_exempt: true, ..FACTS });
    assert_eq!(refused(reserve(&policy, &mut tallies, &exempt)), (Limit::Account, 600, None));
    assert_eq!(tallies, before);
}

#[test]
fn a_secret_that_was_denied_is_free_within_the_window_and_in_no_other_case() {
    let policy = policy();
    let with = |print, now, number| At { facts: Facts { print, ..FACTS }, now, number, ..AT };
    let mut tallies = Held::default();
    assert_eq!(charged(reserve(&policy, &mut tallies, &with(7, 1000, 1))), [true; 3]);
    // Still under way: it is not known to be wrong.
    let mut early = tallies;
    assert_eq!(charged(reserve(&policy, &mut early, &with(7, 1001, 2))), [true; 3]);
    tallies.pair.deny(1001, 1, 7);
    tallies.account.deny(1001, 1, 7);
    for (print, now, expected) in [
        (7, 1002, [false, false, true]),
        (7, 1029, [false, false, true]),
        (7, 1030, [true; 3]),
        (8, 1002, [true; 3]),
        (0, 1002, [true; 3]),
    ] {
        assert_eq!(charged(reserve(&policy, &mut tallies.clone(), &with(print, now, 2))), expected, "{print} {now}");
    }
    // From another address the account's own tally knows it.
    let mut elsewhere = Held { account: tallies.account, ..Held::default() };
    assert_eq!(charged(reserve(&policy, &mut elsewhere, &with(7, 1002, 2))), [true, false, true]);
    // Not under a lock.
    let mut locked = tallies;
    assert_eq!(charged(reserve(&policy, &mut locked, &with(8, 1002, 2))), [true; 3]);
    locked.pair.deny(1002, 2, 8);
    assert_eq!(refused(reserve(&policy, &mut locked, &with(8, 1003, 3))), (Limit::AccountAndAddress, 59, None));
    let none = Policy { repeat: 0, ..policy };
    assert_eq!(charged(reserve(&none, &mut tallies, &with(7, 1002, 2))), [true; 3]);
}

#[test]
fn a_rule_that_is_off_neither_counts_nor_refuses() {
    for (limit, expected) in [
        (Limit::AccountAndAddress, [false, true, true]),
        (Limit::Account, [true, false, true]),
        (Limit::Address, [true, true, false]),
        (Limit::ClientAndAddress, [true, true, true]),
        (Limit::Requests, [true, true, true]),
        (Limit::Introspections, [true, true, true]),
    ] {
        let mut policy = policy();
        policy.set_mode(limit, Mode::Off);
        assert_eq!(charged(reserve(&policy, &mut Held::default(), &AT)), expected, "{limit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn monitoring_says_what_would_be_refused_and_never_refuses_or_locks(
        waits in prop::collection::vec((0_u64..30, any::<bool>(), any::<bool>(), any::<bool>()), 1..100),
    ) {
        let block = policy();
        let mut monitor = block;
        for limit in [Limit::AccountAndAddress, Limit::Account, Limit::Address, Limit::ClientAndAddress] {
            monitor.set_mode(limit, Mode::Monitor);
        }
        let (mut tallies, mut now) = (Held::default(), 0);
        for (number, (wait, is_known, is_exempt, is_client)) in (0..).zip(waits) {
            now += wait;
            let kind = if is_client { GuessKind::Client } else { GuessKind::Account };
            let at = At { facts: Facts { is_exempt, kind, ..FACTS }, is_known, now, number };
            let before = tallies;
            // What the blocking limits say of the same tallies.
            let blocked = reserve(&block, &mut before.clone(), &at);
            let charged = reserve(&monitor, &mut tallies, &at).unwrap();
            prop_assert!(charged.ticket.locks.is_empty() && charged.begun.is_empty());
            prop_assert_eq!(charged.monitored, blocked.err().map(|spent| spent.limit));
            // What would be refused is not charged: it extends no lock.
            let charged = charged.ticket.charged;
            prop_assert!(charged.has(Slot::Pair) || tallies.pair == before.pair);
            prop_assert!(charged.has(Slot::Account) || tallies.account == before.account);
            prop_assert!(charged.has(Slot::Address) || tallies.address == before.address);
        }
    }

    #[test]
    fn refused_attempts_change_no_tally_and_granted_ones_only_what_they_say(
        attempts in prop::collection::vec((0_u64..200, 0_u32..3, any::<bool>(), any::<bool>()), 1..200),
    ) {
        let policy = policy();
        let (mut tallies, mut now) = (Held::default(), 0);
        for (number, (wait, print, is_known, denied)) in (0..).zip(attempts) {
            now += wait;
            let at = At { facts: Facts { print, ..FACTS }, is_known, now, number };
            let before = tallies;
            match reserve(&policy, &mut tallies, &at) {
                Err(Spent { wait, .. }) => {
                    prop_assert!(wait >= 1);
                    prop_assert!(same(tallies, before));
                }
                Ok(Charged { ticket, .. }) => {
                    prop_assert_eq!(ticket.charged.has(Slot::Pair), tallies.pair != before.pair);
                    prop_assert_eq!(ticket.charged.has(Slot::Account), tallies.account != before.account);
                    prop_assert_eq!(ticket.charged.has(Slot::Address), tallies.address != before.address);
                    if denied && ticket.charged.has(Slot::Pair) {
                        tallies.pair.deny(now, number, print);
                    }
                    if denied && ticket.charged.has(Slot::Account) {
                        tallies.account.deny(now, number, print);
                    }
                }
            }
        }
    }
}

#[test]
fn the_wait_of_an_address_that_is_spent_is_told_apart_from_that_of_an_account() {
    let policy = policy();
    let mut tallies = Held::default();
    for number in 0..2 {
        charged(reserve(&policy, &mut tallies, &At { number, ..AT }));
    }
    // By a repeat, which the address counts alone.
    for number in 2..6 {
        tallies.address.take(&policy.address, AT.now, number);
    }
    tallies.pair.deny(AT.now, 0, 0);
    tallies.pair.deny(AT.now, 1, 0);
    let refusal = refused(reserve(&policy, &mut tallies, &At { number: 9, ..AT }));
    assert_eq!(refusal, (Limit::AccountAndAddress, 60, Some(10)));
}
