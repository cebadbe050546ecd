//! From the token endpoint to the API: what is issued, narrowed and revoked there is what the guard takes and refuses here, by
//! each kind of verifier.

use tower_password_grant::Client;

use crate::support;
use crate::support::guards::{API, call, guard, remote_guard};
use crate::support::tokens::{Tokens, clients, text};

#[tokio::test]
async fn a_narrowed_access_token_has_too_little_scope_and_the_next_one_has_it_again_rf_06_rf_07() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let narrowed = tokens.refresh_with("conf", &login.refresh, "&scope=read").await.assert_ok();
    let whole = tokens.refresh("conf", &text(&narrowed, "refresh_token")).await.assert_ok();
    for guard in [guard(&tokens), remote_guard(&tokens)] {
        let writes = guard.require_scope("write").unwrap();
        assert_eq!(call(&guard, &text(&narrowed, "access_token")).await, (200, "read".to_owned()));
        assert_eq!(call(&writes, &text(&narrowed, "access_token")).await.0, 403);
        assert_eq!(call(&writes, &text(&whole, "access_token")).await, (200, "read write".to_owned()));
    }
}

#[tokio::test]
async fn a_revoked_token_opens_no_api_rv_04_rv_06() {
    let tokens = Tokens::new();
    let (local, remote) = (guard(&tokens), remote_guard(&tokens));
    let login = tokens.login("conf").await;
    let refreshed = text(&tokens.refresh("conf", &login.refresh).await.assert_ok(), "access_token");
    tokens.revoke("conf", &login.access).await.assert_empty_ok();
    for guard in [&local, &remote] {
        assert_eq!(call(guard, &login.access).await.0, 401, "revoked by itself");
        assert_eq!(call(guard, &refreshed).await.0, 200);
    }
    // A replay ends the login, with the access tokens that are out.
    tokens.pass_leeway();
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    for guard in [&local, &remote] {
        assert_eq!(call(guard, &refreshed).await.0, 401, "it ended with its login");
    }
}

#[tokio::test]
async fn a_refresh_token_opens_no_api_for_any_caller_be_14_t63() {
    // The API's own client has refresh tokens of its own, which the endpoint tells it about.
    let mut clients = clients();
    clients.retain(|client| client.id().as_str() != "rs");
    clients.push(
        Client::confidential("rs", &support::digest("rs-pw"))
            .allow_password_grant()
            .allow_refresh_tokens()
            .allow_introspection()
            .resource_server(API)
            .scopes("read")
            .default_scope("read")
            .build()
            .unwrap(),
    );
    let tokens = Tokens::with(clients, |builder| builder);
    let login = tokens.login("rs").await;
    let told = tokens.introspect("rs", &login.refresh).await;
    assert_eq!((&told["active"], &told["token_use"]), (&true.into(), &"refresh_token".into()));
    for guard in [guard(&tokens), remote_guard(&tokens)] {
        assert_eq!(call(&guard, &login.access).await.0, 200);
        assert_eq!(call(&guard, &login.refresh).await.0, 401);
    }
}

#[tokio::test]
async fn the_realm_of_a_token_reaches_an_api_elsewhere_t67() {
    let mut clients = clients();
    clients.push(
        Client::confidential("staff", &support::digest("staff-pw"))
            .allow_password_grant()
            .allow_refresh_tokens()
            .scopes("read")
            .default_scope("read")
            .realm("staff")
            .build()
            .unwrap(),
    );
    let tokens = Tokens::with(clients, |builder| builder);
    let login = tokens.login("staff").await;
    for guard in [guard(&tokens), remote_guard(&tokens)] {
        assert_eq!(call(&guard, &login.access).await.0, 401, "a guard takes tokens without a realm unless it is told");
    }
    assert_eq!(tokens.introspect("rs", &login.access).await["realm"], "staff");
}

/// Signed tokens through the same endpoint.
#[cfg(feature = "jwt")]
mod signed {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::Full;
    use tower_password_grant::bearer::BearerGuard;
    use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
    use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens, RevocationEndpoint};

    use super::*;

    #[tokio::test]
    async fn a_refreshed_signed_token_keeps_the_facts_of_the_login_rf_18() {
        let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::Es256).unwrap());
        let clock = support::ManualClock::new();
        let issuer = JwtIssuer::new("https://as.example", [API], keys).unwrap().with_clock(clock.clone());
        let verifier = issuer.verifier();
        let layer = tower_password_grant::PasswordGrant::builder()
            .clients(tower_password_grant::StaticClients::new(clients()).unwrap())
            .verifier(support::tokens::Users::new())
            .issuer(issuer)
            .access_tokens(verifier.clone())
            .refresh_tokens(RefreshTokens::in_store(tower_password_grant::store::MemoryRefreshTokens::new()))
            .revocation(RevocationEndpoint::at("/oauth/revoke"))
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .clock(clock.clone())
            .peer_address(tower_password_grant::PeerAddress::socket_addr())
            .build()
            .unwrap();
        let guard = BearerGuard::builder(verifier).audience(API).clock(clock.clone()).build().unwrap();
        let post = async |path: &str, form: &str| {
            let request = Request::post(path)
                .header("host", "as.example")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", support::basic("conf", "conf-pw"));
            support::send(&layer, request.body(Full::<Bytes>::from(form.to_owned())).unwrap()).await
        };
        let login = post("/oauth/token", "grant_type=password&username=alice&password=correct+horse").await.assert_ok();
        clock.advance(std::time::Duration::from_secs(60));
        let form = format!("grant_type=refresh_token&refresh_token={}", text(&login, "refresh_token"));
        let next = post("/oauth/token", &form).await.assert_ok();
        let claims = |json: &serde_json::Value| {
            use base64::Engine as _;
            let payload = text(json, "access_token").split('.').nth(1).unwrap().to_owned();
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
            serde_json::from_slice::<serde_json::Value>(&bytes).unwrap()
        };
        let (before, after) = (claims(&login), claims(&next));
        for name in ["sub", "auth_time", "client_id", "scope", "aud", "iss"] {
            assert_eq!(before[name], after[name], "{name}");
        }
        assert_ne!((&before["jti"], &before["iat"]), (&after["jti"], &after["iat"]));
        assert_eq!(call(&guard, &text(&next, "access_token")).await, (200, "read write".to_owned()));

        // Nobody can take it back, and nobody is told so (RV-10); what it stands for is told.
        let revoke = format!("token={}", text(&next, "access_token"));
        post("/oauth/revoke", &revoke).await.assert_error(400, "unsupported_token_type");
        let told = post("/oauth/introspect", &revoke).await.json();
        assert_eq!((&told["active"], &told["sub"]), (&true.into(), &"user-alice".into()));
        post("/oauth/revoke", &format!("token={}", text(&next, "refresh_token"))).await.assert_empty_ok();
        assert_eq!(call(&guard, &text(&next, "access_token")).await.0, 200, "it lives until it expires");
        clock.advance(std::time::Duration::from_secs(3600));
        assert_eq!(call(&guard, &text(&next, "access_token")).await.0, 401);
    }
}
