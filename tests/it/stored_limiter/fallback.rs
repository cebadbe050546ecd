//! While the shared limiter is away, a process may count a tenth by itself.

use std::time::Duration;

use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{AttemptLimiter as _, FallbackLimiter, Limits, Lockout, Settlement, StoredLimiter};

use super::unreliable::{Trouble, Unreliable};
use super::world::{Checking, check, count_left, guess, key, reserve};
use crate::support::records::MapRecords;

fn limits() -> Limits {
    let budget = Lockout::new(20, Duration::from_secs(3_600));
    Limits::new().with_account_and_address_budget(budget).with_client_and_address_budget(budget)
}

/// Two processes over one store, each of which has trouble of its own.
fn world() -> [(Unreliable, FallbackLimiter<StoredLimiter<Unreliable>>); 2] {
    let records = MapRecords::new();
    [(); 2].map(|()| {
        let store = Unreliable::new(records.clone());
        let shared = StoredLimiter::new(store.clone(), &key()).with_limits(limits());
        (store, FallbackLimiter::new(shared, limits()))
    })
}

#[tokio::test]
async fn an_outage_gives_a_tenth_of_the_budget_in_each_process_and_no_more() {
    let processes = world();
    for (store, _) in &processes {
        store.next(Trouble::Down);
    }
    for (_, limiter) in &processes {
        assert_eq!(count_left(limiter, "alice").await, 2);
        assert_eq!(
            (check(limiter, "app", false).await, check(limiter, "app", false).await),
            (Checking::Wrong, Checking::Wrong)
        );
        assert_eq!(check(limiter, "app", true).await, Checking::Refused);
        assert_eq!(check(limiter, "other", true).await, Checking::Right);
    }
    // What was counted meanwhile is not carried over.
    for (store, _) in &processes {
        store.next(Trouble::None);
    }
    assert_eq!(count_left(&processes[0].1, "alice").await, 20);
    assert_eq!(check(&processes[1].1, "app", true).await, Checking::Right);
}

#[tokio::test]
async fn what_was_reserved_on_one_side_is_settled_there() {
    let [(store, limiter), _] = world();
    let before = reserve(&limiter, "alice").await.unwrap();
    store.next(Trouble::Down);
    let meanwhile = reserve(&limiter, "alice").await.unwrap();
    // The shared one cannot take it back now.
    let again = before.again();
    let failed = limiter.settle(before, Settlement::Untried).await.unwrap_err();
    assert_eq!(failed.kind(), BackendErrorKind::Unavailable);
    store.next(Trouble::None);
    limiter.settle(again, Settlement::Untried).await.unwrap();
    limiter.settle(meanwhile, Settlement::Untried).await.unwrap();
    store.next(Trouble::Down);
    assert_eq!(count_left(&limiter, "alice").await, 2);
    store.next(Trouble::None);
    assert_eq!(count_left(&limiter, "alice").await, 20);
}

#[tokio::test]
async fn what_is_no_outage_is_not_counted_elsewhere() {
    let records = MapRecords::new();
    let shared = StoredLimiter::new(records.clone(), &key());
    let limiter = FallbackLimiter::new(shared, Limits::new());
    while guess(&limiter, "alice").await.is_ok() {}
    // A lock of the shared limiter is an answer.
    reserve(&limiter, "alice").await.unwrap_err().refusal();
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn beginning_and_end_are_told_with_the_number_of_attempts() {
    let (capture, _guard) = crate::support::capture::Capture::listen();
    let [(store, limiter), _] = world();
    guess(&limiter, "alice").await.unwrap();
    assert!(capture.events().is_empty());
    store.next(Trouble::Down);
    for name in ["alice", "bob", "alice", "alice"] {
        let _ = guess(&limiter, name).await;
    }
    store.next(Trouble::None);
    guess(&limiter, "alice").await.unwrap();
    guess(&limiter, "alice").await.unwrap();
    let told = capture.events();
    let [begun, ended] = told.as_slice() else { panic!("{told:?}") };
    assert!(begun.field("message").unwrap().contains("is away"), "{told:?}");
    assert!(begun.field("cause").unwrap().contains("connection reset"), "{told:?}");
    assert!(ended.field("message").unwrap().contains("is back"), "{told:?}");
    assert_eq!(ended.field("attempts"), Some("3"), "{told:?}");
}
