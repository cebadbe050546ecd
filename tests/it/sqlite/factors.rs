//! Authenticators in the file: what outlives a restart, what goes by itself, and what a copy of the file gives away.

use std::time::{Duration, SystemTime};

use tower_password_grant::clock::Clock as _;
use tower_password_grant::mfa::{AuthenticatorKind, FactorUser};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolment, FactorStore as _, NewUser, RecoveryCodes, SecretDigest,
};

use crate::support::ManualClock;
use crate::support::folder::Folder;

const DAY: Duration = Duration::from_secs(24 * 3600);
const CODE: &str = "ABCDEFGHJKLMNPQRSTUVWXYZ";

fn new(prefix: &str, number: u64, now: SystemTime) -> Authenticator {
    let id = AuthenticatorId::parse(&format!("{prefix}|dev_{number:022}")).unwrap();
    let kind = id.kind().unwrap();
    Authenticator::new(id, kind, Some("XXXXXXXX0199".to_owned()), b"sealed under another key".to_vec(), now)
}

/// An enrolment of an authenticator app with a recovery code.
fn enrolment(number: u64, now: SystemTime) -> Enrolment {
    let codes = RecoveryCodes::new(new("recovery-code", number, now), vec![SecretDigest::of(CODE)]);
    Enrolment::new(new("totp", number, now), Some(codes), true)
}

async fn activate(store: &SqliteStore, user: FactorUser<'_>, number: u64, now: SystemTime) {
    let enrolment = enrolment(number, now);
    let id = enrolment.authenticator.id.clone();
    store.enrol(user, enrolment, now).await.unwrap();
    assert!(store.confirm(user, &id, true, now).await.unwrap());
}

fn rows(folder: &Folder, table: &str) -> i64 {
    let file = rusqlite::Connection::open(folder.file()).unwrap();
    file.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn factors_steps_and_recovery_codes_outlive_a_restart() {
    let (folder, now, alice) = (Folder::new(), SystemTime::now(), FactorUser::new(Some("staff"), "alice"));
    let store = folder.store();
    activate(&store, alice, 1, now).await;
    let app = new("totp", 1, now).id;
    assert!(store.spend_step(alice, &app, 7).await.unwrap());
    store.close().await;

    let store = folder.store();
    let listed = store.list(alice, now).await.unwrap();
    let kinds: Vec<_> = listed.iter().map(|kept| (kept.kind, kept.is_active, kept.last_step)).collect();
    assert_eq!(kinds, [(AuthenticatorKind::Otp, true, Some(7)), (AuthenticatorKind::RecoveryCodes, true, None)]);
    assert!(!store.spend_step(alice, &app, 7).await.unwrap());
    let (old, next) = (SecretDigest::of(CODE), SecretDigest::of("next"));
    assert!(store.swap_recovery_code(alice, &old, &next).await.unwrap());
    store.close().await;

    let store = folder.store();
    assert!(!store.swap_recovery_code(alice, &old, &next).await.unwrap());
    assert!(store.swap_recovery_code(alice, &next, &old).await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn an_enrolment_that_nobody_confirmed_is_pruned_after_a_day_and_an_active_factor_never() {
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let store = SqliteStore::builder(folder.file()).clock(clock.clone()).open().unwrap();
    let now = clock.now();
    activate(&store, FactorUser::new(None, "alice"), 1, now).await;
    for number in 2..20 {
        let subject = format!("user-{number}");
        store.enrol(FactorUser::new(None, &subject), enrolment(number, now), now).await.unwrap();
    }
    clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.prune().await.unwrap(), 36);
    assert_eq!((rows(&folder, "authenticators"), rows(&folder, "recovery_codes")), (2, 1));
    clock.advance(DAY * 10_000);
    assert_eq!(store.prune().await.unwrap(), 0);
    assert_eq!(store.list(FactorUser::new(None, "alice"), clock.now()).await.unwrap().len(), 2);
    store.close().await;
}

#[tokio::test]
async fn a_removed_user_leaves_no_authenticator_and_a_changed_password_takes_none() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let store = folder.store();
    for (number, realm, subject) in [(1, None, "user-1"), (2, Some("staff"), "user-1"), (3, None, "user-2")] {
        activate(&store, FactorUser::new(realm, subject), number, now).await;
    }
    for user in [NewUser::new("user-1", "alice"), NewUser::new("user-2", "bob")] {
        assert!(store.add_user(user).await.unwrap());
    }
    assert!(store.set_password_hash("user-1", Some("hash")).await.unwrap());
    assert!(store.end_logins("user-1").await.unwrap());
    assert_eq!((rows(&folder, "authenticators"), rows(&folder, "recovery_codes")), (6, 3));
    assert!(store.remove_user("user-1").await.unwrap());
    assert!(store.list(FactorUser::new(None, "user-1"), now).await.unwrap().is_empty());
    for other in [FactorUser::new(Some("staff"), "user-1"), FactorUser::new(None, "user-2")] {
        assert_eq!(store.list(other, now).await.unwrap().len(), 2, "{other:?}");
    }
    assert_eq!((rows(&folder, "authenticators"), rows(&folder, "recovery_codes")), (4, 2));
    store.close().await;
}

#[tokio::test]
async fn the_file_has_no_recovery_code_in_the_clear() {
    let (folder, now) = (Folder::new(), SystemTime::now());
    let store = folder.store();
    activate(&store, FactorUser::new(None, "alice"), 1, now).await;
    let has = |text: &str| folder.bytes().windows(text.len()).any(|part| part == text.as_bytes());
    assert!(has("alice") && has("sealed under another key"), "the file is looked at");
    assert!(!has(CODE));
    store.close().await;
}
