//! Two servers over one database, each with an endpoint of its own: what one does the other knows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::ServiceExt as _;
use tower_password_grant::limiter::{AttackProtection, SharedKey, StoredLimiter};
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::store::{
    FamilyId, LoginName, NewUser, RefreshFamily, SecretDigest, StoredUser, UserStatus, UserStore,
};
use tower_password_grant::testing::{begin_family, contract};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::usage::UsageLedger;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Client, ClientId, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant,
    PasswordGrantLayer, PeerAddress, StaticClients, Subject, Verdict,
};

use crate::cluster::Postgres;
use crate::database::{connect, errors, make_two, new_name, new_two};

/// Every user has the same password.
struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let is_right = attempt.password().expose() == "correct horse";
        Ok(if is_right { Subject::new(attempt.username().to_owned()).into() } else { Denial::WrongPassword.into() })
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

/// An endpoint, as one of several servers has it.
pub fn endpoint(store: &PostgresStore) -> PasswordGrantLayer {
    let app = Client::public("app").allow_password_grant().allow_refresh_tokens().scopes("read").build().unwrap();
    let key = SharedKey::new([7; 32]).unwrap();
    let limiter = Arc::new(StoredLimiter::new(store.clone(), &key));
    PasswordGrant::builder()
        .clients(StaticClients::new([app]).unwrap())
        .verifier(Users)
        .issuer(OpaqueIssuer::new(store.clone()))
        .refresh_tokens(RefreshTokens::in_store(store.clone()).leeway(Duration::ZERO))
        .attack_protection(AttackProtection::new().limiter(limiter).shared_key(key))
        .peer_address(PeerAddress::extension(|address: &IpAddr| Some(*address)))
        .build()
        .unwrap()
}

async fn post(layer: &PasswordGrantLayer, path: &str, form: &str) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(IpAddr::from([192, 0, 2, 7]))
        .body(Full::new(Bytes::from(form.to_owned())))
        .unwrap();
    let answer = layer.endpoint().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

pub async fn login(layer: &PasswordGrantLayer, user: &str, password: &str) -> (StatusCode, Value) {
    let form = format!("grant_type=password&client_id=app&scope=read&username={user}&password={password}");
    post(layer, "/oauth/token", &form).await
}

