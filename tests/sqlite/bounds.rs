//! That one account cannot fill the file or keep the writer busy, and that a copy of the file tells nothing of rotations
//! from before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use tower_password_grant::sqlite::{SqliteStore, SqliteStoreBuilder};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::{
    AccessTokenRecord, AccessTokenStore, ClientId, FamilyId, OneTimeValues, RefreshFamily, RefreshTokenState,
    RefreshTokenStore, Rotated,
};

use crate::folder::{Folder, at, digest, family, rotation};

/// A store that looks for what is over only when it is asked to, and whose time stands still.
fn store_at(folder: &Folder, clock: &ManualClock) -> SqliteStore {
    quiet(folder, clock).open().unwrap()
}

/// The same, with room for all access tokens.
fn wide_store_at(folder: &Folder, clock: &ManualClock) -> SqliteStore {
    quiet(folder, clock).access_tokens_per_login(10_000).open().unwrap()
}

fn quiet(folder: &Folder, clock: &ManualClock) -> SqliteStoreBuilder {
    SqliteStore::builder(folder.file()).clock(clock.clone()).queue(8192).prune_every(Duration::from_secs(3600))
}

fn id(number: u32) -> FamilyId {
    FamilyId::from_bytes(u128::from(number).to_be_bytes())
}

fn login(number: u32, subject: &str, client: &str, realm: Option<&str>) -> RefreshFamily {
    RefreshFamily::new(id(number), subject, ClientId::new(client).unwrap(), at(0), at(100_000)).with_realm(realm)
}

fn record(subject: &str, until: SystemTime) -> AccessTokenRecord {
    AccessTokenRecord::new(subject, ClientId::new("cli").unwrap(), at(0), until)
}

fn number(folder: &Folder, sql: &str) -> i64 {
    Connection::open(folder.file()).unwrap().query_row(sql, (), |row| row.get(0)).unwrap()
}

async fn all(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_thousand_logins_of_one_subject_cost_nobody_else_theirs_and_leave_a_hundred() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = store_at(&folder, &clock);
    let others =
        [(1, "bob", "cli", None), (2, "alice", "web", None), (3, "alice", "cli", Some("")), (4, "ALICE", "cli", None)];
    for (number, subject, client, realm) in others {
        store.begin(login(number, subject, client, realm), digest(&format!("o{number}")), at(0)).await.unwrap();
    }
    for number in 1000..2000 {
        let token = digest(&format!("a{number}"));
        store.begin(login(number, "alice", "cli", None), token, at(0)).await.unwrap();
        let record = record("alice", at(3600)).with_family(Some(id(number)));
        store.insert(digest(&format!("at{number}")), record).await.unwrap();
    }
    for (number, ..) in others {
        let step = rotation(&format!("o{number}"), &format!("p{number}"), 1);
        assert_eq!(store.rotate(step).await.unwrap(), Rotated::Done, "{number}");
    }
    for number in 1000..2000_u32 {
        let is_live = number >= 1900;
        let found = RefreshTokenStore::find(&store, &digest(&format!("a{number}"))).await.unwrap().unwrap();
        let expected = if is_live { RefreshTokenState::Live } else { RefreshTokenState::Ended };
        assert_eq!(found.state(), expected, "{number}");
        let found = AccessTokenStore::find(&store, &digest(&format!("at{number}"))).await.unwrap();
        assert_eq!(found.is_some(), is_live, "{number}");
    }
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.advance(Duration::from_secs(600));
    // The family, its refresh token and its access token.
    assert_eq!(store.prune().await.unwrap(), 900 * 3);
    assert_eq!(number(&folder, "SELECT count(*) FROM refresh_families"), 104);
    assert_eq!(number(&folder, "SELECT count(*) FROM refresh_tokens"), 108);
    assert_eq!(number(&folder, "SELECT count(*) FROM access_tokens"), 100);
    assert_eq!(store.rotate(rotation("a1000", "x", 2)).await.unwrap(), Rotated::Gone);
    assert!(AccessTokenStore::find(&store, &digest("at1000")).await.unwrap().is_none());
    assert_eq!(RefreshTokenStore::revoke_subject(&store, None, "alice").await.unwrap(), 101);
    store.close().await;
}

