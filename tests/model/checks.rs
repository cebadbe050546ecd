//! Checks that are decided at once: looked at, compared, and charged or forgiven in one step.

use std::sync::atomic::Ordering;

use tower_password_grant::limiter::{AttemptKey, AttemptLimiter as _, Checked, Guess, Lockout, SecretCheck};

use super::{HERE, HOUR, World, exhaust, ready, sample, together};
use tower_password_grant::limiter::{Reserved, Settlement};

fn world(budget: u32) -> World {
    World::with(|limits| limits.with_client_and_address_budget(Lockout::new(budget, HOUR)))
}

fn key() -> AttemptKey<'static> {
    AttemptKey::new(Guess::Client { client_id: "cli" }, Some(HERE))
}

/// Whether it was compared.
fn check(world: &World, is_right: bool) -> bool {
    match ready(world.limiter.check(&key(), SecretCheck::known(is_right))) {
        Checked::Decided(decided) => {
            assert_eq!(decided.is_right(), is_right);
            true
        }
        _ => false,
    }
}

fn wrong(world: &World) {
    if check(world, false) {
        world.denied.fetch_add(1, Ordering::Relaxed);
    }
}

fn wrong_twice(world: &World) {
    wrong(world);
    wrong(world);
}

fn right(world: &World) {
    assert!(check(world, true), "a right check takes no place, so none can be missing");
}

fn right_twice(world: &World) {
    right(world);
    right(world);
}

/// By the application's own method, which takes its time.
fn method(world: &World) {
    if let Reserved::Charged(reservation) = ready(world.limiter.reserve(&key())) {
        world.denied.fetch_add(1, Ordering::Relaxed);
        world.settle(reservation, Settlement::Denied);
    }
}

fn left(world: &World) -> usize {
    (0..100).take_while(|_| check(world, false)).count()
}

#[test]
fn parallel_wrong_checks_never_exceed_the_budget() {
    exhaust("two wrong checks", 3_000_000, || {
        let world = world(1);
        together(&world, [wrong, wrong]);
        assert_eq!(world.denied(), 1);
        assert!(!check(&world, true));
    });
    sample(|| {
        let world = world(3);
        together(&world, [wrong_twice, wrong_twice, wrong]);
        assert_eq!(world.denied(), 3);
        assert!(!check(&world, true));
    });
}

#[test]
fn checks_and_attempts_that_take_their_time_share_one_budget() {
    sample(|| {
        let world = world(3);
        together(&world, [wrong_twice, method, method]);
        assert_eq!(world.denied(), 3);
        assert_eq!(left(&world), 0);
    });
}

#[test]
fn right_checks_at_once_are_all_compared_whatever_the_budget() {
    exhaust("two right checks", 3_000_000, || {
        let world = world(1);
        together(&world, [right, right]);
        assert_eq!(left(&world), 1);
    });
    sample(|| {
        let world = world(1);
        together(&world, [right_twice, right_twice, right_twice]);
        assert_eq!(left(&world), 1);
    });
}

fn check_from(world: &World, subnet: u16) {
    let address = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, subnet, 0, 0, 0, 1);
    let key = AttemptKey::new(Guess::Client { client_id: "cli" }, Some(address.into()));
    for _ in 0..2 {
        if let Checked::Decided(_) = ready(world.limiter.check(&key, SecretCheck::known(false))) {
            world.denied.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn parallel_guesses_from_the_64s_of_one_48_never_exceed_its_budget() {
    sample(|| {
        let world = World::with(|limits| {
            let limits = limits.with_client_and_address_budget(Lockout::new(2, HOUR));
            limits.with_ipv6_factors(1, 2)
        });
        // Two of one /56, which has two guesses; the /48 has four.
        let parts: [fn(&World); 3] =
            [|world| check_from(world, 1), |world| check_from(world, 2), |world| check_from(world, 0x101)];
        together(&world, parts);
        assert_eq!(world.denied(), 4);
        check_from(&world, 0x201);
        assert_eq!(world.denied(), 4);
    });
}

#[test]
fn a_right_check_forgives_what_was_charged_before_it_and_nothing_after_it() {
    sample(|| {
        let world = world(4);
        together(&world, [wrong_twice, right, wrong]);
        let (denied, left) = (world.denied(), left(&world));
        assert_eq!(denied, 3);
        assert!((1..=4).contains(&left), "{left}");
    });
}
