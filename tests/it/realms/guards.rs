//! Where the realm of a token counts: at guards, in introspection, in what an API learns.

use axum::routing::get;
use axum::{Extension, Router};
use tower_password_grant::bearer::{BearerConfigError, BearerGuard, BearerGuardBuilder, Principal};

use super::world::{API, World};
use crate::support::bearer::Api;

/// An API behind such a guard: it answers subject and realm of its caller.
async fn api(world: &World, change: impl FnOnce(BearerGuardBuilder) -> BearerGuardBuilder) -> Api {
    let guard = BearerGuard::builder(world.stores.issuer()).audience(API).clock(world.stores.clock.clone());
    let me = |Extension(caller): Extension<Principal>| async move {
        format!("{} {:?}", caller.subject_id(), caller.realm())
    };
    Api::serve(Router::new().route("/api/me", get(me)).layer(change(guard).build().unwrap())).await
}

#[tokio::test]
async fn a_guard_takes_tokens_of_one_realm_of_a_list_or_of_all() {
    let world = World::new().await;
    let customer = world.tokens("app", "customers", "one").await.access;
    let employee = world.tokens("app", "employees", "two").await.access;
    let takes = async |api: Api| {
        let [one, other] = [&customer, &employee].map(|token| format!("Bearer {token}"));
        [api.get(&one).await.status.as_u16(), api.get(&other).await.status.as_u16()]
    };
    assert_eq!(takes(api(&world, |guard| guard).await).await, [401, 401]);
    assert_eq!(takes(api(&world, |guard| guard.token_realm("employees")).await).await, [401, 200]);
    assert_eq!(takes(api(&world, |guard| guard.token_realms(["customers"])).await).await, [200, 401]);
    assert_eq!(takes(api(&world, |guard| guard.token_realms(["employees", "customers"])).await).await, [200, 200]);
    assert_eq!(takes(api(&world, |guard| guard.token_realms(["nowhere", "Customers"])).await).await, [401, 401]);
    assert_eq!(takes(api(&world, BearerGuardBuilder::any_token_realm).await).await, [200, 200]);
    // The last word counts.
    let last = api(&world, |guard| guard.any_token_realm().token_realm("customers").token_realms(["employees"])).await;
    assert_eq!(takes(last).await, [401, 200]);
    let all = api(&world, BearerGuardBuilder::any_token_realm).await;
    assert_eq!(all.get(&format!("Bearer {employee}")).await.body, "employees|1 Some(\"employees\")");
}

#[tokio::test]
async fn a_guard_of_a_list_refuses_tokens_of_no_realm_and_a_list_without_one_is_an_error() {
    let world = World::new().await;
    let guard = || BearerGuard::builder(world.stores.issuer()).audience(API);
    assert!(matches!(guard().token_realms::<&str>([]).build(), Err(BearerConfigError::NoRealm)));
    let shown = format!("{:?}", guard().token_realms(["a", "b"]).build().unwrap());
    assert!(shown.contains(r#"token_realm: ["a", "b"]"#), "{shown}");

    let tokens = crate::support::tokens::Tokens::new();
    let free = tokens.login("conf").await.access;
    for (lists, status) in [(false, 200), (true, 401)] {
        let guard = BearerGuard::builder(tokens.access.clone()).audience(API).clock(tokens.clock.clone());
        let guard = if lists { guard.token_realms(["customers"]) } else { guard };
        let api = Api::serve(crate::support::bearer::api(&guard.build().unwrap())).await;
        assert_eq!(api.get(&format!("Bearer {free}")).await.status, status);
    }
}

#[tokio::test]
async fn introspection_shows_a_client_the_tokens_of_the_realms_that_it_lists_t67() {
    let world = World::new().await;
    let customer = world.tokens("app", "customers", "one").await.access;
    let employee = world.tokens("app", "employees", "two").await.access;
    let told = world.introspect("rs", &customer).await;
    assert_eq!(
        (&told["active"], &told["sub"], &told["realm"]),
        (&true.into(), &"customers|1".into(), &"customers".into())
    );
    assert_eq!(world.introspect("rs", &employee).await, serde_json::json!({ "active": false }));
    // One that lists none may know of all, and one that lists both of both.
    for token in [&customer, &employee] {
        assert_eq!(world.introspect("all", token).await["active"], true);
    }
    let rs = tower_password_grant::Client::confidential("rs", &crate::support::digest("rs-pw")).allow_introspection();
    let rs = rs.resource_server(API);
    let both = world.stores.serve(vec![rs.realms(["employees", "customers"])]).await;
    assert_eq!(both.introspect("rs", &employee).await["realm"], "employees");
    assert_eq!(both.introspect("rs", &customer).await["realm"], "customers");
}

#[cfg(feature = "jwt")]
#[tokio::test]
async fn a_signed_token_has_realm_and_subject_of_the_login_and_of_its_refreshes() {
    use base64::Engine as _;
    use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};

    use super::world::{Stores, clients};
    use crate::support::tokens::Login;

    let stores = Stores::new();
    let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::Es256).unwrap());
    let issuer = JwtIssuer::new("https://as.example", [API], keys).unwrap().with_clock(stores.clock.clone());
    let verifier = issuer.verifier();
    let builder = stores.builder(clients(), stores.realms()).issuer(issuer).access_tokens(verifier.clone());
    let world = stores.start(builder.build().unwrap()).await;
    let login = Login::of(&world.login_in_realm("app", "two", "&realm=employees").await.assert_ok());
    let renewed = Login::of(&world.refresh("app", &login.refresh).await.assert_ok());
    for token in [login.access, renewed.access] {
        let payload = token.split('.').nth(1).unwrap();
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((&claims["realm"], &claims["sub"]), (&"employees".into(), &"employees|1".into()));
        let guard = BearerGuard::builder(verifier.clone()).audience(API).clock(stores.clock.clone());
        let guard = guard.token_realms(["customers", "employees"]).build().unwrap();
        let api = Api::serve(crate::support::bearer::api(&guard)).await;
        assert_eq!(api.get(&format!("Bearer {token}")).await.body, "employees|1 read");
    }
}
