//! Realms over one SQLite file: clients with their lists, and users whose identifiers are unique over all realms.

use std::sync::Arc;

use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::realms::Realms;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::NewUser;
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::{
    ClientRegistry as _, OpaqueIssuer, Password, PasswordGrant, PasswordGrantLayer, PeerAddress,
};

use super::world::{API, REALM_GRANT, app, clients, form};
use crate::support::folder::Folder;
use crate::support::tokens::Login;
use crate::support::{basic, send, token_request};

fn verifier(store: &SqliteStore) -> Argon2Verifier<SqliteStore> {
    let cheap = Argon2Parameters::new(64, 1, 1).unwrap();
    Argon2Verifier::builder(store.clone()).parameters(cheap).threads(1).build().unwrap()
}

fn realms(store: &SqliteStore) -> Realms {
    let realms = Realms::new().realm("customers", verifier(store)).unwrap();
    realms.realm("employees", verifier(store)).unwrap()
}

fn layer(store: &SqliteStore, realms: Realms) -> PasswordGrantLayer {
    let issuer = Arc::new(OpaqueIssuer::new(store.clone()).with_audience([API]));
    PasswordGrant::builder()
        .clients(store.clone())
        .verifier(realms)
        .issuer(Arc::clone(&issuer))
        .access_tokens(issuer)
        .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_list_of_a_client_and_the_realm_of_a_user_are_kept_in_the_file() {
    let folder = Folder::new();
    let store = folder.store();
    store.put_client(&app("app", &["customers", "employees"]).build().unwrap()).await.unwrap();
    let hashing = verifier(&store);
    for (id, realm, password) in [("user-1", "customers", "one"), ("user-2", "employees", "two")] {
        let hash = hashing.hash_password(Password::new(password.to_owned())).await.unwrap();
        let user = NewUser::new(id, "alice").with_realm(Some(realm)).with_password_hash(hash);
        assert!(store.add_user(user).await.unwrap());
    }
    drop((hashing, store));

    let store = folder.store();
    let found = store.find("app").await.unwrap().unwrap();
    assert_eq!(found.realms().collect::<Vec<_>>(), ["customers", "employees"]);
    assert!(found.allows_grant(REALM_GRANT));
    let layer = layer(&store, realms(&store).keep_subject_ids());
    let ask = async |body: String| send(&layer, token_request(&[], &body)).await;
    let login = async |grant: &str, password: &str, more: &str| ask(form(grant, "app", "alice", password, more)).await;
    let customer = Login::of(&login("password", "one", "").await.assert_ok());
    let employee = Login::of(&login(REALM_GRANT, "two", "&realm=employees").await.assert_ok());
    login("password", "two", "&realm=customers").await.assert_error(400, "invalid_grant");

    // The store ends the logins of the identifier that it knows, in the user's realm.
    assert!(store.end_logins("user-2").await.unwrap());
    let refresh =
        async |token: &str| ask(format!("grant_type=refresh_token&client_id=app&refresh_token={token}")).await;
    refresh(&employee.refresh).await.assert_error(400, "invalid_grant");
    let customer = Login::of(&refresh(&customer.refresh).await.assert_ok());

    // A realm is taken from the client, by which nothing ends.
    assert!(store.change_client("app", |client| client.realms(["employees"])).await.unwrap());
    refresh(&customer.refresh).await.assert_error(400, "invalid_grant");
    login("password", "one", "&realm=customers").await.assert_error(400, "invalid_request");
    assert!(store.change_client("app", |client| client.realms(["employees", "customers"])).await.unwrap());
    refresh(&customer.refresh).await.assert_ok();
    let refused = store.change_client("app", |client| client.realm("a|b")).await.unwrap_err();
    assert!(refused.to_string().contains("realms"), "{refused}");
}

/// The layer over a file with the clients of all tests of realms, and with two employees and a customer of this password.
async fn populated(store: &SqliteStore, realms: Realms) -> PasswordGrantLayer {
    for client in clients() {
        store.put_client(&client.build().unwrap()).await.unwrap();
    }
    let hash = verifier(store).hash_password(Password::new("one".to_owned())).await.unwrap();
    for (id, name, realm) in
        [("user-1", "alice", "employees"), ("user-2", "bob", "employees"), ("user-3", "alice", "customers")]
    {
        let user = NewUser::new(id, name).with_realm(Some(realm)).with_password_hash(hash.clone());
        assert!(store.add_user(user).await.unwrap());
    }
    layer(store, realms)
}

#[tokio::test]
async fn a_new_password_ends_the_logins_of_its_user_whether_or_not_the_realm_is_in_the_subject_t62() {
    for keeps in [false, true] {
        for change in 0..3 {
            let folder = Folder::new();
            let store = folder.store();
            let realms = realms(&store);
            let realms = if keeps { realms.keep_subject_ids() } else { realms };
            let layer = populated(&store, realms).await;
            let log_in = async |name: &str, realm: &str| {
                let body = form("password", "app", name, "one", &format!("&realm={realm}"));
                Login::of(&send(&layer, token_request(&[], &body)).await.assert_ok())
            };
            let is_active = async |login: &Login| {
                let request =
                    token_request(&[("authorization", &basic("all", "all-pw"))], &format!("token={}", login.access));
                let (mut head, body) = request.into_parts();
                head.uri = "/oauth/introspect".parse().unwrap();
                send(&layer, http::Request::from_parts(head, body)).await.json()["active"] == true
            };
            let ended = [log_in("alice", "employees").await, log_in("alice", "employees").await];
            let others = [log_in("bob", "employees").await, log_in("alice", "customers").await];
            assert!(is_active(&ended[0]).await, "{keeps}");
            let hash = verifier(&store).hash_password(Password::new("two".to_owned())).await.unwrap();
            assert!(match change {
                0 => store.set_password_hash("user-1", Some(&hash)).await.unwrap(),
                1 => store.end_logins("user-1").await.unwrap(),
                _ => store.remove_user("user-1").await.unwrap(),
            });
            for login in &ended {
                assert!(!is_active(login).await, "{keeps} {change}: an access token lives on");
            }
            for login in &others {
                assert!(is_active(login).await, "{keeps} {change}: another user's");
            }
            let refresh = async |login: &Login| {
                let body = format!("grant_type=refresh_token&client_id=app&refresh_token={}", login.refresh);
                send(&layer, token_request(&[], &body)).await.status.as_u16()
            };
            for (login, status) in ended.iter().zip([400; 2]).chain(others.iter().zip([200; 2])) {
                assert_eq!(refresh(login).await, status, "{keeps} {change}");
            }
            store.close().await;
        }
    }
}
