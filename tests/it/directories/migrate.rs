//! `Migrate`: users move from an old directory into a SQLite store with Argon2 hashes, each at a login.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Barrier;
use tower_password_grant::MaybeFuture;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::realms::{Migrate, Realms, UserImport};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    LoginName, MemoryRefreshTokens, NewUser, StoredUser, UserEntry, UserStatus, UserStore,
};
use tower_password_grant::{BackendError, CredentialVerifier, Denial, Subject, verify_fn};

use super::world::{Account, House, Plain, face, roomy};
use crate::support::argon2_users::{cheap, hash_with};
use crate::support::capture::Capture;
use crate::support::diverted::{Diverted, Entrance, Newcomer};
use crate::support::folder::Folder;
use crate::support::spawn;

const RIGHT: &str = "correct horse";
const MOVED: &str = "a user was moved to the new directory";

/// Counts the users that the store takes, and those that it does not.
#[derive(Clone, Default)]
struct Counting {
    added: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

#[async_trait]
impl Entrance for Counting {
    async fn take(&self, store: &SqliteStore, newcomer: Newcomer<'_>) -> Result<bool, BackendError> {
        let is_added = newcomer.enter(store).await?;
        if is_added { &self.added } else { &self.refused }.fetch_add(1, SeqCst);
        Ok(is_added)
    }
}

impl Counting {
    fn counts(&self) -> (usize, usize) {
        (self.added.load(SeqCst), self.refused.load(SeqCst))
    }
}

/// An old directory with `alice`, a new one with nobody, and an endpoint over both.
struct Move {
    old: Plain,
    store: SqliteStore,
    moved: Counting,
    new: Arc<Argon2Verifier<Diverted<Counting>>>,
    refresh: Arc<MemoryRefreshTokens>,
    house: House,
    /// Removed when all is closed.
    _folder: Folder,
}

impl Move {
    async fn new() -> Self {
        Self::from(Plain::default().with("alice", Account::new("user-1", RIGHT))).await
    }

    async fn from(old: Plain) -> Self {
        let folder = Folder::new();
        let store = folder.store();
        let moved = Counting::default();
        let counting = Diverted { store: store.clone(), entrance: moved.clone() };
        let new = Argon2Verifier::builder(counting).parameters(cheap()).threads(2);
        let new = Arc::new(new.queue_capacity(256).queue_percent_per_address(100).build().unwrap());
        let refresh = Arc::new(MemoryRefreshTokens::new());
        let moving = Migrate::new(old.clone(), Arc::clone(&new));
        let house = House::with(moving, roomy(), Arc::clone(&refresh)).await;
        Self { old, store, moved, new, refresh, house, _folder: folder }
    }

    /// The users of the new directory.
    async fn users(&self) -> Vec<String> {
        let users = self.store.users("", 100).await.unwrap();
        let row =
            |user: &UserEntry| format!("{} {:?} {:?} {}", user.id(), user.realm(), user.names(), user.has_password());
        users.iter().map(row).collect()
    }

    /// What the old directory was asked about the name in earnest, and about nobody.
    fn asked(&self, name: &str) -> (usize, usize) {
        let asked = self.old.asked();
        let in_earnest = asked.iter().filter(|(asked, _)| asked == name).count();
        (in_earnest, asked.len() - in_earnest)
    }

