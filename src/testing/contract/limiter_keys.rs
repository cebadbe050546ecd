//! What an [`AttemptLimiter`] takes for one account, one client, one sender.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::limiter::{HERE, Target, alice, bob, drain, reserve, settle};
use super::promise::{Make, broken, must};
use crate::boundary::account::AccountKey;
use crate::boundary::limiter::{AttemptLimiter, Limit, Settlement};

fn account(realm: Option<&'static str>, id: &'static str) -> Target {
    Target::Account(realm, AccountKey::resolved(id))
}

pub(super) async fn parts<L: AttemptLimiter>(make: Make<'_, L>) {
    let pairs = [
        (account(Some("a"), "bc"), account(Some("ab"), "c")),
        (account(Some("a:b"), "c"), account(Some("a"), "b:c")),
        (account(Some("a\0b"), "c"), account(Some("a"), "b\0c")),
        (account(Some("a"), ""), account(None, "a")),
        (account(None, "a"), account(Some(""), "a")),
        (account(None, "a"), account(None, "A")),
        (account(None, "a"), account(None, "a ")),
        (account(None, "a"), Target::Account(None, AccountKey::canonical("a"))),
        (account(None, "a"), Target::Account(None, AccountKey::phantom("a"))),
        (Target::Account(None, AccountKey::phantom("a")), Target::Account(None, AccountKey::canonical("a"))),
        (Target::Account(None, AccountKey::canonical("a")), Target::Client("a")),
        (Target::Client("a"), account(None, "a")),
        (Target::Client("a"), Target::Client("A")),
    ];
    for (one, other) in pairs {
        let [limiter, _] = make().await;
        let (_, refusal) = drain(&limiter, &one, HERE).await;
        // Where the address itself has no budget left, nobody has.
        if refusal.limit() == Limit::Address {
            continue;
        }
        let promise =
            "keys are equal only if every part is: realm, account, kind of the account's key, account or client";
        must(reserve(&limiter, &other, HERE).await.is_ok(), promise);
        must(reserve(&limiter, &one, HERE).await.is_err(), "a lock holds until its time is over");
    }
}

pub(super) async fn networks<L: AttemptLimiter>(make: Make<'_, L>) {
    let v6 = |network: u16, host: u16| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, network, 0, 0, 0, host));
    let alice = account(None, "alice");
    let [limiter, _] = make().await;
    let (budget, refusal) = drain(&limiter, &alice, v6(1, 1)).await;
    let same = reserve(&limiter, &alice, v6(1, 2)).await;
    must(same.is_err(), "the addresses of one /64 are one sender");
    must_have_own(&refusal.limit(), reserve(&limiter, &alice, v6(2, 1)).await.map_err(|refusal| refusal.limit()));

    // A budget that is spent by turns.
    let [limiter, _] = make().await;
    for host in 0..=budget {
        let host = u16::try_from(host).unwrap_or(u16::MAX);
        if reserve(&limiter, &alice, v6(1, host)).await.is_err() {
            must(usize::from(host) == budget, "the same attempts have the same budget each time");
        } else if usize::from(host) == budget {
            broken("the addresses of one /64 are one sender");
        }
    }

    let [limiter, _] = make().await;
    let (_, refusal) = drain(&limiter, &alice, HERE).await;
    let next = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    must_have_own(&refusal.limit(), reserve(&limiter, &alice, next).await.map_err(|refusal| refusal.limit()));
}

pub(super) async fn known_addresses<L: AttemptLimiter>(make: Make<'_, L>) {
    let next = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    let is_known = async |limiter: &L, target: &Target, from: IpAddr| {
        // One that is refused is known nowhere.
        reserve(limiter, target, from).await.is_ok_and(|attempt| attempt.is_from_known_address())
    };
    let end = async |limiter: &L, settlement: Settlement| match reserve(limiter, &alice(), HERE).await {
        Ok(first) => settle(limiter, first, settlement).await,
        Err(_) => broken("the first attempt is charged, not refused"),
    };
    let promise =
        "an address is known only for an account that logged in from there: nothing but `Success` makes it so";
    for settlement in [Settlement::Denied, Settlement::Refused, Settlement::Undecided, Settlement::Untried] {
        let [limiter, _] = make().await;
        end(&limiter, settlement).await;
        must(!is_known(&limiter, &alice(), HERE).await, promise);
    }
    let [limiter, _] = make().await;
    must(!is_known(&limiter, &bob(), HERE).await, promise);
    end(&limiter, Settlement::Success).await;
    let in_realm = account(Some("realm"), "alice");
    let phantom = Target::Account(None, AccountKey::phantom("alice"));
    for (target, from) in [(alice(), next), (bob(), HERE), (in_realm, HERE), (phantom, HERE)] {
        must(!is_known(&limiter, &target, from).await, promise);
    }
}

/// Another sender has another budget, unless it was the account's own that was spent.
fn must_have_own<T>(spent: &Limit, other: Result<T, Limit>) {
    let is_counted_by_sender = *spent != Limit::Account;
    if let Err(limit) = other {
        must(!is_counted_by_sender || limit == Limit::Account, "senders outside of one /64 are not one");
    }
}
