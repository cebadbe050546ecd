//! The operator's key for what is counted in the file.

use rusqlite::Connection;
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter as _, Fingerprint, Guess, Reserved, Settlement, SharedKey,
};
use tower_password_grant::sqlite::{SqliteError, SqliteStore};
use tower_password_grant::user::AccountKey;

use super::limiter::{fail, reserve};
use crate::support::folder::Folder;

fn open(folder: &Folder, key: Option<u8>) -> Result<SqliteStore, SqliteError> {
    let builder = SqliteStore::builder(folder.file());
    match key {
        Some(key) => builder.shared_key(SharedKey::new([key; 32]).unwrap()).open(),
        None => builder.open(),
    }
}

/// One number of the file.
fn number(folder: &Folder, sql: &str) -> Option<i64> {
    Connection::open(folder.file()).unwrap().query_row(sql, (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_file_whose_attempts_were_counted_under_another_key_is_refused_with_what_to_do() {
    let folder = Folder::new();
    for (counted, opened, sentence) in [
        (Some(1), Some(2), "under another shared key: open it with that one, or"),
        (Some(1), None, "under a shared key, and none was given: open it with that one, or"),
        (None, Some(1), "under no shared key: open it without one, or"),
    ] {
        let store = open(&folder, counted).unwrap();
        fail(&store.limiter(), "alice", 1).await;
        store.close().await;
        let error = open(&folder, opened).unwrap_err();
        assert!(matches!(error, SqliteError::OtherSharedKey { .. }), "{error}");
        let told = error.to_string();
        assert!(told.contains(sentence) && told.contains("forget_attempts_under_other_keys"), "{told}");
        // Nothing was changed by it.
        open(&folder, counted).unwrap().close().await;
        let builder = SqliteStore::builder(folder.file()).forget_attempts_under_other_keys();
        builder.open().unwrap().close().await;
    }
}

#[tokio::test]
async fn a_file_in_which_nothing_was_counted_takes_any_key() {
    let folder = Folder::new();
    for key in [None, Some(1), Some(2), None] {
        open(&folder, key).unwrap().close().await;
    }
}

#[tokio::test]
async fn forgetting_what_was_counted_under_another_key_lifts_its_locks_and_stops_processes_that_still_count_under_it() {
    let folder = Folder::new();
    let old = open(&folder, Some(1)).unwrap();
    let limiter = old.limiter();
    for _ in 0..10 {
        fail(&limiter, "alice", 1).await;
    }
    assert!(matches!(reserve(&limiter, "alice", 1).await, Reserved::Refused(_)));
    let builder = SqliteStore::builder(folder.file()).shared_key(SharedKey::new([2; 32]).unwrap());
    let new = builder.forget_attempts_under_other_keys().open().unwrap();
    assert_eq!(number(&folder, "SELECT count(*) FROM limiter_tallies"), Some(0));
    assert!(matches!(reserve(&new.limiter(), "alice", 1).await, Reserved::Charged(_)));
    // Two keys would count the same attempts apart.
    let account = AccountKey::canonical("alice");
    let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, None);
    let error = limiter.reserve(&key).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Fault);
    assert!(format!("{error:?}").contains("another shared key"), "{error:?}");
    old.close().await;
    new.close().await;
}

#[tokio::test]
async fn which_secret_was_denied_last_lies_in_the_file_under_a_shared_key_only() {
    for (key, longest) in [(None, 33), (Some(1), 37)] {
        let folder = Folder::new();
        let store = open(&folder, key).unwrap();
        let limiter = store.limiter();
        let account = AccountKey::canonical("alice");
        let attempt = AttemptKey::new(Guess::Account { realm: None, account: &account }, None);
        let attempt = attempt.with_fingerprint(Fingerprint::new(0x1234_5678_9abc_def0));
        match limiter.reserve(&attempt).await.unwrap() {
            Reserved::Charged(reservation) => {
                assert!(limiter.settle(reservation, Settlement::Denied).await.unwrap().is_none());
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(number(&folder, "SELECT max(length(counts)) FROM limiter_tallies"), Some(longest), "{key:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn the_digests_of_two_files_are_the_same_under_one_shared_key_and_differ_without() {
    let mut digests = Vec::new();
    for key in [Some(1), Some(1), Some(2), None, None] {
        let folder = Folder::new();
        let store = open(&folder, key).unwrap();
        fail(&store.limiter(), "alice", 1).await;
        digests.push(number(&folder, "SELECT guess FROM limiter_tallies WHERE kind = 1"));
        store.close().await;
    }
    assert_eq!(digests[0], digests[1]);
    assert!((1..5).all(|one| (one + 1..5).all(|other| digests[one] != digests[other])), "{digests:?}");
}
