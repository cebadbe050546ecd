use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::protocol::secret::shared_key::{KeyUse, SharedKey};

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

fn day(days: u32) -> SystemTime {
    UNIX_EPOCH + DAY * 20_000 + DAY * days
}

/// Of an end on day 100, with a ramp from day 70 on.
fn ramp() -> Sunset {
    Sunset::at(day(100)).ramp_from(day(70)).unwrap()
}

fn key() -> Keyed {
    Keyed::shared_or_known(None, KeyUse::Ramp)
}

fn user(subject: &str) -> Applicant<'_> {
    Applicant { client: "app", realm: None, subject }
}

fn admission(plan: &Sunset, subject: &str, now: SystemTime) -> Admission {
    plan.admission_of(user(subject), &key(), now)
}

/// How many of 10,000 users are refused.
fn refused(plan: &Sunset, now: SystemTime) -> usize {
    let key = key();
    let is_out = |index: &u32| plan.admission_of(user(&format!("user-{index}")), &key, now) != Admission::In;
    (0..10_000).filter(is_out).count()
}

#[test]
fn a_client_is_open_then_browned_out_then_open_then_on_the_ramp_and_then_at_its_end() {
    let plan = ramp().brownout(day(10), HOUR).unwrap().brownout(day(80), HOUR).unwrap();
    let second = Duration::from_secs(1);
    for (now, phase) in [
        (UNIX_EPOCH, Phase::Open),
        (day(10) - second, Phase::Open),
        (day(10), Phase::Brownout(day(10) + HOUR)),
        (day(10) + HOUR - second, Phase::Brownout(day(10) + HOUR)),
        (day(10) + HOUR, Phase::Open),
        (day(70) - second, Phase::Open),
        (day(70), Phase::Ramp),
        (day(80), Phase::Brownout(day(80) + HOUR)),
        (day(80) + HOUR, Phase::Ramp),
        (day(100) - second, Phase::Ramp),
        (day(100), Phase::Ended),
        (day(10_000), Phase::Ended),
    ] {
        assert_eq!(plan.phase_at(now), phase, "{now:?}");
    }
}

#[test]
fn the_share_of_refused_users_follows_the_plan_among_10_000() {
    let plan = ramp();
    for (now, expected) in [(0, 0), (70, 0), (73, 1_000), (85, 5_000), (97, 9_000), (100, 10_000), (200, 10_000)] {
        let found = refused(&plan, day(now));
        // Three standard deviations of 10,000 throws.
        assert!(found.abs_diff(expected) <= if expected % 10_000 == 0 { 0 } else { 150 }, "day {now}: {found}");
        let share = plan.share_at(day(now));
        assert!((share * 10_000.0 - expected as f64).abs() < 1e-6, "day {now}: {share}");
    }
    // Without a ramp it is none or all.
    let sudden = Sunset::at(day(100));
    assert_eq!([99, 100].map(|now| (refused(&sudden, day(now)), sudden.share_at(day(now)))), [(0, 0.0), (10_000, 1.0)]);
}

#[test]
fn a_share_is_exact_for_a_ramp_of_a_millisecond_and_for_one_from_the_beginning_to_the_end_of_time() {
    let at = |millis: i64| millis::instant(millis);
    let short = Share::passed(at(0).unwrap(), at(1).unwrap(), at(0).unwrap());
    assert_eq!(short, Share(0));
    assert_eq!(Share::passed(at(0).unwrap(), at(1).unwrap(), at(1).unwrap()), Share(ALL));
    assert_eq!(Share::passed(at(5).unwrap(), at(5).unwrap(), at(5).unwrap()), Share(ALL));
    let (Some(first), Some(last)) = (at(i64::MIN + 1), at(i64::MAX)) else { return };
    let half = Share::passed(first, last, UNIX_EPOCH);
    assert!(half.0.abs_diff(ALL / 2) < 2, "{half:?}");
    assert_eq!(Share::passed(first, last, last), Share(ALL));
}

