//! Attempts that have their turn together: the one that leads is dropped with its request, or its call fails.

use std::sync::Arc;

use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{AttemptLimiter as _, Settlement, StoredLimiter};

use super::unreliable::{Trouble, Unreliable};
use super::world::{No, count_left, guess, limiter, reserve};
use crate::support::records::MapRecords;
use crate::support::spawn;

type Limiter = Arc<StoredLimiter<Unreliable>>;

fn world() -> (Unreliable, Limiter) {
    let store = Unreliable::new(MapRecords::new());
    (store.clone(), Arc::new(limiter(store)))
}

/// Attempts on these accounts that wait for one turn, the first of which is to lead. What led before them is gone.
async fn together<const N: usize>(
    store: &Unreliable,
    limiter: &Limiter,
    names: [&'static str; N],
) -> [tokio::task::JoinHandle<Result<(), No>>; N] {
    let start = |name: &'static str| {
        let limiter = Arc::clone(limiter);
        spawn(async move { reserve(&*limiter, name).await.map(drop) })
    };
    store.hold_loads(true);
    let before = start("zoe");
    let loads = store.loads_at_rest().await;
    let waiting = names.map(start);
    assert_eq!(store.loads_at_rest().await, loads);
    before.abort();
    assert_eq!(store.loads_at_rest().await, loads + 1, "the next one leads");
    waiting
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_dropped_before_its_swap_takes_nobody_with_it() {
    let (store, limiter) = world();
    let [leader, follower, last] = together(&store, &limiter, ["alice", "alice", "bob"]).await;
    leader.abort();
    store.hold_loads(false);
    follower.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    // The leader was not charged: nothing of it was swapped.
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (9, 9));
}

#[tokio::test(start_paused = true)]
async fn what_a_dropped_leader_has_swapped_is_found_and_not_done_again() {
    let (store, limiter) = world();
    let [leader, follower, last] = together(&store, &limiter, ["alice", "alice", "bob"]).await;
    store.next(Trouble::NoAnswer);
    store.hold_loads(false);
    let (loads, swaps) = (store.loads_at_rest().await, store.calls().1);
    leader.abort();
    follower.await.unwrap().unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(store.calls(), (loads + 1, swaps), "a load shows that all of it was swapped");
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (8, 9));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_of_a_dropped_leader_any_more_is_503() {
    let (store, limiter) = world();
    let [leader, follower, last] = together(&store, &limiter, ["alice", "alice", "bob"]).await;
    store.next(Trouble::NoAnswer);
    store.hold_loads(false);
    store.loads_at_rest().await;
    // Other processes write over its stamps.
    let other = super::world::limiter(store.records());
    for _ in 0..4 {
        guess(&other, "alice").await.unwrap();
        guess(&other, "bob").await.unwrap();
    }
    leader.abort();
    for answer in [follower.await.unwrap(), last.await.unwrap()] {
        assert_eq!(answer.unwrap_err().error().kind(), BackendErrorKind::Unavailable);
    }
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (4, 5));
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_is_settled_though_its_request_is_gone() {
    let (store, limiter) = world();
    let reservation = reserve(&*limiter, "alice").await.unwrap();
    let [leader] = together(&store, &limiter, ["bob"]).await;
    let settling = {
        let limiter = Arc::clone(&limiter);
        spawn(async move { limiter.settle(reservation, Settlement::Untried).await.map(drop) })
    };
    store.loads_at_rest().await;
    settling.abort();
    store.hold_loads(false);
    leader.await.unwrap().unwrap();
    assert_eq!(count_left(&*limiter, "alice").await, 10);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_the_failure_of_each_and_of_no_other() {
    let (store, limiter) = world();
    let waiting = together(&store, &limiter, ["alice", "alice", "bob"]).await;
    store.next(Trouble::SwapFails);
    store.hold_loads(false);
    for answer in waiting {
        let error = answer.await.unwrap().unwrap_err().error();
        let seen = (error.kind(), error.into_error().to_string());
        assert_eq!(seen, (BackendErrorKind::Unavailable, "connection reset".to_owned()));
    }
    assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_fails_its_own_attempts_and_no_others() {
    let (store, limiter) = world();
    while guess(&*limiter, "alice").await.is_ok() {}
    // Only the record of an account says from where it was locked, and so has more than 85 bytes. It is cut off.
    store.records().rewrite(|bytes| if bytes.len() > 85 { bytes[..50].to_vec() } else { bytes.to_vec() });
    let [one, two, three] = together(&store, &limiter, ["bob", "alice", "bob"]).await;
    store.hold_loads(false);
    one.await.unwrap().unwrap();
    assert_eq!(two.await.unwrap().unwrap_err().error().kind(), BackendErrorKind::Unavailable);
    three.await.unwrap().unwrap();
}

/// As a client of a cluster does that repeats what it has no answer to.
#[tokio::test(start_paused = true)]
async fn a_swap_that_was_sent_twice_is_done_once() {
    for settlement in [Settlement::Untried, Settlement::Success, Settlement::Denied] {
        let (store, limiter) = world();
        let expected = |trouble| async move {
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
        assert_eq!(expected(Trouble::SentTwice).await, expected(Trouble::None).await, "{settlement:?}");
        let waiting = together(&store, &limiter, ["alice", "bob", "alice"]).await;
        store.next(Trouble::SentTwice);
        store.hold_loads(false);
        for answer in waiting {
            answer.await.unwrap().unwrap();
        }
        assert_eq!((count_left(&*limiter, "alice").await, count_left(&*limiter, "bob").await), (8, 9));
    }
}
