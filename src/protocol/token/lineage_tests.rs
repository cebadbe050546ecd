use super::*;
use crate::protocol::client::registered::ClientId;
use crate::protocol::token::clock_steps::{ClockSteps, Reading};
use crate::protocol::token::family::FamilyId;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn family() -> RefreshFamily {
    RefreshFamily::new(FamilyId::from_bytes([1; 16]), "alice", ClientId::new("app").unwrap(), at(0), at(1000))
}

fn digest(name: &str) -> SecretDigest {
    SecretDigest::of(name)
}

fn begun(now: u64) -> Lineage {
    Lineage::new(digest("t0"), at(now))
}

/// A use within the leeway and idle lifetime of these tests.
fn using(token: &str, now: u64) -> TokenUse {
    TokenUse {
        leeway: Duration::from_secs(10),
        idle: Duration::from_secs(100),
        ..TokenUse::new(digest(token), at(now))
    }
}

/// The salt of a successor: its second letter.
fn salt(successor: &str) -> Salt {
    [successor.as_bytes()[1]; 32]
}

fn replace(lineage: &mut Lineage, using: &TokenUse) -> Decision {
    let decision = lineage.decide(&family(), using);
    if decision == Decision::Live
        && let Some(after) = lineage.after(using)
    {
        *lineage = after;
    }
    decision
}

/// Presents `token` with this successor, and keeps what follows.
fn present(lineage: &mut Lineage, token: &str, successor: &str, now: u64) -> Decision {
    let successor = Some((digest(successor), salt(successor)));
    replace(lineage, &TokenUse { successor, ..using(token, now) })
}

fn repeat(successor: &str, used: u64) -> Decision {
    Decision::Repeat { salt: salt(successor), used: at(used) }
}

#[test]
fn each_use_makes_the_one_successor_live_rf_10() {
    let mut lineage = begun(0);
    for (token, next) in [("t0", "t1"), ("t1", "t2"), ("t2", "t3")] {
        assert!(lineage.is_live(&digest(token)));
        assert_eq!(present(&mut lineage, token, next, 1), Decision::Live);
        assert!(lineage.is_live(&digest(next)) && !lineage.is_live(&digest(token)));
    }
    assert_eq!(lineage.decide(&family(), &using("t3", 1)), Decision::Live);
    assert_eq!(lineage.decide(&family(), &using("t2", 1)), repeat("t3", 1));
    for older in ["t0", "t1", "never given"] {
        assert_eq!(lineage.decide(&family(), &using(older, 1)), Decision::Replay, "{older}");
    }
}

#[test]
fn a_repeat_within_the_leeway_gives_the_successor_again_rf_13() {
    let mut lineage = begun(0);
    present(&mut lineage, "t0", "t1", 1);
    for now in [1, 5, 11] {
        assert_eq!(present(&mut lineage, "t0", "u9", now), repeat("t1", 1));
    }
    assert_eq!(lineage.last_used(), at(1), "a repeat is no use of the family");
    assert_eq!(present(&mut lineage, "t1", "t2", 11), Decision::Live, "the successor is still the same");
}

#[test]
fn the_window_opens_at_the_first_use_and_repeats_do_not_extend_it() {
    let mut lineage = begun(0);
    present(&mut lineage, "t0", "t1", 1);
    present(&mut lineage, "t0", "u1", 11);
    assert_eq!(present(&mut lineage, "t0", "u2", 12), Decision::Replay);
    let precise = TokenUse { now: at(11) + Duration::from_millis(1), ..using("t0", 0) };
    assert_eq!(lineage.decide(&family(), &precise), Decision::Replay);
    let shorter = TokenUse { leeway: Duration::from_secs(5), ..using("t0", 7) };
    assert_eq!(lineage.decide(&family(), &shorter), Decision::Replay, "the leeway is that of the use");
}

#[test]
fn the_first_use_of_the_successor_closes_the_window() {
    let mut lineage = begun(0);
    present(&mut lineage, "t0", "t1", 1);
    present(&mut lineage, "t1", "t2", 2);
    assert_eq!(present(&mut lineage, "t0", "u2", 3), Decision::Replay);
}

