//! What is updated often stays in its page, and touches no index.

use std::time::SystemTime;

use tower_password_grant::ClientId;
use tower_password_grant::limiter::{AttemptRecords, RecordChange, RecordKey, RecordStamp};
use tower_password_grant::store::{FamilyId, RefreshFamily, SecretDigest};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed, begin_family};

use crate::cluster::Postgres;
use crate::database::{connect, make_two, new_name};

const ROWS: u64 = 200;
const UPDATES: u64 = 20;

fn token(number: u64) -> SecretDigest {
    SecretDigest::of(&number.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn rotations_and_counts_stay_in_their_page() {
    let Some(server) = Postgres::start("postgres-pages") else { return };
    let name = new_name();
    let [store, _] = make_two(&server, &name).await;
    let (app, now) = (ClientId::new("app").unwrap(), SystemTime::now());
    let later = now + std::time::Duration::from_secs(3600);
    for row in 0..ROWS {
        let id = FamilyId::from_bytes(u128::from(row).to_be_bytes());
        let family = RefreshFamily::new(id, format!("user-{row}"), app.clone(), now, later);
        begin_family(&store, family, &token(0), now).await.unwrap();
        let key = RecordKey::from_bytes(u128::from(row).to_be_bytes());
        let mut seen = None;
        for update in 0..=UPDATES {
            let using = RefreshTokenUse::new(id, token(update), now).with_successor(token(update + 1), [7; 32]);
            assert_eq!(using.by(&store).await.unwrap(), TokenUsed::Done);
            let stamp = RecordStamp::from_bytes((row * 1000 + update + 1).to_be_bytes());
            let change = RecordChange::new(key, seen, stamp, vec![7; 85], later);
            assert!(store.swap(&[change]).await.unwrap());
            seen = Some(stamp);
        }
    }
    // The statistics of a connection are written when it ends, or after a second.
    drop(store);
    let client = connect(&server).await;
    let query = "SELECT relname::text, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
        WHERE schemaname = $1 AND relname IN ('attempt_records', 'refresh_families') ORDER BY relname";
    let mut shares = Vec::new();
    for _ in 0..50 {
        let rows = client.query(query, &[&name]).await.unwrap();
        shares = rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1), row.get::<_, i64>(2))).collect();
        if shares.iter().all(|(_, updates, _)| *updates >= (ROWS * UPDATES) as i64) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    println!("{shares:?}");
    assert_eq!(shares.len(), 2);
    for (table, updates, in_page) in shares {
        assert!(updates >= (ROWS * UPDATES) as i64, "{table}: {updates}");
        assert!(in_page * 100 >= updates * 95, "{table}: {in_page} of {updates} in their page");
    }
}
