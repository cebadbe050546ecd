use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::*;

#[derive(Debug, Default)]
struct Seconds(AtomicU64);

impl Clock for Seconds {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn account<'a>(account: &'a str, address: &str) -> AttemptKey<'a> {
    AttemptKey { guess: Guess::Account { realm: None, account }, address: Some(address.parse().unwrap()) }
}

fn charge(limiter: &MemoryLimiter, key: &AttemptKey<'_>) -> Result<Reservation, Duration> {
    limiter.charge_both(key).unwrap().map(reservation)
}

fn settle(limiter: &MemoryLimiter, reservation: Reservation, settlement: Settlement) {
    drop(limiter.settle(reservation, settlement));
}

#[test]
fn accounts_and_addresses_have_budgets_of_their_own() {
    let limiter = MemoryLimiter::new();
    for _ in 0..10 {
        charge(&limiter, &account("alice", "192.0.2.1")).unwrap();
    }
    assert!(charge(&limiter, &account("alice", "192.0.2.1")).is_err());
    assert!(charge(&limiter, &account("alice", "192.0.2.2")).is_ok());
    assert!(charge(&limiter, &account("bob", "192.0.2.1")).is_ok());
}

#[test]
fn an_ipv6_network_and_both_forms_of_ipv4_count_as_one_address() {
    let limiter = MemoryLimiter::new();
    let hash = |address: &str| limiter.guess_key(&account("alice", address));
    assert_eq!(hash("2001:db8::1"), hash("2001:db8::ffff:1"));
    assert_ne!(hash("2001:db8::1"), hash("2001:db8:0:1::1"));
    assert_eq!(hash("::ffff:192.0.2.1"), hash("192.0.2.1"));
}

#[test]
fn keys_with_shifted_borders_differ() {
    let limiter = MemoryLimiter::new();
    let key = |realm, account| AttemptKey { guess: Guess::Account { realm, account }, address: None };
    let client = AttemptKey { guess: Guess::Client { client_id: "a" }, address: None };
    let hashes = [
        limiter.guess_key(&key(Some("a"), "bc")),
        limiter.guess_key(&key(Some("ab"), "c")),
        limiter.guess_key(&key(None, "abc")),
        limiter.guess_key(&key(Some(""), "abc")),
        limiter.guess_key(&key(None, "a")),
        limiter.guess_key(&client),
    ];
    let distinct: std::collections::HashSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
}

#[test]
fn a_flood_of_names_makes_it_stricter_but_never_larger_and_never_forgetful() {
    let limiter = MemoryLimiter::new().with_capacity(SHARDS * 8);
    let victim = account("victim", "192.0.2.1");
    for _ in 0..10 {
        charge(&limiter, &victim).unwrap();
    }
    for name in 0..100_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 | name).to_string();
        let _ = charge(&limiter, &account(&name.to_string(), &address));
    }
    assert!(charge(&limiter, &victim).is_err());
    let held: usize = limiter.shards.iter().map(|shard| shard.lock().unwrap().tallies.len()).sum();
    assert_eq!(held, SHARDS * 8);
    // A name that found no room is still held to the budget.
    let late = account("late", "192.0.2.9");
    let allowed = (0..100).filter(|_| charge(&limiter, &late).is_ok()).count();
    assert!(allowed <= 10);
}

#[test]
fn success_forgets_the_failures_of_its_own_key_only() {
    let limiter = MemoryLimiter::new();
    for _ in 0..9 {
        charge(&limiter, &account("alice", "192.0.2.1")).unwrap();
        charge(&limiter, &account("bob", "192.0.2.1")).unwrap();
    }
    let last = charge(&limiter, &account("alice", "192.0.2.1")).unwrap();
    settle(&limiter, last, Settlement::Success);
    assert!((0..10).all(|_| charge(&limiter, &account("alice", "192.0.2.1")).is_ok()));
    assert!(charge(&limiter, &account("bob", "192.0.2.1")).is_ok());
    assert!(charge(&limiter, &account("bob", "192.0.2.1")).is_err());
}

