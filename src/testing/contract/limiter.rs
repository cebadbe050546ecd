//! The promises of an [`AttemptLimiter`], whatever its budgets are.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::promise::{Make, PARALLEL, answer, broken, must, together};
use crate::boundary::account::AccountKey;
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, Guess, Limit, Refusal, Reservation, Reserved, Settlement};

/// By how many attempts every budget must be spent.
pub(super) const MOST: usize = 1_000;

/// What is guessed.
#[derive(Clone)]
pub(super) enum Target {
    Account(Option<&'static str>, AccountKey<'static>),
    Client(&'static str),
}

/// The account of the scenes, and one that has nothing to do with it.
pub(super) fn alice() -> Target {
    Target::Account(None, AccountKey::resolved("alice"))
}

pub(super) fn bob() -> Target {
    Target::Account(None, AccountKey::resolved("bob"))
}

pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// One guess.
pub(super) async fn reserve<L: AttemptLimiter>(
    limiter: &L,
    target: &Target,
    from: IpAddr,
) -> Result<Reservation, Refusal> {
    let guess = match target {
        Target::Account(realm, account) => Guess::Account { realm: *realm, account },
        Target::Client(client_id) => Guess::Client { client_id },
    };
    match answer(limiter.reserve(&AttemptKey::new(guess, Some(from))).await) {
        Reserved::Charged(reservation) => Ok(reservation),
        Reserved::Refused(refusal) => Err(refusal),
    }
}

pub(super) async fn settle<L: AttemptLimiter>(limiter: &L, reservation: Reservation, settlement: Settlement) {
    answer(limiter.settle(reservation, settlement).await);
}

/// Guesses until it is refused, and answers how many guesses there were and the refusal.
pub(super) async fn drain<L: AttemptLimiter>(limiter: &L, target: &Target, from: IpAddr) -> (usize, Refusal) {
    for guesses in 0..=MOST {
        match reserve(limiter, target, from).await {
            Ok(reservation) => settle(limiter, reservation, Settlement::Denied).await,
            Err(refusal) => return (guesses, refusal),
        }
    }
    broken("a limiter refuses: not one of 1,000 wrong guesses at one account was refused")
}

/// The budget of a limiter to which nothing has happened.
pub(super) async fn budget<L: AttemptLimiter>(make: Make<'_, L>) -> (usize, Limit) {
    let [limiter, _] = make().await;
    let (budget, refusal) = drain(&limiter, &alice(), HERE).await;
    must(budget > 0, "the first attempt is charged, not refused");
    (budget, refusal.limit())
}

pub(super) async fn parallel<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    for _ in 0..10 {
        let limiters = make().await.map(Arc::new);
        let calls = limiters.iter().cycle().take(budget.saturating_add(PARALLEL)).map(|limiter| {
            let limiter = Arc::clone(limiter);
            async move { reserve(&*limiter, &alice(), HERE).await.is_ok() }
        });
        let charged = together(calls).await.into_iter().filter(|charged| *charged).count();
        must(charged <= budget, "parallel attempts never exceed the budget");
        must(charged > 0, "of parallel attempts some are charged");
    }
}

pub(super) async fn dropped<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    let [limiter, _] = make().await;
    for _ in 0..budget {
        drop(reserve(&limiter, &alice(), HERE).await);
    }
    let promise = "an attempt that is never settled, because it was dropped or panicked, stays charged";
    must(reserve(&limiter, &alice(), HERE).await.is_err(), promise);
    let [limiter, _] = make().await;
    for _ in 0..budget {
        if let Ok(reservation) = reserve(&limiter, &alice(), HERE).await {
            settle(&limiter, reservation, Settlement::Refused).await;
        }
    }
    must(reserve(&limiter, &alice(), HERE).await.is_err(), "an attempt that is settled as `Refused` stays charged");
}

pub(super) async fn success<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, limit) = budget(make).await;
    let [limiter, _] = make().await;
    for _ in 1..budget {
        if let Ok(reservation) = reserve(&limiter, &alice(), HERE).await {
            settle(&limiter, reservation, Settlement::Denied).await;
        }
    }
    let Ok(right) = reserve(&limiter, &alice(), HERE).await else {
        broken("the same attempts have the same budget each time");
    };
    settle(&limiter, right, Settlement::Success).await;
    let (left, refusal) = drain(&limiter, &alice(), HERE).await;
    must(left > 0, "a full login takes its own charge back");
    if limit == Limit::AccountAndAddress && refusal.limit() == limit {
        let promise = "a full login forgets the failures of its account from its address";
        must(left >= budget, promise);
    }
}

