//! A server that is away, slow, full, or may not write: 503 with a reason, and the next call works once it is back.

use std::time::{Duration, Instant, SystemTime};

use redis::cmd;
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::limiter::{AttemptRecords, RecordChange, RecordKey, RecordStamp};
use tower_password_grant::redis::RedisStore;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, FamilyId, OneTimeValues, RefreshTokenStore};
use tower_password_grant::testing::begin_family;
use tower_password_grant::{BackendError, ClientId};

use crate::server::Redis;
use crate::stores::{builder, connect, digest, family, find, manager, new_prefix, new_two, said};

const HOUR: Duration = Duration::from_secs(3600);

/// The failures of calls that read or remove.
async fn lookups(store: &RedisStore) -> Vec<BackendError> {
    let id = FamilyId::from_bytes([1; 16]);
    let mut failures = Vec::new();
    failures.extend(store.is_spent(&digest(1)).await.err());
    failures.extend(RefreshTokenStore::find(store, id).await.err());
    failures.extend(RefreshTokenStore::revoke_subject(store, None, "alice").await.err());
    failures.extend(AccessTokenStore::revoke(store, &digest(1)).await.err());
    failures.extend(AccessTokenStore::revoke_family(store, id).await.err());
    failures.extend(store.load(&[RecordKey::from_bytes([1; 16])]).await.err());
    failures
}

/// The failures of calls that write.
async fn writes(store: &RedisStore, number: u64) -> Vec<BackendError> {
    let now = SystemTime::now();
    let record = AccessTokenRecord::new("alice", ClientId::new("app").unwrap(), now, now + HOUR);
    let key = RecordKey::from_bytes(u128::from(number).to_be_bytes());
    let change = RecordChange::new(key, None, RecordStamp::from_bytes([7; 8]), vec![7; 85], now + HOUR);
    let mut failures = Vec::new();
    failures.extend(store.consume(&digest(number), now + HOUR).await.err());
    failures
        .extend(begin_family(store, family(number, HOUR), &digest(number), now).await.err().map(BackendError::from));
    failures.extend(store.insert(digest(number), record).await.err());
    failures.extend(store.swap(&[change]).await.err());
    failures
}

async fn all(store: &RedisStore, number: u64) -> Vec<BackendError> {
    let mut failures = lookups(store).await;
    failures.extend(writes(store, number).await);
    failures
}

const LOOKUPS: usize = 6;
const WRITES: usize = 4;

