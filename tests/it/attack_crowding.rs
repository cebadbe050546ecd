//! One user who asks for tokens without end: it costs that user's own tokens, and nobody else's.

use std::sync::Arc;

use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};

use crate::support;
use crate::support::counts::count;
use crate::support::protection::without_ceiling;
use crate::support::tokens::{Tokens, clients};

/// What a login keeps.
const KEPT: usize = 100;

fn tokens() -> Tokens {
    Tokens::with(clients(), |builder| builder.attack_protection(without_ceiling()))
}

/// An endpoint that has room for as many access tokens as there will be requests: with the full count, for the default.
fn crowded() -> (Tokens, usize) {
    let requests = count(100_000);
    (small_tokens(requests, 100_000), requests)
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
async fn refreshes_of_one_user_that_would_fill_the_store_end_no_access_token_of_another() {
    let (tokens, requests) = crowded();
    let bob = bobs(&tokens).await;
    let mut login = tokens.login("conf").await;
    let mut issued = Vec::new();
    for _ in 0..requests {
        let json = tokens.refresh("conf", &login.refresh).await.assert_ok();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        (login.access, login.refresh) = (text("access_token"), text("refresh_token"));
        issued.push(login.access);
    }
    assert!(is_good(&tokens, &bob).await, "bob's token was ended");
    assert_newest(&tokens, &issued).await;
}

#[tokio::test]
async fn logins_of_one_user_without_refresh_tokens_that_would_fill_the_store_end_no_access_token_of_another() {
    let (tokens, requests) = crowded();
    let bob = bobs(&tokens).await;
    let mut issued = Vec::new();
    for _ in 0..requests {
        let json = tokens.login_with("svc", "").await.assert_ok();
        issued.push(json["access_token"].as_str().unwrap().to_owned());
    }
    assert!(is_good(&tokens, &bob).await, "bob's token was ended");
    assert_newest(&tokens, &issued).await;
}

/// An endpoint with room for so many access tokens and logins.
fn small_tokens(access_tokens: usize, logins: usize) -> Tokens {
    let clock = support::ManualClock::new();
    let access = MemoryAccessTokens::new().with_clock(clock.clone()).with_capacity(access_tokens).unwrap();
    let refresh = MemoryRefreshTokens::new().with_clock(clock.clone()).with_capacity(logins).unwrap();
    Tokens::over(clock, Arc::new(access), Arc::new(refresh), clients(), |builder| {
        builder.attack_protection(without_ceiling())
    })
}

#[tokio::test]
async fn logins_of_one_user_with_refresh_tokens_end_no_access_token_of_another_however_many_they_are() {
    let tokens = small_tokens(1_000, 1_000);
    let bob = bobs(&tokens).await;
    let mut issued = Vec::new();
    for _ in 0..3_000 {
        issued.push(tokens.login("conf").await.access);
    }
    assert!(is_good(&tokens, &bob).await, "bob's token was ended");
    assert_newest(&tokens, &issued).await;
}

#[tokio::test]
async fn refreshes_of_a_hundred_logins_of_one_user_end_no_access_token_of_another() {
    let tokens = small_tokens(3_200, 1_000);
    let bob = bobs(&tokens).await;
    let mut issued = Vec::new();
    for _ in 0..100 {
        let mut login = tokens.login("conf").await;
        for _ in 0..40 {
            let json = tokens.refresh("conf", &login.refresh).await.assert_ok();
            login.refresh = json["refresh_token"].as_str().unwrap().to_owned();
            issued.push(json["access_token"].as_str().unwrap().to_owned());
        }
    }
    assert!(is_good(&tokens, &bob).await, "bob's token was ended");
    // A sixteenth of the room, less those of the logins themselves.
    let mut good = 0;
    for token in &issued {
        good += usize::from(is_good(&tokens, token).await);
    }
    assert!((190..=200).contains(&good), "{good}");
    assert!(is_good(&tokens, issued.last().unwrap()).await);
}

#[tokio::test]
async fn the_access_tokens_of_a_login_end_with_it_when_others_of_its_user_take_its_place() {
    let tokens = tokens();
    let first = tokens.login("conf").await;
    let json = tokens.refresh("conf", &first.refresh).await.assert_ok();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    for _ in 0..100 {
        assert!(is_good(&tokens, &first.access).await && is_good(&tokens, &text("access_token")).await);
        tokens.login("conf").await;
    }
    tokens.refresh("conf", &text("refresh_token")).await.assert_error(400, "invalid_grant");
    assert!(!is_good(&tokens, &first.access).await, "the first access token outlives its login");
    assert!(!is_good(&tokens, &text("access_token")).await, "the access token of a refresh outlives its login");
}

#[tokio::test]
async fn the_access_token_of_a_login_ends_with_it_when_the_store_of_logins_is_full() {
    let tokens = small_tokens(1_000, 3);
    let mut logins = Vec::new();
    for _ in 0..6 {
        logins.push(tokens.login("conf").await);
        let age = |at: usize| logins.len() - 1 - at;
        for (at, login) in logins.iter().enumerate() {
            assert_eq!(is_good(&tokens, &login.access).await, age(at) < 3, "{at} of {}", logins.len());
        }
    }
}
