//! Whether a login still holds, by the directory that has its user.

use tower_password_grant::realms::FirstOf;
use tower_password_grant::{Denial, Subject, verify_fn};

use super::world::{Account, House, Plain};

fn plain(name: &str, id: &str) -> Plain {
    Plain::default().with(name, Account::new(id, "correct horse"))
}

#[tokio::test]
async fn a_refresh_is_decided_by_the_directory_that_has_the_subject() {
    let [first, second] = [plain("alice", "one"), plain("bob", "two")];
    let house = House::over(FirstOf::new(first.clone()).then(second.clone())).await;
    for (name, directory) in [("alice", first), ("bob", second)] {
        let token = house.refresh_token(name, "correct horse").await;
        let subject = house.last();
        let answer = house.refresh(&token).await;
        answer.assert_ok();
        assert_eq!(house.last(), subject);
        let token = house.refresh_token(name, "correct horse").await;
        let mut account = Account::new(&subject, "correct horse");
        account.denial = Some(Denial::Disabled);
        directory.set(name, account);
        house.refresh(&token).await.assert_error(400, "invalid_grant");
        assert_eq!(house.last(), "disabled");
    }
}

#[tokio::test]
async fn a_subject_that_no_directory_has_any_more_is_unknown() {
    let second = plain("bob", "two");
    let house = House::over(FirstOf::new(plain("alice", "one")).then(second.clone())).await;
    let token = house.refresh_token("bob", "correct horse").await;
    second.set("bob", Account::new("three", "correct horse"));
    house.refresh(&token).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last(), "unknown_user");
}

#[tokio::test]
async fn a_directory_without_a_recheck_fails_the_refreshes_that_reach_it_and_no_others() {
    let bob = || {
        verify_fn(|attempt| async move {
            Ok(match attempt.username() {
                "bob" => Subject::new("two").into(),
                _ => Denial::UnknownUser.into(),
            })
        })
    };
    let house = House::over(FirstOf::new(plain("alice", "one")).then(bob())).await;
    for (name, status) in [("alice", 200), ("bob", 500)] {
        let token = house.refresh_token(name, "correct horse").await;
        assert_eq!(house.refresh(&token).await.status, status, "{name}");
    }
    let house = House::over(FirstOf::new(bob()).then(plain("alice", "one"))).await;
    for name in ["alice", "bob"] {
        let token = house.refresh_token(name, "correct horse").await;
        house.refresh(&token).await.assert_error(500, "server_error");
    }
}
