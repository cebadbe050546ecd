//! Token revocation (RFC 7009).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::ConnectInfo;
use http_body_util::BodyExt as _;
use tower::{Layer as _, ServiceExt as _};
use tower_password_grant::MaybeFuture;
use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::bearer::AccessTokenVerifier;
use tower_password_grant::store::AccessTokenRecord;
use tower_password_grant::token::RevocationEndpoint;
use tower_password_grant::{BackendError, Client, ClientId, PeerAddress};

use crate::support::protection::without_ceiling;
use crate::support::refresh_token::stray_refresh_token;
use crate::support::tokens::{Tokens, clients};
use crate::support::{self, basic, digest, spawn};

fn unknown() -> String {
    stray_refresh_token(0)
}

#[tokio::test]
async fn revocation_is_a_post_of_a_form_with_a_token_rv_01_rv_13() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    for form in ["", "token=", "token", "x=y"] {
        tokens.post("/oauth/revoke", "conf", form).await.assert_error(400, "invalid_request");
    }
    let auth = basic("conf", "conf-pw");
    let headers = [("authorization", auth.as_str())];
    let query = format!("/oauth/revoke?token={}&callback=f", login.refresh);
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        for path in ["/oauth/revoke", &query] {
            let answer = tokens.send(method, path, &headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST, OPTIONS")));
        }
    }
    // Nor is a token in the query of a POST taken.
    let answer = tokens.send("POST", &query, &headers, "").await;
    answer.assert_error(400, "invalid_request");
    let json = [headers[0], ("content-type", "application/json")];
    tokens.send("POST", "/oauth/revoke", &json, "{\"token\":\"x\"}").await.assert_error(400, "invalid_request");
    let options = tokens.send("OPTIONS", "/oauth/revoke", &[], "").await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, Some("POST, OPTIONS")));
    tokens.refresh("conf", &login.refresh).await.assert_ok();
}

#[tokio::test]
pub async fn a_repeated_token_or_hint_is_refused_and_revokes_nothing_rv_01() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    for path in ["/oauth/revoke", "/oauth/introspect"] {
        for more in
            [format!("token={}", login.access), "token=".into(), "token_type_hint=a&token_type_hint=b".to_owned()]
        {
            let form = format!("token={}&{more}", login.refresh);
            tokens.post(path, "conf", &form).await.assert_error(400, "invalid_request");
        }
    }
    assert!(tokens.is_active(&login.refresh).await && tokens.is_active(&login.access).await);
}

#[tokio::test]
pub async fn the_client_authenticates_as_at_the_token_endpoint_rv_02() {
    let tokens = Tokens::new();
    let (own, public) = (tokens.login("conf").await, tokens.login("pub").await);
    let form = format!("token={}", own.refresh);
    let wrong = basic("conf", "wrong");
    let answer = tokens.send("POST", "/oauth/revoke", &[("authorization", &wrong)], &form).await;
    answer.assert_error(401, "invalid_client");
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    tokens.send("POST", "/oauth/revoke", &[], &form).await.assert_error(401, "invalid_client");
    let in_body = format!("{form}&client_id=conf");
    tokens.send("POST", "/oauth/revoke", &[], &in_body).await.assert_error(400, "invalid_client");
    let bearer = format!("Bearer {}", own.access);
    let answer = tokens.send("POST", "/oauth/revoke", &[("authorization", &bearer)], &form).await;
    answer.assert_error(401, "invalid_client");
    assert!(tokens.is_active(&own.access).await);

    tokens.revoke("pub", &public.refresh).await.assert_empty_ok();
    tokens.refresh("pub", &public.refresh).await.assert_error(400, "invalid_grant");
    let in_body = format!("{form}&client_id=conf&client_secret=conf-pw");
    tokens.send("POST", "/oauth/revoke", &[], &in_body).await.assert_empty_ok();
    assert!(!tokens.is_active(&own.access).await);
}

#[tokio::test]
pub async fn a_revoked_refresh_token_ends_at_once_with_the_access_tokens_of_its_login_rv_03_rv_06() {
    for client in ["conf", "pub"] {
        let tokens = Tokens::new();
        let login = tokens.login(client).await;
        let json = tokens.refresh(client, &login.refresh).await.assert_ok();
        let (access, refresh) = (json["access_token"].as_str().unwrap(), json["refresh_token"].as_str().unwrap());
        let other = tokens.login(client).await;
        tokens.revoke(client, refresh).await.assert_empty_ok();
        for token in [refresh, &login.refresh] {
            tokens.refresh(client, token).await.assert_error(400, "invalid_grant");
        }
        if client == "conf" {
            for token in [access, &login.access] {
                assert!(!tokens.is_active(token).await);
            }
            assert!(tokens.is_active(&other.access).await);
        }
        tokens.refresh(client, &other.refresh).await.assert_ok();
        assert_eq!(tokens.count(Reason::RefreshTokenReplayed), 0, "a log-out is no theft");
    }
}

