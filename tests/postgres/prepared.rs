//! Statements of `tokio-postgres` have no name, unless that is asked for; then each is prepared once on each connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bb8_postgres::PostgresConnectionManager;
use deadpool_postgres::{Manager, Pool, Runtime};
use tokio_postgres::NoTls;
use tower_password_grant::postgres::{PostgresCell, PostgresClients, PostgresConnection, PostgresStore};
use tower_password_grant::store::{OneTimeValues, SecretDigest};
use tower_password_grant::testing::contract;

use crate::cluster::Postgres;
use crate::contract as suites;
use crate::database::{builder, connect, new_name};

const PATIENT: Duration = Duration::from_secs(30);

type Deadpool = PostgresClients<deadpool_postgres::Client>;

fn pool(server: &Postgres, connections: usize) -> Pool {
    let manager = Manager::new(server.url().parse().unwrap(), NoTls);
    Pool::builder(manager).max_size(connections).runtime(Runtime::Tokio1).build().unwrap()
}

fn deadpool(server: &Postgres, connections: usize) -> Deadpool {
    let pool = pool(server, connections);
    let get = move || {
        let pool = pool.clone();
        async move { pool.get().await }
    };
    PostgresClients::pooled(get, |client: &deadpool_postgres::Client| client)
}

pub fn deadpool_prepared(server: &Postgres, connections: usize) -> Deadpool {
    let pool = pool(server, connections);
    let get = move || {
        let pool = pool.clone();
        async move { pool.get().await }
    };
    PostgresClients::pooled_prepared(
        get,
        |client: &deadpool_postgres::Client| client,
        |client, text, types| Box::pin(client.prepare_typed_cached(text, types)),
    )
}

pub async fn open(connections: impl PostgresConnection, name: &str) -> PostgresStore {
    PostgresStore::builder(connections).schema(name).deadline(PATIENT).open().await.unwrap()
}

/// How many statements have a name on this connection, without the one that asks.
async fn names(connection: &impl PostgresConnection) -> i64 {
    let query = "SELECT count(*) FROM pg_prepared_statements WHERE statement NOT LIKE '%pg_prepared%'";
    match connection.query(query, &[]).await.unwrap()[0][..] {
        [PostgresCell::BigInt(count)] => count,
        ref other => panic!("{other:?}"),
    }
}

/// How many statements have a name after five values were spent, and after five more.
async fn names_by_use(server: &Postgres, connection: impl PostgresConnection) -> (i64, i64) {
    let (name, connection) = (new_name(), Arc::new(connection));
    builder(server, &name).migrate().await.unwrap();
    let store = open(Arc::clone(&connection), &name).await;
    let spend = async |values: std::ops::Range<u32>| {
        for value in values {
            let value = SecretDigest::of(&value.to_string());
            assert!(store.consume(&value, SystemTime::now() + PATIENT).await.unwrap());
            assert!(store.is_spent(&value).await.unwrap());
        }
        names(&*connection).await
    };
    (spend(0..5).await, spend(5..10).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_have_no_name_but_where_it_is_asked_for_and_each_is_prepared_once() {
    let Some(server) = Postgres::start("postgres-prepared-names") else { return };
    assert_eq!(names_by_use(&server, PostgresClients::one(connect(&server).await)).await, (0, 0));
    assert_eq!(names_by_use(&server, deadpool(&server, 1)).await, (0, 0));
    for (first, then) in [
        names_by_use(&server, PostgresClients::one_prepared(connect(&server).await)).await,
        names_by_use(&server, deadpool_prepared(&server, 1)).await,
    ] {
        assert!((2..10).contains(&first) && then == first, "{first} {then}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_keep_their_contracts_with_prepared_statements_of_a_pool() {
    let Some(server) = Postgres::start("postgres-prepared") else { return };
    let make = async || {
        let name = new_name();
        builder(&server, &name).migrate().await.unwrap();
        [open(deadpool_prepared(&server, 8), &name).await, open(deadpool_prepared(&server, 8), &name).await]
    };
    suites::short(&server, make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_with_prepared_statements_does() {
    let Some(server) = Postgres::start("postgres-one-prepared") else { return };
    let make = async || {
        let name = new_name();
        builder(&server, &name).migrate().await.unwrap();
        let open = async || open(PostgresClients::one_prepared(connect(&server).await), &name).await;
        [open().await, open().await]
    };
    contract::one_time_values(make).await;
    contract::tokens_in_one_step(make).await;
    suites::clients(make).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_bb8_does() {
    let Some(server) = Postgres::start("postgres-bb8") else { return };
    let make = async || {
        let name = new_name();
        builder(&server, &name).migrate().await.unwrap();
        let open = async || {
            let manager = PostgresConnectionManager::new(server.url().parse().unwrap(), NoTls);
            let pool = bb8_postgres::bb8::Pool::builder().max_size(4).build(manager).await.unwrap();
            let get = move || {
                let pool = pool.clone();
                async move { pool.get_owned().await }
            };
            open(PostgresClients::pooled(get, |client| client), &name).await
        };
        [open().await, open().await]
    };
    contract::one_time_values(make).await;
    contract::tokens_in_one_step(make).await;
    suites::users(make).await;
}
