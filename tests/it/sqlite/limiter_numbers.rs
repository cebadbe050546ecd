//! Attempts are numbered and timed by the rows that they touch: nothing of the whole file is written with each, and what was
//! charged to a row that is gone takes nothing back.

use std::time::Duration;

use rusqlite::Connection;
use tower_password_grant::limiter::{
    AttemptLimiter as _, BegunLock, Limit, LimiterOperator as _, Limits, Lockout, Reservation, Reserved, Settlement,
};
use tower_password_grant::sqlite::{SqliteLimiter, SqliteStore};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::user::AccountKey;

use super::limiter::{address, fail, reserve};
use crate::support::folder::{Folder, at};

fn open(folder: &Folder, clock: &ManualClock) -> SqliteStore {
    SqliteStore::builder(folder.file()).clock(clock.clone()).open().unwrap()
}

async fn charge(limiter: &SqliteLimiter, account: &str, from: u8) -> Reservation {
    match reserve(limiter, account, from).await {
        Reserved::Charged(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

async fn deny(limiter: &SqliteLimiter, account: &str, from: u8) -> Option<BegunLock> {
    limiter.settle(charge(limiter, account, from).await, Settlement::Denied).await.unwrap()
}

/// How a row goes, or begins anew, while an attempt is under way that was charged to it.
#[derive(Clone, Copy, Debug)]
enum Gone {
    BySuccess,
    ByAccount,
    ByAddress,
    ByPair,
    WithEverything,
    /// An hour later, by what others charge.
    BySweeping,
}

#[tokio::test]
async fn a_late_settlement_takes_nothing_back_from_a_count_that_began_after_its_own_was_gone() {
    let alice = AccountKey::canonical("alice");
    for gone in
        [Gone::BySuccess, Gone::ByAccount, Gone::ByAddress, Gone::ByPair, Gone::WithEverything, Gone::BySweeping]
    {
        let folder = Folder::new();
        let clock = ManualClock::at(at(0));
        let store = open(&folder, &clock);
        // So many numbers lie behind the attempt that is settled late.
        let limits = Limits::new().disable(Limit::Account).disable(Limit::Address);
        let limiter = store.limiter().with_limits(limits);
        for _ in 0..3 {
            fail(&limiter, "alice", 1).await;
        }
        let late = charge(&limiter, "alice", 1).await;
        let from = address(1);
        // All in the same millisecond, except the sweeping.
        match gone {
            Gone::BySuccess => {
                let right = charge(&limiter, "alice", 1).await;
                limiter.settle(right, Settlement::Success).await.unwrap();
            }
            Gone::ByAccount => assert_eq!(limiter.unblock_account(None, &alice).await.unwrap(), 1),
            Gone::ByAddress => assert_eq!(limiter.unblock_address(from.unwrap()).await.unwrap(), 1),
            Gone::ByPair => assert!(limiter.unblock_account_at(None, &alice, from).await.unwrap()),
            Gone::WithEverything => limiter.forget_everything().await.unwrap(),
            Gone::BySweeping => {
                clock.advance(Duration::from_secs(3600));
                for number in 0..16 {
                    charge(&limiter, &format!("other-{number}"), 2).await;
                }
                let rows = "SELECT count(*) FROM limiter_tallies WHERE kind = 0";
                let left: i64 = Connection::open(folder.file()).unwrap().query_row(rows, (), |row| row.get(0)).unwrap();
                assert_eq!(left, 16, "that of alice is gone");
            }
        }
        for _ in 0..9 {
            fail(&limiter, "alice", 1).await;
        }
        limiter.settle(late, Settlement::Untried).await.unwrap();
        fail(&limiter, "alice", 1).await;
        assert!(matches!(reserve(&limiter, "alice", 1).await, Reserved::Refused(_)), "{gone:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn an_attempt_whose_rows_are_there_writes_nothing_of_the_whole_file() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let store = open(&folder, &clock);
    let limiter = store.limiter();
    let whole = || {
        let file = Connection::open(folder.file()).unwrap();
        let columns = "SELECT * FROM limiter";
        let mut statement = file.prepare(columns).unwrap();
        let width = statement.column_count();
        statement
            .query_row((), |row| (0..width).map(|column| row.get(column)).collect::<Result<Vec<_>, _>>())
            .map(|values: Vec<rusqlite::types::Value>| values)
            .unwrap()
    };
    let login = async |name: &str| {
        let right = charge(&limiter, name, 1).await;
        assert!(limiter.settle(right, Settlement::Success).await.unwrap().is_none());
    };
    let empty = whole();
    login("alice").await;
    let first = whole();
    assert_ne!(first, empty, "rows were made");
    for _ in 0..20 {
        clock.advance(Duration::from_secs(1));
        login("alice").await;
        assert_eq!(whole(), first);
        fail(&limiter, "alice", 1).await;
        assert_eq!(whole(), first);
    }
    login("bob").await;
    assert_ne!(whole(), first, "rows were made");
    store.close().await;
}

#[tokio::test]
async fn an_owner_is_notified_once_of_a_lock_by_all_processes_and_after_a_restart() {
    let folder = Folder::new();
    let clock = ManualClock::at(at(0));
    let lock = |attempts| Lockout::new(attempts, Duration::from_secs(900));
    let limits = Limits::new().with_account_and_address_budget(lock(2)).with_account_budget(lock(6));
    let (one, other) = (open(&folder, &clock), open(&folder, &clock));
    let (first, second) = (one.limiter().with_limits(limits), other.limiter().with_limits(limits));
    assert!(deny(&first, "alice", 1).await.is_none());
    assert_eq!(deny(&first, "alice", 1).await.map(|lock| lock.limit()), Some(Limit::AccountAndAddress));
    // Another lock of the same account, through another process.
    assert!(deny(&second, "alice", 2).await.is_none());
    assert!(deny(&second, "alice", 2).await.is_none());
    one.close().await;
    other.close().await;
    let store = open(&folder, &clock);
    let limiter = store.limiter().with_limits(limits);
    for _ in 0..2 {
        assert!(deny(&limiter, "alice", 3).await.is_none());
    }
    // The owner of another account is told.
    assert!(deny(&limiter, "bob", 1).await.is_none());
    assert!(deny(&limiter, "bob", 1).await.is_some());
    // Once the lock is over, the next one sends a notice.
    clock.advance(Duration::from_secs(901));
    assert!(deny(&limiter, "alice", 4).await.is_none());
    assert!(deny(&limiter, "alice", 4).await.is_some());
    store.close().await;
}
