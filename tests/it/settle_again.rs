//! A limiter that is away for a moment when a charge is to be settled: a right login does not stay charged, and no charge comes
//! back twice.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;
use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Guess, Limits, Lockout, MemoryLimiter, Reservation, Reserved, Settlement,
};
use tower_password_grant::sqlite::{SqliteLimiter, SqliteStore};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{BackendError, Denial, PasswordGrantLayer, verify_fn};

use crate::support::folder::Folder;
use crate::support::protection::counted_by;
use crate::support::{self, Answer, PW, Probe, send, token_request};

/// What becomes of the calls that fail.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lost {
    /// They never arrive.
    Call,
    /// They are done, but their answer is lost.
    Answer,
}

/// A limiter whose next `settle` calls fail.
#[derive(Clone)]
struct Flaky {
    inner: Arc<dyn AttemptLimiter>,
    lost: Lost,
    outage: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

impl Flaky {
    fn new(inner: impl AttemptLimiter, lost: Lost) -> Self {
        Self { inner: Arc::new(inner), lost, outage: Arc::default(), calls: Arc::default() }
    }

    fn fail(&self, calls: usize) {
        self.outage.store(calls, SeqCst);
        self.calls.store(0, SeqCst);
    }
}

impl AttemptLimiter for Flaky {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        self.inner.reserve(key)
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        self.calls.fetch_add(1, SeqCst);
        let fails = self.outage.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        MaybeFuture::new(async move {
            // To the limiter behind, the second call is the first one if that never arrived.
            let reservation = match self.lost {
                Lost::Call => Reservation::new(*reservation.key()),
                Lost::Answer => reservation,
            };
            if !fails {
                return self.inner.settle(reservation, settlement).await;
            }
            if self.lost == Lost::Answer {
                self.inner.settle(reservation, settlement).await?;
            }
            Err(BackendError::unavailable("away for half a second"))
        })
    }
}

/// One place for each account, whatever its address.
fn one_place() -> Limits {
    let minute = Duration::from_secs(60);
    Limits::new().with_budget(1, minute).with_account_budget(Lockout::new(1, minute))
}

fn layer(limiter: impl AttemptLimiter) -> PasswordGrantLayer {
    support::builder(&Probe::default()).attack_protection(counted_by(limiter)).build().unwrap()
}

async fn log_in(layer: &PasswordGrantLayer) -> Answer {
    send(layer, token_request(&[], &format!("{PW}&client_id=pub"))).await
}

