//! An import that fails: the login goes on, an event says so, and the next login tries again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use async_trait::async_trait;
use rusqlite::Connection;
use tower_password_grant::MaybeFuture;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::realms::{ImportedUser, Migrate, UserImport};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{LoginName, NewUser, StoredUser, UserInsert, UserStore};
use tower_password_grant::user::{AccountKey, Recheck};
use tower_password_grant::{Attempt, BackendError, CredentialVerifier, Subject, Verdict};

use super::world::{Account, House, Plain};
use crate::support::argon2_users::cheap;
use crate::support::capture::Capture;
use crate::support::diverted::{Diverted, Entrance, Newcomer};
use crate::support::faults::{FAILURES, Mode, Switch};
use crate::support::folder::Folder;
use crate::support::panics;

const RIGHT: &str = "a canary as a password";
const EVENT: &str = "a user could not be moved to the new directory";

/// A directory that takes users into a [`Plain`] one, or fails to.
#[derive(Clone)]
pub struct Receiver {
    pub users: Plain,
    pub import: Switch,
    recheck: Switch,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { users: Plain::default(), import: Switch::new(), recheck: Switch::new() }
    }
}

#[async_trait]
impl CredentialVerifier for Receiver {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.users.verify(attempt).await
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        self.users.account_key(username, realm)
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        self.recheck.pass().await?;
        self.users.recheck(login).await
    }
}

#[async_trait]
impl UserImport for Receiver {
    async fn import(&self, user: ImportedUser) -> Result<Option<Subject>, BackendError> {
        assert_eq!(format!("{user:?}"), r#"ImportedUser { subject: Subject { id: "user-1", .. }, .. }"#);
        self.import.pass().await?;
        let subject = user.subject().clone();
        self.users.set(user.username(), Account::new(subject.id(), user.password().expose()));
        Ok(Some(subject))
    }
}

fn old() -> Plain {
    Plain::default().with("alice", Account::new("user-1", RIGHT))
}

#[track_caller]
fn assert_told(capture: &Capture, is_told: bool) {
    let events = capture.events();
    let told: Vec<_> = events.iter().filter(|event| event.field("message") == Some(EVENT)).collect();
    assert_eq!(told.len(), usize::from(is_told), "{}", capture.text());
    assert!(told.iter().all(|event| event.field("subject") == Some("user-1")));
    assert!(!capture.text().contains("canary") && !capture.text().contains("alice"), "{}", capture.text());
    capture.clear();
}

#[tokio::test(start_paused = true)]
async fn an_import_that_fails_in_any_way_fails_no_login_and_is_tried_again() {
    panics::quiet();
    for mode in FAILURES.map(|(mode, ..)| mode).into_iter().chain([Mode::Stuck]) {
        let (new, old) = (Receiver::default(), old());
        let house = House::over(Migrate::new(old.clone(), new.clone())).await;
        let (capture, _guard) = Capture::listen();
        new.import.set(mode);
        for _ in 0..2 {
            house.log_in_directly("alice", RIGHT).await.assert_ok();
            assert_eq!((house.last().as_str(), old.asked().len()), ("user-1", 1), "{mode:?}");
            assert_told(&capture, true);
        }
        new.import.set(Mode::Work);
        for _ in 0..2 {
            house.log_in_directly("alice", RIGHT).await.assert_ok();
            assert_told(&capture, false);
        }
        assert_eq!((new.import.calls(), old.asked().len()), (3, 1), "{mode:?}: moved by the third");
    }
}

#[cfg(feature = "metrics")]
#[tokio::test(start_paused = true)]
async fn users_that_could_not_be_moved_are_counted_by_what_failed_and_by_nothing_of_theirs() {
    use crate::metrics::{recorder, value};

    let (recorder, handle) = recorder();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let new = Receiver::default();
    let house = House::over(Migrate::new(old(), new.clone())).await;
    for (mode, ..) in FAILURES {
        new.import.set(mode);
        house.log_in_directly("alice", RIGHT).await.assert_ok();
        // No move is tried.
        house.log_in_directly("alice", "wrong").await.assert_error(400, "invalid_grant");
    }
    let counted = |kind: &str| value(&handle.render(), &format!("oauth_user_move_failures_total{{kind=\"{kind}\"}}"));
    let expected = [("unavailable", Some(3)), ("overloaded", Some(1)), ("fault", Some(1)), ("user-1", None)];
    assert_eq!(expected.map(|(kind, _)| (kind, counted(kind))), expected);
    let series = |text: &str| text.lines().filter(|line| line.starts_with("oauth_user_move_failures_total")).count();
    assert_eq!(series(&handle.render()), 3);
    let moved = || value(&handle.render(), "oauth_user_moves_total");
    assert_eq!(moved(), None);
    new.import.set(Mode::Work);
    for _ in 0..2 {
        house.log_in_directly("alice", RIGHT).await.assert_ok();
        assert_eq!(moved(), Some(1));
    }
    assert_eq!(expected.map(|(kind, _)| (kind, counted(kind))), expected);
    let manual = include_str!("../../../src/manual/errors.md");
    for metric in ["oauth_user_moves_total", "oauth_user_move_failures_total"] {
        assert!(manual.contains(&format!("| `{metric}` |")), "{metric}");
    }
    assert!(manual.contains(&format!("| warn | `{EVENT}` |")));
}

/// An old directory that says yes to alice when somebody has just moved her, under this name and with this password.
fn old_of_one_who_moves(new: &Receiver, name: &'static str, password: &'static str) -> Plain {
    let (old, users) = (old(), new.users.clone());
    *old.before_yes.lock().unwrap() = Some(Arc::new(move || {
        users.set(name, Account::new("user-1", password));
        MaybeFuture::ready(())
    }));
    old
}

#[tokio::test(start_paused = true)]
async fn an_import_that_fails_lets_nobody_in_whom_the_new_directory_has_by_now_t62() {
    for (mode, ..) in FAILURES {
        for (name, password, outcome) in [
            ("alice", "another horse", "wrong_password"),
            ("alicia", RIGHT, "unknown_user"),
            ("alice", RIGHT, "user-1"),
        ] {
            let new = Receiver::default();
            new.import.set(mode);
            let house = House::over(Migrate::new(old_of_one_who_moves(&new, name, password), new.clone())).await;
            let answer = house.log_in_directly("alice", RIGHT).await;
            assert_eq!(house.last(), outcome, "{mode:?} {name} {password}");
            assert_eq!(answer.status == 200, outcome == "user-1", "{mode:?}");
        }
    }
}

/// A new directory that cannot be asked by an id.
struct Blind(Receiver);

#[async_trait]
impl CredentialVerifier for Blind {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.0.verify(attempt).await
    }
}

