//! Users of two directories with one name: neither guesses at the other's cost, nor takes the other's name by a move.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::limiter::MemoryLimiter;
use tower_password_grant::realms::{FirstOf, ImportedUser, Migrate, UserImport};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::user::{AccountKey, Recheck};
use tower_password_grant::{Attempt, BackendError, CredentialVerifier, Denial, MaybeFuture, Subject, Verdict};

use super::world::House;
use crate::support::argon2_users::{cheap, hash_with};
use crate::support::capture::Capture;
use crate::support::folder::Folder;
use crate::support::protection::counted_by;

/// How a directory knows names.
#[derive(Clone, Copy, PartialEq)]
enum Knows {
    /// By the canonical form; its key is the default one.
    ByName,
    /// By the canonical form; its key is the id.
    Resolved,
    /// Byte by byte; its key is the id.
    Exactly,
}

/// The ids of names. The user with the id `1` has the password `1`.
#[derive(Clone)]
struct Directory {
    knows: Knows,
    ids: BTreeMap<String, String>,
}

impl Directory {
    fn new(knows: Knows, users: &[(&str, &str)]) -> Self {
        let own = |text: &&str| (*text).to_owned();
        Self { knows, ids: users.iter().map(|(name, id)| (own(name), own(id))).collect() }
    }

    fn find(&self, name: &str) -> Option<&String> {
        match self.knows {
            Knows::Exactly => self.ids.get(name),
            _ => self.ids.get(AccountKey::canonical(name).as_str()),
        }
    }
}

#[async_trait]
impl CredentialVerifier for Directory {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match self.find(attempt.username()) {
            None => Denial::UnknownUser.into(),
            Some(id) if id == attempt.password().expose() => Subject::new(id.clone()).into(),
            Some(_) => Denial::WrongPassword.into(),
        })
    }

    fn account_key<'a>(
        &'a self,
        name: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        MaybeFuture::ready(Ok(match (self.knows, self.find(name)) {
            (Knows::ByName, _) => AccountKey::canonical(name),
            (_, Some(id)) => AccountKey::resolved(id.clone()),
            (Knows::Resolved, None) => AccountKey::phantom(name),
            (Knows::Exactly, None) => AccountKey::phantom_as_typed(name),
        }))
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        let is_there = self.ids.values().any(|id| id == login.subject_id());
        Ok(if is_there { Subject::new(login.subject_id().to_owned()).into() } else { Denial::UnknownUser.into() })
    }
}

#[async_trait]
impl UserImport for Directory {
    async fn import(&self, _: ImportedUser) -> Result<Option<Subject>, BackendError> {
        Err(BackendError::fault("it takes nobody"))
    }
}

/// How many of 30 guesses at alice are looked at, if their sender, who is mallory as well, logs in after each nine.
async fn looked_at(users: impl CredentialVerifier) -> usize {
    let house = House::with(users, counted_by(MemoryLimiter::new()), Default::default()).await;
    let mut looked_at = 0;
    for guess in 0..30 {
        looked_at += usize::from(house.log_in("alice", &format!("x{guess}")).await.status == 400);
        if guess % 9 == 8 {
            house.log_in("mallory", "M").await.assert_ok();
        }
    }
    looked_at
}

/// Mallory's names are `mallory` and `alice`.
const MALLORY: [(&str, &str); 2] = [("mallory", "M"), ("alice", "M")];

#[tokio::test]
async fn logins_of_ones_own_make_no_guess_free_at_a_user_of_an_earlier_directory_t6_t8() {
    let alice = |knows| Directory::new(knows, &[("alice", "A")]);
    let mallory = || Directory::new(Knows::Resolved, &MALLORY);
    let nobody = || Directory::new(Knows::Resolved, &[]);
    for users in [
        FirstOf::new(alice(Knows::ByName)).then(mallory()),
        FirstOf::new(alice(Knows::Resolved)).then(mallory()),
        FirstOf::new(nobody()).then(alice(Knows::ByName)).then(mallory()),
        FirstOf::new(alice(Knows::ByName)).then(nobody()).then(mallory()),
    ] {
        assert_eq!(looked_at(users).await, 10);
    }
}

#[tokio::test]
async fn logins_of_ones_own_make_no_guess_free_at_who_took_an_old_name_in_the_new_directory_t6_t8() {
    for new in [Knows::ByName, Knows::Resolved] {
        let new = Directory::new(new, &[("mallory", "M"), ("alice", "A")]);
        assert_eq!(looked_at(Migrate::new(Directory::new(Knows::Resolved, &MALLORY), new)).await, 10);
    }
}

#[tokio::test]
async fn guesses_at_a_name_do_not_lock_its_owner_in_a_later_directory_t10() {
    let alice = Directory::new(Knows::ByName, &[("alice", "A")]);
    let users = FirstOf::new(alice).then(Directory::new(Knows::Resolved, &MALLORY));
    let house = House::with(users, counted_by(MemoryLimiter::new()), Default::default()).await;
    for guess in 0..12 {
        house.log_in("alice", &format!("x{guess}")).await;
    }
    assert_eq!(house.log_in("alice", "A").await.status, 429);
    house.log_in("mallory", "M").await.assert_ok();
}

