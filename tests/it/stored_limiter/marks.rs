//! Processes that count in one store by other keys or other limits are told so when they start.

use std::time::Duration;

use tower_password_grant::limiter::{Limit, Limits, Lockout, SharedKey, StoredLimiter, TokenBucket};

use super::unreliable::{Trouble, Unreliable};
use super::world::{guess, key};
use crate::metrics::{recorder, value};
use crate::support::capture::Capture;
use crate::support::records::MapRecords;

fn limiter(records: &MapRecords, key: &SharedKey, limits: Limits) -> StoredLimiter<MapRecords> {
    StoredLimiter::new(records.clone(), key).with_limits(limits)
}

/// What a process with this key and these limits is told at its first two guesses.
async fn told(records: &MapRecords, key: &SharedKey, limits: Limits) -> Vec<String> {
    let (capture, _guard) = Capture::listen();
    let limiter = limiter(records, key, limits);
    for turn in 0..2 {
        guess(&limiter, &format!("user-{}-{turn}", records.len())).await.unwrap();
    }
    capture.events().iter().map(|event| event.field("what").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn another_key_and_other_limits_are_told_once_at_the_start_and_the_same_are_not() {
    let records = MapRecords::new();
    let other = SharedKey::new([8; 32]).unwrap();
    let none: [&str; 0] = [];
    assert_eq!(told(&records, &key(), Limits::new()).await, none, "the first has nothing to differ from");
    assert_eq!(told(&records, &key(), Limits::new()).await, none);
    assert_eq!(told(&records, &other, Limits::new()).await, ["key"]);
    assert_eq!(told(&records, &key(), Limits::new().monitor(Limit::Address)).await, ["key", "limits"]);
    // What is said of the memory of one process is its own affair.
    assert_eq!(told(&records, &key(), Limits::new().monitor(Limit::Address).with_capacity(1_000)).await, none);
    let minute = Duration::from_secs(60);
    for limits in [
        Limits::new().with_account_budget(Lockout::new(99, minute)),
        Limits::new().with_address_budget(TokenBucket::new(300, minute * 2)),
        Limits::new().with_address_budget(TokenBucket::new(300, minute)),
    ] {
        assert_eq!(told(&records, &key(), limits).await, ["limits"]);
    }
}

#[tokio::test]
async fn a_metric_counts_them() {
    let records = MapRecords::new();
    let (recorder, handle) = recorder();
    let _recording = metrics::set_default_local_recorder(&recorder);
    for byte in [7, 8, 7] {
        guess(&limiter(&records, &SharedKey::new([byte; 32]).unwrap(), Limits::new()), "alice").await.unwrap();
    }
    let counted =
        |what: &str| value(&handle.render(), &format!("oauth_limiter_settings_differ_total{{what=\"{what}\"}}"));
    assert_eq!((counted("key"), counted("limits")), (Some(2), None));
}

#[tokio::test]
async fn it_is_told_though_the_first_call_fails_and_says_nothing_of_a_name() {
    let records = MapRecords::new();
    guess(&limiter(&records, &key(), Limits::new()), "alice").await.unwrap();
    let (capture, _guard) = Capture::listen();
    let store = Unreliable::new(records);
    let other = StoredLimiter::new(store.clone(), &SharedKey::new([9; 32]).unwrap());
    store.next(Trouble::SwapFails);
    guess(&other, "alice").await.unwrap_err();
    assert!(capture.events().is_empty());
    guess(&other, "alice").await.unwrap();
    assert_eq!(capture.events().len(), 1);
    assert!(!capture.text().contains("alice"));
}