#[async_trait]
impl UserImport for Blind {
    async fn import(&self, user: ImportedUser) -> Result<Option<Subject>, BackendError> {
        self.0.import(user).await
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_recheck_of_the_new_directory_a_failed_import_is_no_login_and_the_next_one_is() {
    for (mode, ..) in FAILURES {
        let (capture, _guard) = Capture::listen();
        let new = Receiver::default();
        let old = old_of_one_who_moves(&new, "alicia", "another horse");
        let house = House::over(Migrate::new(old.clone(), Blind(new.clone()))).await;
        assert!(capture.text().contains("a login whose import fails is refused"), "{}", capture.text());
        new.import.set(mode);
        for _ in 0..2 {
            let answer = house.log_in_directly("alice", RIGHT).await;
            assert!(answer.status.is_server_error(), "{mode:?} {answer:?}");
        }
        *old.before_yes.lock().unwrap() = None;
        new.import.set(Mode::Work);
        house.log_in_directly("alice", RIGHT).await.assert_ok();
    }
}

#[tokio::test(start_paused = true)]
async fn if_nobody_can_tell_whether_the_new_directory_has_the_user_a_failed_import_is_no_login() {
    for (mode, status, code, _) in FAILURES {
        let new = Receiver::default();
        new.import.set(Mode::Unavailable);
        new.recheck.set(mode);
        let house = House::over(Migrate::new(old(), new)).await;
        house.log_in_directly("alice", RIGHT).await.assert_error(status, code);
    }
}

/// Adds users by another handle of the store, and counts how often it is asked to.
struct Other {
    inserts: SqliteStore,
    calls: Arc<AtomicUsize>,
}

#[async_trait]
impl Entrance for Other {
    async fn take(&self, _: &SqliteStore, newcomer: Newcomer<'_>) -> Result<bool, BackendError> {
        self.calls.fetch_add(1, SeqCst);
        newcomer.enter(&self.inserts).await
    }
}

/// The rows of both tables of users.
fn rows(folder: &Folder) -> (i64, i64) {
    let file = Connection::open(folder.file()).unwrap();
    let count = |sql: &str| file.query_row(sql, (), |row| row.get(0)).unwrap();
    (count("SELECT count(*) FROM users"), count("SELECT count(*) FROM user_names"))
}

/// Looks users up in one handle of a store, and adds them by another, which is asked so often.
async fn house(looks: &SqliteStore, inserts: &SqliteStore, calls: &Arc<AtomicUsize>) -> House {
    let entrance = Other { inserts: inserts.clone(), calls: Arc::clone(calls) };
    let split = Diverted { store: looks.clone(), entrance };
    let new = Argon2Verifier::builder(split).parameters(cheap()).threads(1).build().unwrap();
    House::over(Migrate::new(old(), new)).await
}

#[tokio::test]
async fn a_full_file_keeps_nothing_of_the_user_and_the_next_login_moves_it() {
    let folder = Folder::new();
    let store = folder.store();
    assert!(store.add_user(NewUser::new("user-9", "somebody")).await.unwrap());
    // No name has room from now on: a table that takes no second row is as full as a disk without space.
    let file = Connection::open(folder.file()).unwrap();
    file.execute_batch("CREATE UNIQUE INDEX full ON user_names ((1))").unwrap();
    let calls = Arc::<AtomicUsize>::default();
    let house = house(&store, &store, &calls).await;
    let (capture, _guard) = Capture::listen();
    house.log_in("alice", RIGHT).await.assert_ok();
    assert_told(&capture, true);
    assert_eq!((house.last().as_str(), rows(&folder)), ("user-1", (1, 1)), "not even the half of it");
    file.execute_batch("DROP INDEX full").unwrap();
    house.log_in("alice", RIGHT).await.assert_ok();
    assert_told(&capture, false);
    assert_eq!((calls.load(SeqCst), rows(&folder)), (2, (2, 2)));
    house.log_in("alice", RIGHT).await.assert_ok();
    assert_eq!(calls.load(SeqCst), 2);
    store.close().await;
}

#[tokio::test]
async fn a_store_that_is_closed_while_a_user_moves_fails_no_login() {
    let folder = Folder::new();
    let (looks, inserts) = (folder.store(), folder.store());
    inserts.close().await;
    let calls = Arc::<AtomicUsize>::default();
    let closed = house(&looks, &inserts, &calls).await;
    let (capture, _guard) = Capture::listen();
    for count in 1..=2 {
        closed.log_in("alice", RIGHT).await.assert_ok();
        assert_told(&capture, true);
        assert_eq!((calls.load(SeqCst), rows(&folder)), (count, (0, 0)));
    }
    house(&looks, &looks, &calls).await.log_in("alice", RIGHT).await.assert_ok();
    assert_told(&capture, false);
    assert_eq!(rows(&folder), (1, 1));
    looks.close().await;
}

/// A column that holds 60 characters.
struct Short(SqliteStore, Arc<AtomicUsize>);

#[async_trait]
impl UserStore for Short {
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        UserStore::find(&self.0, login, realm).await
    }

    async fn find_by_id(&self, user_id: &str, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        self.0.find_by_id(user_id, realm).await
    }

    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        self.0.save_hash(user_id, old_hash, new_hash).await
    }
}

