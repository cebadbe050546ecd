//! PostgreSQL and Redis under the load of several servers: what each operation costs the *engine*, beside what the engine's own load
//! program gets with the same statements and scripts.
//!
//! `cargo bench --features postgres,redis,testing --bench engines -- [--part limits|clients|counting|crowd|soak].. [--engine
//! postgres|redis].. [--families 1000,100000] [--rounds 3] [--seconds 3] [--minutes 60] [--csv FILE]`
//!
//! Needs `postgres`, `pgbench`, `redis-server` and `redis-benchmark` of the distribution's packages. The servers are made for the run, on
//! loopback and in the folder for temporary files, and removed after it; the disk is waited for as their settings say.
//!
//! - `limits`: 16 clients find, rotate, introspect and spend through the store and by `pgbench` or `redis-benchmark`, in turns. The statements
//!   and scripts are those that the store was seen to send; the load programs draw the keys. On PostgreSQL also logins, the share of
//!   updates that stay in their page, and a refresh by a design with a row for each token.
//! - `clients`: logins, refreshes, introspections and one-time values with 1, 16 and 64 clients, by how durable a commit is.
//! - `counting`: 64 clients count logins over one connection, in one queue and one by one.
//! - `crowd`: all from one address, through one process and through three.
//! - `soak`: mixed traffic over two processes for an hour. Not run unless it is asked for.
//!
//! The processor time is that of all processes of the engine, by the kernel's count. Rates depend on the disk and on what else is at
//! work, and the load programs take their part of the same processors; ratios are of one run, in turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod child;
mod clients;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/examples/cluster.rs"]
mod cluster;
mod counting;
mod crowd;
mod logins;
mod measured;
mod names;
mod on_postgres;
mod on_redis;
mod options;
mod processor;
mod report;
#[allow(dead_code, reason = "tests use the rest")]
#[path = "../../tests/redis/server.rs"]
mod server;
mod soak;

use std::process::ExitCode;

use options::Options;
use report::Report;

/// Nobody listens to what the library says of its work.
mod events {
    pub fn listen() {}
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let Some(options) = Options::parse() else {
        eprintln!("{}", options::USAGE);
        return ExitCode::FAILURE;
    };
    match &options.child.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        ["crowd", url, number, seconds] => {
            crowd::child(url, number, seconds.parse().unwrap()).await;
            return ExitCode::SUCCESS;
        }
        ["soak", url, number] => {
            soak::child(url, number).await;
            return ExitCode::SUCCESS;
        }
        _ => return ExitCode::FAILURE,
    }
    let mut report = Report::new(options.csv.clone());
    if options.has_part("limits") {
        if options.has_engine("postgres") {
            on_postgres::limits(&options, &mut report).await;
        }
        if options.has_engine("redis") {
            on_redis::limits(&options, &mut report).await;
        }
    }
    if options.has_part("clients") {
        if options.has_engine("postgres") {
            on_postgres::clients(&options, &mut report).await;
        }
        if options.has_engine("redis") {
            on_redis::clients(&options, &mut report).await;
        }
    }
    if options.has_part("counting") {
        if options.has_engine("postgres") {
            on_postgres::counting(&options, &mut report).await;
        }
        if options.has_engine("redis") {
            on_redis::counting(&options, &mut report).await;
        }
    }
    if options.has_part("crowd") {
        crowd::on_all(&options, &mut report).await;
    }
    if options.has_part("soak") {
        soak::run(&options).await;
    }
    if !report.has_reached_all {
        println!("GOALS NOT REACHED: see above");
    }
    ExitCode::SUCCESS
}
