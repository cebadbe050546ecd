use super::*;
use crate::protocol::client::registered::Client;

const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3600);

fn day(days: u32) -> SystemTime {
    UNIX_EPOCH + DAY * 20_000 + DAY * days
}

/// An end on day 100.
fn plan() -> Sunset {
    Sunset::at(day(100))
}

fn registered(plan: &Sunset) -> Result<(), ClientError> {
    Client::public("app").sunset(plan.clone()).build().map(drop)
}

#[test]
fn a_brownout_lies_before_the_end_lasts_a_second_or_more_and_overlaps_no_other() {
    let brownout = |start, length| plan().brownout(start, length).map(drop);
    assert_eq!(brownout(day(10), HOUR), Ok(()));
    assert_eq!(brownout(day(100) - HOUR, HOUR), Ok(()));
    assert_eq!(brownout(day(100) - HOUR, HOUR + Duration::from_millis(1)), Err(ClientError::BrownoutAfterEnd));
    assert_eq!(brownout(day(101), HOUR), Err(ClientError::BrownoutAfterEnd));
    for (start, length) in [
        (day(10), Duration::ZERO),
        (day(10), Duration::from_millis(999)),
        (UNIX_EPOCH - DAY, DAY * 2),
        (day(10), Duration::MAX),
    ] {
        assert_eq!(brownout(start, length), Err(ClientError::Brownout), "{length:?}");
    }
    // HTTP cannot write its end.
    let far = UNIX_EPOCH + Duration::from_secs(253_402_300_800);
    let beyond = Sunset::at(far + DAY * 2).brownout(far, HOUR).map(drop);
    assert_eq!(beyond, Err(ClientError::Brownout));

    let one = plan().brownout(day(10), HOUR * 3).unwrap();
    for (start, length, fits) in [
        (day(10), HOUR * 3, false),
        (day(10) + HOUR, HOUR, false),
        (day(9), DAY + HOUR, false),
        (day(9), DAY * 3, false),
        (day(10) + HOUR * 2, DAY, false),
        (day(9), DAY, true),
        (day(10) + HOUR * 3, HOUR, true),
    ] {
        let two = one.clone().brownout(start, length).map(|plan| plan.brownouts().count());
        assert_eq!(two, if fits { Ok(2) } else { Err(ClientError::BrownoutsOverlap) }, "{start:?} {length:?}");
    }
}

#[test]
fn brownouts_are_in_their_order_however_they_were_added_and_there_are_at_most_64() {
    let mut full = plan();
    for step in 0..64 {
        // 7 has no factor in common with 64.
        full = full.brownout(day(step * 7 % 64), HOUR).unwrap();
    }
    assert!(full.brownouts().is_sorted_by_key(|brownout| brownout.start()));
    assert_eq!(full.brownouts().count(), 64);
    assert_eq!(full.clone().brownout(day(70), HOUR), Err(ClientError::TooManyBrownouts));
    assert_eq!(full.without_brownouts().brownouts().count(), 0);
}

#[test]
fn a_ramp_begins_before_the_end() {
    assert_eq!(plan().ramp_from(day(100)).map(drop), Err(ClientError::RampAfterEnd));
    assert_eq!(plan().ramp_from(day(101)).map(drop), Err(ClientError::RampAfterEnd));
    // The registration keeps milliseconds.
    let nearly = Sunset::at(day(100) + Duration::from_micros(900)).ramp_from(day(100) + Duration::from_micros(100));
    assert_eq!(nearly.map(drop), Err(ClientError::RampAfterEnd));
    let ramp = plan().ramp_from(day(70)).unwrap().ramp_from(day(80)).unwrap();
    assert_eq!(ramp.ramp_start(), Some(day(80)), "the second replaces the first");
    assert_eq!(ramp.without_ramp().ramp_start(), None);
}

#[test]
fn an_exception_is_for_somebody_has_a_date_that_matters_and_is_one_of_100() {
    assert_eq!(plan().except("", day(101)).map(drop), Err(ClientError::ExceptionSubject));
    // Which dates matter is known once all are given, in whatever order.
    let with_ramp = |until| plan().except("kim", until).unwrap().ramp_from(day(70)).unwrap();
    for (plan, fits) in [
        (plan().except("kim", day(100)).unwrap(), false),
        (plan().except("kim", day(101)).unwrap(), true),
        (with_ramp(day(70)), false),
        (with_ramp(day(71)), true),
        (plan().look_up_exceptions(day(100)).unwrap(), false),
        (plan().look_up_exceptions(day(101)).unwrap(), true),
    ] {
        let expected = if fits { Ok(()) } else { Err(ClientError::ExceptionTooEarly) };
        assert_eq!(registered(&plan), expected, "{plan:?}");
    }
    let full = (0..100).fold(plan(), |plan, user| plan.except(&format!("user-{user}"), day(101)).unwrap());
    assert_eq!(full.clone().except("one more", day(101)).map(drop), Err(ClientError::TooManyExceptions));
    let later = full.clone().except("user-7", day(150)).unwrap();
    assert_eq!(later.exceptions().count(), 100);
    assert!(later.exceptions().any(|one| one == ("user-7", day(150))), "a second date replaces the first");
    let one_less = full.without_exception("user-7").without_exception("nobody");
    assert_eq!(one_less.exceptions().count(), 99);
    assert!(one_less.except("one more", day(101)).is_ok());
}

