//! Which users log in how: the ledger against what went through the layer, and its store's bad days.

mod faults;
#[cfg(feature = "mfa")]
mod lacks;
#[cfg(feature = "mfa")]
mod recount;
#[cfg(feature = "mfa")]
mod step_up;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tower_password_grant::audit::{AuditEvent, AuditSink};
use tower_password_grant::client::Sunset;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::store::{MemoryUsage, UsageStore};
use tower_password_grant::usage::{
    ClientUsage, Day, DayRange, LoginWay, Page, PageKey, StayersPage, UsageBatch, UsageLedger,
};
use tower_password_grant::{BackendError, Client, ClientId, ClientRegistry, CredentialVerifier, PasswordGrant};
#[cfg(feature = "sqlite")]
use tower_password_grant::{Denial, verify_fn};

use crate::support::{self, ManualClock, PW, Probe, send, token_request};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// As an application writes it, over a store that keeps clients and usage.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "it has to compile"))]
async fn shown<S: ClientRegistry + UsageStore + Clone>(
    store: S,
    users: impl CredentialVerifier,
    guide: &str,
    [april_7, may, june]: [SystemTime; 3],
) -> Result<(), Box<dyn Error>> {
    let end = Sunset::at(june).with_link(guide)?.brownout(april_7, HOUR * 3)?.ramp_from(may)?;
    let app = Client::public("app").allow_password_grant().sunset(end).scopes("read").build()?;
    let usage = UsageLedger::new(store.clone());
    let layer = PasswordGrant::builder().clients(store).verifier(users).usage(usage.clone()); // issuer, peer_address ...
    println!("{}", usage.report(DAY * 30).await?);
    let _ = (app, layer);
    Ok(())
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn the_plan_and_the_ledger_are_put_together_over_one_store_of_clients_and_usage() {
    let folder = support::folder::Folder::new();
    let users = verify_fn(|_| async { Ok(Denial::UnknownUser.into()) });
    let dates = [90, 120, 150].map(|days| ManualClock::start() + DAY * days);
    shown(folder.store(), users, "https://docs.example/move", dates).await.unwrap();
}

fn client(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

fn ledger(store: impl UsageStore, clock: &ManualClock) -> UsageLedger {
    UsageLedger::new(store).with_clock(clock.clone())
}

/// A store that counts its calls.
#[derive(Default)]
struct Counting {
    inner: MemoryUsage,
    batches: AtomicUsize,
    rows: AtomicUsize,
}

#[async_trait]
impl UsageStore for Counting {
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.rows.fetch_add(batch.rows().len(), Ordering::SeqCst);
        self.inner.record(batch).await
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

#[tokio::test]
async fn what_waits_is_written_before_the_last_users_are_named() {
    let usage = UsageLedger::new(MemoryUsage::new());
    let layer = support::builder(&Probe::default()).usage(usage.clone()).build().unwrap();
    let stayers = async || {
        let page = usage.stayers(&client("conf"), &Page::first(DAY)).await.unwrap();
        page.stayers.iter().map(|user| user.subject.to_string()).collect::<Vec<_>>()
    };
    send(&layer, token_request(support::AUTH, PW)).await.assert_ok();
    assert_eq!(stayers().await, ["user-alice"]);
    // And a user who has moved since then is none of them any more.
    usage.note(&client("conf"), "user-alice", None, SystemTime::now());
    assert!(stayers().await.is_empty());
}

#[tokio::test]
async fn a_login_stands_in_the_next_report_and_a_refusal_does_not() {
    let usage = UsageLedger::new(MemoryUsage::new());
    let layer = support::builder(&Probe::default()).usage(usage.clone()).build().unwrap();
    send(&layer, token_request(support::AUTH, PW)).await.assert_ok();
    send(&layer, token_request(support::AUTH, &format!("{PW}x"))).await.assert_error(400, "invalid_grant");
    let report = usage.report(DAY).await.unwrap();
    let [conf] = report.clients.as_slice() else { panic!("{report}") };
    assert_eq!((conf.client.as_str(), conf.users, conf.only_by_password), ("conf", 1, 1));
    let [way] = conf.ways.as_slice() else { panic!("{report}") };
    assert_eq!((way.way, way.is_by_password, way.logins), (LoginWay::Password, true, 1));
    let page = usage.stayers(&conf.client, &Page::first(DAY)).await.unwrap();
    assert_eq!(page.stayers.iter().map(|user| &*user.subject).collect::<Vec<_>>(), ["user-alice"]);
    assert!(usage.stayers(&client("conf2"), &Page::first(DAY)).await.unwrap().stayers.is_empty());
}

/// A sink of an application that hands on events, and nothing else.
struct HandsOn(UsageLedger);

impl AuditSink for HandsOn {
    fn record(&self, event: &AuditEvent<'_>) {
        self.0.record(event);
    }
}

#[tokio::test]
async fn a_login_is_counted_once_whether_the_ledger_is_given_itself_or_in_a_sink_that_hands_on_events() {
    let ledgers = [(); 4].map(|()| UsageLedger::new(MemoryUsage::new()));
    let [itself, shared, inside, in_audit] = ledgers.clone();
    let builders = [
        support::builder(&Probe::default()).usage(itself),
        support::builder(&Probe::default()).usage(Arc::new(shared)),
        support::builder(&Probe::default()).usage(HandsOn(inside)),
        support::builder(&Probe::default()).audit(HandsOn(in_audit)),
    ];
    for (builder, usage) in builders.into_iter().zip(ledgers) {
        let layer = builder.build().unwrap();
        for _ in 0..2 {
            send(&layer, token_request(support::AUTH, PW)).await.assert_ok();
            send(&layer, token_request(support::AUTH, &format!("{PW}x"))).await.assert_error(400, "invalid_grant");
        }
        let report = usage.report(DAY).await.unwrap();
        let [conf] = report.clients.as_slice() else { panic!("{report}") };
        assert_eq!((conf.users, conf.ways.len(), conf.ways[0].logins), (1, 1, 2), "{report}");
    }
}

#[tokio::test]
async fn the_ledger_goes_by_the_clock_of_its_endpoint() {
    let (usage, clock) = (UsageLedger::new(MemoryUsage::new()), ManualClock::new());
    let layer = support::builder(&Probe::default()).usage(usage.clone()).clock(clock.clone()).build().unwrap();
    send(&layer, token_request(support::AUTH, PW)).await.assert_ok();
    clock.advance(DAY);
    let today = usage.report(DAY).await.unwrap();
    assert_eq!((today.window.last.to_string().as_str(), today.clients[0].users), ("2026-01-02", 0));
    let both = usage.report(DAY * 2).await.unwrap();
    assert_eq!((both.window.first.to_string().as_str(), both.clients[0].users), ("2026-01-01", 1));
}

#[tokio::test(start_paused = true)]
async fn a_row_is_written_once_a_day_and_only_by_a_task() {
    let (store, clock) = (Arc::new(Counting::default()), ManualClock::new());
    let usage = ledger(Arc::clone(&store), &clock);
    let rows = || store.rows.load(Ordering::SeqCst);
    for day in 1..=3 {
        for _ in 0..50 {
            usage.note(&client("app"), "alice", None, clock.now());
            usage.note(&client("app"), "bob", None, clock.now());
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(rows(), 2 * day);
        clock.advance(DAY);
    }
    // Some once a second, not one for each login.
    assert!((60..=120).contains(&store.batches.load(Ordering::SeqCst)));
    assert_eq!(usage.report(MONTH).await.unwrap().clients[0].ways[0].logins, 300);
}

#[tokio::test]
async fn a_day_ends_at_midnight_in_utc_and_a_clock_that_is_set_back_takes_none_back() {
    let (store, clock) = (Arc::new(MemoryUsage::new()), ManualClock::new());
    let usage = ledger(Arc::clone(&store), &clock);
    let app = client("app");
    let logins = async |first: &str, last: &str| {
        usage.flush().await.unwrap();
        let day = |text: &str| (0..30_000).map(Day::from_number).find(|day| day.to_string() == text).unwrap();
        store.report(DayRange::new(day(first), day(last))).await.unwrap()[0].ways[0].logins
    };
    clock.advance(DAY - Duration::from_nanos(1));
    usage.note(&app, "alice", None, clock.now());
    clock.advance(Duration::from_nanos(1));
    usage.note(&app, "alice", None, clock.now());
    usage.note(&app, "alice", None, clock.now());
    assert_eq!((logins("2026-01-01", "2026-01-01").await, logins("2026-01-02", "2026-01-02").await), (1, 2));
    clock.set_back(DAY * 2);
    usage.note(&app, "alice", None, clock.now());
    assert_eq!((logins("2025-12-31", "2025-12-31").await, logins("2026-01-02", "2026-01-02").await), (1, 2));
    // Last seen is the later day still.
    let report = store.report(DayRange::new(Day::default(), Day::from_number(u32::MAX))).await.unwrap();
    assert_eq!(report[0].ways[0].last_seen.unwrap().to_string(), "2026-01-02");
}

#[tokio::test]
async fn what_comes_from_the_future_is_of_today_and_the_next_login_counts_as_ever() {
    let (store, clock) = (Arc::new(MemoryUsage::new()), ManualClock::new());
    clock.set_back(DAY * 300);
    let usage = ledger(Arc::clone(&store), &clock);
    let app = client("app");
    let all = DayRange::new(Day::default(), Day::from_number(u32::MAX));
    let seen = async || {
        usage.flush().await.unwrap();
        let way = store.report(all).await.unwrap()[0].ways[0];
        (way.last_seen.unwrap(), way.logins)
    };
    let today = Day::of(clock.now());
    usage.note(&app, "alice", None, clock.now() + DAY * 1_000);
    assert_eq!(seen().await, (today, 1));
    // A clock that is ahead for a moment, also while it is entered.
    clock.set_right();
    usage.note(&app, "alice", None, clock.now());
    assert_eq!(seen().await, (today, 2));
    clock.set_back(DAY * 300);
    clock.advance(DAY);
    usage.note(&app, "alice", None, clock.now());
    assert_eq!(seen().await, (today.after(1), 3));
    let report = usage.report(DAY).await.unwrap();
    assert_eq!(report.clients[0].ways[0].logins, 1);
    // One that stays ahead is right after all.
    clock.set_right();
    usage.note(&app, "alice", None, clock.now());
    assert_eq!(seen().await, (today.after(1), 4));
    clock.advance(Duration::from_secs(3_600));
    usage.note(&app, "alice", None, clock.now());
    assert_eq!(seen().await, (Day::of(clock.now()), 5));
}

#[tokio::test]
async fn who_is_forgotten_is_forgotten_where_it_waits_too() {
    let clock = ManualClock::new();
    let usage = ledger(MemoryUsage::new(), &clock);
    let note = |subject: &str, realm| usage.note(&client("app"), subject, realm, clock.now());
    note("alice", None);
    note("alice", Some("staff"));
    note("bob", None);
    assert_eq!(usage.report(DAY).await.unwrap().clients[0].users, 3);
    note("alice", Some("other"));
    assert_eq!(usage.forget("alice").await.unwrap(), 2);
    let report = usage.report(DAY).await.unwrap();
    assert_eq!((report.clients[0].users, report.clients[0].ways[0].logins), (1, 4));
    // A new login is a new one, also on the same day.
    note("alice", None);
    assert_eq!(usage.report(DAY).await.unwrap().clients[0].users, 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_over_is_forgotten_by_the_task_once_a_day() {
    let (store, clock) = (Arc::new(MemoryUsage::new()), ManualClock::new());
    let usage = ledger(Arc::clone(&store), &clock).with_retention(10).unwrap();
    usage.note(&client("app"), "alice", None, clock.now());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let all = DayRange::new(Day::default(), Day::from_number(u32::MAX));
    clock.advance(DAY * 10);
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert_eq!(store.report(all).await.unwrap()[0].users, 1);
    clock.advance(DAY);
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert_eq!(store.report(all).await.unwrap(), []);
    assert!(UsageLedger::new(MemoryUsage::new()).with_retention(0).is_err());
    assert!(UsageLedger::new(MemoryUsage::new()).with_capacity(0).is_err());
}

#[tokio::test]
async fn two_ledgers_on_one_store_add_up() {
    let (store, clock) = (Arc::new(MemoryUsage::new()), ManualClock::new());
    let ledgers = [(); 2].map(|()| ledger(Arc::clone(&store), &clock));
    for (number, usage) in ledgers.iter().enumerate() {
        for subject in ["alice", ["bob", "carol"][number]] {
            usage.note(&client("app"), subject, None, clock.now());
        }
        usage.flush().await.unwrap();
        usage.flush().await.unwrap();
    }
    for usage in ledgers {
        let report = usage.report(DAY).await.unwrap();
        assert_eq!((report.clients[0].users, report.clients[0].ways[0].logins), (3, 4));
    }
}
