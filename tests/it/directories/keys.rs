//! On which account an attempt counts that several directories decide on.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use tower_password_grant::limiter::MemoryLimiter;
use tower_password_grant::realms::{FirstOf, Migrate, Realms};
use tower_password_grant::user::{AccountKey, AccountKeyKind};
use tower_password_grant::{CredentialVerifier, Denial, Subject, verify_fn};

use super::moving_fails::Receiver;
use super::world::{Account, House, Plain};
use crate::support::faults::{Ledger, Mode, Switch, Users};
use crate::support::protection::counted_by;

fn knowing(id: &str) -> Plain {
    Plain::default().with("alice", Account::new(id, "correct horse"))
}

/// A directory that resolves no names.
fn nameless() -> impl CredentialVerifier {
    verify_fn(|_| async { Ok(Denial::UnknownUser.into()) })
}

async fn key(users: impl CredentialVerifier) -> (AccountKeyKind, String) {
    let key: AccountKey<'_> = users.account_key(" ALICE", None).await.unwrap();
    (key.kind(), key.as_str().to_owned())
}

#[tokio::test]
async fn the_key_is_that_of_the_directory_which_decides_t8_t9() {
    use AccountKeyKind::{Name, Phantom, Resolved};
    let none = Plain::default;
    for (users, kind, text) in [
        (FirstOf::new(knowing("one")).then(knowing("two")), Resolved, "one"),
        (FirstOf::new(none()).then(knowing("two")), Resolved, "two"),
        (FirstOf::new(none()).then(none()), Phantom, "alice"),
        // It may be the first that has the name: the key is not that of another account behind it.
        (FirstOf::new(nameless()).then(knowing("two")), Name, "alice"),
        (FirstOf::new(knowing("one")).then(nameless()), Resolved, "one"),
        (FirstOf::new(nameless()).then(none()), Name, "alice"),
        (FirstOf::new(none()).then(nameless()), Name, "alice"),
        (FirstOf::new(nameless()).then(nameless()), Name, "alice"),
        (FirstOf::new(none()).then(nameless()).then(knowing("three")), Name, "alice"),
        (FirstOf::new(none()).then(none()).then(knowing("three")), Resolved, "three"),
        (FirstOf::new(knowing("only")), Resolved, "only"),
    ] {
        assert_eq!(key(users).await, (kind, text.to_owned()));
    }
}

/// A new directory that has alice, or nobody.
fn new_with(alice: bool) -> Receiver {
    let new = Receiver::default();
    if alice {
        new.users.set("alice", Account::new("user-1", "correct horse"));
    }
    new
}

#[tokio::test]
async fn a_move_does_not_change_the_key_of_an_account_t8() {
    use AccountKeyKind::{Name, Phantom, Resolved};
    for is_moved in [false, true] {
        let over = |old: Arc<dyn CredentialVerifier>| key(Migrate::new(old, new_with(is_moved)));
        assert_eq!(over(Arc::new(nameless())).await, (Name, "alice".to_owned()), "{is_moved}");
        assert_eq!(over(Arc::new(knowing("user-1"))).await, (Resolved, "user-1".to_owned()), "{is_moved}");
        // The new directory decides on a name that it has. It may be somebody else's there.
        let deciding = if is_moved { "user-1" } else { "old" };
        assert_eq!(over(Arc::new(knowing("old"))).await, (Resolved, deciding.to_owned()), "{is_moved}");
    }
    for (is_there, kind, text) in [(true, Resolved, "user-1"), (false, Phantom, "alice")] {
        assert_eq!(key(Migrate::new(Plain::default(), new_with(is_there))).await, (kind, text.to_owned()));
    }
}

/// A directory by name alone, which has `alice`.
fn by_name() -> impl CredentialVerifier {
    verify_fn(|attempt| async move {
        Ok(match (attempt.username(), attempt.password().expose()) {
            ("alice", "correct horse") => Subject::new("user-1").into(),
            ("alice", _) => Denial::WrongPassword.into(),
            _ => Denial::UnknownUser.into(),
        })
    })
}

