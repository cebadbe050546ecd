//! What a second factor costs: instructions and allocations of each request, over the stores in memory.
//!
//! ```text
//! cargo bench --bench second_factor --features mfa,testing                # prints them
//! cargo bench --bench second_factor --features mfa,testing -- --check     # and fails if a count is above its ceiling
//! ```
//!
//! Instructions are counted by `valgrind --tool=callgrind`; without valgrind they are skipped, and the output says so (with
//! `REQUIRE_VALGRIND=1` in the environment that is a failure). The counting processor has no SHA instructions, real ones do
//! SHA-256 and SHA-1 ten times faster.
//!
//! With `GATE=1` in the environment a second table follows, a gate on equal work: see `gate`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../ceilings/callgrind.rs"]
mod callgrind;
mod cases;
mod gate;
#[path = "../ceilings/meter.rs"]
#[allow(dead_code, reason = "the benchmark of the ceilings uses the rest")]
mod meter;

use std::process::ExitCode;

use callgrind::Role;
use cases::{LOGIN, LOGIN_PLAIN, METER, OTP, REFRESH};
use meter::{Cost, Meter, Mode};

/// What the redemption of a code costs more than a refresh, at most: instructions and allocations. The goal was 45,000 and 25.
const REDEMPTION: (f64, f64) = (44_500.0, 22.0);

fn main() -> ExitCode {
    let checks = match Role::of_arguments("--bench second_factor --features mfa,testing") {
        Ok(Role::Report { checks }) => checks,
        Ok(Role::Counted) => {
            let mut meter = Meter::new(Mode::Instructions);
            match callgrind::part().as_str() {
                "" => cases::run(&mut meter),
                part => gate::run_part(&mut meter, part),
            }
            return ExitCode::SUCCESS;
        }
        Err(code) => return code,
    };
    let mut meter = Meter::new(Mode::Allocations);
    cases::run(&mut meter);
    let mut costs = meter.into_costs();
    if let Err(code) = callgrind::count_into(&mut costs) {
        return code;
    }
    let mut held = print(&costs);
    if std::env::var_os("GATE").is_some() {
        match gate::run() {
            Ok(gate_held) => held &= gate_held,
            Err(code) => return code,
        }
    }
    if checks && !held { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Prints what each request costs; tells whether the ceilings hold.
fn print(costs: &[Cost]) -> bool {
    println!("{:<60} {:>12} {:>14} {:>12}", "one request", "instructions", "beside SHA-256", "allocations");
    for cost in costs.iter().filter(|cost| cost.name != METER) {
        let [all, beside] = [cost.instructions, cost.beside_sha256]
            .map(|count| count.map_or("-".to_owned(), |count| count.to_string()));
        println!("{:<60} {all:>12} {beside:>14} {:>12.2}", cost.name, cost.allocations);
    }
    let cost = |name: &str| costs.iter().find(|cost| cost.name == name).expect("every case was measured");
    let more = |one: &str, other: &str| {
        let instructions = cost(one).instructions.zip(cost(other).instructions);
        (instructions.map(|(one, other)| one as f64 - other as f64), cost(one).allocations - cost(other).allocations)
    };
    let (instructions, allocations) = more(OTP, REFRESH);
    let held = instructions.is_none_or(|count| count <= REDEMPTION.0) && allocations <= REDEMPTION.1;
    let shown = |count: Option<f64>| count.map_or("-".to_owned(), |count| count.to_string());
    println!(
        "a code costs {} instructions and {allocations:.2} allocations more than a refresh (at most {} and {})  {}",
        shown(instructions),
        REDEMPTION.0,
        REDEMPTION.1,
        if held { "ok" } else { "FAILED" }
    );
    let (instructions, allocations) = more(LOGIN, LOGIN_PLAIN);
    println!(
        "where factors are served, the login of a user without one costs {} instructions and {allocations:.2} \
         allocations more",
        shown(instructions)
    );
    held
}
