//! Realms over one SQLite file: clients with their lists, and users whose identifiers are unique over all realms.

use std::sync::Arc;

use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::realms::Realms;
use tower_password_grant::sqlite::{NewUser, SqliteStore};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{
    ClientRegistry as _, OpaqueIssuer, Password, PasswordGrant, PasswordGrantLayer, PeerAddress,
};

use super::world::{REALM_GRANT, app, form};
use crate::support::folder::Folder;
use crate::support::tokens::Login;
use crate::support::{send, token_request};

fn verifier(store: &SqliteStore) -> Argon2Verifier<SqliteStore> {
    let cheap = Argon2Parameters::new(64, 1, 1).unwrap();
    Argon2Verifier::builder(store.clone()).parameters(cheap).threads(1).build().unwrap()
}

fn layer(store: &SqliteStore) -> PasswordGrantLayer {
    let realms = Realms::new().realm("customers", verifier(store)).unwrap();
    let realms = realms.realm("employees", verifier(store)).unwrap().keep_subject_ids();
    PasswordGrant::builder()
        .clients(store.clone())
        .verifier(realms)
        .issuer(Arc::new(OpaqueIssuer::new(store.clone())))
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
    let layer = layer(&store);
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
