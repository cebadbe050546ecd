//! The registry of clients: changes of two servers at once, and registrations that cannot be read.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tower_password_grant::client::{ClientBuilder, Sunset};
use tower_password_grant::error::BackendErrorKind::{Fault, Unavailable};
use tower_password_grant::store::SecretDigest;
use tower_password_grant::testing::contract;
use tower_password_grant::{Client, ClientRegistry};

use crate::cluster::Postgres;
use crate::database::{connect, errors, make_two, new_name, new_two};

fn page(origin: &str) -> ClientBuilder {
    Client::public("page").allow_password_grant().scopes("read").allow_origin(origin)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_puts_and_removes_holds_at_the_other_from_the_next_request_on() {
    let Some(server) = Postgres::start("postgres-clients") else { return };
    let [one, other] = new_two(&server).await;
    let [first, second] = ["https://one.example", "https://two.example"];
    one.put_client(&page(first).build().unwrap()).await.unwrap();
    assert!(other.allows_origin(first).await.unwrap());
    other.put_client(&page(second).build().unwrap()).await.unwrap();
    assert_eq!((one.allows_origin(first).await.unwrap(), one.allows_origin(second).await.unwrap()), (false, true));
    assert!(one.find("page").await.unwrap().unwrap().allows_origin(second));

    // A disabled one is as none, and no start enables it.
    assert!(other.set_client_enabled("page", false).await.unwrap());
    one.put_client(&page(second).build().unwrap()).await.unwrap();
    assert!(one.find("page").await.unwrap().is_none() && !one.allows_origin(second).await.unwrap());
    assert!(one.change_client("page", |client| client.add_scope("write")).await.unwrap());
    other.put_client(&Client::public("app").build().unwrap()).await.unwrap();
    let listed = one.clients("", 9).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|listed| (listed.client().id().as_str(), listed.is_enabled())).collect();
    assert_eq!(listed, [("app", true), ("page", false)]);
    assert_eq!((one.clients("app", 9).await.unwrap().len(), one.clients("", 1).await.unwrap().len()), (1, 1));
    assert_eq!(one.client_ids("app", 9).await.unwrap()[0].as_str(), "page");
    assert!(one.set_client_enabled("page", true).await.unwrap());
    assert_eq!(other.find("page").await.unwrap().unwrap().scopes().to_string(), "read write");
    assert!(other.allows_origin(second).await.unwrap());

    assert!(other.remove_client("page").await.unwrap());
    assert!(!one.remove_client("page").await.unwrap() && !one.set_client_enabled("page", true).await.unwrap());
    assert!(one.find("page").await.unwrap().is_none() && !one.allows_origin(second).await.unwrap());
    assert!(!one.change_client("page", |client| client).await.unwrap());
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_of_one_client_by_two_servers_at_once_none_is_lost() {
    let Some(server) = Postgres::start("postgres-changes") else { return };
    let stores = new_two(&server).await;
    stores[0].put_client(&page("https://app.example").build().unwrap()).await.unwrap();
    let changes = (0..16).map(|number| {
        let (store, scope) = (stores[number % 2].clone(), format!("scope-{number}"));
        async move { store.change_client("page", move |client| client.add_scope(&scope)).await }
    });
    for changed in contract::together(changes).await {
        assert!(changed.unwrap());
    }
    let found = stores[1].find("page").await.unwrap().unwrap();
    assert_eq!(found.scopes().to_string().split(' ').count(), 17, "{}", found.scopes());
    assert!(found.allows_origin("https://app.example"));

    // Two secrets that come at once: both work, with what was there before, as far as a client has room.
    let conf = Client::confidential("conf", &SecretDigest::of("one")).build().unwrap();
    stores[0].put_client(&conf).await.unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(600);
    let rotations = ["two", "three"].map(|secret| {
        let store = stores[secret.len() % 2].clone();
        async move { store.rotate_client_secret("conf", &SecretDigest::of(secret), later).await }
    });
    for rotated in contract::together(rotations).await {
        assert!(rotated.unwrap());
    }
    let found = stores[0].find("conf").await.unwrap().unwrap().to_text();
    let has = |secret| found.contains(&URL_SAFE_NO_PAD.encode(SecretDigest::of(secret).as_bytes()));
    assert_eq!([has("one"), has("two"), has("three")], [false, true, true], "{found}");
    assert_eq!(errors(&server), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_changes_nothing() {
    let Some(server) = Postgres::start("postgres-bad-changes") else { return };
    let [store, _] = new_two(&server).await;
    let client = page("https://app.example").build().unwrap();
    store.put_client(&client).await.unwrap();
    for change in
        [(|client| client.scopes("a  b")) as fn(ClientBuilder) -> ClientBuilder, |_| Client::public("another")]
    {
        let error = store.change_client("page", change).await.unwrap_err();
        assert_eq!(error.kind(), Fault, "{error}");
        assert_eq!(store.find("page").await.unwrap().unwrap().to_text(), client.to_text());
    }
    let error = store.rotate_client_secret("page", &SecretDigest::of("x"), std::time::UNIX_EPOCH).await.unwrap_err();
    assert!(error.kind() == Fault && error.to_string().contains("Client::public"), "{error}");

    let month = Duration::from_secs(30 * 86_400);
    let end = std::time::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    assert!(!store.change_sunset("page", Ok).await.unwrap(), "it has no end");
    assert!(!store.change_sunset("nobody", Ok).await.unwrap());
    let plan = Sunset::at(end).ramp_from(end - month).unwrap();
    assert!(store.change_client("page", move |client| client.sunset(plan.clone())).await.unwrap());
    assert!(store.change_sunset("page", move |plan| plan.move_to(plan.end() + month)).await.unwrap());
    let error = store.change_sunset("page", move |plan| plan.move_to(end - month)).await.unwrap_err();
    assert_eq!(error.kind(), Fault, "{error}");
    assert_eq!(store.find("page").await.unwrap().unwrap().sunset().unwrap().end(), end + month);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_cannot_be_read_is_no_client_and_stays_as_it_is() {
    let Some(server) = Postgres::start("postgres-bad-clients") else { return };
    let (name, database) = (new_name(), connect(&server).await);
    let [store, _] = make_two(&server, &name).await;
    let client = page("https://app.example").build().unwrap();
    let text = client.to_text();
    // As a later version, nobody, and a statement with a mistake would write it.
    let later = format!("2{}", text.strip_prefix('1').unwrap());
    let another = Client::public("another").build().unwrap().to_text();
    for written in [later.clone(), "no registration".to_owned(), another] {
        store.put_client(&client).await.unwrap();
        database.execute(&format!("UPDATE \"{name}\".clients SET registration = $1"), &[&written]).await.unwrap();
        let kind = if written == later { Unavailable } else { Fault };
        assert_eq!(store.find("page").await.unwrap_err().kind(), kind, "{written}");
        assert_eq!(store.clients("", 9).await.unwrap_err().kind(), kind, "{written}");
        assert_eq!(store.change_client("page", |client| client).await.unwrap_err().kind(), kind, "{written}");
        let kept = database.query_one(&format!("SELECT registration FROM \"{name}\".clients"), &[]).await.unwrap();
        assert_eq!(kept.get::<_, &str>(0), written, "what cannot be read is kept");
        assert_eq!(store.client_ids("", 9).await.unwrap().len(), 1);
        assert!(store.set_client_enabled("page", false).await.unwrap());
        assert!(store.find("page").await.unwrap().is_none());
        store.put_client(&client).await.unwrap();
        assert!(store.find("page").await.unwrap().is_none(), "it stays disabled");
        assert!(store.set_client_enabled("page", true).await.unwrap());
        assert!(store.find("page").await.unwrap().is_some());
    }
}
