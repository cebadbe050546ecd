//! The suites that every store is held to, on one server and on a cluster of three.

use std::time::Duration;

use redis::cmd;
use tower_password_grant::limiter::{SharedKey, StoredLimiter};
use tower_password_grant::redis::RedisStore;
use tower_password_grant::testing::contract;

use crate::cluster::Cluster;
use crate::server::Redis;
use crate::stores::{connect, make_two, new_prefix, new_two};

async fn tokens(make: impl AsyncFn() -> [RedisStore; 2]) {
    contract::access_token_store(&make).await;
    contract::tokens_in_one_step(&make).await;
    contract::one_time_values(&make).await;
}

async fn limiters(make: impl AsyncFn() -> [RedisStore; 2]) {
    let key = SharedKey::new([7; 32]).unwrap();
    let make = async || make().await.map(|store| StoredLimiter::new(store, &key));
    contract::attempt_limiter(&make).await;
    contract::factor_limiter(&make).await;
    contract::limiter_operator(&make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_in_redis_keep_the_contract_rf_10_rf_13() {
    let Some(server) = Redis::start("refresh") else { return };
    contract::refresh_token_store(async || new_two(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_and_one_time_values_in_redis_keep_the_contract() {
    let Some(server) = Redis::start("tokens") else { return };
    tokens(async || new_two(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_attempts_in_redis_keep_the_contract() {
    let Some(server) = Redis::start("records") else { return };
    contract::attempt_records(async || new_two(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_attempts_in_redis_are_forgotten_when_they_say() {
    let Some(server) = Redis::start("time") else { return };
    let (prefix, connection) = (new_prefix(), connect(&server).await);
    let stores = make_two(&server, &prefix).await;
    // What is over then the server removes at once.
    let pass = async |time: Duration| {
        let mut connection = connection.clone();
        let keys: Vec<Vec<u8>> = cmd("KEYS").arg(format!("{prefix}:*")).query_async(&mut connection).await.unwrap();
        for key in keys {
            let last: i64 = cmd("PEXPIRETIME").arg(&key).query_async(&mut connection).await.unwrap();
            let earlier = last - time.as_millis() as i64;
            cmd("PEXPIREAT").arg(&key).arg(earlier).exec_async(&mut connection).await.unwrap();
        }
    };
    contract::attempt_records_over_time(async || stores.clone(), pass).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limiter_over_redis_keeps_the_contract_t2() {
    let Some(server) = Redis::start("limiter") else { return };
    limiters(async || new_two(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_in_a_cluster_keep_the_contract_rf_10_rf_13() {
    let Some(cluster) = Cluster::start("cluster-refresh").await else { return };
    contract::refresh_token_store(async || cluster.new_two().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_and_one_time_values_in_a_cluster_keep_the_contract() {
    let Some(cluster) = Cluster::start("cluster-tokens").await else { return };
    tokens(async || cluster.new_two().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn counted_attempts_in_a_cluster_keep_the_contract_t2() {
    let Some(cluster) = Cluster::start("cluster-limiter").await else { return };
    contract::attempt_records(async || cluster.new_two().await).await;
    limiters(async || cluster.new_two().await).await;
}
