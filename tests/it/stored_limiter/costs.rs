//! What an attempt costs a store, and what is said of one that never swaps.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{
    AttemptLimiter, AttemptRecords, LoadedRecords, RecordChange, RecordKey, Settlement,
};

use super::world::{limiter, reserve, reserve_from};
use crate::support::capture::Capture;
use crate::support::protection::counted_by;
use crate::support::records::MapRecords;
use crate::support::{AUTH, Fixture, PW};

/// A store that counts what its calls are about.
#[derive(Clone)]
struct Counting {
    records: MapRecords,
    swaps: bool,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Default)]
struct Calls {
    /// How many records each load and each swap was about.
    about: Vec<usize>,
    keys: BTreeSet<RecordKey>,
    /// The bytes of each record that was swapped.
    lengths: BTreeSet<usize>,
}

impl Counting {
    fn new(swaps: bool) -> Self {
        Self { records: MapRecords::new(), swaps, calls: Arc::default() }
    }

    /// What the calls since the last time were about, and how many records are new.
    fn take(&self, before: usize) -> (Vec<usize>, usize) {
        (std::mem::take(&mut self.calls.lock().unwrap().about), self.records.len() - before)
    }
}

#[async_trait]
impl AttemptRecords for Counting {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        self.calls.lock().unwrap().about.push(keys.len());
        self.records.load(keys).await
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        {
            let mut calls = self.calls.lock().unwrap();
            calls.about.push(changes.len());
            calls.keys.extend(changes.iter().map(RecordChange::key));
            calls.lengths.extend(changes.iter().map(|change| change.bytes().len()));
        }
        Ok(self.swaps && self.records.swap(changes).await?)
    }
}

#[tokio::test]
async fn a_failed_attempt_at_a_new_name_costs_what_the_documentation_says() {
    let store = Counting::new(true);
    let limiter = limiter(store.clone());
    let v6 = |site, network| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, site, network, 0, 0, 0, 1));
    let v4 = IpAddr::from([192, 0, 2, 1]);
    // The first attempt of a process keeps its mark, too.
    reserve_from(&limiter, "first", Some(IpAddr::from([198, 51, 100, 1]))).await.unwrap();
    *store.calls.lock().unwrap() = Default::default();
    let costs = [
        (v4, [4, 3, 4, 2], 3),
        (v4, [4, 3, 4, 2], 2),
        (v6(1, 1), [8, 7, 8, 4], 7),
        // Another /64 of the same /56, and another /56.
        (v6(1, 2), [8, 7, 8, 4], 5),
        (v6(1, 0x0100), [8, 7, 8, 4], 6),
    ];
    for (turn, (address, about, new)) in costs.into_iter().enumerate() {
        let before = store.records.len();
        let reservation = reserve_from(&limiter, &format!("name{turn}"), Some(address)).await.unwrap();
        limiter.settle(reservation, Settlement::Denied).await.unwrap();
        assert_eq!(store.take(before), (about.to_vec(), new), "{turn}: {address}");
    }
    let calls = store.calls.lock().unwrap();
    assert_eq!(calls.lengths, BTreeSet::from([85]));
    // The halves of a key are told in its documentation.
    let halves = |key: &RecordKey| (key.as_bytes()[..8] != [0; 8], key.as_bytes()[8..] != [0; 8]);
    let kinds: BTreeSet<_> = calls.keys.iter().map(halves).collect();
    assert_eq!(kinds, BTreeSet::from([(false, true), (true, false), (true, true)]));
}

#[tokio::test]
async fn a_store_that_never_swaps_is_a_limiter_that_fails_and_no_overload() {
    let error = reserve(&limiter(Counting::new(false)), "alice").await.unwrap_err().error();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(format!("{error:?}").contains("another was first 64 times"), "{error:?}");

    let (capture, _listening) = Capture::listen();
    let fixture = Fixture::with(|builder| builder.attack_protection(counted_by(limiter(Counting::new(false)))));
    let answer = fixture.token(AUTH, PW).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let events = capture.events();
    let failed = events.iter().find(|event| event.field("reason").is_some()).expect("an event");
    assert_eq!(failed.field("reason"), Some("limiter_failed"));
    let cause = failed.field("cause").expect("a cause");
    assert!(cause.contains("another was first 64 times") && cause.contains("attempt_records"), "{cause}");
}
