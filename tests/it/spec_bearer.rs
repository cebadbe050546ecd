//! The bearer guard (RFC 6750): section 18 of the checklist, over real sockets.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::HeaderName;
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::{Value, json};
use tower_http::cors::CorsLayer;
use tower_password_grant::bearer::{AccessTokenVerifier, BearerConfigError, BearerGuard, BearerReason, Principal};
use tower_password_grant::store::{AccessTokenStore as _, MemoryAccessTokens, SecretDigest};
use tower_password_grant::token::{Claims, Token};
use tower_password_grant::{BackendError, OpaqueIssuer};

use crate::support::bearer::{self, AUDIENCE, Answer, Api, Tokens, record};
use crate::support::capture::Capture;

#[tokio::test]
async fn the_scheme_has_any_case_and_one_or_more_spaces_be_01() {
    let api = Api::start(&Tokens::new()).await;
    for authorization in ["Bearer t", "bearer t", "BEARER  t"] {
        let answer = api.get(authorization).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"alice read"[..]), "{authorization}");
    }
}

#[tokio::test]
async fn without_credentials_there_is_a_challenge_and_no_error_be_02_be_03() {
    let (tokens, api) = started().await;
    let answer = api.send("GET", "/api/me", &[], "").await;
    answer.assert_refused(401, "");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"api\""));
    assert_eq!((tokens.calls(), api.last_reason()), (0, BearerReason::NoCredentials));
}

async fn started() -> (Tokens, Api) {
    let tokens = Tokens::new();
    let api = Api::start(&tokens).await;
    (tokens, api)
}

#[tokio::test]
async fn no_refusal_has_a_bare_scheme_be_03() {
    let (_, api) = started().await;
    for authorization in ["", "Basic x", "Bearer", "Bearer a b", "Bearer a%b", "Bearer unknown", "Bearer t"] {
        let answer = api.post(authorization).await;
        assert!(answer.status.is_client_error() && !answer.challenge()["realm"].is_empty(), "{authorization}");
    }
}

#[tokio::test]
async fn expired_revoked_unknown_and_malformed_tokens_are_invalid_be_04() {
    let store = Arc::new(MemoryAccessTokens::new());
    let guard = BearerGuard::builder(OpaqueIssuer::new(Arc::clone(&store))).audience(AUDIENCE).build().unwrap();
    let api = Api::serve(bearer::api(&guard)).await;
    let insert = async |record| {
        let token = Token::random("at_").unwrap();
        store.insert(token.digest(), record).await.unwrap();
        token.expose().to_owned()
    };
    let past = SystemTime::now() - Duration::from_secs(1);
    let expired = bearer::record("read");
    let expired = tower_password_grant::store::AccessTokenRecord::new("alice", expired.client().clone(), past, past)
        .with_scope("read".parse().unwrap())
        .with_audience([AUDIENCE]);
    let (good, expired, revoked) = (insert(record("read")).await, insert(expired).await, insert(record("read")).await);
    for token in [&good, &revoked] {
        assert_eq!(api.get(&format!("Bearer {token}")).await.status, 200);
    }
    assert!(store.revoke(&SecretDigest::of(&revoked)).await.unwrap());
    let unknown = Token::random("at_").unwrap();
    let truncated = &good[..good.len() - 1];
    let extended = format!("{good}A");
    for token in [&expired, &revoked, unknown.expose(), "at_", truncated, &extended, &good.to_uppercase()] {
        api.get(&format!("Bearer {token}")).await.assert_refused(401, "invalid_token");
    }
    assert_eq!(api.get(&format!("Bearer {good}")).await.status, 200);
}

