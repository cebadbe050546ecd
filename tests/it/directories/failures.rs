//! A directory that cannot decide: no other decides in its place, and no guess becomes free.

use std::time::Duration;

use tower_password_grant::limiter::{AttackProtection, MemoryLimiter};
use tower_password_grant::realms::FirstOf;

use super::world::{Account, House, Plain, face};
use crate::support::ManualClock;
use crate::support::faults::{Charges, FAILURES, Ledger, Mode, Switch, Users};
use crate::support::protection::counted_by;

fn first() -> Plain {
    Plain::default().with("alice", Account::new("user-1", "correct horse"))
}

/// What is left of one charge if a verifier fails so.
fn left(mode: Mode) -> u64 {
    u64::from(matches!(mode, Mode::Hang | Mode::Panic))
}

async fn house(users: FirstOf) -> (House, Ledger) {
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let protection: AttackProtection = counted_by(ledger.clone());
    (House::with(users, protection, Default::default()).await, ledger)
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_cannot_decide_is_the_answer_of_all_and_the_next_is_not_asked_er_13() {
    for (mode, status, code, wait) in FAILURES {
        let (failing, second) = (Users::new(), Plain::default());
        failing.verify.set(mode);
        let (house, ledger) = house(FirstOf::new(failing).then(second.clone())).await;
        let answer = house.log_in_directly("bob", "correct horse").await;
        answer.assert_error(status, code);
        assert_eq!(answer.header("retry-after"), wait);
        assert!(second.asked().is_empty(), "{mode:?}");
        assert_eq!(ledger.book().account, Charges { made: 1, left: left(mode) }, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_the_look_for_nobody_looks_like_any_other_and_makes_no_guess_free_t5() {
    for (mode, status, code, _) in FAILURES {
        let second = Users::new();
        let (house, ledger) = house(FirstOf::new(first()).then(second.clone())).await;
        second.verify.set(mode);
        let unknown = house.log_in_directly("bob", "wrong").await;
        unknown.assert_error(status, code);
        assert_eq!(ledger.book().account, Charges { made: 1, left: 1 }, "{mode:?}: the second was to decide");
        let known = house.log_in_directly("alice", "wrong").await;
        assert_eq!(face(&known), face(&unknown), "{mode:?}");
        assert_eq!(ledger.book().account, Charges { made: 2, left: 2 }, "{mode:?}: the first had denied it");
        assert_eq!(second.verify.calls(), 2);
        house.log_in_directly("alice", "correct horse").await.assert_ok();
        assert_eq!(second.verify.calls(), 2, "{mode:?}: nobody needs the second");
    }
}

/// What a client sees of 12 guesses at this name while the second directory fails, the first of them twice, and of three more when
/// it is back.
async fn seen(name: &str, mode: Mode) -> Vec<(u16, Vec<u8>)> {
    let (second, limiter) = (Users::new(), MemoryLimiter::new().with_clock(ManualClock::new()));
    let users = FirstOf::new(first()).then(second.clone()).then(Plain::default());
    let house = House::with(users, counted_by(limiter), Default::default()).await;
    second.verify.set(mode);
    let mut seen = Vec::new();
    for guess in [0].into_iter().chain(0..12) {
        seen.push(house.log_in_directly(name, &format!("x{guess}")).await);
    }
    second.verify.set(Mode::Work);
    for guess in 0..3 {
        seen.push(house.log_in_directly(name, &format!("y{guess}")).await);
    }
    seen.iter().map(|answer| (answer.status.as_u16(), answer.body.to_vec())).collect()
}

#[tokio::test(start_paused = true)]
async fn guesses_while_a_later_directory_is_away_show_by_no_later_answer_which_names_the_first_one_has_t9() {
    for (mode, status, ..) in FAILURES {
        let known = seen("alice", mode).await;
        assert_eq!(known, seen("bob", mode).await, "{mode:?}");
        let statuses: Vec<_> = known.iter().map(|(status, _)| *status).collect();
        let (away, locked) = statuses.split_at(statuses.iter().position(|status| *status == 429).unwrap());
        assert!((10..=11).contains(&away.len()) && away.iter().all(|seen| *seen == status), "{mode:?} {statuses:?}");
        assert!(locked.iter().all(|status| *status == 429), "{mode:?} {statuses:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_right_password_of_a_later_directory_that_was_away_is_counted_once_however_often_it_was_tried() {
    let second = Users::new();
    let clock = ManualClock::new();
    let limiter = MemoryLimiter::new().with_clock(clock.clone());
    let users = FirstOf::new(Plain::default()).then(second.clone());
    let house = House::with(users, counted_by(limiter), Default::default()).await;
    second.verify.set(Mode::Unavailable);
    for _ in 0..20 {
        house.log_in_directly("alice", "correct horse").await.assert_error(503, "temporarily_unavailable");
        clock.advance(Duration::from_secs(1));
    }
    second.verify.set(Mode::Work);
    house.log_in_directly("alice", "correct horse").await.assert_ok();
}
