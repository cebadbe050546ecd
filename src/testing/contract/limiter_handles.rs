//! The promises of an [`AttemptLimiter`] over two handles of one store, and when answers do not arrive.

use std::sync::Arc;

use super::limiter::{HERE, Target, alice, budget, drain, reserve, settle};
use super::promise::{Make, PARALLEL, must, together};
use crate::boundary::limiter::{AttemptLimiter, Limit, Settlement};

const TOGETHER: &str = "all handles of one store count together";

/// How many guesses are left, through the handles in turn; at most one more than the budget.
async fn left<L: AttemptLimiter>(limiters: &[Arc<L>; 2], target: &Target, budget: usize) -> usize {
    let mut left = 0_usize;
    for limiter in limiters.iter().cycle() {
        let Ok(reservation) = reserve(&**limiter, target, HERE).await else { break };
        settle(&**limiter, reservation, Settlement::Denied).await;
        left = left.saturating_add(1);
        if left > budget {
            break;
        }
    }
    left
}

pub(super) async fn in_turn<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    let limiters = make().await.map(Arc::new);
    must(left(&limiters, &alice(), budget).await == budget, TOGETHER);
    for limiter in &limiters {
        must(reserve(&**limiter, &alice(), HERE).await.is_err(), "a lock holds through every handle");
    }
}

pub(super) async fn forgiven<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, limit) = budget(make).await;
    // In the budget of an address there are no failures in a row to forget.
    if limit != Limit::AccountAndAddress {
        return;
    }
    let [one, other] = &make().await;
    for _ in 1..budget {
        if let Ok(reservation) = reserve(one, &alice(), HERE).await {
            settle(one, reservation, Settlement::Denied).await;
        }
    }
    if let Ok(right) = reserve(other, &alice(), HERE).await {
        settle(other, right, Settlement::Success).await;
    }
    must(drain(one, &alice(), HERE).await.0 >= budget, "a full login through one handle is one for all");
}

pub(super) async fn parallel<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    for round in 0..10_usize {
        let limiters = make().await.map(Arc::new);
        let count = budget.saturating_add(PARALLEL);
        let calls = limiters.iter().cycle().take(count).enumerate().map(|(number, limiter)| {
            let limiter = Arc::clone(limiter);
            // In some rounds each third one gives its charges back.
            let is_guess = round % 2 == 0 || number % 3 > 0;
            async move {
                let Ok(reservation) = reserve(&*limiter, &alice(), HERE).await else { return None };
                let settlement = if is_guess { Settlement::Denied } else { Settlement::Untried };
                settle(&*limiter, reservation, settlement).await;
                Some(is_guess)
            }
        });
        let charged: Vec<bool> = together(calls).await.into_iter().flatten().collect();
        must(!charged.is_empty(), "of parallel attempts some are charged");
        // May be none: those that give their charges back can be the only ones that had room.
        let guessed = charged.into_iter().filter(|is_guess| *is_guess).count();
        let all = guessed.saturating_add(left(&limiters, &alice(), budget).await);
        must(all <= budget, "parallel attempts through two handles never exceed the budget");
    }
}

pub(super) async fn lost_answers<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    // The answer to a reservation does not arrive.
    let limiters = make().await.map(Arc::new);
    for limiter in limiters.iter().cycle().take(budget) {
        drop(reserve(&**limiter, &alice(), HERE).await);
    }
    let promise = "an attempt whose answer was lost stays charged";
    must(left(&limiters, &alice(), budget).await == 0, promise);
    // That to a settlement does not, so it is tried again, after others were charged.
    for settlement in [Settlement::Success, Settlement::Untried, Settlement::Undecided] {
        let limiters = make().await.map(Arc::new);
        let [one, other] = &limiters;
        let Ok(reservation) = reserve(&**one, &alice(), HERE).await else { continue };
        let again = reservation.again();
        settle(&**one, reservation, settlement).await;
        drain(&**other, &alice(), HERE).await;
        // Whatever it answers.
        drop(one.settle(again, settlement).await);
        let promise = "a settlement that happened, and is tried again because its answer was lost, takes back nothing that \
                       was charged since";
        must(reserve(&**one, &alice(), HERE).await.is_err(), promise);
    }
}
