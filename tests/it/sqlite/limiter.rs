//! The limiter in the file: it decides as the one in memory does, and a restart takes nothing back.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tower_password_grant::limiter::{
    ActiveLock, AttemptKey, AttemptLimiter, Checked, Fingerprint, Guess, Limit, LimiterOperator as _, Limits, Lockout,
    MemoryLimiter, Reservation, Reserved, SecretCheck, Settlement, TokenBucket,
};
use tower_password_grant::sqlite::{SqliteLimiter, SqliteStore};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::user::AccountKey;

use crate::support::folder::{Folder, at};
use crate::support::locks::locks;
use crate::support::spawn;

fn open(folder: &Folder, clock: &ManualClock) -> SqliteStore {
    SqliteStore::builder(folder.file()).clock(clock.clone()).open().unwrap()
}

pub(crate) fn address(number: u8) -> Option<IpAddr> {
    Some(IpAddr::from([192, 0, 2, number]))
}

pub(crate) async fn reserve(limiter: &dyn AttemptLimiter, account: &str, number: u8) -> Reserved {
    let account = AccountKey::canonical(account);
    limiter.reserve(&AttemptKey::new(Guess::Account { realm: None, account: &account }, address(number))).await.unwrap()
}

pub(crate) async fn fail(limiter: &dyn AttemptLimiter, account: &str, number: u8) {
    match reserve(limiter, account, number).await {
        Reserved::Charged(reservation) => drop(limiter.settle(reservation, Settlement::Denied).await.unwrap()),
        other => panic!("{other:?}"),
    }
}

fn refusal(reserved: Reserved) -> (Limit, Duration) {
    match reserved {
        Reserved::Refused(refusal) => (refusal.limit(), refusal.retry_after()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lock_and_its_count_outlive_a_restart_and_time_goes_on_for_them() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let store = open(&folder, &clock);
    let limiter = store.limiter();
    for _ in 0..6 {
        fail(&limiter, "alice", 1).await;
    }
    store.close().await;
    let store = open(&folder, &clock);
    let limiter = store.limiter();
    for _ in 0..4 {
        fail(&limiter, "alice", 1).await;
    }
    let (limit, wait) = refusal(reserve(&limiter, "alice", 1).await);
    assert_eq!((limit, wait), (Limit::AccountAndAddress, Duration::from_secs(900)));
    store.close().await;

    clock.advance(Duration::from_secs(300));
    let store = open(&folder, &clock);
    let limiter = store.limiter();
    assert_eq!(refusal(reserve(&limiter, "alice", 1).await).1, Duration::from_secs(600));
    assert!(matches!(reserve(&limiter, "alice", 2).await, Reserved::Charged(_)));
    clock.advance(Duration::from_secs(600));
    assert!(matches!(reserve(&limiter, "alice", 1).await, Reserved::Charged(_)));
    store.close().await;
}

#[tokio::test]
async fn a_wall_clock_that_is_set_neither_lifts_nor_lengthens_a_lock() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(100_000));
    let store = open(&folder, &clock);
    let limiter = store.limiter();
    for _ in 0..10 {
        fail(&limiter, "alice", 1).await;
    }
    let day = Duration::from_secs(86_400);
    for wall in [at(100_000) + day, at(100_000) - day] {
        clock.set_wall(wall);
        assert_eq!(refusal(reserve(&limiter, "alice", 1).await).1, Duration::from_secs(900));
    }
    store.close().await;
    // A day behind what was counted at: time goes on from there.
    let store = open(&folder, &clock);
    let limiter = store.limiter();
    assert_eq!(refusal(reserve(&limiter, "alice", 1).await).1, Duration::from_secs(900));
    clock.advance(Duration::from_secs(899));
    assert_eq!(refusal(reserve(&limiter, "alice", 1).await).1, Duration::from_secs(1));
    clock.advance(Duration::from_secs(1));
    assert!(matches!(reserve(&limiter, "alice", 1).await, Reserved::Charged(_)));
    store.close().await;
}

