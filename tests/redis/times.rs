//! Clocks that differ: nothing vanishes because it is over already.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redis::cmd;
use tower_password_grant::ClientId;
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, OneTimeValues, RefreshTokenStore};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed, begin_family};

use crate::server::Redis;
use crate::stores::{connect, digest, family, make_two, new_prefix};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Times by which a clock may be wrong, and ones that nobody has.
fn times() -> Vec<SystemTime> {
    let now = SystemTime::now();
    let far = now.checked_add(8000 * YEAR).unwrap_or(now);
    vec![UNIX_EPOCH, UNIX_EPOCH - YEAR, now - YEAR, now - Duration::from_millis(1), now, now + YEAR, far]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_spent_once_whatever_the_clock_of_its_server_shows() {
    let Some(server) = Redis::start("skew") else { return };
    let stores = make_two(&server, &new_prefix()).await;
    for (number, expires) in times().into_iter().enumerate() {
        let value = digest(number as u64);
        let spent =
            [stores[0].consume(&value, expires).await.unwrap(), stores[1].consume(&value, expires).await.unwrap()];
        assert_eq!(spent, [true, false], "{expires:?}");
        assert!(stores[1].is_spent(&value).await.unwrap(), "{expires:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_over_when_they_come_are_kept_for_a_minute() {
    let Some(server) = Redis::start("skew-tokens") else { return };
    let [store, other] = make_two(&server, &new_prefix()).await;
    let now = SystemTime::now();
    for (number, expires) in times().into_iter().enumerate() {
        let token = digest(number as u64);
        let record = AccessTokenRecord::new("alice", ClientId::new("app").unwrap(), now, expires);
        store.insert(token.clone(), record).await.unwrap();
        assert!(AccessTokenStore::find(&other, &token).await.unwrap().is_some(), "{expires:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_has_an_end() {
    let Some(server) = Redis::start("ends") else { return };
    let prefix = new_prefix();
    let [store, _] = make_two(&server, &prefix).await;
    let lifetime = Duration::from_secs(3600);
    let first = family(1, lifetime);
    begin_family(&store, first.clone(), &digest(1), SystemTime::now()).await.unwrap();
    begin_family(&store, family(2, lifetime), &digest(2), SystemTime::now()).await.unwrap();
    let using = RefreshTokenUse::new(family(2, lifetime).id(), digest(2), SystemTime::now());
    assert_eq!(using.with_successor(digest(5), [7; 32]).by(&store).await.unwrap(), TokenUsed::Done);
    let (app, now) = (ClientId::new("app").unwrap(), SystemTime::now());
    for family in [None, Some(first.id())] {
        let record = AccessTokenRecord::new("alice", app.clone(), now, now + lifetime).with_family(family);
        store.insert(digest(3), record).await.unwrap();
    }
    store.consume(&digest(4), now + lifetime).await.unwrap();
    assert!(RefreshTokenStore::revoke_family(&store, first.id()).await.unwrap());
    let mut connection = connect(&server).await;
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 7, "{keys:?}");
    for key in keys {
        let left: u64 = cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
        // A login that was ended is kept for ten minutes, a spent value for an hour more.
        let most = if key.ends_with(&first.id().to_string()) { 600_000 } else { 7_200_000 };
        assert!(key.starts_with(&format!("{prefix}:")) && left > 590_000 && left <= most, "{key}: {left} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_soon_takes_nothing_out_of_the_lists_that_it_comes_into() {
    let Some(server) = Redis::start("lists") else { return };
    let [store, _] = make_two(&server, &new_prefix()).await;
    let (app, now) = (ClientId::new("app").unwrap(), SystemTime::now());
    let (long, short) = (family(1, YEAR), family(2, Duration::from_secs(60)));
    for (number, (login, lifetime)) in [(&long, YEAR), (&short, Duration::from_secs(60))].into_iter().enumerate() {
        begin_family(&store, login.clone(), &digest(number as u64), now).await.unwrap();
        // Both tokens are of the long login, and of no login.
        for family in [Some(long.id()), None] {
            let record = AccessTokenRecord::new("alice", app.clone(), now, now + lifetime).with_family(family);
            store.insert(digest(10 + 2 * number as u64 + u64::from(family.is_none())), record).await.unwrap();
        }
    }
    let mut connection = connect(&server).await;
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    let mut lists = 0;
    for key in keys {
        let kind: String = cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
        if kind == "zset" {
            let left: u128 = cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
            assert!(left > (YEAR - Duration::from_secs(3600)).as_millis(), "{key}: {left} ms");
            lists += 1;
        }
    }
    assert!(lists >= 3, "the logins of the subject, the tokens of the login, and what the subject has: {lists}");
}
