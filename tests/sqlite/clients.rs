//! The registry of clients.

use std::time::Duration;

use tower_password_grant::{Client, ClientAuthentication, ClientRegistry, Sunset};

use crate::folder::{Folder, at, digest};

/// A client with every option that there is.
fn full() -> Client {
    let sunset = Sunset::at(at(7)).deprecated_since(at(5)).with_link("https://docs.example/move").unwrap();
    Client::confidential("full client", &digest("first"))
        .secret(&digest("second"), Some(at(9)))
        .authenticate_by(ClientAuthentication::SecretPost)
        .raw_basic()
        .trust_end_user_address()
        .allow_password_grant()
        .allow_refresh_tokens()
        .allow_grant("urn:example:ticket")
        .scopes("read write")
        .default_scope("read")
        .allow_origin("https://app.example")
        .allow_origin("http://localhost:3000")
        .realm("staff")
        .access_token_lifetime(Duration::from_secs(77))
        .refresh_token_lifetime(Duration::from_millis(88_001))
        .refresh_token_idle_lifetime(Duration::from_secs(66))
        .refresh_token_leeway(Duration::from_millis(1500))
        .reuse_refresh_tokens()
        .allow_introspection()
        .audience("https://api.example")
        .audience("https://other.example")
        .sunset(sunset)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_client_comes_back_with_every_option_after_a_restart() {
    let folder = Folder::new();
    let store = folder.store();
    let others = [
        Client::public("public").build().unwrap(),
        Client::with_method("key", "private_key_jwt").build().unwrap(),
        Client::confidential("basic", &digest("s")).authenticate_by(ClientAuthentication::SecretBasic).build().unwrap(),
        Client::confidential("plain", &digest("s")).refresh_token_leeway(Duration::ZERO).build().unwrap(),
        full(),
    ];
    for client in &others {
        store.put_client(client).await.unwrap();
    }
    store.close().await;
    let store = folder.store();
    for client in &others {
        let found = store.find(client.id().as_str()).await.unwrap().unwrap();
        assert_eq!(everything(&found), everything(client));
    }
    assert!(store.find("Public").await.unwrap().is_none());
    let ids: Vec<String> = store.client_ids("", 3).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["basic", "full client", "key"]);
    let ids: Vec<String> = store.client_ids("key", 9).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["plain", "public"]);
    store.close().await;
}

/// What anybody may see of a client. The rest is compared where it is written, in the unit test of the registration.
fn everything(client: &Client) -> String {
    let grants = ["password", "refresh_token", "urn:example:ticket", "other"].map(|grant| client.allows_grant(grant));
    let origins = ["https://app.example", "http://localhost:3000", "other"].map(|origin| client.allows_origin(origin));
    let (audiences, introspects) = (client.audiences(), client.may_introspect());
    format!("{client:?} {grants:?} {origins:?} {audiences:?} {introspects}")
}

#[tokio::test]
async fn what_is_put_and_removed_holds_from_the_next_request_on() {
    let folder = Folder::new();
    let store = folder.store();
    let page = |origin| Client::public("page").allow_origin(origin).build().unwrap();
    store.put_client(&page("https://one.example")).await.unwrap();
    assert!(store.allows_origin("https://one.example").await.unwrap());
    store.put_client(&page("https://two.example")).await.unwrap();
    assert!(!store.allows_origin("https://one.example").await.unwrap());
    assert!(store.allows_origin("https://two.example").await.unwrap());
    assert!(store.find("page").await.unwrap().unwrap().allows_origin("https://two.example"));
    assert!(store.remove_client("page").await.unwrap());
    assert!(!store.remove_client("page").await.unwrap());
    assert!(store.find("page").await.unwrap().is_none());
    assert!(!store.allows_origin("https://two.example").await.unwrap());
    store.close().await;
}