#[tokio::test]
pub async fn an_old_token_of_the_login_revokes_it_as_well_rv_03() {
    let tokens = Tokens::new();
    let first = tokens.login("conf").await;
    let mut live = first.refresh.clone();
    for _ in 0..3 {
        let json = tokens.refresh("conf", &live).await.assert_ok();
        live = json["refresh_token"].as_str().unwrap().to_owned();
    }
    // The predecessor of a lost answer, or an older one: a client that gives back any of them means the login.
    tokens.revoke("conf", &first.refresh).await.assert_empty_ok();
    tokens.refresh("conf", &live).await.assert_error(400, "invalid_grant");
    assert!(!tokens.is_active(&first.access).await);
}

#[tokio::test]
pub async fn a_revoked_access_token_ends_alone_unless_it_is_said_otherwise_rv_04_rv_07() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    tokens.revoke("conf", &login.access).await.assert_empty_ok();
    assert!(!tokens.is_active(&login.access).await);
    tokens.refresh("conf", &login.refresh).await.assert_ok();

    let tokens = Tokens::with(clients(), |builder| {
        builder.revocation(RevocationEndpoint::at("/oauth/revoke").end_family_with_access_token())
    });
    let login = tokens.login("conf").await;
    let json = tokens.refresh("conf", &login.refresh).await.assert_ok();
    tokens.revoke("conf", &login.access).await.assert_empty_ok();
    let (access, refresh) = (json["access_token"].as_str().unwrap(), json["refresh_token"].as_str().unwrap());
    assert!(!tokens.is_active(access).await && !tokens.is_active(&login.access).await);
    tokens.refresh("conf", refresh).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
pub async fn what_is_worth_nothing_already_is_revoked_rv_05() {
    let tokens = Tokens::new();
    let expired = tokens.login("conf").await;
    tokens.clock.advance(Duration::from_secs(31 * 24 * 3600));
    let revoked = tokens.login("conf").await;
    let unknown_access = format!("at_{}", "A".repeat(43));
    let long = "A".repeat(20_000);
    let garbage = ["garbage", "a b", "%C3%A9", "rt_", "eyJhbGciOiJub25lIn0.e30.", &long];
    let mut answers = Vec::new();
    for token in [&unknown(), &unknown_access, &expired.refresh, &expired.access, &revoked.refresh, &revoked.refresh]
        .into_iter()
        .map(String::as_str)
        .chain(garbage)
    {
        answers.push(tokens.revoke("conf", token).await);
    }
    for answer in &answers {
        answer.assert_empty_ok();
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.headers, answers[0].headers);
    }
}

#[tokio::test]
pub async fn a_wrong_or_unknown_hint_changes_nothing_rv_08() {
    for hint in ["refresh_token", "access_token", "foo", "", "%25", "urn:x"] {
        let tokens = Tokens::new();
        let (one, two) = (tokens.login("conf").await, tokens.login("conf").await);
        for token in [&one.access, &two.refresh] {
            let form = format!("token={token}&token_type_hint={hint}");
            tokens.post("/oauth/revoke", "conf", &form).await.assert_empty_ok();
            assert!(!tokens.is_active(token).await, "{hint}");
        }
    }
}

#[tokio::test]
pub async fn a_token_of_another_client_is_refused_and_lives_rv_09_d_30_t71() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    let tokens = Tokens::with(clients(), |builder| {
        builder.audit(move |event: &AuditEvent<'_>| {
            hear.lock().unwrap().push((format!("{:?}", event.outcome), event.family.is_some()));
        })
    });
    let (own, public) = (tokens.login("conf").await, tokens.login("pub").await);
    for token in [&own.access, &own.refresh] {
        tokens.revoke("conf2", token).await.assert_error(400, "invalid_grant");
        tokens.revoke("svc", token).await.assert_error(400, "invalid_grant");
        tokens.revoke("pub", token).await.assert_empty_ok();
        let (last, names_family) = told.lock().unwrap().last().cloned().unwrap();
        assert!(last.contains("Revoked") && !names_family, "the trail says that nothing became of the login");
    }
    for token in [&public.access, &public.refresh] {
        tokens.revoke("conf", token).await.assert_error(400, "invalid_grant");
        tokens.revoke("pub2", token).await.assert_empty_ok();
    }
    assert!(tokens.is_active(&own.access).await && tokens.is_active(&own.refresh).await);
    tokens.refresh("conf", &own.refresh).await.assert_ok();
    tokens.refresh("pub", &public.refresh).await.assert_ok();
}

