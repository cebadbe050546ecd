//! The limiter over a store of records: races of processes, stores whose answers are lost, records of another version, and time.

mod costs;
mod crowds;
mod fallback;
mod leaders;
#[cfg(all(feature = "tracing", feature = "metrics"))]
mod marks;
mod unreliable;
mod world;

use std::sync::Arc;
use std::time::Duration;

use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{AttemptLimiter, Limit, Limits, Lockout, Settlement, SharedKey, StoredLimiter};
use tower_password_grant::testing::contract;
use unreliable::{Trouble, Unreliable};
use world::{Checking, check, count_left, guess, key, limiter, reserve};

use crate::support::ManualClock;
use crate::support::records::MapRecords;
use crate::support::spawn;

/// Records whose clock stands still until a test moves it.
fn manual() -> (MapRecords, ManualClock) {
    let clock = ManualClock::new();
    (MapRecords::with_clock(Arc::new(clock.clone())), clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_guesses_at_once_over_two_processes_ten_are_charged_t2() {
    for _ in 0..20 {
        let records = MapRecords::new();
        let processes = [(); 2].map(|()| Arc::new(limiter(records.clone())));
        let calls = processes.iter().cycle().take(200).map(|process| {
            let process = Arc::clone(process);
            async move { guess(&*process, "alice").await.is_ok() }
        });
        let charged = contract::together(calls).await.into_iter().filter(|charged| *charged).count();
        assert_eq!(charged, 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_wrong_checks_at_once_over_two_processes_ten_are_told_t2() {
    for _ in 0..20 {
        let records = MapRecords::new();
        let processes = [(); 2].map(|()| Arc::new(limiter(records.clone())));
        let calls = processes.iter().cycle().take(200).map(|process| {
            let process = Arc::clone(process);
            async move { check(&*process, "app", false).await }
        });
        let told = contract::together(calls).await;
        assert_eq!(told.iter().filter(|told| **told == Checking::Wrong).count(), 10);
        assert!(told.iter().all(|told| *told != Checking::Right));
    }
}

#[tokio::test]
async fn a_swap_that_happened_though_its_answer_was_lost_is_done_once() {
    // The answer to the swap of a reservation, and then to that of each settlement, is lost.
    for settlement in [Settlement::Success, Settlement::Untried, Settlement::Undecided, Settlement::Denied] {
        let store = Unreliable::new(MapRecords::new());
        let limiter = limiter(store.clone());
        for _ in 0..4 {
            guess(&limiter, "alice").await.unwrap();
        }
        store.next(Trouble::AnswerIsLost);
        let reservation = reserve(&limiter, "alice").await.unwrap();
        store.next(Trouble::AnswerIsLost);
        limiter.settle(reservation, settlement).await.unwrap();
        assert_eq!(store.troubles(), 2);
        let expected = match settlement {
            Settlement::Success => 10,
            Settlement::Denied => 5,
            _ => 6,
        };
        assert_eq!(count_left(&limiter, "alice").await, expected, "{settlement:?}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_not_done_again_and_stays_charged() {
    for settlement in [Settlement::Untried, Settlement::Undecided, Settlement::Success] {
        // It happened, and others were first so often that the records do not tell any more; or the store is down after it.
        for trouble in [Trouble::LostAmongOthers, Trouble::AnswerIsLostAndThenDown] {
            if (settlement, trouble) == (Settlement::Success, Trouble::LostAmongOthers) {
                // From a known address the others are not charged to the account, whose record tells it then.
                continue;
            }
            let store = Unreliable::new(MapRecords::new());
            let limiter = limiter(store.clone());
            let mut reservations = Vec::new();
            for _ in 0..6 {
                reservations.push(reserve(&limiter, "alice").await.unwrap());
            }
            let last = reservations.pop().unwrap();
            let again = last.again();
            store.next(trouble);
            limiter.settle(last, settlement).await.unwrap_err();
            // Others are charged before the second try.
            store.next(Trouble::None);
            let charged = count_left(&limiter, "alice").await;
            let _ = limiter.settle(again, settlement).await;
            let left = count_left(&limiter, "alice").await;
            assert_eq!(left, 0, "{settlement:?} {trouble:?}: {charged} were charged, and {left} are left");
        }
    }
}

#[tokio::test]
async fn a_settlement_that_did_not_happen_is_done_by_the_second_try_and_once() {
    for trouble in [Trouble::LoadFails, Trouble::SwapFails, Trouble::SwapFailsAndHappensLater] {
        let store = Unreliable::new(MapRecords::new());
        let limiter = limiter(store.clone());
        for _ in 0..4 {
            guess(&limiter, "alice").await.unwrap();
        }
        let reservation = reserve(&limiter, "alice").await.unwrap();
        let (again, third) = (reservation.again(), reservation.again());
        store.next(trouble);
        limiter.settle(reservation, Settlement::Untried).await.unwrap_err();
        store.happen().await;
        limiter.settle(again, Settlement::Untried).await.unwrap();
        // A third one is not asked for, and does nothing.
        limiter.settle(third, Settlement::Untried).await.unwrap();
        assert_eq!(count_left(&limiter, "alice").await, 6, "{trouble:?}");
    }
}

#[tokio::test]
async fn a_reservation_of_which_nothing_is_known_is_503_and_may_have_charged_once() {
    for (trouble, most) in [
        (Trouble::LoadFails, 10),
        (Trouble::SwapFails, 10),
        (Trouble::AnswerIsLostAndThenDown, 9),
        (Trouble::LostAmongOthers, 9),
    ] {
        let store = Unreliable::new(MapRecords::new());
        let limiter = limiter(store.clone());
        store.next(trouble);
        let error = reserve(&limiter, "alice").await.unwrap_err().error();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{trouble:?}");
        store.next(Trouble::None);
        let left = count_left(&limiter, "alice").await;
        // Those that were first are charged, too.
        assert!(left <= most && left >= 4, "{trouble:?}: {left}");
    }
}

#[tokio::test]
async fn a_wrong_check_is_told_only_after_its_charge_is_kept() {
    for trouble in [Trouble::SwapFails, Trouble::AnswerIsLostAndThenDown] {
        let store = Unreliable::new(MapRecords::new());
        let limiter = limiter(store.clone());
        store.next(trouble);
        assert_eq!(check(&limiter, "app", false).await, Checking::Error, "{trouble:?}");
        // A right one from an address that is new for it is told no sooner.
        store.next(trouble);
        assert_eq!(check(&limiter, "app", true).await, Checking::Error, "{trouble:?}");
    }
}

/// Else a guesser would hang up as soon as a right one would have been told, and be charged nothing.
#[tokio::test]
async fn a_right_secret_is_told_no_sooner_than_the_charge_of_a_wrong_one_is_kept_t3_t4() {
    for is_right in [false, true] {
        let store = Unreliable::new(MapRecords::new());
        let limiter = Arc::new(limiter(store.clone()));
        // Its address is known from now on, so that a right check changes no count.
        assert_eq!(check(&*limiter, "app", true).await, Checking::Right);
        store.hold(true);
        let (loads, swaps) = store.calls();
        let asking = Arc::clone(&limiter);
        let checking = spawn(async move { check(&*asking, "app", is_right).await });
        while store.calls().1 == swaps {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.calls(), (loads + 1, swaps + 1));
        assert!(!checking.is_finished(), "{is_right}");
        // A client that hangs up now is charged all the same.
        checking.abort();
        store.hold(false);
        let mut left = 0;
        while check(&*limiter, "app", false).await == Checking::Wrong {
            left += 1;
        }
        assert_eq!(left, if is_right { 10 } else { 9 });
    }
}

/// Else guesses would be free while a disk is full.
#[tokio::test]
async fn no_secret_is_told_while_the_store_keeps_nothing_t16() {
    let store = Unreliable::new(MapRecords::new());
    let limiter = limiter(store.clone());
    assert_eq!(check(&limiter, "app", true).await, Checking::Right);
    for is_right in [false, true, false, true] {
        store.next(Trouble::SwapFails);
        assert_eq!(check(&limiter, "app", is_right).await, Checking::Error, "{is_right}");
    }
}

#[tokio::test]
async fn an_attempt_is_a_load_and_a_swap_and_a_refused_one_a_load() {
    let store = Unreliable::new(MapRecords::new());
    let limiter = limiter(store.clone());
    let reservation = reserve(&limiter, "alice").await.unwrap();
    assert_eq!(store.calls(), (1, 1));
    limiter.settle(reservation, Settlement::Success).await.unwrap();
    assert_eq!(store.calls(), (2, 2));
    assert_eq!(count_left(&limiter, "alice").await, 10);
    let (loads, swaps) = store.calls();
    assert!(reserve(&limiter, "alice").await.is_err());
    assert_eq!(store.calls(), (loads + 1, swaps));
}

/// As a right secret that comes among many wrong ones, and is compared while they are under way.
#[tokio::test]
async fn a_right_check_waits_behind_the_wrong_ones_that_were_before_it() {
    for _ in 0..20 {
        let store = Unreliable::new(MapRecords::new());
        let limiter = Arc::new(limiter(store.clone()));
        // Its address is known, so that a right check changes nothing.
        assert_eq!(check(&*limiter, "app", true).await, Checking::Right);
        let (loads, _) = store.calls();
        store.hold(true);
        let wrong: Vec<_> = (0..40)
            .map(|_| {
                let limiter = Arc::clone(&limiter);
                spawn(async move { check(&*limiter, "app", false).await })
            })
            .collect();
        // The first has its turn and is not charged yet; the others wait.
        store.until_loads(loads + 1).await;
        let right = {
            let limiter = Arc::clone(&limiter);
            spawn(async move { check(&*limiter, "app", true).await })
        };
        store.hold(false);
        let mut told = 0;
        for wrong in wrong {
            told += usize::from(wrong.await.unwrap() == Checking::Wrong);
        }
        assert_eq!(told, 10);
        assert_eq!(right.await.unwrap(), Checking::Refused);
    }
}

#[tokio::test]
async fn a_record_of_a_later_version_is_503_and_not_overwritten() {
    let records = MapRecords::new();
    let limiter = limiter(records.clone());
    let reservation = reserve(&limiter, "alice").await.unwrap();
    records.rewrite(|bytes| [&[2], &bytes[1..], &[9]].concat());
    let before = records.bytes();
    let error = reserve(&limiter, "alice").await.unwrap_err().error();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(format!("{error:?}").contains("version 2"), "{error:?}");
    let again = reservation.again();
    limiter.settle(reservation, Settlement::Untried).await.unwrap_err();
    limiter.settle(again, Settlement::Untried).await.unwrap_err();
    assert_eq!(check(&limiter, "app", true).await, Checking::Error);
    assert_eq!(records.bytes(), before);
    // What is damaged neither.
    records.rewrite(|bytes| bytes[1..].to_vec());
    let before = records.bytes();
    reserve(&limiter, "alice").await.unwrap_err().error();
    assert_eq!(records.bytes(), before);
}

#[tokio::test]
async fn processes_with_another_key_do_not_find_the_counts_and_nothing_tells_a_name() {
    let records = MapRecords::new();
    let one = limiter(records.clone());
    assert_eq!(count_left(&one, "alice").await, 10);
    let same = StoredLimiter::new(records.clone(), &key());
    assert!(reserve(&same, "alice").await.is_err());
    let other = StoredLimiter::new(records.clone(), &SharedKey::new([8; 32]).unwrap());
    assert!(reserve(&other, "alice").await.is_ok());
    assert!(records.bytes().iter().all(|bytes| !bytes.windows(5).any(|part| part == b"alice")));
    assert!(!format!("{one:?}").contains("alice"));
}

#[tokio::test]
async fn what_was_charged_before_a_record_was_removed_takes_nothing_back_from_the_next_one() {
    let (records, clock) = manual();
    let minute = Duration::from_secs(60);
    let limits = Limits::new().with_budget(3, minute).disable(Limit::Address).disable(Limit::Account);
    let limiter = StoredLimiter::new(records.clone(), &key()).with_limits(limits);
    let mut slow = Vec::new();
    for _ in 0..2 {
        slow.push(reserve(&limiter, "alice").await.unwrap());
    }
    clock.advance(10 * minute);
    assert_eq!(count_left(&limiter, "alice").await, 3);
    for reservation in slow {
        limiter.settle(reservation, Settlement::Untried).await.unwrap();
    }
    assert_eq!(count_left(&limiter, "alice").await, 0);
}

#[tokio::test]
async fn records_go_when_they_say_nothing_any_more_and_locks_do_not() {
    let (records, clock) = manual();
    let minute = Duration::from_secs(60);
    let lock = Lockout::new(3, minute).locked_for(30 * minute, 120 * minute);
    let limits = Limits::new().with_account_and_address_budget(lock).disable(Limit::Account);
    let limiter = StoredLimiter::new(records.clone(), &key()).with_limits(limits);
    assert_eq!(count_left(&limiter, "alice").await, 3);
    clock.advance(29 * minute);
    assert!(reserve(&limiter, "alice").await.is_err());
    clock.advance(minute);
    // The next lock lasts twice as long.
    assert_eq!(count_left(&limiter, "alice").await, 3);
    clock.advance(59 * minute);
    assert!(reserve(&limiter, "alice").await.is_err());
    clock.advance(600 * minute);
    let _ = reserve(&limiter, "bob").await;
    // Those of one attempt, and the mark of the limiter.
    assert_eq!(records.len(), 3);
}

#[tokio::test]
async fn a_clock_that_goes_back_makes_no_lock_shorter() {
    let (records, clock) = manual();
    let minute = Duration::from_secs(60);
    let limiter = StoredLimiter::new(records, &key()).with_limits(Limits::new().with_budget(3, minute));
    clock.advance(minute);
    assert_eq!(count_left(&limiter, "alice").await, 3);
    clock.set_back(Duration::from_secs(1));
    let refusal = reserve(&limiter, "alice").await.unwrap_err().refusal();
    assert_eq!(refusal.retry_after(), minute);
    clock.advance(minute);
    assert!(reserve(&limiter, "alice").await.is_err());
    clock.advance(Duration::from_secs(1));
    assert!(reserve(&limiter, "alice").await.is_ok());
}