#[test]
fn who_is_refused_first_depends_on_client_realm_subject_and_key_and_on_nothing_else() {
    let [one, other] =
        [1, 2].map(|byte| Keyed::shared_or_known(Some(&SharedKey::new([byte; 32]).unwrap()), KeyUse::Ramp));
    let digest = |client, realm, subject| Applicant { client, realm, subject }.digest(&one);
    let all = [
        digest("app", None, "kim"),
        digest("ap", None, "pkim"),
        digest("app", Some(""), "kim"),
        digest("app", Some("k"), "im"),
        digest("app", Some("kim"), ""),
        digest("app2", None, "kim"),
        digest("app", None, "lee"),
        user("kim").digest(&other),
        user("kim").digest(&key()),
    ];
    assert!((0..all.len()).all(|at| !all[..at].contains(&all[at])));
    // Restarts and other processes agree, with a key and without one.
    assert_eq!(user("kim").digest(&key()), 0x539b_bf61_e628_13fc);
    let again = Keyed::shared_or_known(Some(&SharedKey::new([1; 32]).unwrap()), KeyUse::Ramp);
    assert_eq!(user("kim").digest(&again), all[0]);
}

#[test]
fn an_exception_outlives_ramp_and_end_until_its_date_and_then_the_end_needs_no_password() {
    let plan = ramp().except("kim", day(120)).unwrap();
    for (now, kim, lee, is_decided_late) in [
        (60, Admission::In, Admission::In, true),
        (99, Admission::In, Admission::Out(Reason::GrantRamped), true),
        (100, Admission::In, Admission::Out(Reason::GrantSunset), true),
        (119, Admission::In, Admission::Out(Reason::GrantSunset), true),
        (120, Admission::Out(Reason::GrantSunset), Admission::Out(Reason::GrantSunset), false),
    ] {
        // Shortly before the end nearly all are out.
        let at = if now == 99 { day(100) - Duration::from_millis(1) } else { day(now) };
        assert_eq!([admission(&plan, "kim", at), admission(&plan, "lee", at)], [kim, lee], "day {now}");
        assert_eq!(plan.has_exceptions(at), is_decided_late, "day {now}");
    }
}

#[test]
fn a_look_up_is_asked_about_those_alone_who_would_be_refused_and_only_until_its_date() {
    let plan = ramp().except("kim", day(120)).unwrap().look_up_exceptions(day(130)).unwrap();
    let end = Reason::GrantSunset;
    for (now, kim, lee) in [
        (60, Admission::In, Admission::In),
        (100, Admission::In, Admission::Asked(end)),
        (120, Admission::Asked(end), Admission::Asked(end)),
        (129, Admission::Asked(end), Admission::Asked(end)),
        (130, Admission::Out(end), Admission::Out(end)),
    ] {
        assert_eq!([admission(&plan, "kim", day(now)), admission(&plan, "lee", day(now))], [kim, lee], "day {now}");
    }
    assert!(plan.has_exceptions(day(129)) && !plan.has_exceptions(day(130)));
    let nearly = day(100) - Duration::from_millis(1);
    assert_eq!(admission(&plan, "lee", nearly), Admission::Asked(Reason::GrantRamped));
}

proptest! {
    #[test]
    fn who_is_refused_stays_refused_as_the_share_grows(
        subject in "\\PC{1,20}",
        (start, length) in (0..1_000_000_000_u64, 1..1_000_000_000_000_u64),
        moments in prop::collection::vec(0.0..1.2_f64, 2..20),
    ) {
        let start = UNIX_EPOCH + Duration::from_millis(start);
        let plan = Sunset::at(start + Duration::from_millis(length)).ramp_from(start).unwrap();
        let mut times: Vec<_> = moments.iter().map(|part| start + Duration::from_millis(length).mul_f64(*part)).collect();
        times.sort();
        let is_out: Vec<_> = times.iter().map(|now| admission(&plan, &subject, *now) != Admission::In).collect();
        prop_assert!(is_out.is_sorted(), "{:?} {:?}", times, is_out);
        let shares: Vec<_> = times.iter().map(|now| plan.share_at(*now)).collect();
        prop_assert!(shares.is_sorted());
    }
}
