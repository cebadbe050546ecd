//! Token introspection (RFC 7662).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use tower_password_grant::client::{ClientBuilder, ClientError};
use tower_password_grant::store::{AccessTokenRecord, MemoryRefreshTokens, SecretDigest};
use tower_password_grant::token::{Claims, IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::{Client, ClientId};

use crate::support::refresh_token::stray_refresh_token;
use crate::support::tokens::{Login, Tokens, clients};
use crate::support::{self, Answer, ManualClock, basic, digest};

fn inactive() -> Value {
    json!({"active": false})
}

async fn ask(tokens: &Tokens, client: &str, form: &str) -> Answer {
    tokens.post("/oauth/introspect", client, form).await
}

#[tokio::test]
pub async fn introspection_is_a_post_of_a_form_with_a_token_in_01() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    for form in ["", "token=", "x=y"] {
        ask(&tokens, "conf", form).await.assert_error(400, "invalid_request");
        ask(&tokens, "svc", form).await.assert_error(400, "invalid_request");
    }
    let auth = basic("conf", "conf-pw");
    let headers = [("authorization", auth.as_str())];
    let query = format!("/oauth/introspect?token={}", login.access);
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let answer = tokens.send(method, &query, &headers, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST, OPTIONS")));
    }
    tokens.send("POST", &query, &headers, "").await.assert_error(400, "invalid_request");
    let json = [headers[0], ("content-type", "application/json")];
    tokens.send("POST", "/oauth/introspect", &json, "{}").await.assert_error(400, "invalid_request");
    // A JWT answer (RFC 9701) is not served; nobody gets one by asking.
    let jwt = [headers[0], ("accept", "application/token-introspection+jwt")];
    let answer = tokens.send("POST", "/oauth/introspect", &jwt, &format!("token={}", login.access)).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
pub async fn the_caller_authenticates_and_is_no_public_client_in_02_t70() {
    let tokens = Tokens::new();
    let (own, public) = (tokens.login("conf").await, tokens.login("pub").await);
    let form = format!("token={}", own.access);
    tokens.send("POST", "/oauth/introspect", &[], &form).await.assert_error(401, "invalid_client");
    let wrong = basic("conf", "wrong");
    let answer = tokens.send("POST", "/oauth/introspect", &[("authorization", &wrong)], &form).await;
    answer.assert_error(401, "invalid_client");
    // Not even about its own tokens.
    for token in [&public.access, &public.refresh, &own.access] {
        ask(&tokens, "pub", &format!("token={token}")).await.assert_error(400, "invalid_client");
    }
    let empty = basic("pub", "");
    let answer = tokens.send("POST", "/oauth/introspect", &[("authorization", &empty)], &form).await;
    answer.assert_error(401, "invalid_client");
    let public = Client::public("x").allow_introspection().build();
    assert!(matches!(public, Err(ClientError::PublicIntrospection)));
}

#[tokio::test]
pub async fn the_right_to_ask_is_given_to_each_client_in_03_d_32() {
    let tokens = Tokens::new();
    let (own, other) = (tokens.login("conf").await, tokens.login("conf2").await);
    // Without the right a client learns nothing, not even of its own.
    for token in [&own.access, &other.access, &other.refresh] {
        for client in ["svc", "conf2"] {
            let answer = ask(&tokens, client, &format!("token={token}")).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, inactive()));
        }
    }
}

#[tokio::test]
pub async fn a_live_token_is_active_in_04() {
    let tokens = Tokens::new();
    let login = tokens.login("pub").await;
    let json = tokens.introspect("rs", &login.access).await;
    assert_eq!(json["active"], Value::Bool(true));
    assert_eq!((&json["client_id"], &json["sub"]), (&json!("pub"), &json!("user-alice")));
}

#[tokio::test]
pub async fn whatever_is_not_active_is_told_in_the_same_bytes_in_05_in_06() {
    let tokens = Tokens::new();
    let (expired, revoked, replayed) =
        (tokens.login("conf").await, tokens.login("conf").await, tokens.login("conf").await);
    tokens.revoke("conf", &revoked.access).await.assert_empty_ok();
    let next = tokens.refresh("conf", &replayed.refresh).await.assert_ok();
    tokens.pass_leeway();
    tokens.refresh("conf", &replayed.refresh).await.assert_error(400, "invalid_grant");
    tokens.clock.advance_secs(3600 - 11);
    let (fresh, foreign) = (tokens.login("conf").await, tokens.login("conf2").await);
    let (unknown, unknown_refresh) = (format!("at_{}", "A".repeat(43)), stray_refresh_token(0));
    let long = "A".repeat(20_000);
    let mut answers = Vec::new();
    for token in [
        expired.access.as_str(),
        &revoked.access,
        next["access_token"].as_str().unwrap(),
        next["refresh_token"].as_str().unwrap(),
        &replayed.access,
        &replayed.refresh,
        &unknown,
        &unknown_refresh,
        // Another client's, which are not for this one.
        &foreign.refresh,
        &foreign.access,
        // Another spelling of a good one.
        &fresh.access.to_uppercase(),
        &fresh.access[..45],
        "garbage",
        "a b",
        "%C3%A9",
        &long,
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    ] {
        answers.push(ask(&tokens, "conf", &format!("token={token}")).await);
    }
    assert!(tokens.is_active(&fresh.access).await);
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{\"active\":false}"[..]));
        assert_eq!(answer.headers, answers[0].headers);
    }
}

