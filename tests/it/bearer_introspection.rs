//! The introspection client (RFC 7662) over a real HTTP client, against a real server.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tower_password_grant::bearer::{
    AccessTokenVerifier as _, BearerGuard, BearerGuardBuilder, IntrospectionClient, IntrospectionConfigError,
    RevocationOutcome, TokenCache,
};
use tower_password_grant::{Client as Registration, ClientSecret, PeerAddress};

use crate::support::bearer::{self, AUDIENCE, Api};
use crate::support::tokens::Tokens;
use crate::support::{self, ManualClock, spawn};

/// `we ird:id%+` and `p%ss+w:rd`, each form-encoded (RFC 6749 section 2.3.1).
const CREDENTIALS: &str = "Basic d2UraXJkJTNBaWQlMjUlMkI6cCUyNXNzJTJCdyUzQXJk";

type Seen = Arc<Mutex<Vec<(HeaderMap, Vec<(String, String)>)>>>;

/// A server that knows a few tokens, and keeps what it was asked.
async fn introspect(State(seen): State<Seen>, headers: HeaderMap, Form(form): Form<Vec<(String, String)>>) -> Response {
    let token = form[0].1.clone();
    let is_known = headers["authorization"] == CREDENTIALS;
    seen.lock().unwrap().push((headers, form));
    if !is_known {
        return (StatusCode::UNAUTHORIZED, axum::Json(json!({"error": "invalid_client"}))).into_response();
    }
    let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
    let good = |more: Value| {
        let mut answer = json!({"active": true, "sub": "alice", "client_id": "cli", "exp": expires, "scope": "read",
            "aud": AUDIENCE, "token_type": "Bearer"});
        answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        axum::Json(answer).into_response()
    };
    match token.as_str() {
        "good" => good(json!({})),
        "writer" => good(json!({"scope": "write read", "aud": ["x", AUDIENCE], "tenant": "acme"})),
        "other-api" => good(json!({"aud": "https://other.example"})),
        "expired" => good(json!({"exp": expires - 7200})),
        "dpop" => good(json!({"token_type": "DPoP", "cnf": {"jkt": "x"}})),
        "refresh" => good(json!({"token_type": "refresh_token"})),
        "text" => "active".into_response(),
        "jwt" => ([("content-type", "application/token-introspection+jwt")], r#"{"active":true}"#).into_response(),
        "huge" => good(json!({"more": "x".repeat(70_000)})),
        "endless" => {
            let stream = Body::new(Endless);
            ([("content-type", "application/json")], stream).into_response()
        }
        "late" => {
            tokio::time::sleep(Duration::from_secs(3)).await;
            good(json!({}))
        }
        "moved" => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        "throttled" => StatusCode::TOO_MANY_REQUESTS.into_response(),
        "broken" => (StatusCode::INTERNAL_SERVER_ERROR, good(json!({}))).into_response(),
        "created" => (StatusCode::CREATED, good(json!({}))).into_response(),
        _ => axum::Json(json!({"active": false})).into_response(),
    }
}

/// White space without an end.
struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[b' '; 4096])))))
    }
}

type Http = Client<HttpConnector, Full<Bytes>>;

fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

fn secret() -> ClientSecret {
    ClientSecret::new("p%ss+w:rd".to_owned())
}

/// No test waits for this, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

fn client(address: SocketAddr) -> IntrospectionClient<Http> {
    let endpoint = format!("http://{address}/oauth/introspect");
    let client = IntrospectionClient::new(&endpoint, http(), "we ird:id%+", &secret()).unwrap();
    client.with_deadline(PATIENCE).unwrap()
}

async fn server() -> (SocketAddr, Seen) {
    let seen = Seen::default();
    let app = Router::new().route("/oauth/introspect", post(introspect)).with_state(Arc::clone(&seen));
    (Api::serve(app).await.address, seen)
}

/// An API that asks with this client.
async fn api(client: IntrospectionClient<Http>) -> Api {
    let guard = BearerGuard::builder(client).audience(AUDIENCE).deadline(PATIENCE).build().unwrap();
    Api::serve(bearer::api(&guard)).await
}

