//! How much room everything takes in the server.

use std::time::{Duration, SystemTime};

use redis::cmd;
use tower_password_grant::ClientId;
use tower_password_grant::limiter::{AttemptRecords, RecordChange, RecordKey, RecordStamp};
use tower_password_grant::store::{AccessTokenRecord, AccessTokenStore, FamilyId, OneTimeValues, RefreshFamily};
use tower_password_grant::testing::{RefreshTokenUse, begin_family};

use crate::server::Redis;
use crate::stores::{connect, digest, make_two};

const HOUR: Duration = Duration::from_secs(3600);
const COUNT: u64 = 2_000;

/// What the server has taken since it started, and what it takes after this.
async fn room(server: &Redis) -> u64 {
    let info: String = cmd("INFO").arg("memory").query_async(&mut connect(server).await).await.unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory_dataset:")).unwrap();
    used.trim().parse().unwrap()
}

/// The bound of each is what the documentation says, and some more: allocators differ.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_takes_the_room_that_is_documented() {
    let Some(server) = Redis::start("room") else { return };
    let [store, _] = make_two(&server, "password_grant").await;
    let (app, now) = (ClientId::new("app").unwrap(), SystemTime::now());
    let family = |number: u64| {
        let id = FamilyId::from_bytes((u128::from(number) << 64 | u128::from(number) << 112).to_be_bytes());
        RefreshFamily::new(id, format!("user-{number:08}"), app.clone(), now, now + 24 * HOUR)
            .with_scope("read write".parse().unwrap())
            .with_grant_type(Some("password"))
    };
    let token = |number: u64| {
        AccessTokenRecord::new(format!("user-{number:08}"), app.clone(), now, now + HOUR)
            .with_scope("read write".parse().unwrap())
            .with_authenticated_at(Some(now))
    };
    let mut seen = Vec::new();
    let mut before = room(&server).await;
    let mut measure = async |what: &'static str, most: u64| {
        let after = room(&server).await;
        let each = after.saturating_sub(before) / COUNT;
        before = after;
        println!("{what}: {each} bytes");
        seen.push((what, each, most));
    };
    for number in 0..COUNT {
        begin_family(&store, family(number), &digest(number), now).await.unwrap();
        let using = RefreshTokenUse::new(family(number).id(), digest(number), now);
        using.with_successor(digest(COUNT + number), [7; 32]).by(&store).await.unwrap();
    }
    measure("a login", 1_200).await;
    for number in 0..COUNT {
        let record = token(number).with_family(Some(family(number).id()));
        store.insert(digest(number), record).await.unwrap();
    }
    measure("its first access token", 900).await;
    for number in 0..COUNT {
        store.insert(digest(COUNT + number), token(number).with_family(Some(family(number).id()))).await.unwrap();
    }
    measure("another one", 600).await;
    for number in 0..COUNT {
        store.consume(&digest(number), now + HOUR).await.unwrap();
    }
    measure("a spent value", 250).await;
    for number in 0..COUNT {
        let key = RecordKey::from_bytes(u128::from(number).to_be_bytes());
        let change = RecordChange::new(key, None, RecordStamp::from_bytes([7; 8]), vec![7; 85], now + HOUR);
        assert!(store.swap(&[change]).await.unwrap());
    }
    measure("a record of attempts", 350).await;
    for (what, each, most) in seen {
        assert!(each > 50 && each <= most, "{what}: {each} bytes");
    }
}
