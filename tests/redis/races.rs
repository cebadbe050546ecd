//! Two stores at work on the same things at the same time.

use std::time::{Duration, SystemTime};

use tower_password_grant::ClientId;
use tower_password_grant::redis::RedisStore;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, RefreshTokenStore};
use tower_password_grant::testing::{begin_family, contract};

use crate::cluster::Cluster;
use crate::server::Redis;
use crate::stores::{digest, family, find, new_two};

const HOUR: Duration = Duration::from_secs(3600);

async fn logins_at_once(stores: [RedisStore; 2]) {
    let logins = (0..120).map(|number| {
        let (store, family) = (stores[number as usize % 2].clone(), family(number, HOUR));
        async move { begin_family(&store, family, &digest(number), SystemTime::now()).await.unwrap() }
    });
    let ended: Vec<_> = contract::together(logins).await.into_iter().flatten().collect();
    let (mut live, mut told) = (0, 0);
    for number in 0..120 {
        let id = family(number, HOUR).id();
        let found = find(&stores[0], id).await.unwrap().unwrap();
        live += u32::from(!found.is_ended);
        told += u32::from(ended.contains(&id));
        assert_eq!(found.is_ended, ended.contains(&id), "{id}");
    }
    assert_eq!((live, told), (100, 20));
    // One that is logged out makes room for another.
    let kept = (0..120).map(|number| family(number, HOUR).id()).find(|id| !ended.contains(id)).unwrap();
    assert!(RefreshTokenStore::revoke_family(&stores[1], kept).await.unwrap());
    assert!(begin_family(&stores[0], family(120, HOUR), &digest(120), SystemTime::now()).await.unwrap().is_empty());
    assert_eq!(stores[1].log_out(None, "alice").await.unwrap(), 100);
    assert_eq!(stores[0].log_out(None, "alice").await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_120_logins_at_once_over_two_stores_100_stay() {
    let Some(server) = Redis::start("logins") else { return };
    logins_at_once(new_two(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_120_logins_at_once_over_a_cluster_100_stay() {
    let Some(cluster) = Cluster::start("cluster-logins").await else { return };
    logins_at_once(cluster.new_two().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_access_token_comes_after_the_end_of_its_family() {
    let Some(server) = Redis::start("ends-race") else { return };
    let [one, other] = new_two(&server).await;
    let app = ClientId::new("app").unwrap();
    for round in 0..50 {
        let family = family(round, HOUR);
        let id = family.id();
        begin_family(&one, family, &digest(round), SystemTime::now()).await.unwrap();
        let calls = (0..40).map(|number| {
            let (one, other, app) = (one.clone(), other.clone(), app.clone());
            async move {
                let now = SystemTime::now();
                match number {
                    // In the midst of the others.
                    20 => drop(RefreshTokenStore::revoke_family(&one, id).await.unwrap()),
                    _ => {
                        let record = AccessTokenRecord::new("alice", app, now, now + HOUR).with_family(Some(id));
                        other.insert(digest(1000 * (round + 1) + number), record).await.unwrap();
                    }
                }
            }
        });
        contract::together(calls).await;
        for number in 0..40 {
            let token = digest(1000 * (round + 1) + number);
            assert!(AccessTokenStore::find(&one, &token).await.unwrap().is_none(), "round {round}: {number}");
        }
        assert_eq!(AccessTokenStore::revoke_family(&one, id).await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_is_logged_out_everywhere_with_all_its_tokens() {
    let Some(server) = Redis::start("log-out") else { return };
    let [one, other] = new_two(&server).await;
    let now = SystemTime::now();
    let mut tokens = Vec::new();
    for number in 0..6 {
        let login = family(number, HOUR);
        begin_family(&one, login.clone(), &digest(number), now).await.unwrap();
        // Two logins without a refresh token, at two clients.
        let holder = (number < 4).then_some(login.id());
        let client = ClientId::new(if number == 5 { "web" } else { "app" }).unwrap();
        let record = AccessTokenRecord::new("alice", client, now, now + HOUR).with_family(holder);
        one.insert(digest(100 + number), record).await.unwrap();
        tokens.push(digest(100 + number));
    }
    let record = AccessTokenRecord::new("alice", ClientId::new("app").unwrap(), now, now + HOUR);
    one.insert(digest(200), record.with_realm(Some("other"))).await.unwrap();
    assert_eq!(other.log_out(None, "alice").await.unwrap(), 6 + 6);
    for token in &tokens {
        assert!(AccessTokenStore::find(&one, token).await.unwrap().is_none());
    }
    assert!(AccessTokenStore::find(&one, &digest(200)).await.unwrap().is_some(), "a subject of another realm");
}
