//! The promises of a [`LimiterOperator`], whatever the budgets of its limiter are.

use std::net::{IpAddr, Ipv4Addr};

use super::limiter::{HERE, Target, alice, bob, budget, drain, reserve, settle};
use super::promise::{Make, answer, broken, done, must, must_be};
use crate::boundary::account::AccountKey;
use crate::boundary::limiter::{AttemptKey, AttemptLimiter, Guess, Limit, Reserved, Settlement};
use crate::boundary::operator::{ActiveLock, LimiterOperator};

/// So many locks are walked through.
const MANY: usize = 20;
const NOTHING: &str = "where nothing was counted, there is nothing to list and nothing to lift";
const LISTED: &str = "a lock that holds is listed once, with what is known of it, and looked up by its account";
const PAGES: &str =
    "each lock that holds from the first page to the last is on exactly one page, and no page has more than asked";
const ANEW: &str = "what is unblocked begins anew";

/// A limiter with these functions.
pub(super) trait Operated: AttemptLimiter + LimiterOperator {}

impl<L: AttemptLimiter + LimiterOperator> Operated for L {}

/// All locks, by pages of this size.
async fn all<L: Operated>(limiter: &L, most: usize) -> Vec<ActiveLock> {
    let (mut locks, mut after) = (Vec::new(), None);
    // A limiter that never ends its walk must not end the test's patience.
    for _ in 0..100_000 {
        let page = done(limiter.locks(after, most).await);
        must(page.locks.len() <= most, PAGES);
        locks.extend(page.locks);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    must(after.is_none(), "the walk through the locks has an end");
    locks
}

fn account(target: &Target) -> AccountKey<'static> {
    match target {
        Target::Account(_, account) => account.clone(),
        Target::Client(client_id) => AccountKey::resolved(*client_id),
    }
}

async fn locks_of<L: Operated>(limiter: &L, target: &Target) -> Vec<ActiveLock> {
    done(limiter.locks_of(None, &account(target)).await)
}

/// Another address for each number, far from the others.
fn place(number: usize) -> IpAddr {
    let number = u8::try_from(number).unwrap_or(u8::MAX);
    IpAddr::V4(Ipv4Addr::new(10, number, number, 1))
}

pub(super) async fn nothing<L: Operated>(make: Make<'_, L>) {
    let [limiter, _] = make().await;
    must(all(&limiter, 10).await.is_empty(), NOTHING);
    must(locks_of(&limiter, &alice()).await.is_empty(), NOTHING);
    must_be(done(limiter.unblock_account(None, &account(&alice())).await), 0, NOTHING);
    must_be(done(limiter.unblock_address(HERE).await), 0, NOTHING);
    must(!done(limiter.unblock_account_at(None, &account(&alice()), Some(HERE)).await), NOTHING);
    must(!done(limiter.unblock_client("cli", Some(HERE)).await), NOTHING);
    done(limiter.forget_everything().await);
}

pub(super) async fn listed<L: Operated>(make: Make<'_, L>) {
    let (_, limit) = budget(make).await;
    let [limiter, other] = make().await;
    drain(&limiter, &alice(), HERE).await;
    let locks = all(&limiter, 10).await;
    let listed: Vec<_> = locks.iter().filter(|lock| lock.account == Some(account(&alice()))).collect();
    must_be(listed.len(), 1, LISTED);
    for limiter in [&limiter, &other] {
        let found = locks_of(limiter, &alice()).await;
        must_be(found.len(), 1, "every handle finds a lock by its account");
        for lock in found.iter().chain(listed.iter().copied()) {
            must_be(lock.limit, limit, LISTED);
            must(!lock.remaining.is_zero(), LISTED);
            must(lock.account == Some(account(&alice())), LISTED);
        }
        must(locks_of(limiter, &bob()).await.is_empty(), "a lock is found by its own account alone");
        let realm = done(limiter.locks_of(Some("staff"), &account(&alice())).await);
        must(realm.is_empty(), "a lock is found in its own realm alone");
    }
}

pub(super) async fn pages<L: Operated>(make: Make<'_, L>) {
    let [limiter, _] = make().await;
    let targets: Vec<_> =
        (0..MANY).map(|number| Target::Account(None, AccountKey::resolved(number.to_string()))).collect();
    for (number, target) in targets.iter().enumerate() {
        drain(&limiter, target, place(number)).await;
    }
    for most in [1, 7, MANY, 1000] {
        let locks = all(&limiter, most).await;
        for target in &targets {
            let named = locks.iter().filter(|lock| lock.account == Some(account(target))).count();
            must_be(named, 1, PAGES);
        }
    }
    // None is taken as one, and more than there may be as the most.
    must(done(limiter.locks(None, 0).await).locks.len() <= 1, PAGES);
    must(done(limiter.locks(None, usize::MAX).await).locks.len() <= MANY, PAGES);
}

