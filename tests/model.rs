//! The limiter, the refresh tokens and the authenticators in memory under every order in which their threads may take their
//! steps: shuttle
//! replaces their locks and counters.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --no-default-features --features testing --test model --target-dir target/shuttle
//! ```
//!
//! Each scene is played three ways: `exhaustive` goes through all orders of the small scenes, depth first, `random` picks
//! orders evenly and `pct` with at most 3 changes of priority (probabilistic concurrency testing). `MODEL_ORDERS` sets the
//! number of orders for the last two. The clock stands still; the tables have 2 shards instead of 64 and hashes have a
//! fixed key, so that each order can be played again.
#![cfg(shuttle)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "model/authenticators.rs"]
mod authenticators;
#[path = "model/checks.rs"]
mod checks;
#[path = "model/factors.rs"]
mod factors;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/support/records.rs"]
mod records;
#[path = "model/refresh.rs"]
mod refresh;
#[path = "model/stored.rs"]
mod stored;

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, thread};
use tower_password_grant::clock::Clock;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, Fingerprint, Guess, Limit, LimiterOperator as _, Limits, Lockout, MemoryLimiter,
    Reservation, Reserved, Settlement, TokenBucket,
};
use tower_password_grant::user::AccountKey;

const HOUR: Duration = Duration::from_secs(3600);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        HOUR
    }
}

fn ready<T, E: Debug>(answer: impl Future<Output = Result<T, E>>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the memory limiter waits for nothing"),
    }
}

/// One account or more, from one address or more, over a limiter.
#[derive(Clone)]
struct World {
    limiter: Arc<MemoryLimiter>,
    /// The guesses of the threads that were verified, which only a success or an operator takes back.
    denied: Arc<AtomicUsize>,
    notices: Arc<AtomicUsize>,
    /// An attempt that was settled as pending.
    pending: Arc<std::sync::Mutex<Option<[u8; 32]>>>,
}

impl World {
    /// `budget` attempts for each pair; the other limits have room.
    fn new(budget: u32) -> Self {
        Self::with(|limits| limits.with_account_and_address_budget(Lockout::new(budget, HOUR)))
    }

    fn with(limits: impl FnOnce(Limits) -> Limits) -> Self {
        let limits = limits(Limits::new().with_capacity(64));
        let limiter = MemoryLimiter::new().with_limits(limits).with_clock(Arc::new(Still));
        Self { limiter: Arc::new(limiter), denied: Arc::default(), notices: Arc::default(), pending: Arc::default() }
    }

    fn reserve_as(&self, name: &str, from: IpAddr, secret: u64) -> Option<Reservation> {
        let (account, realm) = (AccountKey::resolved(name), None);
        let key = AttemptKey::new(Guess::Account { realm, account: &account }, Some(from));
        let key = if secret == 0 { key } else { key.with_fingerprint(Fingerprint::new(secret << 40)) };
        match ready(self.limiter.reserve(&key)) {
            Reserved::Charged(reservation) => Some(reservation),
            Reserved::Refused(refusal) => {
                if refusal.new_lock().is_some() {
                    self.notices.fetch_add(1, Ordering::Relaxed);
                }
                None
            }
            _ => None,
        }
    }

    fn reserve(&self) -> Option<Reservation> {
        self.reserve_as("alice", HERE, 0)
    }