    async fn log_in(&self, name: &str, password: &str, expected: &str) {
        let answer = self.house.log_in(name, password).await;
        assert_eq!(self.house.last(), expected, "{answer:?}");
        assert_eq!(answer.status == 200, expected == "user-1", "{answer:?}");
    }
}

#[tokio::test]
async fn a_user_moves_at_the_first_login_and_is_decided_by_the_new_directory_alone_from_then_on() {
    let scene = Move::new().await;
    let before = scene.new.stats().hashes;
    scene.log_in("alice", RIGHT, "user-1").await;
    assert_eq!(scene.asked("alice"), (1, 0));
    assert_eq!(scene.new.stats().hashes, before + 2, "one for a name that the new one did not know, one to keep");
    assert_eq!(scene.users().await, [r#"user-1 None ["alice"] true"#]);
    scene.log_in(" ALICE", RIGHT, "user-1").await;
    assert_eq!((scene.asked("alice"), scene.new.stats().hashes), ((0, 0), before + 3));
    scene.old.set("alice", Account::new("user-1", "another horse"));
    scene.log_in("alice", "another horse", "wrong_password").await;
    assert_eq!(scene.asked("alice"), (0, 1));
    scene.log_in("alice", RIGHT, "user-1").await;
    assert_eq!(scene.moved.counts(), (1, 0));
    scene.store.close().await;
}

#[tokio::test]
async fn each_user_who_moves_is_told_by_an_event_once_with_the_realm() {
    let scene = Move::new().await;
    scene.old.set("bob", Account::new("user-2", RIGHT));
    let (capture, _guard) = Capture::listen();
    let told = || capture.text().lines().filter(|line| line.contains(MOVED)).map(str::to_owned).collect::<Vec<_>>();
    scene.log_in("alice", "wrong", "wrong_password").await;
    assert!(told().is_empty(), "{:?}", told());
    for _ in 0..2 {
        scene.log_in("alice", RIGHT, "user-1").await;
        scene.house.log_in_by("staff", "bob", RIGHT).await.assert_ok();
    }
    let lines = told();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (first, second) = (&lines[0], &lines[1]);
    assert!(first.contains("subject=user-1") && !first.contains("realm"), "{first}");
    assert!(second.contains("subject=user-2") && second.contains("realm=\"acme\""), "{second}");
    assert!(lines.iter().all(|line| line.contains(" INFO ") && !line.contains(RIGHT)), "{lines:?}");
    assert!(include_str!("../../../src/manual/errors.md").contains(&format!("| info | `{MOVED}` |")));
    scene.store.close().await;
}

#[tokio::test]
async fn a_password_that_was_changed_in_the_new_directory_never_falls_back_to_the_old_one() {
    let scene = Move::new().await;
    scene.log_in("alice", RIGHT, "user-1").await;
    let changed = hash_with(&cheap(), "another horse");
    assert!(scene.store.set_password_hash("user-1", Some(&changed)).await.unwrap());
    scene.log_in("alice", RIGHT, "wrong_password").await;
    scene.log_in("alice", "another horse", "user-1").await;
    for status in [UserStatus::Disabled, UserStatus::Locked] {
        assert!(scene.store.set_user_status("user-1", status).await.unwrap());
        scene.house.log_in("alice", RIGHT).await.assert_error(400, "invalid_grant");
        assert_eq!(scene.house.last(), "wrong_password");
    }
    assert!(scene.store.set_user_status("user-1", UserStatus::Active).await.unwrap());
    assert!(scene.store.set_password_hash("user-1", None).await.unwrap());
    scene.log_in("alice", RIGHT, "wrong_password").await;
    assert_eq!(scene.asked("alice").0, 1, "only before the move");
    scene.store.close().await;
}

#[tokio::test]
async fn an_old_password_does_not_come_back_under_a_name_that_its_user_gave_up() {
    let scene = Move::new().await;
    scene.log_in("alice", RIGHT, "user-1").await;
    assert!(scene.store.set_user_names("user-1", ["alicia"]).await.unwrap());
    let changed = hash_with(&cheap(), "another horse");
    assert!(scene.store.set_password_hash("user-1", Some(&changed)).await.unwrap());
    let (capture, _guard) = Capture::listen();
    scene.house.log_in("alice", RIGHT).await.assert_error(400, "invalid_grant");
    assert_eq!(scene.house.last(), "unknown_user");
    assert!(capture.text().contains("the new directory has another login name for the id"), "{}", capture.text());
    scene.log_in("alicia", "another horse", "user-1").await;
    assert_eq!(scene.users().await, [r#"user-1 None ["alicia"] true"#]);
    scene.store.close().await;
}

#[tokio::test]
async fn who_is_moved_and_changed_while_the_old_directory_says_yes_is_decided_by_the_new_one() {
    for (password, status, reason) in [
        ("another horse", UserStatus::Active, "wrong_password"),
        (RIGHT, UserStatus::Disabled, "disabled"),
        (RIGHT, UserStatus::Active, "user-1"),
    ] {
        let scene = Move::new().await;
        let store = scene.store.clone();
        let user = NewUser::new("user-1", "alice").with_status(status.clone());
        let user = user.with_password_hash(hash_with(&cheap(), password)).with_credential_version(4);
        *scene.old.before_yes.lock().unwrap() = Some(Arc::new(move || {
            let (store, user) = (store.clone(), user.clone());
            MaybeFuture::new(async move { assert!(store.add_user(user).await.unwrap()) })
        }));
        scene.log_in("alice", RIGHT, reason).await;
        assert_eq!(scene.moved.counts(), (0, 1), "{password} {status:?}");
        scene.store.close().await;
    }
}

#[tokio::test]
async fn every_denial_costs_the_same_in_both_directories_and_imports_nobody_t7() {
    let scene = Move::new().await;
    let mut disabled = Account::new("user-2", RIGHT);
    disabled.denial = Some(Denial::Disabled);
    scene.old.set("dora", disabled);
    scene.log_in("alice", RIGHT, "user-1").await;
    let locked = NewUser::new("user-3", "lea").with_status(UserStatus::Locked);
    assert!(scene.store.add_user(locked.with_password_hash(hash_with(&cheap(), RIGHT))).await.unwrap());
    scene.old.set("bob", Account::new("user-4", RIGHT));
    scene.old.asked();
    let mut faces = BTreeSet::new();
    for (name, password, reason) in [
        ("alice", "wrong", "wrong_password"),
        ("lea", RIGHT, "locked"),
        ("bob", "wrong", "wrong_password"),
        ("dora", RIGHT, "disabled"),
        ("dora", "wrong", "wrong_password"),
        ("nobody", "wrong", "unknown_user"),
    ] {
        let before = scene.new.stats().hashes;
        let answer = scene.house.log_in(name, password).await;
        answer.assert_error(400, "invalid_grant");
        let cost = (scene.new.stats().hashes - before, scene.old.asked().len());
        assert_eq!((scene.house.last().as_str(), cost), (reason, (1, 1)), "{name} {password}");
        faces.insert(face(&answer));
    }
    assert_eq!(faces.len(), 1, "{faces:?}");
    assert_eq!(scene.users().await.len(), 2, "alice and lea");
    scene.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_logins_of_one_user_at_once_one_imports_and_all_succeed() {
    const LOGINS: usize = 64;
    let mut old = Plain::default();
    old.meeting = Some(Arc::new(Barrier::new(LOGINS)));
    let scene = Arc::new(Move::from(old.with("alice", Account::new("user-1", RIGHT))).await);
    let logins: Vec<_> = (0..LOGINS)
        .map(|_| {
            let scene = Arc::clone(&scene);
            spawn(async move { scene.house.log_in("alice", RIGHT).await })
        })
        .collect();
    for login in logins {
        login.await.unwrap().assert_ok();
    }
    assert_eq!(scene.moved.counts(), (1, LOGINS - 1));
    assert_eq!(scene.users().await, [r#"user-1 None ["alice"] true"#]);
    scene.log_in("alice", RIGHT, "user-1").await;
    assert_eq!(scene.asked("alice"), (LOGINS, 0));
    scene.store.close().await;
}

#[tokio::test]
async fn a_user_moves_within_the_realm_of_the_login() {
    let scene = Move::new().await;
    scene.house.log_in_by("staff", "alice", RIGHT).await.assert_ok();
    assert_eq!(scene.users().await, [r#"user-1 Some("acme") ["alice"] true"#]);
    scene.house.log_in_by("staff", "alice", RIGHT).await.assert_ok();
    assert_eq!(scene.asked("alice"), (1, 0), "it is found in its realm");
    scene.store.close().await;
}

#[tokio::test]
async fn a_user_moves_behind_a_realm_under_the_id_that_its_directory_gave() {
    let folder = Folder::new();
    let store = folder.store();
    let old = Plain::default().with("alice", Account::new("user-1", RIGHT));
    let new = Argon2Verifier::builder(store.clone()).parameters(cheap()).threads(1).build().unwrap();
    let realms = Realms::new().realm("acme", Migrate::new(old.clone(), new)).unwrap();
    let house = House::over(realms).await;
    for asked in [1, 0] {
        house.log_in_by("staff", "alice", RIGHT).await.assert_ok();
        assert_eq!((house.last().as_str(), old.asked().len()), ("acme|user-1", asked));
    }
    assert!(store.find_by_id("user-1", Some("acme")).await.unwrap().is_some());
    store.close().await;
}

/// An old table of hashes with `alice`, which must stay as it is.
struct OldTable {
    hash: String,
    saves: Arc<AtomicUsize>,
}

#[async_trait]
impl UserStore for OldTable {
    async fn find(&self, login: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let alice = || StoredUser::new("user-1").with_password_hash(self.hash.clone());
        Ok((login.canonical() == "alice").then(alice))
    }

    async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> {
        self.saves.fetch_add(1, SeqCst);
        Ok(false)
    }
}

#[tokio::test]
async fn a_user_of_an_old_table_that_saves_no_hash_moves_without_a_complaint() {
    let (capture, _guard) = Capture::listen();
    let folder = Folder::new();
    let store = folder.store();
    let saves = Arc::new(AtomicUsize::new(0));
    let outdated =
        OldTable { hash: hash_with(&Argon2Parameters::new(32, 1, 1).unwrap(), RIGHT), saves: Arc::clone(&saves) };
    let old = Arc::new(Argon2Verifier::builder(outdated).parameters(cheap()).threads(1).build().unwrap());
    let new = Argon2Verifier::builder(store.clone()).parameters(cheap()).threads(1).build().unwrap();
    let house = House::over(Migrate::new(Arc::clone(&old), new)).await;
    capture.clear();
    for _ in 0..2 {
        house.log_in("alice", RIGHT).await.assert_ok();
    }
    assert_eq!(saves.load(SeqCst), 1, "the second login is decided by the new directory");
    assert_eq!((old.stats().failed_saves, store.users("", 10).await.unwrap().len()), (0, 1));
    assert!(capture.events().iter().all(|said| said.level > tracing::Level::WARN), "{:?}", capture.events());
    store.close().await;
}

#[tokio::test]
async fn one_whose_scope_the_old_directory_narrows_does_not_move_so_that_no_later_login_has_more() {
    let mut account = Account::new("user-1", RIGHT);
    account.scope = Some("read".to_owned());
    let scene = Move::from(Plain::default().with("alice", account)).await;
    let (capture, _guard) = Capture::listen();
    for _ in 0..2 {
        let answer = scene.house.log_in("alice", RIGHT).await.assert_ok();
        assert_eq!(answer["scope"], "read");
    }
    assert!(capture.text().contains("narrows the scope of this user"), "{}", capture.text());
    assert!(scene.users().await.is_empty());
    scene.store.close().await;
}

#[tokio::test]
async fn logins_from_before_the_move_go_on_if_the_new_directory_can_keep_their_version_t62() {
    for (version, status) in [(Some("7"), 200), (None, 400), (Some("of yesterday"), 400)] {
        let mut account = Account::new("user-1", RIGHT);
        account.version = version.map(str::to_owned);
        let scene = Move::from(Plain::default().with("alice", account)).await;
        let before = House::with(scene.old.clone(), roomy(), Arc::clone(&scene.refresh)).await;
        let unmoved = before.refresh_token("alice", RIGHT).await;
        scene.house.refresh(&unmoved).await.assert_ok();
        let unmoved = before.refresh_token("alice", RIGHT).await;

        let moved = scene.house.refresh_token("alice", RIGHT).await;
        assert_eq!(scene.users().await.len(), 1);
        assert_eq!(scene.house.refresh(&unmoved).await.status, status, "{version:?}");
        scene.house.refresh(&moved).await.assert_ok();
        let moved = scene.house.refresh_token("alice", RIGHT).await;
        let changed = hash_with(&cheap(), "another horse");
        assert!(scene.store.set_password_hash("user-1", Some(&changed)).await.unwrap());
        scene.house.refresh(&moved).await.assert_error(400, "invalid_grant");
        scene.store.close().await;
    }
}

#[tokio::test]
async fn a_closure_will_do_for_the_old_directory() {
    let folder = Folder::new();
    let store = folder.store();
    let old = verify_fn(|attempt| async move {
        Ok(match (attempt.username(), attempt.password().expose()) {
            ("alice", RIGHT) => Subject::new("user-1").into(),
            ("alice", _) => Denial::WrongPassword.into(),
            _ => Denial::UnknownUser.into(),
        })
    });
    let new = Argon2Verifier::builder(store.clone()).parameters(cheap()).threads(1).build().unwrap();
    let house = House::over(Migrate::new(old, new)).await;
    house.log_in("alice", "wrong").await.assert_error(400, "invalid_grant");
    let token = house.refresh_token("alice", RIGHT).await;
    assert_eq!(store.users("", 9).await.unwrap().len(), 1);
    // The new directory rechecks, so the old one need not.
    house.refresh(&token).await.assert_ok();
    store.close().await;
}

#[tokio::test]
async fn a_login_dropped_at_any_of_its_polls_leaves_its_user_whole_or_in_the_old_directory() {
    let scene = Move::new().await;
    let mut cx = Context::from_waker(Waker::noop());
    let mut moved = 0;
    for polls in 0..24 {
        let (name, id) = (format!("user{polls}"), format!("id-{polls}"));
        scene.old.set(&name, Account::new(&id, RIGHT));
        let mut login = Box::pin(scene.house.log_in_directly(&name, RIGHT));
        for _ in 0..polls {
            if login.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            // Gives the threads the time to answer, so that later polls get further.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(login);
        // A write that was on its way is done before this one.
        assert!(!scene.store.end_logins("nobody").await.unwrap());
        let found = UserStore::find(&scene.store, &LoginName::new(&name), None).await.unwrap();
        let by_id = scene.store.find_by_id(&id, None).await.unwrap();
        assert_eq!(found.is_some(), by_id.is_some(), "{polls}");
        moved += usize::from(found.is_some());
        scene.old.asked();
        scene.house.log_in(&name, RIGHT).await.assert_ok();
        assert_eq!(scene.old.asked().len(), usize::from(found.is_none()), "{polls}");
    }
    assert!((1..24).contains(&moved), "{moved}: some logins got that far, and some did not");
    scene.store.close().await;
}

#[tokio::test]
async fn a_verifier_in_an_arc_and_one_by_value_both_take_users() {
    fn takes(_: impl CredentialVerifier + UserImport) {}
    let folder = Folder::new();
    let make = |store: SqliteStore| Argon2Verifier::builder(store).parameters(cheap()).threads(1).build().unwrap();
    let store = folder.store();
    takes(make(store.clone()));
    takes(Arc::new(make(store.clone())));
    let over_arc = Argon2Verifier::builder(Arc::new(store.clone())).parameters(cheap()).threads(1).build().unwrap();
    takes(over_arc);
    store.close().await;
}