pub(super) async fn unblocked<L: Operated>(make: Make<'_, L>) {
    let (budget, limit) = budget(make).await;
    let [limiter, other] = make().await;
    for target in [alice(), bob()] {
        drain(&limiter, &target, place(usize::from(account(&target) == account(&bob())))).await;
    }
    must(done(other.unblock_account(None, &account(&alice())).await) > 0, "unblocking tells that something went");
    must(locks_of(&limiter, &alice()).await.is_empty(), ANEW);
    must_be(drain(&limiter, &alice(), place(0)).await.0, budget, ANEW);
    must_be(locks_of(&limiter, &bob()).await.len(), 1, "what belongs to another account stays");
    if limit != Limit::AccountAndAddress {
        return;
    }
    // A second address, of which only the one that is meant is freed.
    drain(&limiter, &alice(), place(2)).await;
    must(done(other.unblock_account_at(None, &account(&alice()), Some(place(2))).await), ANEW);
    must(!done(other.unblock_account_at(None, &account(&alice()), Some(place(2))).await), "what went is gone");
    must(reserve(&limiter, &alice(), place(0)).await.is_err(), "only the address that is meant is freed");
    must(reserve(&limiter, &alice(), place(2)).await.is_ok(), ANEW);
    must(done(other.unblock_address(place(0)).await) > 0, "unblocking tells that something went");
    must_be(drain(&limiter, &alice(), place(0)).await.0, budget, ANEW);
}

pub(super) async fn clients<L: Operated>(make: Make<'_, L>) {
    let [limiter, other] = make().await;
    let client = Target::Client("cli");
    let (budget, _) = drain(&limiter, &client, HERE).await;
    let named = all(&limiter, 10).await.into_iter().filter(|lock| lock.client_id.as_deref() == Some("cli")).count();
    must_be(named, 1, LISTED);
    must(done(other.unblock_client("cli", Some(HERE)).await), ANEW);
    must_be(drain(&limiter, &client, HERE).await.0, budget, ANEW);
}

pub(super) async fn factors<L: Operated>(make: Make<'_, L>) {
    const USER: &str = "user-17";
    let code = async |limiter: &L, challenge: u8| {
        let guess = Guess::Factor { realm: Some("staff"), subject: USER, challenge: &[challenge; 16] };
        match answer(limiter.reserve(&AttemptKey::new(guess, Some(HERE))).await) {
            Reserved::Charged(wrong) => {
                settle(limiter, wrong, Settlement::Denied).await;
                true
            }
            Reserved::Refused(_) => false,
        }
    };
    let spend = async |limiter: &L| {
        let mut spent = 0_usize;
        for challenge in 0..=u8::MAX {
            if !code(limiter, challenge).await {
                return spent;
            }
            spent = spent.saturating_add(1);
        }
        broken("codes of a second factor end by a lock of their user")
    };
    let [limiter, other] = make().await;
    must(done(limiter.factor_locks_of(Some("staff"), USER).await).is_empty(), NOTHING);
    must_be(done(limiter.unblock_factor(Some("staff"), USER).await), 0, NOTHING);
    let budget = spend(&limiter).await;
    let named = |lock: &&ActiveLock| lock.subject.as_deref() == Some(USER) && lock.realm.as_deref() == Some("staff");
    must_be(all(&limiter, 10).await.iter().filter(named).count(), 1, "a lock of a second factor is listed once");
    for limiter in [&limiter, &other] {
        let found = done(limiter.factor_locks_of(Some("staff"), USER).await);
        must_be(found.iter().filter(named).count(), 1, "every handle finds a lock of a second factor by its user");
        must(found.iter().all(|lock| !lock.remaining.is_zero()), LISTED);
        must(done(limiter.factor_locks_of(None, USER).await).is_empty(), "a lock is found in its own realm alone");
    }
    must(done(other.unblock_factor(Some("staff"), USER).await) > 0, "unblocking tells that something went");
    must(done(limiter.factor_locks_of(Some("staff"), USER).await).is_empty(), ANEW);
    must_be(spend(&limiter).await, budget, ANEW);
}

pub(super) async fn under_way<L: Operated>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    for settlement in [Settlement::Untried, Settlement::Undecided, Settlement::Denied] {
        let [limiter, other] = make().await;
        let mut under_way = Vec::new();
        while let Ok(reservation) = reserve(&limiter, &alice(), HERE).await {
            under_way.push(reservation);
        }
        must_be(under_way.len(), budget, "attempts under way count");
        done(other.unblock_account(None, &account(&alice())).await);
        // One begins anew before those are settled, so that there is something to take back wrongly.
        let Ok(one) = reserve(&limiter, &alice(), HERE).await else { return must(false, ANEW) };
        for reservation in under_way {
            settle(&limiter, reservation, settlement).await;
        }
        settle(&limiter, one, Settlement::Denied).await;
        let left = drain(&limiter, &alice(), HERE).await.0;
        must_be(left, budget.saturating_sub(1), "settling what was under way when it was unblocked takes nothing back");
    }
}

pub(super) async fn everything<L: Operated>(make: Make<'_, L>) {
    let (budget, _) = budget(make).await;
    let [limiter, other] = make().await;
    for target in [alice(), bob(), Target::Client("cli")] {
        drain(&limiter, &target, HERE).await;
    }
    done(other.forget_everything().await);
    must(all(&limiter, 10).await.is_empty(), "after everything is forgotten there are no locks");
    must_be(drain(&limiter, &alice(), HERE).await.0, budget, ANEW);
}
