//! Whether the work of an answer tells anything: which codes were right once, which authenticators there are, which tokens are
//! genuine.
//!
//! Requests that are refused alike are counted in classes, each with an endpoint of its own, and the classes of a row must cost
//! the same, within a bound. A gate that nothing fails shows nothing. So most rows also run over stores and limiters with known
//! mistakes, and those must lie outside it.
//!
//! Two counts of one class differ by some hundred instructions, as keys, codes and tokens are random. So no bound is below 400.

mod bed;
mod classes;
mod limiter;
mod pairs;
mod store;

use std::cell::RefCell;

use super::meter::{Cost, Meter};
pub use pairs::Pair;
use pairs::{Aim, all};

/// Enough that each hash table has its size, and that what depends on random bytes is even.
const ROUNDS: (usize, u64) = (16, 64);

/// Measures every class.
pub fn run(meter: &mut Meter) -> Vec<Pair> {
    let pairs = all();
    meter.rounds(ROUNDS);
    for pair in &pairs {
        let face = RefCell::new(None);
        for class in &pair.classes {
            let (bed, make) = (class.begin)();
            meter.case(class.name, make, |request| {
                let (status, body) = bed.send(request);
                assert_eq!(status, pair.status, "{}, {}: {body:?}", pair.name, class.name);
                if pair.has_one_face {
                    let mut face = face.borrow_mut();
                    assert_eq!(*face.get_or_insert_with(|| body.clone()), body, "{}, {}", pair.name, class.name);
                }
            });
        }
    }
    pairs
}

/// Prints what the classes cost; tells whether all rows are as they must be.
pub fn print(pairs: &[Pair], costs: &[Cost]) -> bool {
    println!("\n{:<60} {:>12} {:>12}", "refused alike", "instructions", "allocations");
    let mut costs = costs.iter();
    let mut all_held = true;
    for pair in pairs {
        let of_pair: Vec<&Cost> = costs.by_ref().take(pair.classes.len()).collect();
        let apart = |of: &dyn Fn(&Cost) -> Option<f64>| {
            let each: Option<Vec<f64>> = of_pair.iter().map(|cost| of(cost)).collect();
            each.map(|each| {
                each.iter().fold(0.0, |most: f64, one| each.iter().fold(most, |most, other| most.max(one - other)))
            })
        };
        let instructions = apart(&|cost| cost.instructions.map(|count| count as f64));
        let allocations = apart(&|cost| Some(cost.allocations)).unwrap_or_default();
        let (held, bound) = match pair.aim {
            Aim::Equal(most, most_allocations) => {
                let held = instructions.is_none_or(|apart| apart <= most as f64) && allocations < most_allocations;
                (held, format!("at most {most}"))
            }
            Aim::Near(most) => (instructions.is_none_or(|apart| apart <= most as f64), format!("at most {most}")),
            Aim::Caught(most) => (instructions.is_none_or(|apart| apart > most as f64), format!("more than {most}")),
            Aim::CaughtByAllocations => (allocations > 0.9, "another allocation".to_owned()),
            Aim::Told => (true, "told".to_owned()),
        };
        all_held &= held;
        let shown = instructions.map_or("-".to_owned(), |count| count.to_string());
        let verdict = if held { "ok" } else { "FAILED" };
        println!("{:<60} {shown:>12} {allocations:>12.2}  {bound}  {verdict}", pair.name);
        for cost in of_pair {
            let shown = cost.instructions.map_or("-".to_owned(), |count| count.to_string());
            println!("    {:<56} {shown:>12} {:>12.2}", cost.name, cost.allocations);
        }
    }
    all_held
}
