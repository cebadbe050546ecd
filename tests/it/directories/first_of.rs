//! `FirstOf`: which directory decides, what each denial costs, and what the others are asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::realms::FirstOf;
use tower_password_grant::store::UserStatus;
use tower_password_grant::testing::attempt;
use tower_password_grant::{CredentialVerifier, Denial, Subject, Verdict, verify_fn};

use super::world::{Account, House, Plain, face};
use crate::support::Answer;
use crate::support::argon2_users::{Users, cheap, hash_with};

/// Two tables of users with Argon2 hashes, one behind the other.
struct Two {
    tables: [Arc<Users>; 2],
    verifiers: [Arc<Argon2Verifier<Arc<Users>>>; 2],
    house: House,
}

/// The hashes and the look-ups of a login in each table.
type Cost = [(u64, usize); 2];

impl Two {
    /// `alice` is in both, with another password in the second.
    async fn new() -> Self {
        let tables = [(); 2].map(|()| Arc::new(Users::default()));
        let [first, second] = &tables;
        let hash = |password: &str| Some(hash_with(&cheap(), password));
        for (table, name, hash, status) in [
            (first, "alice", hash("correct horse"), UserStatus::Active),
            (first, "dora", hash("correct horse"), UserStatus::Disabled),
            (first, "ursula", Some("!".to_owned()), UserStatus::Active),
            (first, "norma", None, UserStatus::Active),
            (second, "alice", hash("old horse"), UserStatus::Active),
            (second, "bob", hash("correct horse"), UserStatus::Active),
            (second, "dave", hash("correct horse"), UserStatus::Locked),
        ] {
            table.set(name, hash, status);
        }
        let verifiers = tables
            .clone()
            .map(|users| Arc::new(Argon2Verifier::builder(users).parameters(cheap()).threads(1).build().unwrap()));
        let [first, second] = verifiers.clone();
        let house = House::over(FirstOf::new(first).then(second)).await;
        Self { tables, verifiers, house }
    }

    fn spent(&self) -> Cost {
        let spent = |at: usize| (self.verifiers[at].stats().hashes, self.tables[at].lookups.lock().unwrap().len());
        [spent(0), spent(1)]
    }

    async fn log_in(&self, name: &str, password: &str) -> (Answer, Cost) {
        let before = self.spent();
        let answer = self.house.log_in(name, password).await;
        let after = self.spent();
        let cost = [0, 1].map(|at| (after[at].0 - before[at].0, after[at].1 - before[at].1));
        (answer, cost)
    }
}

#[tokio::test]
async fn a_name_that_the_first_directory_knows_is_decided_by_it_alone() {
    let two = Two::new().await;
    let (answer, cost) = two.log_in("alice", "correct horse").await;
    answer.assert_ok();
    assert_eq!((two.house.last().as_str(), cost), ("id-alice", [(1, 3), (0, 1)]), "the second only gives its key");
    let (answer, _) = two.log_in("alice", "old horse").await;
    answer.assert_error(400, "invalid_grant");
    assert_eq!(two.house.last(), "wrong_password", "an old password does not live on in the second");
    let (answer, cost) = two.log_in(" BOB ", "correct horse").await;
    answer.assert_ok();
    assert_eq!((two.house.last().as_str(), cost), ("id-bob", [(1, 2), (1, 3)]));
}

#[tokio::test]
async fn every_denial_costs_the_same_in_each_directory_and_looks_the_same_t7() {
    let two = Two::new().await;
    let mut faces = BTreeSet::new();
    for (name, password, reason) in [
        ("alice", "wrong", "wrong_password"),
        ("alice", "old horse", "wrong_password"),
        ("dora", "correct horse", "disabled"),
        ("dora", "wrong", "wrong_password"),
        ("ursula", "wrong", "unusable_hash"),
        ("norma", "wrong", "wrong_password"),
        ("bob", "wrong", "wrong_password"),
        ("dave", "correct horse", "locked"),
        ("dave", "wrong", "wrong_password"),
        ("nobody", "wrong", "unknown_user"),
    ] {
        let (answer, cost) = two.log_in(name, password).await;
        assert_eq!((two.house.last().as_str(), cost), (reason, [(1, 2), (1, 2)]), "{name} {password}");
        answer.assert_error(400, "invalid_grant");
        faces.insert(face(&answer));
    }
    assert_eq!(faces.len(), 1, "{faces:?}");
}

