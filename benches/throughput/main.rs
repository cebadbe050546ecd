//! Server CPU for each token request over real sockets, beside two endpoints that do the same work by hand.
//!
//! ```text
//! cargo bench --bench throughput                                  # prints the ratios
//! cargo bench --bench throughput -- --check                       # and fails if one is below its goal
//! cargo bench --bench throughput -- --rounds 9 --millis 2000      # longer, for a noisy machine
//! ```
//!
//! Each server is a process of its own on core 0, the load comes from this process on core 1 (where `taskset` exists).
//! This layer stands around the whole router, as the manual mounts it, the hand-written one as applications mount a layer of
//! their own, by `Router::layer`; the same one around the whole router is shown beside them. The servers are visited in turn within each round, a ratio is taken within
//! a round, and the median of the rounds is given: so a busy machine disturbs all of them alike. Needs Linux, for `/proc`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod load;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use load::Measured;
use server::{Server, Variant};

const CONNECTIONS: [usize; 2] = [16, 64];

struct Options {
    check: bool,
    rounds: usize,
    time: Duration,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [server::CHILD, variant] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        server::run(Variant::named(variant).expect("the parent names a variant"));
        return ExitCode::SUCCESS;
    }
    let Some(options) = parse(&arguments) else {
        eprintln!("usage: cargo bench --bench throughput [-- [--check] [--rounds N] [--millis N]]");
        return ExitCode::from(2);
    };
    load::move_to_core(1);
    // Both are measured, whatever the first one gave.
    let verdicts = CONNECTIONS.map(|connections| compare(connections, &options));
    let all_met = verdicts.iter().all(|met| *met);
    if options.check && !all_met { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options { check: false, rounds: 7, time: Duration::from_millis(1000) };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--check" => options.check = true,
            "--rounds" => options.rounds = arguments.next()?.parse().ok().filter(|rounds| *rounds > 0)?,
            "--millis" => options.time = Duration::from_millis(arguments.next()?.parse().ok()?),
            _ => return None,
        }
    }
    Some(options)
}

/// Prints the costs and ratios at this number of connections; tells whether R1 and R2 are met.
fn compare(connections: usize, options: &Options) -> bool {
    let servers = Variant::ALL.map(Server::start);
    for server in &servers {
        load::run(server, connections, options.time / 4);
    }
    let mut rounds: Vec<[Measured; 4]> = Vec::new();
    for round in 0..options.rounds {
        // Each round starts with another server.
        let mut measured = [Measured::default(); 4];
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            measured[index] = load::run(&servers[index], connections, options.time);
        }
        rounds.push(measured);
    }

    println!("{connections} connections, median of {} rounds", options.rounds);
    for (index, variant) in Variant::ALL.iter().enumerate() {
        let cpu = median(rounds.iter().map(|round| round[index].cpu_micros()));
        let rate = median(rounds.iter().map(|round| round[index].per_second()));
        println!("  {:<38} {cpu:>6.2} us CPU for each request {rate:>9.0} requests/s", variant.title());
    }
    let ratio = |other: usize| {
        let ratios = || rounds.iter().map(move |round| round[other].cpu_micros() / round[0].cpu_micros());
        let (least, most) = ratios().fold((f64::MAX, 0.0), |(least, most), one| (one.min(least), one.max(most)));
        (median(ratios()), least, most)
    };
    let goals = [("R1 against the plain layer", ratio(1), 0.92), ("R2 against the handler", ratio(2), 1.0)];
    let mut all_met = true;
    for (name, (median, least, most), goal) in goals {
        let met = median >= goal;
        all_met &= met;
        let verdict = if met { "ok" } else { "MISSED" };
        println!("  {name:<38} {median:>6.3} ({least:.3} to {most:.3}), goal {goal:.2}: {verdict}");
    }
    all_met
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