#[test]
fn two_hundred_parallel_charges_never_exceed_the_budget() {
    for _ in 0..50 {
        let limiter = MemoryLimiter::new();
        let charged: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| (0..25).filter(|_| charge(&limiter, &account("a", "192.0.2.1")).is_ok()).count())
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(charged, 10);
    }
}

#[test]
fn one_address_cannot_fill_the_limiter_and_success_gives_only_its_own_charge_back() {
    let limiter = MemoryLimiter::new().with_address_budget(20);
    let attempt = |name: u32, address: &str| charge(&limiter, &account(&name.to_string(), address));
    let first = attempt(0, "192.0.2.1").unwrap();
    for name in 1..20 {
        attempt(name, "192.0.2.1").unwrap();
    }
    assert!(attempt(20, "192.0.2.1").is_err());
    assert!(attempt(20, "192.0.2.2").is_ok());
    settle(&limiter, first, Settlement::Success);
    assert!(attempt(21, "192.0.2.1").is_ok());
    assert!(attempt(22, "192.0.2.1").is_err());
}

#[test]
fn an_undecided_attempt_gives_back_both_of_its_charges() {
    let limiter = MemoryLimiter::new().with_budget(1, Duration::from_secs(60)).with_address_budget(1);
    let alice = account("alice", "192.0.2.1");
    for _ in 0..3 {
        let charged = charge(&limiter, &alice).unwrap();
        assert!(charge(&limiter, &alice).is_err());
        settle(&limiter, charged, Settlement::Undecided);
    }
}

#[test]
fn a_refused_attempt_charges_nothing() {
    let limiter = MemoryLimiter::new().with_budget(1, Duration::from_secs(60)).with_address_budget(3);
    for _ in 0..10 {
        let _ = charge(&limiter, &account("alice", "192.0.2.1"));
    }
    assert!(charge(&limiter, &account("bob", "192.0.2.1")).is_ok());
}

#[test]
fn room_that_opens_up_gives_no_fresh_budget_to_a_key_that_shared_a_tally() {
    let limiter = MemoryLimiter::new().with_capacity(SHARDS);
    let attempt = |name: &str| {
        charge(&limiter, &AttemptKey { guess: Guess::Account { realm: None, account: name }, address: None })
    };
    let others: Vec<_> = (0..1_000).filter_map(|name| attempt(&format!("other-{name}")).ok()).collect();
    let guesses = |name: &str| (0..100).filter(|_| attempt(name).is_ok()).count();
    let before = guesses("victim");
    assert!(before > 0);
    for reservation in others {
        settle(&limiter, reservation, Settlement::Success);
    }
    assert!(limiter.shards.iter().all(|shard| shard.lock().unwrap().tallies.is_empty()));
    assert!(before + guesses("victim") <= 10);
}

#[test]
fn an_address_that_stays_below_its_rate_is_never_refused_however_long_it_goes_on() {
    let clock = Arc::new(Seconds::default());
    let limiter = MemoryLimiter::new().with_address_budget(20).with_clock(clock.clone());
    let fail = |name: u32| charge(&limiter, &account(&name.to_string(), "192.0.2.1"));
    for minute in 0..24 * 60 {
        fail(minute).unwrap();
        clock.0.fetch_add(60, Ordering::Relaxed);
    }
    let burst = (5000..6000).filter(|name| fail(*name).is_ok()).count();
    assert!((19..=20).contains(&burst), "{burst}");
    assert_eq!(fail(6000).map(|_| ()), Err(Duration::from_secs(45)));
}

#[test]
fn an_address_in_a_full_limiter_gives_nothing_back_to_the_keys_that_share_its_tally() {
    let clock = Arc::new(Seconds::default());
    let limiter = MemoryLimiter::new().with_capacity(0).with_clock(clock.clone());
    let victim = AttemptKey { guess: Guess::Account { realm: None, account: "victim" }, address: None };
    for _ in 0..10 {
        charge(&limiter, &victim).unwrap();
    }
    clock.0.fetch_add(600, Ordering::Relaxed);
    for name in 0..30_000_u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 | name).to_string();
        let _ = charge(&limiter, &account(&name.to_string(), &address));
    }
    assert!(charge(&limiter, &victim).is_err());
}
