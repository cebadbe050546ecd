//! The counts of attempts in PostgreSQL, with a real server that is made for the test.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use deadpool_postgres::{Manager, Pool};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, NoTls};
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, AttemptRecords, Guess, RecordChange, RecordKey, RecordStamp, Reserved, SharedKey,
    StoredLimiter,
};
use tower_password_grant::testing::contract;
use tower_password_grant::user::AccountKey;

use crate::attempts::Attempts;
use crate::cluster::Postgres;

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// An empty table, and two pools over it, as two processes have them.
struct Database {
    config: Config,
    handles: [Attempts; 2],
}

/// As a schema of the server's one database: to make a database takes a hundred times as long.
async fn new_database(server: &Postgres) -> Database {
    static SCHEMAS: AtomicUsize = AtomicUsize::new(0);
    let name = format!("attempts{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
    let mut config: Config = server.url().parse().unwrap();
    connect(&config).await.batch_execute(&format!("CREATE SCHEMA {name}")).await.unwrap();
    config.options(format!("-c search_path={name}"));
    let handles = open_two(&config).await;
    Database { config, handles }
}

async fn open_two(config: &Config) -> [Attempts; 2] {
    // Without the example's bounds of time: how long a race takes is not the point here.
    let pool = || Pool::builder(Manager::new(config.clone(), NoTls)).max_size(8).build().unwrap();
    let handles = [pool(), pool()].map(Attempts::new);
    for handle in &handles {
        // It may be done again.
        handle.prepare().await.unwrap();
    }
    handles
}

async fn text(client: &Client, query: &str) -> String {
    client.query_one(query, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_postgresql_keep_the_contract_and_their_races_leave_nothing_in_the_log() {
    let Some(server) = Postgres::start("postgres-records") else { return };
    // The second time over what the first one left.
    let Database { config, .. } = new_database(&server).await;
    for _ in 0..2 {
        contract::attempt_records(async || open_two(&config).await).await;
    }
    let client = connect(&server.url().parse().unwrap()).await;
    let deadlocks = "SELECT sum(deadlocks)::text FROM pg_stat_database";
    assert_eq!(text(&client, deadlocks).await, "0");
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_postgresql_are_kept_as_long_as_they_say() {
    let Some(server) = Postgres::start("postgres-over-time") else { return };
    let Database { config, handles: [one, _] } = new_database(&server).await;
    let client = connect(&config).await;
    let pass = async |time: Duration| {
        let minutes = time.as_secs() / 60;
        let moved = format!("UPDATE login_attempts SET forgotten_at = forgotten_at - interval '{minutes} minutes'");
        assert!(client.execute(&moved, &[]).await.unwrap() > 0);
        one.prune().await.unwrap();
    };
    for _ in 0..2 {
        contract::attempt_records_over_time(async || open_two(&config).await, pass).await;
    }
}

/// Two limiters that share nothing but a database, as two processes do.
async fn new_limiters(server: &Postgres) -> [StoredLimiter<Attempts>; 2] {
    let key = SharedKey::new([7; 32]).unwrap();
    new_database(server).await.handles.map(|records| StoredLimiter::new(records, &key))
}

#[tokio::test(flavor = "multi_thread")]
async fn limiters_over_records_in_postgresql_keep_the_contract_t2() {
    let Some(server) = Postgres::start("postgres-limiter") else { return };
    contract::attempt_limiter(async || new_limiters(&server).await).await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_of_limiters_over_records_in_postgresql_have_what_is_promised() {
    let Some(server) = Postgres::start("postgres-operator") else { return };
    contract::limiter_operator(async || new_limiters(&server).await).await;
    assert!(!server.log().contains("ERROR"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_guesses_at_once_over_two_limiters_of_one_database_ten_are_charged_t2() {
    let Some(server) = Postgres::start("postgres-guesses") else { return };
    for _ in 0..3 {
        let limiters = new_limiters(&server).await.map(Arc::new);
        let start = Arc::new(Barrier::new(200));
        let guesses: JoinSet<bool> = (0..200)
            .zip(limiters.iter().cycle())
            .map(|(_, limiter)| {
                let (limiter, start) = (Arc::clone(limiter), Arc::clone(&start));
                async move {
                    start.wait().await;
                    let account = AccountKey::resolved("alice");
                    let guess = Guess::Account { realm: None, account: &account };
                    let key = AttemptKey::new(guess, Some(Ipv4Addr::new(192, 0, 2, 1).into()));
                    matches!(limiter.reserve(&key).await.unwrap(), Reserved::Charged(_))
                }
            })
            .collect();
        assert_eq!(guesses.join_all().await.into_iter().filter(|charged| *charged).count(), 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_removes_what_is_forgotten_and_waits_for_nobody() {
    let Some(server) = Postgres::start("postgres-pruning") else { return };
    let Database { config, handles: [one, other] } = new_database(&server).await;
    let (past, future) = (UNIX_EPOCH, SystemTime::now() + Duration::from_secs(3600));
    let key = |number: u8| RecordKey::from_bytes([number; 16]);
    let change = |number, until| RecordChange::new(key(number), None, RecordStamp::from_bytes([1; 8]), vec![7], until);
    assert!(one.swap(&[change(1, past), change(2, past), change(3, future)]).await.unwrap());
    // What is over is kept for a minute, which goes by here.
    assert_eq!(other.prune().await.unwrap(), 0);
    let mut client = connect(&config).await;
    let pass = "UPDATE login_attempts SET forgotten_at = forgotten_at - interval '2 minutes'";
    assert_eq!(client.execute(pass, &[]).await.unwrap(), 3);
    // A swap of the second one is under way.
    let swap = client.transaction().await.unwrap();
    let lock = "SELECT FROM login_attempts WHERE key = decode(repeat('02', 16), 'hex') FOR UPDATE";
    assert_eq!(swap.query(lock, &[]).await.unwrap().len(), 1);
    assert_eq!(other.prune().await.unwrap(), 1);
    swap.commit().await.unwrap();
    let there = one.load(&[key(1), key(2), key(3)]).await.unwrap();
    assert_eq!(there.records().iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(other.prune().await.unwrap(), 1);
    assert!(one.swap(&[change(1, future), change(2, future)]).await.unwrap());
}
