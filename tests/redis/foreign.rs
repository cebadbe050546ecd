//! What lies under our keys and is not ours: an error of that call, which repeats none of it, and nobody else's.

use std::time::{Duration, SystemTime};

use redis::aio::MultiplexedConnection;
use redis::cmd;
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::limiter::{AttemptRecords, RecordChange, RecordKey, RecordStamp};
use tower_password_grant::redis::RedisStore;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, OneTimeValues, RefreshTokenStore};
use tower_password_grant::testing::begin_family;
use tower_password_grant::{BackendError, ClientId};

use crate::server::Redis;
use crate::stores::{connect, digest, family, find, make_two, new_prefix, said};

const HOUR: Duration = Duration::from_secs(3600);

fn record() -> AccessTokenRecord {
    let now = SystemTime::now();
    AccessTokenRecord::new("alice", ClientId::new("app").unwrap(), now, now + HOUR)
}

async fn swap(store: &RedisStore) -> Result<bool, BackendError> {
    let until = SystemTime::now() + HOUR;
    let change =
        RecordChange::new(RecordKey::from_bytes([1; 16]), None, RecordStamp::from_bytes([7; 8]), vec![7; 85], until);
    store.swap(&[change]).await
}

/// What a limiter makes of a record: one that is none has no bytes, and fails the attempts that touch it.
async fn load(store: &RedisStore) -> Result<(), BackendError> {
    let loaded = store.load(&[RecordKey::from_bytes([1; 16])]).await?;
    match loaded.records() {
        [Some(record)] if record.bytes().is_empty() => Err(BackendError::unavailable("cannot read a record")),
        _ => Ok(()),
    }
}

/// A login with an access token, an access token without one, a spent value and a record.
async fn fill(store: &RedisStore) {
    let login = family(1, HOUR);
    begin_family(store, login.clone(), &digest(1), SystemTime::now()).await.unwrap();
    store.insert(digest(1), record().with_family(Some(login.id()))).await.unwrap();
    store.insert(digest(2), record()).await.unwrap();
    store.consume(&digest(1), SystemTime::now() + HOUR).await.unwrap();
    assert!(swap(store).await.unwrap());
}

/// What the calls say that meet one of these keys.
async fn failures(store: &RedisStore, number: u64) -> Vec<BackendError> {
    let (id, now) = (family(1, HOUR).id(), SystemTime::now());
    let mut failures = Vec::new();
    failures.extend(find(store, id).await.err());
    failures.extend(begin_family(store, family(number, HOUR), &digest(2), now).await.err().map(BackendError::from));
    failures.extend(AccessTokenStore::find(store, &digest(1)).await.err());
    failures.extend(AccessTokenStore::find(store, &digest(2)).await.err());
    failures.extend(store.insert(digest(number), record().with_family(Some(id))).await.err());
    failures.extend(store.insert(digest(number + 1), record()).await.err());
    failures.extend(store.consume(&digest(1), now + HOUR).await.err());
    failures.extend(load(store).await.err());
    failures.extend(swap(store).await.err());
    failures.extend(RefreshTokenStore::revoke_family(store, id).await.err());
    failures.extend(store.log_out(None, "alice").await.err().map(BackendError::from));
    failures
}

async fn keys(connection: &mut MultiplexedConnection, prefix: &str) -> Vec<String> {
    let mut keys: Vec<String> = cmd("KEYS").arg(format!("{prefix}:*")).query_async(connection).await.unwrap();
    keys.sort();
    keys
}

