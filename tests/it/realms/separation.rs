//! The same name, and the same identifier, in two realms: two accounts that share nothing.

use std::time::Duration;

use tower_password_grant::limiter::LimiterOperator as _;
use tower_password_grant::store::{AccessTokenStore as _, RefreshTokenStore as _};
use tower_password_grant::user::AccountKey;

use super::world::{World, form};
use crate::support::locks::locks;
use crate::support::tokens::Login;

/// A wrong password, never the same twice.
async fn guess(world: &World, realm: &str, number: usize) -> u16 {
    let form = form("password", "app", "alice", &format!("wrong{number}"), &format!("&realm={realm}"));
    world.token(&form).await.status.as_u16()
}

#[tokio::test]
async fn a_name_in_two_realms_has_two_budgets_and_a_lock_in_one_is_none_in_the_other() {
    let world = World::new().await;
    for number in 0..10 {
        assert_eq!(guess(&world, "customers", number).await, 400);
    }
    world.login("app", "one", "&realm=customers").await.assert_error(429, "too_many_attempts");
    world.login_in_realm("app", "one", "&realm=customers").await.assert_error(429, "too_many_attempts");
    world.login("shop", "one", "").await.assert_error(429, "too_many_attempts");
    // Nine more in the other realm leave it open, and so its budget was whole.
    for number in 0..9 {
        assert_eq!(guess(&world, "employees", number).await, 400);
    }
    world.login("app", "two", "&realm=employees").await.assert_ok();

    let realms = locks(&*world.stores.limiter).await.into_iter().map(|lock| lock.realm).collect::<Vec<_>>();
    assert_eq!(realms, [Some("customers".to_owned())]);
    let alice = AccountKey::canonical("alice");
    world.stores.limiter.unblock_account(Some("employees"), &alice).await.unwrap();
    world.login("app", "one", "").await.assert_error(429, "too_many_attempts");
    assert!(world.stores.limiter.unblock_account(Some("customers"), &alice).await.unwrap() > 0);
    world.login("app", "one", "").await.assert_ok();
}

#[tokio::test]
async fn a_success_in_one_realm_forgives_nothing_in_the_other() {
    let world = World::new().await;
    for number in 0..9 {
        assert_eq!(guess(&world, "customers", number).await, 400);
    }
    world.login("app", "two", "&realm=employees").await.assert_ok();
    assert_eq!(guess(&world, "customers", 9).await, 400);
    assert_eq!(guess(&world, "customers", 10).await, 429);
}

#[tokio::test]
async fn tokens_and_families_of_one_identifier_in_two_realms_end_apart() {
    let world = World::new().await;
    let customer = world.tokens("app", "customers", "one").await;
    let employee = world.tokens("app", "employees", "two").await;
    assert_eq!(world.holder(&customer.access).await, ("customers|1".to_owned(), "customers".to_owned()));
    assert_eq!(world.holder(&employee.access).await, ("employees|1".to_owned(), "employees".to_owned()));

    let stores = &world.stores;
    // Neither the other realm nor the bare identifier is meant by it.
    for (realm, subject) in [("employees", "customers|1"), ("customers", "1"), ("customers", "employees|1")] {
        assert_eq!(stores.refresh.revoke_subject(Some(realm), subject).await.unwrap(), 0);
        assert_eq!(stores.access.revoke_subject(Some(realm), subject).await.unwrap(), 0);
    }
    assert_eq!(stores.refresh.revoke_subject(Some("customers"), "customers|1").await.unwrap(), 1);
    assert_eq!(stores.access.revoke_subject(Some("customers"), "customers|1").await.unwrap(), 1);
    assert_eq!(world.introspect("all", &customer.access).await["active"], false);
    world.refresh("app", &customer.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(world.introspect("all", &employee.access).await["active"], true);
    world.refresh("app", &employee.refresh).await.assert_ok();
}

#[tokio::test]
async fn a_replay_in_one_realm_ends_no_login_in_the_other() {
    let world = World::new().await;
    let customer = world.tokens("app", "customers", "one").await;
    let employee = world.tokens("app", "employees", "two").await;
    let next = Login::of(&world.refresh("app", &customer.refresh).await.assert_ok());
    world.refresh("app", &next.refresh).await.assert_ok();
    world.stores.clock.advance(Duration::from_secs(11));
    world.refresh("app", &customer.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(world.introspect("all", &next.access).await["active"], false);
    let renewed = Login::of(&world.refresh("app", &employee.refresh).await.assert_ok());
    assert_eq!(world.holder(&renewed.access).await.0, "employees|1");
}

#[tokio::test]
async fn the_parameter_changes_nothing_at_a_refresh_whose_realm_is_that_of_its_login() {
    let world = World::new().await;
    let employee = world.tokens("app", "employees", "two").await;
    let form = format!("grant_type=refresh_token&client_id=app&refresh_token={}&realm=customers", employee.refresh);
    let renewed = Login::of(&world.token(&form).await.assert_ok());
    assert_eq!(world.holder(&renewed.access).await, ("employees|1".to_owned(), "employees".to_owned()));
}