#[tokio::test]
async fn failures_and_locks_of_before_a_move_count_after_it_t11() {
    const HOME: &str = "192.0.2.1";
    const HOSTILE: [&str; 2] = ["198.51.100.1", "198.51.100.2"];
    let new = Receiver::default();
    let protection = counted_by(MemoryLimiter::new());
    let house = House::with(Migrate::new(by_name(), new.clone()), protection, Default::default()).await;
    let guess = async |peer: usize, guess: usize| {
        house.log_in_from(HOSTILE[peer], "alice", &format!("x{guess}")).await.status.as_u16()
    };
    for number in 0..10 {
        assert_eq!(guess(0, number).await, 400);
    }
    for number in 0..4 {
        assert_eq!(guess(1, number).await, 400);
    }
    house.log_in_from(HOME, "alice", "correct horse").await.assert_ok();
    assert_eq!(new.import.calls(), 1, "she has moved");
    assert_eq!(guess(0, 10).await, 429, "the lock of this address holds on");
    for number in 4..10 {
        assert_eq!(guess(1, number).await, 400);
    }
    assert_eq!(guess(1, 10).await, 429, "ten guesses, four of them before the move");
    house.log_in_from(HOME, "alice", "correct horse").await.assert_ok();
}

#[tokio::test]
async fn each_directory_is_asked_for_its_key_whichever_has_the_name() {
    let second = Users { verify: Switch::new(), key: Switch::new(), ..Users::new() };
    let users = FirstOf::new(knowing("one")).then(second.clone());
    for name in ["alice", "nobody"] {
        let before = second.key.calls.load(SeqCst);
        assert!(users.account_key(name, None).await.is_ok());
        assert_eq!(second.key.calls.load(SeqCst), before + 1, "{name}");
    }
    second.key.set(Mode::Unavailable);
    for name in ["alice", "nobody"] {
        assert!(users.account_key(name, None).await.is_err(), "{name}: no time and no answer tells them apart");
    }
}

#[tokio::test]
async fn an_attempt_is_charged_once_however_many_directories_look_at_it() {
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let second = Plain::default().with("bob", Account::new("two", "correct horse"));
    let users = FirstOf::new(knowing("one")).then(second).then(Plain::default());
    let house = House::with(users, counted_by(ledger.clone()), Default::default()).await;
    for (count, (name, password)) in
        (1..).zip([("alice", "wrong"), ("alice", "correct horse"), ("bob", "correct horse"), ("nobody", "wrong")])
    {
        house.log_in(name, password).await;
        assert_eq!(ledger.book().account.made, count, "{name} {password}");
    }
}

#[tokio::test]
async fn the_budget_of_an_account_is_one_in_whichever_directory_it_is() {
    let second = Plain::default()
        .with("bob", Account::new("two", "correct horse"))
        .with("bob@example.org", Account::new("two", "correct horse"));
    let users = FirstOf::new(knowing("one")).then(second);
    let protection = counted_by(MemoryLimiter::new());
    let house = House::with(users, protection, Default::default()).await;
    for guess in 0..10 {
        let name = if guess % 2 == 0 { "bob" } else { "bob@example.org" };
        house.log_in(name, &format!("x{guess}")).await.assert_error(400, "invalid_grant");
    }
    for name in ["bob", "bob@example.org"] {
        assert_eq!(house.log_in(name, "correct horse").await.status, 429, "{name}");
    }
    house.log_in("alice", "correct horse").await.assert_ok();
}

#[test]
fn the_known_realms_are_those_of_each_directory_that_has_a_list() {
    let realms =
        |names: &[&str]| names.iter().fold(Realms::new(), |realms, name| realms.realm(name, Plain::default()).unwrap());
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    assert_eq!(FirstOf::new(Plain::default()).then(nameless()).realms(), None);
    assert_eq!(FirstOf::new(realms(&["a", "b"])).then(Plain::default()).realms(), list(&["a", "b"]));
    assert_eq!(FirstOf::new(realms(&["a", "b"])).then(realms(&["b", "c"])).realms(), list(&["b"]));
    assert_eq!(Migrate::new(realms(&["a"]), Receiver::default()).realms(), list(&["a"]));
}
