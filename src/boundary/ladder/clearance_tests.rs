use std::time::Duration;

use AuthenticationMethod::{MultiFactor, Otp, Password, Sms};

use super::*;

const NOW: SystemTime = SystemTime::UNIX_EPOCH;

fn methods(methods: &[AuthenticationMethod]) -> AuthenticationMethods {
    methods.iter().copied().collect()
}

fn at(seconds: u64) -> SystemTime {
    NOW + Duration::from_secs(seconds)
}

/// What a login lacks, without what is open of it.
fn lacks(demand: &Demand, proven: &Proven) -> Option<&'static str> {
    Some(match weigh(demand, proven).err()? {
        Lack::Out(_) => "out",
        Lack::LookUp => "look-up",
        Lack::Leaked => "leaked",
        Lack::Unlooked => "unlooked",
        Lack::Rule => "rule",
        Lack::Unasked => "unasked",
        Lack::Factor(_) => "factor",
    })
}

/// What counts of a login that lacks a factor.
fn counted(demand: &Demand, proven: &Proven) -> AuthenticationMethods {
    match weigh(demand, proven) {
        Err(Lack::Factor(open)) => open.counted(),
        other => panic!("{other:?}"),
    }
}

fn shown(earlier: &[AuthenticationMethod], method: AuthenticationMethod) -> Proven {
    Proven::by_factor(Right::checked(methods(earlier), method, true).unwrap(), Admission::In, at(100))
}

#[test]
fn where_an_unleaked_password_is_demanded_only_a_look_that_failed_stands_for_one_that_found_nothing() {
    for (look, lack) in [
        (Look::NoPassword, None),
        (Look::NotLooked, Some("unlooked")),
        (Look::Clear, None),
        (Look::Leaked, Some("leaked")),
        (Look::Failed, None),
    ] {
        let mut proven = Proven::by_verdict(AuthenticationMethods::NONE, true, Admission::In, NOW);
        proven.note_password(look);
        let found = [true, false].map(|demands| lacks(&Demand::by_settings(demands, 0, false), &proven));
        assert_eq!(found, [lack, None], "{look:?}");
    }
    for has_password in [true, false] {
        let proven = Proven::by_verdict(AuthenticationMethods::NONE, has_password, Admission::In, NOW);
        let lack = has_password.then_some("unlooked");
        assert_eq!(lacks(&Demand::by_settings(true, 0, false), &proven), lack);
    }
}

#[test]
fn a_user_who_is_out_gets_nothing_and_one_who_is_asked_about_nothing_before_the_answer() {
    let reason = Reason::GrantRamped;
    let verdict = |admission| Proven::by_verdict(AuthenticationMethods::NONE, true, admission, NOW);
    for (admission, is_excepted, before, after) in [
        (Admission::In, false, None, None),
        (Admission::Out(reason), true, Some("out"), Some("out")),
        (Admission::Asked(reason), true, Some("look-up"), None),
        (Admission::Asked(reason), false, Some("look-up"), Some("out")),
    ] {
        let mut proven = verdict(admission);
        // Before the password is looked at, before any rule is asked, and before any factor.
        let mut demand = Demand::by_settings(true, 3, true);
        demand.and(Demand::second_factor());
        if before.is_some() {
            assert_eq!(lacks(&demand, &proven), before);
        }
        assert_eq!(lacks(&Demand::by_settings(false, 0, false), &proven), before, "{admission:?}");
        proven.note_exception(is_excepted);
        assert_eq!(lacks(&Demand::by_settings(false, 0, false), &proven), after, "{admission:?}");
    }
    let mut right =
        Proven::by_factor(Right::checked(methods(&[Password]), Otp, true).unwrap(), Admission::Out(reason), NOW);
    right.note_asked_for_factors();
    assert_eq!(lacks(&Demand::second_factor(), &right), Some("out"));
    assert_eq!(lacks(&Demand::by_settings(false, 0, false), &Proven::by_family(methods(&[Password]), NOW)), None);
}

