use super::*;

fn account<'a>(account: &'a str, address: &str) -> AttemptKey<'a> {
    AttemptKey { guess: Guess::Account { realm: None, account }, address: Some(address.parse().unwrap()) }
}

fn charge(limiter: &MemoryLimiter, key: &AttemptKey<'_>) -> Result<(u64, Place), Duration> {
    let hash = limiter.hash(key);
    limiter.charge(hash).unwrap().map(|place| (hash, place))
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
    let hash = |address: &str| limiter.hash(&account("alice", address));
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
        limiter.hash(&key(Some("a"), "bc")),
        limiter.hash(&key(Some("ab"), "c")),
        limiter.hash(&key(None, "abc")),
        limiter.hash(&key(Some(""), "abc")),
        limiter.hash(&key(None, "a")),
        limiter.hash(&client),
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
    for name in 0..100_000 {
        let _ = charge(&limiter, &account(&name.to_string(), "192.0.2.9"));
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
    let (hash, place) = charge(&limiter, &account("alice", "192.0.2.1")).unwrap();
    limiter.take_back(hash, place, Settlement::Success);
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