pub async fn refresh(layer: &PasswordGrantLayer, token: &Value) -> (StatusCode, Value) {
    let token = token.as_str().unwrap();
    post(layer, "/oauth/token", &format!("grant_type=refresh_token&client_id=app&refresh_token={token}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_one_server_is_refreshed_at_another_and_a_replay_ends_it_at_both() {
    let Some(server) = Postgres::start("postgres-servers") else { return };
    let name = new_name();
    let stores = make_two(&server, &name).await;
    let [one, other] = [endpoint(&stores[0]), endpoint(&stores[1])];
    let (status, first) = login(&one, "alice", "correct+horse").await;
    assert_eq!(status, StatusCode::OK, "{first} {}", server.log());
    let (status, second) = refresh(&other, &first["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    let (status, error) = refresh(&one, &first["refresh_token"]).await;
    assert_eq!((status, error["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")), "a replay");
    for layer in [&one, &other] {
        assert_eq!(refresh(layer, &second["refresh_token"]).await.0, StatusCode::BAD_REQUEST, "it ended the family");
    }
    // The rows can be read by people, and hold no token.
    let client = connect(&server).await;
    let query = format!("SELECT subject, client, scope, ended IS NOT NULL FROM \"{name}\".refresh_families");
    let row = client.query_one(&query, &[]).await.unwrap();
    let read = (row.get::<_, &str>(0), row.get::<_, &str>(1), row.get::<_, &str>(2), row.get::<_, bool>(3));
    assert_eq!(read, ("alice", "app", "read", true));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_guesses_over_two_servers_exactly_the_budget_is_verified() {
    let Some(server) = Postgres::start("postgres-guesses") else { return };
    let stores = new_two(&server).await;
    let layers = [endpoint(&stores[0]), endpoint(&stores[1])].map(Arc::new);
    for round in 0..3 {
        let guesses = (0..200).map(|guess| {
            let layer = Arc::clone(&layers[guess % 2]);
            async move { login(&layer, &format!("user{round}"), &format!("guess{guess}")).await.0.as_u16() }
        });
        let statuses = contract::together(guesses).await;
        let count = |status: u16| statuses.iter().filter(|other| **other == status).count();
        assert_eq!((count(400), count(429)), (10, 190), "round {round}: {statuses:?}");
        // The right password waits, too, at both.
        for layer in &layers {
            assert_eq!(login(layer, &format!("user{round}"), "correct+horse").await.0.as_u16(), 429);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_refreshes_over_two_servers_one_has_a_successor() {
    let Some(server) = Postgres::start("postgres-refreshes") else { return };
    let stores = new_two(&server).await;
    let layers = [endpoint(&stores[0]), endpoint(&stores[1])].map(Arc::new);
    for round in 0..5 {
        let (_, first) = login(&layers[0], &format!("user{round}"), "correct+horse").await;
        let refreshes = (0..64).map(|number| {
            let (layer, token) = (Arc::clone(&layers[number % 2]), first["refresh_token"].clone());
            async move { refresh(&layer, &token).await.0 }
        });
        let answers = contract::together(refreshes).await;
        // Without a leeway the second use is a replay.
        assert_eq!(answers.iter().filter(|status| **status == StatusCode::OK).count(), 1, "round {round}: {answers:?}");
        assert!(answers.iter().all(|status| [StatusCode::OK, StatusCode::BAD_REQUEST].contains(status)), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_120_logins_at_once_over_two_servers_100_stay() {
    let Some(server) = Postgres::start("postgres-logins") else { return };
    let name = new_name();
    let stores = make_two(&server, &name).await;
    let (app, now) = (ClientId::new("app").unwrap(), SystemTime::now());
    let logins = (0..120_u128).map(|number| {
        let (store, app) = (stores[number as usize % 2].clone(), app.clone());
        let id = FamilyId::from_bytes(number.to_be_bytes());
        let family = RefreshFamily::new(id, "alice", app, now, now + Duration::from_secs(60));
        async move { begin_family(&store, family, &SecretDigest::of("t"), now).await }
    });
    assert!(contract::together(logins).await.iter().all(Result::is_ok));
    let query = format!("SELECT count(*) FROM \"{name}\".refresh_families WHERE ended IS NULL");
    assert_eq!(connect(&server).await.query_one(&query, &[]).await.unwrap().get::<_, i64>(0), 100);
}

/// Users of the store, whose hashes are their passwords: what hashes them is not at stake here.
struct StoredUsers(PostgresStore);

impl StoredUsers {
    fn verdict(user: StoredUser) -> Verdict {
        match user.status().denial() {
            Some(denial) => denial.into(),
            None => user.into_subject().into(),
        }
    }
}

#[async_trait]
impl CredentialVerifier for StoredUsers {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let found = UserStore::find(&self.0, &LoginName::new(attempt.username()), attempt.realm()).await?;
        let found = found.filter(|user| user.password_hash() == Some(attempt.password().expose()));
        Ok(found.map_or_else(|| Denial::WrongPassword.into(), Self::verdict))
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        let found = self.0.find_by_id(login.subject_id(), login.realm()).await?;
        Ok(found.map_or_else(|| Denial::UnknownUser.into(), Self::verdict))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_with_everything_in_one_database_know_at_once_what_an_operator_changes_at_another() {
    let Some(server) = Postgres::start("postgres-whole") else { return };
    let name = new_name();
    let stores = make_two(&server, &name).await;
    let app = Client::public("app").allow_password_grant().allow_refresh_tokens().scopes("read").build().unwrap();
    stores[0].put_client(&app).await.unwrap();
    for user in ["alice", "bob"] {
        let new = NewUser::new(format!("id-of-{user}"), user).with_password_hash("correct horse".to_owned());
        assert!(stores[1].add_user(new).await.unwrap());
    }
    let ledgers = stores.clone().map(UsageLedger::new);
    let serve = |number: usize| {
        let (store, key) = (stores[number].clone(), SharedKey::new([7; 32]).unwrap());
        PasswordGrant::builder()
            .clients(store.clone())
            .verifier(StoredUsers(store.clone()))
            .issuer(OpaqueIssuer::new(store.clone()))
            .refresh_tokens(RefreshTokens::in_store(store.clone()))
            .attack_protection(
                AttackProtection::new().limiter(Arc::new(StoredLimiter::new(store, &key))).shared_key(key),
            )
            .usage(ledgers[number].clone())
            .peer_address(PeerAddress::extension(|address: &IpAddr| Some(*address)))
            .build()
            .unwrap()
    };
    let [one, other] = [serve(0), serve(1)];
    let (status, tokens) = login(&one, "alice", "correct+horse").await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let (status, of_bob) = login(&other, "Bob", "correct+horse").await;
    assert_eq!(status, StatusCode::OK, "{of_bob}");

    // A disabled client, a disabled user and a changed password hold at the other server from the next request on.
    assert!(stores[0].set_client_enabled("app", false).await.unwrap());
    assert_eq!(refresh(&other, &tokens["refresh_token"]).await.1["error"], "invalid_client");
    assert!(stores[1].set_client_enabled("app", true).await.unwrap());
    let (status, tokens) = refresh(&one, &tokens["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert!(stores[0].set_user_status("id-of-bob", UserStatus::Disabled).await.unwrap());
    assert_eq!(refresh(&other, &of_bob["refresh_token"]).await.1["error"], "invalid_grant");
    assert!(stores[1].set_password_hash("id-of-alice", Some("another")).await.unwrap());
    assert_eq!(refresh(&one, &tokens["refresh_token"]).await.1["error"], "invalid_grant");
    assert_eq!(login(&one, "alice", "correct+horse").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(login(&other, "alice", "another").await.0, StatusCode::OK);
    // One ledger says what both have seen.
    for ledger in &ledgers {
        ledger.flush().await.unwrap();
    }
    let report = ledgers[0].report(Duration::from_secs(86_400)).await.unwrap();
    assert_eq!((report.clients.len(), report.clients[0].users, report.clients[0].ways[0].logins), (1, 2, 3));
    assert_eq!(errors(&server), [""; 0]);
}
