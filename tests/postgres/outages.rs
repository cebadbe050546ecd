//! A server that is away, slow, or may not write: 503 with a reason, and the next call works once it is back.

use std::time::{Duration, Instant, SystemTime};

use tower_password_grant::error::BackendErrorKind::{Fault, Unavailable};
use tower_password_grant::limiter::{AttemptRecords, RecordKey};
use tower_password_grant::mfa::FactorUser;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::store::{
    AccessTokenStore, FactorStore, FamilyId, LoginName, OneTimeValues, RefreshTokenStore, SecretDigest, UsageStore,
    UserStore,
};
use tower_password_grant::usage::{ClientUser, Day, DayRange, LoginWay, Usage, UsageBatch, UsageRow};
use tower_password_grant::{BackendError, Client, ClientId, ClientRegistry};

use crate::cluster::Postgres;
use crate::database::{builder, connect, make_two, new_name};

/// The failures of one call of each trait.
async fn failures(store: &PostgresStore) -> Vec<BackendError> {
    let (digest, id) = (SecretDigest::of("a"), FamilyId::from_bytes([1; 16]));
    let mut failures = Vec::new();
    failures.extend(store.consume(&digest, SystemTime::now()).await.err());
    failures.extend(RefreshTokenStore::find(store, id).await.err());
    failures.extend(RefreshTokenStore::revoke_subject(store, None, "a").await.err());
    failures.extend(AccessTokenStore::revoke(store, &digest).await.err());
    failures.extend(store.load(&[RecordKey::from_bytes([1; 16])]).await.err());
    failures.extend(ClientRegistry::find(store, "app").await.err());
    failures.extend(store.put_client(&Client::public("app").build().unwrap()).await.err().map(BackendError::from));
    failures.extend(UserStore::find(store, &LoginName::new("alice"), None).await.err());
    failures.extend(store.save_hash("user-1", "old", "new").await.err());
    let (alice, now) = (FactorUser::new(None, "alice"), SystemTime::now());
    failures.extend(store.list(alice, now).await.err());
    failures.extend(store.remove_all(alice).await.err());
    let today = Day::of(now);
    let app = ClientId::new("app").unwrap();
    failures.extend(store.stayers(&app, DayRange::new(today, today), None, 9).await.err());
    let login = Usage::new(LoginWay::Password, true, today);
    let row = UsageRow::new(ClientUser::new(&app, None, "alice"), login);
    failures.extend(store.record(UsageBatch::new(vec![row], Vec::new())).await.err());
    failures
}

/// How many of them there are if nothing works.
const ALL: usize = 13;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_503_and_the_next_call_after_its_start_works() {
    let Some(server) = Postgres::start("postgres-stop") else { return };
    let [store, _] = make_two(&server, &new_name()).await;
    stops(&server, &store).await;
}

pub async fn stops(server: &Postgres, store: &PostgresStore) {
    assert!(failures(store).await.is_empty());
    server.stop();
    let told = failures(store).await;
    assert_eq!(told.len(), ALL, "{told:?}");
    assert!(told.iter().all(|error| error.kind() == Unavailable), "{told:?}");
    // After five failures in a row it is not asked any more, but by one call at a time.
    let alone = failures(store).await;
    assert_eq!(alone.len(), ALL, "{alone:?}");
    let shown = alone.iter().map(|error| format!("{error:?}")).collect::<String>();
    assert!(shown.contains("left alone for a while"), "{shown}");
    server.begin();
    // A pool hands out what it has: a connection that was lost is told once, and no more than once for each.
    let started = Instant::now();
    while !failures(store).await.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(5), "not served again: {:?}", failures(store).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_503_at_the_deadline() {
    let Some(server) = Postgres::start("postgres-frozen") else { return };
    let name = new_name();
    make_two(&server, &name).await;
    let store = builder(&server, &name).deadline(Duration::from_secs(1)).open().await.unwrap();
    freezes(&server, &store, "gave no answer within 1000 ms").await;
}

pub async fn freezes(server: &Postgres, store: &PostgresStore, text: &str) {
    assert!(failures(store).await.is_empty());
    server.freeze(true);
    let told = failures(store).await;
    server.freeze(false);
    assert_eq!(told.len(), ALL, "{told:?}");
    assert!(told.iter().all(|error| error.kind() == Unavailable), "{told:?}");
    for error in &told[..5] {
        assert_eq!(error.to_string(), format!("PostgreSQL {text}"));
    }
    // From then on nobody waits for it.
    assert!(told[5..].iter().any(|error| error.to_string().contains("left alone for a while")), "{told:?}");
    let started = Instant::now();
    while !failures(store).await.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(5), "not served again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_may_not_write_is_503_for_what_writes() {
    let Some(server) = Postgres::start("postgres-read-only") else { return };
    let [store, _] = make_two(&server, &new_name()).await;
    may_not_write(&server, &store).await;
}

pub async fn may_not_write(server: &Postgres, store: &PostgresStore) {
    let client = connect(server).await;
    let alter = async |change: &str| {
        connect(server).await.batch_execute(&format!("ALTER SYSTEM {change}")).await.unwrap();
        client.execute("SELECT pg_reload_conf()", &[]).await.unwrap();
    };
    alter("SET default_transaction_read_only = on").await;
    // The signal takes a moment to reach the connections of the pool.
    let mut told = Vec::new();
    let started = Instant::now();
    while told.len() < 7 {
        assert!(started.elapsed() < Duration::from_secs(5), "{told:?}");
        told = failures(store).await;
    }
    assert!(told.iter().all(|error| error.kind() == Unavailable), "{told:?}");
    assert!(told.iter().all(|error| format!("{error:?}").contains("read-only")), "{told:?}");
    alter("RESET ALL").await;
    let started = Instant::now();
    while !failures(store).await.is_empty() {
        assert!(started.elapsed() < Duration::from_secs(5), "not served again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_table_and_a_row_of_another_kind_are_faults_of_that_call_alone() {
    let Some(server) = Postgres::start("postgres-damage") else { return };
    let name = new_name();
    let [store, _] = make_two(&server, &name).await;
    is_damaged(&server, &name, &store).await;
}

pub async fn is_damaged(server: &Postgres, name: &str, store: &PostgresStore) {
    let client = connect(server).await;
    let damage = format!(
        "INSERT INTO \"{name}\".refresh_families
            (id, subject, client, scope, methods, authenticated_at, expires, lineage)
        VALUES ('\\x01010101010101010101010101010101', 'a', 'app', 'read', 'nonsense ', 0, 0, '\\x07');
        DROP TABLE \"{name}\".spent_values"
    );
    client.batch_execute(&damage).await.unwrap();
    let told = failures(store).await;
    assert_eq!(told.iter().map(BackendError::kind).collect::<Vec<_>>(), [Fault, Fault], "{told:?}");
    let shown = told.iter().map(|error| format!("{error:?}")).collect::<String>();
    assert!(shown.contains("spent_values") && shown.contains("cannot read"), "{shown}");
    assert!(!shown.contains("nonsense"), "{shown}");
}
