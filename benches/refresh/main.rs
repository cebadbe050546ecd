//! Refreshes for each second, beside the limits of the stores that they use.
//!
//! ```text
//! cargo bench --bench refresh --features sqlite                          # prints them
//! cargo bench --bench refresh --features sqlite -- --check               # holds counts, and measures no time
//! cargo bench --bench refresh --features sqlite -- --sessions 1 --rounds 5 --millis 2000
//! ```
//!
//! A refresh is a whole request through the layer (client authentication with a secret, all budgets, look-up, recheck,
//! opaque access token, rotation), in this process and without a socket. Each session is a task that refreshes its own
//! token again as soon as it was answered. Beside it: the store alone, through its traits, with what a refresh asks of
//! it (a look-up, then the access token and the rotation, in one step where one store keeps both); and for SQLite a
//! plain connection with the store's settings that runs the same statements, with one durable commit for each refresh
//! and with one for 64. All take turns within each round; ratios are taken within a round, and the median is given. The
//! files lie in `target/tmp`: how long a commit lasts depends on that disk. `--check` holds that the plain connection
//! runs the store's statements, by the steps of SQLite's virtual machine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../support/bare_sqlite.rs"]
mod bare_sqlite;
#[path = "../support/file.rs"]
mod file;
mod load;
mod plain;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use load::Until;
use tower_password_grant::sqlite::{SqliteStats, SqliteStore};
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};

const SESSIONS: &[usize] = &[1, 16, 64];
/// How many refreshes of each session `--check` counts.
const COUNTED: u64 = 50;

struct Options {
    check: bool,
    sessions: Vec<usize>,
    rounds: usize,
    time: Duration,
}

fn main() -> ExitCode {
    let Some(options) = parse() else {
        eprintln!(
            "usage: cargo bench --bench refresh --features sqlite [-- [--check] [--sessions N] [--rounds N] [--millis N]]"
        );
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    if options.check {
        return if runtime.block_on(check()) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if std::env::var("SKIPMEM").is_err() {
        runtime.block_on(memory(&options));
    }
    runtime.block_on(sqlite(&options));
    ExitCode::SUCCESS
}

fn parse() -> Option<Options> {
    let mut options =
        Options { check: false, sessions: SESSIONS.to_vec(), rounds: 5, time: Duration::from_millis(1000) };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--check" => options.check = true,
            "--sessions" => options.sessions = vec![arguments.next()?.parse().ok().filter(|sessions| *sessions > 0)?],
            "--rounds" => options.rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
            "--millis" => options.time = Duration::from_millis(arguments.next()?.parse().ok()?),
            _ => return None,
        }
    }
    Some(options)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

async fn memory(options: &Options) {
    println!("in memory, median of {} rounds", options.rounds);
    println!("{:>10} {:>14} {:>14} {:>8}", "sessions", "refreshes/s", "store alone/s", "ratio");
    let (access, refresh) = (Arc::new(MemoryAccessTokens::new()), Arc::new(MemoryRefreshTokens::new()));
    for &sessions in &options.sessions {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            let until = Until::Time(options.time);
            let through = load::through_the_layer(&access, &refresh, sessions, until).await;
            let alone = load::through_the_store(&access, &refresh, sessions, until).await;
            rounds.push((through.per_second(), alone.per_second()));
        }
        let column = |pick: fn(&(f64, f64)) -> f64| median(rounds.iter().map(pick));
        println!(
            "{sessions:>10} {:>14.0} {:>14.0} {:>8.3}",
            column(|round| round.0),
            column(|round| round.1),
            column(|round| round.0 / round.1)
        );
    }
    println!();
}

async fn sqlite(options: &Options) {
    println!(
        "on SQLite, median of {} rounds; `single` and `batch`: a plain connection, one commit for 1 and for 64",
        options.rounds
    );
    println!(
        "{:>10} {:>12} {:>10} {:>12} {:>14} {:>10} {:>10} {:>8} {:>8} {:>8}",
        "sessions",
        "refreshes/s",
        "writes/s",
        "commits/s",
        "store alone/s",
        "single/s",
        "batch/s",
        "/store",
        "/single",
        "/batch"
    );
    let file = file::Temporary::new("refresh");
    let store = SqliteStore::open(file.path()).unwrap();
    for &sessions in &options.sessions {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            let until = Until::Time(options.time);
            let before = store.stats();
            let through = load::through_the_layer(&store, &store, sessions, until).await;
            let (operations, commits, ..) = since(&store, before);
            let alone = load::through_the_store(&store, &store, sessions, until).await;
            let time = options.time;
            let plain = tokio::task::spawn_blocking(move || [1, 64].map(|batch| plain::run(batch, time)));
            let [single, batch] = plain.await.unwrap();
            let seconds = through.seconds;
            let through = through.per_second();
            let alone = alone.per_second();
            rounds.push([
                through,
                operations as f64 / seconds,
                commits as f64 / seconds,
                alone,
                single,
                batch,
                through / alone,
                through / single,
                through / batch,
            ]);
        }
        let of = |index: usize| median(rounds.iter().map(|round| round[index]));
        println!(
            "{sessions:>10} {:>12.0} {:>10.0} {:>12.0} {:>14.0} {:>10.0} {:>10.0} {:>8.3} {:>8.3} {:>8.3}",
            of(0),
            of(1),
            of(2),
            of(3),
            of(4),
            of(5),
            of(6),
            of(7),
            of(8)
        );
    }
    store.close().await;
}

/// What the store did since then: operations, commits, reads, and steps of SQLite's virtual machine for writing.
fn since(store: &SqliteStore, before: SqliteStats) -> (u64, u64, u64, u64) {
    let now = store.stats();
    (
        now.operations - before.operations,
        now.commits - before.commits,
        now.reads - before.reads,
        now.steps - before.steps,
    )
}

/// Counts, which do not depend on the machine: a refresh is one look-up and one write; with one session it is one
/// commit of the very statements that a plain connection runs, and those of 64 share theirs.
async fn check() -> bool {
    let mut all_held = true;
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>8}",
        "sessions", "refreshes", "look-ups", "writes", "commits", "steps", "plain steps", "held"
    );
    for &sessions in SESSIONS {
        let file = file::Temporary::new("check");
        let store = SqliteStore::open(file.path()).unwrap();
        let logins = load::begin(&store, &store, sessions).await;
        let before = store.stats();
        let done = load::refresh(logins, Until::Count(COUNTED)).await.operations;
        let (operations, commits, reads, steps) = since(&store, before);
        let (refreshes, plain) = (COUNTED * sessions as u64, plain::steps(COUNTED) * sessions as u64);
        let held = [done, operations, reads] == [refreshes; 3]
            && match sessions {
                1 => commits == refreshes && steps == plain,
                64 => 2 * commits < refreshes,
                _ => commits <= refreshes,
            };
        all_held &= held;
        println!(
            "{sessions:>10} {done:>10} {reads:>10} {operations:>10} {commits:>10} {steps:>10} {plain:>12} {:>8}",
            if held { "ok" } else { "FAILED" }
        );
        store.close().await;
    }
    all_held
}
