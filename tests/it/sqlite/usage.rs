//! Which users log in how, in the file.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use tower_password_grant::ClientId;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{OneTimeValues, UsageStore};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::usage::{
    ClientUser, Day, DayRange, LoginCount, LoginWay, StayersPage, Usage, UsageBatch, UsageRow,
};

use crate::support::folder::{Folder, at, digest};
use crate::support::spawn;

const TODAY: Day = Day::from_number(20_600);

fn month() -> DayRange {
    DayRange::new(TODAY.before(29), TODAY)
}

fn client(id: &str) -> ClientId {
    ClientId::new(id).unwrap()
}

fn row(id: &str, realm: Option<&str>, subject: &str, usage: Usage) -> UsageRow {
    UsageRow::new(ClientUser::new(&client(id), realm, subject), usage)
}

fn password(day: Day) -> Usage {
    Usage::new(LoginWay::Password, true, day)
}

fn rows(rows: impl IntoIterator<Item = UsageRow>) -> UsageBatch {
    UsageBatch::new(rows.into_iter().collect(), Vec::new())
}

fn count(id: &str, day: Day, writer: u64, logins: u64) -> LoginCount {
    LoginCount::new(client(id), LoginWay::Password, true, day, writer, logins)
}

fn log_size(folder: &Folder) -> u64 {
    fs::metadata(folder.path().join("auth.db-wal")).unwrap().len()
}

fn names(page: &StayersPage) -> Vec<&str> {
    page.stayers.iter().map(|stayer| &*stayer.subject).collect()
}

#[tokio::test]
async fn what_was_recorded_is_there_after_a_restart_and_in_a_backup() {
    let folder = Folder::new();
    let store = folder.store();
    let usage = password(TODAY)
        .with_logins(TODAY.before(3), TODAY)
        .with_refreshed(Some(TODAY.after(1)))
        .with_families_end(Some(TODAY.after(30)));
    let batch = UsageBatch::new(vec![row("app", Some("staff"), "alice", usage)], vec![count("app", TODAY, 7, 4)]);
    store.record(batch).await.unwrap();
    let said = store.report(month()).await.unwrap();
    assert_eq!((said[0].users, said[0].only_by_password, said[0].ways[0].logins), (1, 1, 4));
    assert_eq!(said[0].password_families_end, Some(TODAY.after(30)));
    let copy = folder.path().join("copy.db");
    store.backup_to(&copy).await.unwrap();
    store.close().await;
    for store in [folder.store(), SqliteStore::open(&copy).unwrap()] {
        assert_eq!(store.report(month()).await.unwrap(), said);
        store.close().await;
    }
}

