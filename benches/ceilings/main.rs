//! The costs that do not depend on the machine: instructions, allocations and bytes held, with a ceiling for each.
//!
//! ```text
//! cargo bench --bench ceilings               # prints them
//! cargo bench --bench ceilings -- --check    # and fails if one is above its ceiling
//! ```
//!
//! Instructions are counted by `valgrind --tool=callgrind`. Without valgrind the goals on instructions are skipped, and
//! the output says so; with `REQUIRE_VALGRIND=1` in the environment that is a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod body;
mod callgrind;
mod cases;
mod goals;
mod meter;
mod refresh;
#[path = "../support/mod.rs"]
mod support;

use std::process::ExitCode;

use callgrind::Role;
use meter::{Meter, Mode};

fn main() -> ExitCode {
    let checks = match Role::of_arguments("--bench ceilings") {
        Ok(Role::Report { checks }) => checks,
        Ok(Role::Counted) => {
            cases::run(&mut Meter::new(Mode::Instructions));
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
    goals::print_costs(&costs);
    let all_met = goals::judge(&costs, &body::flood(), refresh::bytes_of_a_session());
    if checks && !all_met { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
