//! Redeemed codes for each second on SQLite, beside the limit of the store.
//!
//! ```text
//! cargo bench --bench redemption --features mfa,sqlite,testing                # prints them
//! cargo bench --bench redemption --features mfa,sqlite,testing -- --check     # holds counts, and measures no time
//! cargo bench --bench redemption --features mfa,sqlite,testing -- --sessions 1 --rounds 5 --millis 2000
//! ```
//!
//! The store keeps what a code spends: the time step of the authenticator, and the challenge of the login. That is one look-up and
//! two writes, one after the other; tokens and budgets are in memory. Each session has a user of its own. All of them log in, which
//! is not measured, and then redeem their codes at once. Beside it: the store alone, through its traits, with the same look-up and
//! the same two writes; and a plain connection with the store's settings that runs the same statements, with one durable commit for
//! each write and with one for 64. All take turns within each round; ratios are taken within a round, and the median is given. The
//! files lie in `target/tmp`: how long a commit lasts depends on that disk.
//!
//! `--check` holds that a code costs two writes and at most two commits, that sessions share them, that the plain connection runs the
//! store's statements, and that listing and spending take the same steps with 10 users and with 100,000.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../support/bare_sqlite.rs"]
mod bare_sqlite;
#[path = "../support/file.rs"]
mod file;
mod load;
mod plain;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use load::{Bed, StoreAlone};
use tower_password_grant::sqlite::{SqliteStats, SqliteStore};

const SESSIONS: &[usize] = &[1, 16, 64];
/// How many codes of each session `--check` counts.
const COUNTED: u64 = 20;
/// How many users there are where listing and spending are counted.
const USERS: [u64; 2] = [10, 100_000];

struct Options {
    check: bool,
    sessions: Vec<usize>,
    rounds: usize,
    time: Duration,
}

fn main() -> ExitCode {
    let Some(options) = parse() else {
        eprintln!(
            "usage: cargo bench --bench redemption --features mfa,sqlite,testing \
             [-- [--check] [--sessions N] [--rounds N] [--millis N]]"
        );
        return ExitCode::from(2);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    if options.check {
        let held = runtime.block_on(check()) & plain::check_users(USERS);
        return if held { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    runtime.block_on(measure(&options));
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

async fn measure(options: &Options) {
    println!(
        "median of {} rounds; `single` and `batch`: a plain connection, one commit for 1 and for 64",
        options.rounds
    );
    println!(
        "{:>10} {:>10} {:>12} {:>14} {:>10} {:>10} {:>8} {:>8} {:>8}",
        "sessions", "codes/s", "commits/code", "store alone/s", "single/s", "batch/s", "/store", "/single", "/batch"
    );
    let file = file::Temporary::new("redemption");
    let bed = Bed::new(&file);
    for &sessions in &options.sessions {
        let users = bed.enrol(sessions).await;
        let mut alone = StoreAlone::enrol(&bed.store, sessions).await;
        let mut rounds = Vec::new();
        for _ in 0..options.rounds {
            let (mut spent, mut done, mut commits) = (Duration::ZERO, 0_u64, 0);
            while spent < options.time {
                let codes = bed.open(&users).await;
                let (before, started) = (bed.store.stats(), Instant::now());
                bed.redeem(codes).await;
                spent += started.elapsed();
                commits += bed.store.stats().commits - before.commits;
                done += sessions as u64;
            }
            let through = done as f64 / spent.as_secs_f64();
            let (mut spent, mut done_alone) = (Duration::ZERO, 0_u64);
            while spent < options.time {
                spent += alone.spend().await;
                done_alone += sessions as u64;
            }
            let store = done_alone as f64 / spent.as_secs_f64();
            let time = options.time;
            let plain = tokio::task::spawn_blocking(move || [1, 64].map(|batch| plain::run(batch, time)));
            let [single, batch] = plain.await.unwrap();
            let of_a_code = commits as f64 / done as f64;
            rounds.push([through, of_a_code, store, single, batch, through / store, through / single, through / batch]);
        }
        let of = |index: usize| median(rounds.iter().map(|round| round[index]));
        println!(
            "{sessions:>10} {:>10.0} {:>12.3} {:>14.0} {:>10.0} {:>10.0} {:>8.3} {:>8.3} {:>8.3}",
            of(0),
            of(1),
            of(2),
            of(3),
            of(4),
            of(5),
            of(6),
            of(7)
        );
    }
    bed.store.close().await;
}

/// What the store did since then: operations, commits, reads, and steps of SQLite's virtual machine for writing.
fn since(store: &SqliteStore, before: SqliteStats) -> [u64; 4] {
    let now = store.stats();
    [
        now.operations - before.operations,
        now.commits - before.commits,
        now.reads - before.reads,
        now.steps - before.steps,
    ]
}

/// Counts, which do not depend on the machine.
async fn check() -> bool {
    let mut all_held = true;
    println!(
        "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>12} {:>8}",
        "sessions", "codes", "look-ups", "writes", "commits", "steps", "plain steps", "held"
    );
    for &sessions in SESSIONS {
        let file = file::Temporary::new("check");
        let bed = Bed::new(&file);
        let users = bed.enrol(sessions).await;
        let mut sums = [0; 4];
        for _ in 0..COUNTED {
            let codes = bed.open(&users).await;
            let before = bed.store.stats();
            bed.redeem(codes).await;
            sums.iter_mut().zip(since(&bed.store, before)).for_each(|(sum, more)| *sum += more);
        }
        let [writes, commits, reads, steps] = sums;
        let codes = COUNTED * sessions as u64;
        let plain = plain::steps(COUNTED) * sessions as u64;
        let held = [reads, writes] == [codes, 2 * codes]
            && match sessions {
                1 => commits == 2 * codes && steps == plain,
                64 => 2 * commits < 2 * codes,
                _ => commits <= 2 * codes,
            };
        all_held &= held;
        println!(
            "{sessions:>10} {codes:>10} {reads:>10} {writes:>10} {commits:>10} {steps:>10} {plain:>12} {:>8}",
            if held { "ok" } else { "FAILED" }
        );
        bed.store.close().await;
    }
    all_held
}