#[test]
fn a_login_that_a_rule_was_not_asked_about_gives_nothing() {
    for (demanded, rules, lack) in [(0, 0, None), (1, 0, Some("rule")), (3, 2, Some("rule")), (3, 3, None)] {
        let mut proven = Proven::by_verdict(AuthenticationMethods::NONE, true, Admission::In, NOW);
        (0..rules).for_each(|_| proven.note_rule());
        assert_eq!(lacks(&Demand::by_settings(false, demanded, false), &proven), lack, "{rules} of {demanded}");
        // A password that is not good enough is refused before any rule is asked, and before any factor.
        proven.note_password(Look::Leaked);
        let mut demand = Demand::by_settings(true, demanded, false);
        demand.and(Demand::second_factor());
        assert_eq!(lacks(&demand, &proven), Some("leaked"));
        assert!(matches!(weigh_password(&demand, &proven), Err(Lack::Leaked)));
    }
}

#[test]
fn a_login_that_the_settings_were_not_asked_about_gives_nothing_and_is_not_left_open() {
    for factors in [&[Password][..], &[Password, Otp]] {
        for (asks, is_asked, lack) in [(false, false, None), (true, false, Some("unasked")), (true, true, None)] {
            let mut proven = Proven::by_verdict(methods(factors), false, Admission::In, NOW);
            if is_asked {
                proven.note_asked_for_factors();
            }
            assert_eq!(lacks(&Demand::by_settings(false, 0, asks), &proven), lack, "{factors:?}");
        }
        let mut demand = Demand::by_settings(false, 0, true);
        demand.and(Demand::second_factor());
        assert_eq!(lacks(&demand, &Proven::by_verdict(methods(factors), false, Admission::In, NOW)), Some("unasked"));
    }
}

#[test]
fn a_second_factor_is_two_methods_or_the_word_for_them() {
    for (proven, is_open) in
        [(&[][..], true), (&[Password], true), (&[Otp], true), (&[Password, Otp], false), (&[MultiFactor], false)]
    {
        let proven = Proven::by_verdict(methods(proven), false, Admission::In, NOW);
        assert_eq!(lacks(&Demand::second_factor(), &proven).is_some(), is_open, "{proven:?}");
        assert_eq!(lacks(&Demand::by_settings(false, 0, false), &proven), None);
    }
}

#[test]
fn demands_add_up_in_either_order_and_the_latest_time_counts() {
    let demands = || {
        [
            Demand::by_settings(true, 2, true),
            Demand::second_factor(),
            Demand::second_factor_since(at(50)),
            Demand::second_factor_since(at(20)),
        ]
    };
    let sum = |demands: Vec<Demand>| {
        let mut sum = Demand::by_settings(false, 0, false);
        demands.into_iter().for_each(|demand| sum.and(demand));
        sum
    };
    let forth = sum(demands().into_iter().collect());
    assert_eq!(forth, sum(demands().into_iter().rev().collect()));
    assert_eq!(
        forth,
        Demand { unleaked_password: true, rules: 2, asks_for_factors: true, factor: Some(Since(at(50))) }
    );
}

#[test]
fn a_factor_that_is_older_than_demanded_counts_no_more_and_the_password_does() {
    let proven = Proven::by_family(methods(&[Password, Otp]), at(30));
    for (since, is_open) in [(29, false), (30, false), (31, true)] {
        assert_eq!(lacks(&Demand::second_factor_since(at(since)), &proven).is_some(), is_open, "{since}");
    }
    let demand = Demand::second_factor_since(at(31));
    assert_eq!(counted(&demand, &proven), methods(&[Password]));
    let other = Proven::by_family(methods(&[Sms, Otp]), at(30));
    assert_eq!(counted(&demand, &other), AuthenticationMethods::NONE);
    let first = Proven::by_family(methods(&[Sms]), at(30));
    assert_eq!(counted(&Demand::second_factor(), &first), methods(&[Sms]));
}

#[test]
fn a_factor_that_was_shown_now_is_a_second_one_beside_what_was_proven_before() {
    let demand = Demand::second_factor_since(at(100));
    for (earlier, all) in [(&[Password][..], &[Password, Otp][..]), (&[Sms], &[Sms, Otp]), (&[], &[Otp, MultiFactor])] {
        let proven = shown(earlier, Otp);
        assert_eq!(proven.methods(), methods(all));
        assert_eq!(lacks(&demand, &proven), None);
    }
}

#[test]
fn no_method_is_a_second_factor_beside_itself() {
    let proven = shown(&[Otp], Otp);
    assert_eq!(proven.methods(), methods(&[Otp]));
    assert_eq!(lacks(&Demand::second_factor(), &proven), Some("factor"));
}

#[test]
fn what_does_not_count_proves_nothing() {
    assert!(Right::checked(methods(&[Password]), Otp, false).is_none());
}
