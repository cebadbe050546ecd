//! The registry of clients.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_password_grant::client::{ClientAuthentication, ClientBuilder, Sunset};
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::testing::{ManualClock, TokenState, token_state};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::{Client, ClientRegistry, OpaqueIssuer, PasswordGrant, PeerAddress, Subject, verify_fn};

use crate::support::folder::{Folder, at, digest};
use crate::support::refresh_token::{family_of, kept_digest};

/// A client with several grants, scopes, origins and APIs. One with every option that there is stands in the suite of registries.
fn full() -> Client {
    Client::confidential("full client", &digest("first"))
        .allow_password_grant()
        .allow_refresh_tokens()
        .allow_grant("urn:example:ticket")
        .scopes("read write")
        .default_scope("read")
        .allow_origin("https://app.example")
        .allow_origin("http://localhost:3000")
        .realm("staff")
        .allow_introspection()
        .resource_server("https://api.example")
        .resource_server("https://other.example")
        .build()
        .unwrap()
}

#[tokio::test]
async fn clients_come_back_after_a_restart_and_are_listed_by_their_ids() {
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
        assert_eq!(found.to_text(), client.to_text());
    }
    assert!(store.find("Public").await.unwrap().is_none());
    let ids: Vec<String> = store.client_ids("", 3).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["basic", "full client", "key"]);
    let ids: Vec<String> = store.client_ids("key", 9).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["plain", "public"]);
    store.close().await;
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

/// Whether the registration takes this secret: by a login over the layer.
async fn takes(store: &SqliteStore, clock: &ManualClock, id: &str, secret: &str) -> bool {
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(verify_fn(|_| async { Ok(Subject::new("user-17").into()) }))
        .issuer(OpaqueIssuer::new(store.clone()))
        .clock(clock.clone())
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap();
    let body = format!("grant_type=password&username=alice&password=pw&client_id={id}&client_secret={secret}");
    let request = http::Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(http_body_util::Full::new(bytes::Bytes::from(body)))
        .unwrap();
    let response = layer.endpoint().oneshot(request).await.unwrap();
    let is_taken = response.status() == 200;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body = std::str::from_utf8(&body).unwrap();
    assert!(is_taken || body.contains("invalid_client"), "{body}");
    is_taken
}

#[tokio::test]
async fn a_rotated_secret_works_at_once_and_the_one_before_until_its_end() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = folder.store();
    let client =
        Client::confidential("conf", &digest("one")).allow_password_grant().scopes("read").default_scope("read");
    store.put_client(&client.build().unwrap()).await.unwrap();
    let works = async || {
        let mut works = Vec::new();
        for secret in ["one", "two", "three", "four"] {
            if takes(&store, &clock, "conf", secret).await {
                works.push(secret);
            }
        }
        works
    };
    assert_eq!(works().await, ["one"]);
    assert!(store.rotate_client_secret("conf", &digest("two"), at(600)).await.unwrap());
    assert_eq!(works().await, ["one", "two"]);
    // A third within the time of the first takes its place.
    assert!(store.rotate_client_secret("conf", &digest("three"), at(300)).await.unwrap());
    assert_eq!(works().await, ["two", "three"]);
    clock.advance(Duration::from_secs(300));
    assert_eq!(works().await, ["three"]);
    // After a leak nothing is left of the one before.
    assert!(store.rotate_client_secret("conf", &digest("four"), at(0)).await.unwrap());
    assert_eq!(works().await, ["four"]);
    assert!(!store.rotate_client_secret("nobody", &digest("x"), at(0)).await.unwrap());
    store.put_client(&Client::public("pub").build().unwrap()).await.unwrap();
    let error = store.rotate_client_secret("pub", &digest("x"), at(0)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Fault);
    assert!(error.to_string().contains("Client::public"), "{error}");
    store.close().await;
}