async fn damage_each(name: &str, damage: &[&str]) {
    let Some(server) = Redis::start(name) else { return };
    let mut connection = connect(&server).await;
    let mut number = 0;
    loop {
        let prefix = new_prefix();
        let [store, _] = make_two(&server, &prefix).await;
        fill(&store).await;
        let keys = keys(&mut connection, &prefix).await;
        assert_eq!(keys.len(), 9, "{keys:?}");
        let Some(key) = keys.get(number) else { return };
        cmd("DEL").arg(key).exec_async(&mut connection).await.unwrap();
        let mut put = cmd(damage[0]);
        put.arg(key).arg(&damage[1..]).exec_async(&mut connection).await.unwrap();
        let told = failures(&store, 100).await;
        assert!(!told.is_empty() && told.len() < 8, "{key}: {told:?}");
        for error in &told {
            let said = said(error);
            let is_told = ["WRONGTYPE", "FOREIGN", "cannot read"].iter().any(|part| said.contains(part));
            assert!(error.kind() == Unavailable && is_told && !said.contains("~~"), "{key}: {error:?}");
        }
        let found: Vec<String> = match damage[0] {
            "SET" => vec![cmd("GET").arg(key).query_async(&mut connection).await.unwrap()],
            _ => cmd("LRANGE").arg(key).arg(0).arg(-1).query_async(&mut connection).await.unwrap(),
        };
        assert_eq!(found, damage[1..], "{key}: what is not ours is not touched");
        // Without it everything works.
        cmd("DEL").arg(key).exec_async(&mut connection).await.unwrap();
        let told = failures(&store, 200).await;
        assert!(told.is_empty(), "{key}: {told:?}");
        number += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_not_ours_is_503_for_the_calls_that_meet_it() {
    damage_each("values", &["SET", "~~"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_another_type_is_503_for_the_calls_that_meet_it() {
    damage_each("types", &["RPUSH", "~~", "~~"]).await;
}

/// It is the one that ends for the next login of its subject.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_in_the_place_of_the_oldest_login_is_not_touched_and_stops_no_other_login() {
    let Some(server) = Redis::start("oldest") else { return };
    let (prefix, mut connection) = (new_prefix(), connect(&server).await);
    let [store, _] = make_two(&server, &prefix).await;
    let now = SystemTime::now();
    for number in 1..=100 {
        begin_family(&store, family(number, HOUR), &digest(number), now).await.unwrap();
    }
    let key = format!("{prefix}:{{0000}}:family:{}", family(1, HOUR).id());
    cmd("SET").arg(&key).arg("~~").arg("XX").exec_async(&mut connection).await.unwrap();
    for number in 101..=102 {
        begin_family(&store, family(number, HOUR), &digest(number), now).await.unwrap();
    }
    let found: String = cmd("GET").arg(&key).query_async(&mut connection).await.unwrap();
    assert_eq!(found, "~~");
    assert!(find(&store, family(2, HOUR).id()).await.unwrap().unwrap().is_ended, "the next one ended for the last");
    assert!(!find(&store, family(3, HOUR).id()).await.unwrap().unwrap().is_ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_version_wrote_is_503_and_stays_as_it_was() {
    let Some(server) = Redis::start("later") else { return };
    let (prefix, mut connection) = (new_prefix(), connect(&server).await);
    let [store, _] = make_two(&server, &prefix).await;
    fill(&store).await;
    let keys = keys(&mut connection, &prefix).await;
    let of = |kind: &str| keys.iter().find(|key| key.contains(kind)).unwrap().clone();
    cmd("SETRANGE").arg(of(":family:")).arg(0).arg(b"\x02").exec_async(&mut connection).await.unwrap();
    for key in keys.iter().filter(|key| key.contains(":token:")) {
        let text = "{\"version\":2,\"owner\":\"alice\"}";
        cmd("SET").arg(key).arg(text).arg("KEEPTTL").exec_async(&mut connection).await.unwrap();
    }
    let (id, token) = (family(1, HOUR).id(), digest(1));
    let told = [find(&store, id).await.err(), AccessTokenStore::find(&store, &token).await.err()].map(Option::unwrap);
    for error in &told {
        assert!(error.kind() == Unavailable && said(error).contains("a later version"), "{error:?}");
    }
    // It can be ended all the same.
    assert!(RefreshTokenStore::revoke_family(&store, id).await.unwrap());
    let written: Vec<u8> = cmd("GET").arg(of(":family:")).query_async(&mut connection).await.unwrap();
    assert_eq!(written[..2], *b"\x021");
}
