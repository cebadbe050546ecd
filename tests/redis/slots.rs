//! Slots of a cluster that are elsewhere, or move.

use std::time::{Duration, SystemTime};

use redis::cmd;
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::redis::RedisStore;
use tower_password_grant::store::{OneTimeValues, RefreshTokenStore};
use tower_password_grant::testing::begin_family;

use crate::cluster::Cluster;
use crate::stores::{connect, digest, family, manager, said};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_follow_a_cluster_is_told_where_the_slot_is() {
    let Some(cluster) = Cluster::start("moved").await else { return };
    let store = RedisStore::builder(manager(&cluster.servers[0], Duration::from_secs(30)).await);
    let store = store.prefix("moved").open().await.unwrap();
    let mut told = Vec::new();
    for number in 0..20 {
        told.extend(store.consume(&digest(number), SystemTime::now() + HOUR).await.err());
    }
    // Two of three slots are elsewhere.
    assert!(told.len() > 5 && told.len() < 20, "{told:?}");
    assert!(told.iter().all(|error| error.kind() == Unavailable && said(error).contains("MOVED")), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_that_moves_takes_its_logins_with_it() {
    let Some(cluster) = Cluster::start("moving").await else { return };
    let [store, other] = cluster.new_two().await;
    let login = family(1, HOUR);
    begin_family(&store, login.clone(), &digest(1), SystemTime::now()).await.unwrap();
    // The slot of the place 0, from the server that has it to another one.
    let mut connections = Vec::new();
    for server in &cluster.servers {
        connections.push(connect(server).await);
    }
    let slot: usize = cmd("CLUSTER").arg("KEYSLOT").arg("{0000}").query_async(&mut connections[0]).await.unwrap();
    let mut ids: Vec<String> = Vec::new();
    for connection in &mut connections {
        ids.push(cmd("CLUSTER").arg("MYID").query_async(connection).await.unwrap());
    }
    let from = (0..3).rfind(|number| slot >= 16_384 * number / 3).unwrap();
    let to = (from + 1) % 3;
    let set = |state: &str, node: &str| {
        let mut set = cmd("CLUSTER");
        set.arg("SETSLOT").arg(slot).arg(state).arg(node);
        set
    };
    set("IMPORTING", &ids[from]).exec_async(&mut connections[to]).await.unwrap();
    set("MIGRATING", &ids[to]).exec_async(&mut connections[from]).await.unwrap();
    let keys: Vec<Vec<u8>> =
        cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(100).query_async(&mut connections[from]).await.unwrap();
    assert_eq!(keys.len(), 2, "the login, and the list of its subject's");
    let mut moving = cmd("MIGRATE");
    moving.arg("127.0.0.1").arg(cluster.servers[to].port).arg("").arg(0).arg(5000).arg("KEYS").arg(&keys);
    moving.exec_async(&mut connections[from]).await.unwrap();
    // Halfway the client is sent on.
    assert!(store.find(login.id()).await.unwrap().is_some());
    for (number, connection) in connections.iter_mut().enumerate() {
        if number != from {
            set("NODE", &ids[to]).exec_async(connection).await.unwrap();
        }
    }
    set("NODE", &ids[to]).exec_async(&mut connections[from]).await.unwrap();
    assert!(RefreshTokenStore::revoke_family(&other, login.id()).await.unwrap());
    assert!(store.find(login.id()).await.unwrap().unwrap().is_ended);
}