#[tokio::test]
async fn the_time_that_is_counted_at_never_goes_back_for_any_process_that_shares_the_file() {
    let folder = Folder::new();
    let (ahead, behind) = (ManualClock::at(at(100_000)), ManualClock::at(at(0)));
    // Opened before anything was counted, so it begins at its own time.
    let late = open(&folder, &behind);
    let store = open(&folder, &ahead);
    let limiter = store.limiter();
    for _ in 0..10 {
        fail(&limiter, "alice", 1).await;
    }
    let lock = (Limit::AccountAndAddress, Duration::from_secs(900));
    assert_eq!(refusal(reserve(&limiter, "alice", 1).await), lock);

    // A process whose clock is behind counts at the time of the file, and writes no smaller one.
    let other = late.limiter();
    assert_eq!(refusal(reserve(&other, "alice", 1).await), lock);
    fail(&other, "bob", 1).await;
    assert!(matches!(check(&other, false).await, Checked::Decided(_)));
    assert_eq!(refusal(reserve(&other, "alice", 1).await), lock);
    late.close().await;
    store.close().await;
    let store = open(&folder, &behind);
    assert_eq!(refusal(reserve(&store.limiter(), "alice", 1).await), lock);
    store.close().await;
}

async fn check(limiter: &dyn AttemptLimiter, is_right: bool) -> Checked {
    let key = AttemptKey::new(Guess::Client { client_id: "cli" }, address(1));
    limiter.check(&key, SecretCheck::known(is_right)).await.unwrap()
}

#[tokio::test]
async fn a_client_with_the_right_secret_at_many_addresses_writes_next_to_nothing() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let store = open(&folder, &clock);
    let watcher = rusqlite::Connection::open(folder.file()).unwrap();
    // Changes with each commit that wrote something.
    let version = || watcher.query_row("PRAGMA data_version", (), |row| row.get::<_, i64>(0)).unwrap();
    for (lifetime, most) in [(Duration::from_secs(64_000), 4 + 1), (Duration::ZERO, 0)] {
        let limiter = store.limiter().with_limits(Limits::new().with_known_addresses(lifetime));
        let (mut last, mut writes) = (version(), 0);
        for round in 0..60 {
            let key = AttemptKey::new(Guess::Client { client_id: "api" }, address(round % 6));
            match limiter.check(&key, SecretCheck::known(true)).await.unwrap() {
                Checked::Decided(decided) => assert!(decided.is_right()),
                other => panic!("{other:?}"),
            }
            writes += u8::from(std::mem::replace(&mut last, version()) != last);
            if round == 50 {
                clock.advance(Duration::from_secs(1000));
            }
        }
        assert_eq!(writes, most, "{lifetime:?}");
    }
    store.close().await;
}

#[tokio::test]
async fn parallel_attempts_never_exceed_the_budget_and_a_dropped_one_stays_charged() {
    let folder = Folder::new();
    let store = folder.store();
    let limiter = Arc::new(store.limiter());
    let tries: Vec<_> = (0..100)
        .map(|number| {
            let limiter = Arc::clone(&limiter);
            spawn(async move {
                let work = reserve(&*limiter, "alice", 1);
                if number < 5 {
                    let _ = tokio::time::timeout(Duration::from_micros(50), work).await;
                    return 0;
                }
                usize::from(matches!(work.await, Reserved::Charged(_)))
            })
        })
        .collect();
    let mut charged = 0;
    for one in tries {
        charged += one.await.unwrap();
    }
    assert!((5..=10).contains(&charged), "{charged}");
    assert!(matches!(reserve(&*limiter, "alice", 1).await, Reserved::Refused(_)));
    store.close().await;
}

#[tokio::test]
async fn no_name_and_no_address_is_in_the_file_t69() {
    let folder = Folder::new();
    let store = folder.store();
    let limiter = store.limiter();
    for _ in 0..10 {
        fail(&limiter, "canary-hunter2", 1).await;
    }
    let client = Guess::Client { client_id: "canary-client" };
    let secret = AttemptKey::new(client, address(1)).with_fingerprint(Fingerprint::new(0x1234_5678_9abc_def0));
    match limiter.reserve(&secret).await.unwrap() {
        Reserved::Charged(reservation) => drop(limiter.settle(reservation, Settlement::Denied).await.unwrap()),
        other => panic!("{other:?}"),
    }
    for closed in [false, true] {
        if closed {
            store.close().await;
        }
        let bytes = folder.bytes();
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(holds(b"limiter_tallies"), "the test finds what is there");
        let print = [0x79, 0x56, 0x34, 0x12];
        for canary in [b"canary".as_slice(), b"hunter2", b"192.0.2.1", &[192, 0, 2, 1], &print] {
            assert!(!holds(canary), "{canary:?}");
        }
    }
}

