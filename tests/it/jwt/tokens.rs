//! The tokens themselves (RFC 9068 section 2).

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm};
use tower_password_grant::token::MissingScope;
use tower_password_grant::{Grant, Subject, TokenIssuer as _, issue_fn, verify_fn};

use super::helpers::*;
use crate::support::counts::full_or;
use crate::support::{CONF, PW, Probe, builder, send, token_request};

const CLAIMS: [&str; 9] = ["aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"];

fn names(map: &Map<String, Value>) -> Vec<&str> {
    let mut names: Vec<&str> = map.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn every_algorithm_gives_tokens_that_verify_with_the_published_key_ja_01_ja_02_ja_03_ja_07() {
    for algorithm in ALL {
        let issuer = issuer(algorithm);
        let jwks = document(&issuer);
        let kid = issuer.keys().signing_kid();
        let before = unix(SystemTime::now());
        let json = login(&layer(issuer)).await.assert_ok();
        let token = json["access_token"].as_str().unwrap();

        let claims = verify(token, &jwks).unwrap();
        let header = part(token, 0);
        assert_eq!(Value::Object(header), json!({ "alg": algorithm.name(), "typ": "at+jwt", "kid": kid }));
        assert_eq!(names(&claims), CLAIMS);
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["sub"], "user-alice");
        assert_eq!(claims["aud"], AUDIENCE);
        assert_eq!(claims["client_id"], "conf");
        assert_eq!(claims["scope"], "read");
        assert_eq!(claims["jti"].as_str().unwrap().len(), 43);
        let time = |name: &str| claims[name].as_u64().unwrap();
        let now = unix(SystemTime::now());
        assert!((before..=now).contains(&time("iat")) && (before..=now).contains(&time("auth_time")));
        assert_eq!(time("exp") - time("iat"), json["expires_in"].as_u64().unwrap());
    }
}

#[tokio::test]
async fn a_token_that_was_changed_anywhere_does_not_verify_ja_01() {
    for algorithm in ALL {
        let issuer = issuer(algorithm);
        let jwks = document(&issuer);
        let token = token(&layer(issuer)).await;
        verify(&token, &jwks).unwrap();
        let payload = token.find('.').unwrap() + 1;
        let signature = token.rfind('.').unwrap() + 1;
        for at in [payload + 10, signature - 5, signature, signature + 20] {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(verify(std::str::from_utf8(&bytes).unwrap(), &jwks).is_err(), "{algorithm} at {at}");
        }
    }
}

#[tokio::test]
async fn several_audiences_are_an_array_and_one_is_a_string_ja_04() {
    let keys = KeySet::new(key(SigningAlgorithm::EdDsa));
    let issuer = JwtIssuer::new(ISSUER, [AUDIENCE, "urn:other"], keys).unwrap();
    let jwks = document(&issuer);
    let claims = verify(&token(&layer(issuer)).await, &jwks).unwrap();
    assert_eq!(claims["aud"], json!([AUDIENCE, "urn:other"]));
}

#[tokio::test]
async fn a_token_without_scope_has_no_scope_claim_ja_06() {
    let issuer = issuer(SigningAlgorithm::EdDsa);
    let jwks = document(&issuer);
    let client = tower_password_grant::Client::public("plain").allow_password_grant().build().unwrap();
    let clients = tower_password_grant::StaticClients::new([client]).unwrap();
    let layer = builder(&Probe::default())
        .clients(clients)
        .missing_scope(MissingScope::Scopeless)
        .issuer(issuer)
        .build()
        .unwrap();
    let json = send(&layer, token_request(&[], &format!("{PW}&client_id=plain"))).await.assert_ok();
    assert!(json.get("scope").is_none());
    let claims = verify(json["access_token"].as_str().unwrap(), &jwks).unwrap();
    assert_eq!(names(&claims), CLAIMS.into_iter().filter(|name| *name != "scope").collect::<Vec<_>>());
}

#[tokio::test]
async fn the_scope_claim_is_the_granted_scope_ja_06() {
    let layer = layer(issuer(SigningAlgorithm::EdDsa));
    let json =
        send(&layer, token_request(&[("authorization", CONF)], &format!("{PW}&scope=write+read"))).await.assert_ok();
    assert_eq!(json["scope"], "read write");
    assert_eq!(part(json["access_token"].as_str().unwrap(), 1)["scope"], "read write");
}