#[tokio::test]
async fn a_batch_with_nothing_new_writes_nothing() {
    let folder = Folder::new();
    let store = folder.store();
    let usage = password(TODAY).with_refreshed(Some(TODAY)).with_families_end(Some(TODAY.after(9)));
    let users: Vec<String> = (0..100).map(|number| format!("user-{number}")).collect();
    let batch = |usage| {
        UsageBatch::new(
            users.iter().map(|user| row("app", None, user, usage)).collect(),
            vec![count("app", TODAY, 7, 100)],
        )
    };
    store.record(batch(usage)).await.unwrap();
    let (size, steps) = (log_size(&folder), store.stats().steps);
    for older in [usage, password(TODAY), password(TODAY).with_families_end(Some(TODAY))] {
        store.record(batch(older)).await.unwrap();
    }
    assert_eq!(log_size(&folder), size, "the log has not grown");
    assert!(store.stats().steps > steps);
    store.record(batch(usage.with_logins(TODAY, TODAY.after(1)))).await.unwrap();
    assert!(log_size(&folder) > size);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_of_one_file_add_their_counts_up_and_merge_their_rows() {
    let folder = Folder::new();
    let stores = [folder.store(), folder.store()];
    let mut tasks = Vec::new();
    for (writer, store) in (0_u64..).zip(&stores) {
        let store = store.clone();
        tasks.push(spawn(async move {
            for logins in 1..=100 {
                let user = format!("user-{}", logins % 10);
                let usage = password(TODAY.before(u32::try_from(logins % 20).unwrap()));
                let batch =
                    UsageBatch::new(vec![row("app", None, &user, usage)], vec![count("app", TODAY, writer, logins)]);
                store.record(batch).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for store in &stores {
        let said = store.report(month()).await.unwrap();
        assert_eq!((said[0].users, said[0].ways[0].logins), (10, 200));
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_shows_each_batch_as_a_whole() {
    let folder = Folder::new();
    let store = folder.store();
    let busy = store.clone();
    let writes = spawn(async move {
        for number in 0..300 {
            let user = format!("user-{number:03}");
            let users = ["app", "web"].map(|id| row(id, None, &user, password(TODAY)));
            let counts = ["app", "web"].map(|id| count(id, TODAY, 7, number + 1));
            busy.record(UsageBatch::new(users.to_vec(), counts.to_vec())).await.unwrap();
        }
    });
    let mut reports = 0;
    loop {
        let said = store.report(month()).await.unwrap();
        let numbers: Vec<_> = said.iter().map(|usage| (usage.users, usage.ways[0].logins)).collect();
        assert!(numbers.iter().all(|(users, logins)| (users, logins) == (&numbers[0].0, &numbers[0].0)), "{numbers:?}");
        reports += 1;
        if numbers.first().is_some_and(|(users, _)| *users == 300) {
            break;
        }
    }
    writes.await.unwrap();
    assert!(reports > 3, "{reports}");
    store.close().await;
}

#[tokio::test]
async fn the_files_hold_no_subject_that_was_forgotten_after_the_next_prune() {
    let folder = Folder::new();
    let store = folder.store();
    let users: Vec<String> = (0..200).map(|number| format!("forgotten-{number:03}")).collect();
    for (at, user) in users.iter().enumerate() {
        let other = format!("kept-{at}");
        store
            .record(rows([row("app", None, user, password(TODAY)), row("app", None, &other, password(TODAY))]))
            .await
            .unwrap();
        store.record(rows([row("web", Some("staff"), user, password(TODAY))])).await.unwrap();
    }
    let find = |what: &str| folder.bytes().windows(what.len()).any(|bytes| bytes == what.as_bytes());
    assert!(find("forgotten-"), "the test finds what is there");
    for user in &users {
        assert_eq!(store.forget(user).await.unwrap(), 2);
        assert_eq!(store.forget(user).await.unwrap(), 0);
    }
    store.prune().await.unwrap();
    assert!(!find("forgotten-") && find("kept-"));
    let said = store.report(month()).await.unwrap();
    assert_eq!(said.iter().map(|usage| usage.users).collect::<Vec<_>>(), [200], "the other users are there");
    store.close().await;
}

/// Fills a file with users who were seen last a long time ago, and others.
fn fill(folder: &Folder, users: u32) {
    let file = Connection::open(folder.file()).unwrap();
    file.execute_batch("INSERT INTO usage_places (number, client) VALUES (1, 'app')").unwrap();
    file.execute(
        "WITH RECURSIVE users (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM users WHERE n < ?1 - 1)
         INSERT INTO usage_rows (place, subject, way, first, last, refreshed, families_end)
         SELECT 1, printf('user-%06d', n), 1, 19000, CASE n % 3 WHEN 0 THEN 20600 ELSE 19000 END, NULL,
             CASE n % 3 WHEN 1 THEN 20600 END FROM users",
        [users],
    )
    .unwrap();
    file.execute_batch("INSERT INTO usage_counts VALUES (19000, 1, 1, 7, 5), (20600, 1, 1, 7, 6)").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_goes_in_steps_between_which_others_write() {
    let folder = Folder::new();
    folder.store().close().await;
    fill(&folder, 30_000);
    let store = folder.store();
    let pruning = store.clone();
    let pruned = spawn(async move { UsageStore::prune(&pruning, TODAY.before(400)).await.unwrap() });
    let mut written = 0;
    while !pruned.is_finished() {
        assert!(store.consume(&digest(&format!("v{written}")), at(0)).await.unwrap());
        written += 1;
    }
    assert_eq!(pruned.await.unwrap(), 10_001, "rows and counts");
    assert!(written > 20, "{written}");
    let stats = store.stats();
    assert!(stats.commits > 10_000 / 256 + written && stats.pruned == 10_001, "{stats:?}");
    assert_eq!(UsageStore::prune(&store, TODAY.before(400)).await.unwrap(), 0);
    let said = store.report(month()).await.unwrap();
    assert_eq!((said[0].users, said[0].ways[0].logins), (10_000, 6));
    store.close().await;
}

#[tokio::test]
async fn a_row_that_nobody_wrote_is_an_error_of_what_reads_it_and_of_nothing_else() {
    let damages = [
        ("UPDATE usage_rows SET way = 99", "UPDATE usage_rows SET way = 1"),
        ("UPDATE usage_rows SET way = -1", "UPDATE usage_rows SET way = 1"),
        ("UPDATE usage_rows SET first = -1", "UPDATE usage_rows SET first = 20600"),
        ("UPDATE usage_rows SET last = 1 << 40", "UPDATE usage_rows SET last = 20600"),
        ("UPDATE usage_rows SET refreshed = -5", "UPDATE usage_rows SET refreshed = NULL"),
        ("UPDATE usage_rows SET families_end = 1 << 62", "UPDATE usage_rows SET families_end = NULL"),
        ("UPDATE usage_rows SET subject = CAST(x'ff' AS TEXT)", "UPDATE usage_rows SET subject = 'alice'"),
        ("UPDATE usage_places SET client = 'ä'", "UPDATE usage_places SET client = 'app'"),
        ("UPDATE usage_counts SET logins = -1", "UPDATE usage_counts SET logins = 1"),
        ("UPDATE usage_counts SET way = 10", "UPDATE usage_counts SET way = 1"),
        ("UPDATE usage_counts SET place = 17", "UPDATE usage_counts SET place = 1"),
    ];
    let folder = Folder::new();
    let store = folder.store();
    let batch = UsageBatch::new(vec![row("app", None, "alice", password(TODAY))], vec![count("app", TODAY, 7, 1)]);
    store.record(batch.clone()).await.unwrap();
    let said = store.report(month()).await.unwrap();
    let other = Connection::open(folder.file()).unwrap();
    for (number, (damage, repair)) in damages.into_iter().enumerate() {
        other.execute_batch(damage).unwrap();
        let error = store.report(month()).await.unwrap_err();
        assert!(error.to_string().contains("cannot read"), "{damage}: {error}");
        if damage.starts_with("UPDATE usage_rows") {
            assert!(store.stayers(&client("app"), month(), None, 5).await.is_err(), "{damage}");
            assert!(UsageStore::prune(&store, TODAY).await.is_err() || damage.contains("subject"), "{damage}");
        }
        // Others go on, and so does what reads no such row.
        assert!(store.consume(&digest(&format!("v{number}")), at(0)).await.unwrap());
        store.record(rows([row("web", None, "bob", password(TODAY))])).await.unwrap();
        assert_eq!(names(&store.stayers(&client("web"), month(), None, 5).await.unwrap()), ["bob"]);
        assert_eq!(store.forget("bob").await.unwrap(), 1, "{damage}");
        other.execute_batch(repair).unwrap();
        assert_eq!(store.report(month()).await.unwrap(), said, "{repair}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_number_that_the_file_cannot_hold_fails_its_batch_as_a_whole() {
    let folder = Folder::new();
    let store = folder.store();
    let rows = vec![row("app", None, "alice", password(TODAY))];
    let counts = vec![count("app", TODAY, 7, 1), count("app", TODAY, 8, u64::MAX)];
    assert!(store.record(UsageBatch::new(rows, counts)).await.is_err());
    assert_eq!(store.report(month()).await.unwrap(), []);
    store.close().await;
}

#[tokio::test]
async fn a_full_file_fails_a_batch_as_a_whole_and_a_closed_store_every_call() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).max_size(256 << 10).open().unwrap();
    let mut recorded = 0;
    let failed = loop {
        let users = (0..50).map(|number| row("app", None, &format!("{recorded:018}{number:018}"), password(TODAY)));
        let batch = UsageBatch::new(users.collect(), vec![count("app", TODAY, 7, recorded + 50)]);
        match store.record(batch).await {
            Ok(_) => recorded += 50,
            Err(error) => break error,
        }
        assert!(recorded < 10_000, "it is never full");
    };
    assert!(failed.to_string().contains("full"), "{failed}");
    let said = store.report(month()).await.unwrap();
    assert_eq!((said[0].users, said[0].ways[0].logins), (recorded, recorded));
    store.close().await;
    assert!(store.report(month()).await.is_err());
    assert!(store.record(UsageBatch::default()).await.is_err());
    assert!(store.forget("alice").await.is_err() && UsageStore::prune(&store, TODAY).await.is_err());
    assert!(store.stayers(&client("app"), month(), None, 5).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_report_keeps_no_later_one_from_its_turn_and_look_ups_go_on() {
    let folder = Folder::new();
    folder.store().close().await;
    fill(&folder, 50_000);
    let clock = ManualClock::at(at(0));
    let store = SqliteStore::builder(folder.file()).clock(clock.clone()).reader_threads(1).open().unwrap();
    for _ in 0..3 {
        let slow = store.clone();
        let dropped = spawn(async move { slow.report(month()).await });
        tokio::time::sleep(Duration::from_millis(5)).await;
        dropped.abort();
        assert!(store.consume(&digest(&format!("{:?}", clock.elapsed())), at(9000)).await.is_ok());
    }
    assert_eq!(store.report(month()).await.unwrap()[0].users, 16_667);
    store.close().await;
}
