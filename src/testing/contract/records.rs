//! The promises of [`AttemptRecords`] about one call after the other.

use tokio::task::yield_now;

use super::promise::{answer, broken, later, must, must_be, new_bytes, present};
use crate::boundary::records::{AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp};

/// How many records one call is about, if it is of one attempt.
pub(super) const MOST_KEYS: usize = 16;

pub(super) const MINUTE: u64 = 60_000;

pub(super) const KEPT: &str = "what was swapped is loaded: keys, stamps and bytes exactly as they were given";
const ONE_STORE: &str = "what was swapped through one handle is loaded through the other: `make` answers two handles of one \
                         store, not two stores, and no handle reads from a copy that lags behind";
const AT_ONCE: &str = "`load` sees every swap that was answered before it began: this one it saw only later, as from a copy \
                       that lags behind, or if a swap is answered before it is done";
pub(super) const NEW: &str = "a swap of records that are not there, and were not seen, is `true`";
pub(super) const OVER: &str = "a swap over the stamps that are there is `true`, through any handle";
pub(super) const ALL_OR_NONE: &str = "a swap with one stamp that is not there any more changes nothing at all";
pub(super) const CONFLICT: &str =
    "a swap is `false` if a record has another stamp than the one that was seen, or is there though none was";

/// Keys that nothing else in the store has, in rising order.
pub(super) fn new_keys(count: usize) -> Vec<RecordKey> {
    let halves = |bytes: [u8; 32]| bytes.first_chunk().copied().unwrap_or_default();
    let mut keys: Vec<_> = (0..count).map(|_| RecordKey::from_bytes(halves(new_bytes()))).collect();
    keys.sort_unstable();
    keys
}

pub(super) fn new_stamp() -> RecordStamp {
    RecordStamp::from_bytes(new_bytes().first_chunk().copied().unwrap_or_default())
}

/// A change that is worth remembering for an hour.
pub(super) fn change(key: RecordKey, seen: Option<RecordStamp>, bytes: &[u8]) -> RecordChange {
    RecordChange::new(key, seen, new_stamp(), bytes.to_vec(), later(present(), 60 * MINUTE))
}

/// New records of these keys.
pub(super) fn beginnings(keys: &[RecordKey], bytes: &[u8]) -> Vec<RecordChange> {
    keys.iter().map(|key| change(*key, None, bytes)).collect()
}

pub(super) async fn load<S: AttemptRecords>(store: &S, keys: &[RecordKey]) -> LoadedRecords {
    let loaded = answer(store.load(keys).await);
    must_be(loaded.records().len(), keys.len(), "`load` answers for each key that was asked for");
    loaded
}

pub(super) async fn swap<S: AttemptRecords>(store: &S, changes: &[RecordChange]) -> bool {
    answer(store.swap(changes).await)
}

pub(super) async fn stamps<S: AttemptRecords>(store: &S, keys: &[RecordKey]) -> Vec<Option<RecordStamp>> {
    load(store, keys).await.records().iter().map(|record| record.as_ref().map(LoadedRecord::stamp)).collect()
}

/// How often a record is looked for that was not there at once.
const LOOKS: usize = 200;

/// Both handles find just these changes.
pub(super) async fn must_find<S: AttemptRecords>(stores: &[S; 2], changes: &[RecordChange], promise: &str) {
    let [one, other] = stores;
    let found = [find(one, changes).await, find(other, changes).await];
    if found == [true; 2] {
        return;
    }
    for _ in 0..LOOKS {
        yield_now().await;
        if find(one, changes).await && find(other, changes).await {
            broken(AT_ONCE);
        }
    }
    must(found == [false; 2], ONE_STORE);
    broken(promise)
}

async fn find<S: AttemptRecords>(store: &S, changes: &[RecordChange]) -> bool {
    let keys: Vec<_> = changes.iter().map(RecordChange::key).collect();
    let loaded = load(store, &keys).await;
    changes.iter().zip(loaded.records()).all(|(change, record)| {
        record.as_ref().is_some_and(|found| found.stamp() == change.stamp() && found.bytes() == change.bytes())
    })
}

