//! The engines, each started for this program and killed by it, and the stores over them.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use redis::Client;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio_postgres::{Config, NoTls};
use tower_password_grant::limiter::AttemptRecords;
use tower_password_grant::postgres::{PostgresClients, PostgresStore};
use tower_password_grant::redis::{RedisStore, RenewingConnection};
use tower_password_grant::store::{AccessTokenStore, OneTimeValues, RefreshTokenStore};

use super::cluster::Postgres;
use super::server::Redis;

/// A schema or a prefix, which all processes have in common.
const NAME: &str = "shared";

/// An engine that this program may kill. It ends with this value.
pub enum Engine {
    Postgres(Postgres),
    Redis(Redis),
}

impl Engine {
    pub fn postgres(name: &str) -> Option<Self> {
        Postgres::start(&format!("shared-{name}")).map(Self::Postgres)
    }

    /// One that has written each change to its disk when it answers.
    pub fn redis(name: &str) -> Option<Self> {
        let durable = ["--appendonly", "yes", "--appendfsync", "always"];
        Redis::start_with(&format!("shared-{name}"), &durable).map(Self::Redis)
    }

    pub fn title(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "PostgreSQL",
            Self::Redis(_) => "Redis",
        }
    }

    pub fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port,
            Self::Redis(server) => server.port,
        }
    }

    /// Its address, or that of what stands before it.
    pub fn url_through(&self, port: u16) -> String {
        match self {
            Self::Postgres(_) => format!("postgres://postgres@127.0.0.1:{port}/postgres"),
            Self::Redis(_) => format!("redis://127.0.0.1:{port}/"),
        }
    }

    pub fn url(&self) -> String {
        self.url_through(self.port())
    }

    /// SIGKILL to all its processes.
    pub fn kill(&self) {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Redis(server) => server.kill(),
        }
    }

    /// Starts it again over what it has kept, and waits until it takes connections.
    pub fn begin(&self) {
        match self {
            Self::Postgres(server) => server.begin(),
            Self::Redis(server) => server.begin(),
        }
    }
}

/// What both engines keep.
pub trait Store: AttemptRecords + RefreshTokenStore + AccessTokenStore + OneTimeValues + Clone {
    /// How many calls a statement or command is, if its connection is checked before.
    const CALLS: usize;

    /// Opens one over the engine at this URL.
    fn open(url: &str, options: Options) -> impl Future<Output = Self> + Send;

    /// Removes what is over, where the engine does not do so by itself. Answers how many rows there were.
    fn prune(&self) -> impl Future<Output = u64> + Send;
}

impl Store for PostgresStore {
    const CALLS: usize = 2;

    async fn open(url: &str, options: Options) -> Self {
        open_postgres(url, options).await
    }

    async fn prune(&self) -> u64 {
        Self::prune(self).await.unwrap()
    }
}

impl Store for RedisStore {
    const CALLS: usize = 1;

    async fn open(url: &str, options: Options) -> Self {
        open_redis(url, options).await
    }

    async fn prune(&self) -> u64 {
        0
    }
}

/// How an application sets up a store.
#[derive(Clone, Copy)]
pub struct Options {
    /// Of one call.
    pub deadline: Duration,
    /// Whether a connection is tried before it is used, and given up if it does not answer soon.
    pub is_checked: bool,
}

/// Time bounds little here: other tests may have the processors.
pub const SOUND: Options = Options { deadline: Duration::from_secs(4), is_checked: false };

/// A pool of its own, as each process has one.
fn postgres_clients(url: &str, options: Options) -> PostgresClients<deadpool_postgres::Client> {
    let config: Config = url.parse().unwrap();
    let method = if options.is_checked { RecyclingMethod::Verified } else { RecyclingMethod::Fast };
    let manager = Manager::from_config(config, NoTls, ManagerConfig { recycling_method: method });
    let pool = Pool::builder(manager)
        .max_size(8)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(options.deadline))
        .create_timeout(Some(options.deadline))
        .recycle_timeout(Some(options.deadline / 3));
    let pool = pool.build().unwrap();
    let get = move || {
        let pool = pool.clone();
        async move { pool.get().await }
    };
    PostgresClients::pooled(get, |client: &deadpool_postgres::Client| client)
}

/// Makes the tables, if there are none.
async fn open_postgres(url: &str, options: Options) -> PostgresStore {
    let builder = || PostgresStore::builder(postgres_clients(url, options)).schema(NAME).deadline(options.deadline);
    let migrate = || {
        let builder = builder();
        async move { builder.migrate().await }
    };
    patiently(migrate).await;
    patiently(|| builder().open()).await
}

async fn open_redis(url: &str, options: Options) -> RedisStore {
    let config = ConnectionManagerConfig::new()
        .set_max_delay(Duration::from_millis(500))
        .set_connection_timeout(Some(options.deadline))
        .set_response_timeout(Some(options.deadline.mul_f64(0.9)));
    let client = Client::open(url).unwrap();
    let connect = move || ConnectionManager::new_with_config(client.clone(), config.clone());
    let connection = patiently(|| RenewingConnection::new(connect.clone())).await;
    let builder = || RedisStore::builder(connection.clone()).prefix(NAME).deadline(options.deadline);
    patiently(|| builder().open()).await
}

/// As an application does that waits for its engine.
async fn patiently<T, E: Debug, F: Future<Output = Result<T, E>>>(open: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        match open().await {
            Ok(opened) => return opened,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(60), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