#[tokio::test]
async fn a_change_keeps_every_other_option_and_one_that_cannot_be_changes_nothing() {
    let folder = Folder::new();
    let store = folder.store();
    store.put_client(&full()).await.unwrap();
    let changed = store.change_client("full client", |client| {
        client.remove_grant("password").remove_scope("write").remove_origin("http://localhost:3000")
    });
    assert!(changed.await.unwrap());
    let found = store.find("full client").await.unwrap().unwrap();
    assert!(!found.allows_grant("password") && found.allows_grant("refresh_token"));
    assert!(found.allows_grant("urn:example:ticket"));
    assert_eq!(found.scopes().as_str(), "read");
    assert!(!store.allows_origin("http://localhost:3000").await.unwrap());
    assert!(store.allows_origin("https://app.example").await.unwrap());
    assert_eq!(found.to_builder().build().unwrap().to_text(), found.to_text());
    let again = found.to_builder().allow_password_grant().scopes("read write").allow_origin("http://localhost:3000");
    let (again, before) = (again.build().unwrap(), full());
    assert_eq!((again.audiences(), again.default_realm()), (before.audiences(), before.default_realm()));

    for change in [
        (|client| client.scopes("a  b")) as fn(ClientBuilder) -> ClientBuilder,
        |client| client.scopes("other"),
        |_| Client::public("another"),
    ] {
        let error = store.change_client("full client", change).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Fault, "{error}");
        assert_eq!(store.find("full client").await.unwrap().unwrap().to_text(), found.to_text());
    }
    assert!(!store.change_client("nobody", |client| client).await.unwrap());
    // Of a default scope of which nothing is left there is none.
    assert!(store.change_client("full client", |client| client.remove_scope("read")).await.unwrap());
    assert!(store.find("full client").await.unwrap().unwrap().scopes().is_empty());
    // One that is added replaces none.
    for scope in ["read", "reports read"] {
        assert!(store.change_client("full client", move |client| client.add_scope(scope)).await.unwrap());
    }
    assert_eq!(store.find("full client").await.unwrap().unwrap().scopes().to_string(), "read reports");
    assert!(store.change_client("full client", |client| client.add_scope("a  b")).await.is_err());
    store.close().await;
}

#[tokio::test]
async fn the_plan_of_an_end_is_changed_in_one_step_or_stays_as_it_is() {
    let folder = Folder::new();
    let store = folder.store();
    let end = at(1_900_000_000);
    let month = Duration::from_secs(30 * 86_400);
    let client = Client::public("app").allow_password_grant().scopes("read");
    store.put_client(&client.build().unwrap()).await.unwrap();
    assert!(!store.change_sunset("app", Ok).await.unwrap(), "it has no end");
    assert!(!store.change_sunset("nobody", Ok).await.unwrap());
    let plan = Sunset::at(end).ramp_from(end - month).unwrap();
    assert!(store.change_client("app", move |app| app.sunset(plan)).await.unwrap());
    assert!(store.change_sunset("app", move |plan| plan.move_to(plan.end() + month)).await.unwrap());
    let found = || async { store.find("app").await.unwrap().unwrap().sunset().unwrap().clone() };
    assert_eq!((found().await.end(), found().await.ramp_start()), (end + month, Some(end - month)));
    let error = store.change_sunset("app", move |plan| plan.move_to(end - month)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Fault, "{error}");
    assert_eq!(found().await.end(), end + month);
    store.close().await;
}

#[tokio::test]
async fn a_disabled_client_is_as_none_until_it_is_enabled_and_no_start_enables_it() {
    let (folder, clock) = (Folder::new(), ManualClock::at(at(0)));
    let store = folder.store();
    let client = Client::confidential("conf", &digest("one"))
        .allow_password_grant()
        .scopes("read")
        .default_scope("read")
        .allow_origin("https://app.example")
        .build()
        .unwrap();
    store.put_client(&client).await.unwrap();
    store.put_client(&Client::public("pub").build().unwrap()).await.unwrap();
    assert!(takes(&store, &clock, "conf", "one").await);
    assert!(store.set_client_enabled("conf", false).await.unwrap());
    assert!(!store.set_client_enabled("nobody", false).await.unwrap());
    store.close().await;

    let store = folder.store();
    // As a program does at each start.
    store.put_client(&client).await.unwrap();
    assert!(store.rotate_client_secret("conf", &digest("two"), at(600)).await.unwrap());
    for secret in ["one", "two"] {
        assert!(!takes(&store, &clock, "conf", secret).await);
    }
    assert!(store.find("conf").await.unwrap().is_none());
    assert!(!store.allows_origin("https://app.example").await.unwrap());
    let page = store.clients("", 1).await.unwrap();
    assert_eq!((page.len(), page[0].client().id().as_str(), page[0].is_enabled()), (1, "conf", false));
    let page = store.clients("conf", 9).await.unwrap();
    assert_eq!((page.len(), page[0].client().id().as_str(), page[0].is_enabled()), (1, "pub", true));

    assert!(store.set_client_enabled("conf", true).await.unwrap());
    assert!(takes(&store, &clock, "conf", "two").await);
    assert!(store.allows_origin("https://app.example").await.unwrap());
    assert_eq!(store.find("conf").await.unwrap().unwrap().scopes(), client.scopes());
    store.close().await;
}

