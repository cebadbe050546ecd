//! Upgrading hashes at login, and credentials that change while they are verified.

use std::sync::atomic::Ordering;

use tower_password_grant::argon2::Argon2Parameters;
use tower_password_grant::store::UserStatus;

use crate::support::argon2_users::{Hook, House, Row, cheap, hash_with};
use crate::support::spawn;

fn outdated(password: &str) -> String {
    hash_with(&Argon2Parameters::new(96, 2, 1).unwrap(), password)
}

fn with_outdated_hash() -> (House, String) {
    let house = House::new();
    let old = outdated("correct horse");
    house.users.set("alice", old.clone(), UserStatus::Active);
    (house, old)
}

/// A change after the look-up whose hash is compared, the second one: the first finds the account to charge.
fn changes_while_hashing(change: impl Fn(&mut Row) + Send + 'static) -> Option<Hook> {
    Some(Box::new(move |row, look| {
        if look == 2 {
            change(row);
        }
    }))
}

#[tokio::test]
async fn an_outdated_hash_is_replaced_at_login_by_comparing_with_the_old_one() {
    let (house, old) = with_outdated_hash();
    assert_eq!(house.runs("alice", "x").await, 1);
    assert_eq!(house.users.hash("alice"), old, "a wrong password replaces nothing");
    assert_eq!(house.runs("alice", "correct horse").await, 2);
    assert_eq!(house.last_reason(), "id-alice");
    let new = house.users.hash("alice");
    assert!(new.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{new}");
    assert_eq!(*house.users.saves.lock().unwrap(), [("id-alice".to_owned(), old, new.clone(), true)]);

    assert_eq!(house.runs("alice", "correct horse").await, 1, "only once");
    assert_eq!(house.runs("alice", "x").await, 1);
    assert_eq!(house.last_reason(), "wrong_password");
    assert_eq!(house.users.hash("alice"), new);
}

#[tokio::test]
async fn another_variant_version_or_salt_length_is_outdated_too() {
    let house = House::with(|builder| builder.parameters(Argon2Parameters::new(256, 2, 1).unwrap()));
    // From the test suite of the reference implementation; all have a salt of 8 bytes.
    for stored in [
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    ] {
        house.users.set("bob", stored.to_owned(), UserStatus::Active);
        house.log_in("bob", "password").await.assert_ok();
        let new = house.users.hash("bob");
        assert!(new.starts_with("$argon2id$v=19$m=256,t=2,p=1$") && new != stored, "{new}");
    }
}

#[tokio::test]
async fn a_store_that_fails_to_save_fails_no_login() {
    let (house, old) = with_outdated_hash();
    house.users.fail_save.store(true, Ordering::Relaxed);
    house.log_in("alice", "correct horse").await.assert_ok();
    assert_eq!(house.users.hash("alice"), old);
    assert_eq!(house.verifier.stats().failed_saves, 1);
    house.users.fail_save.store(false, Ordering::Relaxed);
    house.log_in("alice", "correct horse").await.assert_ok();
    assert_ne!(house.users.hash("alice"), old);
}

#[tokio::test]
async fn a_lost_race_writes_no_old_password_back_and_the_old_password_does_not_log_in_t97_t98() {
    let (house, _) = with_outdated_hash();
    let changed = hash_with(&cheap(), "a new password");
    let other = changed.clone();
    *house.users.before_save.lock().unwrap() = Some(Box::new(move |row, _| row.hash = Some(other.clone())));
    house.log_in("alice", "correct horse").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "wrong_password");
    assert_eq!(house.users.hash("alice"), changed);
    assert!(house.grants.lock().unwrap().is_empty());
    house.log_in("alice", "a new password").await.assert_ok();
}

#[tokio::test]
async fn a_password_that_is_changed_while_it_is_verified_does_not_log_in_t97() {
    let house = House::new();
    let changed = hash_with(&cheap(), "a new password");
    *house.users.after_find.lock().unwrap() = changes_while_hashing(move |row| row.hash = Some(changed.clone()));
    house.log_in("alice", "correct horse").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "wrong_password");
    assert!(house.grants.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_account_that_is_closed_or_removed_while_its_password_is_verified_does_not_log_in_t97() {
    let house = House::new();
    *house.users.after_find.lock().unwrap() = changes_while_hashing(|row| row.status = UserStatus::Disabled);
    house.log_in("alice", "correct horse").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "disabled");

    let house = House::new();
    *house.users.after_find.lock().unwrap() = changes_while_hashing(|row| row.hash = None);
    house.log_in("alice", "correct horse").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "wrong_password");
}

#[tokio::test]
async fn an_account_that_is_closed_before_its_upgraded_hash_is_saved_does_not_log_in_t97() {
    let (house, old) = with_outdated_hash();
    *house.users.before_save.lock().unwrap() = Some(Box::new(|row, _| row.status = UserStatus::Disabled));
    house.log_in("alice", "correct horse").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "disabled");
    assert_ne!(house.users.hash("alice"), old, "the upgrade itself does no harm");
    assert!(house.grants.lock().unwrap().is_empty());
}

#[tokio::test]
async fn logins_that_upgrade_the_same_hash_at_once_all_succeed_and_one_of_them_saves() {
    let (house, _) = with_outdated_hash();
    let logins: Vec<_> = (0..8)
        .map(|_| {
            let house = house.clone();
            spawn(async move { house.log_in("alice", "correct horse").await })
        })
        .collect();
    for login in logins {
        login.await.unwrap().assert_ok();
    }
    let saves = house.users.saves.lock().unwrap().clone();
    assert_eq!(saves.iter().filter(|(.., replaced)| *replaced).count(), 1, "{saves:?}");
    assert_eq!(house.runs("alice", "correct horse").await, 1);
    assert_eq!(house.last_reason(), "id-alice");
}

#[tokio::test]
async fn credentials_that_change_at_every_look_are_no_verdict_and_no_endless_work() {
    let house = House::new();
    *house.users.after_find.lock().unwrap() =
        Some(Box::new(|row, _| row.hash = Some(hash_with(&cheap(), "correct horse"))));
    assert_eq!(house.runs("alice", "correct horse").await, 3);
    assert_eq!(house.last_reason(), "verifier_failed");
    house.log_in("alice", "correct horse").await.assert_error(503, "temporarily_unavailable");
}
