//! The promises of [`AttemptRecords`] about its time, and about how long a record is kept.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::task::yield_now;

use super::promise::{broken, earlier, later, must, present};
use super::records::{MINUTE, NEW, beginnings, load, must_find, new_keys, new_stamp, swap};
use crate::boundary::records::{AttemptRecords, RecordChange, RecordKey};

const HOUR: u64 = 60 * MINUTE;
const YEAR: u64 = 365 * 24 * HOUR;

const A_MINUTE: &str =
    "a record is kept for a minute after its swap, though the time from which it is forgotten has passed";
const UNTIL_THEN: &str = "a record is kept until the time from which it is forgotten, a hundred years ahead at most";

/// Another change of the record that this one left.
fn next(before: &RecordChange, bytes: &[u8], forgotten_at: SystemTime) -> RecordChange {
    RecordChange::new(before.key(), Some(before.stamp()), new_stamp(), bytes.to_vec(), forgotten_at)
}

fn new(key: RecordKey, forgotten_at: SystemTime) -> RecordChange {
    RecordChange::new(key, None, new_stamp(), b"new".to_vec(), forgotten_at)
}

pub(super) async fn over_already<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    let now = load(one, &new_keys(1)).await.now();
    let past = [UNIX_EPOCH, earlier(now, 24 * HOUR), earlier(now, 2_000), earlier(now, 1), now, later(now, 1)];
    for forgotten_at in past {
        let keys = new_keys(2);
        let first: Vec<_> = keys.iter().map(|key| new(*key, forgotten_at)).collect();
        must(swap(one, &first).await, NEW);
        must_find(&stores, &first, A_MINUTE).await;
        must(!swap(other, &beginnings(&keys, b"again")).await, A_MINUTE);
        // One that was to last, and is over now; and the other way round.
        let far: Vec<_> = first.iter().map(|before| next(before, b"far", later(now, 100 * YEAR))).collect();
        must(swap(other, &far).await, A_MINUTE);
        must_find(&stores, &far, UNTIL_THEN).await;
        let over: Vec<_> = far.iter().map(|before| next(before, b"over", forgotten_at)).collect();
        must(swap(one, &over).await, UNTIL_THEN);
        must_find(&stores, &over, A_MINUTE).await;
        must(!swap(other, &beginnings(&keys, b"again")).await, A_MINUTE);
    }
}

/// By how much the clock of a store may differ from that of the machine that runs the suite, in seconds: another host's clock may
/// be wrong, but not by a time zone.
const NEAR: u64 = 600;

pub(super) async fn present_time<S: AttemptRecords>(stores: [S; 2]) {
    let keys = new_keys(1);
    let [first, second] = &stores;
    let mut latest = UNIX_EPOCH;
    for store in [first, second, first, second, second, first] {
        let (own, now) = (present(), load(store, &keys).await.now());
        let apart = own.duration_since(now).unwrap_or_else(|error| error.duration());
        let promise = "the time is that of one wall clock, and shows the present: it is less than 600 seconds from that of the \
                       machine that runs the suite";
        must(apart < Duration::from_secs(NEAR), promise);
        let promise = "the time goes back by one second at most, through whatever handle";
        must(later(now, 1_000) >= latest, promise);
        latest = latest.max(now);
    }
}

/// A clock of milliseconds shows hundredths of a second in one of ten looks, so it is looked at for this long, and so often.
const LOOKING: Duration = Duration::from_millis(100);
const LOOKS: usize = 20;

pub(super) async fn fine_time<S: AttemptRecords>([store, _]: [S; 2]) {
    let keys = new_keys(1);
    let (start, mut looks) = (Instant::now(), 0_usize);
    while looks < LOOKS || start.elapsed() < LOOKING {
        let now = load(&store, &keys).await.now();
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        if since.subsec_nanos() % 10_000_000 != 0 {
            return;
        }
        looks = looks.saturating_add(1);
        yield_now().await;
    }
    broken("the time is in milliseconds or finer: it never showed less than a hundredth of a second")
}

/// How many minutes pass, one time after the other, while a record is to be kept for an hour.
const PASSED: [u64; 2] = [2, 50];

pub(super) async fn over_time<S: AttemptRecords>(stores: [S; 2], pass: impl AsyncFn(Duration)) {
    let [one, other] = &stores;
    let now = load(one, &new_keys(1)).await.now();
    let keys = new_keys(3);
    let kept: Vec<_> = keys
        .iter()
        .zip([later(now, HOUR), later(now, YEAR), later(now, 100 * YEAR)])
        .map(|(key, until)| new(*key, until))
        .collect();
    // What is swapped again is kept by its last swap.
    let again = new_keys(1);
    let first: Vec<_> = again.iter().map(|key| new(*key, now)).collect();
    must(swap(one, &kept).await, NEW);
    must(swap(one, &first).await, NEW);
    let longer: Vec<_> = first.iter().map(|before| next(before, b"longer", later(now, HOUR))).collect();
    must(swap(other, &longer).await, A_MINUTE);
    for minutes in PASSED {
        pass(Duration::from_millis(minutes.saturating_mul(MINUTE))).await;
        // As others come and go, the store removes what it takes for over.
        let others: Vec<_> = new_keys(2).iter().map(|key| new(*key, now)).collect();
        must(swap(other, &others).await, NEW);
        must_find(&stores, &kept, UNTIL_THEN).await;
        must_find(&stores, &longer, "a later swap replaces the time from which a record is forgotten").await;
    }
}
