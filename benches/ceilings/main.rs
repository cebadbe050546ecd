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

use meter::{Meter, Mode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--check"] => true,
        [callgrind::CHILD] => {
            cases::run(&mut Meter::new(Mode::Instructions));
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("usage: cargo bench --bench ceilings [-- --check]");
            return ExitCode::from(2);
        }
    };

    let mut meter = Meter::new(Mode::Allocations);
    cases::run(&mut meter);
    let mut costs = meter.into_costs();
    match callgrind::count() {
        Ok(instructions) => callgrind::fill_in(&mut costs, &instructions),
        Err(error) => {
            eprintln!("INSTRUCTIONS NOT COUNTED: {error}");
            if std::env::var_os("REQUIRE_VALGRIND").is_some_and(|value| value == "1") {
                return ExitCode::FAILURE;
            }
        }
    }
    goals::print_costs(&costs);
    let all_met = goals::judge(&costs, &body::flood(), refresh::bytes_of_a_session());
    if check && !all_met { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
