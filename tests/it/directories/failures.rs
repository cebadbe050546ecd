//! A directory that cannot decide: no other decides in its place, and no guess becomes free.

use tower_password_grant::limiter::AttackProtection;
use tower_password_grant::realms::FirstOf;

use super::world::{Account, House, Plain, face};
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
        assert_eq!(ledger.book().account, Charges { made: 1, left: left(mode) }, "{mode:?}: the second was to decide");
        let known = house.log_in_directly("alice", "wrong").await;
        assert_eq!(face(&known), face(&unknown), "{mode:?}");
        let charged = Charges { made: 2, left: left(mode) + 1 };
        assert_eq!(ledger.book().account, charged, "{mode:?}: the first had denied it");
        assert_eq!(second.verify.calls(), 2);
        house.log_in_directly("alice", "correct horse").await.assert_ok();
        assert_eq!(second.verify.calls(), 2, "{mode:?}: nobody needs the second");
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_is_locked_by_guesses_while_the_next_directory_is_away() {
    let second = Users::new();
    second.verify.set(Mode::Overloaded);
    let (house, _) = house(FirstOf::new(first()).then(second)).await;
    for guess in 0..10 {
        house.log_in_directly("alice", &format!("x{guess}")).await.assert_error(503, "temporarily_unavailable");
    }
    house.log_in_directly("alice", "x10").await.assert_error(429, "too_many_attempts");
}
