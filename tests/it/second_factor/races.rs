//! Requests at once in one process: whatever is shown works once, and no budget is exceeded. `tests/factor_processes` runs the same
//! rounds over two processes.
//!
//! `FACTOR_RACES_IN_MEMORY` (default 20) is the number of rounds of each race.

use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use http::Method;
use tokio::runtime::{Builder, Runtime};
use tower_password_grant::clock::Clock as _;
use tower_password_grant::limiter::{Limits, Lockout, MemoryLimiter};
use tower_password_grant::mfa::When;
use tower_password_grant::testing::contract::together;

use crate::support::factor_rounds::{self, Ask, Reply, Service};
use crate::support::factors::{FORM, FactorBed, JSON, bearer_of, request};
use crate::support::protection::counted_by;

/// Half of them with the default budgets, half without any.
fn rounds() -> usize {
    std::env::var("FACTOR_RACES_IN_MEMORY").map_or(20, |text| text.parse().unwrap())
}

struct Memory {
    bed: FactorBed,
    runtime: Runtime,
    has_budgets: bool,
}

impl Memory {
    fn new(has_budgets: bool) -> Self {
        let many = Lockout::new(u32::MAX, Duration::from_secs(60));
        let limits =
            Limits::new().with_challenge_budget(many).with_factor_budget(many).with_factor_in_a_row_budget(many);
        let limiter = MemoryLimiter::new().with_limits(if has_budgets { Limits::new() } else { limits });
        let bed = FactorBed::with(
            |factors| factors.demand(When::Always),
            |builder| builder.attack_protection(counted_by(limiter)),
        );
        Self { bed, runtime: Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap(), has_budgets }
    }
}

async fn send(bed: FactorBed, ask: Ask) -> Reply {
    let bearer = ask.bearer.as_deref().map(bearer_of);
    let headers = match &bearer {
        Some(bearer) => vec![JSON, ("authorization", bearer)],
        None => vec![FORM],
    };
    let mut sent = request(Method::from_bytes(ask.method.as_bytes()).unwrap(), &ask.path, &headers, &ask.body);
    sent.extensions_mut().insert(SocketAddr::from((ask.from, 4711)));
    let answer = bed.send(sent).await;
    Reply { status: answer.status.as_u16(), json: answer.json() }
}

impl Service for Memory {
    fn all(&mut self, asks: Vec<Ask>) -> Vec<Reply> {
        self.runtime.block_on(together(asks.into_iter().map(|ask| send(self.bed.clone(), ask))))
    }

    fn all_while(&mut self, asks: Vec<Ask>, meanwhile: impl FnOnce() + Send + 'static) -> Vec<Reply> {
        self.runtime.block_on(async {
            let meanwhile = tokio::spawn(async { meanwhile() });
            let replies = together(asks.into_iter().map(|ask| send(self.bed.clone(), ask))).await;
            meanwhile.await.unwrap();
            replies
        })
    }

    fn time(&self) -> Duration {
        self.bed.clock.now().duration_since(UNIX_EPOCH).unwrap()
    }

    fn advance(&self, seconds: u64) {
        self.bed.clock.advance(Duration::from_secs(seconds));
    }

    fn has_budgets(&self) -> bool {
        self.has_budgets
    }

    fn change(&self, name: &str, locks: bool) -> Box<dyn FnOnce() + Send> {
        let (people, name) = (self.bed.people.clone(), name.to_owned());
        Box::new(move || if locks { people.lock(&name) } else { people.change_password(&name) })
    }
}

fn run(race: impl Fn(&mut Memory, usize)) {
    for has_budgets in [true, false] {
        race(&mut Memory::new(has_budgets), rounds().div_ceil(2));
    }
}

#[test]
fn of_100_right_codes_at_once_for_one_challenge_one_finishes_its_login() {
    run(factor_rounds::right_codes);
}

#[test]
fn of_50_challenges_at_once_one_is_finished_by_their_one_right_code() {
    run(factor_rounds::challenges);
}

#[test]
fn of_50_codes_at_once_for_one_challenge_the_right_one_finishes_it_and_no_more_are_tried_than_its_budget_allows() {
    run(factor_rounds::codes);
}

#[test]
fn of_different_right_codes_at_once_one_finishes_a_challenge_and_each_works_once() {
    run(factor_rounds::different_codes);
}

#[test]
fn of_50_equal_recovery_codes_at_once_one_finishes_its_login_and_is_swapped_for_one() {
    run(factor_rounds::recovery_codes);
}

#[test]
fn of_two_enrolments_at_once_one_becomes_active_and_two_confirmations_of_one_count_once() {
    run(factor_rounds::enrolments);
}

#[test]
fn a_user_who_is_locked_or_has_another_password_while_codes_come_in_gets_nothing_afterwards() {
    run(factor_rounds::changes);
}