#[tokio::test]
async fn expiry_follows_the_issuers_clock_and_auth_time_the_login_ja_08() {
    let login_at = SystemTime::now() - Duration::from_millis(90_500);
    let issued_at = login_at + Duration::from_secs(30);
    let issuer = issuer(SigningAlgorithm::Es256).with_clock(Stopped(issued_at));
    let jwks = document(&issuer);
    let layer = builder(&Probe::default())
        .clock(Stopped(login_at))
        .access_token_lifetime(Duration::from_millis(600_900))
        .issuer(issuer)
        .build()
        .unwrap();
    let json = login(&layer).await.assert_ok();
    assert_eq!(json["expires_in"], 600);
    let claims = verify(json["access_token"].as_str().unwrap(), &jwks).unwrap();
    assert_eq!(claims["auth_time"], unix(login_at));
    assert_eq!(claims["iat"], unix(issued_at));
    assert_eq!(claims["exp"], unix(issued_at) + 600);
}

#[tokio::test]
async fn an_expired_token_is_refused_by_its_verifier() {
    let past = SystemTime::now() - Duration::from_secs(7200);
    let issuer = issuer(SigningAlgorithm::Es256).with_clock(Stopped(past));
    let jwks = document(&issuer);
    assert_eq!(verify(&token(&layer(issuer)).await, &jwks).unwrap_err(), "ExpiredSignature");
}

#[tokio::test]
async fn no_two_tokens_have_one_jti_ja_03() {
    let layer = layer(issuer(SigningAlgorithm::EdDsa));
    let mut seen = HashSet::new();
    for _ in 0..full_or(10_000, 2_000) {
        assert!(seen.insert(part(&token(&layer).await, 1)["jti"].as_str().unwrap().to_owned()));
    }
}

#[tokio::test]
async fn claims_of_the_application_come_from_the_grant_ja_11() {
    struct Account {
        roles: Vec<&'static str>,
    }
    let issuer = issuer(SigningAlgorithm::Es256).with_claims(|grant: &Grant| {
        let mut claims = Map::new();
        if let Some(account) = grant.subject().data::<Account>() {
            claims.insert("roles".to_owned(), json!(account.roles));
        }
        claims.insert("grant \"é\"".to_owned(), grant.grant_type().into());
        claims
    });
    let jwks = document(&issuer);
    let verifier =
        verify_fn(|_| async { Ok(Subject::new("7").with_data(Account { roles: vec!["admin", "dev"] }).into()) });
    let layer = builder(&Probe::default()).verifier(verifier).issuer(issuer).build().unwrap();
    let claims = verify(&token(&layer).await, &jwks).unwrap();
    assert_eq!(claims["roles"], json!(["admin", "dev"]));
    assert_eq!(claims["grant \"é\""], "password");
    assert_eq!(claims.len(), CLAIMS.len() + 2);
}

/// Answers of the endpoint, and what its issuer said to telemetry.
async fn refused_by(issuer: JwtIssuer) -> (BackendErrorKind, String) {
    let said = Arc::new(Mutex::new(None));
    let (issuer, heard) = (Arc::new(issuer), Arc::clone(&said));
    let layer = layer(issue_fn(move |grant| {
        let (issuer, heard) = (Arc::clone(&issuer), Arc::clone(&heard));
        async move {
            let result = issuer.issue(grant).await;
            if let Err(error) = &result {
                *heard.lock().unwrap() = Some((error.kind(), format!("{error:?}")));
            }
            result
        }
    }));
    let answer = login(&layer).await;
    answer.assert_error(500, "server_error");
    let said = said.lock().unwrap().take();
    said.expect("the issuer was not asked")
}

#[tokio::test]
async fn claims_of_the_standard_cannot_be_replaced_by_the_application() {
    for name in CLAIMS.into_iter().chain(["nbf", "realm"]) {
        let issuer = issuer(SigningAlgorithm::EdDsa)
            .with_claims(move |_| Map::from_iter([(name.to_owned(), Value::from("mallory"))]));
        let (kind, message) = refused_by(issuer).await;
        assert_eq!(kind, BackendErrorKind::Fault);
        assert!(
            message.contains(&format!("the extra claim `{name}` is written by the issuer"))
                && !message.contains("mallory"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_clock_before_1970_is_a_fault_and_no_panic() {
    let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let (kind, message) = refused_by(issuer(SigningAlgorithm::EdDsa).with_clock(Stopped(before))).await;
    assert_eq!((kind, message.contains("the clock or the lifetime")), (BackendErrorKind::Fault, true), "{message}");
}

#[tokio::test]
async fn a_subject_without_identifier_gets_no_token_ja_03() {
    let verifier = verify_fn(|_| async { Ok(Subject::new("").into()) });
    let layer = builder(&Probe::default()).verifier(verifier).issuer(issuer(SigningAlgorithm::EdDsa)).build().unwrap();
    login(&layer).await.assert_error(500, "server_error");
}

#[tokio::test]
async fn the_longest_lifetime_does_not_overflow() {
    let layer = builder(&Probe::default())
        .access_token_lifetime(Duration::MAX)
        .issuer(issuer(SigningAlgorithm::EdDsa))
        .build()
        .unwrap();
    login(&layer).await.assert_error(500, "server_error");
}
