//! Whole days on a clock that is moved: how many guesses each limit leaves to the best strategy that we know of (G40), that
//! honest users behind one address are not throttled (G28, T48), and clocks that jump (T13).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tower_password_grant::clock::Clock;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter as _, Fingerprint, Guess, MemoryLimiter, Reserved, Settlement,
};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{Attempt, Denial, Subject, verify_fn};

use crate::support::guesses::{assert_denied, login};
use crate::support::{self, AUTH, Fixture, ManualClock, PW, from_peer, send, token_request};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// An attacker with a limiter of defaults, which never guesses right.
struct Attacker {
    limiter: MemoryLimiter,
    clock: ManualClock,
    /// When each guess was made.
    made: Vec<Duration>,
}

impl Attacker {
    fn new() -> Self {
        let clock = ManualClock::new();
        Self { limiter: MemoryLimiter::new().with_clock(Arc::new(clock.clone())), clock, made: Vec::new() }
    }

    /// One who shares an address with the owner of the account: the account's own limit spares it.
    async fn at_home() -> Self {
        let attacker = Self::new();
        let owner = AccountKey::canonical("victim");
        let key = AttemptKey::new(Guess::Account { realm: None, account: &owner }, Some(address(0)));
        let Reserved::Charged(charge) = attacker.limiter.reserve(&key).await.unwrap() else { panic!("locked") };
        attacker.limiter.settle(charge, Settlement::Success).await.unwrap();
        attacker
    }

    /// A new guess, which is wrong; `Err` with the time to wait if it is refused.
    async fn guess(&mut self, guess: Guess<'_>, from: IpAddr) -> Result<(), Duration> {
        let print = Fingerprint::new((self.made.len() as u64) << 33);
        match self.limiter.reserve(&AttemptKey::new(guess, Some(from)).with_fingerprint(print)).await.unwrap() {
            Reserved::Charged(charge) => {
                self.limiter.settle(charge, Settlement::Denied).await.unwrap();
                self.made.push(self.clock.elapsed());
                Ok(())
            }
            Reserved::Refused(refusal) => Err(refusal.retry_after()),
            _ => panic!("a new answer"),
        }
    }

    /// The most guesses in any stretch of time that is shorter than this.
    fn most_within(&self, span: Duration) -> usize {
        let ends_before = |end: Duration| self.made.partition_point(|made| *made < end);
        let counts = self.made.iter().enumerate().map(|(first, start)| ends_before(*start + span) - first);
        counts.max().unwrap_or(0)
    }
}

fn address(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + n).into()
}

/// How an attacker goes about a budget of attempts in a row.
#[derive(Clone, Copy, Debug)]
struct Strategy {
    /// After so many locks in a row it waits until they are forgotten, so that the next one is short.
    locks: usize,
    /// Before that it makes so many guesses more, which must be fewer than the budget.
    then: usize,
    /// How long it takes until locks, and failures without a lock, are forgotten.
    rest: Duration,
}

impl Strategy {
    /// All that seem to be worth it. Never to wait is the one with the most locks.
    fn all(budget: usize, rest: Duration) -> impl Iterator<Item = Self> {
        let locks = (0..8).chain([usize::MAX]);
        locks.flat_map(move |locks| [0, budget - 1].map(|then| Self { locks, then, rest }))
    }
}

/// Guesses for so many days; `address_of` says from where the n-th guess comes.
async fn guess_for(
    days: u32,
    mut attacker: Attacker,
    strategy: Strategy,
    guess: Guess<'_>,
    address_of: impl Fn(usize) -> IpAddr,
) -> Attacker {
    let (mut in_a_row, mut locks) = (0, 0);
    while attacker.clock.elapsed() < DAY * days {
        if locks == strategy.locks && in_a_row == strategy.then {
            attacker.clock.advance(strategy.rest);
            (in_a_row, locks) = (0, 0);
            continue;
        }
        match attacker.guess(guess, address_of(attacker.made.len())).await {
            Ok(()) => in_a_row += 1,
            Err(lock) => {
                attacker.clock.advance(lock);
                (in_a_row, locks) = (0, locks + 1);
            }
        }
    }
    attacker
}

