//! Whether the time of an answer tells anything: which names exist, which accounts are closed, how much of a secret is
//! right.
//!
//! ```text
//! cargo bench --bench timing                      # everything, see the first line of the output for how long
//! cargo bench --bench timing -- --quick           # does it work at all; too short to hold the bounds
//! cargo bench --bench timing -- --check           # and fails if a bound is not held or a mistake is not caught
//! cargo bench --bench timing -- --only G31        # rows whose goal or name contains it
//! cargo bench --bench timing -- --check --pairs 1500 --only realms:   # realms and directories, in three minutes
//! cargo bench --bench timing -- --check --pairs 1500 --only leaving:  # ramps, exceptions and ends of clients, the same
//! ```
//!
//! Method: requests of two classes in pairs, back to back in random order; pairs of different comparisons interleaved at
//! random on one keep-alive connection to a real server on loopback, with the layer over an `Argon2Verifier` at its default
//! cost. Told is the median of the paired differences with its 99 % interval by order statistics of the sorted differences,
//! which assumes nothing about their distribution. The gate is on equivalence: the whole interval must lie inside the
//! bound. A difference of nanoseconds passes, and noise does not: it makes the interval wide. Welch's t is for information.
//!
//! Each pair has fresh wrong passwords, and both classes must get the same status and the same bytes.
//!
//! What is smaller than the noise of a connection is compared without one: the whole endpoint is called in this thread,
//! for hashes of 8 KiB (G32), and for client secrets (G33) in the way of dudect, where |t| must stay below 4.5 over all
//! samples and over those below the percentiles 99, 90 and 50.
//!
//! A gate that nothing fails shows nothing. So the same gates run over verifiers and an authentication method with known
//! mistakes (G34), which live in this benchmark only; a mistake counts as caught if the whole interval lies outside the
//! bound, or |t| is 4.5 or more. Rows that compare a class with itself tell what noise there is.
//!
//! What it cannot tell: `==` on secrets as short as ours (43 bytes) is a `memcmp` of two steps, whose early end is worth at
//! most a nanosecond of the endpoint's thousand; some runs see it, others don't. So the mistake that must be caught is
//! `==` on 1024 bytes, and a loop over 43 bytes that ends at the first difference. The library compares digests in constant
//! time; that it does is shown by its code, and this only shows that nothing larger leaks around it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod direct;
mod leaving;
mod mutants;
mod options;
mod pairs;
mod parallel;
mod random;
mod report;
mod secrets;
mod server;
mod stats;
mod tiny;
mod users;
mod wire;

use std::process::ExitCode;
use std::time::Instant;

use options::{Options, USAGE};
use random::Random;
use report::Row;
use tower_password_grant::store::SecretDigest;

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    stats::self_check();
    let start = Instant::now();
    let mut random = Random::new(options.seed);
    let address = server::serve(&SecretDigest::of("nobody ever presents it"));
    pairs::upgrade(address);
    leaving::self_check(address);
    announce(&options, address);

    report::print_head();
    let mut all: Vec<Row> = Vec::new();
    let mut tell = |rows: Vec<Row>| {
        rows.iter().for_each(report::print);
        all.extend(rows);
    };
    for mut comparisons in [pairs::hashed(options.pairs), pairs::unhashed(options.unhashed)] {
        comparisons.retain(|comparison| options.wants(comparison.goal, comparison.name));
        tell(pairs::run(comparisons, address, &mut random));
    }
    tell(parallel::batches(&options, address, &mut random));
    tell(parallel::saturated(&options, address, &mut random));
    tell(tiny::tiny(&options, &mut random));
    tell(secrets::secrets(&options, &mut random));

    if all.is_empty() {
        eprintln!("no goal and no name contains what `--only` says");
        return ExitCode::from(2);
    }
    let missed = all.iter().filter(|row| !row.is_met()).count();
    println!("{} of {} rows as they must be, in {:.0} s", all.len() - missed, all.len(), start.elapsed().as_secs_f64());
    if options.check && missed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is run, and about how long it takes: by the time of one hash here and now.
fn announce(options: &Options, address: std::net::SocketAddr) {
    let mut random = Random::new(options.seed);
    let mut connection = wire::Connection::open(address);
    let login = pairs::ask(server::REAL, users::known);
    let times: Vec<f64> = (0..9).map(|_| connection.exchange(&login(&mut random)).0).collect();
    let hash = stats::median(&times) / 1e3;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let hashed: usize = pairs::hashed(options.pairs)
        .iter()
        .filter(|comparison| options.wants(comparison.goal, comparison.name))
        .map(|comparison| comparison.pairs * comparison.hashes)
        .sum();
    let parallel = (options.parallel * 2 * (16 + 10)) as f64 / server::WIDE_THREADS as f64;
    let parallel = if options.wants("G31", "") { parallel } else { 0.0 };
    let direct = (options.samples * 8) as f64 * 3e-6 + (options.tiny * 6) as f64 * 60e-6;
    let seconds = (hashed * 2) as f64 * hash + parallel * hash + if options.only.is_none() { direct } else { 0.0 };
    println!(
        "{} pairs at m=19456 KiB t=2 p=1, {:.1} ms a login, {cores} cores: about {:.0} minutes; --seed {}",
        options.pairs,
        hash * 1e3,
        (seconds / 60.0).ceil(),
        options.seed
    );
    println!(
        "Over a TCP connection, but for 8 KiB hashes, digests and secrets: there the endpoint is called in this process.\n\
         Intervals by order statistics of the paired differences. `mistake` rows must be caught: they are code of this\n\
         benchmark, not of the library. `==` on 43 bytes ends early by at most a nanosecond: that is told, not gated.\n"
    );
}