#[tokio::test]
async fn an_operator_sees_locks_and_lifts_them() {
    let folder = Folder::new();
    let store = folder.store();
    let limiter = store.limiter();
    for account in ["alice", "bob"] {
        for _ in 0..10 {
            fail(&limiter, account, 1).await;
        }
    }
    let alice = AccountKey::canonical("alice");
    let mut held = locks(&limiter).await;
    held.sort_by_key(|lock| lock.account.as_ref().map(|account| account.as_str().to_owned()));
    assert_eq!(held.len(), 2);
    assert_eq!((held[0].limit, held[0].account.clone()), (Limit::AccountAndAddress, Some(alice.clone())));
    assert_eq!(held[0].address, address(1));
    assert_eq!(limiter.unblock_account(None, &alice).await.unwrap(), 2, "the pair and the account");
    assert_eq!(limiter.unblock_account(None, &alice).await.unwrap(), 0);
    assert!(matches!(reserve(&limiter, "alice", 1).await, Reserved::Charged(_)));
    let bob = AccountKey::canonical("bob");
    assert!(limiter.unblock_account_at(None, &bob, address(1)).await.unwrap());
    assert!(!limiter.unblock_account_at(None, &bob, address(1)).await.unwrap());
    assert!(locks(&limiter).await.is_empty());
    for _ in 0..10 {
        fail(&limiter, "bob", 1).await;
    }
    assert!(limiter.unblock_address(address(1).unwrap()).await.unwrap() >= 2);
    assert!(matches!(reserve(&limiter, "bob", 1).await, Reserved::Charged(_)));
    assert!(!limiter.unblock_client("nobody", None).await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn a_flood_of_names_makes_it_stricter_and_never_forgetful_and_the_file_stays_small() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let store = open(&folder, &clock);
    let limiter = Arc::new(store.limiter().with_limits(Limits::new().with_capacity(64).disable(Limit::Address)));
    for _ in 0..10 {
        fail(&*limiter, "alice", 1).await;
    }
    let flood: Vec<_> = (0..1000_u32)
        .map(|number| {
            let limiter = Arc::clone(&limiter);
            spawn(async move { reserve(&*limiter, &format!("name-{number}"), 7).await })
        })
        .collect();
    for one in flood {
        one.await.unwrap();
    }
    assert_eq!(refusal(reserve(&*limiter, "alice", 1).await).0, Limit::AccountAndAddress);
    // A name without room of its own is counted in a cell, and locked there.
    for _ in 0..10 {
        if let Reserved::Charged(reservation) = reserve(&*limiter, "late", 9).await {
            limiter.settle(reservation, Settlement::Denied).await.unwrap();
        }
    }
    assert!(matches!(reserve(&*limiter, "late", 9).await, Reserved::Refused(_)));
    let count = |place: &str| {
        let connection = rusqlite::Connection::open(folder.file()).unwrap();
        let sql = format!("SELECT count(*) FROM limiter_tallies WHERE place {place}");
        connection.query_row(&sql, (), |row| row.get::<_, i64>(0)).unwrap()
    };
    assert!(count("= 0") <= 2 * 64 && count("> 0") > 0, "{} and {}", count("= 0"), count("> 0"));
    // When all is forgotten there is room again.
    clock.advance(Duration::from_secs(10 * 86_400));
    for number in 0..64 {
        reserve(&*limiter, &format!("new-{number}"), 8).await;
    }
    let left = count("= 0");
    assert!((56..=128).contains(&left), "{left}");
    store.close().await;
}

/// What a number of rows is now, read past the store.
fn rows(folder: &Folder, condition: &str) -> i64 {
    let connection = rusqlite::Connection::open(folder.file()).unwrap();
    let sql = format!("SELECT count(*) FROM limiter_tallies WHERE {condition}");
    connection.query_row(&sql, (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_charge_removes_a_few_forgotten_rows_and_together_they_remove_all() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let store = open(&folder, &clock);
    let limiter = store.limiter();
    for number in 0..100 {
        reserve(&limiter, &format!("old-{number}"), number).await;
    }
    let now = at(10 * 86_400);
    clock.advance(now.duration_since(at(0)).unwrap());
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let mut due = vec![rows(&folder, &format!("forgotten <= {now}"))];
    assert_eq!(due[0], 300);
    for number in 0..100 {
        reserve(&limiter, &format!("new-{number}"), number).await;
        due.push(rows(&folder, &format!("forgotten <= {now}")));
    }
    let most = due.windows(2).map(|step| step[0] - step[1]).max().unwrap();
    assert!((1..=16).contains(&most), "{most}");
    assert_eq!(due[100], 0);
    store.close().await;
}

#[tokio::test]
async fn a_right_check_writes_nothing_where_it_cannot_forgive() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let store = open(&folder, &clock);
    // Without room every key is counted in a cell, with others.
    let limiter = store.limiter().with_limits(Limits::new().with_capacity(0));
    check(&limiter, false).await;
    assert_eq!((rows(&folder, "place = 0"), rows(&folder, "kind = 0")), (0, 1));
    let written = || std::fs::metadata(folder.path().join("auth.db-wal")).unwrap().len();
    let before = written();
    for _ in 0..3 {
        clock.advance(SECOND);
        assert!(matches!(check(&limiter, true).await, Checked::Decided(decided) if decided.is_right()));
    }
    assert_eq!(written(), before);
    check(&limiter, false).await;
    assert!(written() > before, "the test sees what is written");
    store.close().await;
}

/// Small numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const SETTLEMENTS: [Settlement; 5] =
    [Settlement::Denied, Settlement::Success, Settlement::Refused, Settlement::Undecided, Settlement::Untried];

fn limits() -> Limits {
    Limits::new()
        .with_account_and_address_budget(Lockout::new(3, Duration::from_secs(60)).locked_for(SECOND * 30, SECOND * 100))
        .with_account_budget(Lockout::new(7, SECOND * 200).locked_for(SECOND * 50, SECOND * 400))
        .with_client_and_address_budget(Lockout::new(4, SECOND * 60))
        .with_address_budget(TokenBucket::new(12, SECOND * 5))
        .with_ipv6_factors(1, 2)
        .with_known_addresses(SECOND * 500)
}

const SECOND: Duration = Duration::from_secs(1);

/// Three of IPv4; and of IPv6 three of one /56, two more of its /48, and one elsewhere.
fn somewhere(dice: &mut Dice) -> Option<IpAddr> {
    let v6 = |around, subnet| Some(IpAddr::from([0x2001, 0xdb8, around, subnet, 0, 0, 0, 1]));
    match dice.roll(10) {
        0 => None,
        number @ 1..=3 => address(number as u8),
        number @ 4..=6 => v6(1, number as u16),
        7 => v6(1, 0x101),
        8 => v6(1, 0x201),
        _ => v6(2, 1),
    }
}

/// What an operator sees, in an order.
fn seen(locks: Vec<ActiveLock>) -> Vec<(Limit, Duration, Option<String>, Option<u8>)> {
    let mut seen: Vec<_> =
        locks.into_iter().map(|lock| (lock.limit, lock.remaining, lock.client_id, lock.prefix_len)).collect();
    seen.sort_by_key(|(limit, remaining, client, prefix)| (limit.as_str(), *remaining, client.clone(), *prefix));
    seen
}

#[tokio::test]
async fn it_decides_as_the_limiter_in_memory_does_over_random_histories_and_restarts() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut told, mut wide, mut known) = (0, 0, 0, 0);
    for round in 0..60 {
        let folder = Folder::new();
        let clock = ManualClock::at(at(0));
        let memory = MemoryLimiter::new().with_limits(limits()).with_clock(clock.clone());
        let mut store = open(&folder, &clock);
        let mut limiter: SqliteLimiter = store.limiter().with_limits(limits());
        // A restart forgets fingerprints, so half of the histories have none of these.
        let restarts = round % 2 == 0;
        let mut under_way: Vec<(Reservation, Reservation)> = Vec::new();
        for _ in 0..100 {
            match dice.roll(14) {
                0 => clock.advance(Duration::from_millis(dice.roll(90_000))),
                1 if restarts => {
                    store.close().await;
                    store = open(&folder, &clock);
                    limiter = store.limiter().with_limits(limits());
                }
                10 | 11 => {
                    let key = AttemptKey::new(Guess::Client { client_id: "cli" }, somewhere(&mut dice));
                    let right = dice.roll(4) == 0;
                    let one = memory.check(&key, SecretCheck::known(right)).await.unwrap();
                    let other = limiter.check(&key, SecretCheck::known(right)).await.unwrap();
                    match (one, other) {
                        (Checked::Decided(left), Checked::Decided(other)) => {
                            assert_eq!((left.is_right(), other.is_right()), (right, right));
                        }
                        (Checked::Refused(left), Checked::Refused(right)) => {
                            assert_eq!((left.limit(), left.retry_after()), (right.limit(), right.retry_after()));
                        }
                        (one, other) => panic!("{one:?} and {other:?}"),
                    }
                }
                12 if dice.roll(4) == 0 => {
                    let (account, from) = (AccountKey::resolved("a"), somewhere(&mut dice));
                    match (dice.roll(4), from) {
                        (0, _) => {
                            let gone = limiter.unblock_account(None, &account).await.unwrap();
                            assert_eq!(memory.unblock_account(None, &account).await.unwrap(), gone);
                        }
                        (1, Some(from)) => {
                            let gone = limiter.unblock_address(from).await.unwrap();
                            assert_eq!(memory.unblock_address(from).await.unwrap(), gone);
                        }
                        (2, from) => {
                            let gone = limiter.unblock_account_at(None, &account, from).await.unwrap();
                            assert_eq!(memory.unblock_account_at(None, &account, from).await.unwrap(), gone);
                        }
                        (_, from) => {
                            let gone = limiter.unblock_client("cli", from).await.unwrap();
                            assert_eq!(memory.unblock_client("cli", from).await.unwrap(), gone);
                        }
                    }
                }
                12 | 13 => {
                    let (one, other) = (locks(&memory).await, locks(&limiter).await);
                    if !restarts {
                        let (one, other) = (seen(one), seen(other));
                        assert_eq!(one, other);
                        wide += one.iter().filter(|(.., prefix)| matches!(prefix, Some(48 | 56))).count();
                    }
                }
                2..=4 if !under_way.is_empty() => {
                    let index = dice.roll(under_way.len() as u64) as usize;
                    let (left, right) = under_way.swap_remove(index);
                    let settlement = SETTLEMENTS[[0, 0, 0, 0, 1, 2, 3, 4][dice.roll(8) as usize]];
                    let one = memory.settle(left, settlement).await.unwrap();
                    let other = limiter.settle(right, settlement).await.unwrap();
                    assert_eq!(one, other, "{settlement:?}");
                    told += usize::from(one.is_some());
                }
                _ => {
                    let account = AccountKey::resolved(["a", "b"][dice.roll(2) as usize]);
                    let guess = match dice.roll(6) {
                        0 => Guess::Client { client_id: "cli" },
                        _ => Guess::Account { realm: None, account: &account },
                    };
                    let mut key = AttemptKey::new(guess, somewhere(&mut dice));
                    if dice.roll(8) == 0 {
                        key = key.exempt();
                    }
                    if !restarts {
                        key = key.with_fingerprint(Fingerprint::new((dice.roll(3) + 1) << 40));
                    }
                    let (one, other) = (memory.reserve(&key).await.unwrap(), limiter.reserve(&key).await.unwrap());
                    match (one, other) {
                        (Reserved::Charged(left), Reserved::Charged(right)) => {
                            assert_eq!(left.is_from_known_address(), right.is_from_known_address());
                            known += usize::from(left.is_from_known_address());
                            under_way.push((left, right));
                        }
                        (Reserved::Refused(left), Reserved::Refused(right)) => {
                            assert_eq!((left.limit(), left.retry_after()), (right.limit(), right.retry_after()));
                            assert_eq!(left.new_lock(), right.new_lock());
                            refused += 1;
                        }
                        (one, other) => panic!("{one:?} and {other:?}"),
                    }
                }
            }
        }
        store.close().await;
    }
    assert!(refused > 100 && told > 0 && wide > 10 && known > 10, "{refused}, {told}, {wide} and {known}");
}
