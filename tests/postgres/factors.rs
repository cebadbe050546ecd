//! Authenticators: what goes by itself, what goes with its user, and what cannot be read.

use std::time::{Duration, SystemTime};

use tower_password_grant::error::BackendErrorKind::Fault;
use tower_password_grant::mfa::FactorUser;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolled, Enrolment, FactorStore as _, NewUser, RecoveryCodes, Removed,
    SecretDigest,
};
use tower_password_grant::testing::contract;

use crate::cluster::Postgres;
use crate::database::{connect, errors, make_two, new_name, new_two};

const CODE: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";

fn id(prefix: &str, number: u64) -> AuthenticatorId {
    AuthenticatorId::parse(&format!("{prefix}|dev_{number:022}")).unwrap()
}

fn new(prefix: &str, number: u64) -> Authenticator {
    let (id, sealed) = (id(prefix, number), b"sealed under another key".to_vec());
    let kind = id.kind().unwrap();
    Authenticator::new(id, kind, Some("XXXXXXXX0199".to_owned()), sealed, SystemTime::now())
}

/// An enrolment of an authenticator app with a recovery code.
fn enrolment(number: u64) -> Enrolment {
    let codes = RecoveryCodes::new(new("recovery-code", number), vec![SecretDigest::of(CODE)]);
    Enrolment::new(new("totp", number), Some(codes), true)
}

async fn enrol(store: &PostgresStore, user: FactorUser<'_>, number: u64) {
    assert_eq!(store.enrol(user, enrolment(number), SystemTime::now()).await.unwrap(), Enrolled::Begun);
}

async fn confirm(store: &PostgresStore, user: FactorUser<'_>, number: u64) -> bool {
    store.confirm(user, &id("totp", number), true, SystemTime::now()).await.unwrap()
}

