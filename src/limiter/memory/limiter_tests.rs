use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::{Arc, atomic::AtomicU64};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use super::*;
use crate::boundary::account::AccountKey;
use crate::boundary::clock::Clock;
use crate::boundary::limiter::{Fingerprint, Guess, Limit, Refusal};
use crate::boundary::operator::{ActiveLock, LimiterOperator as _};
use crate::limiter::memory::shards::SHARDS;
use crate::limiter::memory::tables::shard_at;
use crate::limiter::step::budget::{Lockout, TokenBucket};

#[path = "factor_tests.rs"]
mod factors;
#[path = "random_tests.rs"]
mod random;

const MINUTE: Duration = Duration::from_secs(60);
const HERE: &str = "192.0.2.1";

/// In milliseconds.
#[derive(Debug, Default)]
struct Millis(AtomicU64);

impl Millis {
    fn wait(&self, time: Duration) {
        self.0.fetch_add(millis(time), Ordering::Relaxed);
    }
}

impl Clock for Millis {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

fn with_clock(limiter: MemoryLimiter) -> (MemoryLimiter, Arc<Millis>) {
    let clock = Arc::new(Millis::default());
    (limiter.with_clock(clock.clone()), clock)
}

fn ready<T, E: fmt::Debug>(answer: impl Future<Output = Result<T, E>>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the memory limiter waits for nothing"),
    }
}

fn locks(limiter: &MemoryLimiter) -> Vec<ActiveLock> {
    let (mut locks, mut after) = (Vec::new(), None);
    loop {
        let page = ready(limiter.locks(after, 1000));
        locks.extend(page.locks);
        after = page.next;
        if after.is_none() {
            return locks;
        }
    }
}

fn reserve(limiter: &MemoryLimiter, key: &AttemptKey<'_>) -> Result<Reservation, Refusal> {
    match ready(limiter.reserve(key)) {
        Reserved::Charged(reservation) => Ok(reservation),
        Reserved::Refused(refusal) => Err(refusal),
    }
}

fn settle(limiter: &MemoryLimiter, reservation: Reservation, settlement: Settlement) -> Option<BegunLock> {
    ready(limiter.settle(reservation, settlement))
}

fn attempt(limiter: &MemoryLimiter, name: &str, address: &str) -> Result<Reservation, Refusal> {
    let (account, realm) = (AccountKey::resolved(name), None);
    reserve(limiter, &AttemptKey::new(Guess::Account { realm, account: &account }, address.parse().ok()))
}

fn attempt_client(limiter: &MemoryLimiter, client_id: &str, address: &str) -> Result<Reservation, Refusal> {
    reserve(limiter, &AttemptKey::new(Guess::Client { client_id }, address.parse().ok()))
}

/// Fails to log in until it is refused; tells how often.
fn guesses(limiter: &MemoryLimiter, name: &str, address: &str) -> usize {
    let denied = |reservation| settle(limiter, reservation, Settlement::Denied);
    (0..1000).take_while(|_| attempt(limiter, name, address).map(denied).is_ok()).count()
}

fn log_in(limiter: &MemoryLimiter, name: &str, address: &str) {
    settle(limiter, attempt(limiter, name, address).unwrap(), Settlement::Success);
}

fn nth_address(number: u32) -> String {
    Ipv4Addr::from_bits(0x0a00_0000 | number).to_string()
}

fn held(limiter: &MemoryLimiter) -> usize {
    (0..SHARDS).map(|shard| shard_at(&limiter.tables.pairs, shard).unwrap().iter().count()).sum()
}

#[test]
fn pairs_and_clients_have_budgets_of_their_own_t1_t49() {
    let (limiter, _clock) = with_clock(MemoryLimiter::new());
    assert_eq!(guesses(&limiter, "alice", HERE), 10);
    assert_eq!(guesses(&limiter, "alice", "192.0.2.2"), 10);
    assert_eq!(guesses(&limiter, "bob", HERE), 10);
    assert_eq!((0..20).filter(|_| attempt_client(&limiter, "alice", HERE).is_ok()).count(), 10);
    assert!(attempt_client(&limiter, "alice", "192.0.2.2").is_ok());
    let refusal = attempt(&limiter, "alice", HERE).unwrap_err();
    assert_eq!((refusal.limit(), refusal.retry_after()), (Limit::AccountAndAddress, 15 * MINUTE));
}