#[test]
fn families_end_with_the_grant_or_later() {
    assert_eq!(plan().end_families_at(day(100) - HOUR).map(drop), Err(ClientError::FamiliesEndEarly));
    assert_eq!(plan().end_families_at(day(100)).unwrap().families_end(), Some(day(100)));
}

#[test]
fn a_plan_that_is_made_has_no_date_that_is_over() {
    let millisecond = Duration::from_millis(1);
    let full = plan().brownout(day(10), HOUR).unwrap().brownout(day(20), HOUR).unwrap().ramp_from(day(70)).unwrap();
    let full = full.except("kim", day(120)).unwrap().except("lee", day(71)).unwrap();
    let full = full.look_up_exceptions(day(72)).unwrap().end_families_at(day(130)).unwrap();
    let named = |plan: &Sunset, now| {
        plan.check(now).map_err(|error| error.to_string().split(" of the client").next().unwrap().to_owned())
    };
    let over = |what: &str| Err(what.to_owned());
    // One date after the other is over; what is taken out is not missed.
    assert_eq!(named(&full, day(10) + HOUR - millisecond), Ok(()), "a brownout that has begun has an end ahead");
    assert_eq!(named(&full, day(10) + HOUR), over("a brownout"));
    let rest = full.without_brownouts();
    assert_eq!(named(&rest, day(70)), Ok(()), "a ramp that begins now");
    assert_eq!(named(&rest, day(70) + millisecond), over("the begin of the ramp"));
    assert_eq!(named(&plan().except("lee", day(71)).unwrap(), day(71)), over("an exception"));
    assert_eq!(named(&plan().look_up_exceptions(day(72)).unwrap(), day(72)), over("the look-up of exceptions"));
    let rest = rest.without_ramp();
    assert_eq!(named(&rest, day(100) - millisecond), Ok(()));
    assert_eq!(named(&rest, day(100)), over("the date"));
}

#[test]
fn an_end_moves_with_its_steps_as_long_as_they_fit() {
    let guide = "https://docs.example/move";
    let full = plan().with_link(guide).unwrap().deprecated_since(day(1)).brownout(day(10), HOUR).unwrap();
    let full = full.ramp_from(day(70)).unwrap().except("kim", day(120)).unwrap().end_families_at(day(110)).unwrap();
    let later = full.move_to(day(105)).unwrap();
    let expected = Sunset::at(day(105)).with_link(guide).unwrap().deprecated_since(day(1));
    let expected = expected.brownout(day(10), HOUR).unwrap().ramp_from(day(70)).unwrap();
    assert_eq!(later, expected.except("kim", day(120)).unwrap().end_families_at(day(110)).unwrap());
    assert_eq!(later.move_to(day(100)).unwrap(), full);
    assert_eq!(full.move_to(day(111)), Err(ClientError::FamiliesEndEarly));
    assert_eq!(full.move_to(day(70)), Err(ClientError::RampAfterEnd));
    assert_eq!(full.without_ramp().move_to(day(10)), Err(ClientError::BrownoutAfterEnd));
}

#[test]
fn an_exception_never_keeps_a_plan_from_being_taken_back_or_moved() {
    let planned = plan().ramp_from(day(70)).unwrap().except("kim", day(90)).unwrap().except("lee", day(130)).unwrap();
    let planned = planned.look_up_exceptions(day(120)).unwrap();
    assert_eq!(registered(&planned), Ok(()));
    for (changed, left, looks_up) in [
        (planned.clone().without_ramp(), vec!["lee"], true),
        (planned.clone().move_to(day(125)).unwrap(), vec!["kim", "lee"], true),
        (planned.clone().move_to(day(125)).unwrap().without_ramp(), vec!["lee"], false),
        (planned.clone().without_ramp().move_to(day(140)).unwrap(), vec![], false),
    ] {
        assert_eq!(registered(&changed), Ok(()), "{changed:?}");
        assert_eq!(changed.exceptions().map(|(subject, _)| subject).collect::<Vec<_>>(), left);
        assert_eq!(changed.exceptions_looked_up_until().is_some(), looks_up);
    }
}

#[test]
fn a_date_that_no_registration_can_hold_is_refused() {
    // Where instants go so far: rounded to the last that can be written, they can be read.
    let Some(far) = UNIX_EPOCH.checked_add(Duration::from_secs(u64::MAX / 4)) else { return };
    let plan = Sunset::at(far).except("kim", far).and_then(|plan| plan.end_families_at(far));
    assert!(plan.is_ok() || plan == Err(ClientError::SunsetDate));
}

#[test]
fn the_errors_of_a_plan_say_what_to_do() {
    for error in [
        ClientError::Brownout,
        ClientError::BrownoutAfterEnd,
        ClientError::BrownoutsOverlap,
        ClientError::TooManyBrownouts,
        ClientError::RampAfterEnd,
        ClientError::ExceptionSubject,
        ClientError::TooManyExceptions,
        ClientError::ExceptionTooEarly,
        ClientError::FamiliesEndEarly,
        ClientError::SunsetOver("the date"),
        ClientError::SunsetDate,
    ] {
        let text = error.to_string();
        assert!(text.len() > 20 && !text.ends_with('.'), "{text}");
    }
}