#[tokio::test]
pub async fn audience_and_realm_of_the_caller_count_in_06_t67_t70() {
    let rs = |id: &str| Client::confidential(id, &digest(&format!("{id}-pw"))).allow_introspection();
    let full = |builder: ClientBuilder| {
        builder.allow_password_grant().allow_refresh_tokens().scopes("read").default_scope("read")
    };
    let more = vec![
        rs("other-api").resource_server("https://other.example").build().unwrap(),
        rs("api-b").resource_server("https://api.example").realm("b").build().unwrap(),
        full(Client::confidential("app-b", &digest("app-b-pw")).realm("b")).build().unwrap(),
        full(Client::confidential("app-a", &digest("app-a-pw")).realm("a")).build().unwrap(),
    ];
    let tokens = Tokens::with(clients().into_iter().chain(more).collect(), |builder| builder);
    let (plain, a, b) = (tokens.login("conf").await, tokens.login("app-a").await, tokens.login("app-b").await);
    for (client, token, is_active) in [
        ("rs", &plain, true),
        ("rs", &a, true),
        ("rs", &b, true),
        ("other-api", &plain, false),
        ("other-api", &b, false),
        ("api-b", &b, true),
        ("api-b", &a, false),
        ("api-b", &plain, false),
        ("conf", &plain, true),
        ("conf", &b, false),
    ] {
        let json = tokens.introspect(client, &token.access).await;
        assert_eq!(json["active"], is_active, "{client}: {json}");
        assert!(is_active || json == inactive());
    }
}

#[tokio::test]
async fn each_member_has_its_type_in_07() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let json = tokens.introspect("conf", &login.access).await;
    let start = ManualClock::start().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(
        json,
        json!({
            "active": true, "scope": "read write", "client_id": "conf", "sub": "user-alice", "token_type": "Bearer",
            "aud": "https://api.example", "iat": start, "exp": start + 3600, "auth_time": start,
        })
    );
    let json = tokens.introspect("conf", &login.refresh).await;
    // Of a refresh token no token_type: it is none that RFC 6749 section 7.1 means. No API may take it for an access token.
    assert_eq!(
        json,
        json!({
            "active": true, "scope": "read write", "client_id": "conf", "sub": "user-alice", "auth_time": start,
            "exp": start + 14 * 24 * 3600, "token_use": "refresh_token",
        })
    );
    // Several audiences are an array.
    let several = record(&tokens).with_audience(["https://api.example", "https://b.example"]);
    insert(&tokens, several).await;
    let json = tokens.introspect("rs", TOKEN).await;
    assert_eq!(json["aud"], json!(["https://api.example", "https://b.example"]));
    // Without audience and scope there is no empty member; `assert_shared` sees to it.
    let bare = record(&tokens).with_audience(Vec::<String>::new()).with_scope(tower_password_grant::Scope::default());
    insert(&tokens, bare).await;
    let json = tokens.introspect("rs", TOKEN).await;
    assert!(json.get("aud").is_none() && json.get("scope").is_none() && json["active"] == true);
}

const TOKEN: &str = "at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn record(tokens: &Tokens) -> AccessTokenRecord {
    use tower_password_grant::clock::Clock as _;
    let now = tokens.clock.now();
    let client = ClientId::new("conf").unwrap();
    AccessTokenRecord::new("user-alice", client, now, now + Duration::from_secs(60))
        .with_scope("read".parse().unwrap())
        .with_audience(["https://api.example"])
}

async fn insert(tokens: &Tokens, record: AccessTokenRecord) {
    tokens.access.store().insert(SecretDigest::of(TOKEN), record).await.unwrap();
}

#[tokio::test]
pub async fn a_wrong_or_unknown_hint_changes_nothing_in_08() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    for hint in ["refresh_token", "access_token", "foo", "", "%25"] {
        for token in [&login.access, &login.refresh] {
            let json = ask(&tokens, "conf", &format!("token={token}&token_type_hint={hint}")).await.json();
            assert_eq!(json["active"], true, "{hint}");
        }
    }
}

