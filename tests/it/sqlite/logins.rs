//! Whole logins and refreshes on one file: what they write, and what one user may cost the others.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use rusqlite::Connection;
use serde_json::Value;
use tower::ServiceExt as _;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer,
    PeerAddress, StaticClients, Subject, Verdict,
};

use crate::support::counts::is_full;
use crate::support::folder::Folder;
use crate::support::protection::without_ceiling;

/// Everybody's password is `right`.
struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match attempt.password().expose() {
            "right" => Subject::new(attempt.username().to_owned()).into(),
            _ => Denial::WrongPassword.into(),
        })
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

/// An endpoint that keeps its tokens in this store, and its attempts in memory. The client `app` gets refresh tokens, `plain`
/// does not.
fn layer(store: &SqliteStore) -> PasswordGrantLayer {
    let client = |id| Client::public(id).allow_password_grant().scopes("read").default_scope("read");
    let clients = [client("app").allow_refresh_tokens().build().unwrap(), client("plain").build().unwrap()];
    PasswordGrant::builder()
        .clients(StaticClients::new(clients).unwrap())
        .verifier(Users)
        .issuer(OpaqueIssuer::new(store.clone()))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .attack_protection(without_ceiling())
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap()
}

async fn post(layer: &PasswordGrantLayer, form: String) -> (StatusCode, Value) {
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form)))
        .unwrap();
    let answer = layer.endpoint().oneshot(request).await.unwrap();
    let status = answer.status();
    (status, serde_json::from_slice(&answer.into_body().collect().await.unwrap().to_bytes()).unwrap())
}

async fn login(layer: &PasswordGrantLayer, client: &str, user: &str) -> Value {
    let form = format!("grant_type=password&client_id={client}&username={user}&password=right");
    let (status, json) = post(layer, form).await;
    assert_eq!(status, StatusCode::OK, "{json}");
    json
}

async fn refresh(layer: &PasswordGrantLayer, login: &Value) -> Value {
    let token = login["refresh_token"].as_str().unwrap();
    let form = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
    let (status, json) = post(layer, form).await;
    assert_eq!(status, StatusCode::OK, "{json}");
    json
}

/// The rows of all tables, with their names.
fn rows(folder: &Folder) -> Vec<(String, i64)> {
    let connection = Connection::open(folder.file()).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let tables: Vec<String> =
        connection.prepare(sql).unwrap().query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let count = |table: &String| {
        connection.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get::<_, i64>(0)).unwrap()
    };
    tables.iter().map(|table| (table.clone(), count(table))).collect()
}

#[tokio::test]
async fn a_login_and_a_refresh_write_their_tokens_in_one_commit_each() {
    let folder = Folder::new();
    let store = folder.store();
    let layer = layer(&store);
    let written = |before: tower_password_grant::sqlite::SqliteStats| {
        let now = store.stats();
        (now.operations - before.operations, now.commits - before.commits)
    };
    let before = store.stats();
    let mut last = login(&layer, "app", "alice").await;
    assert_eq!(written(before), (1, 1), "a login with a refresh token");
    let before = store.stats();
    let first = last.clone();
    last = refresh(&layer, &last).await;
    assert_eq!(written(before), (1, 1), "a refresh");
    let before = store.stats();
    let again = refresh(&layer, &first).await;
    assert_eq!(again["refresh_token"], last["refresh_token"]);
    assert_eq!(written(before), (1, 1), "a repeat");
    let before = store.stats();
    login(&layer, "plain", "alice").await;
    assert_eq!(written(before), (1, 1), "a login without a refresh token");
    store.close().await;
}

#[tokio::test]
async fn a_rotation_leaves_no_row_but_its_access_token_and_a_hundred_of_those() {
    let folder = Folder::new();
    let store = folder.store();
    let layer = layer(&store);
    let mut last = login(&layer, "app", "alice").await;
    let before = rows(&folder);
    for _ in 0..300 {
        last = refresh(&layer, &last).await;
    }
    let left: Vec<_> = rows(&folder).into_iter().filter(|row| !before.contains(row)).collect();
    assert_eq!(left, [("access_tokens".to_owned(), 100)]);
    store.close().await;
}

#[tokio::test]
async fn rotations_of_one_user_without_end_leave_room_for_the_logins_of_others() {
    let folder = Folder::new();
    // Each row that a rotation or a login left would fill the file long before the end.
    let (size, rotations, logins) = if is_full() { (2 << 20, 20_000, 6_000) } else { (1 << 20, 8_000, 3_000) };
    let store = SqliteStore::builder(folder.file()).max_size(size).open().unwrap();
    let layer = layer(&store);
    let mut last = login(&layer, "app", "mallory").await;
    for _ in 0..rotations {
        last = refresh(&layer, &last).await;
    }
    for number in 0..200 {
        let user = format!("user{number}");
        let theirs = login(&layer, "app", &user).await;
        refresh(&layer, &theirs).await;
    }
    // And those that get no refresh tokens.
    for _ in 0..logins {
        login(&layer, "plain", "mallory").await;
    }
    login(&layer, "plain", "bob").await;
    login(&layer, "app", "bob").await;
    store.close().await;
}

/// The steps of SQLite's virtual machine that one login more takes.
async fn steps_of_a_login(store: &SqliteStore, layer: &PasswordGrantLayer, client: &str, user: &str) -> u64 {
    let before = store.stats().steps;
    login(layer, client, user).await;
    store.stats().steps - before
}

#[tokio::test]
async fn a_login_in_place_of_another_costs_little_more_than_one_that_has_room() {
    let folder = Folder::new();
    let builder = SqliteStore::builder(folder.file()).prune_every(Duration::from_secs(3600));
    let store = builder.open().unwrap();
    let layer = layer(&store);
    for client in ["app", "plain"] {
        // Others, so that an index is more than one page.
        for number in 0..200 {
            login(&layer, client, &format!("{client}-{number}")).await;
        }
        let mut steps = Vec::new();
        for _ in 0..300 {
            steps.push(steps_of_a_login(&store, &layer, client, "alice").await);
        }
        let (below, at) = (steps[99], steps[100..].iter().copied().max().unwrap());
        println!("{client}: first {}, below {below}, at {at}", steps[0]);
        assert!(at <= below + 150, "{client}: {at} at the cap, {below} below it");
        // A hundred rows of an index are looked at, whatever is kept of others.
        assert!(at <= steps[0] + 900, "{client}: {at} at the cap, {} for the first", steps[0]);
    }
    store.close().await;
}
