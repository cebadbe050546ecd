use super::*;
use crate::protocol::factor::authenticator::{ENROLMENT, RecoveryCodes};
use std::time::{Duration, UNIX_EPOCH};

use AuthenticatorKind::{Otp, RecoveryCodes as Codes};

fn new(kind: AuthenticatorKind) -> Authenticator {
    Authenticator::new(AuthenticatorId::random(kind).unwrap(), kind, None, Vec::new(), UNIX_EPOCH)
}

fn active(kind: AuthenticatorKind) -> Authenticator {
    Authenticator { is_active: true, ..new(kind) }
}

fn changes(removed: &[&Authenticator], confirmed: &[&Authenticator]) -> FactorChanges {
    FactorChanges { removed: ids(removed.iter().copied()), confirmed: ids(confirmed.iter().copied()) }
}

#[test]
fn an_enrolment_takes_the_place_of_what_waits_and_is_the_first_only_without_a_factor() {
    let (waiting, codes, factor, kept_codes) = (new(Otp), new(Codes), active(Otp), active(Codes));
    let first = Enrolment::new(new(Otp), None, true);
    let more = Enrolment { if_no_factor: false, ..first.clone() };
    let rows = [waiting.clone(), codes.clone()];
    assert_eq!(UserFactors::of(&rows).enrol(&first), Ok(changes(&[&waiting, &codes], &[])));
    let rows = [waiting.clone(), factor, kept_codes.clone()];
    assert_eq!(UserFactors::of(&rows).enrol(&first), Err(Enrolled::HasFactor));
    assert_eq!(UserFactors::of(&rows).enrol(&more), Ok(changes(&[&waiting], &[])));
    // Recovery codes alone are no factor.
    assert_eq!(UserFactors::of(&[kept_codes]).enrol(&first), Ok(changes(&[], &[])));
}

#[test]
fn a_user_has_sixteen_authenticators_at_most_and_what_waits_makes_room() {
    let mut rows: Vec<_> = (0..15).map(|_| active(Otp)).collect();
    let one = Enrolment::new(new(Otp), None, false);
    let two = Enrolment::new(new(Otp), Some(RecoveryCodes::new(new(Codes), Vec::new())), false);
    assert!(UserFactors::of(&rows).enrol(&one).is_ok());
    assert_eq!(UserFactors::of(&rows).enrol(&two), Err(Enrolled::TooMany));
    rows.push(new(Otp));
    assert!(UserFactors::of(&rows).enrol(&one).is_ok());
    rows.push(active(Otp));
    assert_eq!(UserFactors::of(&rows).enrol(&one), Err(Enrolled::TooMany));
}

#[test]
fn the_first_right_code_makes_active_what_waits_and_only_that() {
    let now = UNIX_EPOCH + ENROLMENT - Duration::from_secs(1);
    let (waiting, codes, factor, kept_codes) = (new(Otp), new(Codes), active(Otp), active(Codes));
    let rows = [waiting.clone(), codes.clone()];
    assert_eq!(UserFactors::of(&rows).confirm(&waiting.id, true, now), Some(changes(&[], &[&codes, &waiting])));
    assert_eq!(UserFactors::of(&rows).confirm(&codes.id, true, now), None, "codes are confirmed with a factor");
    let over = now + Duration::from_secs(1);
    assert_eq!(UserFactors::of(&rows).confirm(&waiting.id, true, over), None, "it is over");
    assert_eq!(UserFactors::of(&rows).confirm(&factor.id, true, now), None, "it is not there");
    let rows = [factor.clone(), waiting.clone(), codes.clone(), kept_codes];
    assert_eq!(UserFactors::of(&rows).confirm(&waiting.id, true, now), None, "it is not the first");
    assert_eq!(UserFactors::of(&rows).confirm(&factor.id, false, now), None, "it is active already");
    // Codes that count go on to count.
    assert_eq!(UserFactors::of(&rows).confirm(&waiting.id, false, now), Some(changes(&[&codes], &[&waiting])));
}

#[test]
fn recovery_codes_go_with_the_last_factor_and_with_their_own_enrolment() {
    let (one, other, kept_codes) = (active(Otp), active(Otp), active(Codes));
    let (waiting, codes) = (new(Otp), new(Codes));
    let all = [one.clone(), other, kept_codes.clone(), waiting.clone(), codes.clone()];
    assert_eq!(UserFactors::of(&all).remove(&one.id, false), Ok(changes(&[&one], &[])));
    assert_eq!(UserFactors::of(&all).remove(&waiting.id, false), Ok(changes(&[&codes, &waiting], &[])));
    assert_eq!(UserFactors::of(&all).remove(&kept_codes.id, false), Ok(changes(&[&kept_codes], &[])));
    assert_eq!(UserFactors::of(&all).remove(&codes.id, false), Ok(changes(&[&codes], &[])));
    let last = [one.clone(), kept_codes.clone(), waiting, codes];
    assert_eq!(UserFactors::of(&last).remove(&one.id, false), Ok(changes(&[&kept_codes, &one], &[])));
    assert_eq!(UserFactors::of(&[kept_codes]).remove(&one.id, false), Err(Removed::Unknown));
}

#[test]
fn a_password_alone_removes_nothing_of_a_user_who_has_a_factor() {
    let (factor, waiting, codes) = (active(Otp), new(Otp), new(Codes));
    let unknown = new(Otp);
    let all = [factor.clone(), waiting.clone(), codes.clone()];
    for id in [&factor.id, &waiting.id, &unknown.id] {
        assert_eq!(UserFactors::of(&all).remove(id, true), Err(Removed::HasFactor), "whatever it is");
    }
    let without = [waiting.clone(), codes.clone()];
    assert_eq!(UserFactors::of(&without).remove(&waiting.id, true), Ok(changes(&[&codes, &waiting], &[])));
    assert_eq!(UserFactors::of(&without).remove(&unknown.id, true), Err(Removed::Unknown));
}
