//! What the file looks like from outside, and which files are refused.

use std::fs;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use tower_password_grant::sqlite::{SqliteError, SqliteStore};
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, OneTimeValues};
use tower_password_grant::testing::{ManualClock, RefreshTokenUse, TokenUsed, begin_family, token_state};
use tower_password_grant::token::Token;
use tower_password_grant::{Client, ClientId, ClientSecret};

use crate::support::folder::{Folder, at, digest, family, id, rotation};
use crate::support::spawn;

/// The rows of a table, read past the store.
fn rows(folder: &Folder, table: &str) -> i64 {
    let connection = Connection::open(folder.file()).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_may_read_the_file_and_those_beside_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    let store = folder.store();
    store.consume(&digest("x"), at(0)).await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["auth.db", "auth.db-shm", "auth.db-wal"]);
    store.close().await;
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["auth.db"], "the log was written back");
}

#[tokio::test]
async fn the_last_handle_that_is_dropped_writes_the_log_back() {
    let folder = Folder::new();
    let store = folder.store();
    store.consume(&digest("x"), at(0)).await.unwrap();
    let clone = store.clone();
    drop(store);
    assert!(!clone.consume(&digest("x"), at(0)).await.unwrap());
    drop(clone);
    let log = folder.path().join("auth.db-wal");
    for _ in 0..1000 {
        if !log.exists() {
            assert_eq!(rows(&folder, "spent_values"), 1);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the log is still there");
}

#[tokio::test]
async fn a_closed_store_answers_errors() {
    let folder = Folder::new();
    let store = folder.store();
    store.close().await;
    store.close().await;
    assert!(store.consume(&digest("x"), at(0)).await.is_err());
    assert!(token_state(&store, id(1), &digest("x")).await.is_err());
}

/// What is said of the file of a closed store after somebody changed it.
async fn refused_after(change: impl FnOnce(&Connection)) -> SqliteError {
    let folder = Folder::new();
    folder.store().close().await;
    let connection = Connection::open(folder.file()).unwrap();
    change(&connection);
    drop(connection);
    let before = fs::read(folder.file()).unwrap();
    let error = SqliteStore::open(folder.file()).unwrap_err();
    assert_eq!(fs::read(folder.file()).unwrap(), before, "it stays as it is");
    let said = error.to_string();
    assert!(said.contains(folder.file().to_str().unwrap()), "{said}");
    assert!(said.contains("run the version that made it, or name a file that does not exist yet"), "{said}");
    error
}

#[tokio::test]
async fn a_file_of_another_schema_is_refused_with_what_to_do_and_stays_as_it_is() {
    for other in [-1, 0, 2, 3] {
        let error = refused_after(|file| file.pragma_update(None, "user_version", other).unwrap()).await;
        assert!(
            matches!(error, SqliteError::OtherSchema { found, known: 1, .. } if found == other),
            "{other}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_file_of_the_same_number_and_another_shape_is_refused_with_what_to_do_and_stays_as_it_is() {
    let changes = [
        ("clients", "ALTER TABLE clients ADD COLUMN note TEXT"),
        // As it was before logins had an audience.
        ("refresh_families", "ALTER TABLE refresh_families DROP COLUMN audience"),
        ("spent_values", "DROP TABLE spent_values"),
        ("spent_values_by_expires", "DROP INDEX spent_values_by_expires"),
        (
            "client_origins_by_client",
            "DROP INDEX client_origins_by_client; CREATE INDEX client_origins_by_client ON client_origins (origin)",
        ),
    ];
    for (part, sql) in changes {
        let error = refused_after(|file| file.execute_batch(sql).unwrap()).await;
        assert!(matches!(&error, SqliteError::OtherTables { name, .. } if name == part), "{part}: {error:?}");
    }
}

#[tokio::test]
async fn tables_of_others_in_the_file_do_no_harm() {
    let folder = Folder::new();
    folder.store().close().await;
    Connection::open(folder.file()).unwrap().execute_batch("CREATE TABLE _replica (seq INTEGER); ANALYZE").unwrap();
    let store = folder.store();
    assert!(store.consume(&digest("x"), at(0)).await.unwrap());
    store.close().await;
}

#[test]
fn a_file_that_is_no_database_or_anothers_is_refused_and_stays_as_it_is() {
    let folder = Folder::new();
    fs::write(folder.file(), "a letter to somebody, and not a database at all".repeat(100)).unwrap();
    let before = fs::read(folder.file()).unwrap();
    let error = SqliteStore::open(folder.file()).unwrap_err();
    assert!(matches!(error, SqliteError::NotADatabase(_)), "{error:?}");
    assert!(error.to_string().contains(folder.file().to_str().unwrap()), "{error}");
    assert_eq!(fs::read(folder.file()).unwrap(), before);

    let other = Folder::new();
    Connection::open(other.file()).unwrap().execute_batch("CREATE TABLE letters (text TEXT)").unwrap();
    let before = fs::read(other.file()).unwrap();
    let error = SqliteStore::open(other.file()).unwrap_err();
    assert!(matches!(error, SqliteError::Foreign(_)), "{error:?}");
    assert!(error.to_string().contains(other.file().to_str().unwrap()), "{error}");
    assert_eq!(fs::read(other.file()).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_told_with_what_sqlite_says_of_it() {
    let folder = Folder::new();
    folder.store().close().await;
    // The header is whole, and what follows is not.
    let mut bytes = fs::read(folder.file()).unwrap();
    bytes[100..4096].fill(0xa5);
    fs::write(folder.file(), bytes).unwrap();
    let error = SqliteStore::open(folder.file()).unwrap_err();
    assert!(error.to_string().contains("malformed"), "{error}");
}

#[tokio::test]
async fn a_backup_that_is_put_beside_the_log_of_another_file_is_refused_with_what_to_do_and_stays_as_it_is() {
    let (old, folder) = (Folder::new(), Folder::new());
    old.store().close().await;
    let store = old.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    // As after `kill -9`: the log was not written into the file.
    fs::copy(old.path().join("auth.db-wal"), folder.path().join("auth.db-wal")).unwrap();
    let first = fs::read(old.file()).unwrap();
    store.close().await;
    let damaged: Vec<u8> = first.iter().enumerate().map(|(at, byte)| if at < 100 { *byte } else { 0xff }).collect();
    fs::write(folder.file(), &damaged).unwrap();
    let error = SqliteStore::open(folder.file()).unwrap_err();
    assert!(matches!(error, SqliteError::ForeignLog { .. }), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("auth.db-wal` and `") && said.contains("put the backup there again"), "{said}");
    assert_eq!(fs::read(folder.file()).unwrap(), damaged, "the log is not written into it");
    assert!(folder.path().join("auth.db-wal").exists());
}

#[tokio::test]
async fn two_stores_on_one_file_see_each_other() {
    let folder = Folder::new();
    let (one, two) = (folder.store(), folder.store());
    begin_family(&one, family(1), &digest("t0"), at(0)).await.unwrap();
    assert_eq!(rotation("t0", "t1", 1).by(&two).await.unwrap(), TokenUsed::Done);
    assert!(token_state(&one, id(1), &digest("t1")).await.unwrap().is_some());
    assert_eq!(rotation("t1", "t2", 2).by(&one).await.unwrap(), TokenUsed::Done);
    assert_eq!(rotation("t0", "x1", 3).by(&two).await.unwrap(), TokenUsed::Replayed);
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn no_token_secret_or_password_is_in_the_file_t69() {
    let folder = Folder::new();
    let store = folder.store();
    let tokens: Vec<Token> = (0..4).map(|_| Token::random("rt_").unwrap()).collect();
    let secret = ClientSecret::generate().unwrap();
    begin_family(&store, family(1), &tokens[0].digest(), at(0)).await.unwrap();
    let rotation = RefreshTokenUse::new(id(1), tokens[0].digest(), at(1)).with_successor(tokens[1].digest(), [7; 32]);
    rotation.by(&store).await.unwrap();
    let record = AccessTokenRecord::new("user-17", ClientId::new("cli").unwrap(), at(0), at(9));
    store.insert(tokens[2].digest(), record).await.unwrap();
    store.consume(&tokens[3].digest(), at(9)).await.unwrap();
    store.put_client(&Client::confidential("conf", &secret.digest()).build().unwrap()).await.unwrap();
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for closed in [false, true] {
        if closed {
            store.close().await;
        }
        let bytes = folder.bytes();
        assert!(holds(&bytes, "user-17") && holds(&bytes, "conf"), "the test finds what is there");
        for text in tokens.iter().map(Token::expose).chain([secret.expose()]) {
            assert!(!holds(&bytes, text) && !holds(&bytes, &text[3..35]));
        }
    }
}

#[tokio::test]
async fn what_is_over_is_removed_in_steps_and_what_is_not_stays() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let store = SqliteStore::builder(folder.file()).clock(clock.clone()).open().unwrap();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let works: Vec<_> = (0..700_u32)
        .map(|number| {
            let store = store.clone();
            spawn(async move {
                let client = ClientId::new("cli").unwrap();
                let record = AccessTokenRecord::new(format!("user-{number}"), client, at(0), at(3600));
                store.insert(digest(&format!("a{number}")), record).await.unwrap();
                store.consume(&digest(&format!("v{number}")), at(3600)).await.unwrap();
            })
        })
        .collect();
    for work in works {
        work.await.unwrap();
    }
    for number in 0..700 {
        let step = rotation(&format!("t{number}"), &format!("t{}", number + 1), 1);
        assert_eq!(step.by(&store).await.unwrap(), TokenUsed::Done);
    }
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.advance(Duration::from_secs(3599));
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.prune().await.unwrap(), 1400);
    assert_eq!(rotation("t700", "t701", 3600).by(&store).await.unwrap(), TokenUsed::Done);
    assert!(store.consume(&digest("v1"), at(9000)).await.unwrap(), "forgotten after its end");
    clock.advance(Duration::from_secs(100_000));
    assert_eq!(store.prune().await.unwrap(), 1 + 1);
    store.close().await;
    for table in ["refresh_families", "access_tokens", "spent_values"] {
        assert_eq!(rows(&folder, table), 0, "{table}");
    }
}

#[tokio::test]
async fn the_writer_removes_what_is_over_by_itself_after_the_retention() {
    let folder = Folder::new();
    let clock = ManualClock::at(SystemTime::now());
    let store = SqliteStore::builder(folder.file())
        .clock(clock.clone())
        .prune_every(Duration::from_millis(10))
        .retention(Duration::from_secs(60))
        .open()
        .unwrap();
    let end = SystemTime::now() + Duration::from_secs(30);
    for number in 0..600 {
        store.consume(&digest(&format!("v{number}")), end).await.unwrap();
    }
    clock.advance(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(store.stats().pruned, 0);
    clock.advance(Duration::from_secs(60));
    for _ in 0..1000 {
        if store.stats().pruned == 600 {
            store.close().await;
            assert_eq!(rows(&folder, "spent_values"), 0);
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", store.stats());
}