/// The most guesses of any strategy in any 24 hours, and each day in the long run.
async fn best(budget: usize, rest: Duration, guess: Guess<'_>, address_of: impl Fn(usize) -> IpAddr) -> (usize, usize) {
    const LONG: u32 = 60;
    let (mut in_a_day, mut each_day) = (0, 0);
    for strategy in Strategy::all(budget, rest).chain(Strategy::all(budget, 2 * rest)) {
        let attacker = guess_for(LONG, Attacker::at_home().await, strategy, guess, &address_of).await;
        in_a_day = in_a_day.max(attacker.most_within(DAY));
        each_day = each_day.max(attacker.made.len() / usize::try_from(LONG).unwrap());
    }
    (in_a_day, each_day)
}

// The numbers of these tests are those of the manual's table.

#[tokio::test]
async fn guesses_a_day_of_one_address_at_one_account_or_client_g40_t49() {
    // An address from which the account succeeded before: the account's own limit spares it, and would leave a stranger less.
    let account = AccountKey::canonical("victim");
    for guess in [Guess::Account { realm: None, account: &account }, Guess::Client { client_id: "victim" }] {
        assert_eq!(best(10, HOUR, guess, |_| address(0)).await, (280, 274));
    }
}

#[tokio::test]
async fn guesses_a_day_of_unlimited_addresses_at_one_account_g40() {
    let account = AccountKey::canonical("victim");
    let guess = Guess::Account { realm: None, account: &account };
    // None of them is the one that the account is at home at.
    assert_eq!(best(100, DAY, guess, |n| address(u32::try_from(n + 1).unwrap())).await, (500, 246));
}

#[tokio::test]
async fn guesses_a_day_of_one_address_at_unlimited_accounts_g40() {
    let mut attacker = Attacker::new();
    while attacker.clock.elapsed() < 2 * DAY {
        let name = format!("victim{}", attacker.made.len());
        let account = AccountKey::canonical(&name);
        if let Err(wait) = attacker.guess(Guess::Account { realm: None, account: &account }, address(0)).await {
            attacker.clock.advance(wait);
        }
    }
    assert_eq!((attacker.most_within(MINUTE), attacker.most_within(DAY)), (300, 300 + 24 * 60 - 1));
    assert_eq!(attacker.made.len(), 300 + 2 * 24 * 60 - 1);
}

/// Small numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

#[tokio::test]
async fn no_random_strategy_has_more_guesses_than_the_best_one_g40() {
    let account = AccountKey::canonical("victim");
    for seed in 0..300 {
        let mut dice = Dice(seed);
        // Some are patient, some are not.
        let longest = 1 + dice.below(70);
        let is_one = seed % 2 == 0;
        let mut attacker = if is_one { Attacker::at_home().await } else { Attacker::new() };
        while attacker.clock.elapsed() < DAY {
            for _ in 0..=dice.below(if is_one { 10 } else { 100 }) {
                let from = if is_one { 0 } else { u32::try_from(attacker.made.len()).unwrap() };
                let guess = Guess::Account { realm: None, account: &account };
                if let Err(wait) = attacker.guess(guess, address(from)).await
                    && dice.below(2) == 0
                {
                    attacker.clock.advance(wait);
                }
            }
            attacker.clock.advance(MINUTE * u32::try_from(dice.below(longest)).unwrap());
        }
        let (span, most, in_a_day) = if is_one { (15 * MINUTE, 10, 406) } else { (HOUR, 100, 500) };
        assert!(attacker.most_within(span) <= most, "{seed}");
        assert!(attacker.most_within(DAY) <= in_a_day, "{seed}: {}", attacker.made.len());
    }
}

