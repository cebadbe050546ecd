//! What a store sees of the settings of its server, says and refuses.

use std::time::{Duration, SystemTime};

use redis::{Client, cmd};
use tower_password_grant::limiter::{AttemptRecords, RecordChange, RecordKey, RecordStamp};
use tower_password_grant::redis::{RedisStore, RedisStoreError, RedisWarning};
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, OneTimeValues};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed, begin_family};

use crate::cluster::Cluster;
use crate::events;
use crate::server::Redis;
use crate::stores::{builder, connect, digest, family, manager, new_prefix};

async fn warnings(server: &Redis) -> Vec<RedisWarning> {
    builder(server, &new_prefix()).await.open().await.unwrap().check().await.unwrap()
}

/// While it writes its log anew, as after `appendonly yes`, a server may take no other value for a moment.
async fn set(server: &Redis, name: &str, value: &str) {
    let mut connection = connect(server).await;
    for _ in 0..500 {
        if cmd("CONFIG").arg("SET").arg(name).arg(value).exec_async(&mut connection).await.is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{name} is not {value}: {}", server.log());
}

#[tokio::test]
async fn what_the_settings_may_lose_is_told_at_the_start() {
    let Some(server) = Redis::start_with("told", &["--appendonly", "yes", "--appendfsync", "always"]) else { return };
    assert!(warnings(&server).await.is_empty());
    assert_eq!(events::of_this_thread(), "");

    set(&server, "appendfsync", "everysec").await;
    assert_eq!(warnings(&server).await, [RedisWarning::LateSync("everysec".to_owned())]);
    assert!(
        events::of_this_thread().contains("WARN")
            && events::of_this_thread().contains("a store promises less than it could")
    );
    assert!(events::of_this_thread().contains("`appendfsync` is `everysec`"), "{}", events::of_this_thread());

    set(&server, "appendonly", "no").await;
    assert_eq!(warnings(&server).await, [RedisWarning::NoLog]);
    assert!(events::of_this_thread().contains("`appendonly` is `no`"), "{}", events::of_this_thread());

    // A look at any time shows what was changed since.
    let store = builder(&server, &new_prefix()).await.open().await.unwrap();
    set(&server, "appendonly", "yes").await;
    set(&server, "appendfsync", "no").await;
    assert_eq!(store.check().await.unwrap(), [RedisWarning::LateSync("no".to_owned())]);
    set(&server, "maxmemory-policy", "volatile-ttl").await;
    assert!(matches!(store.check().await, Err(RedisStoreError::Evicts(policy)) if policy == "volatile-ttl"));
}

#[tokio::test]
async fn a_policy_that_forgets_keys_is_refused_with_or_without_a_limit() {
    let Some(server) = Redis::start("evicts") else { return };
    for policy in ["allkeys-lru", "volatile-lru", "allkeys-random", "volatile-ttl"] {
        set(&server, "maxmemory-policy", policy).await;
        let error = builder(&server, "p").await.open().await.unwrap_err();
        let told =
            format!("`maxmemory-policy` is {policy:?}, which forgets guesses and spent values: set it to `noeviction`");
        assert_eq!((error.to_string(), format!("{error:?}")), (told.clone(), told));
    }
}

#[tokio::test]
async fn replicas_are_told_and_one_is_refused() {
    let Some(server) = Redis::start("followed") else { return };
    let port = server.port.to_string();
    let Some(replica) = Redis::start_with("replica", &["--replicaof", "127.0.0.1", &port]) else { return };
    let mut warned = Vec::new();
    for _ in 0..500 {
        warned = warnings(&server).await;
        if warned.contains(&RedisWarning::Replicas(1)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(warned, [RedisWarning::NoLog, RedisWarning::Replicas(1)]);
    let error = builder(&replica, "p").await.open().await.unwrap_err();
    assert_eq!(error.to_string(), "the server is a replica: connect to its primary, or through a client that finds it");
}

#[tokio::test]
async fn what_the_server_does_not_let_be_seen_is_told_and_stops_nothing() {
    let Some(server) = Redis::start("unseen") else { return };
    let mut connection = connect(&server).await;
    let mut user = async |name: &str, rights: &[&str]| {
        let mut make = cmd("ACL");
        make.arg("SETUSER").arg(name).arg(&["on", "nopass", "~grant-*"]).arg(rights);
        make.exec_async(&mut connection).await.unwrap();
        let url = format!("redis://{name}:any@127.0.0.1:{}/", server.port);
        let client = Client::open(url).unwrap();
        let connection = redis::aio::ConnectionManager::new(client).await.unwrap();
        RedisStore::builder(connection).prefix(&new_prefix()).deadline(Duration::from_secs(30)).open().await.unwrap()
    };
    // What `INFO` says, too, is known all the same.
    assert_eq!(user("one", &["+@all", "-config"]).await.check().await.unwrap(), [RedisWarning::NoLog]);
    let store = user("other", &["+@all", "-config", "-info"]).await;
    let unseen = ["redis_version", "maxmemory-policy", "appendonly", "connected_slaves"].map(RedisWarning::Unseen);
    assert_eq!(store.check().await.unwrap(), unseen);
    assert_eq!(
        unseen[1].to_string(),
        "`maxmemory-policy` could not be seen: it is not known what is lost with the server"
    );
    set(&server, "appendonly", "yes").await;
    assert_eq!(
        user("third", &["+@all", "-config"]).await.check().await.unwrap(),
        [RedisWarning::Unseen("appendfsync")]
    );
    // These rights are enough for all of it, over the keys of its prefix alone.
    let least = ["+@read", "+@write", "+@scripting", "+time", "+info", "+config|get"];
    let store = user("least", &least).await;
    assert_eq!(store.check().await.unwrap(), [RedisWarning::LateSync("everysec".to_owned())]);
    let (login, now) = (family(1, Duration::from_secs(60)), SystemTime::now());
    begin_family(&store, login.clone(), &digest(1), now).await.unwrap();
    let using = RefreshTokenUse::new(login.id(), digest(1), now).with_successor(digest(2), [7; 32]);
    assert_eq!(using.by(&store).await.unwrap(), TokenUsed::Done);
    let record = AccessTokenRecord::new("alice", login.client().clone(), now, login.expires());
    store.insert(digest(3), record.with_family(Some(login.id()))).await.unwrap();
    assert!(AccessTokenStore::find(&store, &digest(3)).await.unwrap().is_some());
    assert!(store.consume(&digest(4), login.expires()).await.unwrap() && store.is_spent(&digest(4)).await.unwrap());
    let key = RecordKey::from_bytes([1; 16]);
    let change = RecordChange::new(key, None, RecordStamp::from_bytes([7; 8]), vec![7; 85], login.expires());
    assert!(store.swap(&[change]).await.unwrap() && store.load(&[key]).await.unwrap().records()[0].is_some());
    assert_eq!(store.log_out(None, "alice").await.unwrap(), 2);
}

#[tokio::test]
async fn of_a_cluster_every_primary_is_asked() {
    let Some(cluster) = Cluster::start("cluster-settings").await else { return };
    let store = cluster.open("p").await;
    assert_eq!(store.check().await.unwrap(), [RedisWarning::NoLog, RedisWarning::OneOfMany]);
    set(&cluster.servers[2], "maxmemory-policy", "allkeys-lru").await;
    assert!(matches!(store.check().await, Err(RedisStoreError::Evicts(policy)) if policy == "allkeys-lru"));
}

#[tokio::test]
async fn bad_options_are_errors_that_say_what_to_do() {
    let Some(server) = Redis::start("options") else { return };
    let error = builder(&server, "p").await.deadline(Duration::ZERO).open().await.unwrap_err();
    assert_eq!(error.to_string(), "a deadline of 0 leaves no time for an answer: give some milliseconds at least");
    let error = builder(&server, "p").await.access_tokens_per_login(0).open().await.unwrap_err();
    assert_eq!(error.to_string(), "a login needs at least one access token: give 1 or more");
    for prefix in ["", "a b", "a{b}", "\u{e4}", "a\n", &"x".repeat(65)] {
        let error = builder(&server, prefix).await.open().await.unwrap_err();
        let told = format!("{prefix:?} is no prefix of keys: give 1 to 64 visible ASCII characters without braces");
        assert_eq!(error.to_string(), told);
    }
    let connection = manager(&server, Duration::from_millis(500)).await;
    server.kill();
    let error = RedisStore::builder(connection).open().await.unwrap_err();
    assert!(matches!(error, RedisStoreError::Server(_)), "{error:?}");
}
