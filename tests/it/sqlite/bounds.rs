//! That one account cannot fill the file or keep the writer busy, and that a copy of the file tells nothing of rotations
//! from before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use tower_password_grant::ClientId;
use tower_password_grant::sqlite::{SqliteStore, SqliteStoreBuilder};
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, OneTimeValues, RefreshFamily, RefreshTokenStore,
};
use tower_password_grant::testing::{ManualClock, TokenState, TokenUsed, begin_family, token_state};

use crate::support::folder::{Folder, at, digest, rotation_of};
use crate::support::spawn;

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
        begin_family(&store, login(number, subject, client, realm), &digest(&format!("o{number}")), at(0))
            .await
            .unwrap();
    }
    for number in 1000..2000 {
        let token = digest(&format!("a{number}"));
        begin_family(&store, login(number, "alice", "cli", None), &token, at(0)).await.unwrap();
        let record = record("alice", at(3600)).with_family(Some(id(number)));
        store.insert(digest(&format!("at{number}")), record).await.unwrap();
    }
    for (number, ..) in others {
        let step = rotation_of(id(number), &format!("o{number}"), &format!("p{number}"), 1);
        assert_eq!(step.by(&store).await.unwrap(), TokenUsed::Done, "{number}");
    }
    for number in 1000..2000_u32 {
        let is_live = number >= 1900;
        let found = token_state(&store, id(number), &digest(&format!("a{number}"))).await.unwrap().unwrap();
        let expected = if is_live { TokenState::Live } else { TokenState::Ended };
        assert_eq!(found.0, expected, "{number}");
        let found = AccessTokenStore::find(&store, &digest(&format!("at{number}"))).await.unwrap();
        assert_eq!(found.is_some(), is_live, "{number}");
    }
    assert_eq!(store.prune().await.unwrap(), 0);
    clock.advance(Duration::from_secs(600));
    // The family and its access token.
    assert_eq!(store.prune().await.unwrap(), 900 * 2);
    assert_eq!(number(&folder, "SELECT count(*) FROM refresh_families"), 104);
    assert_eq!(number(&folder, "SELECT count(*) FROM access_tokens"), 100);
    assert_eq!(rotation_of(id(1000), "a1000", "x", 2).by(&store).await.unwrap(), TokenUsed::Gone);
    assert!(AccessTokenStore::find(&store, &digest("at1000")).await.unwrap().is_none());
    assert_eq!(RefreshTokenStore::revoke_subject(&store, None, "alice").await.unwrap(), 101);
    store.close().await;
}

#[tokio::test]
async fn the_access_tokens_of_a_family_that_was_ended_never_come_back_when_its_row_goes() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = wide_store_at(&folder, &clock);
    begin_family(&store, login(1, "user-17", "cli", None), &digest("t0"), at(0)).await.unwrap();
    let works = (0..600_u32)
        .map(|number| {
            let store = store.clone();
            spawn(async move {
                let record = record("user-17", at(1_000_000)).with_family(Some(id(1)));
                store.insert(digest(&format!("a{number}")), record).await.unwrap();
            })
        })
        .collect();
    all(works).await;
    clock.advance(Duration::from_secs(100_000));
    assert!(RefreshTokenStore::revoke_family(&store, id(1)).await.unwrap());
    // The family is over and it was ended, but what hides its access tokens stays.
    assert_eq!(store.prune().await.unwrap(), 0);
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
    let patient = |number: u32, token: &str, successor: &str, seconds| {
        rotation_of(id(number), token, successor, seconds).with_leeway(Duration::from_secs(60))
    };
    let salt = [*b"a salt that nobody else has used", [0x5a; 32]];
    for number in 0..600_u32 {
        let family = login(number, &format!("user-{number}"), "cli", None);
        begin_family(&store, family, &digest(&format!("t{number}")), at(0)).await.unwrap();
        let used = u64::from(number == 599);
        let step = patient(number, &format!("t{number}"), &format!("s{number}"), used)
            .with_successor(digest(&format!("s{number}")), salt[usize::from(number == 599)]);
        assert_eq!(step.by(&store).await.unwrap(), TokenUsed::Done);
    }
    let salts = || number(&folder, "SELECT count(*) FROM refresh_families WHERE length(lineage) > 41");
    clock.advance(Duration::from_secs(60));
    store.prune().await.unwrap();
    assert_eq!(salts(), 600);
    assert_eq!(patient(0, "t0", "x", 60).by(&store).await.unwrap(), TokenUsed::Repeated { salt: salt[0] });
    clock.advance(Duration::from_secs(1));
    assert_eq!(store.prune().await.unwrap(), 0, "no row is removed");
    assert_eq!(salts(), 1);
    assert_eq!(patient(599, "t599", "x", 61).by(&store).await.unwrap(), TokenUsed::Repeated { salt: salt[1] });

    let state = async |token: &str| token_state(&store, id(1), &digest(token)).await.unwrap().unwrap().0;
    assert_eq!((state("t1").await, state("s1").await), (TokenState::Spent, TokenState::Live));
    assert_eq!(patient(1, "t1", "x", 61).by(&store).await.unwrap(), TokenUsed::Replayed);
    // Even for a clock that went back.
    assert_eq!(patient(2, "t2", "x", 0).by(&store).await.unwrap(), TokenUsed::Replayed);
    assert_eq!(patient(2, "s2", "x", 61).by(&store).await.unwrap(), TokenUsed::Gone);
    assert_eq!(patient(3, "s3", "x", 61).by(&store).await.unwrap(), TokenUsed::Done);
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
    begin_family(&store, login(1, "user-17", "cli", None), &digest("t0"), at(722)).await.unwrap();
    assert_eq!(rotation_of(id(1), "t0", "t1", 722).by(&store).await.unwrap(), TokenUsed::Done);
    clock.advance(Duration::from_secs(3600));
    clock.set_wall(at(722));
    store.prune().await.unwrap();
    let (state, _) = token_state(&store, id(1), &digest("t0")).await.unwrap().unwrap();
    assert_eq!(state, TokenState::Spent);
    assert_eq!(rotation_of(id(1), "t0", "x", 723).by(&store).await.unwrap(), TokenUsed::Replayed);
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
                spawn(async move { store.insert(digest(&format!("{name} {number}")), record).await.unwrap() })
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
    begin_family(&store, login(1, "user-17", "cli", None), &digest("t0"), at(0)).await.unwrap();
    let (removed, served) = served_during(&store, "e", store.log_out(None, "user-17")).await;
    assert_eq!((removed.unwrap(), left()), (5001, 1));
    assert!(served >= 10, "{served}");

    #[cfg(feature = "argon2")]
    {
        let user = tower_password_grant::store::NewUser::new("user-17", "name");
        assert!(store.add_user(user).await.unwrap());
        insert("of a user", None).await;
        let (ended, served) = served_during(&store, "u", store.end_logins("user-17")).await;
        assert_eq!((ended.unwrap(), left()), (true, 1));
        assert!(served >= 10, "{served}");
    }
    store.close().await;
}
