//! A backup while the store is in use.

use std::fs;

use rusqlite::Connection;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::OneTimeValues;
use tower_password_grant::testing::{TokenState, TokenUsed, begin_family, token_state};
use tower_password_grant::{Client, ClientRegistry};

use crate::support::folder::{Folder, at, digest, family, id, rotation};
use crate::support::spawn;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_a_whole_database_of_one_moment_that_only_its_owner_may_read() {
    let folder = Folder::new();
    let store = folder.store();
    store.put_client(&Client::public("cli").build().unwrap()).await.unwrap();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let busy = store.clone();
    let writes = spawn(async move {
        for number in 0..1000 {
            assert!(busy.consume(&digest(&format!("v{number}")), at(9000)).await.unwrap());
            let step = rotation(&format!("t{number}"), &format!("t{}", number + 1), 1);
            assert_eq!(step.by(&busy).await.unwrap(), TokenUsed::Done);
        }
    });
    let copy = folder.path().join("copy.db");
    while store.stats().operations < 200 {
        tokio::task::yield_now().await;
    }
    store.backup_to(&copy).await.unwrap();
    writes.await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(!folder.path().join("copy.db.part").exists());

    let plain = Connection::open(&copy).unwrap();
    let sound: String = plain.query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let number = |sql: &str| -> i64 { plain.query_row(sql, (), |row| row.get(0)).unwrap() };
    // One moment: each value was spent just before its rotation.
    let (values, tokens) = (number("SELECT count(*) FROM spent_values"), number("SELECT stamp FROM refresh_families"));
    assert!(values >= 90 && (values == tokens || values == tokens + 1), "{values} and {tokens}");
    drop(plain);

    let restored = SqliteStore::open(&copy).unwrap();
    assert!(ClientRegistry::find(&restored, "cli").await.unwrap().is_some());
    let found = token_state(&restored, id(1), &digest(&format!("t{tokens}"))).await.unwrap().unwrap();
    assert_eq!(found.0, TokenState::Live);
    restored.close().await;
    store.close().await;
}

#[tokio::test]
async fn a_backup_replaces_no_file_and_leaves_none_that_is_not_whole() {
    let folder = Folder::new();
    let store = folder.store();
    let there = folder.path().join("there.db");
    fs::write(&there, "something else").unwrap();
    for path in [&there, &folder.file()] {
        let error = store.backup_to(path).await.unwrap_err();
        assert!(error.to_string().contains("name a new one"), "{error}");
    }
    assert_eq!(fs::read(&there).unwrap(), b"something else");
    assert!(store.backup_to(folder.path().join("missing").join("copy.db")).await.is_err());
    assert!(store.backup_to(":memory:").await.is_err());
    // One that another process began.
    fs::write(folder.path().join("begun.db.part"), "").unwrap();
    let error = store.backup_to(folder.path().join("begun.db")).await.unwrap_err();
    assert!(error.to_string().contains("begun.db.part"), "{error}");
    #[cfg(unix)]
    {
        // Of a file that is not the server's any more there is no backup.
        let copy = folder.path().join("late.db");
        fs::rename(folder.file(), folder.path().join("moved.db")).unwrap();
        assert!(store.backup_to(&copy).await.is_err());
        assert!(!copy.exists() && !folder.path().join("late.db.part").exists());
    }
    store.close().await;
}
