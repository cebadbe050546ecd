use super::*;
use crate::protocol::client::ClientId;
use crate::protocol::family::FamilyId;

const LEEWAY: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn family() -> RefreshFamily {
    RefreshFamily::new(FamilyId::from_bytes([1; 16]), "alice", ClientId::new("app").unwrap(), at(0), at(1000))
}

fn digest(name: &str) -> SecretDigest {
    SecretDigest::of(name)
}

/// Presents `token` with `successor`, which is salted with its second byte.
fn present(lineage: &mut Lineage, token: &str, successor: &str, now: u64) -> Rotated {
    let salt = [successor.as_bytes()[1]; 32];
    let rotation = Rotation::new(digest(token), at(now))
        .with_successor(digest(successor), salt)
        .with_leeway(LEEWAY)
        .with_idle_lifetime(Duration::from_secs(100));
    lineage.rotate(&family(), &rotation)
}

#[test]
fn each_use_makes_the_one_successor_live_rf_10() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    assert_eq!(present(&mut lineage, "t0", "t1", 1), Rotated::Done);
    assert_eq!(present(&mut lineage, "t1", "t2", 2), Rotated::Done);
    assert_eq!(lineage.state_of(&digest("t2")), RefreshTokenState::Live);
    assert_eq!(lineage.state_of(&digest("t1")), RefreshTokenState::Predecessor { used: at(2) });
    assert_eq!(lineage.state_of(&digest("t0")), RefreshTokenState::Spent);
}

#[test]
fn a_repeat_within_the_leeway_gives_the_successor_again_rf_13() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    assert_eq!(present(&mut lineage, "t0", "t1", 1), Rotated::Done);
    for now in [1, 5, 11] {
        assert_eq!(present(&mut lineage, "t0", "u9", now), Rotated::Repeated { salt: [b'1'; 32] });
    }
    assert_eq!(present(&mut lineage, "t1", "t2", 11), Rotated::Done, "the successor is still the same");
}

#[test]
fn the_window_opens_at_the_first_use_and_repeats_do_not_extend_it() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    present(&mut lineage, "t0", "t1", 1);
    present(&mut lineage, "t0", "u1", 11);
    assert_eq!(present(&mut lineage, "t0", "u2", 12), Rotated::Replayed);
    assert_eq!(present(&mut lineage, "t1", "t2", 12), Rotated::Gone, "the family has ended");
}

#[test]
fn the_first_use_of_the_successor_closes_the_window() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    present(&mut lineage, "t0", "t1", 1);
    present(&mut lineage, "t1", "t2", 2);
    assert_eq!(present(&mut lineage, "t0", "u2", 3), Rotated::Replayed);
    assert!(lineage.is_ended);
}

#[test]
fn the_window_counts_from_when_the_answer_was_about_to_be_sent_t59() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    let slow = Rotation::new(digest("t0"), at(1)).with_used(at(15)).with_successor(digest("t1"), [7; 32]);
    assert_eq!(lineage.rotate(&family(), &slow), Rotated::Done);
    assert_eq!(lineage.last_used, at(15));
    assert_eq!(present(&mut lineage, "t0", "u1", 16), Rotated::Repeated { salt: [7; 32] });
    // A repeat that came within the window may itself take long.
    let late = Rotation::new(digest("t0"), at(25)).with_used(at(40)).with_leeway(LEEWAY);
    assert_eq!(lineage.rotate(&family(), &late), Rotated::Repeated { salt: [7; 32] });
    assert_eq!(present(&mut lineage, "t0", "u2", 26), Rotated::Replayed);
}

#[test]
fn without_leeway_every_repeat_ends_the_family() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    let rotation = Rotation::new(digest("t0"), at(1)).with_successor(digest("t1"), [1; 32]);
    assert_eq!(lineage.rotate(&family(), &rotation), Rotated::Done);
    assert_eq!(lineage.rotate(&family(), &rotation), Rotated::Replayed);
}

#[test]
fn without_a_successor_the_token_stays_live() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    for now in 1..5 {
        assert_eq!(lineage.rotate(&family(), &Rotation::new(digest("t0"), at(now))), Rotated::Done);
    }
    assert_eq!(lineage.last_used, at(4));
}

#[test]
fn a_use_without_a_successor_closes_the_window_too() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    present(&mut lineage, "t0", "t1", 1);
    assert_eq!(lineage.rotate(&family(), &Rotation::new(digest("t1"), at(2))), Rotated::Done);
    assert_eq!(lineage.state_of(&digest("t0")), RefreshTokenState::Spent);
    assert_eq!(present(&mut lineage, "t0", "u1", 3), Rotated::Replayed);
}

#[test]
fn idle_and_absolute_ends_hold_and_no_rotation_moves_the_absolute_one_rf_14() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    assert_eq!(present(&mut lineage.clone(), "t0", "t1", 100), Rotated::Gone);
    for now in 0..10 {
        let (token, successor) = (format!("t{now}"), format!("t{}", now + 1));
        assert_eq!(present(&mut lineage, &token, &successor, 99 * (now + 1)), Rotated::Done);
    }
    assert_eq!(present(&mut lineage, "t10", "t11", 1000), Rotated::Gone);
}

#[test]
fn a_clock_that_goes_back_a_little_logs_nobody_out() {
    let mut lineage = Lineage::new(digest("t0"), at(500));
    assert_eq!(present(&mut lineage, "t0", "t1", 400), Rotated::Done);
    assert_eq!(present(&mut lineage, "t0", "u1", 340), Rotated::Repeated { salt: [b'1'; 32] });
    assert_eq!(present(&mut lineage, "t1", "t2", 300), Rotated::Done);
}

#[test]
fn a_clock_that_goes_back_far_makes_no_spent_token_good_again() {
    let mut lineage = Lineage::new(digest("t0"), at(400));
    assert_eq!(present(&mut lineage, "t0", "t1", 400), Rotated::Done);
    assert_eq!(present(&mut lineage, "t0", "u1", 339), Rotated::Replayed);
    assert!(lineage.is_ended);
}

#[test]
fn a_family_ends_once() {
    let mut lineage = Lineage::new(digest("t0"), at(0));
    assert!(lineage.end());
    assert!(!lineage.end());
    assert_eq!(present(&mut lineage, "t0", "t1", 1), Rotated::Gone);
}
