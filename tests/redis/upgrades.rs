//! Servers of two versions over one Redis, while they are updated one after the other.
//!
//! The next version is made here: a program that writes one fact more with each login and each access token. A fact more is no other
//! version of what is written: the one before it reads the others, and leaves this one where it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Arg, Cmd, Pipeline, RedisFuture, Value, cmd};
use tower_password_grant::limiter::{SharedKey, StoredLimiter};
use tower_password_grant::redis::RedisStore;
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed, begin_family, contract};

use crate::server::Redis;
use crate::servers::{guesses, login_here_refresh_there};
use crate::stores::{builder, connect, digest, family, new_prefix};

const HOUR: Duration = Duration::from_secs(3600);
const FACT: &str = "\"device\":\"phone\",";

/// The connections of a program of the next version.
#[derive(Clone)]
struct Next {
    connection: MultiplexedConnection,
    found: Arc<Found>,
}

/// How often the next version has read what it wrote itself, and what the one before it wrote.
#[derive(Default)]
struct Found {
    own: AtomicU64,
    of_the_one_before: AtomicU64,
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// With one fact more, if it is a login or an access token.
fn with_fact(argument: &[u8]) -> Vec<u8> {
    // The facts stand behind random bytes, which may look like their beginning.
    let facts = argument.windows(10).rposition(|part| part == b"\"methods\":");
    let begin = facts.and_then(|facts| argument[..facts].windows(2).rposition(|pair| pair == b"{\""));
    match begin {
        Some(begin) => [&argument[..=begin], FACT.as_bytes(), &argument[begin + 1..]].concat(),
        None => argument.to_vec(),
    }
}

impl Next {
    fn look_at(&self, answer: &Value) {
        if let Value::BulkString(bytes) = answer
            && has(bytes, "\"methods\":")
        {
            let count = if has(bytes, FACT) { &self.found.own } else { &self.found.of_the_one_before };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl ConnectionLike for Next {
    fn req_packed_command<'a>(&'a mut self, given: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut command = Cmd::new();
            for argument in given.args_iter() {
                match argument {
                    Arg::Simple(bytes) => command.arg(with_fact(bytes)),
                    _ => panic!("a cursor"),
                };
            }
            let answer = self.connection.req_packed_command(&command).await?;
            self.look_at(&answer);
            Ok(answer)
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}

/// A store of the version before, and one of the next.
async fn two(server: &Redis, found: &Arc<Found>) -> (RedisStore, RedisStore) {
    let prefix = new_prefix();
    let next = Next { connection: connect(server).await, found: Arc::clone(found) };
    let next = RedisStore::builder(next).prefix(&prefix).deadline(Duration::from_secs(30));
    (builder(server, &prefix).await.open().await.unwrap(), next.open().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_version_writes_the_other_reads_in_both_directions() {
    let Some(server) = Redis::start("versions") else { return };
    let found = Arc::default();
    let before_and_next = async || {
        let (before, next) = two(&server, &found).await;
        [before, next]
    };
    let next_and_before = async || {
        let (before, next) = two(&server, &found).await;
        [next, before]
    };
    let key = SharedKey::new([7; 32]).unwrap();
    contract::refresh_token_store(before_and_next).await;
    contract::refresh_token_store(next_and_before).await;
    contract::access_token_store(before_and_next).await;
    contract::access_token_store(next_and_before).await;
    contract::tokens_in_one_step(before_and_next).await;
    contract::tokens_in_one_step(next_and_before).await;
    contract::one_time_values(before_and_next).await;
    contract::attempt_limiter(async || before_and_next().await.map(|store| StoredLimiter::new(store, &key))).await;
    let counts = [&found.own, &found.of_the_one_before].map(|count| count.load(Ordering::Relaxed));
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_two_versions_go_on_with_each_others_logins() {
    let Some(server) = Redis::start("roll-out") else { return };
    let found = Arc::default();
    let (before, next) = two(&server, &found).await;
    login_here_refresh_there([before, next]).await;
    let (before, next) = two(&server, &found).await;
    login_here_refresh_there([next, before]).await;
    let (before, next) = two(&server, &found).await;
    guesses([before, next], 2).await;
}

/// The one before does not know what it is for, and does not lose it.
#[tokio::test(flavor = "multi_thread")]
async fn a_fact_more_stays_with_a_login_that_the_version_before_rotates() {
    let Some(server) = Redis::start("fact") else { return };
    let (before, next) = two(&server, &Arc::default()).await;
    let (login, now) = (family(1, HOUR), SystemTime::now());
    begin_family(&next, login.clone(), &digest(1), now).await.unwrap();
    for number in 1..5 {
        let using = RefreshTokenUse::new(login.id(), digest(number), now).with_successor(digest(number + 1), [7; 32]);
        assert_eq!(using.by(&before).await.unwrap(), TokenUsed::Done);
        let mut connection = connect(&server).await;
        let keys: Vec<String> = cmd("KEYS").arg("*:family:*").query_async(&mut connection).await.unwrap();
        let written: Vec<u8> = cmd("GET").arg(&keys).query_async(&mut connection).await.unwrap();
        assert!(has(&written, FACT), "{keys:?}");
    }
}
