//! The ledger of usage: what it writes, what it reads at once, and what it forgets.

use std::time::Duration;

use tower_password_grant::ClientId;
use tower_password_grant::error::BackendErrorKind::Fault;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::store::UsageStore;
use tower_password_grant::testing::contract;
use tower_password_grant::usage::{
    ClientUser, Day, DayRange, LoginCount, LoginWay, PageKey, Usage, UsageBatch, UsageRow,
};

use crate::cluster::Postgres;
use crate::database::{connect, errors, make_two, new_name, new_two};

const TODAY: Day = Day::from_number(20_600);

fn month() -> DayRange {
    DayRange::new(TODAY.before(29), TODAY)
}

fn app() -> ClientId {
    ClientId::new("app").unwrap()
}

fn row(realm: Option<&str>, subject: &str, day: Day) -> UsageRow {
    UsageRow::new(ClientUser::new(&app(), realm, subject), Usage::new(LoginWay::Password, true, day))
}

async fn record(store: &PostgresStore, rows: Vec<UsageRow>, logins: u64) {
    let count = LoginCount::new(app(), LoginWay::Password, true, TODAY, 7, logins);
    assert_eq!(store.record(UsageBatch::new(rows, vec![count])).await.unwrap(), 0);
}

/// Fills a schema with so many users of one client, who have moved but for one in a hundred.
async fn fill(server: &Postgres, name: &str, users: i32) {
    let fill = format!(
        "INSERT INTO \"{name}\".usage_places (client) VALUES ('app');
        INSERT INTO \"{name}\".usage_rows (place, subject, way, first, last, refreshed, families_end)
            SELECT number, lpad(n::text, 36, '0'), way, 20500, 20600, 20600, 20700
            FROM \"{name}\".usage_places, generate_series(0, {users} - 1) AS n, unnest(ARRAY[1, 8]) AS way
            WHERE way = 1 OR n % 100 > 0;
        ANALYZE \"{name}\".usage_rows"
    );
    connect(server).await.batch_execute(&fill).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_with_nothing_new_writes_nothing() {
    let Some(server) = Postgres::start("postgres-nothing-new") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, other] = make_two(&server, &name).await;
    // The versions of all rows, which a lock would change, too.
    let versions = async || {
        let query = format!(
            "SELECT coalesce(string_agg(version, ' ' ORDER BY version), '') FROM (
                SELECT 'row' || ctid::text || xmin::text || xmax::text AS version FROM \"{name}\".usage_rows
                UNION ALL SELECT 'count' || ctid::text || xmin::text || xmax::text FROM \"{name}\".usage_counts
                UNION ALL SELECT 'place' || ctid::text || xmin::text || xmax::text FROM \"{name}\".usage_places) AS all_rows"
        );
        client.query_one(&query, &[]).await.unwrap().get::<_, String>(0)
    };
    let rows = || (0..100).map(|number| row(Some("staff"), &format!("user-{number}"), TODAY)).collect::<Vec<_>>();
    record(&store, rows(), 5).await;
    let before = versions().await;
    record(&other, rows(), 5).await;
    record(&other, rows(), 4).await;
    record(&other, vec![row(Some("staff"), "user-7", TODAY)], 0).await;
    assert_eq!(versions().await, before);
    record(&other, vec![row(Some("staff"), "user-7", TODAY.after(1))], 0).await;
    assert_ne!(versions().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_of_two_servers_in_any_order_beside_forgetting_and_pruning_wait_in_no_circle() {
    let Some(server) = Postgres::start("postgres-batches") else { return };
    let stores = new_two(&server).await;
    for round in 0..10_u32 {
        let calls = (0..32_u32).map(|number| {
            let store = stores[number as usize % 2].clone();
            async move {
                match number % 16 {
                    14 => _ = store.forget(&format!("user-{round}")).await.unwrap(),
                    15 => _ = UsageStore::prune(&store, TODAY.before(400)).await.unwrap(),
                    _ => {
                        let mut rows: Vec<_> = (0..60)
                            .map(|user| {
                                let realm = [None, Some("staff"), Some("others")][(user % 3) as usize];
                                row(realm, &format!("user-{}", (user + number) % 60), TODAY.after(number))
                            })
                            .collect();
                        if number % 2 == 0 {
                            rows.reverse();
                        }
                        record(&store, rows, u64::from(round * 100 + number)).await;
                    }
                }
            }
        });
        contract::together(calls).await;
    }
    let report = stores[0].report(DayRange::new(TODAY, TODAY.after(99))).await.unwrap();
    // The last number that the one writer has counted.
    assert_eq!((report.len(), report[0].ways[0].logins), (1, 929));
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_and_the_pages_of_many_users_are_whole() {
    const USERS: i32 = 20_000;
    let Some(server) = Postgres::start("postgres-report") else { return };
    let name = new_name();
    let [store, _] = make_two(&server, &name).await;
    fill(&server, &name, USERS).await;
    record(
        &store,
        vec![row(None, "a \"'\\\u{1f980}", TODAY), row(Some(""), "", TODAY), row(Some("staff"), "x", TODAY)],
        9,
    )
    .await;
    let report = store.report(month()).await.unwrap();
    assert_eq!((report.len(), report[0].users, report[0].only_by_password), (1, 20_003, 203));
    assert_eq!(report[0].ways[0].logins, 9);
    let (mut subjects, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = store.stayers(&app(), month(), after.as_ref(), 100).await.unwrap();
        subjects.extend(page.stayers.into_iter().map(|user| (user.realm, user.subject)));
        pages += 1;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(subjects.len(), 203);
    assert!(subjects.is_sorted() && pages > 9, "{pages} pages");
    assert_eq!(
        subjects[200..].iter().map(|(_, subject)| &**subject).collect::<Vec<_>>(),
        ["a \"'\\\u{1f980}", "", "x"]
    );
}

/// How many rows of the ledger the server has looked at.
async fn looked_at(server: &Postgres, name: &str) -> i64 {
    let query = "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables
        WHERE schemaname = $1 AND relname = 'usage_rows'";
    connect(server).await.query_one(query, &[&name]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_a_batch_and_a_subject_to_forget_cost_the_same_among_40_000_and_among_160_000_users() {
    let Some(server) = Postgres::start("postgres-cost") else { return };
    let mut costs = Vec::new();
    for users in [40_000, 160_000] {
        let name = new_name();
        let [store, other] = make_two(&server, &name).await;
        drop(other);
        fill(&server, &name, users).await;
        let before = looked_at(&server, &name).await;
        let half = format!("{:036}", users / 2);
        let after = PageKey::new(None, &half);
        assert_eq!(store.stayers(&app(), month(), Some(&after), 10).await.unwrap().stayers.len(), 10);
        record(&store, vec![row(None, &half, TODAY.after(1)), row(None, "new", TODAY)], 1).await;
        assert_eq!(store.forget(&half).await.unwrap(), 1);
        drop(store);
        // The statistics of a connection are written when it ends, or after a second.
        let mut cost = 0;
        for _ in 0..50 {
            cost = looked_at(&server, &name).await - before;
            if cost > 4_000 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        costs.push(cost.max(looked_at(&server, &name).await - before));
    }
    println!("{costs:?}");
    assert!(costs.iter().all(|rows| (4_000..4_200).contains(rows)), "{costs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_is_pruned_by_two_servers_at_once_in_steps() {
    let Some(server) = Postgres::start("postgres-usage-prune") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, other] = make_two(&server, &name).await;
    fill(&server, &name, 10_000).await;
    let age = format!(
        "UPDATE \"{name}\".usage_rows SET last = 20000, refreshed = NULL, families_end = NULL WHERE right(subject, 1) <> '7';
        INSERT INTO \"{name}\".usage_counts
            SELECT n / 10, number, n % 10, n, 1 FROM \"{name}\".usage_places, generate_series(1, 2500) AS n"
    );
    client.batch_execute(&age).await.unwrap();
    let before = TODAY.before(400);
    let (one, two) = tokio::join!(UsageStore::prune(&store, before), UsageStore::prune(&other, before));
    let removed = one.unwrap() + two.unwrap() + UsageStore::prune(&store, before).await.unwrap();
    // A tenth of the users stays, and of them all rows.
    let left: i64 = client.query_one(&format!("SELECT count(*) FROM \"{name}\".usage_rows"), &[]).await.unwrap().get(0);
    assert_eq!(left, 2_000);
    assert_eq!(removed, 19_900 - 2_000 + 2_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_read_are_errors_of_that_call_alone() {
    let Some(server) = Postgres::start("postgres-bad-usage") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, _] = make_two(&server, &name).await;
    record(&store, vec![row(None, "user-1", TODAY)], 1).await;
    for (damage, undo) in [
        ("way = 99", "way = 1"),
        ("way = -1", "way = 1"),
        ("first = -7", "first = 7"),
        ("last = 5000000000", "last = 20600"),
    ] {
        client.batch_execute(&format!("UPDATE \"{name}\".usage_rows SET {damage}")).await.unwrap();
        assert_eq!(store.report(month()).await.unwrap_err().kind(), Fault, "{damage}");
        assert_eq!(store.stayers(&app(), month(), None, 9).await.unwrap_err().kind(), Fault, "{damage}");
        record(&store, vec![row(None, "user-2", TODAY)], 2).await;
        assert_eq!(store.forget("user-2").await.unwrap(), 1);
        client.batch_execute(&format!("UPDATE \"{name}\".usage_rows SET {undo}")).await.unwrap();
        assert_eq!(store.report(month()).await.unwrap()[0].users, 1);
    }
    // A text that no text of PostgreSQL is costs its own batch alone.
    let nul = UsageBatch::new(vec![row(None, "a\0b", TODAY)], Vec::new());
    assert_eq!(store.record(nul).await.unwrap_err().kind(), Fault);
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_may_take_longer_than_the_deadline_of_other_calls() {
    let Some(server) = Postgres::start("postgres-slow-report") else { return };
    let name = new_name();
    let [store, _] = make_two(&server, &name).await;
    record(&store, vec![row(None, "user-1", TODAY)], 1).await;
    let hasty = crate::database::builder(&server, &name).deadline(Duration::from_millis(300)).open().await.unwrap();
    let client = connect(&server).await;
    client.batch_execute(&format!("BEGIN; LOCK TABLE \"{name}\".usage_rows IN ACCESS EXCLUSIVE MODE")).await.unwrap();
    let report = tokio::spawn({
        let hasty = hasty.clone();
        async move { hasty.report(month()).await }
    });
    assert!(hasty.forget("nobody").await.unwrap_err().to_string().contains("300 ms"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!report.is_finished());
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(report.await.unwrap().unwrap()[0].users, 1);
}
