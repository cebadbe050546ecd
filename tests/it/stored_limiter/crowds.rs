//! Crowds of attempts that wait for each other in one process: what they have in common, and no other attempt, waits with them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tokio::task::JoinHandle;
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::limiter::{LimiterOperator, StoredLimiter};
use tower_password_grant::user::AccountKey;

use super::unreliable::Unreliable;
use super::world::{Checking, No, check, limiter, reserve_from};
use crate::support::records::MapRecords;
use crate::support::spawn;

type Limiter = Arc<StoredLimiter<Unreliable>>;
type Reserving = JoinHandle<Result<(), No>>;

const CROWD: u16 = 500;

/// A network of its own for each number.
fn network(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, high, low, 1).into()
}

/// One of the /64s of one /48.
fn subnet(number: u16) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, number, 0, 0, 0, 1).into()
}

fn world() -> (Unreliable, Limiter) {
    let store = Unreliable::new(MapRecords::new());
    (store.clone(), Arc::new(limiter(store)))
}

/// A wrong guess, in a task of its own.
fn start(limiter: &Limiter, name: String, address: IpAddr) -> Reserving {
    let limiter = Arc::clone(limiter);
    spawn(async move { reserve_from(&*limiter, &name, Some(address)).await.map(drop) })
}

async fn all(reserving: Vec<Reserving>) -> Vec<Result<(), No>> {
    let mut answers = Vec::new();
    for reserving in reserving {
        answers.push(reserving.await.unwrap());
    }
    answers
}

const OTHERS: u16 = 20;

