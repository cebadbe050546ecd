//! How long a guarded request takes, and which part of that the guard adds to the signature alone.
//!
//! ```text
//! cargo bench --bench guard_times --features jwt,sqlite
//! ```
//!
//! It measures the cases of `guard`, in a program of its own: counting allocations makes each of them longer by four locked
//! instructions, which a guard would pay for and the signature alone would not. A time is the first quartile of 25,000
//! requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod answers;
mod bare;
#[allow(dead_code, reason = "the benchmark that counts uses the rest")]
mod cases;
#[path = "../support/mod.rs"]
mod support;

use std::time::Instant;

use cases::{Case, position, request};

const ROUNDS: usize = 100;
const ITERATIONS: usize = 250;

fn main() {
    // Its thread fetches keys, and runs the timers of answers that take time.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut cases = cases::all();
    let nanos = measure(&mut cases);
    println!("{:<44} {:>9}", "one request", "ns");
    for (case, nanos) in cases.iter().zip(&nanos) {
        println!("{:<44} {nanos:>9}", case.name);
    }
    for (case, nanos_of_case) in cases.iter().zip(&nanos) {
        let Some((bare, _)) = case.bare else { continue };
        let alone = nanos[position(&cases, bare)];
        let added = i64::from(*nanos_of_case) - i64::from(alone);
        let percent = 100.0 * added as f64 / f64::from(alone);
        println!("{} adds to the signature alone {added} ns, {percent:.1} %", case.name);
    }
}

/// The nanoseconds of one request of each case, measured in rounds in which the cases take turns: the time that a quarter of the
/// requests does not exceed. Other work on the machine makes few of them longer, and none shorter.
fn measure(cases: &mut [Case]) -> Vec<u32> {
    let mut measured = vec![Vec::with_capacity(ROUNDS * ITERATIONS); cases.len()];
    for _ in 0..ROUNDS {
        for (case, times) in cases.iter_mut().zip(&mut measured) {
            let make = request(case.authorization.as_deref());
            for _ in 0..ITERATIONS {
                let request = make();
                let started = Instant::now();
                (case.act)(request);
                times.push(started.elapsed().as_nanos() as u32);
            }
        }
    }
    let quartile = |mut times: Vec<u32>| {
        times.sort_unstable();
        times[times.len() / 4]
    };
    measured.into_iter().map(quartile).collect()
}