#[tokio::test(start_paused = true)]
async fn a_right_login_is_not_left_charged_when_the_limiter_is_away_for_half_a_second() {
    let limiter = Flaky::new(MemoryLimiter::new().with_limits(one_place()), Lost::Call);
    let layer = layer(limiter.clone());
    for _ in 0..20 {
        limiter.fail(1);
        let before = Instant::now();
        log_in(&layer).await.assert_ok();
        let took = before.elapsed();
        assert!((500..=1000).contains(&took.as_millis()), "{took:?}");
        assert_eq!(limiter.calls.load(SeqCst), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_once_more_and_then_the_charge_stays_and_the_answer_stands() {
    let limiter = Flaky::new(MemoryLimiter::new().with_limits(one_place()), Lost::Call);
    let layer = layer(limiter.clone());
    limiter.fail(2);
    log_in(&layer).await.assert_ok();
    assert_eq!(limiter.calls.load(SeqCst), 2);
    log_in(&layer).await.assert_error(429, "too_many_attempts");
}

/// A limiter that never answers a second try.
struct Silent(Mutex<usize>);

impl AttemptLimiter for Silent {
    fn reserve<'a>(&'a self, _: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::ready(Ok(Reserved::Charged(Reservation::new([7; 32]))))
    }

    fn settle(
        &self,
        reservation: Reservation,
        _: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        *self.0.lock().unwrap() += 1;
        if reservation.is_again() {
            return MaybeFuture::new(std::future::pending());
        }
        MaybeFuture::ready(Err(BackendError::unavailable("away")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_try_that_is_not_answered_delays_a_login_by_two_seconds_at_most() {
    let layer = layer(Silent(Mutex::new(0)));
    let before = Instant::now();
    log_in(&layer).await.assert_ok();
    assert!(before.elapsed() <= Duration::from_secs(2), "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_denial_stays_charged_without_a_second_try_and_without_a_pause() {
    let limiter = Flaky::new(MemoryLimiter::new().with_limits(one_place()), Lost::Call);
    let denying = verify_fn(|_| async { Ok(Denial::Disabled.into()) });
    let layer = support::builder(&Probe::default())
        .verifier(denying)
        .attack_protection(counted_by(limiter.clone()))
        .build()
        .unwrap();
    limiter.fail(1);
    let before = Instant::now();
    log_in(&layer).await.assert_error(400, "invalid_grant");
    assert_eq!((before.elapsed(), limiter.calls.load(SeqCst)), (Duration::ZERO, 1));
}

async fn reserve_for_alice(limiter: &dyn AttemptLimiter) -> Reserved {
    let account = AccountKey::canonical("alice");
    let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, Some([192, 0, 2, 1].into()));
    limiter.reserve(&key).await.unwrap()
}

/// Charges all three places of an account, and returns one of the reservations twice, to be settled twice.
async fn one_of_three(limiter: &dyn AttemptLimiter) -> (Reservation, Reservation) {
    let mut charged = Vec::new();
    while let Reserved::Charged(reservation) = reserve_for_alice(limiter).await {
        charged.push(reservation);
    }
    assert_eq!(charged.len(), 3);
    let one = charged.pop().unwrap();
    let again = one.again();
    assert!(again.is_again() && !one.is_again());
    (one, again)
}

async fn assert_one_place_is_free(limiter: &dyn AttemptLimiter, settlement: Settlement) {
    assert!(matches!(reserve_for_alice(limiter).await, Reserved::Charged(_)), "{settlement:?}");
    assert!(matches!(reserve_for_alice(limiter).await, Reserved::Refused(_)), "{settlement:?}");
}

async fn assert_one_charge_comes_back(limiter: &dyn AttemptLimiter, settlement: Settlement) {
    let (one, again) = one_of_three(limiter).await;
    limiter.settle(one, settlement).await.unwrap();
    limiter.settle(again, settlement).await.unwrap();
    assert_one_place_is_free(limiter, settlement).await;
}

fn three_places() -> Limits {
    let minute = Duration::from_secs(60);
    Limits::new()
        .with_budget(100, minute)
        .with_account_budget(Lockout::new(3, minute))
        .with_known_addresses(Duration::ZERO)
}

#[tokio::test]
async fn what_was_settled_although_its_answer_was_lost_comes_back_once() {
    for settlement in [Settlement::Success, Settlement::Undecided, Settlement::Untried] {
        assert_one_charge_comes_back(&MemoryLimiter::new().with_limits(three_places()), settlement).await;
        let folder = Folder::new();
        let store = folder.store();
        assert_one_charge_comes_back(&store.limiter().with_limits(three_places()), settlement).await;
        store.close().await;
    }
}

/// A look at the file fails as long as its folder's name leads nowhere, though the commit before it was done.
#[cfg(unix)]
#[tokio::test]
async fn what_was_committed_although_the_look_at_the_file_failed_comes_back_once() {
    use std::fs;
    use std::os::unix::fs::symlink;

    for settlement in [Settlement::Success, Settlement::Undecided, Settlement::Untried] {
        let folder = Folder::new();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("real")).unwrap();
        // Each takes the place of what is there in one step, so that the name is never missing.
        let lead_there = || {
            symlink("real", at("next")).unwrap();
            fs::rename(at("next"), at("link")).unwrap();
        };
        let lead_nowhere = || {
            fs::write(at("next"), "no folder").unwrap();
            fs::rename(at("next"), at("link")).unwrap();
        };
        lead_there();
        let store = SqliteStore::open(at("link").join("auth.db")).unwrap();
        let limiter = store.limiter().with_limits(three_places());
        let (one, again) = one_of_three(&limiter).await;
        lead_nowhere();
        limiter.settle(one, settlement).await.unwrap_err();
        lead_there();
        limiter.settle(again, settlement).await.unwrap();
        assert_one_place_is_free(&limiter, settlement).await;
        store.close().await;
    }
}

/// The limiter of a store whose file somebody else holds, from a reservation until settling has failed once.
#[derive(Clone)]
struct Held {
    inner: Arc<SqliteLimiter>,
    file: std::path::PathBuf,
    holder: Arc<Mutex<Option<Connection>>>,
    failures: Arc<AtomicUsize>,
}

impl AttemptLimiter for Held {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(async move {
            let reserved = self.inner.reserve(key).await;
            let holder = Connection::open(&self.file).unwrap();
            holder.execute_batch("BEGIN IMMEDIATE").unwrap();
            *self.holder.lock().unwrap() = Some(holder);
            reserved
        })
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::new(async move {
            let settled = self.inner.settle(reservation, settlement).await;
            self.failures.fetch_add(usize::from(settled.is_err()), SeqCst);
            *self.holder.lock().unwrap() = None;
            settled
        })
    }
}

#[tokio::test]
async fn a_file_that_is_held_when_a_right_login_is_settled_leaves_it_uncharged() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).busy_timeout(Duration::from_millis(5)).open().unwrap();
    let limiter = Held {
        inner: Arc::new(store.limiter().with_limits(one_place())),
        file: folder.file(),
        holder: Arc::default(),
        failures: Arc::default(),
    };
    let layer = layer(limiter.clone());
    for logins in 1..=3 {
        log_in(&layer).await.assert_ok();
        assert_eq!(limiter.failures.load(SeqCst), logins);
    }
    store.close().await;
}
