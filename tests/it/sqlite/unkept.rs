//! A client's right secret is not told while the charge of a wrong one would not be kept: it would be a guess for nothing.

use std::pin::pin;
use std::task::{Context, Waker};

use rusqlite::Connection;
use tower_password_grant::limiter::{AttemptKey, AttemptLimiter, Checked, Guess, SecretCheck};
use tower_password_grant::sqlite::{SqliteLimiter, SqliteStore};
use tower_password_grant::testing::ManualClock;

use super::limiter::address;
use crate::support::folder::{Folder, at};

/// A file in which no charge has room from now on: a table that takes no second row is as full as a disk without space.
struct Full(Connection);

impl Full {
    fn fill(folder: &Folder) -> Self {
        let connection = Connection::open(folder.file()).unwrap();
        connection.execute_batch("CREATE UNIQUE INDEX full ON limiter_tallies ((1))").unwrap();
        Self(connection)
    }

    fn end(self) {
        self.0.execute_batch("DROP INDEX full").unwrap();
    }
}

fn scene(folder: &Folder) -> (SqliteStore, SqliteLimiter) {
    let clock = ManualClock::at(at(0));
    let store = SqliteStore::builder(folder.file()).clock(clock).open().unwrap();
    let limiter = store.limiter();
    (store, limiter)
}

/// What a check tells: right, wrong, or no answer.
async fn told(limiter: &SqliteLimiter, client_id: &str, number: u8, is_right: bool) -> Option<bool> {
    let key = AttemptKey::new(Guess::Client { client_id }, address(number));
    match limiter.check(&key, SecretCheck::known(is_right)).await {
        Ok(Checked::Decided(decided)) => Some(decided.is_right()),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

/// Begins a request and drops it.
fn hang_up(request: impl Future) {
    let _ = pin!(request).poll(&mut Context::from_waker(Waker::noop()));
}

#[tokio::test]
async fn after_a_wrong_secret_that_was_not_counted_the_right_one_is_an_error_too_until_there_is_room() {
    let folder = Folder::new();
    let (store, limiter) = scene(&folder);
    for client in ["cli", "api"] {
        assert_eq!(told(&limiter, client, 1, true).await, Some(true));
    }
    let full = Full::fill(&folder);
    assert_eq!(told(&limiter, "cli", 1, true).await, Some(true), "nobody guessed");
    for guess in 0..20 {
        assert_eq!(told(&limiter, "cli", guess, false).await, None);
    }
    for number in [1, 2] {
        assert_eq!(told(&limiter, "cli", number, true).await, None);
    }
    assert_eq!(told(&limiter, "api", 1, true).await, Some(true), "nobody guessed at this client");
    full.end();

    // Once, to see that there is room again.
    let watcher = Connection::open(folder.file()).unwrap();
    let seen = || watcher.query_row("PRAGMA data_version", (), |row| row.get::<_, i64>(0)).unwrap();
    let before = seen();
    assert_eq!(told(&limiter, "cli", 1, true).await, Some(true));
    let proven = seen();
    assert_ne!(proven, before, "the proof is kept");
    assert_eq!(told(&limiter, "cli", 1, true).await, Some(true));
    assert_eq!(seen(), proven, "a right secret writes nothing any more");
    for _ in 0..10 {
        assert_eq!(told(&limiter, "cli", 1, false).await, Some(false));
    }
    let key = AttemptKey::new(Guess::Client { client_id: "cli" }, address(1));
    let refused = limiter.check(&key, SecretCheck::known(true)).await.unwrap();
    assert!(
        matches!(refused, Checked::Refused(_)),
        "the proof charged nothing, and each wrong one is counted: {refused:?}"
    );
    store.close().await;
}

#[tokio::test]
async fn a_client_that_hangs_up_before_the_error_has_learnt_nothing_either() {
    let folder = Folder::new();
    let (store, limiter) = scene(&folder);
    assert_eq!(told(&limiter, "cli", 1, true).await, Some(true));
    let full = Full::fill(&folder);
    hang_up(told(&limiter, "cli", 1, false));
    assert_eq!(told(&limiter, "cli", 1, true).await, None);
    full.end();
    assert_eq!(told(&limiter, "cli", 1, true).await, Some(true));
    store.close().await;
}

/// The same for all but one network, whose rows are there already: a full file can still change what it holds.
fn fill_for_others(folder: &Folder) -> Full {
    let connection = Connection::open(folder.file()).unwrap();
    let network = "SELECT DISTINCT network FROM limiter_tallies WHERE network <> 0";
    let network: i64 = connection.query_row(network, (), |row| row.get(0)).unwrap();
    connection
        .execute_batch(&format!(
            "INSERT INTO limiter_tallies VALUES (9, 9, 9, 9, x'', 0, {});
             CREATE UNIQUE INDEX full ON limiter_tallies ((1)) WHERE network <> {network}",
            i64::MAX
        ))
        .unwrap();
    Full(connection)
}

#[tokio::test]
async fn a_refusal_proves_no_charge_so_it_opens_no_second_guess_from_elsewhere() {
    let folder = Folder::new();
    let (store, limiter) = scene(&folder);
    for number in 1..=4 {
        assert_eq!(told(&limiter, "cli", number, true).await, Some(true));
    }
    for _ in 0..10 {
        assert_eq!(told(&limiter, "cli", 9, false).await, Some(false));
    }
    let full = fill_for_others(&folder);
    assert_eq!(told(&limiter, "cli", 5, false).await, None);
    let key = AttemptKey::new(Guess::Client { client_id: "cli" }, address(9));
    let refused = limiter.check(&key, SecretCheck::known(false)).await.unwrap();
    assert!(matches!(refused, Checked::Refused(_)), "{refused:?}");
    assert_eq!(told(&limiter, "cli", 5, true).await, None, "the guess before was not counted");
    full.end();
    assert_eq!(told(&limiter, "cli", 5, true).await, Some(true));
    store.close().await;
}

#[tokio::test]
async fn a_charge_at_another_address_proves_nothing_of_the_guess_that_was_not_counted() {
    let folder = Folder::new();
    let (store, limiter) = scene(&folder);
    assert_eq!(told(&limiter, "cli", 9, false).await, Some(false));
    assert_eq!(told(&limiter, "cli", 9, true).await, Some(true));
    let full = fill_for_others(&folder);
    assert_eq!(told(&limiter, "cli", 9, true).await, Some(true), "nobody guessed");
    for number in 10..20 {
        assert_eq!(told(&limiter, "cli", number, number != 10).await, None, "one guess at most is compared");
        assert_eq!(told(&limiter, "cli", 9, true).await, None, "the one guess may have been uncounted");
    }
    full.end();
    assert_eq!(told(&limiter, "cli", 9, true).await, Some(true));
    store.close().await;
}

#[tokio::test]
async fn a_charge_that_is_kept_is_known_to_be_though_its_client_hung_up() {
    let folder = Folder::new();
    let (store, limiter) = scene(&folder);
    for number in [1, 2] {
        assert_eq!(told(&limiter, "cli", number, true).await, Some(true));
    }
    hang_up(told(&limiter, "cli", 1, false));
    assert_eq!(told(&limiter, "api", 1, false).await, Some(false), "it is written after that");
    let watcher = Connection::open(folder.file()).unwrap();
    let seen = || watcher.query_row("PRAGMA data_version", (), |row| row.get::<_, i64>(0)).unwrap();
    let before = seen();
    assert_eq!(told(&limiter, "cli", 2, true).await, Some(true));
    assert_eq!(seen(), before, "a right secret writes nothing");
    store.close().await;
}