/// An API that asks the server.
async fn guarded() -> (Api, Seen) {
    let (address, seen) = server().await;
    (api(client(address)).await, seen)
}

#[tokio::test]
async fn an_active_token_opens_the_api_with_what_the_server_says_of_it() {
    let (api, seen) = guarded().await;
    assert_eq!(api.get("Bearer good").await.body, "alice read");
    assert_eq!(api.post("Bearer writer").await.body, "alice read write");
    let answer = api.post("Bearer good").await;
    answer.assert_refused(403, "insufficient_scope");
    let (headers, form) = seen.lock().unwrap()[0].clone();
    let expected = [("token", "good"), ("token_type_hint", "access_token")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(form, expected);
    assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(
        (&headers["accept"], &headers["authorization"]),
        (&"application/json".parse().unwrap(), &CREDENTIALS.parse().unwrap())
    );
    let record = client(server().await.0).verify("writer").await.unwrap().unwrap();
    assert_eq!(record.claim::<String>("tenant").as_deref(), Some("acme"));
}

#[tokio::test]
async fn an_inactive_or_unfit_token_is_invalid_be_04_be_13_be_14_be_15() {
    let (api, seen) = guarded().await;
    for token in ["unknown", "expired", "dpop", "refresh", "other-api"] {
        api.get(&format!("Bearer {token}")).await.assert_refused(401, "invalid_token");
    }
    assert_eq!(seen.lock().unwrap().len(), 5);
    // Made of characters that mean something in a form.
    api.get("Bearer a+b/c==").await.assert_refused(401, "invalid_token");
    assert_eq!(seen.lock().unwrap()[5].1[0].1, "a+b/c==");
}

/// Two APIs over the introspection endpoint of this crate, which ask as the client `conf`: one for clients of no realm, and one
/// for those of realm `a`. Neither is for an audience, which would tell tokens apart, too.
async fn asking(tokens: &Tokens) -> [Api; 2] {
    let endpoint = tokens.layer.introspection_endpoint();
    let address = Api::serve(Router::new().route_service("/oauth/introspect", endpoint)).await.address;
    let endpoint = format!("http://{address}/oauth/introspect");
    let client = IntrospectionClient::new(&endpoint, http(), "conf", &ClientSecret::new("conf-pw".to_owned())).unwrap();
    let serve = async |change: fn(BearerGuardBuilder) -> BearerGuardBuilder| {
        let guard = change(BearerGuard::builder(client.clone()).any_audience()).build().unwrap();
        Api::serve(bearer::api(&guard)).await
    };
    [serve(|guard| guard).await, serve(|guard| guard.token_realm("a")).await]
}

#[tokio::test]
async fn the_crates_own_endpoint_tells_the_realm_and_the_kind_of_a_token_be_14_t67() {
    let full = |id: &str| {
        let client = Registration::confidential(id, &support::digest(&format!("{id}-pw")));
        client.allow_password_grant().allow_refresh_tokens().scopes("read").default_scope("read")
    };
    // The first may know of every token.
    let clients = [full("conf").allow_introspection().resource_server(AUDIENCE), full("app-a").realm("a")];
    let clients = clients.map(|client| client.build().unwrap()).into();
    let tokens = Tokens::with(clients, |builder| builder.peer_address(PeerAddress::unknown()));
    // The guard goes by the present.
    tokens.clock.advance(SystemTime::now().duration_since(ManualClock::start()).unwrap());
    let (plain, a) = (tokens.login("conf").await, tokens.login("app-a").await);
    let [of_none, of_a] = asking(&tokens).await;
    let bearer = |token: &str| format!("Bearer {token}");
    assert_eq!(of_none.get(&bearer(&plain.access)).await.body, "user-alice read");
    assert_eq!(of_a.get(&bearer(&a.access)).await.body, "user-alice read");
    of_none.get(&bearer(&a.access)).await.assert_refused(401, "invalid_token");
    of_a.get(&bearer(&plain.access)).await.assert_refused(401, "invalid_token");
    // The client that asks is the refresh token's own, so the endpoint shows it.
    assert_eq!(tokens.introspect("conf", &plain.refresh).await["active"], true);
    of_none.get(&bearer(&plain.refresh)).await.assert_refused(401, "invalid_token");
}

#[tokio::test]
async fn whatever_is_no_answer_is_unavailable_and_no_verdict_be_16() {
    let (address, _) = server().await;
    let patient = api(client(address)).await;
    let impatient = api(client(address).with_deadline(Duration::from_millis(500)).unwrap()).await;
    for token in ["text", "jwt", "huge", "endless", "late", "moved", "throttled", "broken", "created"] {
        let api = if token == "late" { &impatient } else { &patient };
        let answer = api.get(&format!("Bearer {token}")).await;
        assert_eq!(answer.status, 503, "{token}");
        answer.assert_refused(503, "temporarily_unavailable");
    }
    assert_eq!(patient.get("Bearer good").await.status, 200);
}

#[tokio::test]
async fn a_client_that_the_server_does_not_know_says_nothing_of_the_token_be_16() {
    let (address, _) = server().await;
    let endpoint = format!("http://{address}/oauth/introspect");
    let wrong = IntrospectionClient::new(&endpoint, http(), "rs", &secret()).unwrap();
    let error = wrong.verify("good").await.unwrap_err();
    assert!(error.into_error().to_string().contains("401"));
    // Nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(client(free).verify("good").await.is_err());
}

#[tokio::test]
async fn the_cache_spares_the_server_and_revocation_is_not_the_clients() {
    let (address, seen) = server().await;
    let tokens = client(address);
    assert_eq!(tokens.revoke("good").await.unwrap(), RevocationOutcome::Unsupported);
    let cache = TokenCache::new(100, Duration::from_secs(60));
    let guard = BearerGuard::builder(tokens).audience(AUDIENCE).cache(cache).build().unwrap();
    let api = Api::serve(bearer::api(&guard)).await;
    for _ in 0..20 {
        assert_eq!(api.get("Bearer good").await.status, 200);
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn it_mounts_over_any_tower_client() {
    let (address, _) = server().await;
    let limited = tower::ServiceBuilder::new().concurrency_limit(2).service(http());
    let endpoint = format!("http://{address}/oauth/introspect");
    let client = IntrospectionClient::new(&endpoint, limited, "we ird:id%+", &secret()).unwrap();
    let asks: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            spawn(async move { client.verify("good").await.unwrap().unwrap().subject_id().to_owned() })
        })
        .collect();
    for ask in asks {
        assert_eq!(ask.await.unwrap(), "alice");
    }
}

#[test]
fn token_and_secret_do_not_travel_in_the_clear() {
    let make = |endpoint: &str| IntrospectionClient::new(endpoint, (), "rs", &secret()).map(drop);
    for good in ["https://as.example/i", "http://localhost:1/i", "http://127.0.0.1/i", "http://[::1]:80/i"] {
        assert!(make(good).is_ok(), "{good}");
    }
    for bad in ["http://as.example/i", "http://127.0.0.1.as.example/i", "http://localhost.example/i"] {
        assert!(matches!(make(bad), Err(IntrospectionConfigError::Plaintext)), "{bad}");
        assert!(IntrospectionClient::without_tls(bad, (), "rs", &secret()).is_ok());
    }
    for bad in ["", "/i", "as.example/i", "ftp://as.example/i", "https://user:pass@as.example/i", "https:///i"] {
        assert!(matches!(make(bad), Err(IntrospectionConfigError::Endpoint)), "{bad}");
    }
    let no_id = IntrospectionClient::new("https://as.example/i", (), "é", &secret());
    assert!(matches!(no_id, Err(IntrospectionConfigError::ClientId)));
    let printed = format!("{:?}", IntrospectionClient::new("https://as.example/i", (), "rs", &secret()).unwrap());
    assert!(printed.contains("as.example") && !printed.contains("p%ss") && !printed.contains("Basic"), "{printed}");
}
