//! Counts that are at a replica before they count.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, ConnectionManager};
use redis::{Cmd, Pipeline, RedisFuture, Value, cmd};
use tower_password_grant::BackendError;
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, AttemptRecords, Guess, Limits, Lockout, RecordKey, Reserved, Settlement, SharedKey,
    StoredLimiter,
};
use tower_password_grant::redis::{RedisStore, RedisStoreError};
use tower_password_grant::store::OneTimeValues;
use tower_password_grant::testing::contract;
use tower_password_grant::user::AccountKey;

use crate::cluster::Cluster;
use crate::server::Redis;
use crate::stores::{builder, connect, digest, manager, new_prefix, said};

const PATIENT: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(200);

/// A server and its replica, which has all that it had at first.
async fn start(name: &str) -> Option<[Redis; 2]> {
    let primary = Redis::start(name)?;
    let port = primary.port.to_string();
    let replica =
        Redis::start_with(&format!("{name}-replica"), &["--appendonly", "no", "--replicaof", "127.0.0.1", &port])?;
    follows(&replica).await;
    Some([primary, replica])
}

async fn follows(replica: &Redis) {
    let (mut connection, start) = (connect(replica).await, Instant::now());
    loop {
        let info: String = cmd("INFO").arg("replication").query_async(&mut connection).await.unwrap();
        if info.contains("master_link_status:up") {
            return;
        }
        assert!(start.elapsed() < PATIENT, "{info} {}", replica.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A store that waits for a replica.
async fn open(server: &Redis, prefix: &str, within: Duration) -> RedisStore {
    let waiting = manager(server, PATIENT).await;
    builder(server, prefix).await.wait_for_replicas(waiting, 1, within).open().await.unwrap()
}

fn limiter(store: RedisStore) -> StoredLimiter<RedisStore> {
    let limits = Limits::new().with_account_and_address_budget(Lockout::new(10, Duration::from_secs(900)));
    StoredLimiter::new(store, &SharedKey::new([7; 32]).unwrap()).with_limits(limits)
}

async fn reserve(limiter: &impl AttemptLimiter, account: &str) -> Result<Reserved, BackendError> {
    let account = AccountKey::resolved(account);
    let address = IpAddr::from([192, 0, 2, 1]);
    limiter.reserve(&AttemptKey::new(Guess::Account { realm: None, account: &account }, Some(address))).await
}

/// How many guesses are let in until there is a lock.
async fn budget(limiter: &impl AttemptLimiter, account: &str) -> u32 {
    let mut charged = 0;
    while let Reserved::Charged(reservation) = reserve(limiter, account).await.unwrap() {
        limiter.settle(reservation, Settlement::Denied).await.unwrap();
        charged += 1;
    }
    charged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_that_waits_for_a_replica_keeps_the_contract_t2() {
    let Some([primary, _replica]) = start("replica-contract").await else { return };
    let two = async || {
        let prefix = new_prefix();
        [open(&primary, &prefix, PATIENT / 2).await, open(&primary, &prefix, PATIENT / 2).await]
    };
    contract::attempt_records(two).await;
    let key = SharedKey::new([7; 32]).unwrap();
    contract::attempt_limiter(async || two().await.map(|store| StoredLimiter::new(store, &key))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_is_there_after_a_fail_over_to_the_replica() {
    let Some([primary, replica]) = start("fail-over").await else { return };
    for round in 0..5 {
        let prefix = new_prefix();
        let counts = limiter(open(&primary, &prefix, Duration::from_secs(5)).await);
        assert_eq!(budget(&counts, "alice").await, 10);
        // All that was answered is at the replica, whatever becomes of the server from now on.
        primary.kill();
        let mut promote = connect(&replica).await;
        cmd("REPLICAOF").arg("NO").arg("ONE").exec_async(&mut promote).await.unwrap();
        let after = limiter(builder(&replica, &prefix).await.open().await.unwrap());
        assert_eq!(budget(&after, "alice").await, 0, "round {round}");
        primary.begin();
        cmd("REPLICAOF").arg("127.0.0.1").arg(primary.port).exec_async(&mut promote).await.unwrap();
        follows(&replica).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_replicas_no_secret_is_verified_and_each_guess_is_charged_once() {
    let Some([primary, replica]) = start("too-few").await else { return };
    let store = open(&primary, &new_prefix(), SOON).await;
    let counts = limiter(store.clone());
    let Reserved::Charged(given_back) = reserve(&counts, "alice").await.unwrap() else { panic!() };
    replica.freeze(true);
    for guess in 0..3 {
        let start = Instant::now();
        let error = reserve(&counts, "alice").await.unwrap_err();
        assert_eq!(error.kind(), Unavailable);
        assert!(
            said(&error).contains("0 replicas of Redis had in time what was counted, and not 1"),
            "{guess}: {error:?}"
        );
        // One wait for the swap, and one for what became of it.
        assert!((SOON..PATIENT).contains(&start.elapsed()), "{:?}", start.elapsed());
    }
    // It is taken back at the server, which is not known to outlive it: told as an error, and found later.
    let error = counts.settle(given_back, Settlement::Untried).await;
    assert!(error.is_err_and(|error| error.kind() == Unavailable));
    // The server serves all else meanwhile, also while the replicas are left alone.
    for number in 0..10 {
        let left_alone = reserve(&counts, &format!("user-{number}")).await.unwrap_err();
        assert_eq!(left_alone.kind(), Unavailable);
        assert!(store.consume(&digest(number), std::time::SystemTime::now() + PATIENT).await.unwrap());
    }
    replica.freeze(false);
    let start = Instant::now();
    let first = loop {
        match reserve(&counts, "alice").await {
            Ok(reserved) => break reserved,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(5), "not served again: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let Reserved::Charged(first) = first else { panic!("a lock") };
    counts.settle(first, Settlement::Denied).await.unwrap();
    // Some of those that failed may not have come to the server: no more than the budget was let in, and none was charged twice.
    let left = budget(&counts, "alice").await;
    assert!((5..=9).contains(&left), "{left}");
    let other = limiter(open(&primary, &new_prefix(), SOON).await);
    assert_eq!(budget(&other, "alice").await, 10);
}

/// What is not known to have happened is looked up and would be found at the server: it must not count before the replicas have it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_counts_once_the_replicas_have_it() {
    let Some([primary, replica]) = start("owed").await else { return };
    let prefix = new_prefix();
    let counts = limiter(open(&primary, &prefix, SOON).await);
    assert!(matches!(reserve(&counts, "alice").await.unwrap(), Reserved::Charged(_)));
    replica.freeze(true);
    assert!(reserve(&counts, "bob").await.is_err());
    // The charge is at the server, and this is not the limiter that wrote it.
    let keys: Vec<String> =
        cmd("KEYS").arg(format!("{prefix}:{{attempts}}:*")).query_async(&mut connect(&primary).await).await.unwrap();
    assert!(keys.len() > 3, "{keys:?}");
    // Over new connections, too, of which the server would say that nothing is owed.
    let mut connection = connect(&primary).await;
    cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec_async(&mut connection).await.unwrap();
    for _ in 0..4 {
        assert!(reserve(&counts, "bob").await.is_err());
    }
    replica.freeze(false);
    let start = Instant::now();
    while reserve(&counts, "bob").await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A connection whose library loses the answer to several commands each time, and sends them once more.
#[derive(Clone)]
struct Twice(ConnectionManager);

impl ConnectionLike for Twice {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        self.0.req_packed_command(cmd)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        all: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let _lost = self.0.req_packed_commands(all, offset, count).await;
            self.0.req_packed_commands(all, offset, count).await
        })
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

/// The second time it is answered that another was first, and the replicas have neither.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_library_sends_twice_counts_once_the_replicas_have_it() {
    let Some([primary, replica]) = start("sent-twice").await else { return };
    let waiting = Twice(manager(&primary, PATIENT).await);
    let builder = builder(&primary, &new_prefix()).await.wait_for_replicas(waiting, 1, SOON);
    let counts = limiter(builder.open().await.unwrap());
    assert!(matches!(reserve(&counts, "alice").await.unwrap(), Reserved::Charged(_)));
    replica.freeze(true);
    assert_eq!(reserve(&counts, "alice").await.unwrap_err().kind(), Unavailable);
    replica.freeze(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_loaded_while_another_load_still_waits_for_the_replicas() {
    let Some([primary, replica]) = start("loads").await else { return };
    let store = open(&primary, &new_prefix(), SOON).await;
    let counts = limiter(store.clone());
    replica.freeze(true);
    assert!(reserve(&counts, "alice").await.is_err());
    let load = async |wait| {
        tokio::time::sleep(wait).await;
        AttemptRecords::load(&store, &[RecordKey::from_bytes([1; 16])]).await
    };
    let (first, second) = tokio::join!(load(Duration::ZERO), load(SOON / 4));
    assert!(first.is_err() && second.is_err(), "{first:?} {second:?}");
    replica.freeze(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_that_the_server_forgot_are_sent_again_before_replicas_are_waited_for() {
    let Some([primary, _replica]) = start("replica-flush").await else { return };
    let counts = limiter(open(&primary, &new_prefix(), Duration::from_secs(5)).await);
    let mut connection = connect(&primary).await;
    for number in 0..3 {
        cmd("SCRIPT").arg("FLUSH").exec_async(&mut connection).await.unwrap();
        assert!(matches!(reserve(&counts, &format!("user-{number}")).await.unwrap(), Reserved::Charged(_)));
    }
}

/// Each of its servers is without a replica.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_waited_for_at_the_server_that_has_the_counts() {
    let Some(cluster) = Cluster::start("cluster-replicas").await else { return };
    let builder = RedisStore::builder(cluster.connect().await).prefix(&new_prefix()).deadline(PATIENT);
    let waiting = builder.wait_for_replicas(cluster.connect().await, 1, SOON);
    let error = reserve(&limiter(waiting.open().await.unwrap()), "alice").await.unwrap_err();
    assert!(said(&error).contains("0 replicas of Redis had in time"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_nothing_or_for_ever_is_refused() {
    let Some(server) = Redis::start("waits") else { return };
    let open = async |replicas, within| {
        let waiting = manager(&server, PATIENT).await;
        builder(&server, "x").await.wait_for_replicas(waiting, replicas, within).open().await.unwrap_err()
    };
    assert!(matches!(open(0, SOON).await, RedisStoreError::NoReplicas));
    for within in [Duration::ZERO, Duration::from_micros(999), PATIENT] {
        assert!(matches!(open(1, within).await, RedisStoreError::Wait(_)));
    }
    assert_eq!(
        open(1, Duration::ZERO).await.to_string(),
        "replicas cannot be waited for within 0 ms: give 1 ms or more, and half of the deadline or less"
    );
}
