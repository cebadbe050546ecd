//! What is updated often stays in its page, and touches no index.

use std::time::SystemTime;

use tower_password_grant::ClientId;
use tower_password_grant::limiter::{AttemptRecords, RecordChange, RecordKey, RecordStamp};
use tower_password_grant::mfa::FactorUser;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolment, FactorStore as _, FamilyId, NewUser, RecoveryCodes, RefreshFamily,
    SecretDigest, UsageStore as _, UserStore as _,
};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed, begin_family};
use tower_password_grant::usage::{ClientUser, Day, LoginWay, Usage, UsageBatch, UsageRow};

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
    drop(store);
    must_stay_in_their_pages(&server, &name, &["attempt_records", "refresh_families"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_codes_hashes_and_the_days_of_the_ledger_stay_in_their_page() {
    let Some(server) = Postgres::start("postgres-more-pages") else { return };
    let name = new_name();
    let [store, _] = make_two(&server, &name).await;
    let (app, now, today) = (ClientId::new("app").unwrap(), SystemTime::now(), Day::from_number(20_600));
    for row in 0..ROWS {
        let subject = format!("user-{row}");
        assert!(store.add_user(NewUser::new(&subject, &subject).with_password_hash(hash(0))).await.unwrap());
        let user = FactorUser::new(None, &subject);
        let new = |kind: &str| {
            let id = AuthenticatorId::parse(&format!("{kind}|dev_{row:022}")).unwrap();
            Authenticator::new(id.clone(), id.kind().unwrap(), None, vec![7; 60], now)
        };
        let (device, codes) = (new("totp"), RecoveryCodes::new(new("recovery-code"), (0..8).map(token).collect()));
        let id = device.id.clone();
        store.enrol(user, Enrolment::new(device, Some(codes), true), now).await.unwrap();
        assert!(store.confirm(user, &id, true, now).await.unwrap());
        for update in 0..UPDATES {
            assert!(store.spend_step(user, &id, update).await.unwrap());
            assert!(store.swap_recovery_code(user, &token(update), &token(update + 8)).await.unwrap());
            assert!(store.save_hash(&subject, &hash(update), &hash(update + 1)).await.unwrap());
        }
    }
    // A day of the ledger after the other, each for all users.
    for update in 0..=UPDATES {
        let day = today.after(u32::try_from(update).unwrap());
        let login = Usage::new(LoginWay::Password, true, day).with_families_end(Some(day.after(90)));
        let user = |row| format!("user-{row}");
        // As users come: those of a batch lie on many pages.
        for batch in 0..20 {
            let users = (batch..ROWS).step_by(20);
            let rows = users.map(|row| UsageRow::new(ClientUser::new(&app, None, &user(row)), login)).collect();
            assert_eq!(store.record(UsageBatch::new(rows, Vec::new())).await.unwrap(), 0);
        }
    }
    drop(store);
    must_stay_in_their_pages(&server, &name, &["authenticators", "usage_rows", "users"]).await;
}

fn hash(number: u64) -> String {
    format!("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA${number:043}")
}

/// Of the updates of each table 95 in a hundred have stayed in their page.
async fn must_stay_in_their_pages(server: &Postgres, name: &str, tables: &[&str]) {
    // The statistics of a connection are written when it ends, or after a second.
    let client = connect(server).await;
    let query = "SELECT relname::text, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
        WHERE schemaname = $1 AND relname = ANY ($2) ORDER BY relname";
    let mut shares = Vec::new();
    for _ in 0..50 {
        let rows = client.query(query, &[&name, &tables]).await.unwrap();
        shares = rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1), row.get::<_, i64>(2))).collect();
        if shares.iter().all(|(_, updates, _)| *updates >= (ROWS * UPDATES) as i64) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    println!("{shares:?}");
    assert_eq!(shares.len(), tables.len());
    for (table, updates, in_page) in shares {
        assert!(updates >= (ROWS * UPDATES) as i64, "{table}: {updates}");
        assert!(in_page * 100 >= updates * 95, "{table}: {in_page} of {updates} in their page");
    }
}
