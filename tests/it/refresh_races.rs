//! Many uses of one refresh token at once, on the store in memory, in real threads: one successor, and nobody who is honest
//! is logged out (RF-10, RF-13; T56, T57).

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, RwLock, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tower_password_grant::ClientId;
use tower_password_grant::store::{FamilyId, MemoryRefreshTokens, RefreshFamily, RefreshTokenStore, SecretDigest};
use tower_password_grant::testing::{RefreshTokenUse, TokenState, TokenUsed, begin_family, token_state};

use crate::support::counts::count;

const THREADS: u64 = 64;

fn now<T, E: std::fmt::Debug>(future: impl Future<Output = Result<T, E>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the store in memory waits for nothing"),
    }
}

const START: SystemTime = SystemTime::UNIX_EPOCH;
const LEEWAY: Duration = Duration::from_secs(10);

/// The token of a thread; that of 0 is the first of each family. Each is asked for a million times.
fn token(of: u64) -> SecretDigest {
    static TOKENS: LazyLock<Vec<SecretDigest>> =
        LazyLock::new(|| (0..=THREADS).map(|of| SecretDigest::of(&of.to_string())).collect());
    TOKENS[of as usize].clone()
}

fn salt(of: u64) -> [u8; 32] {
    let mut salt = [0; 32];
    salt[..8].copy_from_slice(&of.to_be_bytes());
    salt
}

/// Spread as random ids are, which the store in memory takes for their own hash.
fn id(round: u64) -> FamilyId {
    FamilyId::from_bytes(u128::from(round.wrapping_mul(0x9e37_79b9_7f4a_7c15)).to_be_bytes())
}

fn family(round: u64) -> RefreshFamily {
    RefreshFamily::new(id(round), "alice", ClientId::new("app").unwrap(), START, START + Duration::from_secs(3600))
}

/// Presents the first token of the round, with the thread's own successor.
fn present(store: &MemoryRefreshTokens, round: u64, of: u64, leeway: Duration) -> TokenUsed {
    let using = RefreshTokenUse::new(id(round), token(0), START).with_successor(token(of), salt(of));
    now(using.with_leeway(leeway).by(store))
}

/// Where threads wait for the next round: those of even and of odd rounds apart, so that none runs ahead.
#[derive(Default)]
struct Gates([RwLock<()>; 2]);

impl Gates {
    fn of(&self, round: u64) -> &RwLock<()> {
        &self.0[(round % 2) as usize]
    }

    /// Waits until the round begins.
    fn wait(&self, round: u64) {
        drop(self.of(round).read().unwrap());
    }

    fn shut(&self, round: u64) -> RwLockWriteGuard<'_, ()> {
        self.of(round).write().unwrap()
    }
}

/// Plays a round in 64 threads at once, as often as `rounds` says; `check` looks at their answers between the rounds.
fn rounds<T: Copy + Send>(
    rounds: u64,
    play: impl Fn(&MemoryRefreshTokens, u64, u64) -> T + Sync,
    check: impl Fn(&MemoryRefreshTokens, u64, &[T]),
) {
    let started = Instant::now();
    let store = MemoryRefreshTokens::new();
    let (gates, left) = (Gates::default(), AtomicU64::new(0));
    let answers: Vec<Mutex<Option<T>>> = (0..THREADS).map(|_| Mutex::new(None)).collect();
    let main = thread::current();
    thread::scope(|scope| {
        let mut shut = gates.shut(0);
        for (of, answer) in (1..).zip(&answers) {
            let (store, gates, left, main, play) = (&store, &gates, &left, &main, &play);
            scope.spawn(move || {
                for round in 0..rounds {
                    gates.wait(round);
                    *answer.lock().unwrap() = Some(play(store, round, of));
                    if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                        main.unpark();
                    }
                }
            });
        }
        for round in 0..rounds {
            now(begin_family(&store, family(round), &token(0), START));
            left.store(THREADS, Ordering::Release);
            // Opens this gate by dropping its guard, with the next one shut.
            shut = gates.shut(round + 1);
            while left.load(Ordering::Acquire) > 0 {
                thread::park();
            }
            let told: Vec<T> = answers.iter().map(|answer| answer.lock().unwrap().take().unwrap()).collect();
            check(&store, round, &told);
        }
        drop(shut);
    });
    println!("{rounds} rounds of {THREADS} threads in {:?}", started.elapsed());
}

fn live(store: &MemoryRefreshTokens, round: u64) -> Vec<u64> {
    let is_live =
        |of: &u64| now(token_state(store, id(round), &token(*of))).is_some_and(|(state, _)| state == TokenState::Live);
    (0..=THREADS).filter(is_live).collect()
}

#[test]
fn of_64_parallel_refreshes_one_has_a_successor_and_all_others_get_the_same_rf_10_rf_13_t56() {
    rounds(
        count(10_000) as u64,
        |store, round, of| present(store, round, of, LEEWAY),
        |store, round, answers| {
            let done: Vec<u64> = (1..=THREADS).filter(|of| answers[*of as usize - 1] == TokenUsed::Done).collect();
            assert_eq!(done.len(), 1, "round {round}");
            let repeated = TokenUsed::Repeated { salt: salt(done[0]) };
            assert!(answers.iter().all(|answer| *answer == TokenUsed::Done || *answer == repeated), "round {round}");
            assert_eq!(live(store, round), done, "round {round}: the honest client is logged in, once");
        },
    );
}

#[test]
fn of_64_parallel_refreshes_without_leeway_the_second_ends_the_family_rf_11() {
    rounds(
        count(1_000) as u64,
        |store, round, of| present(store, round, of, Duration::ZERO),
        |store, round, answers| {
            let count = |what: TokenUsed| answers.iter().filter(|answer| **answer == what).count();
            assert_eq!((count(TokenUsed::Done), count(TokenUsed::Replayed)), (1, 1), "round {round}");
            assert_eq!(count(TokenUsed::Gone), THREADS as usize - 2, "round {round}");
            assert_eq!(live(store, round), [0_u64; 0], "round {round}");
        },
    );
}

#[test]
fn a_family_that_is_revoked_while_it_is_used_has_no_live_token_t57() {
    static REFRESHED: AtomicU64 = AtomicU64::new(0);
    let families = count(2_000) as u64;
    rounds(
        families,
        |store, round, of| match of {
            // Somewhere in the middle, wherever that is in this round.
            32 => now(store.revoke_family(id(round))),
            48 => now(store.revoke_subject(None, "alice")) > 0,
            _ => {
                if present(store, round, of, LEEWAY) == TokenUsed::Done {
                    REFRESHED.fetch_add(1, Ordering::Relaxed);
                }
                false
            }
        },
        |store, round, answers| {
            assert_eq!(answers.iter().filter(|ended| **ended).count(), 1, "round {round}: it ends once");
            assert_eq!(live(store, round), [0_u64; 0], "round {round}");
            for of in 0..=THREADS {
                let using = RefreshTokenUse::new(id(round), token(of), START).with_leeway(LEEWAY);
                assert_eq!(now(using.by(store)), TokenUsed::Gone, "round {round}");
            }
        },
    );
    let refreshed = REFRESHED.load(Ordering::Relaxed);
    println!("of {families} families {refreshed} were refreshed before they ended");
    assert!(refreshed > 0, "every revocation came first: this raced nothing");
}
