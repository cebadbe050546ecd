//! The ceilings, and whether they hold.

use super::body::{FRAME, Flood, LIMIT};
use super::cases::{
    ESCAPES, HANDLER, INNER, INNER_LAYERED, METER, REFUSALS, ROUTER, ROUTER_LAYERED, TOKEN, TOKEN_ROUTER,
};
use super::meter::Cost;

const PASSING_INSTRUCTIONS: f64 = 150.0;
const TOKEN_ALLOCATIONS: f64 = 10.0;
const TOKEN_INSTRUCTIONS: f64 = 14_000.0;

pub fn print_costs(costs: &[Cost]) {
    println!("{:<46} {:>12} {:>12} {:>8}", "one request", "instructions", "allocations", "bytes");
    for cost in costs.iter().filter(|cost| cost.name != METER) {
        let instructions = cost.instructions.map_or("-".to_owned(), |count| count.to_string());
        println!("{:<46} {instructions:>12} {:>12.2} {:>8}", cost.name, cost.allocations, cost.bytes);
    }
    println!();
}

/// Prints every goal; tells whether all that could be measured are met.
pub fn judge(costs: &[Cost], flood: &Flood) -> bool {
    let cost = |name: &str| costs.iter().find(|cost| cost.name == name).expect("every case was measured");
    let allocations = |name: &str| Some(cost(name).allocations);
    let instructions = |name: &str| cost(name).instructions.map(|count| count as f64);
    let added = |with: Option<f64>, without: Option<f64>| Some(with? - without?);
    let worst = |measure: &dyn Fn(&str) -> Option<f64>| {
        REFUSALS.iter().map(|name| measure(name)).try_fold(0.0, |worst, one| Some(f64::max(worst, one?)))
    };

    println!("{:<62} {:>10} {:>10}", "goal", "measured", "ceiling");
    let goals = [
        ("D1 pass-through: allocations added", added(allocations(INNER_LAYERED), allocations(INNER)), 0.0),
        (
            "D2 pass-through: instructions added",
            added(instructions(INNER_LAYERED), instructions(INNER)),
            PASSING_INSTRUCTIONS,
        ),
        ("D3 around an axum router: allocations added", added(allocations(ROUTER_LAYERED), allocations(ROUTER)), 0.0),
        (
            "D3 around an axum router: instructions added",
            added(instructions(ROUTER_LAYERED), instructions(ROUTER)),
            PASSING_INSTRUCTIONS,
        ),
        ("D4 token request: allocations", allocations(TOKEN), TOKEN_ALLOCATIONS),
        ("D5 token request: instructions", instructions(TOKEN), TOKEN_INSTRUCTIONS),
        (
            "D5 token request before a router: instructions, below the handler's",
            instructions(TOKEN_ROUTER),
            instructions(HANDLER).unwrap_or(0.0),
        ),
        ("D4 with escapes, both readings, a scope: allocations", allocations(ESCAPES), TOKEN_ALLOCATIONS + 2.0),
        ("D6 dearest refusal: allocations", worst(&allocations), TOKEN_ALLOCATIONS),
        ("D6 dearest refusal: instructions", worst(&instructions), TOKEN_INSTRUCTIONS),
        ("D7 endless body: bytes taken", Some(flood.taken as f64), (LIMIT + FRAME) as f64),
        ("D7 endless body: bytes held", Some(flood.held as f64), (LIMIT + FRAME) as f64),
    ];
    let mut all_met = true;
    for (name, measured, ceiling) in goals {
        let Some(measured) = measured else {
            println!("{name:<62} {:>10} {ceiling:>10.0}  SKIPPED: not measured", "-");
            continue;
        };
        let met = measured <= ceiling;
        all_met &= met;
        println!("{name:<62} {measured:>10.2} {ceiling:>10.0}  {}", if met { "ok" } else { "FAILED" });
    }
    all_met
}
