//! Two servers over one Redis, each with an endpoint of its own: what one does the other knows.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::ServiceExt as _;
use tower_password_grant::limiter::{AttackProtection, SharedKey, StoredLimiter};
use tower_password_grant::redis::RedisStore;
use tower_password_grant::store::SecretDigest;
use tower_password_grant::testing::contract;
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer,
    PeerAddress, StaticClients, Subject, Verdict,
};

use crate::cluster::Cluster;
use crate::server::Redis;
use crate::stores::new_two;

/// Of the API that introspects.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

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
fn endpoint(store: &RedisStore) -> PasswordGrantLayer {
    let app = Client::public("app").allow_password_grant().allow_refresh_tokens().scopes("read").build().unwrap();
    let api = Client::confidential("api", &SecretDigest::of(SECRET)).allow_introspection().build().unwrap();
    let key = SharedKey::new([7; 32]).unwrap();
    let limiter = Arc::new(StoredLimiter::new(store.clone(), &key));
    let tokens = Arc::new(OpaqueIssuer::new(store.clone()));
    PasswordGrant::builder()
        .clients(StaticClients::new([app, api]).unwrap())
        .verifier(Users)
        .issuer(Arc::clone(&tokens))
        .access_tokens(tokens)
        .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
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
    let endpoint = if path.ends_with("token") { layer.endpoint() } else { layer.introspection_endpoint() };
    let answer = endpoint.oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn login(layer: &PasswordGrantLayer, user: &str, password: &str) -> (StatusCode, Value) {
    let form = format!("grant_type=password&client_id=app&scope=read&username={user}&password={password}");
    post(layer, "/oauth/token", &form).await
}

async fn refresh(layer: &PasswordGrantLayer, token: &Value) -> (StatusCode, Value) {
    let token = token.as_str().unwrap();
    post(layer, "/oauth/token", &format!("grant_type=refresh_token&client_id=app&refresh_token={token}")).await
}

async fn is_active(layer: &PasswordGrantLayer, answer: &Value) -> bool {
    let token = answer["access_token"].as_str().unwrap();
    let form = format!("client_id=api&client_secret={SECRET}&token={token}");
    let (status, told) = post(layer, "/oauth/introspect", &form).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    told["active"].as_bool().unwrap()
}

pub async fn login_here_refresh_there(stores: [RedisStore; 2]) {
    let [one, other] = [endpoint(&stores[0]), endpoint(&stores[1])];
    let (status, first) = login(&one, "alice", "correct+horse").await;
    assert_eq!(status, StatusCode::OK, "{first}");
    assert!(is_active(&other, &first).await);
    let (status, second) = refresh(&other, &first["refresh_token"]).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    assert!(is_active(&one, &first).await && is_active(&one, &second).await);
    let (status, error) = refresh(&one, &first["refresh_token"]).await;
    assert_eq!((status, error["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_grant")), "a replay");
    for layer in [&one, &other] {
        assert_eq!(refresh(layer, &second["refresh_token"]).await.0, StatusCode::BAD_REQUEST, "it ended the family");
        assert!(!is_active(layer, &first).await && !is_active(layer, &second).await, "with its access tokens");
    }
    let (_, third) = login(&other, "alice", "correct+horse").await;
    assert_eq!(stores[0].log_out(None, "alice").await.unwrap(), 2, "a login and its access token");
    assert!(!is_active(&other, &third).await);
    assert_eq!(refresh(&other, &third["refresh_token"]).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_one_server_is_refreshed_at_another_and_a_replay_ends_it_at_both() {
    let Some(server) = Redis::start("servers") else { return };
    login_here_refresh_there(new_two(&server).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_at_one_server_over_a_cluster_is_refreshed_at_another() {
    let Some(cluster) = Cluster::start("cluster-servers").await else { return };
    login_here_refresh_there(cluster.new_two().await).await;
}

pub async fn guesses(stores: [RedisStore; 2], rounds: usize) {
    let layers = [endpoint(&stores[0]), endpoint(&stores[1])].map(Arc::new);
    for round in 0..rounds {
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
async fn of_200_guesses_over_two_servers_exactly_the_budget_is_verified() {
    let Some(server) = Redis::start("guesses") else { return };
    guesses(new_two(&server).await, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_guesses_over_a_cluster_exactly_the_budget_is_verified() {
    let Some(cluster) = Cluster::start("cluster-guesses").await else { return };
    guesses(cluster.new_two().await, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_refreshes_over_two_servers_one_has_a_successor() {
    let Some(server) = Redis::start("refreshes") else { return };
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