#[tokio::test]
async fn a_client_whose_registration_cannot_be_read_is_no_client_and_stays_disabled_when_it_is_put_again() {
    let folder = Folder::new();
    let store = folder.store();
    let client = Client::public("cli").allow_origin("https://app.example").build().unwrap();
    let text = client.to_text();
    // As a later version, nobody, and a statement with a mistake would write it.
    let later = format!("2{}", text.strip_prefix('1').unwrap());
    let another = Client::public("another").build().unwrap().to_text();
    for written in [later.clone(), "no registration".to_owned(), text.replace("cli", "CLI"), another] {
        for is_enabled in [true, false] {
            store.remove_client("cli").await.unwrap();
            store.put_client(&client).await.unwrap();
            let connection = rusqlite::Connection::open(folder.file()).unwrap();
            connection.execute("UPDATE clients SET registration = ?1", [&written]).unwrap();
            assert!(store.set_client_enabled("cli", is_enabled).await.unwrap(), "{written}");
            let found = store.find("cli").await;
            assert!(if is_enabled { found.is_err() } else { found.unwrap().is_none() }, "{written}");
            assert_eq!(store.allows_origin("https://app.example").await.unwrap(), is_enabled, "{written}");
            let kind = store.clients("", 9).await.unwrap_err().kind();
            let expected = if written == later { BackendErrorKind::Unavailable } else { BackendErrorKind::Fault };
            assert_eq!(kind, expected, "{written}");
            assert!(store.change_client("cli", |client| client).await.is_err(), "{written}");
            let kept: String = connection.query_row("SELECT registration FROM clients", (), |row| row.get(0)).unwrap();
            assert_eq!(kept, written, "what cannot be read is kept");
            assert_eq!(store.client_ids("", 9).await.unwrap().len(), 1);

            store.put_client(&client).await.unwrap();
            assert_eq!(store.find("cli").await.unwrap().is_some(), is_enabled, "{written}");
            assert_eq!(store.allows_origin("https://app.example").await.unwrap(), is_enabled, "{written}");
        }
    }
    store.close().await;
}

/// What becomes of its tokens: refreshing is refused and loses nothing, introspection by it is refused, and an access token
/// lives on.
#[tokio::test]
async fn the_tokens_of_a_disabled_client_wait_until_it_is_enabled() {
    let folder = Folder::new();
    let store = folder.store();
    let client = Client::confidential("conf", &digest("one"))
        .allow_password_grant()
        .allow_refresh_tokens()
        .allow_introspection()
        .scopes("read")
        .default_scope("read")
        .build()
        .unwrap();
    store.put_client(&client).await.unwrap();
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(verify_fn(|_| async { Ok(Subject::new("user-17").into()) }))
        .issuer(OpaqueIssuer::new(store.clone()))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .access_tokens(OpaqueIssuer::new(store.clone()))
        .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap();
    let send = async |path: &str, body: &str| {
        let request = http::Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(http_body_util::Full::new(bytes::Bytes::from(format!("{body}&client_id=conf&client_secret=one"))))
            .unwrap();
        let service = tower::ServiceBuilder::new().layer(layer.clone()).service(tower::service_fn(async |_| {
            Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Full::new(bytes::Bytes::new())))
        }));
        let response = service.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    let (status, login) = send("/oauth/token", "grant_type=password&username=alice&password=pw").await;
    assert_eq!(status, 200, "{login}");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", login["refresh_token"].as_str().unwrap());
    let access = login["access_token"].as_str().unwrap().to_owned();
    let question = format!("token={access}");
    assert_eq!(send("/oauth/introspect", &question).await.1["active"], true);

    assert!(store.set_client_enabled("conf", false).await.unwrap());
    for (path, body) in [("/oauth/token", &refresh), ("/oauth/introspect", &question)] {
        let (status, answer) = send(path, body).await;
        assert_eq!((status, answer["error"].as_str().unwrap()), (400, "invalid_client"));
    }
    let kept = tower_password_grant::store::AccessTokenStore::find(&store, &digest(&access)).await.unwrap();
    assert!(kept.is_some(), "it lives on until it expires");

    assert!(store.set_client_enabled("conf", true).await.unwrap());
    assert_eq!(send("/oauth/introspect", &question).await.1["active"], true);
    let token = login["refresh_token"].as_str().unwrap();
    let found = token_state(&store, family_of(token), &kept_digest(token)).await.unwrap();
    assert_eq!(found.unwrap().0, TokenState::Live);
    store.close().await;
}