#[test]
fn an_account_has_a_ceiling_over_all_addresses_that_spares_those_it_succeeded_from_t5_t26() {
    let (limiter, clock) = with_clock(MemoryLimiter::new());
    log_in(&limiter, "alice", HERE);
    let made: usize = (0..50).map(|number| guesses(&limiter, "alice", &nth_address(number))).sum();
    assert_eq!(made, 100);
    assert_eq!(attempt(&limiter, "alice", "192.0.2.2").unwrap_err().limit(), Limit::Account);
    log_in(&limiter, "alice", HERE);
    // A known address is spared by the account's budget, not by its own.
    assert_eq!(guesses(&limiter, "alice", HERE), 10);
    clock.wait(90 * 24 * 60 * MINUTE);
    assert!((0..50).map(|number| guesses(&limiter, "alice", &nth_address(number))).sum::<usize>() == 100);
    assert_eq!(attempt(&limiter, "alice", HERE).unwrap_err().limit(), Limit::Account);
}

#[test]
fn a_charge_says_whether_the_account_logged_in_from_its_address_before() {
    let (limiter, clock) = with_clock(MemoryLimiter::new());
    let is_known = |name, address| attempt(&limiter, name, address).unwrap().is_from_known_address();
    assert!(!is_known("alice", HERE));
    log_in(&limiter, "alice", HERE);
    log_in(&limiter, "alice", "2001:db8::1");
    let attempt_here = attempt(&limiter, "alice", HERE).unwrap();
    assert!(attempt_here.is_from_known_address() && attempt_here.again().is_from_known_address());
    assert!(is_known("alice", "2001:db8::ffff"), "an IPv6 address stands for its /64");
    assert!(!is_known("alice", "192.0.2.2") && !is_known("bob", HERE) && !is_known("alice", "2001:db8:0:1::1"));
    assert!(!is_known("alice", "no address"));
    clock.wait(90 * 24 * 60 * MINUTE);
    assert!(!is_known("alice", HERE), "it is forgotten");
}

#[test]
fn an_ipv6_network_and_all_forms_of_ipv4_count_as_one_address_t17_t45() {
    let limiter = MemoryLimiter::new();
    let network = |address: &str| limiter.digests.network(address.parse().ok());
    assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
    assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    for form in ["::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::7"] {
        assert_eq!(network(form), network(HERE), "{form}");
    }
    assert_ne!(network("192.0.2.2"), network(HERE));
}

#[test]
fn a_success_forgets_the_failures_of_its_own_pair_only_t6() {
    let (limiter, _clock) =
        with_clock(MemoryLimiter::new().with_limits(Limits::new().with_address_budget(TokenBucket::new(25, MINUTE))));
    for _ in 0..9 {
        attempt(&limiter, "alice", HERE).unwrap();
        attempt(&limiter, "bob", HERE).unwrap();
    }
    log_in(&limiter, "alice", HERE);
    assert_eq!(guesses(&limiter, "bob", HERE), 1);
    // The address has had 19 failures and gets only the login's own charge back.
    assert_eq!(guesses(&limiter, "alice", HERE), 6);
    assert_eq!(attempt(&limiter, "carol", HERE).unwrap_err().limit(), Limit::Address);
}

