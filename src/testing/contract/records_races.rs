//! The promises of [`AttemptRecords`] when calls run at the same time, or are given up.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use tokio::task::yield_now;

use super::promise::{PARALLEL, ROUNDS, answer, must, must_be, together};
use super::records::{KEPT, beginnings, change, load, must_find, new_keys, stamps, swap};
use crate::boundary::records::{AttemptRecords, LoadedRecord, RecordChange, RecordKey, RecordStamp};

/// So many who call, half of them through each handle.
fn callers<S>(stores: &[Arc<S>; 2], count: usize) -> impl Iterator<Item = Arc<S>> + '_ {
    stores.iter().cycle().take(count).map(Arc::clone)
}

fn over(keys: &[RecordKey], seen: &[Option<RecordStamp>], bytes: &[u8]) -> Vec<RecordChange> {
    keys.iter().zip(seen).map(|(key, seen)| change(*key, *seen, bytes)).collect()
}

pub(super) async fn one_wins<S: AttemptRecords>(stores: [S; 2]) {
    let stores = stores.map(Arc::new);
    let [one, _] = &stores;
    let keys = new_keys(3);
    for round in 0..ROUNDS {
        // At first none is there.
        let seen = stamps(one, &keys).await;
        let calls = callers(&stores, PARALLEL).map(|store| {
            let changes = over(&keys, &seen, &round.to_be_bytes());
            async move { swap(&*store, &changes).await.then_some(changes) }
        });
        let won: Vec<_> = together(calls).await.into_iter().flatten().collect();
        must_be(won.len(), 1, "of parallel swaps over the same stamps exactly one is `true`");
        let stores = stores.each_ref().map(Arc::clone);
        for changes in &won {
            must_find(&stores, changes, KEPT).await;
        }
    }
}

/// The number that a record holds.
fn number(record: Option<&LoadedRecord>) -> u64 {
    record.and_then(|record| record.bytes().first_chunk().copied()).map_or(0, u64::from_be_bytes)
}

/// Adds one to each of these records in one swap, however often others are first.
async fn add<S: AttemptRecords>(store: &S, keys: &[RecordKey]) {
    loop {
        let loaded = load(store, keys).await;
        let changes: Vec<_> = keys
            .iter()
            .zip(loaded.records())
            .map(|(key, record)| {
                let next = number(record.as_ref()).saturating_add(1);
                change(*key, record.as_ref().map(LoadedRecord::stamp), &next.to_be_bytes())
            })
            .collect();
        if swap(store, &changes).await {
            return;
        }
    }
}

/// How many add at once: a multiple of three. Each is first once, and all others begin again then.
const ADDING: usize = 24;

pub(super) async fn nothing_is_lost<S: AttemptRecords>(stores: [S; 2]) {
    let stores = stores.map(Arc::new);
    let [one, other] = &stores;
    // Each adds to two of three, so that any two have one in common.
    let keys = new_keys(3);
    let calls = callers(&stores, ADDING).enumerate().map(|(turn, store)| {
        let mut keys = keys.clone();
        keys.remove(turn % 3);
        async move { add(&*store, &keys).await }
    });
    together(calls).await;
    let loaded = load(one, &keys).await;
    let numbers: Vec<_> = loaded.records().iter().map(|record| number(record.as_ref())).collect();
    let each = u64::try_from(ADDING.saturating_mul(2) / 3).unwrap_or_default();
    must_be(numbers, vec![each; 3], "no swap that was `true` is lost, and none that was `false` is kept in part");
    must_be(
        stamps(other, &keys).await,
        loaded.records().iter().map(|record| record.as_ref().map(LoadedRecord::stamp)).collect(),
        "`load` sees every swap that was answered before, through whatever handle",
    );
}

/// A swap that happened, and whose answer did not arrive.
async fn lost_answer<S: AttemptRecords>(store: &S, changes: &[RecordChange]) {
    let _lost = answer(store.swap(changes).await);
}

pub(super) async fn lost_answers<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    let keys = new_keys(2);
    let first = beginnings(&keys, b"first");
    lost_answer(one, &first).await;
    let promise = "a swap that happened is known by its stamps, whatever became of its answer";
    must_find(&stores, &first, promise).await;
    must(!swap(other, &first).await, "a swap whose answer was lost is not done twice");
    let seen = stamps(other, &keys).await;
    let second = over(&keys, &seen, b"second");
    lost_answer(other, &second).await;
    must(!swap(one, &over(&keys, &seen, b"third")).await, promise);
    must_find(&stores, &second, promise).await;
}

pub(super) async fn given_up<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    let keys = new_keys(3);
    for round in 0..ROUNDS {
        let seen = stamps(one, &keys).await;
        let dropped = over(&keys, &seen, b"dropped");
        {
            let mut call = pin!(one.swap(&dropped));
            for _ in 0..=round {
                if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
                yield_now().await;
            }
        }
        // It happens before this, or never.
        let after = over(&keys, &seen, b"after");
        let is_after = swap(other, &after).await;
        let promise = "a swap that is dropped half-way happens whole or not at all";
        must_find(&stores, if is_after { &after } else { &dropped }, promise).await;
    }
}