#[test]
fn the_window_counts_from_when_the_answer_was_about_to_be_sent_t59() {
    let mut lineage = begun(0);
    let slow = TokenUse { used: at(15), successor: Some((digest("t1"), [7; 32])), ..using("t0", 1) };
    assert_eq!(replace(&mut lineage, &slow), Decision::Live);
    assert_eq!((lineage.last_used(), lineage.predecessor_used()), (at(15), Some(at(15))));
    let repeated = Decision::Repeat { salt: [7; 32], used: at(15) };
    assert_eq!(present(&mut lineage, "t0", "u1", 16), repeated);
    // A repeat that came within the window may itself take long.
    let late = TokenUse { used: at(40), ..using("t0", 25) };
    assert_eq!(lineage.decide(&family(), &late), repeated);
    assert_eq!(present(&mut lineage, "t0", "u2", 26), Decision::Replay);
}

#[test]
fn without_leeway_every_repeat_is_a_replay() {
    let mut lineage = begun(0);
    present(&mut lineage, "t0", "t1", 1);
    let strict = TokenUse { leeway: Duration::ZERO, ..using("t0", 1) };
    assert_eq!(lineage.decide(&family(), &strict), Decision::Replay);
}

#[test]
fn without_a_successor_the_token_stays_live_and_uses_within_a_second_are_one() {
    let mut lineage = begun(0);
    for now in 1..5 {
        assert_eq!(replace(&mut lineage, &using("t0", now)), Decision::Live);
        assert_eq!(lineage.last_used(), at(now));
    }
    let near = |millis| TokenUse { used: at(4) + Duration::from_millis(millis), ..using("t0", 4) };
    assert!(lineage.after(&near(0)).is_none() && lineage.after(&near(999)).is_none());
    assert!(lineage.after(&near(1000)).is_some());
    assert!(lineage.after(&TokenUse { used: at(3), ..using("t0", 3) }).is_some(), "a clock that went back counts");
}

#[test]
fn a_use_without_a_successor_closes_the_window_too() {
    let mut lineage = begun(0);
    present(&mut lineage, "t0", "t1", 1);
    assert_eq!(replace(&mut lineage, &using("t1", 1)), Decision::Live);
    assert_eq!(present(&mut lineage, "t0", "u1", 1), Decision::Replay);
}

#[test]
fn without_what_a_repeat_needs_the_predecessor_is_spent() {
    let mut lineage = begun(0);
    assert_eq!(lineage.predecessor_used(), None);
    present(&mut lineage, "t0", "t1", 1);
    assert_eq!(lineage.predecessor_used(), Some(at(1)));
    let lineage = lineage.without_predecessor();
    assert_eq!(lineage.predecessor_used(), None);
    assert_eq!(lineage.decide(&family(), &using("t0", 1)), Decision::Replay);
    assert_eq!(lineage.decide(&family(), &using("t1", 1)), Decision::Live);
}

#[test]
fn idle_and_absolute_ends_hold_and_no_rotation_moves_the_absolute_one_rf_14() {
    let mut lineage = begun(0);
    assert_eq!(present(&mut lineage.clone(), "t0", "t1", 100), Decision::Over);
    for now in 0..10 {
        let (token, successor) = (format!("t{now}"), format!("t{}", now + 1));
        assert_eq!(present(&mut lineage, &token, &successor, 99 * (now + 1)), Decision::Live);
    }
    // Whichever token it is.
    for token in ["t0", "t9", "t10"] {
        assert_eq!(present(&mut lineage, token, "t11", 1000), Decision::Over);
        let endless = TokenUse { idle: Duration::MAX, ..using(token, 1000) };
        assert_eq!(lineage.decide(&family(), &endless), Decision::Over);
    }
    let endless = TokenUse { idle: Duration::MAX, ..using("t0", 999) };
    assert_eq!(begun(0).decide(&family(), &endless), Decision::Live);
}

#[test]
fn a_clock_that_goes_back_a_little_logs_nobody_out() {
    let mut lineage = begun(500);
    assert_eq!(present(&mut lineage, "t0", "t1", 400), Decision::Live);
    assert_eq!(lineage.last_used(), at(400));
    assert_eq!(present(&mut lineage, "t0", "u1", 390), repeat("t1", 400));
    assert_eq!(present(&mut lineage, "t1", "t2", 300), Decision::Live);
}

#[test]
fn a_clock_that_goes_back_far_makes_no_spent_token_good_again() {
    let mut lineage = begun(400);
    assert_eq!(present(&mut lineage, "t0", "t1", 400), Decision::Live);
    assert_eq!(present(&mut lineage, "t0", "u1", 389), Decision::Replay);
}

