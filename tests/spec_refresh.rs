//! Refresh tokens (RFC 6749 section 6, RFC 9700 section 4.14.2).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![allow(missing_docs)]

mod support;

use support::tokens::Tokens;

#[tokio::test]
async fn a_login_gives_a_refresh_token_and_each_use_gives_the_next_rf_10() {
    let tokens = Tokens::new();
    let login = tokens.login("pub").await;
    let next = tokens.refresh("pub", &login.refresh).await.assert_ok();
    let next_token = next["refresh_token"].as_str().unwrap();
    assert_ne!(next_token, login.refresh);
    tokens.clock.advance_secs(11);
    tokens.refresh("pub", &login.refresh).await.assert_error(400, "invalid_grant");
    tokens.refresh("pub", next_token).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn revocation_ends_it_and_introspection_says_so_rv_03() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let json = tokens.introspect("conf", &login.access).await;
    assert_eq!(json["active"], true, "{json}");
    tokens.revoke("conf", &login.refresh).await.assert_empty_ok();
    assert_eq!(tokens.introspect("conf", &login.access).await, serde_json::json!({"active": false}));
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
}