#[tokio::test]
pub async fn a_client_may_give_its_tokens_back_whatever_realm_it_is_of_by_now() {
    let tokens = Tokens::new();
    let moved = Client::confidential("conf", &digest("conf-pw")).allow_password_grant().realm("b").build().unwrap();
    let other = tokens.with_clients(vec![moved]);
    let [one, another] = [tokens.login("conf").await, tokens.login("conf").await];
    for token in [&one.access, &another.refresh] {
        other.revoke("conf", token).await.assert_empty_ok();
        assert!(!tokens.is_active(token).await);
    }
}

#[tokio::test]
pub async fn a_client_without_the_right_to_refresh_may_give_its_tokens_back() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let poor = Client::confidential("conf", &digest("conf-pw")).build().unwrap();
    tokens.with_clients(vec![poor]).revoke("conf", &login.refresh).await.assert_empty_ok();
    assert!(!tokens.is_active(&login.access).await);
}

/// Tokens that everybody verifies by themselves.
struct Signed;

impl AccessTokenVerifier for Signed {
    fn verify<'a>(&'a self, token: &'a str) -> MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>> {
        let client = ClientId::new("conf").unwrap();
        let now = support::ManualClock::start();
        let record = AccessTokenRecord::new("user-alice", client, now, now + Duration::from_secs(60));
        MaybeFuture::ready(Ok((token == "signed").then_some(record)))
    }
}

#[tokio::test]
pub async fn a_token_that_cannot_be_revoked_is_said_so_rv_10_d_31() {
    let tokens = Tokens::with(clients(), |builder| builder.access_tokens(Signed));
    tokens.revoke("conf", "signed").await.assert_error(400, "unsupported_token_type");
    tokens.revoke("conf2", "signed").await.assert_error(400, "invalid_grant");
    tokens.revoke("conf", "other").await.assert_empty_ok();
    let json = tokens.introspect("conf", "signed").await;
    assert_eq!(json["active"], true);
    // A login ends all the same; its access tokens expire.
    let login = tokens.login("conf").await;
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
pub async fn an_endpoint_that_knows_no_tokens_revokes_none_rv_10() {
    let layer = support::Fixture::new().layer;
    let header = [("authorization", support::CONF)];
    for token in ["x", &unknown(), &format!("at_{}", "A".repeat(43))] {
        let mut request = support::token_request(&header, &format!("token={token}"));
        let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
        request.extensions_mut().insert(peer);
        let answer = layer.revocation_endpoint().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, 400, "{token}");
        assert!(String::from_utf8_lossy(&body).contains("unsupported_token_type"));
    }
    let layer = support::builder(&support::Probe::default()).revocation(RevocationEndpoint::at("/r")).build();
    assert!(layer.is_err());
}

#[tokio::test]
pub async fn guesses_and_hints_overload_nothing_rv_12() {
    let tokens = Tokens::with(clients(), |builder| builder.attack_protection(without_ceiling()));
    for number in 0..400 {
        tokens.revoke("conf", &stray_refresh_token(number)).await.assert_empty_ok();
    }
    let mut served = 0;
    let last = loop {
        let answer = tokens.revoke("pub", &stray_refresh_token(served)).await;
        if answer.status != 200 || served > 400 {
            break answer;
        }
        served += 1;
    };
    last.assert_error(429, "too_many_attempts");
    assert_eq!(served, 300, "the budget of the address");
    // It ends, and a client that proves itself is served again.
    tokens.clock.advance_secs(3600);
    let login = tokens.login("conf").await;
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
}

#[tokio::test]
pub async fn pages_of_an_allowed_origin_may_revoke_and_no_others() {
    let origin = "https://app.example";
    let page = Client::public("pub").allow_password_grant().allow_refresh_tokens().scopes("read").default_scope("read");
    let tokens = Tokens::with(vec![page.allow_origin(origin).build().unwrap()], |builder| builder);
    let login = tokens.login("pub").await;
    let form = format!("client_id=pub&token={}", login.refresh);
    let evil = [("origin", "https://evil.example")];
    let answer = tokens.send("POST", "/oauth/revoke", &evil, &form).await;
    answer.assert_error(400, "invalid_request");
    assert!(answer.header("access-control-allow-origin").is_none());
    let preflight = [("origin", origin), ("access-control-request-method", "POST")];
    let answer = tokens.send("OPTIONS", "/oauth/revoke", &preflight, "").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    let answer = tokens.send("POST", "/oauth/revoke", &[("origin", origin)], &form).await;
    answer.assert_empty_ok();
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    tokens.refresh("pub", &login.refresh).await.assert_error(400, "invalid_grant");
}