#[test]
fn a_use_that_began_long_before_another_one_repeats_it_if_the_clocks_agree_at_its_end() {
    let mut lineage = begun(350);
    present(&mut lineage, "t0", "t1", 400);
    let slow = |now, used| TokenUse { used: at(used), ..using("t0", now) };
    assert_eq!(lineage.decide(&family(), &slow(340, 390)), repeat("t1", 400));
    assert_eq!(lineage.decide(&family(), &slow(340, 389)), Decision::Replay);
    assert_eq!(lineage.decide(&family(), &slow(339, 390)), Decision::Replay);
}

#[test]
fn a_predecessor_that_was_used_at_an_instant_that_the_clock_shows_twice_is_spent() {
    let mut lineage = begun(350);
    present(&mut lineage, "t0", "t1", 400);
    let mut steps = ClockSteps::new(Reading::of(|| Duration::from_secs(1), || at(410)));
    let repeated = |steps: &ClockSteps| {
        let using = TokenUse { shown_twice: steps.twice(), ..using("t0", 401) };
        lineage.decide(&family(), &using)
    };
    assert_eq!(repeated(&steps), repeat("t1", 400));
    steps.observe(Reading::of(|| Duration::from_secs(2), || at(401)));
    assert_eq!(repeated(&steps), Decision::Replay);
}

#[test]
fn a_login_that_lies_ahead_is_early_and_its_spent_tokens_stay_spent() {
    let ahead =
        RefreshFamily::new(FamilyId::from_bytes([1; 16]), "alice", ClientId::new("app").unwrap(), at(500), at(1000));
    let mut lineage = begun(100);
    assert_eq!(lineage.decide(&ahead, &using("t0", 100)), Decision::Early);
    assert_eq!(lineage.decide(&ahead, &using("other", 100)), Decision::Replay);
    present(&mut lineage, "t0", "t1", 100);
    assert_eq!(lineage.decide(&ahead, &using("t0", 100)), Decision::Early);
}

#[test]
fn bytes_give_back_the_same_lineage_to_the_millisecond() {
    let mut lineage = begun(7);
    assert_eq!(lineage.to_bytes().len(), 41);
    for now in [8, 9] {
        let (token, next) = (format!("t{}", now - 8), format!("t{}", now - 7));
        present(&mut lineage, &token, &next, now);
        let read = Lineage::from_bytes(&lineage.to_bytes()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{lineage:?}"));
        assert_eq!(read.to_bytes(), lineage.to_bytes());
        assert_eq!(read.decide(&family(), &using(&token, now)), repeat(&next, now));
        assert_eq!(lineage.to_bytes().len(), 113);
    }
    // A stored lineage of this version, as it must be read for ever.
    let stored = [[1].as_slice(), &[0xaa; 32], &1_800_000_000_000_i64.to_be_bytes()].concat();
    let read = Lineage::from_bytes(&stored).unwrap();
    assert!(read.is_live(&SecretDigest::from_bytes([0xaa; 32])));
    assert_eq!((read.last_used(), read.to_bytes()), (at(1_800_000_000), stored.clone()));
    // Before 1970, and between two milliseconds: rounded down.
    let odd = SystemTime::UNIX_EPOCH - Duration::from_nanos(1);
    let read = Lineage::from_bytes(&Lineage::new(digest("t0"), odd).to_bytes()).unwrap();
    assert_eq!(read.last_used(), SystemTime::UNIX_EPOCH - Duration::from_millis(1));
}

#[test]
fn bytes_of_a_later_version_or_damaged_ones_are_an_error_and_never_a_guess() {
    let mut lineage = begun(7);
    present(&mut lineage, "t0", "t1", 8);
    let bytes = lineage.to_bytes();
    for length in (0..bytes.len()).filter(|length| *length != 41) {
        assert_eq!(Lineage::from_bytes(&bytes[..length]).unwrap_err(), LineageError::Damaged, "{length}");
    }
    assert_eq!(Lineage::from_bytes(&[bytes.as_slice(), &[0]].concat()).unwrap_err(), LineageError::Damaged);
    for (version, error) in [(0, LineageError::Damaged), (2, LineageError::Later), (255, LineageError::Later)] {
        let other = [[version].as_slice(), &bytes[1..]].concat();
        assert_eq!(Lineage::from_bytes(&other).unwrap_err(), error);
    }
    let late = [&bytes[..33], &i64::MIN.to_be_bytes()].concat();
    let _ = Lineage::from_bytes(&late);
}
