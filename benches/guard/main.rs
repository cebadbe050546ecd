//! What the bearer guard costs for each request: instructions, allocations and time.
//!
//! ```text
//! cargo bench --bench guard --features jwt,sqlite                # prints them
//! cargo bench --bench guard --features jwt,sqlite -- --check     # and fails if a count is above its ceiling
//! ```
//!
//! The signature alone is what `aws-lc-rs` needs to verify it. A refused token may cost no more than one that is taken,
//! but for what another order of functions makes: half a hundredth.
//! One scope is required; the inner service answers at once, and the request is dropped there. Instructions are counted by
//! `valgrind --tool=callgrind` on the thread that asks; without valgrind they are skipped, and the output says so (with
//! `REQUIRE_VALGRIND=1` in the environment that is a failure). SQLite reads on a thread of its own, so its instructions are
//! not told. The counting processor has no SHA instructions: for a cached JWT of 500 bytes, which is looked up by its digest,
//! nine tenths of the count are SHA-256 in software, which real processors do ten times faster. Allocations are
//! those of all threads. Times are the first quartile of rounds in which the cases take turns.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod bare;
#[path = "../ceilings/callgrind.rs"]
mod callgrind;
mod cases;
#[path = "../ceilings/meter.rs"]
#[allow(dead_code, reason = "the benchmark of the ceilings uses the rest")]
mod meter;
#[path = "../support/mod.rs"]
mod support;
mod times;

use std::process::ExitCode;

use callgrind::Role;
use cases::{Case, METER};
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
    let nanos = times::measure(cases::all());
    let held = print(&cases::all(), &costs[1..], &nanos);
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
fn print(cases: &[Case], costs: &[Cost], nanos: &[f64]) -> bool {
    println!(
        "{:<44} {:>12} {:>8} {:>12} {:>8} {:>8} {:>9}",
        "one request", "instructions", "ceiling", "allocations", "ceiling", "bytes", "ns"
    );
    let mut all_held = true;
    for ((case, cost), nanos) in cases.iter().zip(costs).zip(nanos) {
        let instructions = cost.instructions.map_or("-".to_owned(), |count| count.to_string());
        let held = cost.instructions.is_none_or(|count| count <= case.ceilings.instructions)
            && cost.allocations <= case.ceilings.allocations
            && case.at_most.is_none_or(|other| is_at_most(cost, &costs[position(cases, other)]));
        all_held &= held;
        println!(
            "{:<44} {instructions:>12} {:>8} {:>12.2} {:>8.2} {:>8} {nanos:>9.0}  {}",
            case.name,
            if case.has_threads { "-".to_owned() } else { case.ceilings.instructions.to_string() },
            cost.allocations,
            case.ceilings.allocations,
            cost.bytes,
            if held { "ok" } else { "FAILED" }
        );
    }
    for (index, (case, cost)) in cases.iter().zip(costs).enumerate() {
        let Some((bare, most)) = case.bare else { continue };
        let bare = position(cases, bare);
        let Some((count, alone)) = cost.instructions.zip(costs[bare].instructions) else { continue };
        // Without the inner service, which is the first case.
        let added = count.saturating_sub(alone + costs[0].instructions.unwrap_or_default());
        let percent = |part: f64, of: f64| 100.0 * part / of;
        let held = added * 100 <= alone * most;
        all_held &= held;
        println!(
            "{} adds to the signature alone {added} instructions, {:.1} % (at most {most} %), {:.1} % of the time  {}",
            case.name,
            percent(added as f64, alone as f64),
            percent(nanos[index] - nanos[0] - nanos[bare], nanos[bare]),
            if held { "ok" } else { "FAILED" }
        );
    }
    all_held
}

fn position(cases: &[Case], name: &str) -> usize {
    cases.iter().position(|case| case.name == name).unwrap()
}

fn is_at_most(cost: &Cost, other: &Cost) -> bool {
    let most = other.instructions.map(|count| count + count / 200);
    cost.instructions <= most && cost.allocations <= other.allocations
}
