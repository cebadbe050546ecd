//! What the ledger of usage costs in a SQLite file: bytes and instructions of SQLite for each row, the time of a report and of a
//! page of last users, and how long others wait to write meanwhile.
//!
//! ```text
//! cargo bench --bench usage --features sqlite                            # 1,000,000 users
//! cargo bench --bench usage --features sqlite -- --users 100000
//! cargo bench --bench usage --features sqlite -- --check                 # 100,000, and fails if a count is above its ceiling
//! cargo bench --bench usage --features sqlite -- --recount               # 1,000,000, against the audit trail, and nothing else
//! ```
//!
//! Users have random identifiers of 36 characters and come in a random order, in batches of 256 rows. One in ten has moved. The
//! files lie in `target/tmp`: how long a commit lasts depends on that disk.
//!
//! `--recount` sends logins and refreshes of as many users through the layer, over 45 days and in all ways that need no second factor.
//! One ledger, on a SQLite file, takes the notes of the layer, and another, in memory, the events of an audit sink. Every figure of
//! their reports, and every last user by name, must be what the audit trail gives when it is counted line by line. `--check` does
//! so with 20,000 users.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../support/file.rs"]
mod file;
mod recount;
mod traffic;
mod users;

use std::fs;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{OneTimeValues, SecretDigest, UsageStore};
use tower_password_grant::usage::PageKey;
use users::{Users, app, batches, random, today, window};

struct Options {
    users: usize,
    is_check: bool,
    is_recount: bool,
}

