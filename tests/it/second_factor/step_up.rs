//! From a login with a second factor to the API that needs one (RFC 8176, RFC 9470).

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tower_password_grant::OpaqueIssuer;
use tower_password_grant::bearer::{AccessTokenVerifier as _, BearerGuard};
use tower_password_grant::mfa::When;
use tower_password_grant::rules::{LoginEvent, Ruling, rule_at_once_fn, rule_fn};
use tower_password_grant::store::{AccessTokenRecord, MemoryAccessTokens};

use crate::support::Answer;
use crate::support::factors::FactorBed;
use crate::support::guards::ask;

type Tokens = OpaqueIssuer<Arc<MemoryAccessTokens>>;

/// The bed with an issuer whose tokens a test can look at. Scope `transfer` takes a second factor that was shown within five
/// minutes.
fn bed() -> (FactorBed, Tokens) {
    let tokens = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
    let own = tokens.clone();
    let step_up = rule_fn("step up", |login: LoginEvent| async move {
        let asks = login.requested_scope().contains("transfer");
        Ok(if asks { Ruling::proceed().demand_second_factor_within(FIVE_MINUTES) } else { Ruling::proceed() })
    });
    let bed = FactorBed::with(
        |factors| factors.demand(When::Ruled),
        |builder| builder.issuer(own.clone()).access_tokens(own).rule(step_up),
    );
    (bed, tokens)
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn token(json: &Value) -> &str {
    json["access_token"].as_str().unwrap()
}

/// The `mfa_token` of a login that lacks a factor.
fn open(answer: &Answer) -> String {
    assert_eq!(answer.status, 403, "{answer:?}");
    answer.json()["mfa_token"].as_str().unwrap().to_owned()
}

async fn record(tokens: &Tokens, json: &Value) -> AccessTokenRecord {
    tokens.verify(token(json)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_client_finds_its_way_from_the_challenge_of_the_api_to_a_token_that_it_takes_su_01_su_03() {
    let (bed, tokens) = bed();
    let secret = bed.enrolled("alice").await;
    let guard = BearerGuard::builder(tokens.clone()).any_audience().clock(bed.clock.clone()).build().unwrap();
    let transfer = guard.require_scope("transfer").unwrap().require_second_factor(Some(FIVE_MINUTES));

    // The password alone is enough for reading.
    let read = bed.login("alice", "scope=read").await.assert_ok();
    assert_eq!(record(&tokens, &read).await.methods().amr(), ["pwd"]);
    assert_eq!(ask(&guard.require_scope("read").unwrap(), token(&read)).await.status, 200);
    ask(&transfer, token(&read)).await.assert_refused(403, "insufficient_scope");

    // The scope that it lacks takes a factor.
    let mfa_token = open(&bed.login("alice", "scope=read+transfer").await);
    bed.clock.advance_secs(60);
    let json = bed.redeem_otp(&mfa_token, &bed.code(&secret)).await.assert_ok();
    let shown = record(&tokens, &json).await;
    assert_eq!(shown.methods(), "password otp".parse().unwrap());
    assert_eq!(shown.authenticated_at(), Some(shown.issued_at()), "the login ended with the factor");
    assert_eq!(ask(&transfer, token(&json)).await.status, 200);

    // Five minutes later neither the token nor a refreshed one is enough, and the API says what is.
    bed.clock.advance_secs(301);
    let refresh = |json: &Value, scope: &str| {
        let token = json["refresh_token"].as_str().unwrap();
        format!("client_id=app&grant_type=refresh_token&refresh_token={token}&scope={scope}")
    };
    let answer = ask(&transfer, token(&json)).await;
    answer.assert_refused(401, "insufficient_user_authentication");
    let challenge = answer.challenge();
    assert_eq!(challenge["max_age"], "300");
    assert_eq!(challenge["acr_values"], shown.methods().acr().unwrap());
    let kept = bed.token(&refresh(&json, "read")).await.assert_ok();
    let kept = record(&tokens, &kept).await;
    assert_eq!((kept.methods(), kept.authenticated_at()), (shown.methods(), shown.authenticated_at()));

    // The same at a refresh that asks for it: another code makes it a new login.
    let again = bed.login("alice", "scope=transfer").await;
    let json = bed.redeem_otp(&open(&again), &bed.code(&secret)).await.assert_ok();
    assert_eq!(ask(&transfer, token(&json)).await.status, 200);
    assert_eq!(json["scope"], json!("transfer"));
}

#[tokio::test]
async fn what_rules_add_to_the_scope_is_there_after_a_second_factor_too() {
    let adds = rule_at_once_fn("adds", |_| Ok(Ruling::proceed().add_scope("transfer").add_scope("admin")));
    let bed = FactorBed::with(|factors| factors, |builder| builder.rule(adds));
    let before = bed.login("alice", "scope=read").await.assert_ok();
    // `admin` is not of this client.
    assert_eq!(before["scope"], "read transfer");
    let secret = bed.enrolled("alice").await;
    let open_login = open(&bed.login("alice", "scope=read").await);
    let json = bed.redeem_otp(&open_login, &bed.code(&secret)).await.assert_ok();
    assert_eq!(json["scope"], before["scope"]);

    // A login that goes on by a refresh gets no more than that refresh had left of it.
    bed.clock.advance(Duration::from_secs(30));
    let refresh = before["refresh_token"].as_str().unwrap();
    let refresh = format!("client_id=app&grant_type=refresh_token&refresh_token={refresh}&scope=read");
    let open_login = open(&bed.token(&refresh).await);
    let json = bed.redeem_otp(&open_login, &bed.code(&secret)).await.assert_ok();
    assert_eq!(json["scope"], "read");
}