#[tokio::test]
async fn a_caller_with_a_bearer_token_is_answered_401_with_a_bearer_challenge_in_09_d_32() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    for bearer in
        [format!("Bearer {}", login.access), "Bearer x".to_owned(), "bearer x".to_owned(), "BEARER".to_owned()]
    {
        let form = format!("token={}", login.access);
        let answer = tokens.send("POST", "/oauth/introspect", &[("authorization", &bearer)], &form).await;
        answer.assert_error(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"token endpoint\", error=\"invalid_token\""));
        // Elsewhere it is a failed client authentication like any other.
        for path in ["/oauth/token", "/oauth/revoke"] {
            let form = format!("grant_type=refresh_token&refresh_token={0}&token={0}", login.refresh);
            let answer = tokens.send("POST", path, &[("authorization", &bearer)], &form).await;
            answer.assert_error(401, "invalid_client");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
        }
    }
    for other in ["Digest x", "Bearerx y", "DPoP x", "Basic !"] {
        let answer = tokens.send("POST", "/oauth/introspect", &[("authorization", other)], "token=x").await;
        answer.assert_error(401, "invalid_client");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Basic realm="));
    }
    assert!(tokens.is_active(&login.access).await);
}

#[tokio::test]
pub async fn answers_are_not_to_be_kept_unless_the_host_says_how_long_in_10() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let answer = ask(&tokens, "conf", &format!("token={}", login.access)).await;
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));

    let tokens = Tokens::with(clients(), |builder| {
        let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new());
        let refresh = refresh.lifetime(Duration::from_secs(7200)).idle_lifetime(Duration::from_secs(3650));
        let endpoint = IntrospectionEndpoint::at("/oauth/introspect").max_age(Duration::from_secs(60));
        builder.introspection(endpoint).refresh_tokens(refresh)
    });
    let login = tokens.login("conf").await;
    let age = async |token: &str| {
        let answer = raw(&tokens, token).await;
        answer.headers().get("cache-control").unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(age(&login.access).await, "private, max-age=60");
    assert_eq!(age("at_unknown").await, "no-store");
    tokens.clock.advance_secs(3595);
    assert_eq!(age(&login.access).await, "private, max-age=5", "never beyond the end of the token");
    assert_eq!(age(&login.refresh).await, "private, max-age=55", "which it has by lying idle, too");
    tokens.clock.advance(Duration::from_millis(4500));
    assert_eq!(age(&login.access).await, "no-store");
}

/// The answer without the shared assertions, of which one is that nothing is to be kept.
async fn raw(tokens: &Tokens, token: &str) -> http::Response<()> {
    use tower::ServiceExt as _;
    let mut request =
        support::token_request(&[("authorization", &basic("conf", "conf-pw"))], &format!("token={token}"));
    request.extensions_mut().insert("192.0.2.1:1".parse::<std::net::SocketAddr>().unwrap());
    tokens.layer.introspection_endpoint().oneshot(request).await.unwrap().map(drop)
}

#[tokio::test]
pub async fn nothing_personal_is_told_but_the_subjects_identifier_in_11() {
    let tokens = Tokens::new();
    let mut claims = serde_json::Map::new();
    for name in ["username", "email", "phone_number", "name", "roles", "active", "scope", "client_id", "sub", "exp"] {
        claims.insert(name.to_owned(), json!("told"));
    }
    claims.insert("jti".to_owned(), json!("id-1"));
    insert(&tokens, record(&tokens).with_claims(Claims::of(&claims).unwrap())).await;
    let told = tokens.introspect("rs", TOKEN).await;
    let names: BTreeSet<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["active", "aud", "client_id", "exp", "iat", "jti", "scope", "sub", "token_type"];
    assert_eq!(names, BTreeSet::from(expected));
    assert!(!told.to_string().contains("told"));
}

#[tokio::test]
pub async fn a_token_that_is_bound_to_a_key_shows_it_in_12() {
    let tokens = Tokens::new();
    for (cnf, kind) in [
        (json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), "DPoP"),
        (json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}), "Bearer"),
    ] {
        let claims = Claims::of(&json!({ "cnf": cnf })).unwrap();
        insert(&tokens, record(&tokens).with_claims(claims)).await;
        let json = tokens.introspect("rs", TOKEN).await;
        assert_eq!((&json["cnf"], &json["token_type"]), (&cnf, &json!(kind)));
    }
}

#[tokio::test]
pub async fn refresh_tokens_are_shown_to_their_own_client_only_in_13_t70() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    assert_eq!(tokens.introspect("rs", &login.refresh).await, inactive());
    assert_eq!(tokens.introspect("conf", &login.refresh).await["active"], true);
    // One that could not be used any more is not active, although a lost answer may still be repeated with it.
    let Login { refresh, .. } = login;
    let next = tokens.refresh("conf", &refresh).await.assert_ok();
    assert_eq!(tokens.introspect("conf", &refresh).await, inactive());
    assert_eq!(tokens.introspect("conf", next["refresh_token"].as_str().unwrap()).await["active"], true);
    // Asking uses nothing up.
    tokens.refresh("conf", next["refresh_token"].as_str().unwrap()).await.assert_ok();
}
