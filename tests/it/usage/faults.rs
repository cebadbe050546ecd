//! The bad days of a ledger's store: it costs no login, and the report says what is missed.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::runtime::Builder;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::store::{MemoryUsage, UsageStore};
use tower_password_grant::usage::{ClientUsage, Day, DayRange, PageKey, StayersPage, UsageBatch, UsageLedger};
use tower_password_grant::{BackendError, ClientId};

use super::{DAY, client, ledger};
use crate::support::{self, ManualClock, PW, Probe, send, token_request};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Works,
    Fails,
    /// It takes no batch with a NUL in a subject, as a column of PostgreSQL does not.
    RefusesNul,
    /// It has recorded the batch, and says that it has not.
    LosesItsAnswer,
    Hangs,
    Panics,
    PanicsAtOnce,
}

struct Moody {
    inner: MemoryUsage,
    mood: Mutex<Mood>,
    calls: AtomicUsize,
}

impl Moody {
    fn new(mood: Mood) -> Arc<Self> {
        Arc::new(Self { inner: MemoryUsage::new(), mood: Mutex::new(mood), calls: AtomicUsize::new(0) })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl UsageStore for Moody {
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match self.mood() {
            Mood::RefusesNul if batch.rows().iter().any(|row| row.subject.contains('\0')) => {
                Err(BackendError::fault("a NUL"))
            }
            Mood::Works | Mood::RefusesNul => self.inner.record(batch).await,
            Mood::Fails => Err(BackendError::unavailable("the disk is full")),
            Mood::LosesItsAnswer => {
                self.inner.record(batch).await?;
                Err(BackendError::unavailable("the connection was lost"))
            }
            Mood::Hangs => std::future::pending().await,
            Mood::Panics | Mood::PanicsAtOnce => panic!("a fault of the store"),
        }
    }

    async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError> {
        self.inner.report(window).await
    }

    async fn stayers(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, BackendError> {
        self.inner.stayers(client, window, after, limit).await
    }

    async fn forget(&self, subject: &str) -> Result<u64, BackendError> {
        self.inner.forget(subject).await
    }

    async fn prune(&self, before: Day) -> Result<u64, BackendError> {
        self.inner.prune(before).await
    }
}

/// Logs of `app` and its users, by the store itself.
async fn kept(store: &Moody) -> (u64, u64) {
    let all = DayRange::new(Day::default(), Day::from_number(u32::MAX));
    let report = store.inner.report(all).await.unwrap();
    report.first().map_or((0, 0), |usage| (usage.users, usage.ways.iter().map(|way| way.logins).sum()))
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_for_an_hour_loses_nothing_that_has_room() {
    for mood in [Mood::Fails, Mood::LosesItsAnswer, Mood::Hangs, Mood::Panics, Mood::PanicsAtOnce] {
        let (store, clock) = (Moody::new(mood), ManualClock::new());
        let usage = ledger(Arc::clone(&store), &clock);
        for second in 0..3_600 {
            // 60 users, each once a minute.
            usage.note(&client("app"), &format!("user-{}", second % 60), None, clock.now());
            clock.advance_secs(1);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // It is asked some once a minute.
        let calls = store.calls();
        assert!((30..=80).contains(&calls), "{mood:?}: {calls}");
        let before = kept(&store).await;
        assert_eq!(before.0 > 0, mood == Mood::LosesItsAnswer, "{mood:?}: {before:?}");
        store.set(Mood::Works);
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(kept(&store).await, (60, 3_600), "{mood:?}");
        let report = usage.report(DAY).await.unwrap();
        assert_eq!((report.missed, report.since, report.waiting), (0, None, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_while_the_store_takes_nothing_says_what_it_lacks() {
    let (store, clock) = (Moody::new(Mood::Fails), ManualClock::new());
    let usage = ledger(Arc::clone(&store), &clock).with_capacity(10).unwrap();
    for number in 0..25 {
        usage.note(&client("app"), &format!("user-{number}"), None, clock.now());
    }
    let report = usage.report(DAY).await.unwrap();
    assert_eq!((report.missed, report.waiting, report.clients.len()), (15, 10, 0));
    assert_eq!(report.since, Some(Day::of(clock.now())));
    assert!(report.to_string().contains("Missed since 2026-01-01: 15."), "{report}");
    // Of users who are known already nothing is missed; the queue has room again.
    for _ in 0..5 {
        usage.note(&client("app"), "user-1", None, clock.now());
    }
    store.set(Mood::Works);
    usage.flush().await.unwrap();
    assert_eq!(kept(&store).await, (10, 15));
    assert_eq!(usage.report(DAY).await.unwrap().missed, 15);
}

#[tokio::test(start_paused = true)]
async fn a_user_whom_the_store_refuses_holds_up_no_others() {
    let (store, clock) = (Moody::new(Mood::RefusesNul), ManualClock::new());
    let usage = ledger(Arc::clone(&store), &clock);
    usage.note(&client("app"), "user\0", None, clock.now());
    for number in 0..2_000 {
        usage.note(&client("app"), &format!("user-{number}"), None, clock.now());
    }
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(kept(&store).await, (2_000, 2_001));
    // Nor does it hold up the count of a user who is known.
    usage.note(&client("app"), "user-1", None, clock.now());
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(kept(&store).await, (2_000, 2_002));
    assert_eq!(usage.report(DAY).await.unwrap().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_is_missed_by_new_users_alone() {
    let clock = ManualClock::new();
    let usage = ledger(MemoryUsage::new().with_capacity(2).unwrap(), &clock);
    for subject in ["a", "b", "c", "a"] {
        usage.note(&client("app"), subject, None, clock.now());
    }
    let report = usage.report(DAY).await.unwrap();
    assert_eq!((report.missed, report.clients[0].users), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn no_login_waits_for_the_ledger_or_fails_by_it() {
    for mood in [Mood::Fails, Mood::Hangs, Mood::Panics, Mood::PanicsAtOnce] {
        let store = Moody::new(mood);
        let usage = UsageLedger::new(Arc::clone(&store)).with_capacity(3).unwrap();
        let layer = support::builder(&Probe::default()).usage(usage.clone()).build().unwrap();
        let start = tokio::time::Instant::now();
        for _ in 0..20 {
            send(&layer, token_request(support::AUTH, PW)).await.assert_ok();
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "{mood:?}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        send(&layer, token_request(support::AUTH, PW)).await.assert_ok();
        assert!(store.calls() > 0);
    }
}

#[test]
fn a_runtime_that_ends_leaves_what_waits_to_the_next_one() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (store, clock) = (Moody::new(Mood::Works), ManualClock::new());
    let usage = ledger(Arc::clone(&store), &clock);
    // No runtime at all.
    usage.note(&client("app"), "a", None, clock.now());
    runtime().block_on(async { usage.note(&client("app"), "b", None, clock.now()) });
    assert_eq!(store.calls(), 0);
    runtime().block_on(async {
        usage.note(&client("app"), "c", None, clock.now());
        while kept(&store).await.1 < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    usage.note(&client("app"), "d", None, clock.now());
    runtime().block_on(async { usage.flush().await.unwrap() });
    assert_eq!(runtime().block_on(kept(&store)), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn the_last_clone_takes_the_task_with_it_once_what_waits_is_written() {
    struct Told(Arc<Moody>, Arc<AtomicBool>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.1.store(true, Ordering::SeqCst);
        }
    }
    #[async_trait]
    impl UsageStore for Told {
        async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
            self.0.record(batch).await
        }
        async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError> {
            self.0.report(window).await
        }
        async fn stayers(
            &self,
            client: &ClientId,
            window: DayRange,
            after: Option<&PageKey>,
            limit: usize,
        ) -> Result<StayersPage, BackendError> {
            self.0.stayers(client, window, after, limit).await
        }
        async fn forget(&self, subject: &str) -> Result<u64, BackendError> {
            self.0.forget(subject).await
        }
        async fn prune(&self, before: Day) -> Result<u64, BackendError> {
            self.0.prune(before).await
        }
    }
    for (mood, written) in [(Mood::Works, (1, 1)), (Mood::Fails, (0, 0)), (Mood::Hangs, (0, 0))] {
        let (store, is_gone, clock) = (Moody::new(mood), Arc::new(AtomicBool::new(false)), ManualClock::new());
        let usage = ledger(Told(Arc::clone(&store), Arc::clone(&is_gone)), &clock);
        usage.note(&client("app"), "a", None, clock.now());
        let other = usage.clone();
        drop(usage);
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!is_gone.load(Ordering::SeqCst));
        drop(other);
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert!(is_gone.load(Ordering::SeqCst), "{mood:?}");
        assert_eq!(kept(&store).await, written);
    }
}
