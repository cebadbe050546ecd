//! The stores over a pool of `sqlx`: the same suites, through a pooler, too; prepared statements; outages; and calls that are given up
//! halfway.

use std::time::{Duration, Instant, SystemTime};

use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use tower_password_grant::BackendError;
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::postgres::{PostgresStore, PostgresStoreBuilder, SqlxPool};
use tower_password_grant::store::{OneTimeValues, SecretDigest};

use crate::cluster::Postgres;
use crate::contract as suites;
use crate::database::{connect, errors, make_two, new_name};
use crate::outages;
use crate::pooler::Pooler;

const PATIENT: Duration = Duration::from_secs(30);

fn pool(url: &str, connections: u32) -> PgPool {
    PgPoolOptions::new().max_connections(connections).acquire_timeout(PATIENT).connect_lazy(url).unwrap()
}

fn builder(connections: SqlxPool, schema: &str) -> PostgresStoreBuilder<SqlxPool> {
    PostgresStore::builder(connections).schema(schema).deadline(PATIENT)
}

/// Two stores over empty tables, each over a pool of its own, as two processes have them.
async fn new_two(url: &str, with: fn(PgPool) -> SqlxPool) -> [PostgresStore; 2] {
    let name = new_name();
    let open = async || builder(with(pool(url, 8)), &name).open().await.unwrap();
    builder(with(pool(url, 1)), &name).migrate().await.unwrap();
    [open().await, open().await]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_over_a_pool_of_sqlx_keep_their_contracts() {
    let Some(server) = Postgres::start("sqlx-contract") else { return };
    suites::whole(&server, async || new_two(&server.url(), SqlxPool::new).await).await;
    suites::limiter(async || new_two(&server.url(), SqlxPool::new).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_over_a_pool_of_sqlx_keep_their_contracts_with_prepared_statements() {
    let Some(server) = Postgres::start("sqlx-prepared-contract") else { return };
    let prepared = |pool| SqlxPool::new(pool).prepared();
    suites::short(&server, async || new_two(&server.url(), prepared).await).await;
}

/// More connections than the pooler has to the server, so that each statement goes over another one.
#[tokio::test(flavor = "multi_thread")]
async fn the_stores_over_a_pool_of_sqlx_keep_their_contracts_through_a_pooler_in_transaction_mode() {
    let Some(server) = Postgres::start("sqlx-pooler") else { return };
    let Some(pooler) = Pooler::start(&server, "sqlx-pooler").await else { return };
    suites::short(&server, async || new_two(&pooler.url(), SqlxPool::new).await).await;
}

async fn count(pool: &PgPool, what: &str) -> i64 {
    // By the simple protocol, which prepares nothing.
    sqlx::raw_sql(AssertSqlSafe(format!("SELECT count(*) FROM {what}"))).fetch_one(pool).await.unwrap().get(0)
}

async fn spend(store: &PostgresStore, values: std::ops::Range<u32>) {
    for value in values {
        let value = SecretDigest::of(&value.to_string());
        assert!(store.consume(&value, SystemTime::now() + PATIENT).await.unwrap());
        assert!(store.is_spent(&value).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_have_no_name_but_where_it_is_asked_for_and_each_is_prepared_once() {
    let Some(server) = Postgres::start("sqlx-names") else { return };
    let (name, pool) = (new_name(), pool(&server.url(), 1));
    builder(SqlxPool::new(pool.clone()), &name).migrate().await.unwrap();
    let store = builder(SqlxPool::new(pool.clone()), &name).open().await.unwrap();
    spend(&store, 0..5).await;
    assert_eq!(count(&pool, "pg_prepared_statements").await, 0);
    let store = builder(SqlxPool::new(pool.clone()).prepared(), &name).open().await.unwrap();
    spend(&store, 5..10).await;
    let first = count(&pool, "pg_prepared_statements").await;
    assert!((2..10).contains(&first), "{first}");
    spend(&store, 10..20).await;
    assert_eq!(count(&pool, "pg_prepared_statements").await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_freezes_or_may_not_write_is_503_and_serves_again() {
    let Some(server) = Postgres::start("sqlx-outages") else { return };
    for with in [SqlxPool::new, |pool| SqlxPool::new(pool).prepared()] {
        let name = new_name();
        make_two(&server, &name).await;
        let hasty = PgPoolOptions::new().max_connections(8).acquire_timeout(Duration::from_millis(500));
        let pool = hasty.connect_lazy(&server.url()).unwrap();
        let open = async |deadline| builder(with(pool.clone()), &name).deadline(deadline).open().await.unwrap();
        outages::stops(&server, &open(PATIENT).await).await;
        outages::may_not_write(&server, &open(PATIENT).await).await;
        outages::freezes(&server, &open(Duration::from_millis(300)).await, "gave no answer within 300 ms").await;
        outages::is_damaged(&server, &name, &open(PATIENT).await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_full_or_closed_and_a_server_without_room_are_503() {
    let Some(server) = Postgres::start("sqlx-full") else { return };
    let name = new_name();
    make_two(&server, &name).await;
    let small = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_millis(100));
    let pool = small.connect(&server.url()).await.unwrap();
    let store = builder(SqlxPool::new(pool.clone()), &name).open().await.unwrap();
    let digest = SecretDigest::of("x");
    let kind = |error: BackendError| (error.kind(), error.to_string());
    let taken = pool.acquire().await.unwrap();
    let full = (Unavailable, "PostgreSQL: pool timed out while waiting for an open connection".to_owned());
    assert_eq!(kind(store.is_spent(&digest).await.unwrap_err()), full);
    drop(taken);
    assert!(!store.is_spent(&digest).await.unwrap());
    // The pool tries again until its time is over, and says no more than that.
    let limit = connect(&server).await;
    limit.batch_execute("CREATE ROLE few LOGIN CONNECTION LIMIT 0").await.unwrap();
    let grant =
        format!("GRANT USAGE ON SCHEMA \"{name}\" TO few; GRANT SELECT ON ALL TABLES IN SCHEMA \"{name}\" TO few");
    limit.batch_execute(&grant).await.unwrap();
    let few = PgPoolOptions::new().acquire_timeout(Duration::from_millis(300));
    let few = few.connect_lazy(&server.url().replace("postgres@", "few@")).unwrap();
    let error = builder(SqlxPool::new(few), &name).open().await.unwrap_err();
    assert!(error.to_string().contains("pool timed out"), "{error}");
    pool.close().await;
    assert_eq!(store.is_spent(&digest).await.unwrap_err().kind(), Unavailable);
}

/// What the connections of a server are doing.
async fn states(server: &Postgres) -> Vec<String> {
    let query = "SELECT coalesce(state, '') FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    connect(server).await.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// A call may be given up at each of its messages, also while a transaction begins: the pool must not go on with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_leaves_no_transaction_behind() {
    let Some(server) = Postgres::start("sqlx-given-up") else { return };
    let (name, pool) = (new_name(), pool(&server.url(), 1));
    make_two(&server, &name).await;
    let deadline = Duration::from_millis(300);
    let store = builder(SqlxPool::new(pool.clone()), &name).deadline(deadline).open().await.unwrap();
    pool.acquire().await.unwrap();
    connect(&server).await.batch_execute("CREATE TABLE own (n int)").await.unwrap();
    // The check of the pool is over before the server stands still.
    let unchecked = PgPoolOptions::new().max_connections(1).test_before_acquire(false).acquire_timeout(PATIENT);
    let unchecked = unchecked.connect(&server.url()).await.unwrap();
    let frozen = builder(SqlxPool::new(unchecked.clone()), &name).deadline(deadline).open().await.unwrap();
    for round in 0..3_u32 {
        let value = SecretDigest::of(&format!("frozen {round}"));
        server.freeze(true);
        let given_up = frozen.consume(&value, SystemTime::now() + PATIENT).await;
        server.freeze(false);
        assert_eq!(given_up.unwrap_err().to_string(), "PostgreSQL gave no answer within 300 ms");
        // A statement of the application's own, over the same connection, is committed and seen by all.
        sqlx::query("INSERT INTO own VALUES (1)").execute(&unchecked).await.unwrap();
        assert_eq!(count(&pool, "own").await, i64::from(round) + 1);
        // Done as a whole or not at all.
        let is_spent = store.is_spent(&value).await.unwrap();
        assert_eq!(frozen.consume(&value, SystemTime::now() + PATIENT).await.unwrap(), !is_spent);
    }
    // Nor does one that waits for a lock, and has it later.
    let holder = connect(&server).await;
    holder.batch_execute(&format!("BEGIN; LOCK TABLE \"{name}\".spent_values")).await.unwrap();
    let error = store.consume(&SecretDigest::of("locked"), SystemTime::now() + PATIENT).await.unwrap_err();
    assert_eq!(error.to_string(), "PostgreSQL gave no answer within 300 ms");
    holder.batch_execute("COMMIT").await.unwrap();
    let started = Instant::now();
    while !store.is_spent(&SecretDigest::of("locked")).await.unwrap() {
        assert!(started.elapsed() < Duration::from_secs(5), "it was left to its end");
    }
    drop(holder);
    assert!(states(&server).await.iter().all(|state| !state.contains("in transaction")), "{:?}", states(&server).await);
    assert_eq!(errors(&server), [""; 0]);
}

/// A server that has vanished would keep the connections of a pool for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_server_says_nothing_any_more_is_closed_and_made_anew() {
    let Some(server) = Postgres::start("sqlx-vanished") else { return };
    let name = new_name();
    make_two(&server, &name).await;
    // Its one connection goes to a server that reads and says nothing from then on, as one behind a lost network.
    let vanished = Vanishing::before(server.port).await;
    let unchecked = PgPoolOptions::new().max_connections(1).test_before_acquire(false).acquire_timeout(PATIENT);
    let url = server.url().replace(&server.port.to_string(), &vanished.port.to_string());
    let pool = unchecked.connect(&url).await.unwrap();
    let store = builder(SqlxPool::new(pool.clone()), &name).deadline(Duration::from_secs(1)).open().await.unwrap();
    let digest = SecretDigest::of("x");
    assert!(!store.is_spent(&digest).await.unwrap());
    // `sqlx` asks a connection that comes back whether it is still there, and waits for ever.
    while pool.num_idle() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    vanished.hold();
    assert_eq!(store.is_spent(&digest).await.unwrap_err().to_string(), "PostgreSQL gave no answer within 1000 ms");
    // New connections reach it again. The pool has room for one once the old one is closed.
    let started = Instant::now();
    while let Err(error) = store.is_spent(&digest).await {
        assert!(started.elapsed() < Duration::from_secs(10), "not served again: {error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Hands on what comes until it is told to hold what is there, and hands on what comes over new connections.
struct Vanishing {
    port: u16,
    hold: tokio::sync::watch::Sender<u64>,
}

impl Vanishing {
    async fn before(port: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let (hold, held) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut held = held.clone();
                held.mark_unchanged();
                tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let is_held = tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => false,
                        _ = held.changed() => true,
                    };
                    if is_held {
                        // Open, and silent.
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        Self { port: own, hold }
    }

    fn hold(&self) {
        self.hold.send_modify(|number| *number += 1);
    }
}