fn main() -> ExitCode {
    let Some(options) = parse() else {
        eprintln!("usage: cargo bench --bench usage --features sqlite [-- [--users N] [--check] [--recount]]");
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    if options.is_recount {
        let holds = runtime.block_on(recount::run(options.users));
        return if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let mut held = runtime.block_on(measure(&options));
    if options.is_check {
        held &= runtime.block_on(recount::run(options.users.min(20_000)));
    }
    if options.is_check && !held { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse() -> Option<Options> {
    let (mut users, mut is_check, mut is_recount) = (None, false, false);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--users" => users = Some(arguments.next()?.parse().ok().filter(|users| *users >= 1_000)?),
            "--check" => is_check = true,
            "--recount" => is_recount = true,
            _ => return None,
        }
    }
    Some(Options { users: users.unwrap_or(if is_check { 100_000 } else { 1_000_000 }), is_check, is_recount })
}

/// The counts that are held to a ceiling.
struct Ceilings(bool);

impl Ceilings {
    fn at_most(&mut self, what: &str, count: f64, most: f64) {
        let holds = count <= most;
        self.0 &= holds;
        println!("{what:<64} {count:>10.1}   at most {most:>8.1}  {}", if holds { "ok" } else { "FAILED" });
    }
}

/// Records batches, and answers the instructions and the time of each row.
async fn record(store: &SqliteStore, users: &Users, days_later: u32) -> (f64, Duration) {
    let (before, began) = (store.stats().steps, Instant::now());
    for batch in batches(users, days_later) {
        store.record(batch).await.unwrap();
    }
    ((store.stats().steps - before) as f64 / users.rows() as f64, began.elapsed())
}

async fn measure(options: &Options) -> bool {
    let users = Users::new(options.users);
    let file = file::Temporary::new("usage");
    SqliteStore::open(file.path()).unwrap().close().await;
    let empty = fs::metadata(file.path()).unwrap().len();
    let store = SqliteStore::open(file.path()).unwrap();
    let mut ceilings = Ceilings(true);
    println!("{} users, {} rows", options.users, users.rows());

    let (new, took) = record(&store, &users, 0).await;
    println!("{:<64} {:>10.0}", "new rows recorded a second", users.rows() as f64 / took.as_secs_f64());
    store.close().await;
    let bytes = (fs::metadata(file.path()).unwrap().len() - empty) as f64 / users.rows() as f64;
    let store = SqliteStore::open(file.path()).unwrap();
    let (changed, _) = record(&store, &users, 1).await;
    let (same, _) = record(&store, &users, 1).await;

    let (before, mut slowest) = (store.stats().read_steps, Duration::ZERO);
    for _ in 0..3 {
        let began = Instant::now();
        let report = store.report(window()).await.unwrap();
        slowest = slowest.max(began.elapsed());
        let said = &report[0];
        assert_eq!((said.users, said.moved), (options.users as u64, users.moved()));
        assert_eq!(said.ways[0].logins, 2 * options.users as u64, "two days");
    }
    let read = (store.stats().read_steps - before) as f64 / 3.0 / users.rows() as f64;
    println!(
        "{:<64} {:>10.3}   at most {:>8.1}",
        "seconds of a report, the slowest of three",
        slowest.as_secs_f64(),
        2.0
    );
    let (page_steps, page_time) = pages(&store).await;
    println!("{:<64} {:>10.3}", "milliseconds of a page of 100 last users, on average", page_time.as_secs_f64() * 1e3);

    ceilings.at_most("bytes of a row in the file", bytes, 128.0);
    ceilings.at_most("instructions of SQLite to record a new row", new, 32.0);
    ceilings.at_most("the same of a row that changes", changed, 77.0);
    ceilings.at_most("the same of a row with nothing new", same, 43.0);
    ceilings.at_most("the same of a row in a report", read, 9.5);
    ceilings.at_most("the same of a page of 100 last users", page_steps, 1_250.0);
    if !options.is_check {
        waits_beside(&store, &users).await;
    }
    store.close().await;
    ceilings.0
}

/// The instructions and the time of a page, on average over the whole list.
async fn pages(store: &SqliteStore) -> (f64, Duration) {
    let (mut steps, mut time) = (0, Duration::ZERO);
    const PAGES: u32 = 500;
    for _ in 0..PAGES {
        let after = PageKey::new(None, &users::identifier());
        let (before, began) = (store.stats().read_steps, Instant::now());
        store.stayers(&app(), window(), Some(&after), 100).await.unwrap();
        time += began.elapsed();
        steps += store.stats().read_steps - before;
    }
    (steps as f64 / f64::from(PAGES), time / PAGES)
}

/// How long writes of others wait while rows are recorded, reported and removed.
async fn waits_beside(store: &SqliteStore, users: &Users) {
    println!(
        "\n{:<44} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "others write; they wait, in ms", "writes", "p50", "p99", "p99.9", "worst"
    );
    waits("nothing else", store, tokio::time::sleep(Duration::from_secs(3))).await;
    waits("rows that change are recorded", store, async { assert!(record(store, users, 2).await.0 > 0.0) }).await;
    waits("a report is made", store, async { drop(store.report(window()).await.unwrap()) }).await;
    let pruned = async { assert!(UsageStore::prune(store, today().after(60)).await.unwrap() > users.rows() as u64) };
    waits("all rows are removed", store, pruned).await;
}

async fn waits(what: &str, store: &SqliteStore, work: impl Future<Output = ()>) {
    const WRITERS: usize = 4;
    let is_over = Arc::new(AtomicBool::new(false));
    let writers = (0..WRITERS).map(|_| {
        let (store, is_over) = (store.clone(), Arc::clone(&is_over));
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let began = Instant::now();
                let value = SecretDigest::from_bytes(random());
                assert!(store.consume(&value, SystemTime::now() + Duration::from_secs(3600)).await.unwrap());
                waits.push(began.elapsed());
            }
            waits
        })
    });
    let writers: Vec<_> = writers.collect();
    work.await;
    is_over.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for writer in writers {
        all.extend(writer.await.unwrap());
    }
    all.sort_unstable();
    let of = |share: f64| all[((all.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!("{what:<44} {:>8} {:>8.2} {:>8.2} {:>8.2} {:>8.2}", all.len(), of(0.5), of(0.99), of(0.999), of(1.0));
}