#[test]
fn what_is_settled_gives_back_what_it_says_and_what_is_dropped_nothing_t3() {
    let one = Lockout::new(1, MINUTE);
    for (settlement, pair, account, address) in [
        (Some(Settlement::Success), true, true, true),
        (Some(Settlement::Untried), true, true, true),
        (Some(Settlement::Undecided), true, true, false),
        (Some(Settlement::Denied), false, false, false),
        (None, false, false, false),
    ] {
        for (limit, expected) in
            [(Limit::AccountAndAddress, pair), (Limit::Account, account), (Limit::Address, address)]
        {
            let limits = Limits::new()
                .with_account_and_address_budget(one)
                .with_account_budget(one)
                .with_address_budget(TokenBucket::new(1, MINUTE))
                .with_known_addresses(Duration::ZERO);
            let others =
                [Limit::AccountAndAddress, Limit::Account, Limit::Address].into_iter().filter(|other| *other != limit);
            let limiter = MemoryLimiter::new().with_limits(others.fold(limits, Limits::disable));
            let reservation = attempt(&limiter, "alice", HERE).unwrap();
            assert_eq!(attempt(&limiter, "alice", HERE).unwrap_err().limit(), limit);
            if let Some(settlement) = settlement {
                settle(&limiter, reservation, settlement);
            }
            assert_eq!(attempt(&limiter, "alice", HERE).is_ok(), expected, "{settlement:?} {limit}");
        }
    }
}

#[test]
fn a_refused_attempt_is_charged_nowhere_and_extends_no_lock() {
    let (limiter, clock) = with_clock(
        MemoryLimiter::new()
            .with_limits(Limits::new().with_budget(1, MINUTE).with_address_budget(TokenBucket::new(3, 100 * MINUTE))),
    );
    settle(&limiter, attempt(&limiter, "alice", HERE).unwrap(), Settlement::Denied);
    for second in 0..60 {
        let wait = attempt(&limiter, "alice", HERE).unwrap_err().retry_after();
        assert_eq!(wait, MINUTE - Duration::from_secs(second));
        clock.wait(Duration::from_secs(1));
    }
    assert!(attempt(&limiter, "alice", HERE).is_ok());
    assert!(attempt(&limiter, "bob", HERE).is_ok());
    assert_eq!(attempt(&limiter, "carol", HERE).unwrap_err().limit(), Limit::Address);
}

#[test]
fn an_address_that_stays_below_its_rate_is_never_refused_however_long_it_goes_on_t48() {
    let (limiter, clock) =
        with_clock(MemoryLimiter::new().with_limits(Limits::new().with_address_budget(TokenBucket::new(20, MINUTE))));
    for minute in 0..24 * 60 {
        attempt(&limiter, &minute.to_string(), HERE).unwrap();
        clock.wait(MINUTE);
    }
    let burst = (5000..6000).filter(|name| attempt(&limiter, &name.to_string(), HERE).is_ok()).count();
    assert_eq!(burst, 20);
    assert_eq!(attempt(&limiter, "late", HERE).unwrap_err().retry_after(), MINUTE);
    assert!(attempt(&limiter, "late", "192.0.2.2").is_ok());
}

