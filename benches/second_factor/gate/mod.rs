//! Whether the work of an answer tells anything: which codes were right once, which authenticators there are, which tokens are
//! genuine.
//!
//! Requests that are refused alike are counted in classes, and the classes of a row must cost the same, within a bound. A gate that
//! nothing fails shows nothing. So most rows also run over stores and limiters with known mistakes, and those must lie outside it.
//!
//! Keys, codes, tokens and the seeds of hash tables are random, and a table that has become full is built anew within one of many
//! requests: that is noise of more than what is looked for. So each class is counted at many endpoints, which are new, have seen
//! equally many requests, and take turns with those of the other classes. What a class costs is the mean of its middle half.
//!
//! That mean is the nearer to the truth the more endpoints there are. A row of the library that lies outside its bound is counted
//! once more, at several times as many, and judged by those alone: noise grows less, and a real difference stays. A mistake must be
//! caught at the first count, for it is the count by which a row can pass.

mod bed;
mod classes;
mod limiter;
mod pairs;
mod store;

use std::cell::RefCell;
use std::process::ExitCode;

use super::callgrind;
use super::cases::METER;
use super::meter::{Cost, Meter, Mode};
use pairs::{Aim, Pair, all};

/// At how many endpoints each class is counted: at first, and where a row lay outside its bound.
const ENDPOINTS: [usize; 3] = [16, 64, 256];
/// What each of them is asked before, and then while it is counted. What is made at a first request is there then.
const ROUNDS: (usize, u64) = (3, 2);

/// Measures every row, prints what the classes cost, and tells whether all rows are as they must be.
pub fn run() -> Result<bool, ExitCode> {
    let pairs = all();
    let mut open: Vec<usize> = (0..pairs.len()).collect();
    let mut all_held = true;
    println!("\n{:<60} {:>12} {:>12}", "refused alike", "instructions", "allocations");
    for (count, endpoints) in ENDPOINTS.into_iter().enumerate() {
        if count > 0 && !open.is_empty() {
            println!("once more, at {endpoints} endpoints for each class:");
        }
        // One row after the other: what was counted is on the disk until it is read.
        for row in std::mem::take(&mut open) {
            let pair = &pairs[row];
            let mut meter = Meter::new(Mode::Allocations);
            measure(&mut meter, pair, endpoints);
            let mut costs = meter.into_costs();
            callgrind::count_part_into(&mut costs, &format!("{row} {endpoints}"))?;
            if !print(pair, &costs[1..], endpoints) {
                match pair.aim {
                    Aim::Equal(..) | Aim::Near(_) if endpoints < ENDPOINTS[ENDPOINTS.len() - 1] => open.push(row),
                    _ => all_held = false,
                }
            }
        }
    }
    Ok(all_held)
}

/// Has one row counted: its number, and at how many endpoints.
pub fn run_part(meter: &mut Meter, part: &str) {
    let (row, endpoints) = part.split_once(' ').expect("a part is two numbers");
    measure(meter, &all()[row.parse::<usize>().unwrap()], endpoints.parse().unwrap());
}

/// Measures the meter, then every class of the row.
fn measure(meter: &mut Meter, pair: &Pair, endpoints: usize) {
    meter.case(METER, || (), std::mem::forget);
    meter.rounds(ROUNDS);
    let face = RefCell::new(None);
    for class in turns(pair, endpoints).map(|place| &pair.classes[place]) {
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

/// The places of the classes in the order in which they are counted: each comes first, and behind each other one, as often as the
/// others.
fn turns(pair: &Pair, endpoints: usize) -> impl Iterator<Item = usize> {
    let count = pair.classes.len();
    (0..endpoints).flat_map(move |round| {
        (0..count).map(move |turn| {
            let turn = if (round / count).is_multiple_of(2) { turn } else { count - 1 - turn };
            (turn + round) % count
        })
    })
}

/// What a class costs.
struct Middle {
    instructions: Option<f64>,
    allocations: f64,
}

impl Middle {
    fn of(costs: &[&Cost]) -> Self {
        let instructions: Option<Vec<f64>> = costs.iter().map(|cost| Some(cost.instructions? as f64)).collect();
        let allocations = costs.iter().map(|cost| cost.allocations).collect();
        Self { instructions: instructions.map(mean_of_middle), allocations: mean_of_middle(allocations) }
    }
}

/// The mean of the middle half.
fn mean_of_middle(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    let middle = &all[all.len() / 4..all.len() - all.len() / 4];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Prints what the classes cost; tells whether the row is as it must be.
fn print(pair: &Pair, costs: &[Cost], endpoints: usize) -> bool {
    let mut of_each = vec![Vec::new(); pair.classes.len()];
    for (place, cost) in turns(pair, endpoints).zip(costs) {
        of_each[place].push(cost);
    }
    let of_pair: Vec<Middle> = of_each.iter().map(|costs| Middle::of(costs)).collect();
    let apart = |of: &dyn Fn(&Middle) -> Option<f64>| {
        let each: Option<Vec<f64>> = of_pair.iter().map(of).collect();
        each.map(|each| {
            each.iter().fold(0.0, |most: f64, one| each.iter().fold(most, |most, other| most.max(one - other)))
        })
    };
    let instructions = apart(&|cost| cost.instructions);
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
    let shown = instructions.map_or("-".to_owned(), |count| format!("{count:.0}"));
    let verdict = if held { "ok" } else { "OUTSIDE" };
    println!("{:<60} {shown:>12} {allocations:>12.2}  {bound}  {verdict}", pair.name);
    for (class, cost) in pair.classes.iter().zip(of_pair) {
        let shown = cost.instructions.map_or("-".to_owned(), |count| format!("{count:.0}"));
        println!("    {:<56} {shown:>12} {:>12.2}", class.name, cost.allocations);
    }
    held
}