async fn serve(app: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

async fn post(address: SocketAddr, path: &str, form: &str) -> support::Answer {
    let auth = basic("conf", "conf-pw");
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: as.example\r\nauthorization: {auth}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    support::server::Connection::open(address).await.exchange(request).await
}

fn axum_peer() -> PeerAddress {
    PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip()))
}

/// Logs in, refreshes, asks, revokes and asks again.
async fn walk(address: SocketAddr, token: &str, revoke: &str, introspect: &str) {
    let login = post(address, token, support::PW).await.assert_ok();
    let refresh = login["refresh_token"].as_str().unwrap();
    let next = post(address, token, &format!("grant_type=refresh_token&refresh_token={refresh}")).await.assert_ok();
    let (access, refresh) = (next["access_token"].as_str().unwrap(), next["refresh_token"].as_str().unwrap());
    assert_eq!(post(address, introspect, &format!("token={access}")).await.json()["active"], true);
    post(address, revoke, &format!("token={refresh}")).await.assert_empty_ok();
    assert_eq!(post(address, introspect, &format!("token={access}")).await.json()["active"], false);
    let answer = post(address, token, &format!("grant_type=refresh_token&refresh_token={refresh}")).await;
    answer.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn the_endpoints_stand_as_leaf_services_at_any_path_of_a_router() {
    let tokens = Tokens::with(clients(), |builder| builder.peer_address(axum_peer()));
    let layer = tokens.layer.clone();
    let app = Router::new()
        .route_service("/a/token", layer.endpoint())
        .route_service("/a/revoke", layer.revocation_endpoint())
        .nest("/b", Router::new().route_service("/introspect", layer.introspection_endpoint()));
    walk(serve(app).await, "/a/token", "/a/revoke", "/b/introspect").await;
}

#[tokio::test]
async fn where_other_grants_are_forwarded_the_layer_still_serves_its_own_endpoints() {
    let tokens = Tokens::with(clients(), |builder| builder.peer_address(axum_peer()));
    let layer = tokens.layer.clone().forward_other_grants(AxumBody::from);
    let inner = axum::routing::any(|body: String| async move { format!("inner {body}") });
    let app = Router::new().fallback_service(inner);
    let address = serve(Router::new().fallback_service(layer.layer(app))).await;
    walk(address, "/oauth/token", "/oauth/revoke", "/oauth/introspect").await;
    // What is not served here arrives there.
    let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
    let form = "grant_type=authorization_code&code=x";
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: as.example\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(&format!("inner {form}")), "{answer}");
    // Revocation and introspection are the layer's, whatever the method.
    let mut connection = support::server::Connection::open(address).await;
    for path in ["/oauth/revoke", "/oauth/introspect"] {
        let answer = connection.exchange(format!("GET {path} HTTP/1.1\r\nhost: as.example\r\n\r\n")).await;
        assert_eq!(answer.status, 405);
    }
}

#[tokio::test]
pub async fn an_audited_revocation_names_the_login() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&told);
    let tokens = Tokens::with(clients(), |builder| {
        builder.audit(move |event: &AuditEvent<'_>| {
            if event.outcome == AuditOutcome::Revoked {
                hear.lock().unwrap().push(event.family.map(|family| family.subject_id().to_owned()));
            }
        })
    });
    let login = tokens.login("conf").await;
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
    assert_eq!(*told.lock().unwrap(), [Some("user-alice".to_owned())]);
}

#[tokio::test]
pub async fn a_stranger_whose_budget_is_used_up_cannot_tell_a_foreign_token_from_an_unknown_one_t70() {
    let tokens = Tokens::with(clients(), |builder| builder.attack_protection(without_ceiling()));
    let theirs = tokens.login("conf").await;
    let own = tokens.login("pub").await;
    let unknown = [unknown(), format!("at_{}", "x".repeat(43))];
    for _ in 0..300 {
        tokens.revoke("pub", &theirs.refresh).await.assert_empty_ok();
    }
    for token in [&theirs.refresh, &theirs.access, &unknown[0], &unknown[1]] {
        tokens.revoke("pub", token).await.assert_error(429, "too_many_attempts");
    }
    for token in [&theirs.refresh, &unknown[0]] {
        tokens.refresh("pub", token).await.assert_error(429, "too_many_attempts");
    }
    // The client's own still end, and nothing became of the foreign ones.
    tokens.revoke("pub", &own.refresh).await.assert_empty_ok();
    tokens.clock.advance_secs(120);
    assert!(tokens.is_active(&theirs.access).await);
}
