//! A flood of names against the limiter, and what becomes of its memory and of those who were there before.
//!
//! `cargo bench --bench flood -- [--names 20000000] [--addresses 1000000] [--check]`
//!
//! The limiter is the real one with its default capacity. Before the flood 1,000 pairs of account and address are locked and
//! 1,000 others log in once. Then every name is tried once with a wrong password, each address in its turn, so that no
//! address exceeds its own budget. After each thousandth of the flood one of the 1,000 logs in again. Two rounds, each in a
//! process of its own: the clock stands still, so that nothing ever expires; and it moves on by an hour over the whole flood,
//! so that locks of 15 minutes and counts of an hour end in it.
//!
//! Goals: the resident memory grows by at most 96 MiB; no lock ends before its time; every login succeeds. `--check` fails
//! if one is missed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use tower_password_grant::clock::Clock;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, Guess, LimiterOperator as _, MemoryLimiter, Reservation, Reserved, Settlement,
};
use tower_password_grant::user::AccountKey;

const GOAL_MIB: f64 = 96.0;
const LOCKED: u32 = 1000;
const KNOWN: u32 = 1000;
const LOCK: Duration = Duration::from_secs(15 * 60);

#[derive(Debug, Default)]
struct Millis(AtomicU64);

impl Clock for Millis {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// How many locks hold now.
fn hold_now(limiter: &MemoryLimiter) -> usize {
    let (mut locks, mut after) = (0, None);
    loop {
        let page = ready(limiter.locks(after, 1000)).unwrap();
        locks += page.locks.len();
        after = page.next;
        if after.is_none() {
            return locks;
        }
    }
}

fn ready<T>(answer: impl Future<Output = T>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the memory limiter waits for nothing"),
    }
}

fn reserve(limiter: &MemoryLimiter, name: &str, address: u32) -> Option<Reservation> {
    let (account, realm) = (AccountKey::resolved(name), None);
    let address = IpAddr::from(Ipv4Addr::from_bits(address));
    match ready(limiter.reserve(&AttemptKey::new(Guess::Account { realm, account: &account }, Some(address)))).unwrap()
    {
        Reserved::Charged(reservation) => Some(reservation),
        _ => None,
    }
}

/// Whether the attempt was charged.
fn attempt(limiter: &MemoryLimiter, name: &str, address: u32, settlement: Settlement) -> bool {
    let reservation = reserve(limiter, name, address);
    reservation.map(|reservation| ready(limiter.settle(reservation, settlement)).unwrap()).is_some()
}

/// In bytes.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    pages.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

fn mib(bytes: f64) -> f64 {
    bytes / (1024.0 * 1024.0)
}

/// The most that was resident at any time.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Addresses of the flood, of the locked and of the known: three networks.
fn flooding(number: u32) -> u32 {
    0x0a00_0000 | number
}

fn locked(number: u32) -> (String, u32) {
    (format!("locked-{number}"), 0xc612_0000 | number)
}

fn known(number: u32) -> (String, u32) {
    (format!("known-{number}"), 0xc613_0000 | number)
}

/// One round; tells whether every goal was met.
fn flood(names: u64, addresses: u32, lasts: Duration) -> bool {
    let clock = Arc::new(Millis::default());
    let limiter = MemoryLimiter::new().with_clock(clock.clone());
    let before = resident();
    for (name, address) in (0..LOCKED).map(locked) {
        while attempt(&limiter, &name, address, Settlement::Denied) {}
    }
    for (name, address) in (0..KNOWN).map(known) {
        assert!(attempt(&limiter, &name, address, Settlement::Success));
    }

    let (mut charged, mut logins, mut early) = (0_u64, 0, 0);
    let mut name = String::new();
    let mut spent = Duration::ZERO;
    let is_held = |number| {
        let (name, address) = locked(number);
        reserve(&limiter, &name, address).is_none()
    };
    let part = names / u64::from(KNOWN);
    for turn in 0..KNOWN {
        let started = Instant::now();
        for number in u64::from(turn) * part..u64::from(turn + 1) * part {
            name.clear();
            write!(name, "user-{number}@example.com").unwrap();
            let address = u32::try_from(number % u64::from(addresses)).unwrap();
            charged += u64::from(attempt(&limiter, &name, flooding(address), Settlement::Denied));
        }
        spent += started.elapsed();
        let (name, address) = known(turn);
        logins += u32::from(attempt(&limiter, &name, address, Settlement::Success));
        let passed = lasts * (turn + 1) / KNOWN;
        clock.0.store(u64::try_from(passed.as_millis()).unwrap(), Ordering::Relaxed);
        // All of them in every hundredth turn, as long as they last.
        if turn % 100 == 99 && passed < LOCK {
            early += (0..LOCKED).filter(|number| !is_held(*number)).count();
        }
    }
    let made = part * u64::from(KNOWN);
    let passed = clock.elapsed();
    let locks = hold_now(&limiter);
    let growth = mib(resident() - before);
    let most = mib(peak() - before);
    println!("{made} names from {addresses} addresses within {} minutes of the limiter's clock", passed.as_secs() / 60);
    let margin = match GOAL_MIB - most {
        below if below >= 0.0 => format!("{below:.1} MiB below"),
        above => format!("{:.1} MiB ABOVE", -above),
    };
    println!("  memory        +{growth:.1} MiB, at most +{most:.1} MiB: {margin} the goal of {GOAL_MIB} MiB");
    println!("  charged       {charged}, refused {}", made - charged);
    println!("  time          {} ns for each attempt", spent.as_nanos() / u128::from(made));
    println!("  locks         {early} of {LOCKED} ended early; {locks} hold now");
    println!("  known pairs   {logins} of {KNOWN} logged in");
    let held_to_the_end = passed >= LOCK || (0..LOCKED).all(is_held);
    most <= GOAL_MIB && early == 0 && held_to_the_end && logins == KNOWN
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: u64| {
        let value = arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
        value.map_or(default, |value| value.parse().expect(name))
    };
    let (names, addresses) = (option("--names", 20_000_000), option("--addresses", 1_000_000));
    if arguments.iter().any(|argument| argument == "--round") {
        let lasts = Duration::from_secs(option("--round", 0));
        let is_met = flood(names, u32::try_from(addresses).unwrap(), lasts);
        std::process::exit(i32::from(!is_met));
    }
    let rounds = ["0", "3600"].map(|seconds| {
        let (names, addresses) = (names.to_string(), addresses.to_string());
        let mut round = Command::new(std::env::current_exe().unwrap());
        let round = round.args(["--round", seconds, "--names", &names, "--addresses", &addresses]);
        round.status().unwrap().success()
    });
    let is_met = rounds.iter().all(|met| *met);
    println!("{}", if is_met { "every goal is met" } else { "a goal is missed" });
    if arguments.iter().any(|argument| argument == "--check") && !is_met {
        std::process::exit(1);
    }
}