#[tokio::test]
async fn the_access_tokens_of_a_family_that_was_ended_never_come_back_when_its_row_goes() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = wide_store_at(&folder, &clock);
    store.begin(family(1), digest("t0"), at(0)).await.unwrap();
    let works = (0..600_u32)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let record = record("user-17", at(1_000_000)).with_family(Some(FamilyId::from_bytes([1; 16])));
                store.insert(digest(&format!("a{number}")), record).await.unwrap();
            })
        })
        .collect();
    all(works).await;
    clock.advance(Duration::from_secs(100_000));
    assert!(RefreshTokenStore::revoke_family(&store, FamilyId::from_bytes([1; 16])).await.unwrap());
    // The family is over and it was ended, but what hides its access tokens stays.
    assert_eq!(store.prune().await.unwrap(), 1);
    let is_hidden = async || AccessTokenStore::find(&store, &digest("a599")).await.unwrap().is_none();
    assert!(is_hidden().await);
    assert_eq!(number(&folder, "SELECT count(*) FROM access_tokens"), 600);
    clock.advance(Duration::from_secs(600));
    assert_eq!(store.prune().await.unwrap(), 601);
    assert!(is_hidden().await);
    store.close().await;
}

#[tokio::test]
async fn after_the_longest_leeway_the_file_knows_no_salt_and_the_predecessor_is_a_replay() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = store_at(&folder, &clock);
    let patient = |token: &str, successor: &str, seconds| {
        rotation(token, successor, seconds).with_leeway(Duration::from_secs(60))
    };
    let salt = [*b"a salt that nobody else has used", [0x5a; 32]];
    for family_number in 0..600_u32 {
        let family = login(family_number, &format!("user-{family_number}"), "cli", None);
        store.begin(family, digest(&format!("t{family_number}")), at(0)).await.unwrap();
        let used = if family_number == 599 { 1 } else { 0 };
        let step = patient(&format!("t{family_number}"), &format!("s{family_number}"), used)
            .with_successor(digest(&format!("s{family_number}")), salt[usize::from(family_number == 599)]);
        assert_eq!(store.rotate(step).await.unwrap(), Rotated::Done);
    }
    let salts = || number(&folder, "SELECT count(salt) FROM refresh_families");
    clock.advance(Duration::from_secs(60));
    store.prune().await.unwrap();
    assert_eq!(salts(), 600);
    assert_eq!(store.rotate(patient("t0", "x", 60)).await.unwrap(), Rotated::repeated(salt[0]));
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.prune().await.unwrap(), 0, "no row is removed");
    assert_eq!(salts(), 1);
    assert_eq!(store.rotate(patient("t599", "x", 61)).await.unwrap(), Rotated::repeated(salt[1]));

    let live = |token: &'static str| {
        let store = store.clone();
        async move { RefreshTokenStore::find(&store, &digest(token)).await.unwrap().unwrap().state() }
    };
    assert_eq!((live("t1").await, live("s1").await), (RefreshTokenState::Spent, RefreshTokenState::Live));
    assert_eq!(store.rotate(patient("t1", "x", 61)).await.unwrap(), Rotated::Replayed);
    // Even for a clock that went back.
    assert_eq!(store.rotate(patient("t2", "x", 0)).await.unwrap(), Rotated::Replayed);
    assert_eq!(store.rotate(patient("s2", "x", 61)).await.unwrap(), Rotated::Gone);
    assert_eq!(store.rotate(patient("s3", "x", 61)).await.unwrap(), Rotated::Done);
    store.close().await;
    let bytes = folder.bytes();
    let holds = |salt: &[u8]| bytes.windows(salt.len()).any(|window| window == salt);
    assert!(holds(&salt[1]), "the test finds what is there");
    assert!(!holds(&salt[0]));
}