/// A crowd whose first attempt is at its swap, and then some others: they have the next turns, while most of the crowd waits.
async fn others_do_not_wait(crowd: impl Fn(u16) -> (String, IpAddr), others: impl Fn(u16) -> (String, IpAddr)) {
    let (store, limiter) = world();
    store.take_at_most(64);
    store.hold(true);
    let started = |of: &dyn Fn(u16) -> (String, IpAddr), count| {
        (0..count).map(of).map(|(name, address)| start(&limiter, name, address)).collect::<Vec<_>>()
    };
    let crowd = started(&crowd, CROWD);
    assert_eq!(store.loads_at_rest().await, 1, "of a crowd one has its turn");
    let others = started(&others, OTHERS);
    assert_eq!(store.loads_at_rest().await, 1, "one call is under way at a time");
    store.hold(false);
    assert!(all(others).await.iter().all(Result::is_ok));
    let (loads, _) = store.calls();
    assert!(loads <= 8, "the others waited for {loads} turns");
    all(crowd).await;
    assert!(store.calls().0 >= 15, "the crowd had no more than {} turns", store.calls().0);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_from_one_address_holds_up_no_account_elsewhere() {
    others_do_not_wait(
        |n| (format!("crowd-{n}"), network(0)),
        // The accounts at which it guesses, too.
        |n| (if n % 2 == 0 { format!("other-{n}") } else { format!("crowd-{n}") }, network(n + 1)),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crowd_from_one_48_holds_up_no_account_elsewhere() {
    others_do_not_wait(|n| (format!("crowd-{n}"), subnet(n)), |n| (format!("other-{n}"), network(n))).await;
}

#[tokio::test(start_paused = true)]
async fn a_crowd_on_one_account_holds_up_no_network_from_which_it_guesses() {
    others_do_not_wait(|n| ("alice".to_owned(), network(n)), |n| (format!("other-{n}"), network(n + 1))).await;
}

#[tokio::test(start_paused = true)]
async fn of_crowds_that_share_accounts_and_networks_each_attempt_has_its_turn() {
    let (store, limiter) = world();
    store.hold(true);
    let crowd: Vec<_> =
        (0..CROWD).map(|n| start(&limiter, format!("crowd-{}", n % 20), network(n / 20 % 20))).collect();
    store.loads_at_rest().await;
    store.hold(false);
    for answer in all(crowd).await {
        assert!(!matches!(answer, Err(No::Failed(_))), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_one_network_512_are_under_way_and_more_are_503_before_they_are_compared() {
    let (store, limiter) = world();
    // A right secret from an address that is known changes nothing and needs no turn.
    assert_eq!(check(&*limiter, "app", true).await, Checking::Right);
    let (loads, _) = store.calls();
    store.hold(true);
    let here = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
    let crowd: Vec<_> = (0..512).map(|n| start(&limiter, format!("crowd-{n}"), here)).collect();
    assert_eq!(store.loads_at_rest().await, loads + 1);
    let error = start(&limiter, "one-more".to_owned(), here).await.unwrap().unwrap_err().error();
    assert_eq!(error.kind(), BackendErrorKind::Overloaded);
    for is_right in [true, false] {
        assert_eq!(check(&*limiter, "app", is_right).await, Checking::Error);
    }
    assert_eq!(store.calls().0, loads + 1);
    store.hold(false);
    for answer in all(crowd).await {
        assert!(!matches!(answer, Err(No::Failed(_))), "{answer:?}");
    }
    assert_eq!(check(&*limiter, "other", true).await, Checking::Refused, "the crowd spent the budget of the address");
}

#[tokio::test(start_paused = true)]
async fn a_right_check_waits_behind_wrong_ones_that_wait_for_their_network() {
    let (store, limiter) = world();
    assert_eq!(check(&*limiter, "app", true).await, Checking::Right);
    let (loads, _) = store.calls();
    store.hold(true);
    // It has its turn, and the wrong ones have none meanwhile.
    let first = start(&limiter, "alice".to_owned(), Ipv4Addr::new(192, 0, 2, 1).into());
    assert_eq!(store.loads_at_rest().await, loads + 1);
    let checking = |is_right| {
        let limiter = Arc::clone(&limiter);
        spawn(async move { check(&*limiter, "app", is_right).await })
    };
    let wrong: Vec<_> = (0..40).map(|_| checking(false)).collect();
    assert_eq!(store.loads_at_rest().await, loads + 1);
    let right = checking(true);
    assert_eq!(store.loads_at_rest().await, loads + 1);
    assert!(!right.is_finished(), "it is told before those that it came behind");
    store.hold(false);
    first.await.unwrap().unwrap();
    let mut told = 0;
    for wrong in wrong {
        told += usize::from(wrong.await.unwrap() == Checking::Wrong);
    }
    assert_eq!((told, right.await.unwrap()), (10, Checking::Refused));
}

/// Guesses at `alice` from one address until it is locked out, and then as many at once as there are turns. The first of them is at
/// its load.
async fn locked_out() -> (Unreliable, MapRecords, Limiter, Vec<Reserving>, usize) {
    let records = MapRecords::new();
    let store = Unreliable::new(records.clone());
    let limiter = Arc::new(limiter(store.clone()));
    let alice = |limiter: &Limiter| start(limiter, "alice".to_owned(), network(0));
    while alice(&limiter).await.unwrap().is_ok() {}
    store.hold_loads(true);
    let mut crowd = vec![alice(&limiter)];
    let loads = store.loads_at_rest().await;
    crowd.extend((1..CROWD).map(|_| alice(&limiter)));
    (store, records, limiter, crowd, loads)
}

/// T26: one who is locked out must not slow the logins of the account's owner.
#[tokio::test(start_paused = true)]
async fn a_crowd_that_is_locked_out_takes_one_turn_of_the_owner_who_logs_in_from_elsewhere_t26() {
    let (store, _, limiter, crowd, loads) = locked_out().await;
    let owner = start(&limiter, "alice".to_owned(), network(1));
    assert_eq!(store.loads_at_rest().await, loads, "the owner waits for one turn");
    store.hold_loads(false);
    owner.await.unwrap().unwrap();
    for answer in all(crowd).await {
        assert!(matches!(answer, Err(No::Refused(_))), "{answer:?}");
    }
    // One turn for all that came while the first was at its load, and the owner with them.
    assert_eq!(store.calls().0, loads + 1);
}

/// The threat model names this.
#[tokio::test(start_paused = true)]
async fn of_networks_that_are_locked_out_all_take_one_turn_of_the_owner_t26() {
    const NETWORKS: u16 = 8;
    let (store, limiter) = world();
    let alice = |number: u16| start(&limiter, "alice".to_owned(), network(number));
    for number in 1..=NETWORKS {
        while alice(number).await.unwrap().is_ok() {}
    }
    store.hold_loads(true);
    let crowd: Vec<_> = (0..CROWD).map(|n| alice(1 + n % NETWORKS)).collect();
    let loads = store.loads_at_rest().await;
    let owner = alice(0);
    store.loads_at_rest().await;
    store.hold_loads(false);
    owner.await.unwrap().unwrap();
    assert!(all(crowd).await.iter().all(|answer| matches!(answer, Err(No::Refused(_)))));
    // The first load was one for the first that came.
    assert_eq!(store.calls().0, loads + 1);
}

#[tokio::test(start_paused = true)]
async fn a_burst_beyond_a_budget_takes_one_turn() {
    let (store, limiter) = world();
    store.hold_loads(true);
    let crowd: Vec<_> = (0..CROWD).map(|_| start(&limiter, "alice".to_owned(), network(0))).collect();
    assert_eq!(store.loads_at_rest().await, 1);
    store.hold_loads(false);
    assert_eq!(all(crowd).await.iter().filter(|answer| answer.is_ok()).count(), 10);
    assert_eq!(store.calls(), (1, 1));
}

/// P9: a lock that was seen before is not taken for one that holds still.
#[tokio::test(start_paused = true)]
async fn what_an_operator_unblocks_is_seen_by_all_that_wait_for_a_load_of_before() {
    let (store, records, _limiter, crowd, _) = locked_out().await;
    // Another process, on the same records.
    let operator = limiter(records);
    let alice = AccountKey::resolved("alice");
    assert!(operator.unblock_account_at(None, &alice, Some(network(0))).await.unwrap());
    store.hold_loads(false);
    let answers = all(crowd).await;
    assert!(matches!(answers[0], Err(No::Refused(_))), "it was loaded before");
    assert!(answers[1..11].iter().all(Result::is_ok) && answers[11..].iter().all(Result::is_err));
}
