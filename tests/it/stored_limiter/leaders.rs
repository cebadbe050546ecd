//! Attempts that have their turn together: requests that are dropped, and calls that fail.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{AttemptLimiter as _, Settlement, StoredLimiter};

use super::unreliable::{Trouble, Unreliable};
use super::world::{No, count_left, guess, limiter, reserve};
use crate::support::records::MapRecords;
use crate::support::spawn;

type Limiter = Arc<StoredLimiter<Unreliable>>;
type Reserving = JoinHandle<Result<(), No>>;

fn world() -> (Unreliable, Limiter) {
    let store = Unreliable::new(MapRecords::new());
    (store.clone(), Arc::new(limiter(store)))
}

fn start(limiter: &Limiter, name: &'static str) -> Reserving {
    let limiter = Arc::clone(limiter);
    spawn(async move { reserve(&*limiter, name).await.map(drop) })
}

/// An attempt that is at its load, and attempts on these accounts that wait for the next turn.
async fn together<const N: usize>(
    store: &Unreliable,
    limiter: &Limiter,
    names: [&'static str; N],
) -> (Reserving, [Reserving; N]) {
    store.hold_loads(true);
    let first = start(limiter, "zoe");
    let loads = store.loads_at_rest().await;
    let waiting = names.map(|name| start(limiter, name));
    assert_eq!(store.loads_at_rest().await, loads);
    (first, waiting)
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_dropped_take_nobody_with_them_and_cost_no_call() {
    let (store, limiter) = world();
    let (first, waiting) = together(&store, &limiter, ["alice"; 40]).await;
    let (last, _) = together(&store, &limiter, []).await;
    // The one whose load is under way, and nearly all behind it.
    first.abort();
    for dropped in &waiting[..38] {
        dropped.abort();
        assert_eq!(store.loads_at_rest().await, 1);
    }
    store.hold_loads(false);
    last.await.unwrap().unwrap();
    for kept in waiting.into_iter().skip(38) {
        kept.await.unwrap().unwrap();
    }
    assert_eq!(store.calls(), (2, 2));
    // Those that were dropped before their turn were not charged. What was under way was.
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "zoe").await), (8, 8));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_and_what_it_did_is_found_out() {
    let (store, limiter) = world();
    let (first, waiting) = together(&store, &limiter, ["alice", "alice", "bob"]).await;
    store.next_but_one(Trouble::NoAnswer);
    store.hold_loads(false);
    first.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (8, 9));
    // A load without an answer is an error, and the next one works.
    store.hold_loads(true);
    let error = start(&limiter, "alice").await.unwrap().unwrap_err().error();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    store.hold_loads(false);
    guess(&*limiter, "carol").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_is_settled_though_its_request_is_gone() {
    let (store, limiter) = world();
    let reservation = reserve(&*limiter, "alice").await.unwrap();
    let (first, []) = together(&store, &limiter, []).await;
    let settling = {
        let limiter = Arc::clone(&limiter);
        spawn(async move { limiter.settle(reservation, Settlement::Untried).await.map(drop) })
    };
    store.loads_at_rest().await;
    settling.abort();
    store.hold_loads(false);
    first.await.unwrap().unwrap();
    assert_eq!(count_left(&*limiter, "alice").await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_the_failure_of_each_and_of_no_other() {
    let (store, limiter) = world();
    let (first, waiting) = together(&store, &limiter, ["alice", "alice", "bob"]).await;
    store.next_but_one(Trouble::SwapFails);
    store.hold_loads(false);
    first.await.unwrap().unwrap();
    for answer in waiting {
        let error = answer.await.unwrap().unwrap_err().error();
        let seen = (error.kind(), error.into_error().to_string());
        assert_eq!(seen, (BackendErrorKind::Unavailable, "connection reset".to_owned()));
    }
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_fails_its_turn_and_the_next_one_works() {
    let (store, limiter) = world();
    store.next(Trouble::Panics);
    for _ in 0..2 {
        let error = start(&limiter, "alice").await.unwrap();
        match error {
            Ok(()) => assert_eq!(store.troubles(), 1),
            Err(no) => assert_eq!(no.error().kind(), BackendErrorKind::Fault),
        }
    }
    assert_eq!(count_left(&*limiter, "alice").await, 9);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_fails_its_own_attempts_and_no_others() {
    let (store, limiter) = world();
    while guess(&*limiter, "alice").await.is_ok() {}
    // Only the record of an account says from where it was locked, and so has more than 85 bytes. It is cut off.
    store.records().rewrite(|bytes| if bytes.len() > 85 { bytes[..50].to_vec() } else { bytes.to_vec() });
    let (first, [one, two, three]) = together(&store, &limiter, ["bob", "alice", "bob"]).await;
    store.hold_loads(false);
    first.await.unwrap().unwrap();
    one.await.unwrap().unwrap();
    assert_eq!(two.await.unwrap().unwrap_err().error().kind(), BackendErrorKind::Unavailable);
    three.await.unwrap().unwrap();
}

/// As a client of a cluster does that repeats what it has no answer to.
#[tokio::test(start_paused = true)]
async fn a_swap_that_was_sent_twice_is_done_once() {
    for settlement in [Settlement::Untried, Settlement::Success, Settlement::Denied] {
        let left = |trouble| async move {
            let (store, limiter) = world();
            for _ in 0..3 {
                guess(&*limiter, "alice").await.unwrap();
            }
            store.next(trouble);
            let reservation = reserve(&*limiter, "alice").await.unwrap();
            store.next(trouble);
            limiter.settle(reservation, settlement).await.unwrap();
            store.next(Trouble::None);
            count_left(&*limiter, "alice").await
        };
        assert_eq!(left(Trouble::SentTwice).await, left(Trouble::None).await, "{settlement:?}");
    }
    let (store, limiter) = world();
    let (first, waiting) = together(&store, &limiter, ["alice", "bob", "alice"]).await;
    store.next_but_one(Trouble::SentTwice);
    store.hold_loads(false);
    first.await.unwrap().unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (8, 9));
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_was_sent_twice_and_then_not_found_out_gives_back_once() {
    let (store, limiter) = world();
    for _ in 0..4 {
        guess(&*limiter, "alice").await.unwrap();
    }
    let reservation = reserve(&*limiter, "alice").await.unwrap();
    let again = reservation.again();
    store.next(Trouble::SentTwiceAndThenLoadFails);
    limiter.settle(reservation, Settlement::Untried).await.unwrap_err();
    limiter.settle(again, Settlement::Untried).await.unwrap();
    assert_eq!(count_left(&*limiter, "alice").await, 6);
}
