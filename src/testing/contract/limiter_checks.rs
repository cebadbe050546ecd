//! The promises of an [`AttemptLimiter`] about checks that are decided at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::limiter::{HERE, MOST, Target, reserve, settle};
use super::promise::{Make, PARALLEL, answer, broken, must, must_be, together};
use crate::boundary::check::SecretCheck;
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, Checked, Guess, Refusal, Settlement};

const CLIENT: &str = "client";

/// How a check ended, and whether it was compared at all.
struct Ended {
    is_right: Result<bool, Refusal>,
    is_compared: bool,
}

async fn check<L: AttemptLimiter>(limiter: &L, is_right: bool) -> Ended {
    let count = Arc::new(AtomicUsize::new(0));
    let key = AttemptKey::new(Guess::Client { client_id: CLIENT }, Some(HERE));
    let checked = answer(limiter.check(&key, SecretCheck::counted(is_right, Arc::clone(&count))).await);
    let is_right = match checked {
        Checked::Decided(decided) => Ok(decided.is_right()),
        Checked::Refused(refusal) => Err(refusal),
    };
    Ended { is_right, is_compared: count.load(Ordering::SeqCst) > 0 }
}

async fn wrong<L: AttemptLimiter>(limiter: &L) -> bool {
    let ended = check(limiter, false).await;
    must(ended.is_right.is_ok() || !ended.is_compared, LOOKS_FIRST);
    is_told(&ended)
}

/// Whether a wrong check was told as what it is, and not refused.
fn is_told(ended: &Ended) -> bool {
    must(ended.is_right.is_err() || ended.is_compared, "a check that is not refused is compared");
    if let Ok(is_right) = ended.is_right {
        must(!is_right, "a check that was wrong is told as wrong");
    }
    ended.is_right.is_ok()
}

const LOOKS_FIRST: &str = "a look that refuses comes before the comparison: a check that is refused is not compared";

/// How many wrong checks there are in the budget.
async fn budget<L: AttemptLimiter>(limiter: &L) -> usize {
    for guesses in 0..=MOST {
        if !wrong(limiter).await {
            return guesses;
        }
    }
    broken("a check that was wrong is charged: not one of 1,000 was refused")
}

pub(super) async fn one_after_the_other<L: AttemptLimiter>(make: Make<'_, L>) {
    let [limiter, _] = make().await;
    let most = budget(&limiter).await;
    must(most > 0, "the first check is compared, not refused");
    // Under the lock the right one looks like a wrong one.
    let right = check(&limiter, true).await;
    must(right.is_right.is_err(), "a lock holds for a check that is right, too");
    must(!right.is_compared, LOOKS_FIRST);
    let target = Target::Client(CLIENT);
    let promise = "checks and attempts count together";
    must(reserve(&limiter, &target, HERE).await.is_err(), promise);

    let [limiter, _] = make().await;
    for _ in 0..most {
        if let Ok(reservation) = reserve(&limiter, &target, HERE).await {
            settle(&limiter, reservation, Settlement::Denied).await;
        }
    }
    must(!wrong(&limiter).await, promise);

    let [limiter, _] = make().await;
    for _ in 0..3 {
        for _ in 1..most {
            must(wrong(&limiter).await, "a check that was right forgets the wrong ones of its client from its address");
        }
        for _ in 0..most {
            let right = check(&limiter, true).await;
            must_be(right.is_right.ok(), Some(true), "a check that was right is told as right and takes no place");
        }
    }
    must_be(budget(&limiter).await, most, "a check that was right gives back no more than what was charged");
}

pub(super) async fn parallel<L: AttemptLimiter>(make: Make<'_, L>) {
    let [limiter, _] = make().await;
    let most = budget(&limiter).await;
    for _ in 0..10 {
        let limiters = make().await.map(Arc::new);
        let calls = limiters.iter().cycle().take(most.saturating_add(PARALLEL)).map(|limiter| {
            let limiter = Arc::clone(limiter);
            // What is refused in a race may have been compared before others were charged, as long as that is not told.
            async move { is_told(&check(&*limiter, false).await) }
        });
        let compared = together(calls).await.into_iter().filter(|compared| *compared).count();
        must(compared <= most, "parallel checks never exceed the budget");
        must(compared > 0, "of parallel checks some are compared");
    }
}
