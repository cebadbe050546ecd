use proptest::prelude::*;

use super::*;

const FACTS: Facts = Facts {
    is_client: false,
    has_no_account: false,
    has_address: true,
    is_exempt: false,
    is_known: false,
    print: 0,
    now: 1000,
    number: 1,
};

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

fn refused(rule: Rule, wait: u64) -> Decision {
    Decision::Refused(Spent { rule, wait, address: None })
}

/// Which of the three budgets were charged: pair, account, address.
fn charged(decision: Decision) -> [bool; 3] {
    let Decision::Charged(charges) = decision else { panic!("{decision:?}") };
    [charges.pair, charges.account, charges.address]
}

fn same(one: &Tallies, other: &Tallies) -> bool {
    one.pair == other.pair && one.account == other.account && one.address == other.address
}

#[test]
fn each_kind_of_attempt_is_charged_to_its_own_rules() {
    for (facts, expected) in [
        (FACTS, [true, true, true]),
        (Facts { has_address: false, ..FACTS }, [true, true, false]),
        (Facts { is_client: true, ..FACTS }, [true, false, true]),
        // An address from which the account succeeded is spared by the account's budget.
        (Facts { is_known: true, ..FACTS }, [true, false, true]),
        // The allow-list lifts what names an address, but neither the account's own ceiling nor that of client secrets (T46).
        (Facts { is_exempt: true, ..FACTS }, [false, true, false]),
        (Facts { is_exempt: true, is_known: true, ..FACTS }, [false, true, false]),
        (Facts { is_exempt: true, is_client: true, ..FACTS }, [true, false, false]),
    ] {
        assert_eq!(charged(policy().reserve(&mut Tallies::default(), &facts)), expected, "{facts:?}");
    }
}

#[test]
fn the_first_rule_that_refuses_is_told_with_the_longest_wait_and_nothing_is_charged() {
    let policy = policy();
    let mut tallies = Tallies::default();
    for number in 0..4 {
        tallies.account.charge(&policy.account, 1000, number);
    }
    for number in 0..2 {
        tallies.pair.charge(&policy.pair, 1000, number);
    }
    let before = tallies;
    assert_eq!(policy.reserve(&mut tallies, &FACTS), refused(Rule::AccountAndAddress, 600));
    assert!(same(&tallies, &before));
    let known = Facts { is_known: true, ..FACTS };
    assert_eq!(policy.reserve(&mut tallies, &known), refused(Rule::AccountAndAddress, 60));
    let exempt = Facts { is_exempt: true, ..FACTS };
    assert_eq!(policy.reserve(&mut tallies, &exempt), refused(Rule::Account, 600));
    assert!(same(&tallies, &before));
}

#[test]
fn a_secret_that_was_denied_is_free_within_the_window_and_in_no_other_case() {
    let policy = policy();
    let with = |print, now, number| Facts { print, now, number, ..FACTS };
    let mut tallies = Tallies::default();
    assert_eq!(charged(policy.reserve(&mut tallies, &with(7, 1000, 1))), [true; 3]);
    // Still under way: it is not known to be wrong.
    let mut early = tallies;
    assert_eq!(charged(policy.reserve(&mut early, &with(7, 1001, 2))), [true; 3]);
    tallies.pair.deny(1001, 1, 7);
    tallies.account.deny(1001, 1, 7);
    for (print, now, expected) in [
        (7, 1002, [false, false, true]),
        (7, 1029, [false, false, true]),
        (7, 1030, [true; 3]),
        (8, 1002, [true; 3]),
        (0, 1002, [true; 3]),
    ] {
        assert_eq!(charged(policy.reserve(&mut tallies.clone(), &with(print, now, 2))), expected, "{print} {now}");
    }
    // From another address the account's own tally knows it.
    let mut elsewhere = Tallies { account: tallies.account, ..Tallies::default() };
    assert_eq!(charged(policy.reserve(&mut elsewhere, &with(7, 1002, 2))), [true, false, true]);
    // Not under a lock.
    let mut locked = tallies;
    assert_eq!(charged(policy.reserve(&mut locked, &with(8, 1002, 2))), [true; 3]);
    locked.pair.deny(1002, 2, 8);
    assert_eq!(policy.reserve(&mut locked, &with(8, 1003, 3)), refused(Rule::AccountAndAddress, 59));
    let none = Policy { repeat: 0, ..policy };
    assert_eq!(charged(none.reserve(&mut tallies, &with(7, 1002, 2))), [true; 3]);
}