#[tokio::test]
async fn what_is_spent_stays_spent_whatever_the_clock_does() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = store_at(&folder, &clock);
    // A one-time value, and a clock that jumps past its end and back.
    assert!(store.consume(&digest("ticket"), at(600)).await.unwrap());
    clock.set_wall(at(1_000_000));
    store.prune().await.unwrap();
    clock.set_wall(at(1));
    assert!(!store.consume(&digest("ticket"), at(600)).await.unwrap());
    clock.advance(Duration::from_secs(600));
    assert_eq!(store.prune().await.unwrap(), 1, "it goes when its time has passed");
    clock.advance(Duration::from_secs(121));
    store.prune().await.unwrap();

    // A refresh token that was spent long ago, and a clock that is set back to when it was used.
    store.begin(family(1), digest("t0"), at(722)).await.unwrap();
    assert_eq!(store.rotate(rotation("t0", "t1", 722)).await.unwrap(), Rotated::Done);
    clock.advance(Duration::from_secs(3600));
    clock.set_wall(at(722));
    store.prune().await.unwrap();
    let state = RefreshTokenStore::find(&store, &digest("t0")).await.unwrap().unwrap().state();
    assert_eq!(state, RefreshTokenState::Spent);
    assert_eq!(store.rotate(rotation("t0", "x", 723)).await.unwrap(), Rotated::Replayed);
    store.close().await;
}

#[tokio::test]
async fn a_predecessor_without_its_salt_is_a_replay() {
    let folder = Folder::new();
    let store = folder.store();
    store.begin(family(1), digest("t0"), at(0)).await.unwrap();
    assert_eq!(store.rotate(rotation("t0", "t1", 1)).await.unwrap(), Rotated::Done);
    Connection::open(folder.file()).unwrap().execute("UPDATE refresh_families SET salt = NULL", ()).unwrap();
    assert_eq!(store.rotate(rotation("t0", "x", 1)).await.unwrap(), Rotated::Replayed);
    store.close().await;
}

/// How many other operations are served, one after the other, until this one is done.
async fn served_during<T>(store: &SqliteStore, name: &str, work: impl Future<Output = T>) -> (T, u32) {
    let (is_done, mut served) = (AtomicBool::new(false), 0);
    let working = async {
        let done = work.await;
        is_done.store(true, Ordering::Relaxed);
        done
    };
    let others = async {
        while !is_done.load(Ordering::Relaxed) {
            assert!(store.consume(&digest(&format!("{name} {served}")), at(9000)).await.unwrap());
            served += 1;
        }
    };
    let (done, ()) = tokio::join!(working, others);
    (done, served)
}

#[tokio::test]
async fn others_are_served_while_many_access_tokens_are_removed() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = wide_store_at(&folder, &clock);
    let insert = async |name: &'static str, of: Option<FamilyId>| {
        let works = (0..5000_u32)
            .map(|number| {
                let store = store.clone();
                let record = record("user-17", at(3600)).with_family(of);
                tokio::spawn(async move { store.insert(digest(&format!("{name} {number}")), record).await.unwrap() })
            })
            .collect();
        all(works).await;
    };
    let left = || number(&folder, "SELECT count(*) FROM access_tokens");
    store.insert(digest("another"), record("user-18", at(3600)).with_family(Some(id(2)))).await.unwrap();

    insert("family", Some(id(1))).await;
    let (removed, served) = served_during(&store, "f", AccessTokenStore::revoke_family(&store, id(1))).await;
    assert_eq!((removed.unwrap(), left()), (5000, 1));
    assert!(served >= 10, "{served}");

    insert("subject", None).await;
    let revoking = AccessTokenStore::revoke_subject(&store, None, "user-17");
    let (removed, served) = served_during(&store, "s", revoking).await;
    assert_eq!((removed.unwrap(), left()), (5000, 1));
    assert!(served >= 10, "{served}");

    insert("everywhere", None).await;
    store.begin(family(1), digest("t0"), at(0)).await.unwrap();
    let (removed, served) = served_during(&store, "e", store.log_out(None, "user-17")).await;
    assert_eq!((removed.unwrap(), left()), (5001, 1));
    assert!(served >= 10, "{served}");

    #[cfg(feature = "argon2")]
    {
        let user = tower_password_grant::sqlite::NewUser::new("user-17", "name");
        assert!(store.add_user(user).await.unwrap());
        insert("of a user", None).await;
        let (ended, served) = served_during(&store, "u", store.end_logins("user-17")).await;
        assert_eq!((ended.unwrap(), left()), (true, 1));
        assert!(served >= 10, "{served}");
    }
    store.close().await;
}
