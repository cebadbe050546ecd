//! Two processes and a restart: with the operator's key the same mistake counts once, whichever endpoint it comes through.

use std::time::Duration;

use tower_password_grant::PasswordGrantLayer;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, SharedKey};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::testing::ManualClock;

use crate::support::folder::{Folder, at};
use crate::support::{self, AUTH, Probe, send, token_request};

/// A process: an endpoint and a handle of its own on the file.
fn start(folder: &Folder, clock: &ManualClock, key: Option<&SharedKey>) -> (PasswordGrantLayer, SqliteStore) {
    let mut store = SqliteStore::builder(folder.file()).clock(clock.clone());
    let mut protection = AttackProtection::new();
    if let Some(key) = key {
        store = store.shared_key(key.clone());
        protection = protection.shared_key(key.clone());
    }
    let store = store.open().unwrap();
    let limits = Limits::new().with_account_and_address_budget(Lockout::new(2, Duration::from_secs(900)));
    let protection = protection.limiter(store.limiter().with_limits(limits));
    let endpoint = support::builder(&Probe::default()).clock(clock.clone()).attack_protection(protection);
    (endpoint.build().unwrap(), store)
}

/// The statuses of these wrong passwords: the first through one process, the second through another, the rest after a restart.
async fn statuses(key: Option<&SharedKey>, passwords: [&str; 5]) -> Vec<u16> {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let guess = async |layer: &PasswordGrantLayer, password: &str| {
        let body = format!("grant_type=password&username=alice&password={password}");
        send(layer, token_request(AUTH, &body)).await.status.as_u16()
    };
    let ((one, one_store), (other, other_store)) = (start(&folder, &clock, key), start(&folder, &clock, key));
    let mut statuses = vec![guess(&one, passwords[0]).await, guess(&other, passwords[1]).await];
    one_store.close().await;
    other_store.close().await;
    let (again, store) = start(&folder, &clock, key);
    for password in &passwords[2..] {
        statuses.push(guess(&again, password).await);
    }
    store.close().await;
    statuses
}

#[tokio::test]
async fn the_same_wrong_password_counts_once_through_two_processes_and_after_a_restart_with_a_shared_key() {
    let key = SharedKey::new([7; 32]).unwrap();
    // The second mistake that counts is the fourth of these, and begins the lock.
    assert_eq!(statuses(Some(&key), ["x", "x", "x", "y", "z"]).await, [400, 400, 400, 400, 429]);
    // Others count each.
    assert_eq!(statuses(Some(&key), ["x", "y", "y", "y", "z"]).await, [400, 400, 429, 429, 429]);
}

#[tokio::test]
async fn without_a_shared_key_each_process_counts_the_same_wrong_password_once() {
    assert_eq!(statuses(None, ["x", "x", "x", "x", "x"]).await, [400, 400, 429, 429, 429]);
}