#[test]
fn two_hundred_parallel_attempts_never_exceed_the_budget_t2() {
    for _ in 0..50 {
        let limiter = MemoryLimiter::new();
        let charged: usize = std::thread::scope(|scope| {
            let attempts = || (0..25).filter(|_| attempt(&limiter, "a", HERE).is_ok()).count();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(attempts)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(charged, 10);
    }
}

#[test]
fn every_shard_of_every_table_is_used() {
    let limiter = MemoryLimiter::new();
    for number in 0..2000 {
        log_in(&limiter, &number.to_string(), &nth_address(number));
        attempt(&limiter, &number.to_string(), &nth_address(number)).unwrap();
        let somewhere_else = nth_address(number + 2000);
        attempt(&limiter, &number.to_string(), &somewhere_else).unwrap();
    }
    for shard in 0..SHARDS {
        let accounts = shard_at(&limiter.tables.accounts, shard).unwrap();
        assert!(accounts.tallies.iter().count() > 5, "{shard}");
        assert!(shard_at(&limiter.tables.pairs, shard).unwrap().iter().count() > 5, "{shard}");
        assert!(shard_at(&limiter.tables.addresses, shard).unwrap().iter().count() > 5, "{shard}");
    }
}

#[test]
fn a_flood_of_names_makes_it_stricter_but_never_larger_and_never_forgetful_t11() {
    let capacity = SHARDS * 16;
    let (limiter, clock) = with_clock(MemoryLimiter::new().with_limits(Limits::new().with_capacity(capacity)));
    log_in(&limiter, "owner", HERE);
    assert_eq!(guesses(&limiter, "victim", HERE), 10);
    for name in 0..2 * u32::try_from(capacity).unwrap() {
        let _ = attempt(&limiter, &name.to_string(), &nth_address(name));
    }
    for name in 0..100_000 {
        let _ = attempt(&limiter, &format!("other-{name}"), &nth_address(name));
        let _ = attempt_client(&limiter, &format!("client-{name}"), &nth_address(name));
    }
    assert_eq!(held(&limiter), capacity / 8 * 7);
    assert_eq!(attempt(&limiter, "victim", HERE).unwrap_err().retry_after(), 15 * MINUTE);
    // A name that found no room is still held to the budget.
    assert!(guesses(&limiter, "late", "192.0.2.9") <= 10);
    // The last eighth of the room is for those who were here before.
    log_in(&limiter, "owner", HERE);
    assert_eq!(guesses(&limiter, "owner", HERE), 10);
    // When the flood is over, its keys make room again.
    clock.wait(24 * 60 * MINUTE);
    assert_eq!(guesses(&limiter, "late", "192.0.2.9"), 10);
    for name in 0..300 {
        attempt(&limiter, &format!("late-{name}"), &nth_address(name)).unwrap();
    }
    assert!(held(&limiter) < capacity / 2);
}

#[test]
fn a_flood_of_client_ids_keeps_no_client_out_where_it_was_before_t26() {
    let limiter = MemoryLimiter::new().with_limits(Limits::new().with_capacity(SHARDS * 16).disable(Limit::Address));
    let log_in = |client: u32| {
        let one = attempt_client(&limiter, &format!("client-{client}"), &nth_address(client));
        one.map(|one| settle(&limiter, one, Settlement::Success)).is_ok()
    };
    assert!((0..50).all(log_in));
    for id in 0..50_000 {
        if let Ok(one) = attempt_client(&limiter, &format!("x{id}"), &nth_address(1 << 20 | id)) {
            settle(&limiter, one, Settlement::Refused);
        }
    }
    assert!(attempt_client(&limiter, "another", HERE).is_err(), "the flood has filled it");
    assert!((0..50).all(log_in));
}

#[test]
fn a_flood_does_not_make_the_next_lock_short_again() {
    let (limiter, clock) = with_clock(MemoryLimiter::new().with_limits(Limits::new().with_capacity(SHARDS)));
    assert_eq!(guesses(&limiter, "victim", ""), 10);
    clock.wait(16 * MINUTE);
    for name in 0..10_000 {
        let _ = attempt(&limiter, &name.to_string(), &nth_address(name));
    }
    assert_eq!(guesses(&limiter, "victim", ""), 10);
    assert_eq!(attempt(&limiter, "victim", "").unwrap_err().retry_after(), 30 * MINUTE);
}

#[test]
fn room_that_opens_up_gives_no_fresh_budget_to_a_key_that_shared_a_tally() {
    let limiter = MemoryLimiter::new().with_limits(Limits::new().with_capacity(SHARDS));
    let others: Vec<_> = (0..1000).filter_map(|name| attempt(&limiter, &format!("other-{name}"), "").ok()).collect();
    let before = guesses(&limiter, "victim", "");
    for reservation in others {
        settle(&limiter, reservation, Settlement::Success);
    }
    assert!(before + guesses(&limiter, "victim", "") <= 10);
}

#[test]
fn a_success_in_a_full_table_gives_back_its_own_charge_only() {
    let limiter = MemoryLimiter::new().with_limits(Limits::new().with_capacity(0));
    let denied = guesses(&limiter, "victim", "");
    assert_eq!(denied, 10);
    for name in 0..1000 {
        if let Ok(reservation) = attempt(&limiter, &name.to_string(), "") {
            settle(&limiter, reservation, Settlement::Success);
        }
    }
    assert!(attempt(&limiter, "victim", "").is_err());
}

#[test]
fn a_cell_counts_its_keys_as_one_so_none_of_them_has_more_guesses_than_a_key_of_its_own() {
    let limits = |capacity| {
        let account = Lockout::new(6, 3 * MINUTE).locked_for(MINUTE, 4 * MINUTE);
        let limits = Limits::new().with_account_budget(account).with_capacity(capacity);
        let limits = limits.disable(Limit::Address).disable(Limit::AccountAndAddress);
        with_clock(MemoryLimiter::new().with_limits(limits))
    };
    let ((shared, one), (own, other)) = (limits(0), limits(SHARDS));
    let cell = |name: &u32| {
        let account = AccountKey::resolved(name.to_string());
        shared.digests.guess(&Guess::Account { realm: None, account: &account }) % SHARDS as u64
    };
    let neighbour = (1..).find(|name| cell(name) == cell(&0)).unwrap();
    // Three of one, and by three of the other a lock begins. When it is over, the three of the first are over, too: as the
    // six of a key of its own are.
    let turns = [(0, 0, 3), (0, neighbour, 4), (1, 0, 7), (1, neighbour, 1), (1, neighbour, 6), (1, 0, 1), (4, 0, 9)];
    let mut guesses = [0, 0];
    for (turn, (wait, name, attempts)) in (0_u32..).zip(turns) {
        one.wait(wait * MINUTE);
        other.wait(wait * MINUTE);
        for number in 0..attempts {
            let from = nth_address(turn * 100 + number);
            let answers = [(&shared, name), (&own, 0)].map(|(limiter, name)| {
                let wait = |refusal: Refusal| (refusal.limit(), refusal.retry_after());
                let denied = |one| settle(limiter, one, Settlement::Denied).map(|lock| lock.limit());
                attempt(limiter, &name.to_string(), &from).map(denied).map_err(wait)
            });
            assert_eq!(answers[0], answers[1], "{turn} {number}");
            guesses[usize::from(name == 0)] += usize::from(answers[0].is_ok());
        }
    }
    assert_eq!(guesses, [9, 15]);
}

#[test]
fn an_operator_sees_every_lock_and_lifts_it() {
    let (limiter, clock) =
        with_clock(MemoryLimiter::new().with_limits(Limits::new().with_address_budget(TokenBucket::new(30, MINUTE))));
    let alice = AccountKey::resolved("alice");
    guesses(&limiter, "alice", HERE);
    guesses(&limiter, "alice", "192.0.2.2");
    (0..20).for_each(|_| drop(attempt_client(&limiter, "web", HERE)));
    (0..20).for_each(|name| drop(attempt(&limiter, &name.to_string(), HERE)));
    clock.wait(5 * MINUTE);
    let seen = |limiter: &MemoryLimiter| {
        let locks = locks(limiter).into_iter().map(|lock| {
            let account = lock.account.map(|account| account.as_str().to_owned());
            let address = lock.address.map(|address| address.to_string()).unwrap_or_default();
            (format!("{} {address}", lock.limit), (account.or(lock.client_id), lock.remaining))
        });
        locks.collect::<BTreeMap<_, _>>()
    };
    let name = |name: &str| Some(name.to_owned());
    let expected = [
        ("account_and_address 192.0.2.1", (name("alice"), 10 * MINUTE)),
        ("account_and_address 192.0.2.2", (name("alice"), 10 * MINUTE)),
        ("client_and_address 192.0.2.1", (name("web"), 10 * MINUTE)),
    ];
    let locks = seen(&limiter);
    assert_eq!(locks, expected.map(|(key, value)| (key.to_owned(), value)).into());

    assert!(ready(limiter.unblock_account_at(None, &alice, "192.0.2.2".parse().ok())));
    assert!(!ready(limiter.unblock_account_at(None, &alice, "192.0.2.2".parse().ok())));
    assert!(!ready(limiter.unblock_account_at(Some(""), &alice, HERE.parse().ok())));
    assert_eq!(guesses(&limiter, "alice", "192.0.2.2"), 10);
    assert!(ready(limiter.unblock_client("web", HERE.parse().ok())));
    assert!(attempt_client(&limiter, "web", HERE).is_ok());
    // Both pairs and the account's own count.
    assert_eq!(ready(limiter.unblock_account(None, &alice)), 3);
    assert_eq!(seen(&limiter), BTreeMap::new());
    assert!(guesses(&limiter, "alice", HERE) < 10);
    assert_eq!(attempt(&limiter, "alice", HERE).unwrap_err().limit(), Limit::Address);
    assert_eq!(seen(&limiter)["address 192.0.2.1"], (None, MINUTE));
    assert!(ready(limiter.unblock_address(HERE.parse().unwrap())) > 1);
    assert_eq!(guesses(&limiter, "alice", HERE), 10);
}

#[test]
fn an_owner_is_told_once_however_many_addresses_are_locked_t41() {
    let (limiter, clock) = with_clock(MemoryLimiter::new());
    let notices = |limiter: &MemoryLimiter| {
        let mut news = 0;
        for number in 0..30 {
            for _ in 0..12 {
                news += match attempt(limiter, "alice", &nth_address(number)) {
                    Ok(reservation) => usize::from(settle(limiter, reservation, Settlement::Denied).is_some()),
                    Err(refusal) => usize::from(refusal.new_lock().is_some()),
                };
            }
        }
        news
    };
    assert_eq!(notices(&limiter), 1);
    assert_eq!(notices(&limiter), 0);
    // The account's own lock of an hour began meanwhile; its notice comes when the first lock is over.
    clock.wait(30 * MINUTE);
    assert!(notices(&limiter) <= 1);
    clock.wait(48 * 60 * MINUTE);
    assert_eq!(notices(&limiter), 1);
}

#[test]
fn attempts_under_way_are_a_full_house_and_no_lock_until_they_must_have_been_dropped() {
    let (limiter, clock) = with_clock(MemoryLimiter::new());
    let under_way: Vec<_> = (0..10).map(|_| attempt(&limiter, "alice", HERE).unwrap()).collect();
    let refused = || attempt(&limiter, "alice", HERE).unwrap_err();
    assert_eq!((refused().retry_after(), refused().new_lock()), (Duration::from_secs(1), None));
    clock.wait(MINUTE);
    assert_eq!(refused().new_lock(), Some(BegunLock::new(Limit::AccountAndAddress, 14 * MINUTE)));
    assert_eq!((refused().retry_after(), refused().new_lock()), (14 * MINUTE, None));
    // They were not dropped after all, and all of them right.
    assert!(under_way.into_iter().all(|one| settle(&limiter, one, Settlement::Success).is_none()));
    assert!(attempt(&limiter, "alice", HERE).is_ok());
}

#[test]
fn notices_and_names_are_bounded() {
    let (limiter, clock) =
        with_clock(MemoryLimiter::new().with_limits(Limits::new().with_budget(1, MINUTE).disable(Limit::Address)));
    let fail_all = |names: std::ops::Range<u32>| {
        let one = |name: u32| attempt(&limiter, &name.to_string(), HERE).unwrap();
        names.filter(|name| settle(&limiter, one(*name), Settlement::Denied).is_some()).count()
    };
    assert_eq!(fail_all(0..40_000), 16_384);
    let locks = locks(&limiter);
    assert_eq!(locks.len(), 40_000);
    assert_eq!(locks.iter().filter(|lock| lock.account.is_some()).count(), 16_384);
    clock.wait(2 * MINUTE);
    assert_eq!(fail_all(40_000..41_000), 1000);
}

#[test]
fn the_clock_may_jump_without_a_panic_and_without_lifting_a_lock_t13() {
    let (limiter, clock) = with_clock(MemoryLimiter::new());
    guesses(&limiter, "alice", HERE);
    for now in [0, 1, 14 * 60 * 1000, 0] {
        clock.0.store(now, Ordering::Relaxed);
        assert!(attempt(&limiter, "alice", HERE).is_err(), "{now}");
    }
    clock.0.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(guesses(&limiter, "bob", HERE), 1.min(guesses(&limiter, "carol", "192.0.2.7")));
    guesses(&limiter, "carol", "192.0.2.7");
    for now in [u64::MAX, 0, u64::MAX - 1, u64::MAX] {
        clock.0.store(now, Ordering::Relaxed);
        assert!(attempt(&limiter, "carol", "192.0.2.7").is_err(), "{now}");
        assert!(locks(&limiter).iter().all(|lock| lock.remaining > Duration::ZERO));
    }
}
