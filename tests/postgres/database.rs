//! A server, schemas in it, and stores over them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, Pool, Runtime};
use tokio_postgres::{Client, Config, NoTls};
use tower_password_grant::postgres::{PostgresClients, PostgresStore, PostgresStoreBuilder};

use crate::cluster::Postgres;

pub type Pooled = PostgresClients<deadpool_postgres::Client>;

pub async fn connect(server: &Postgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A name that no other schema of this program has.
pub fn new_name() -> String {
    static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
    format!("grant {}", SCHEMAS.fetch_add(1, Ordering::Relaxed))
}

/// A builder over a pool of its own, as one process has it. Time bounds nothing here but where a test says so.
pub fn builder(server: &Postgres, schema: &str) -> PostgresStoreBuilder<Pooled> {
    builder_over(&server.url(), schema)
}

pub fn builder_over(url: &str, schema: &str) -> PostgresStoreBuilder<Pooled> {
    PostgresStore::builder(pooled(url)).schema(schema).deadline(Duration::from_secs(30))
}

/// A pool of its own.
pub fn pooled(url: &str) -> Pooled {
    let config: Config = url.parse().unwrap();
    let pool = Pool::builder(Manager::new(config, NoTls)).max_size(8).runtime(Runtime::Tokio1).build().unwrap();
    let get = move || {
        let pool = pool.clone();
        async move { pool.get().await }
    };
    PostgresClients::pooled(get, |client: &deadpool_postgres::Client| client)
}

/// Two stores over empty tables, as two processes have them.
pub async fn make_two(server: &Postgres, schema: &str) -> [PostgresStore; 2] {
    make_two_over(&server.url(), schema).await
}

pub async fn make_two_over(url: &str, schema: &str) -> [PostgresStore; 2] {
    builder_over(url, schema).migrate().await.unwrap();
    [builder_over(url, schema).open().await.unwrap(), builder_over(url, schema).open().await.unwrap()]
}

pub async fn new_two(server: &Postgres) -> [PostgresStore; 2] {
    make_two(server, &new_name()).await
}

/// The errors in the server's log. A conflict is an answer: an attacker could fill the log with what is not.
pub fn errors(server: &Postgres) -> Vec<String> {
    let is_error = |line: &&str| line.contains("ERROR:") || line.contains("FATAL:") || line.contains("PANIC:");
    server.log().lines().filter(is_error).map(str::to_owned).collect()
}