#[tokio::test]
async fn the_directories_behind_a_denial_learn_neither_the_name_nor_the_password() {
    const NAME: &str = "Alice.From.Wonderland.7@example.org";
    let first = Plain::default().with(&NAME.to_lowercase(), Account::new("user-1", "correct horse"));
    let (second, third) = (Plain::default(), Plain::default());
    let house = House::over(FirstOf::new(first).then(second.clone()).then(third.clone())).await;
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        house.log_in(NAME, "correct house").await.assert_error(400, "invalid_grant");
        for directory in [&second, &third] {
            let asked = directory.asked();
            let [(name, password)] = asked.as_slice() else { panic!("asked once: {asked:?}") };
            // A directory that goes by the domain, or by the length, takes the same way as for the name itself.
            assert!(name.ends_with("@example.org") && name.len() == NAME.len(), "{name}");
            let form =
                |text: &str| text.replace(|c: char| c.is_alphabetic(), "").replace(|c: char| c.is_numeric(), "7");
            assert_eq!(form(name), "...7@.", "it has the form of the name");
            assert!(!name.contains("lice") && !name.contains("onderland"), "{name}");
            assert_eq!(password.len(), "correct house".len());
            seen.extend([name.clone(), password.clone()]);
        }
    }
    assert_eq!(seen.len(), 40, "no name and no password comes twice");
    assert!(!seen.contains("correct house"));
}

#[tokio::test]
async fn what_a_directory_says_about_nobody_changes_nothing() {
    let first = Plain::default().with("alice", Account::new("user-1", "correct horse"));
    let all = verify_fn(|_| async { Ok(Subject::new("anybody").into()) });
    let house = House::over(FirstOf::new(first).then(all)).await;
    house.log_in("alice", "wrong").await.assert_error(400, "invalid_grant");
    assert_eq!(house.last(), "wrong_password");
    house.log_in("bob", "wrong").await.assert_ok();
    assert_eq!(house.last(), "anybody");
}

#[tokio::test]
async fn a_verifier_is_given_the_facts_of_the_attempt_whichever_directory_it_is() {
    #[derive(Clone, Debug, PartialEq)]
    struct Tenant(u8);
    let sees = |is_last: bool| {
        verify_fn(move |attempt| async move {
            assert_eq!(attempt.client().id().as_str(), "test");
            assert_eq!(attempt.scope().to_string(), "read");
            assert_eq!(attempt.field("device"), Some("phone"));
            assert_eq!(attempt.fields().count(), 2);
            assert_eq!(attempt.address(), Some([192, 0, 2, 1].into()));
            assert_eq!(attempt.extensions().get::<Tenant>(), Some(&Tenant(3)));
            Ok(if is_last { Denial::Locked } else { Denial::UnknownUser }.into())
        })
    };
    for users in [
        FirstOf::new(sees(false)).then(sees(false)).then(sees(true)),
        // Where it is asked for nobody.
        FirstOf::new(sees(true)).then(sees(false)).then(sees(false)),
    ] {
        let attempt = attempt("alice", "wrong").scope("read").field("device", "phone").field("device", "tv");
        let attempt = attempt.address([192, 0, 2, 1]).extension(Tenant(3)).build().unwrap();
        let verdict = users.verify(attempt).await.unwrap();
        assert!(matches!(verdict, Verdict::Denied(Denial::Locked)), "{verdict:?}");
    }
}

/// What a directory has: for each name a password, and whether the account is disabled.
type Users4 = [Option<(u8, bool)>; 4];

proptest! {
    #[test]
    fn the_first_directory_that_has_the_name_decides_and_each_denial_asks_all(
        directories: [Users4; 3],
        name in 0_usize..4,
        password in 0_u8..3,
    ) {
        let directories = directories.map(|users| users.map(|user| user.map(|(password, off)| (password % 3, off))));
        let plain = directories.map(|users| {
            let plain = Plain::default();
            for (name, user) in users.into_iter().enumerate() {
                let Some((password, is_disabled)) = user else { continue };
                let mut account = Account::new(&format!("user-{name}"), &password.to_string());
                account.denial = is_disabled.then_some(Denial::Disabled);
                plain.set(&name.to_string(), account);
            }
            plain
        });
        let [first, second, third] = plain.clone();
        let attempt = attempt(&name.to_string(), &password.to_string()).build().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let users = FirstOf::new(first).then(second).then(third);
        let verdict = runtime.block_on(users.verify(attempt)).unwrap();

        let place = directories.iter().position(|users| users[name].is_some());
        let expected = match place.and_then(|place| directories[place][name]) {
            None => Err(Denial::UnknownUser),
            Some((known, _)) if known != password => Err(Denial::WrongPassword),
            Some((_, true)) => Err(Denial::Disabled),
            Some((_, false)) => Ok(format!("user-{name}")),
        };
        let verdict = match verdict {
            Verdict::Granted(verified) => Ok(verified.subject().id().to_owned()),
            Verdict::Denied(denial) => Err(denial),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(&verdict, &expected);
        for (at, plain) in plain.iter().enumerate() {
            let asked = plain.asked();
            let is_behind = place.is_some_and(|place| at > place);
            prop_assert_eq!(asked.len(), usize::from(!is_behind || expected.is_err()), "{}", at);
            prop_assert!(asked.iter().all(|(asked, _)| (*asked == name.to_string()) != is_behind));
        }
    }
}