#[async_trait]
impl UserInsert for Short {
    async fn insert_user(
        &self,
        user: &StoredUser,
        login: &LoginName<'_>,
        realm: Option<&str>,
    ) -> Result<bool, BackendError> {
        self.1.fetch_add(1, SeqCst);
        let hash = user.password_hash().map(|hash| hash[..60].to_owned());
        self.0.insert_user(&user.clone().with_password_hash(hash), login, realm).await
    }
}

#[tokio::test]
async fn a_store_that_cuts_hashes_takes_one_user_and_no_more_t38() {
    let folder = Folder::new();
    let (store, calls) = (folder.store(), Arc::<AtomicUsize>::default());
    let new = Argon2Verifier::builder(Short(store.clone(), Arc::clone(&calls))).parameters(cheap()).threads(1);
    let new = Arc::new(new.build().unwrap());
    let old = old().with("bob", Account::new("user-2", RIGHT)).with("carl", Account::new("user-3", RIGHT));
    let house = House::over(Migrate::new(old, Arc::clone(&new))).await;
    let (capture, _guard) = Capture::listen();
    // Hers is no hash any more, so nobody logs in as her.
    house.log_in("alice", RIGHT).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last(), "unusable_hash");
    for name in ["bob", "carl", "bob", "carl"] {
        house.log_in(name, RIGHT).await.assert_ok();
    }
    assert_eq!((calls.load(SeqCst), rows(&folder), new.stats().failed_saves), (1, (1, 1), 1));
    assert!(capture.text().contains("its column must hold 255 characters"), "{}", capture.text());
    store.close().await;
}
