//! What events and the audit say of the realm of a login.

use std::time::Duration;

use tower_password_grant::audit::Reason;
use tower_password_grant::user::AccountKey;

use super::world::{REALM_GRANT, Stores, World, clients, form};
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
async fn the_event_of_a_request_that_lacks_a_parameter_names_it_and_nothing_else() {
    let (capture, _guard) = Capture::listen();
    let world = World::new().await;
    let lacking = |event: usize| {
        let said = capture.events();
        (said[event].field("reason").map(str::to_owned), said[event].field("parameter").map(str::to_owned))
    };
    let token = "/oauth/token";
    let requests = [
        (token, "client_id=app".to_owned(), "grant_type"),
        (token, form("password", "app", "", "one", ""), "username"),
        (token, form("password", "app", "alice", "", ""), "password"),
        (token, form(REALM_GRANT, "app", "alice", "one", ""), "realm"),
        (token, "grant_type=refresh_token&client_id=app".to_owned(), "refresh_token"),
        ("/oauth/introspect", "client_id=rs&client_secret=rs-pw".to_owned(), "token"),
    ];
    for (path, form, parameter) in requests {
        let before = capture.events().len();
        world.post(path, "", &form).await.assert_error(400, "invalid_request");
        assert_eq!(lacking(before), (Some("missing_parameter".to_owned()), Some(parameter.to_owned())), "{form}");
    }
    let before = capture.events().len();
    world.login("app", GUESS, "").await.assert_error(400, "invalid_grant");
    assert_eq!(lacking(before), (Some("wrong_password".to_owned()), None));
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
