//! A client library that sends a command again because it lost the answer, as that of a cluster does by itself.

use std::time::{Duration, SystemTime};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, Pipeline, RedisFuture, Value};
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, AttemptRecords, Guess, RecordChange, RecordKey, RecordStamp, Reserved, Settlement,
    SharedKey, StoredLimiter,
};
use tower_password_grant::redis::RedisStore;
use tower_password_grant::store::OneTimeValues;
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed, begin_family};
use tower_password_grant::user::AccountKey;

use crate::server::Redis;
use crate::stores::{connect, digest, family, find, new_prefix};

const HOUR: Duration = Duration::from_secs(3600);

/// Sends each script twice, and hands on the second answer.
#[derive(Clone)]
struct Twice(MultiplexedConnection);

impl ConnectionLike for Twice {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let is_script = cmd.args_iter().next().is_some_and(|name| matches!(name, redis::Arg::Simple(b"EVALSHA")));
            if is_script {
                self.0.req_packed_command(cmd).await?;
            }
            self.0.req_packed_command(cmd).await
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.0.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.0.get_db()
    }
}

async fn open(server: &Redis, prefix: &str) -> RedisStore {
    let store = RedisStore::builder(Twice(connect(server).await)).prefix(prefix);
    store.deadline(Duration::from_secs(30)).open().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_comes_twice_is_done_once_and_answered_as_the_first_time() {
    let Some(server) = Redis::start("twice") else { return };
    let store = open(&server, &new_prefix()).await;
    let now = SystemTime::now();
    for number in 0..20 {
        assert!(store.consume(&digest(number), now + HOUR).await.unwrap());
        assert!(!store.consume(&digest(number), now + HOUR).await.unwrap());
        let login = family(number, HOUR);
        begin_family(&store, login.clone(), &digest(number), now).await.unwrap();
        assert!(begin_family(&store, login.clone(), &digest(number), now).await.is_err(), "another call");
        let using =
            RefreshTokenUse::new(login.id(), digest(number), now).with_successor(digest(1000 + number), [7; 32]);
        assert_eq!(using.by(&store).await.unwrap(), TokenUsed::Done);
        // The successor is live, and was made once.
        let next = RefreshTokenUse::new(login.id(), digest(1000 + number), now);
        assert_eq!(next.with_successor(digest(2000 + number), [8; 32]).by(&store).await.unwrap(), TokenUsed::Done);
    }
    // With its text it comes once, by its name twice.
    assert_eq!(store.log_out(None, "alice").await.unwrap(), 20);
    for number in 0..20 {
        assert!(find(&store, family(number, HOUR).id()).await.unwrap().unwrap().is_ended);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_that_comes_twice_came_too_late() {
    let Some(server) = Redis::start("twice-swap") else { return };
    let store = open(&server, &new_prefix()).await;
    let key = RecordKey::from_bytes([1; 16]);
    let until = SystemTime::now() + HOUR;
    let change = |seen, stamp, byte| RecordChange::new(key, seen, stamp, vec![byte; 85], until);
    let (first, second) = (RecordStamp::from_bytes([7; 8]), RecordStamp::from_bytes([8; 8]));
    // Its name is not known to the server, which does nothing twice; with its text it comes once.
    assert!(store.swap(&[change(None, first, 7)]).await.unwrap());
    assert!(!store.swap(&[change(Some(first), second, 8)]).await.unwrap());
    assert_eq!(store.load(&[key]).await.unwrap().records()[0].as_ref().unwrap().bytes(), [8; 85]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guess_whose_swap_comes_twice_is_charged_once_and_given_back_once() {
    let Some(server) = Redis::start("twice-guess") else { return };
    let limiter = StoredLimiter::new(open(&server, &new_prefix()).await, &SharedKey::new([7; 32]).unwrap());
    let account = AccountKey::resolved("alice");
    let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, Some([192, 0, 2, 1].into()));
    let mut charged = 0;
    // Four are given back, the others stay.
    for number in 0..30 {
        let Reserved::Charged(reservation) = limiter.reserve(&key).await.unwrap() else { break };
        let settlement = if number < 4 { Settlement::Untried } else { Settlement::Denied };
        limiter.settle(reservation, settlement).await.unwrap();
        charged += u32::from(settlement == Settlement::Denied);
    }
    assert_eq!(charged, 10);
}
