//! One durable commit for all who wait, and what those who wait are told when it fails.

use std::time::Duration;

use rusqlite::Connection;
use tower_password_grant::ClientId;
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, OneTimeValues};
use tower_password_grant::testing::{ManualClock, TokenState, TokenUsed, begin_family, token_state};

use crate::support::folder::{Folder, at, digest, family, id, rotation, rotation_of, salt};
use crate::support::spawn;

/// Holds the file's lock until it is dropped, as a backup or another process would.
fn hold(folder: &Folder) -> Connection {
    let connection = Connection::open(folder.file()).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[tokio::test]
async fn many_waiting_calls_share_a_commit_and_one_failure_undoes_only_itself() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let before = store.stats();
    let held = hold(&folder);
    let mut waiting = Vec::new();
    for number in 0..500 {
        let store = store.clone();
        waiting.push(spawn(async move {
            if number % 50 == 7 {
                // The id of this family is taken.
                let again = begin_family(&store, family(1), &digest(&format!("f{number}")), at(0)).await;
                assert_eq!(again.unwrap_err().kind(), BackendErrorKind::Fault);
            } else {
                assert!(store.consume(&digest(&format!("v{number}")), at(9)).await.unwrap());
            }
        }));
    }
    // The writer may have taken its first 256 already.
    while store.stats().waiting < 200 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(held);
    for one in waiting {
        one.await.unwrap();
    }
    let after = store.stats();
    let (operations, commits) = (after.operations - before.operations, after.commits - before.commits);
    assert_eq!(operations, 500);
    assert!(commits <= 25, "{commits}");
    let (state, _) = token_state(&store, id(1), &digest("t0")).await.unwrap().unwrap();
    assert_eq!(state, TokenState::Live, "none of those that were refused took its place");
    for number in 0..500 {
        if number % 50 != 7 {
            assert!(!store.consume(&digest(&format!("v{number}")), at(9)).await.unwrap(), "{number} was answered");
        }
    }
    store.close().await;
}

#[tokio::test]
async fn beyond_the_queue_operations_are_refused_as_overload() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).queue(5).open().unwrap();
    let held = hold(&folder);
    let works: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            spawn(async move { store.consume(&digest(&format!("v{number}")), at(9)).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(held);
    let (mut done, mut refused) = (0, 0);
    for work in works {
        match work.await.unwrap() {
            Ok(fresh) => done += u64::from(fresh),
            Err(error) => {
                assert_eq!(error.kind(), BackendErrorKind::Overloaded);
                refused += 1;
            }
        }
    }
    // What the writer took out before it met the lock, and those that waited then.
    assert!(done >= 5 && refused >= 10 && done + refused == 20, "{done} and {refused}");
    assert_eq!(store.stats().refused, refused);
    store.close().await;
}

#[tokio::test]
async fn a_lock_that_lasts_is_an_error_for_all_waiting_calls_and_nothing_is_changed() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).busy_timeout(Duration::from_millis(50)).open().unwrap();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let held = hold(&folder);
    let error = rotation("t0", "t1", 1).by(&store).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(store.stats().failures > 0);
    assert!(token_state(&store, id(1), &digest("t0")).await.unwrap().is_some(), "reads need no lock");
    drop(held);
    assert_eq!(rotation("t0", "t1", 2).by(&store).await.unwrap(), TokenUsed::Done);
    store.close().await;
}

#[tokio::test]
async fn a_full_disk_is_an_error_and_there_is_work_again_when_there_is_room() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).max_size(400 << 10).clock(ManualClock::at(at(1))).open().unwrap();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let record = || {
        let long = "x".repeat(2000);
        AccessTokenRecord::new(long, ClientId::new("cli").unwrap(), at(0), at(1))
    };
    let mut stored = 0;
    let error = loop {
        match store.insert(digest(&format!("a{stored}")), record()).await {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
        assert!(stored < 1000);
    };
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error:?}");
    for number in 0..stored {
        assert!(AccessTokenStore::find(&store, &digest(&format!("a{number}"))).await.unwrap().is_some(), "{number}");
    }
    assert!(AccessTokenStore::find(&store, &digest(&format!("a{stored}"))).await.unwrap().is_none());
    assert!(store.prune().await.unwrap() >= stored);
    assert_eq!(rotation("t0", "t1", 1).by(&store).await.unwrap(), TokenUsed::Done);
    store.insert(digest("again"), record()).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_table_that_somebody_broke_is_an_error_and_no_panic() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute("UPDATE refresh_families SET scope = 'a  b'", ()).unwrap();
    let error = rotation("t0", "t1", 1).by(&store).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Fault);
    other.execute_batch("UPDATE refresh_families SET scope = ''; ALTER TABLE refresh_families RENAME TO gone").unwrap();
    assert!(rotation("t0", "t1", 1).by(&store).await.is_err());
    assert!(token_state(&store, id(1), &digest("t0")).await.is_err());
    other.execute_batch("ALTER TABLE gone RENAME TO refresh_families").unwrap();
    assert_eq!(rotation("t0", "t1", 1).by(&store).await.unwrap(), TokenUsed::Done);
    store.close().await;
}

#[tokio::test]
async fn an_operation_whose_caller_hung_up_happens_whole_or_not_at_all_t60() {
    let folder = Folder::new();
    let store = folder.store();
    for number in 0..100_u8 {
        begin_family(&store, family(number), &digest("old"), at(0)).await.unwrap();
        let using = rotation_of(id(number), "old", "new", 1);
        let _ = tokio::time::timeout(Duration::from_micros(u64::from(number) * 20), using.by(&store)).await;
        // A later write is answered after all that came before it.
        store.consume(&digest(&format!("v{number}")), at(9)).await.unwrap();
        let (state, _) = token_state(&store, id(number), &digest("new")).await.unwrap().unwrap();
        let again = rotation_of(id(number), "old", "another", 2).by(&store).await.unwrap();
        match state {
            TokenState::Live => assert_eq!(again, TokenUsed::Repeated { salt: salt("new") }),
            _ => assert_eq!(again, TokenUsed::Done),
        }
    }
    store.close().await;
}
