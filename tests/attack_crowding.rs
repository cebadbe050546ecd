//! One user who asks for tokens without end: it costs that user's own tokens, and nobody else's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs)]

mod support;

use support::tokens::{Tokens, clients};
use tower_password_grant::RequestCeiling;

/// As many as the memory store has room for.
const REQUESTS: usize = 100_000;
/// What a login keeps.
const KEPT: usize = 100;

fn tokens() -> Tokens {
    Tokens::with(clients(), |builder| builder.request_ceiling(RequestCeiling::none()))
}

/// The access token of another user's login.
async fn bobs(tokens: &Tokens) -> String {
    let form = "grant_type=password&username=bob&password=correct+horse";
    let json = tokens.post("/oauth/token", "conf", form).await.assert_ok();
    json["access_token"].as_str().unwrap().to_owned()
}

/// Whether an API may take the token.
async fn is_good(tokens: &Tokens, token: &str) -> bool {
    tokens.introspect("rs", token).await["active"] == true
}

/// Of these tokens of one login, oldest first, exactly the newest are good.
async fn assert_newest(tokens: &Tokens, issued: &[String]) {
    for (age, token) in issued.iter().rev().enumerate().take(2 * KEPT) {
        assert_eq!(is_good(tokens, token).await, age < KEPT, "{age} newer ones");
    }
}

#[tokio::test]
async fn a_hundred_thousand_refreshes_of_one_user_end_no_access_token_of_another() {
    let tokens = tokens();
    let bob = bobs(&tokens).await;
    let mut login = tokens.login("conf").await;
    let mut issued = Vec::new();
    for _ in 0..REQUESTS {
        let json = tokens.refresh("conf", &login.refresh).await.assert_ok();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        (login.access, login.refresh) = (text("access_token"), text("refresh_token"));
        issued.push(login.access);
    }
    assert!(is_good(&tokens, &bob).await, "bob's token was ended");
    assert_newest(&tokens, &issued).await;
}

#[tokio::test]
async fn a_hundred_thousand_logins_of_one_user_without_refresh_tokens_end_no_access_token_of_another() {
    let tokens = tokens();
    let bob = bobs(&tokens).await;
    let mut issued = Vec::new();
    for _ in 0..REQUESTS {
        let json = tokens.login_with("svc", "").await.assert_ok();
        issued.push(json["access_token"].as_str().unwrap().to_owned());
    }
    assert!(is_good(&tokens, &bob).await, "bob's token was ended");
    assert_newest(&tokens, &issued).await;
}
