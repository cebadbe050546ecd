//! What events and the audit say of the realm of a login.

use std::time::Duration;

use tower_password_grant::audit::Reason;
use tower_password_grant::user::AccountKey;

use super::world::{Stores, World, clients, form};
use crate::support::capture::Capture;
use crate::support::tokens::Login;

const GUESS: &str = "not this one";

#[tokio::test]
async fn each_event_of_a_login_names_its_realm() {
    let (capture, _guard) = Capture::listen();
    let world = World::new().await;
    let last = || capture.events().last().unwrap().field("realm").map(str::to_owned);
    for (realm, password) in [("customers", "one"), ("employees", "two")] {
        let more = format!("&realm={realm}");
        world.login("app", GUESS, &more).await.assert_error(400, "invalid_grant");
        assert_eq!(last().as_deref(), Some(realm));
        let first = Login::of(&world.login("app", password, &more).await.assert_ok());
        assert_eq!(last().as_deref(), Some(realm));
        world.refresh("app", &first.refresh).await.assert_ok();
        assert_eq!(last().as_deref(), Some(realm));
        world.stores.clock.advance(Duration::from_secs(3600));
        world.refresh("app", &first.refresh).await.assert_error(400, "invalid_grant");
        assert_eq!((world.last().reason, last().as_deref()), (Some(Reason::RefreshTokenReplayed), Some(realm)));
    }
    world.token("grant_type=password&client_id=nobody").await.assert_error(400, "invalid_client");
    assert_eq!(last(), None);
}

#[tokio::test]
async fn an_account_of_one_realm_has_another_digest_than_one_of_the_same_key_in_another() {
    let stores = Stores::new();
    let layer = stores.builder(clients(), stores.realms()).build().unwrap();
    let world = stores.start(layer.clone()).await;
    let alice = AccountKey::canonical("alice");
    let digest = |realm| layer.account_digest(realm, &alice).to_string();
    for realm in ["customers", "employees"] {
        let form = form("password", "app", "alice", GUESS, &format!("&realm={realm}"));
        world.token(&form).await.assert_error(400, "invalid_grant");
        assert_eq!(world.last().account.as_deref(), Some(&*digest(Some(realm))));
    }
    let all = [None, Some(""), Some("customers"), Some("employees")].map(digest);
    for (at, one) in all.iter().enumerate() {
        assert!(all.iter().skip(at + 1).all(|other| one != other), "{all:?}");
    }
    // Where the realm ends is no matter of the name.
    let named = |realm, name| layer.account_digest(Some(realm), &AccountKey::canonical(name));
    assert_ne!(named("ab", "c"), named("a", "bc"));
}