#[tokio::test]
async fn the_scheme_alone_or_with_several_parts_is_an_invalid_request_be_05() {
    let (tokens, api) = started().await;
    for authorization in ["Bearer", "Bearer   ", "Bearer a b", "Bearer t t"] {
        api.get(authorization).await.assert_refused(400, "invalid_request");
    }
    assert_eq!(tokens.calls(), 0);
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_looked_up_be_06() {
    let (tokens, api) = started().await;
    let long = format!("Bearer {}", "a".repeat(8193));
    for authorization in ["Bearer a%b", "Bearer a,b", "Bearer \"t\"", "Bearer =t", "Bearer t=t", &long] {
        api.get(authorization).await.assert_refused(401, "invalid_token");
    }
    assert_eq!(tokens.calls(), 0);
    api.get(&long[..long.len() - 1]).await.assert_refused(401, "invalid_token");
    assert_eq!(tokens.calls(), 1);
}

#[tokio::test]
async fn two_authorization_lines_are_an_invalid_request_be_07() {
    let (tokens, api) = started().await;
    for second in ["Bearer t", "Bearer w", "Basic Y29uZjpzM2NyZXQ="] {
        for lines in [["Bearer t", second], [second, "Bearer t"]] {
            let lines = lines.map(|line| ("authorization", line));
            api.send("GET", "/api/me", &lines, "").await.assert_refused(400, "invalid_request");
        }
    }
    assert_eq!(tokens.calls(), 0);
}

#[tokio::test]
async fn too_little_scope_is_forbidden_and_the_scope_is_named_be_08() {
    let (_, api) = started().await;
    let answer = api.post("Bearer t").await;
    answer.assert_refused(403, "insufficient_scope");
    assert_eq!(answer.challenge()["scope"], "write");
    assert_eq!(api.post("Bearer w").await.body, "alice read write");
    // All that a route needs is needed, and demands add up.
    let guard = BearerGuard::builder(Tokens::new()).audience(AUDIENCE).build().unwrap();
    let guard = guard.require_scope("write").unwrap().require_scope("read admin").unwrap();
    let app = Router::new().route("/api/me", get(|| async { "inner" })).layer(guard);
    let answer = Api::serve(app).await.get("Bearer w").await;
    answer.assert_refused(403, "insufficient_scope");
    assert_eq!(answer.challenge()["scope"], "admin read write");
}

#[tokio::test]
async fn tokens_in_body_query_and_cookies_are_not_read_be_09_be_10_be_20() {
    let (tokens, api) = started().await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    api.send("POST", "/api/me", &[form], "access_token=w").await.assert_refused(401, "");
    api.send("GET", "/api/me?access_token=t", &[], "").await.assert_refused(401, "");
    api.send("GET", "/api/me", &[("cookie", "access_token=t")], "").await.assert_refused(401, "");
    assert_eq!(tokens.calls(), 0);
    let answer = api.send("GET", "/api/me?access_token=x", &[("authorization", "Bearer t")], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn another_scheme_is_no_credentials_be_11() {
    let (tokens, api) = started().await;
    for authorization in ["Basic Y29uZjpzM2NyZXQ=", "DPoP t", "Bearert", "Token t", ""] {
        api.get(authorization).await.assert_refused(401, "");
    }
    assert_eq!(tokens.calls(), 0);
}

#[tokio::test]
async fn challenges_are_well_formed_and_texts_that_would_break_them_are_refused_be_12() {
    // `assert_refused` and `challenge` check the form of every answer in this file.
    let builder = || BearerGuard::builder(Tokens::new()).audience(AUDIENCE);
    for realm in ["a\"b", "a\\b", "a\r\nb", "é", ""] {
        assert!(matches!(builder().challenge_realm(realm).build(), Err(BearerConfigError::ChallengeRealm)), "{realm}");
    }
    for url in ["https://x/\"", "https://x/a b", "/relative", "https://x/\\", ""] {
        let built = builder().resource_metadata(url).build();
        assert!(matches!(built, Err(BearerConfigError::ResourceMetadata)), "{url}");
    }
    let guard = builder().build().unwrap();
    for scope in ["a\"b", "a  b", "", "é", "a\\"] {
        assert!(guard.require_scope(scope).is_err(), "{scope}");
    }
    let api = Api::with(&Tokens::new(), |guard| guard.challenge_realm("My API, v=2")).await;
    assert_eq!(api.post("Bearer t").await.challenge()["realm"], "My API, v=2");
}

#[tokio::test]
async fn a_guard_needs_a_decision_about_the_audience_be_15() {
    let builder = || BearerGuard::builder(Tokens::new());
    let error = builder().build().unwrap_err();
    assert!(matches!(error, BearerConfigError::NoAudience) && error.to_string().contains(".audience("));
    assert!(matches!(builder().audience("a").any_audience().build(), Err(BearerConfigError::Audiences)));
    assert!(matches!(builder().audience("").build(), Err(BearerConfigError::EmptyAudience)));
    assert!(matches!(builder().any_audience().deadline(Duration::ZERO).build(), Err(BearerConfigError::Deadline)));
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_key_is_no_bearer_token_be_13() {
    let (tokens, api) = started().await;
    for (token, cnf) in [("dpop", json!({"jkt": "x"})), ("mtls", json!({"x5t#S256": "x"})), ("odd", json!(null))] {
        let claims = Claims::of(&json!({ "cnf": cnf })).unwrap();
        tokens.add(token, record("read").with_claims(claims));
        api.get(&format!("Bearer {token}")).await.assert_refused(401, "invalid_token");
        assert_eq!(api.last_reason(), BearerReason::Bound);
    }
}

#[tokio::test]
async fn a_refresh_token_opens_no_api_be_14() {
    let store = Arc::new(MemoryAccessTokens::new());
    let guard = BearerGuard::builder(OpaqueIssuer::new(Arc::clone(&store))).audience(AUDIENCE).build().unwrap();
    let api = Api::serve(bearer::api(&guard)).await;
    // Even if its digest stood among those of access tokens, its form gives it away.
    let refresh = Token::random("rt_").unwrap();
    store.insert(refresh.digest(), record("read")).await.unwrap();
    api.get(&format!("Bearer {}", refresh.expose())).await.assert_refused(401, "invalid_token");
}

#[tokio::test]
async fn a_token_for_another_api_names_the_clients_setting_to_the_operator_first() {
    let (capture, _guard) = Capture::listen();
    let tokens = Tokens::new();
    tokens.add("other", record("read").with_audience(["https://other.example"]));
    let api = Api::start(&tokens).await;
    capture.clear();
    api.get("Bearer other").await.assert_refused(401, "invalid_token");
    let said = capture.events().into_iter().find(|said| said.field("reason") == Some("audience")).unwrap();
    let hint = said.field("hint").unwrap();
    let place = |setting| hint.find(setting).unwrap();
    assert!(place("ClientBuilder::allow_audience") < place("JwtIssuer::new"), "{hint}");
    assert!(place("OpaqueIssuer::with_audience") < place("any_audience"), "{hint}");
}

#[tokio::test]
async fn a_token_for_another_api_is_refused_at_every_request_be_15_t67() {
    let tokens = Tokens::new();
    tokens.add("other", record("read").with_audience(["https://other.example", "https://api.example/"]));
    tokens.add("none", record("read").with_audience([] as [&str; 0]));
    tokens.add("both", record("read").with_audience(["https://other.example", AUDIENCE]));
    let api = Api::with(&tokens, |guard| {
        guard.cache(tower_password_grant::bearer::TokenCache::new(9, Duration::from_secs(60)))
    })
    .await;
    for _ in 0..2 {
        for token in ["other", "none"] {
            api.get(&format!("Bearer {token}")).await.assert_refused(401, "invalid_token");
            assert_eq!(api.last_reason(), BearerReason::Audience);
        }
        assert_eq!(api.get("Bearer both").await.status, 200);
    }
    // A second name of the API, and an API that does not care.
    let api = Api::with(&tokens, |guard| guard.audience("https://other.example")).await;
    assert_eq!(api.get("Bearer other").await.status, 200);
    api.get("Bearer none").await.assert_refused(401, "invalid_token");
    let guard = BearerGuard::builder(tokens).any_audience().build().unwrap();
    let api = Api::serve(bearer::api(&guard)).await;
    for token in ["other", "none", "both"] {
        assert_eq!(api.get(&format!("Bearer {token}")).await.status, 200);
    }
}

#[tokio::test]
async fn a_token_of_another_realm_is_refused_t67() {
    let tokens = Tokens::new();
    for realm in ["east", "west"] {
        tokens.add(realm, record("read").with_realm(Some(realm)));
    }
    let statuses = async |api: &Api| {
        let mut all = Vec::new();
        for token in ["t", "east", "west"] {
            all.push(api.get(&format!("Bearer {token}")).await.status.as_u16());
        }
        all
    };
    let api = Api::start(&tokens).await;
    assert_eq!((statuses(&api).await, api.last_reason()), (vec![200, 401, 401], BearerReason::Realm));
    assert_eq!(statuses(&Api::with(&tokens, |guard| guard.token_realm("east")).await).await, [401, 200, 401]);
    assert_eq!(statuses(&Api::with(&tokens, |guard| guard.any_token_realm()).await).await, [200, 200, 200]);
}

#[tokio::test]
async fn a_backend_that_is_down_is_unavailable_and_no_verdict_be_16() {
    for (error, wait) in [
        (BackendError::unavailable as fn(&'static str) -> BackendError, "5"),
        (|text| BackendError::unavailable(text).with_retry_after(Duration::from_millis(1500)), "2"),
        (|_| BackendError::overloaded(Duration::from_millis(1)), "1"),
    ] {
        let api = Api::start(&Tokens::answering(move |_| Err(error("the table is gone")))).await;
        let answer = api.get("Bearer t").await;
        answer.assert_refused(503, "temporarily_unavailable");
        assert_eq!((answer.header("retry-after"), api.last_reason()), (Some(wait), BearerReason::Backend));
        assert!(!String::from_utf8_lossy(&answer.body).contains("table"));
    }
    let api = Api::start(&Tokens::answering(|_| Err(BackendError::fault("a row is broken")))).await;
    api.get("Bearer t").await.assert_refused(500, "server_error");
}

#[tokio::test]
async fn a_preflight_passes_to_the_cors_layer_be_17() {
    let tokens = Tokens::new();
    let guard = BearerGuard::builder(tokens.clone()).audience(AUDIENCE).build().unwrap();
    let cors = CorsLayer::new()
        .allow_origin(["https://app.example".parse().unwrap()])
        .allow_headers([HeaderName::from_static("authorization")]);
    let app = Router::new().route("/api/me", get(|| async { "inner" })).layer(cors).layer(guard);
    let api = Api::serve(app).await;
    let origin = ("origin", "https://app.example");
    let method = ("access-control-request-method", "GET");
    let wanted = ("access-control-request-headers", "authorization");
    let preflight = api.send("OPTIONS", "/api/me", &[origin, method, wanted], "").await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization"));
    assert!(preflight.header("www-authenticate").is_none());
    // Nothing less, and no other method.
    for lines in [vec![], vec![origin], vec![method]] {
        api.send("OPTIONS", "/api/me", &lines, "").await.assert_refused(401, "");
    }
    for other in ["GET", "POST", "HEAD"] {
        let answer = api.send(other, "/api/me", &[origin, method, wanted], "").await;
        assert_eq!(answer.status, 401, "{other}");
    }
    assert_eq!(tokens.calls(), 0);
    assert_eq!(api.send("GET", "/api/me", &[origin, ("authorization", "Bearer t")], "").await.body, "inner");
}

#[tokio::test]
async fn answers_of_the_inner_service_are_left_alone_be_18_be_19() {
    let guard = BearerGuard::builder(Tokens::new()).audience(AUDIENCE).build().unwrap();
    let inner = |status: u16| {
        let headers = [("www-authenticate", "Basic realm=\"inner\""), ("cache-control", "max-age=60"), ("x-own", "1")];
        (axum::http::StatusCode::from_u16(status).unwrap(), headers, "mine").into_response()
    };
    let app = Router::new()
        .route("/401", get(move || async move { inner(401) }))
        .route("/403", get(move || async move { inner(403) }))
        .route("/200", get(move || async move { inner(200) }))
        .layer(guard);
    let api = Api::serve(app).await;
    for status in [401, 403, 200] {
        let answer: Answer = api.send("GET", &format!("/{status}"), &[("authorization", "Bearer t")], "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (status, &b"mine"[..]));
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"inner\""));
        assert_eq!((answer.header("cache-control"), answer.header("x-own")), (Some("max-age=60"), Some("1")));
        assert!(answer.header("x-content-type-options").is_none());
    }
}

#[tokio::test]
async fn the_guards_own_answers_are_not_stored_be_19() {
    // `assert_refused` looks for `no-store`; here is one answer of each status.
    let (_, api) = started().await;
    api.get("Bearer").await.assert_refused(400, "invalid_request");
    api.get("Bearer x").await.assert_refused(401, "invalid_token");
    api.post("Bearer t").await.assert_refused(403, "insufficient_scope");
    assert!(api.get("Bearer t").await.header("cache-control").is_none());
}

#[tokio::test]
async fn the_metadata_of_the_api_is_named_in_every_challenge_be_21() {
    let url = "https://api.example/.well-known/oauth-protected-resource";
    let api = Api::with(&Tokens::new(), |guard| guard.resource_metadata(url)).await;
    for authorization in ["Basic x", "Bearer", "Bearer x", "Bearer t"] {
        assert_eq!(api.post(authorization).await.challenge()["resource_metadata"], url);
    }
    let plain = Api::start(&Tokens::new()).await;
    assert!(!plain.post("Bearer x").await.challenge().contains_key("resource_metadata"));
}

#[tokio::test]
async fn the_handler_sees_a_typed_principal_and_no_look_alike_be_22() {
    let tokens = Tokens::new();
    let claims = Claims::of(&json!({ "tenant": "acme" })).unwrap();
    tokens.add("rich", record("read write").with_claims(claims));
    let guard = BearerGuard::builder(tokens).audience(AUDIENCE).build().unwrap();
    let me = |caller: Option<Extension<Principal>>| async move {
        caller.map_or("nobody".to_owned(), |Extension(caller)| {
            let tenant = caller.claim::<Value>("tenant").unwrap();
            format!("{} {} {} {tenant}", caller.subject_id(), caller.client(), caller.scope())
        })
    };
    // Another layer's idea of the caller does not outlive the guard.
    let mallory = Extension(Principal::new(record("admin")));
    let app = Router::new()
        .route("/api/me", get(me).layer(guard.clone()))
        .route("/open", get(me).layer(guard.optional()))
        .layer(mallory);
    let api = Api::serve(app).await;
    let lines = [("authorization", "Bearer rich"), ("x-user", "root"), ("principal", "root"), ("x-scope", "admin")];
    assert_eq!(api.send("GET", "/api/me", &lines, "").await.body, "alice cli read write \"acme\"");
    assert_eq!(api.send("GET", "/open", &lines[1..], "").await.body, "nobody");
    assert_eq!(api.send("GET", "/open", &[("authorization", "Basic eDp5")], "").await.body, "nobody");
    assert_eq!(api.send("GET", "/open", &lines, "").await.body, "alice cli read write \"acme\"");
    for bad in ["Bearer", "Bearer x", "Bearer a b"] {
        let answer = api.send("GET", "/open", &[("authorization", bad)], "").await;
        assert!(answer.status.is_client_error() && answer.status != 404, "{bad}");
    }
}

#[tokio::test]
async fn nothing_prints_a_token() {
    let tokens: Arc<dyn AccessTokenVerifier> = Arc::new(Tokens::new());
    let guard = BearerGuard::builder(tokens)
        .audience(AUDIENCE)
        .cache(tower_password_grant::bearer::TokenCache::new(9, Duration::from_secs(60)))
        .build()
        .unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let inner = tower::service_fn(move |request: http::Request<String>| {
        told.lock().unwrap().push(format!("{request:?}"));
        async { Ok::<_, std::convert::Infallible>(http::Response::new(axum::body::Body::empty())) }
    });
    let mut service = tower::Layer::layer(&guard, inner);
    let token = "tUVWXYZ-secret";
    for authorization in [format!("Bearer {token}"), "Bearer w".to_owned(), "Bearer w".to_owned()] {
        let request = http::Request::get("/").header("authorization", authorization).body(String::new()).unwrap();
        let future = tower::Service::call(&mut service, request);
        let before = format!("{future:?}");
        let after = format!("{:?}", future.await.unwrap());
        seen.lock().unwrap().extend([before, after]);
    }
    let claims = Claims::of(&json!({ "email": "alice@example.com" })).unwrap();
    seen.lock().unwrap().push(format!("{guard:?} {:?}", Principal::new(record("read").with_claims(claims))));
    let all = seen.lock().unwrap().join("\n");
    assert!(all.contains("\"authorization\": Sensitive") && all.contains("Principal"), "{all}");
    assert!(!all.contains(token) && !all.contains("Bearer w") && !all.contains("alice@"), "{all}");
}