#[test]
fn a_rule_that_is_off_neither_counts_nor_refuses() {
    for (rule, expected) in [
        (Rule::AccountAndAddress, [false, true, true]),
        (Rule::Account, [true, false, true]),
        (Rule::Address, [true, true, false]),
        (Rule::ClientAndAddress, [true, true, true]),
        (Rule::Requests, [true, true, true]),
        (Rule::Introspections, [true, true, true]),
    ] {
        let mut policy = policy();
        policy.set_mode(rule, Mode::Off);
        assert_eq!(charged(policy.reserve(&mut Tallies::default(), &FACTS)), expected, "{rule}");
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
        for rule in [Rule::AccountAndAddress, Rule::Account, Rule::Address, Rule::ClientAndAddress] {
            monitor.set_mode(rule, Mode::Monitor);
        }
        let (mut tallies, mut now) = (Tallies::default(), 0);
        for (number, (wait, is_known, is_exempt, is_client)) in (0..).zip(waits) {
            now += wait;
            let facts = Facts { now, number, is_known, is_exempt, is_client, ..FACTS };
            let before = tallies;
            // What the blocking rules say of the same tallies.
            let blocked = block.reserve(&mut before.clone(), &facts);
            let decision = monitor.reserve(&mut tallies, &facts);
            let Decision::Charged(charges) = decision else { panic!("{decision:?}") };
            prop_assert!(!charges.locks_pair && !charges.locks_account);
            match blocked {
                Decision::Refused(Spent { rule, .. }) => prop_assert_eq!(charges.monitored, Some(rule)),
                Decision::Charged(_) => prop_assert_eq!(charges.monitored, None),
            }
            // What would be refused is not charged: it extends no lock.
            prop_assert!(charges.pair || tallies.pair == before.pair);
            prop_assert!(charges.account || tallies.account == before.account);
            prop_assert!(charges.address || tallies.address == before.address);
        }
    }

    #[test]
    fn refused_attempts_change_no_tally_and_granted_ones_only_what_they_say(
        attempts in prop::collection::vec((0_u64..200, 0_u32..3, any::<bool>(), any::<bool>()), 1..200),
    ) {
        let policy = policy();
        let (mut tallies, mut now) = (Tallies::default(), 0);
        for (number, (wait, print, is_known, denied)) in (0..).zip(attempts) {
            now += wait;
            let facts = Facts { now, number, print, is_known, ..FACTS };
            let before = tallies;
            match policy.reserve(&mut tallies, &facts) {
                Decision::Refused(Spent { wait, .. }) => {
                    prop_assert!(wait >= 1);
                    prop_assert!(same(&tallies, &before));
                }
                Decision::Charged(charges) => {
                    prop_assert_eq!(charges.pair, tallies.pair != before.pair);
                    prop_assert_eq!(charges.account, tallies.account != before.account);
                    prop_assert_eq!(charges.address, tallies.address != before.address);
                    if denied && charges.pair {
                        tallies.pair.deny(now, number, print);
                    }
                    if denied && charges.account {
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
    let mut tallies = Tallies::default();
    for number in 0..2 {
        charged(policy.reserve(&mut tallies, &Facts { number, ..FACTS }));
    }
    // By a repeat, which the address counts alone.
    for number in 2..6 {
        tallies.address.take(&policy.address, FACTS.now, number);
    }
    let spent = Spent { rule: Rule::AccountAndAddress, wait: 60, address: Some(10) };
    let later = Facts { now: FACTS.now, number: 9, ..FACTS };
    tallies.pair.deny(FACTS.now, 0, 0);
    tallies.pair.deny(FACTS.now, 1, 0);
    assert_eq!(policy.reserve(&mut tallies, &later), Decision::Refused(spent));
}