    fn settle(&self, reservation: Reservation, settlement: Settlement) {
        if ready(self.limiter.settle(reservation, settlement)).is_some() {
            self.notices.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn guess(&self) -> bool {
        self.reserve().map(|reservation| self.settle(reservation, Settlement::Denied)).is_some()
    }

    /// How many guesses are left after all threads.
    fn left(&self) -> usize {
        (0..100).take_while(|_| self.guess()).count()
    }

    fn denied(&self) -> usize {
        self.denied.load(Ordering::Relaxed)
    }

    fn notices(&self) -> usize {
        self.notices.load(Ordering::Relaxed)
    }
}

/// How many orders a sampling scheduler tries.
fn orders() -> usize {
    std::env::var("MODEL_ORDERS").map_or(2_000, |orders| orders.parse().expect("MODEL_ORDERS is a number"))
}

fn run(scheduler: impl Scheduler + 'static, scene: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    // The orders are said by the test; what is atomic has one number only.
    config.silence_warnings = true;
    config.stack_size = 0x2_0000;
    Runner::new(scheduler, config).run(scene)
}

fn sample(scene: impl Fn() + Send + Sync + Copy + 'static) {
    run(RandomScheduler::new(orders()), scene);
    run(PctScheduler::new(3, orders()), scene);
}

/// All orders there are, which must be fewer than `most`.
fn exhaust(name: &str, most: usize, scene: impl Fn() + Send + Sync + 'static) {
    let played = run(DfsScheduler::new(Some(most), false), scene);
    println!("{name}: all {played} orders");
    assert!(played < most, "there are more than {most} orders");
}

/// Runs each part in a thread of its own.
fn together<const N: usize>(world: &World, parts: [fn(&World); N]) {
    let threads = parts.map(|part| {
        let world = world.clone();
        thread::spawn(move || part(&world))
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn guess(world: &World) {
    if world.guess() {
        world.denied.fetch_add(1, Ordering::Relaxed);
    }
}

fn guess_twice(world: &World) {
    guess(world);
    guess(world);
}

fn settle_as(world: &World, settlement: Settlement) {
    if let Some(reservation) = world.reserve() {
        world.settle(reservation, settlement);
    }
}

fn untried(world: &World) {
    settle_as(world, Settlement::Untried);
}

fn undecided(world: &World) {
    settle_as(world, Settlement::Undecided);
}

fn log_in(world: &World) {
    settle_as(world, Settlement::Success);
}

fn take(world: &World) {
    world.reserve();
}

/// Reserved and never settled: it counts as a guess, because it may have been one.
fn hang_up(world: &World) {
    if world.reserve().is_some() {
        world.denied.fetch_add(1, Ordering::Relaxed);
    }
}

fn unblock(world: &World) {
    ready(world.limiter.unblock_account(None, &AccountKey::resolved("alice")));
}

fn no_more_guesses_than_the_budget() {
    let world = World::new(3);
    together(&world, [guess_twice, guess_twice, hang_up]);
    assert_eq!(world.denied(), 3);
    assert!(!world.guess());
}

#[test]
fn parallel_guesses_never_exceed_the_budget_t2() {
    exhaust("two guesses", 3_000_000, || {
        let world = World::new(1);
        together(&world, [take, hang_up]);
        assert!(world.reserve().is_none());
        assert!(world.denied() <= 1);
    });
    sample(no_more_guesses_than_the_budget);
}

/// A limiter that looks and charges in two steps.
#[derive(Clone)]
struct GetThenSet {
    count: Arc<shuttle::sync::Mutex<usize>>,
    denied: Arc<AtomicUsize>,
}

fn get_then_set() {
    let broken = GetThenSet { count: Arc::default(), denied: Arc::default() };
    let guess_twice = |broken: GetThenSet| {
        for _ in 0..2 {
            let count = *broken.count.lock().unwrap();
            if count < 3 {
                *broken.count.lock().unwrap() = count + 1;
                broken.denied.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let threads = [broken.clone(), broken.clone(), broken.clone()].map(|it| thread::spawn(move || guess_twice(it)));
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(broken.denied.load(Ordering::Relaxed) <= 3, "more guesses than the budget");
}

#[test]
#[should_panic(expected = "more guesses than the budget")]
fn control_a_limiter_that_gets_and_then_sets_is_found_out_at_random() {
    run(RandomScheduler::new(orders()), get_then_set);
}

#[test]
#[should_panic(expected = "more guesses than the budget")]
fn control_a_limiter_that_gets_and_then_sets_is_found_out_by_priorities() {
    run(PctScheduler::new(3, orders()), get_then_set);
}

#[test]
#[should_panic(expected = "more guesses than the budget")]
fn control_a_limiter_that_gets_and_then_sets_is_found_out_by_exhaustion() {
    exhaust("get, then set", 3_000_000, get_then_set);
}

#[test]
fn no_refund_is_lost_and_none_is_given_twice() {
    exhaust("untried and a guess", 3_000_000, || {
        let world = World::new(2);
        together(&world, [untried, take]);
        assert_eq!(world.left(), 1);
    });
    sample(|| {
        let world = World::new(4);
        together(&world, [untried, undecided, guess_twice]);
        assert_eq!(world.denied() + world.left(), 4);
    });
    // At the edge of the lock, which may begin and be taken back.
    sample(|| {
        let world = World::new(2);
        together(&world, [untried, undecided, guess]);
        assert_eq!(world.denied() + world.left(), 2);
    });
}

#[test]
fn a_success_clears_its_own_pair_and_takes_no_other_charge_back_t6() {
    sample(|| {
        let world = World::new(3);
        together(&world, [log_in, guess_twice, untried]);
        let denied = world.denied();
        let left = world.left();
        // What was denied before the success may be forgotten, once.
        assert!((1..=3).contains(&left) && denied + left <= 5, "{denied} {left}");
    });
    // Of the account's own ceiling a success gives back one charge: its own.
    sample(|| {
        let world = World::with(|limits| {
            let limits = limits.with_account_budget(Lockout::new(4, HOUR)).with_known_addresses(Duration::ZERO);
            limits.disable(Limit::AccountAndAddress)
        });
        together(&world, [log_in, guess_twice, hang_up]);
        assert_eq!(world.denied() + world.left(), 4);
    });
}

#[test]
fn the_bucket_of_an_address_loses_and_wins_nothing() {
    sample(|| {
        let world = World::with(|limits| limits.with_address_budget(TokenBucket::new(4, HOUR)));
        together(
            &world,
            [
                |world| world.settle(world.reserve_as("bob", HERE, 0).unwrap(), Settlement::Success),
                |world| world.settle(world.reserve_as("carol", HERE, 0).unwrap(), Settlement::Untried),
                // Nothing was decided: the address keeps the charge.
                |world| {
                    world.settle(world.reserve_as("dave", HERE, 0).unwrap(), Settlement::Undecided);
                    world.denied.fetch_add(1, Ordering::Relaxed);
                    guess(world);
                },
            ],
        );
        let left = (0..100).take_while(|n| world.reserve_as(&n.to_string(), HERE, 0).is_some()).count();
        assert_eq!(world.denied() + left, 4);
    });
}

#[test]
fn an_operator_stops_nothing_and_gives_one_budget_at_most() {
    exhaust("unblocking and a guess", 3_000_000, || {
        let world = World::new(1);
        guess(&world);
        together(&world, [unblock, guess]);
        let made = world.denied() + world.left();
        assert_eq!(made, 2);
    });
    sample(|| {
        let world = World::new(2);
        together(
            &world,
            [unblock, guess_twice, |world| {
                untried(world);
                assert!(ready(world.limiter.locks(None, 10)).locks.len() <= 1);
            }],
        );
        let left = world.left();
        assert!(left <= 2 && (2..=4).contains(&(world.denied() + left)));
    });
}

#[test]
fn an_owner_is_notified_once_of_a_lock_t41() {
    sample(|| {
        let world = World::new(1);
        together(
            &world,
            [guess_twice, hang_up, |world| {
                if let Some(reservation) = world.reserve_as("alice", Ipv4Addr::new(192, 0, 2, 7).into(), 0) {
                    world.settle(reservation, Settlement::Denied);
                }
            }],
        );
        assert!(!world.guess());
        assert_eq!(world.notices(), 1);
    });
    // A lock that is taken back may have had a notice; the one that follows sends none.
    sample(|| {
        let world = World::new(2);
        together(&world, [guess_twice, untried, guess]);
        world.left();
        assert!(!world.guess());
        assert_eq!(world.notices(), 1);
    });
}

#[test]
fn only_what_was_denied_is_free() {
    // Each bit is a secret that was tried and found wrong.
    static SECRETS: AtomicU64 = AtomicU64::new(0);
    fn try_secrets(world: &World, secrets: [u64; 2]) {
        for secret in secrets {
            if let Some(reservation) = world.reserve_as("alice", HERE, secret) {
                SECRETS.fetch_or(1 << secret, Ordering::Relaxed);
                world.settle(reservation, Settlement::Denied);
            }
        }
    }
    sample(|| {
        SECRETS.store(0, Ordering::Relaxed);
        let world = World::new(3);
        let [first, second, third]: [fn(&World); 3] = [
            |world| try_secrets(world, [1, 1]),
            |world| try_secrets(world, [2, 1]),
            |world| try_secrets(world, [3, 4]),
        ];
        together(&world, [first, second, third]);
        let distinct = SECRETS.load(Ordering::Relaxed).count_ones();
        assert!((1..=3).contains(&distinct), "{distinct}");
    });
}

#[test]
fn a_full_table_forgets_no_lock_and_is_never_laxer_t11() {
    fn crowd(world: &World, first: u32) {
        for number in first..first + 4 {
            let from = Ipv4Addr::from_bits(0x0a00_0000 | number).into();
            if let Some(reservation) = world.reserve_as(&number.to_string(), from, 0) {
                let settlement = if number % 2 == 0 { Settlement::Success } else { Settlement::Denied };
                world.settle(reservation, settlement);
            }
        }
    }
    for capacity in [0, 2, 16] {
        let scene = move || {
            let world = World::with(|limits| {
                limits.with_account_and_address_budget(Lockout::new(2, HOUR)).with_capacity(capacity)
            });
            let victim = world.left();
            assert!(victim <= 2);
            let [one, other]: [fn(&World); 2] = [|world| crowd(world, 0), |world| crowd(world, 10)];
            together(
                &world,
                [one, other, |world| {
                    guess_twice(world);
                }],
            );
            assert_eq!(world.denied(), 0);
            let late = (0..10).take_while(|_| world.reserve_as("late", HERE, 0).is_some()).count();
            assert!(late <= 2, "{late}");
        };
        sample(scene);
    }
}

#[test]
fn any_mixture_of_operations_stays_within_the_budgets_that_were_cleared() {
    const BUDGET: usize = 3;
    sample(|| {
        let world = World::new(BUDGET as u32);
        let cleared = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (world, cleared) = (world.clone(), Arc::clone(&cleared));
                thread::spawn(move || {
                    use shuttle::rand::Rng as _;
                    for _ in 0..4 {
                        match shuttle::rand::thread_rng().gen_range(0..8) {
                            0 => untried(&world),
                            1 => undecided(&world),
                            2 => hang_up(&world),
                            3 => {
                                cleared.fetch_add(1, Ordering::Relaxed);
                                log_in(&world);
                            }
                            4 => {
                                cleared.fetch_add(1, Ordering::Relaxed);
                                unblock(&world);
                            }
                            _ => guess(&world),
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let left = world.left();
        assert!(left <= BUDGET);
        let budgets = 1 + cleared.load(Ordering::Relaxed);
        assert!(world.denied() <= BUDGET * budgets, "{} {budgets}", world.denied());
        assert!(world.denied() + left >= BUDGET, "{} {left}", world.denied());
    });
}