/// All directories over two names, with and without two ids of their own.
fn all_directories(ids: [&str; 2]) -> Vec<Directory> {
    let one = |name| [None, Some((name, ids[0])), Some((name, ids[1]))];
    let mut all = Vec::new();
    for knows in [Knows::ByName, Knows::Resolved] {
        for a in one("a") {
            for b in one("b") {
                all.push(Directory::new(knows, &a.into_iter().chain(b).collect::<Vec<_>>()));
            }
        }
    }
    all
}

/// Two names have one key only if one account stands behind both.
async fn assert_no_key_is_shared(users: &impl CredentialVerifier, in_order: &[&Directory]) {
    let owner = |name| in_order.iter().find_map(|directory| directory.find(name));
    let keys = [users.account_key("a", None).await.unwrap(), users.account_key("b", None).await.unwrap()];
    if keys[0] == keys[1] {
        assert!(owner("a").is_some() && owner("a") == owner("b"), "{:?} {:?}", owner("a"), owner("b"));
    }
}

#[tokio::test]
async fn no_two_accounts_have_one_key_however_their_directories_know_names_t8() {
    let [first, second, third] = [["1", "2"], ["3", "4"], ["5", "6"]].map(all_directories);
    for a in &first {
        for b in &second {
            for c in &third {
                let users = FirstOf::new(a.clone()).then(b.clone()).then(c.clone());
                assert_no_key_is_shared(&users, &[a, b, c]).await;
            }
        }
        // An id is one account, in the old directory and in the new one.
        for old in &first {
            assert_no_key_is_shared(&Migrate::new(old.clone(), a.clone()), &[a, old]).await;
        }
    }
}

#[tokio::test]
async fn no_move_changes_a_key_however_both_directories_know_names_t8() {
    let all = all_directories(["1", "2"]);
    for (old, new) in all.iter().flat_map(|old| all.iter().map(move |new| (old, new))) {
        let (Some(id), None) = (old.find("a"), new.find("a")) else { continue };
        let mut moved = new.clone();
        moved.ids.insert("a".to_owned(), id.clone());
        let [before, after] = [new.clone(), moved].map(|new| Migrate::new(old.clone(), new));
        assert_eq!(before.account_key("a", None).await.unwrap(), after.account_key("a", None).await.unwrap());
    }
}

const NOT_MOVED: &str = "the login name belongs to another user in the old directory";

/// An endpoint that moves users from this directory to a store.
async fn moving(old: Directory, store: &SqliteStore) -> House {
    let new = Argon2Verifier::builder(store.clone()).parameters(cheap()).threads(1).build().unwrap();
    House::over(Migrate::new(old, new)).await
}

async fn users(store: &SqliteStore) -> Vec<String> {
    let users = store.users("", 9).await.unwrap();
    users.iter().map(|user| format!("{} {:?}", user.id(), user.names())).collect()
}

#[tokio::test]
async fn no_import_takes_a_name_that_is_another_users_in_the_old_directory_t1() {
    for spelling in ["Fiona", "\u{fb01}ona", "fiona\u{200b}", "fiona "] {
        let folder = Folder::new();
        let store = folder.store();
        let old = Directory::new(Knows::Exactly, &[("fiona", "F"), (spelling, "M")]);
        let house = moving(old, &store).await;
        let (capture, _guard) = Capture::listen();
        house.log_in(spelling, "M").await.assert_ok();
        assert!(capture.text().contains(NOT_MOVED), "{}", capture.text());
        assert!(users(&store).await.is_empty(), "{spelling:?}");
        house.log_in("fiona", "F").await.assert_ok();
        assert_eq!((house.last(), users(&store).await), ("F".to_owned(), vec![r#"F ["fiona"]"#.to_owned()]));
        house.log_in("fiona", "M").await.assert_error(400, "invalid_grant");
        store.close().await;
    }
}

#[tokio::test]
async fn an_old_password_does_not_come_back_under_a_name_that_may_not_move_t62() {
    let folder = Folder::new();
    let store = folder.store();
    let old = Directory::new(Knows::Exactly, &[("fiona", "F"), ("Fiona", "M"), ("mallory", "M")]);
    let house = moving(old, &store).await;
    house.log_in("mallory", "M").await.assert_ok();
    assert!(store.set_password_hash("M", Some(&hash_with(&cheap(), "another"))).await.unwrap());
    house.log_in("Fiona", "M").await.assert_error(400, "invalid_grant");
    house.log_in("mallory", "another").await.assert_ok();
    store.close().await;
}

#[tokio::test]
async fn a_user_moves_under_any_spelling_that_no_other_user_has() {
    for (knows, old) in [
        (Knows::Exactly, &[("Fiona", "F")][..]),
        (Knows::Exactly, &[("Fiona", "F"), ("fiona", "F")]),
        (Knows::Resolved, &[("fiona", "F"), ("mallory", "M")]),
        (Knows::ByName, &[("fiona", "F")]),
    ] {
        let folder = Folder::new();
        let store = folder.store();
        let house = moving(Directory::new(knows, old), &store).await;
        house.log_in("Fiona", "F").await.assert_ok();
        assert_eq!(users(&store).await, [r#"F ["fiona"]"#]);
        store.close().await;
    }
}