/// Texts and numbers of a database keep none of these.
fn contents() -> Vec<Vec<u8>> {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let long = all.iter().rev().copied().cycle().take(RecordChange::MOST_BYTES).collect();
    vec![Vec::new(), vec![0], vec![0, 0, 7, 0, 0], b"it's \\ \"%\r\n ".to_vec(), vec![0xff, 0xfe, 0x80], all, long]
}

pub(super) async fn kept<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    for bytes in contents() {
        let keys = new_keys(2);
        let first = beginnings(&keys, &bytes);
        must(swap(one, &first).await, NEW);
        must_find(&stores, &first, KEPT).await;
        let second: Vec<_> = first.iter().map(|before| change(before.key(), Some(before.stamp()), b"next")).collect();
        must(swap(other, &second).await, OVER);
        must_find(&stores, &second, KEPT).await;
        let third: Vec<_> = second.iter().map(|before| change(before.key(), Some(before.stamp()), &bytes)).collect();
        must(swap(one, &third).await, OVER);
        must_find(&stores, &third, KEPT).await;
    }
}

pub(super) async fn in_order<S: AttemptRecords>([one, other]: [S; 2]) {
    let mut keys = new_keys(MOST_KEYS);
    let some: Vec<_> = keys.iter().copied().step_by(3).collect();
    let changes = beginnings(&some, b"some");
    must(swap(&one, &changes).await, NEW);
    for _ in 0..2 {
        let wanted: Vec<_> = keys
            .iter()
            .map(|key| changes.iter().find(|change| change.key() == *key).map(RecordChange::stamp))
            .collect();
        must(
            stamps(&other, &keys).await == wanted,
            "`load` answers in the order of the keys, and `None` for what is not there",
        );
        keys.remove(0);
    }
}

pub(super) async fn stale<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    let keys = new_keys(1);
    for key in &keys {
        must(!swap(one, &[change(*key, Some(new_stamp()), b"none was there")]).await, CONFLICT);
        must(stamps(other, &keys).await == [None], ALL_OR_NONE);
    }
    let first = beginnings(&keys, b"first");
    must(swap(one, &first).await, NEW);
    for before in &first {
        must(!swap(other, &[change(before.key(), None, b"there is one")]).await, CONFLICT);
        must_find(&stores, &first, ALL_OR_NONE).await;
        for at in 0..8 {
            let mut near = *before.stamp().as_bytes();
            near.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1);
            let near = RecordStamp::from_bytes(near);
            must(!swap(one, &[change(before.key(), Some(near), b"another stamp")]).await, CONFLICT);
            must_find(&stores, &first, ALL_OR_NONE).await;
        }
        let next = [change(before.key(), Some(before.stamp()), b"next")];
        must(swap(one, &next).await, OVER);
        for store in &stores {
            let promise = "the same change once more is `false`: a swap whose answer was lost is not done twice";
            must(!swap(store, &next).await, promise);
            must(!swap(store, &first).await, "the same change once more is `false`, however long ago it was");
        }
        must_find(&stores, &next, ALL_OR_NONE).await;
    }
}

pub(super) async fn all_or_none<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    for count in [2, 3, MOST_KEYS, one.most_records().max(MOST_KEYS)] {
        // The first half is there, the second half is not.
        let keys = new_keys(count);
        let (there, not_there) = keys.split_at(count.div_ceil(2));
        let before = beginnings(there, b"before");
        must(swap(one, &before).await, NEW);
        // Of many the first, the last and some between.
        for stale in (0..count).step_by(count.div_ceil(MOST_KEYS)).chain([count.saturating_sub(1)]) {
            let seen = before.iter().map(|before| change(before.key(), Some(before.stamp()), b"after"));
            let unseen = not_there.iter().map(|key| change(*key, None, b"after"));
            let mut changes: Vec<_> = seen.chain(unseen).collect();
            if let Some(spoilt) = changes.get_mut(stale) {
                *spoilt = change(spoilt.key(), Some(new_stamp()), b"after");
            }
            must(!swap(other, &changes).await, CONFLICT);
            must_find(&stores, &before, ALL_OR_NONE).await;
            must(stamps(one, not_there).await.iter().all(Option::is_none), ALL_OR_NONE);
        }
    }
}
