//! How long writes wait while the SQLite store removes what ended all at once.
//!
//! ```text
//! cargo bench --bench pruning --features sqlite
//! cargo bench --bench pruning --features sqlite -- --families 100000 --writers 16
//! ```
//!
//! A file has so many families that ended together, each with a refresh token and an access token of its own: after an
//! outage, or when many accounts are closed. Each writer is a task that spends one-time values, one durable write after
//! the other, until everything is removed; beside it the same writers on a store with nothing to remove. The files lie
//! in `target/tmp`: how long a commit lasts depends on that disk. What a step may cost at most is held by counts in the
//! store's unit tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../support/file.rs"]
mod file;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use tokio::task::JoinSet;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{OneTimeValues, SecretDigest};

struct Options {
    families: u32,
    writers: usize,
}

fn main() -> ExitCode {
    let Some(options) = parse() else {
        eprintln!("usage: cargo bench --bench pruning --features sqlite [-- [--families N] [--writers N]]");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(measure(&options));
    ExitCode::SUCCESS
}

fn parse() -> Option<Options> {
    let mut options = Options { families: 100_000, writers: 4 };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--families" => options.families = arguments.next()?.parse().ok()?,
            "--writers" => options.writers = arguments.next()?.parse().ok().filter(|writers| *writers > 0)?,
            _ => return None,
        }
    }
    Some(options)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Families that ended eleven minutes ago, when the store may forget them.
fn fill(path: &Path, families: u32) {
    let mut db = Connection::open(path).unwrap();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let (ended, expires) = (now - 660_000, now + 3_600_000);
    let transaction = db.transaction().unwrap();
    for number in 1..=families {
        let (family, access): ([u8; 16], [u8; 32]) = (random(), random());
        let subject = format!("user-{number}");
        transaction
            .prepare_cached(
                "INSERT INTO refresh_families
                (row, id, subject, client, scope, grant_type, authenticated_at, expires, lineage, ended)
                VALUES (?1, ?2, ?3, 'cli', 'read', 'password', ?4, ?5, zeroblob(41), ?4)",
            )
            .unwrap()
            .execute(params![number, family, subject, ended, expires])
            .unwrap();
        transaction
            .prepare_cached(
                "INSERT INTO access_tokens (digest, subject, client, scope, audience, issued, expires, login, number, claims)
                VALUES (?1, ?2, 'cli', 'read', '[\"https://api.example\"]', ?3, ?4, ?5, 1, '{}')",
            )
            .unwrap()
            .execute(params![access, subject, ended, expires, family])
            .unwrap();
    }
    transaction.commit().unwrap();
}

/// The waits of all writers until this is true.
async fn waits(store: &SqliteStore, writers: usize, is_over: fn(&SqliteStore, Instant, u64) -> bool, rows: u64) {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let store = store.clone();
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while !is_over(&store, started, rows) {
                let before = Instant::now();
                let value = SecretDigest::from_bytes(random());
                assert!(store.consume(&value, SystemTime::now() + Duration::from_secs(3600)).await.unwrap());
                waits.push(before.elapsed());
            }
            waits
        });
    }
    let mut waits: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    waits.sort_unstable();
    let of = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{:>10} {:>10} {:>9.1} {:>10.0} {:>10.2} {:>10.2} {:>10.2} {:>10.2}",
        rows,
        waits.len(),
        seconds,
        rows as f64 / seconds,
        of(0.5),
        of(0.99),
        of(0.999),
        of(1.0)
    );
}

async fn measure(options: &Options) {
    println!("{} writers; waits in milliseconds", options.writers);
    println!(
        "{:>10} {:>10} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "rows gone", "writes", "seconds", "rows/s", "p50", "p99", "p99.9", "worst"
    );
    let file = file::Temporary::new("pruning-nothing");
    let store = SqliteStore::open(file.path()).unwrap();
    waits(&store, options.writers, |_, started, _| started.elapsed() > Duration::from_secs(5), 0).await;
    store.close().await;

    let file = file::Temporary::new("pruning");
    SqliteStore::open(file.path()).unwrap().close().await;
    fill(file.path(), options.families);
    let store = SqliteStore::open(file.path()).unwrap();
    waits(&store, options.writers, |store, _, rows| store.stats().pruned >= rows, 3 * u64::from(options.families))
        .await;
    println!("{:?}", store.stats());
    store.close().await;
}