#[tokio::test]
async fn five_thousand_honest_users_behind_one_address_are_never_throttled_g28_t48() {
    const USERS: u64 = 5000;
    let clock = ManualClock::new();
    let verifier = verify_fn(|attempt: Attempt| async move {
        let is_right = attempt.password().expose() == "correct horse";
        Ok(if is_right { Subject::new(attempt.username().to_owned()).into() } else { Denial::WrongPassword.into() })
    });
    let builder = support::builder(&support::Probe::default()).verifier(verifier).clock(clock.clone());
    let layer = builder.build().unwrap();
    let log_in = async |name: &str, password: &str| {
        send(&layer, from_peer(token_request(AUTH, &login(name, password)), "203.0.113.7")).await
    };
    let mut dice = Dice(28);
    // Each logs in at nine, within ten minutes, and three times more until five.
    let mut logins = Vec::new();
    for user in 0..USERS {
        logins.push((9 * 3_600_000 + dice.below(600_000), user));
        for _ in 0..3 {
            logins.push((9 * 3_600_000 + dice.below(8 * 3_600_000), user));
        }
    }
    logins.sort_unstable();
    let (mut now, mut typos, mut served) = (0, 0, 0);
    for (at, user) in logins {
        clock.advance(Duration::from_millis(at - now));
        now = at;
        let name = format!("user{user}");
        // One in a hundred is mistyped, the second time too.
        while dice.below(100) == 0 {
            typos += 1;
            assert_denied(&log_in(&name, &format!("typo{typos}")).await);
        }
        log_in(&name, "correct horse").await.assert_ok();
        served += 1;
    }
    assert_eq!(served, 4 * USERS);
    assert!((150..250).contains(&typos), "{typos}");
}

/// A clock that shows what it is told to.
#[derive(Clone, Debug)]
struct Any(Arc<Mutex<(SystemTime, Duration)>>);

impl Clock for Any {
    fn now(&self) -> SystemTime {
        self.0.lock().unwrap().0
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

#[tokio::test]
async fn no_jump_of_the_clock_lifts_a_lock_or_panics_t13() {
    let day_one = SystemTime::UNIX_EPOCH;
    let far = day_one + Duration::from_secs(200_000_000_000);
    for start in [Duration::ZERO, HOUR, Duration::from_millis(u64::MAX) - DAY] {
        let clock = Any(Arc::new(Mutex::new((day_one, start))));
        let fixture = Fixture::with(|builder| builder.clock(clock.clone()));
        for guess in 0..10 {
            assert_denied(&fixture.token(AUTH, &login("alice", &format!("guess{guess}"))).await);
            // Turning the wall clock forgets nothing.
            clock.0.lock().unwrap().0 = if guess % 2 == 0 { far } else { day_one };
        }
        // Whatever the monotonic clock does but go on: it stands, it goes back, and it comes again.
        for elapsed in [start, Duration::ZERO, start / 2, start, start.saturating_sub(MINUTE), Duration::ZERO] {
            clock.0.lock().unwrap().1 = elapsed;
            let answer = fixture.token(AUTH, PW).await;
            answer.assert_error(429, "too_many_attempts");
        }
        assert_eq!(fixture.probe.calls(), 10);
    }
}

#[tokio::test]
async fn at_the_end_of_all_time_there_is_no_more_than_one_budget_and_no_lock_ends_t13() {
    let end = Duration::from_millis(u64::MAX);
    for start in [end - Duration::from_secs(1), end, Duration::MAX] {
        let clock = Any(Arc::new(Mutex::new((SystemTime::UNIX_EPOCH, start))));
        let fixture = Fixture::with(|builder| builder.clock(clock.clone()));
        for guess in 0..20 {
            let status = fixture.token(AUTH, &login("alice", &format!("guess{guess}"))).await.status;
            assert!([400, 429].contains(&status.as_u16()), "{status}");
        }
        assert!(fixture.probe.calls() <= 10);
        for elapsed in [Duration::MAX, Duration::ZERO, end] {
            clock.0.lock().unwrap().1 = elapsed;
            fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
        }
    }
}