/// That the store works again within five seconds.
async fn must_serve_again(store: &RedisStore, turn: u64) {
    let (start, mut number) = (Instant::now(), 1_000 * turn);
    loop {
        // Some of what failed may be there.
        number += 1;
        let told = all(store, number).await;
        if told.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(5), "not served again: {told:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_is_503_and_serves_again_with_all_that_it_had_after_its_start() {
    let Some(server) = Redis::start_with("killed", &["--appendonly", "yes", "--appendfsync", "always"]) else {
        return;
    };
    let [store, other] = new_two(&server).await;
    assert!(all(&store, 1).await.is_empty() && lookups(&other).await.is_empty());
    for round in 2..5 {
        server.kill();
        let told = all(&store, round).await;
        assert_eq!(told.len(), LOOKUPS + WRITES, "{told:?}");
        assert!(told.iter().all(|error| error.kind() == Unavailable), "{told:?}");
        server.begin();
        must_serve_again(&store, 2 * round).await;
        must_serve_again(&other, 2 * round + 1).await;
        // All that was answered is there, and the scripts are sent again. With `everysec` it is not always: while the disk is
        // busy a server keeps what it answers for up to two seconds to itself.
        assert!(store.is_spent(&digest(1)).await.unwrap());
        let found = store.load(&[RecordKey::from_bytes(1_u128.to_be_bytes())]).await.unwrap();
        assert!(found.records()[0].is_some());
        assert!(find(&store, family(1, HOUR).id()).await.unwrap().is_some());
    }
}

/// Whether these are failures of the server that say this, five at most, and then calls that were not made.
fn are_told(failures: &[BackendError], texts: &[&str]) -> bool {
    failures.iter().enumerate().all(|(number, error)| {
        let said = said(error);
        let is_left_alone = number >= 5 && said.contains("left alone for a while");
        error.kind() == Unavailable && (is_left_alone || texts.iter().any(|text| said.contains(text)))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_is_503_at_the_deadline() {
    let Some(server) = Redis::start("frozen") else { return };
    let prefix = new_prefix();
    let store = builder(&server, &prefix).await.deadline(Duration::from_millis(300)).open().await.unwrap();
    // Its client gives up first, and says so.
    let hasty = manager(&server, Duration::from_millis(200)).await;
    let hasty = RedisStore::builder(hasty).prefix(&prefix).open().await.unwrap();
    assert!(all(&store, 1).await.is_empty());
    server.freeze(true);
    let start = Instant::now();
    let told = all(&store, 2).await;
    let took = start.elapsed();
    let by_client = all(&hasty, 3).await;
    server.freeze(false);
    assert_eq!((told.len(), by_client.len()), (LOOKUPS + WRITES, LOOKUPS + WRITES), "{told:?} {by_client:?}");
    assert!(took < Duration::from_secs(8), "{took:?}");
    assert!(are_told(&told, &["Redis gave no answer within 300 ms"]), "{told:?}");
    assert!(by_client.iter().all(|error| error.kind() == Unavailable), "{by_client:?}");
    must_serve_again(&store, 4).await;
    must_serve_again(&hasty, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_answers_nothing_not_even_what_only_reads() {
    let Some(server) = Redis::start("primary") else { return };
    let Some(other) = Redis::start("other-primary") else { return };
    let [store, _] = new_two(&server).await;
    assert!(all(&store, 1).await.is_empty());
    let mut connection = connect(&server).await;
    let mut follow = cmd("REPLICAOF");
    follow.arg("127.0.0.1").arg(other.port).exec_async(&mut connection).await.unwrap();
    let told = all(&store, 2).await;
    assert_eq!(told.len(), LOOKUPS + WRITES, "{told:?}");
    // It may load the data of the other one at first.
    assert!(are_told(&told, &["READONLY", "LOADING"]), "{told:?}");
    let start = Instant::now();
    while !lookups(&store).await.iter().any(|error| said(error).contains("READONLY")) {
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", lookups(&store).await);
    }
    assert_eq!(lookups(&store).await.len(), LOOKUPS);
    cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut connection).await.unwrap();
    must_serve_again(&store, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_refuses_what_needs_room_and_still_finds_and_ends() {
    let Some(server) = Redis::start("full") else { return };
    let [store, _] = new_two(&server).await;
    let login = family(1, HOUR);
    begin_family(&store, login.clone(), &digest(1), SystemTime::now()).await.unwrap();
    assert!(all(&store, 2).await.is_empty());
    let mut connection = connect(&server).await;
    cmd("CONFIG").arg("SET").arg("maxmemory").arg("1mb").exec_async(&mut connection).await.unwrap();
    let (told, looked) = (writes(&store, 3).await, lookups(&store).await);
    assert_eq!(told.len(), WRITES, "{told:?}");
    assert!(told.iter().all(|error| error.kind() == Unavailable && said(error).contains("OOM")), "{told:?}");
    // The others were none of its logins: `lookups` ends those of alice.
    assert!(looked.is_empty(), "{looked:?}");
    assert!(find(&store, login.id()).await.unwrap().unwrap().is_ended, "a login ends on a full server");
    let half = find(&store, family(3, HOUR).id()).await.unwrap();
    assert!(half.is_none(), "nothing is written of what is refused");
    cmd("CONFIG").arg("SET").arg("maxmemory").arg("0").exec_async(&mut connection).await.unwrap();
    must_serve_again(&store, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lacks_its_replicas_refuses_all() {
    let Some(server) = Redis::start("alone") else { return };
    let [store, _] = new_two(&server).await;
    assert!(all(&store, 1).await.is_empty());
    let mut connection = connect(&server).await;
    cmd("CONFIG").arg("SET").arg("min-replicas-to-write").arg("1").exec_async(&mut connection).await.unwrap();
    let told = all(&store, 2).await;
    assert_eq!(told.len(), LOOKUPS + WRITES, "{told:?}");
    assert!(are_told(&told, &["NOREPLICAS"]), "{told:?}");
    cmd("CONFIG").arg("SET").arg("min-replicas-to-write").arg("0").exec_async(&mut connection).await.unwrap();
    must_serve_again(&store, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let Some(server) = Redis::start("flush") else { return };
    let [store, other] = new_two(&server).await;
    let mut connection = connect(&server).await;
    for round in 1..4 {
        cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.unwrap();
        assert_eq!(all(&store, round).await.len() + all(&other, 100 + round).await.len(), 0);
    }
    // Known by its name, no script is sent a second time.
    let stats = async |connection: &mut redis::aio::MultiplexedConnection| -> String {
        cmd("INFO").arg("commandstats").query_async(connection).await.unwrap()
    };
    let count = |stats: &str, name: &str| -> u64 {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    let before = stats(&mut connection).await;
    assert!(all(&store, 50).await.is_empty());
    let after = stats(&mut connection).await;
    assert_eq!(count(&before, "eval"), count(&after, "eval"));
    assert!(count(&after, "evalsha") >= count(&before, "evalsha") + (LOOKUPS + WRITES) as u64, "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_503() {
    let Some(server) = Redis::start_with("busy", &["--appendonly", "no", "--busy-reply-threshold", "50"]) else {
        return;
    };
    let [store, _] = new_two(&server).await;
    assert!(all(&store, 1).await.is_empty());
    let (mut busy, mut connection) = (connect(&server).await, connect(&server).await);
    let looping = tokio::spawn(async move {
        let _ = cmd("EVAL").arg("while true do end").arg(0).query_async::<()>(&mut busy).await;
    });
    let start = Instant::now();
    let told = loop {
        let told = lookups(&store).await;
        if told.len() == LOOKUPS {
            break told;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "{told:?}");
    };
    // Those of the rounds before count, too.
    let is_told =
        |error: &BackendError| ["BUSY", "left alone for a while"].iter().any(|text| said(error).contains(text));
    assert!(told.iter().all(|error| error.kind() == Unavailable && is_told(error)), "{told:?}");
    cmd("SCRIPT").arg("KILL").exec_async(&mut connection).await.unwrap();
    looping.await.unwrap();
    must_serve_again(&store, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_loads_its_data_is_503_until_it_has() {
    let Some(server) = Redis::start("loading") else { return };
    let [store, _] = new_two(&server).await;
    let mut connection = connect(&server).await;
    for number in 0..200 {
        cmd("SET").arg(format!("key {number}")).arg("x".repeat(500)).exec_async(&mut connection).await.unwrap();
    }
    assert!(all(&store, 1).await.is_empty());
    cmd("SAVE").exec_async(&mut connection).await.unwrap();
    server.kill();
    server.begin_slowly();
    let start = Instant::now();
    while !server.says("-LOADING") {
        assert!(start.elapsed() < Duration::from_secs(10), "{}", server.log());
    }
    // Over a connection that is made while it loads, so that the server itself answers.
    let beside = RedisStore::builder(connect(&server).await).open().await.unwrap();
    let told = all(&beside, 2).await;
    // It answers now and then only, so the last of these calls may come when it has loaded.
    assert!(told.iter().any(|error| said(error).contains("LOADING")), "{told:?}");
    let is_told =
        |error: &BackendError| ["LOADING", "left alone for a while"].iter().any(|text| said(error).contains(text));
    assert!(told.iter().all(|error| error.kind() == Unavailable && is_told(error)), "{told:?}");
    while !server.says("+PONG") {
        assert!(start.elapsed() < Duration::from_secs(30), "{}", server.log());
    }
    must_serve_again(&beside, 3).await;
    must_serve_again(&store, 4).await;
    assert!(store.is_spent(&digest(1)).await.unwrap());
}
