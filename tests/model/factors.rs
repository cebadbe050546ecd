//! Second factors: codes that are charged on several budgets in one step, and passwords that succeed after they were pending.

use std::sync::atomic::Ordering;

use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter as _, Guess, Limits, Lockout, Reservation, Reserved, Settlement,
};

use super::{HERE, HOUR, World, exhaust, ready, sample, together};

fn limits(limits: Limits) -> Limits {
    limits.with_challenge_budget(Lockout::new(2, HOUR)).with_factor_budget(Lockout::new(3, HOUR))
}

fn code(world: &World, challenge: u8) -> Option<Reservation> {
    let guess = Guess::Factor { realm: None, subject: "alice", challenge: &[challenge; 16] };
    match ready(world.limiter.reserve(&AttemptKey::new(guess, Some(HERE)))) {
        Reserved::Charged(reservation) => Some(reservation),
        _ => None,
    }
}

fn wrong(world: &World, challenge: u8) {
    if let Some(reservation) = code(world, challenge) {
        world.denied.fetch_add(1, Ordering::Relaxed);
        world.settle(reservation, Settlement::Denied);
    }
}

fn at_one(world: &World) {
    wrong(world, 1);
    wrong(world, 1);
}

fn at_another(world: &World) {
    wrong(world, 2);
    wrong(world, 2);
}

/// How many codes are left at new challenges.
fn left(world: &World) -> usize {
    (10..100).take_while(|challenge| code(world, *challenge).is_some()).count()
}

#[test]
fn codes_never_exceed_the_budget_of_their_challenge_or_their_user() {
    exhaust("two codes at one challenge", 3_000_000, || {
        let world = World::with(|all| limits(all).with_challenge_budget(Lockout::new(1, HOUR)));
        together(&world, [|world| wrong(world, 1), |world| wrong(world, 1)]);
        assert_eq!((world.denied(), left(&world)), (1, 2), "one is charged on all, the other on none");
    });
    sample(|| {
        let world = World::with(limits);
        together(&world, [at_one, at_one, |_| {}]);
        assert_eq!((world.denied(), left(&world)), (2, 1));
    });
    sample(|| {
        let world = World::with(limits);
        together(&world, [at_one, at_another, at_another]);
        assert_eq!((world.denied(), left(&world)), (3, 0));
    });
}

#[test]
fn a_finished_login_gives_back_its_own_code_alone() {
    sample(|| {
        let world = World::with(limits);
        let finish = |world: &World| {
            if let Some(right) = code(world, 1) {
                world.settle(right, Settlement::Success);
            }
        };
        together(&world, [finish, at_another, |_| {}]);
        assert_eq!(world.denied() + left(&world), 3);
    });
}

/// The reservation is the same each time, because hashes and numbers are.
fn pending(world: &World) -> [u8; 32] {
    let right = world.reserve().unwrap();
    let bytes = *right.key();
    world.settle(right, Settlement::Pending);
    bytes
}

fn succeed(world: &World) {
    let bytes = world.pending.lock().unwrap().unwrap();
    world.settle(Reservation::new(bytes).resumed(), Settlement::Success);
}

#[test]
fn what_was_pending_forgives_once() {
    let scene = || {
        let world = World::new(2);
        *world.pending.lock().unwrap() = Some(pending(&world));
        together(&world, [succeed, succeed]);
        // Both guesses were forgiven, and what comes now is not.
        assert_eq!(world.left(), 2);
        succeed(&world);
        assert!(!world.guess(), "it was forgiven twice");
    };
    exhaust("two successes of what was pending", 3_000_000, scene);
    sample(|| {
        let world = World::new(3);
        *world.pending.lock().unwrap() = Some(pending(&world));
        together(&world, [succeed, succeed, super::guess_twice]);
        // What was guessed before the success is forgotten with it, once.
        let (denied, left) = (world.denied(), world.left());
        assert!((1..=3).contains(&left) && denied + left <= 5, "{denied} {left}");
        succeed(&world);
        assert!(!world.guess(), "it was forgiven twice");
    });
}