pub(super) async fn untried<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    let [limiter, _] = make().await;
    for _ in 0..budget.saturating_mul(3) {
        match reserve(&limiter, &alice(), HERE).await {
            Ok(reservation) => settle(&limiter, reservation, Settlement::Untried).await,
            Err(_) => broken("an attempt that is settled as `Untried` gives all its charges back"),
        }
    }
    let (left, _) = drain(&limiter, &alice(), HERE).await;
    must(left >= budget, "an attempt that is settled as `Untried` gives all its charges back");
    must(left <= budget, "an attempt that is settled as `Untried` gives back no more than it was charged");
}

pub(super) async fn undecided<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, limit) = budget(make).await;
    let [limiter, _] = make().await;
    for _ in 0..budget {
        if let Ok(reservation) = reserve(&limiter, &alice(), HERE).await {
            settle(&limiter, reservation, Settlement::Undecided).await;
        }
    }
    let (left, refusal) = drain(&limiter, &alice(), HERE).await;
    must(left <= budget, "an attempt that is settled as `Undecided` gives back no more than it was charged");
    if limit != Limit::Address && refusal.limit() == limit {
        must(left == budget, "an attempt that is settled as `Undecided` gives the account's charges back");
    }
}

pub(super) async fn settled_again<L: AttemptLimiter>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    for settlement in [Settlement::Untried, Settlement::Undecided] {
        let [limiter, _] = make().await;
        let mut under_way = Vec::new();
        for _ in 0..budget {
            under_way.extend(reserve(&limiter, &alice(), HERE).await);
        }
        if let Some(last) = under_way.pop() {
            let again = last.again();
            settle(&limiter, last, settlement).await;
            // Whatever it answers.
            drop(limiter.settle(again, settlement).await);
        }
        let mut left = 0_usize;
        while left <= budget && reserve(&limiter, &alice(), HERE).await.is_ok() {
            left = left.saturating_add(1);
        }
        must(left <= 1, "a reservation that is settled again takes back no more than the first time");
    }
}

pub(super) async fn own_charges_only<L: AttemptLimiter>(make: Make<'_, L>) {
    let elsewhere = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
    for settlement in [Settlement::Success, Settlement::Untried, Settlement::Undecided] {
        let [limiter, _] = make().await;
        let Ok(early) = reserve(&limiter, &bob(), elsewhere).await else {
            broken("the first attempt is charged, not refused");
        };
        drain(&limiter, &alice(), HERE).await;
        settle(&limiter, early, settlement).await;
        let promise = "`settle` takes back what the attempt itself was charged, and nothing of another account";
        must(reserve(&limiter, &alice(), HERE).await.is_err(), promise);
    }
    // The one before the last, which is still under way.
    let (budget, _) = budget(make).await;
    let [limiter, _] = make().await;
    let mut under_way = Vec::new();
    for _ in 0..budget {
        under_way.extend(reserve(&limiter, &alice(), HERE).await);
    }
    must(under_way.len() == budget, "the same attempts have the same budget each time");
    for _ in 0..PARALLEL {
        must(reserve(&limiter, &alice(), HERE).await.is_err(), "attempts under way count as well");
    }
    if let Some(last) = under_way.pop() {
        settle(&limiter, last, Settlement::Untried).await;
    }
    let left = reserve(&limiter, &alice(), HERE).await.is_ok();
    must(left, "attempts that are refused are not charged: what one gave back, another may use");
    let promise = "an attempt that is settled as `Untried` gives back no more than it was charged";
    must(reserve(&limiter, &alice(), HERE).await.is_err(), promise);
}

pub(super) async fn refused<L: AttemptLimiter>(make: Make<'_, L>) {
    let [limiter, _] = make().await;
    let (_, first) = drain(&limiter, &alice(), HERE).await;
    must(first.retry_after() > Duration::ZERO, "a refusal tells for how long no attempt has a chance");
    for _ in 0..MOST {
        match reserve(&limiter, &alice(), HERE).await {
            Ok(_) => broken("a lock holds until its time is over"),
            Err(refusal) if refusal.limit() == first.limit() => {
                must(refusal.retry_after() <= first.retry_after(), "refused attempts never extend a lock");
            }
            Err(_) => broken("a refused attempt is charged to no budget: another one is spent now"),
        }
    }
    // Where the address itself has no budget left, nobody has.
    if first.limit() != Limit::Address {
        let promise =
            "all budgets of an attempt are charged, or none: refused attempts spent the budget of their address";
        must(reserve(&limiter, &bob(), HERE).await.is_ok(), promise);
    }
}