async fn count(store: &PostgresStore, user: FactorUser<'_>) -> usize {
    store.list(user, SystemTime::now()).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_that_nobody_confirmed_is_pruned_after_a_day_and_an_active_factor_never() {
    let Some(server) = Postgres::start("postgres-waiting") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, other] = make_two(&server, &name).await;
    let alice = FactorUser::new(None, "alice");
    enrol(&store, alice, 1).await;
    assert!(confirm(&other, alice, 1).await);
    for number in 2..20 {
        enrol(&store, FactorUser::new(None, &format!("user-{number}")), number).await;
    }
    let pass = async |hours: u32| {
        let back = format!("UPDATE \"{name}\".authenticators SET created = created - {hours} * 3600000::bigint");
        client.batch_execute(&back).await.unwrap();
    };
    pass(23).await;
    assert_eq!(store.prune().await.unwrap(), 0);
    pass(1).await;
    // What waits for longer is no longer listed, nor confirmed, before it is pruned.
    let waiting = FactorUser::new(None, "user-7");
    assert_eq!((count(&store, waiting).await, confirm(&store, waiting, 7).await), (0, false));
    let (one, two) = tokio::join!(store.prune(), other.prune());
    assert_eq!(one.unwrap() + two.unwrap(), 36);
    pass(24 * 10_000).await;
    assert_eq!((store.prune().await.unwrap(), count(&other, alice).await), (0, 2));
    // Nothing of a code is there but its digest.
    let codes = format!("SELECT id, codes FROM \"{name}\".authenticators WHERE codes IS NOT NULL");
    let row = client.query_one(&codes, &[]).await.unwrap();
    assert_eq!(row.get::<_, Vec<Vec<u8>>>(1), [SecretDigest::of(CODE).as_bytes().to_vec()]);
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_user_leaves_no_authenticator_and_a_changed_password_takes_none() {
    let Some(server) = Postgres::start("postgres-factors-of") else { return };
    let [store, _] = new_two(&server).await;
    let staff = Some("staff");
    let users = [
        FactorUser::new(None, "user-1"),
        FactorUser::new(staff, "user-1"),
        FactorUser::new(staff, "staff|user-2"),
        FactorUser::new(staff, "user-2"),
        FactorUser::new(None, "user-3"),
    ];
    for (number, user) in (1..).zip(users) {
        enrol(&store, user, number).await;
        assert!(confirm(&store, user, number).await);
    }
    assert!(store.add_user(NewUser::new("user-1", "alice")).await.unwrap());
    assert!(store.add_user(NewUser::new("user-2", "bob").with_realm(staff)).await.unwrap());
    let counts = async || {
        let mut counts = Vec::new();
        for user in users {
            counts.push(count(&store, user).await);
        }
        counts
    };
    assert!(store.set_password_hash("user-1", Some("hash")).await.unwrap());
    assert!(store.end_logins("user-2").await.unwrap());
    assert_eq!(counts().await, [2; 5]);
    assert!(store.remove_user("user-1").await.unwrap());
    assert_eq!(counts().await, [0, 2, 2, 2, 2]);
    assert!(store.remove_user("user-2").await.unwrap());
    assert_eq!(counts().await, [0, 2, 0, 0, 2]);
    store.remove_all(users[4]).await.unwrap();
    assert_eq!(counts().await, [0, 2, 0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_removed_while_factors_come_and_go_leaves_none_that_is_half() {
    let Some(server) = Postgres::start("postgres-factor-races") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let stores = make_two(&server, &name).await;
    for round in 0..20_u64 {
        assert!(stores[0].add_user(NewUser::new("user-1", "alice")).await.unwrap());
        let calls = (0..24_u64).map(|number| {
            let (store, key) = (stores[number as usize % 2].clone(), round * 100 + number);
            async move {
                let (alice, now) = (FactorUser::new(None, "user-1"), SystemTime::now());
                match number % 6 {
                    0 => {
                        store.remove_all(alice).await.unwrap();
                    }
                    1 => {
                        store.remove_user("user-1").await.unwrap();
                    }
                    2 => {
                        let removed = store.remove(alice, &id("totp", key + 2), false).await.unwrap();
                        assert!([Removed::Gone, Removed::Unknown].contains(&removed));
                    }
                    3 => {
                        store.prune().await.unwrap();
                    }
                    _ => {
                        store.enrol(alice, enrolment(key), now).await.unwrap();
                        store.confirm(alice, &id("totp", key), true, now).await.unwrap();
                        store.spend_step(alice, &id("totp", key), key).await.unwrap();
                    }
                }
            }
        });
        contract::together(calls).await;
        // An app and its recovery codes are there together, and in one state.
        let query =
            format!("SELECT substr(id, strpos(id, '|')), is_active FROM \"{name}\".authenticators ORDER BY number");
        let rows = client.query(&query, &[]).await.unwrap();
        let rows: Vec<(String, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert!(rows.is_empty() || rows.len() == 2 && rows[0] == rows[1], "{rows:?}");
        stores[0].remove_all(FactorUser::new(None, "user-1")).await.unwrap();
        stores[0].remove_user("user-1").await.unwrap();
    }
    assert_eq!(errors(&server), [""; 0]);
}

/// What removes it may be a pruning: the clock of the database is not that of the server.
#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_goes_while_it_is_confirmed_is_not_confirmed() {
    let Some(server) = Postgres::start("postgres-gone") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, _] = make_two(&server, &name).await;
    let alice = FactorUser::new(None, "alice");
    enrol(&store, alice, 1).await;
    client.batch_execute(&format!("BEGIN; DELETE FROM \"{name}\".authenticators")).await.unwrap();
    let confirmed = tokio::spawn({
        let store = store.clone();
        async move { confirm(&store, FactorUser::new(None, "alice"), 1).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!confirmed.is_finished());
    client.batch_execute("COMMIT").await.unwrap();
    assert!(!confirmed.await.unwrap());
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_cannot_be_read_is_an_error_for_its_user_and_never_no_factor() {
    let Some(server) = Postgres::start("postgres-bad-factors") else { return };
    let (name, client) = (new_name(), connect(&server).await);
    let [store, _] = make_two(&server, &name).await;
    let (alice, bob) = (FactorUser::new(None, "alice"), FactorUser::new(None, "bob"));
    for (number, user) in [(1, alice), (2, bob)] {
        enrol(&store, user, number).await;
        assert!(confirm(&store, user, number).await);
    }
    let damage =
        format!("UPDATE \"{name}\".authenticators SET id = 'fax' || id WHERE id LIKE 'totp%' AND subject = 'alice'");
    client.batch_execute(&damage).await.unwrap();
    let error = store.list(alice, SystemTime::now()).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (Fault, "the PostgreSQL store cannot read an authenticator")
    );
    assert_eq!(store.enrol(alice, enrolment(3), SystemTime::now()).await.unwrap_err().kind(), Fault);
    assert_eq!(store.confirm(alice, &id("totp", 1), true, SystemTime::now()).await.unwrap_err().kind(), Fault);
    assert_eq!(store.remove(alice, &id("totp", 1), false).await.unwrap_err().kind(), Fault);
    assert_eq!(count(&store, bob).await, 2, "others go on");
    store.remove_all(alice).await.unwrap();
    assert_eq!(count(&store, alice).await, 0);
    let step = store.spend_step(bob, &id("totp", 2), u64::MAX).await.unwrap_err();
    assert_eq!(step.to_string(), "the PostgreSQL store cannot keep a time step");
    assert_eq!(errors(&server), [""; 0]);
}
