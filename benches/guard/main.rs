//! What the bearer guard costs for each request: instructions and allocations.
//!
//! ```text
//! cargo bench --bench guard --features jwt,sqlite                # prints them
//! cargo bench --bench guard --features jwt,sqlite -- --check     # and fails if a count is above its ceiling
//! ```
//!
//! The signature alone is what `aws-lc-rs` needs to verify it, with the inner service behind it. A refused token
//! may cost no more than one that is taken.
//! One scope is required; the inner service answers at once, and the request is dropped there. Instructions are counted by
//! `valgrind --tool=callgrind` on the thread that asks; without valgrind they are skipped, and the output says so (with
//! `REQUIRE_VALGRIND=1` in the environment that is a failure). SQLite reads on a thread of its own, so its instructions are
//! not told. The counting processor has no SHA instructions: for a cached JWT of 500 bytes, which is looked up by its digest,
//! nine tenths of the count are SHA-256 in software, which real processors do ten times faster. Allocations are
//! those of all threads. `guard_times` measures the time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod answers;
mod bare;
#[path = "../ceilings/callgrind.rs"]
mod callgrind;
mod cases;
#[path = "../ceilings/meter.rs"]
#[allow(dead_code, reason = "the benchmark of the ceilings uses the rest")]
mod meter;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use callgrind::Role;
use cases::{Case, METER, position};
use meter::{Cost, Meter, Mode};

fn main() -> ExitCode {
    // Its thread fetches keys, and runs the timers of answers that take time.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let _entered = runtime.enter();
    let checks = match Role::of_arguments("--bench guard --features jwt,sqlite") {
        Ok(Role::Report { checks }) => checks,
        Ok(Role::Counted) => {
            measure(&mut Meter::new(Mode::Instructions), cases::alone());
            return ExitCode::SUCCESS;
        }
        Err(code) => return code,
    };

    let mut meter = Meter::new(Mode::Allocations);
    measure(&mut meter, cases::all());
    let mut costs = meter.into_costs();
    // Only the cases without threads are counted; they come first, behind the meter itself.
    let counted = cases::alone().len() + 1;
    if let Err(code) = callgrind::count_into(&mut costs[..counted]) {
        return code;
    }
    let held = print(&cases::all(), &costs[1..]);
    if checks && !held { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The meter's own cost first.
fn measure(meter: &mut Meter, cases: Vec<Case>) {
    meter.case(METER, cases::request(None), std::mem::forget);
    for mut case in cases {
        meter.case(case.name, cases::request(case.authorization.as_deref()), |request| (case.act)(request));
    }
}

/// Prints what each case costs; tells whether every ceiling holds.
fn print(cases: &[Case], costs: &[Cost]) -> bool {
    println!(
        "{:<44} {:>12} {:>8} {:>12} {:>8} {:>8}",
        "one request", "instructions", "ceiling", "allocations", "ceiling", "bytes"
    );
    let mut all_held = true;
    for (case, cost) in cases.iter().zip(costs) {
        let instructions = cost.instructions.map_or("-".to_owned(), |count| count.to_string());
        let held = cost.instructions.is_none_or(|count| count <= case.ceilings.instructions)
            && cost.allocations <= case.ceilings.allocations
            && case.at_most.is_none_or(|other| is_at_most(cost, &costs[position(cases, other)]));
        all_held &= held;
        println!(
            "{:<44} {instructions:>12} {:>8} {:>12.2} {:>8.2} {:>8}  {}",
            case.name,
            if case.has_threads { "-".to_owned() } else { case.ceilings.instructions.to_string() },
            cost.allocations,
            case.ceilings.allocations,
            cost.bytes,
            if held { "ok" } else { "FAILED" }
        );
    }
    for (case, cost) in cases.iter().zip(costs) {
        let Some((bare, most)) = case.bare else { continue };
        let alone = costs[position(cases, bare)].instructions;
        let Some((count, alone)) = cost.instructions.zip(alone) else { continue };
        let added = count.saturating_sub(alone);
        let held = added * 100 <= alone * most;
        all_held &= held;
        println!(
            "{} adds to the signature alone {added} instructions, {:.1} % (at most {most} %)  {}",
            case.name,
            100.0 * added as f64 / alone as f64,
            if held { "ok" } else { "FAILED" }
        );
    }
    all_held
}

fn is_at_most(cost: &Cost, other: &Cost) -> bool {
    cost.instructions <= other.instructions && cost.allocations <= other.allocations
}
