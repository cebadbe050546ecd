//! A Redis server that is made for a run and thrown away after it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisFuture, Value};
use tower_password_grant::redis::RedisStore;

use crate::measured::Engine;
use crate::processor;
use crate::server::Redis;

pub const PREFIX: &str = "bench";

pub struct Server {
    pub redis: Redis,
    process: u32,
    /// The connection of those that look on.
    pub connection: MultiplexedConnection,
}

impl Server {
    /// Starts a server without a log.
    pub async fn start() -> Self {
        let options = ["--appendonly", "no", "--auto-aof-rewrite-percentage", "0"];
        let redis = Redis::start_with("engines", &options)
            .expect("no Redis server is installed (on Debian: apt-get install redis-server)");
        let mut connection = connect(&redis.url()).await;
        let process = field(&info(&mut connection, "server").await, "process_id").unwrap();
        Self { redis, process: process as u32, connection }
    }

    pub async fn number(&self, section: &str, name: &str) -> u64 {
        field(&info(&mut self.connection.clone(), section).await, name).unwrap_or_default()
    }

    /// How often scripts were called.
    pub async fn calls(&self) -> u64 {
        let text = info(&mut self.connection.clone(), "commandstats").await;
        let calls = |line: &str| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse().ok();
        text.lines().find_map(calls).unwrap_or_default()
    }

    pub async fn keys(&self) -> u64 {
        redis::cmd("DBSIZE").query_async(&mut self.connection.clone()).await.unwrap()
    }

    /// Writes a log from now on, and has the disk keep it so often.
    pub async fn set_log(&self, appendfsync: &str) {
        let mut connection = self.connection.clone();
        for (name, value) in [("appendfsync", appendfsync), ("appendonly", "yes")] {
            let _: () =
                redis::cmd("CONFIG").arg("SET").arg(name).arg(value).query_async(&mut connection).await.unwrap();
        }
        while self.number("persistence", "aof_rewrite_in_progress").await
            + self.number("persistence", "aof_rewrite_scheduled").await
            > 0
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// So many stores, each with a connection of its own.
    pub async fn open(&self, stores: usize) -> Vec<RedisStore> {
        let mut opened = Vec::new();
        for _ in 0..stores {
            opened.push(open(connect(&self.redis.url()).await).await);
        }
        opened
    }
}

async fn info(connection: &mut MultiplexedConnection, section: &str) -> String {
    redis::cmd("INFO").arg(section).query_async(connection).await.unwrap()
}

fn field(text: &str, name: &str) -> Option<u64> {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
    text.lines().find_map(value)
}

pub async fn connect(url: &str) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(60)));
    redis::Client::open(url).unwrap().get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

pub async fn open(connection: impl ConnectionLike + Clone + Send + Sync + 'static) -> RedisStore {
    RedisStore::builder(connection).prefix(PREFIX).deadline(Duration::from_secs(60)).open().await.unwrap()
}

impl Engine for Server {
    fn processor(&self) -> Duration {
        processor::of(self.process)
    }

    async fn log(&self) -> u64 {
        self.number("persistence", "aof_current_size").await
    }
}

/// A connection that notes the commands which go over it, word by word.
#[derive(Clone)]
pub struct Noted {
    connection: MultiplexedConnection,
    pub notes: Arc<Mutex<Vec<Vec<Vec<u8>>>>>,
}

impl Noted {
    pub async fn connect(url: &str) -> Self {
        Self { connection: connect(url).await, notes: Arc::default() }
    }

    /// The last commands, without those that loaded a script anew.
    pub fn last(&self, count: usize) -> Vec<Vec<Vec<u8>>> {
        let notes = self.notes.lock().unwrap();
        let by_name: Vec<_> = notes.iter().filter(|words| words[0] == b"EVALSHA").cloned().collect();
        by_name[by_name.len() - count..].to_vec()
    }
}

impl ConnectionLike for Noted {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        let words = command.args_iter().map(|word| match word {
            redis::Arg::Simple(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        });
        self.notes.lock().unwrap().push(words.collect());
        self.connection.req_packed_command(command)
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        self.connection.req_packed_commands(commands, offset, count)
    }

    fn get_db(&self) -> i64 {
        self.connection.get_db()
    }
}
