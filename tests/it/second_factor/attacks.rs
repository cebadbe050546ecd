//! Attacks on second factors: stale logins and tokens, swapped values, and requests of no shape at all.

use std::net::SocketAddr;
use std::time::Duration;

use http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tower_password_grant::clock::Clock as _;
use tower_password_grant::mfa::{Channel, FactorUser, Factors, When};
use tower_password_grant::mount::{Metadata, Profile};
use tower_password_grant::store::{Authenticator, FactorStore as _, MemoryFactors};
use tower_password_grant::user::SecretKeys;

use super::flow::open;
use super::ways::{PHONE, text};
use crate::support::factors::{AUDIENCE, FORM, FactorBed, JSON, bearer_of, request};

/// Where each user must have a factor, and nobody has one yet.
fn always() -> FactorBed {
    FactorBed::with(|factors| factors.demand(When::Always), |builder| builder)
}

async fn has_factor(bed: &FactorBed, name: &str) -> bool {
    let subject = format!("user-{name}");
    let all = bed.store.list(FactorUser::new(None, &subject), bed.clock.now()).await.unwrap();
    all.iter().any(Authenticator::is_factor)
}

#[tokio::test]
async fn a_login_by_a_password_that_was_changed_since_leaves_no_factor_behind() {
    let bed = always();
    let (token, other) = (open(&bed.login("alice", "").await), open(&bed.login("alice", "").await));
    let (secret, _) = bed.enrol_app(&token).await;
    bed.people.change_password("alice");
    for token in [token, other] {
        bed.redeem_otp(&token, &bed.code(&secret)).await.assert_error(400, "invalid_grant");
        assert!(!has_factor(&bed, "alice").await, "the next login of the owner would ask for it");
        bed.clock.advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn a_login_by_a_password_that_was_changed_since_begins_no_enrolment() {
    let bed = always();
    let token = open(&bed.login("alice", "").await);
    bed.people.change_password("alice");
    let (secret, _) = bed.enrol_app(&open(&bed.login("alice", "").await)).await;
    let answer = bed.associate(&token, &json!({ "authenticator_types": ["otp"] })).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (401, &json!("invalid_token")), "{answer:?}");
    // It has not taken the place of the owner's.
    let token = open(&bed.login("alice", "").await);
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
}

#[tokio::test]
async fn an_access_token_by_a_password_that_was_changed_since_manages_no_factor() {
    let bed = FactorBed::new();
    let (stale, strong) = (bed.manager("alice").await, bed.strong("alice").await);
    bed.enrol_app(&strong).await;
    let id = text(&bed.list(&stale).await.json()[0], "id").replace('|', "%7C");
    bed.people.change_password("alice");
    let enrol = json!({ "authenticator_types": ["otp"] });
    for bearer in [&stale, &strong] {
        for answer in [bed.associate(bearer, &enrol).await, bed.list(bearer).await, bed.remove(bearer, &id).await] {
            assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (401, &json!("invalid_token")), "{answer:?}");
        }
    }
    // The owner goes on with what waits.
    let listed = bed.list(&bed.manager("alice").await).await.json();
    assert_eq!(text(&listed[0], "id").replace('|', "%7C"), id);
}

#[tokio::test]
async fn a_user_who_was_locked_since_removes_nothing_and_learns_nothing() {
    let bed = FactorBed::new();
    bed.enrolled("alice").await;
    let bearer = bed.strong("alice").await;
    let open = open(&bed.login("alice", "").await);
    let id = text(&bed.list(&bearer).await.json()[0], "id").replace('|', "%7C");
    bed.people.lock("alice");
    for answer in [bed.remove(&bearer, &id).await, bed.list(&bearer).await, bed.list(&open).await] {
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (401, &json!("invalid_token")), "{answer:?}");
    }
    assert!(has_factor(&bed, "alice").await);
}

#[tokio::test]
async fn a_login_that_was_begun_to_refresh_another_ends_with_that_one() {
    let bed = FactorBed::new();
    let before = text(&bed.login("alice", "").await.assert_ok(), "refresh_token");
    let secret = bed.enrolled("alice").await;
    let refresh = format!("client_id=app&grant_type=refresh_token&refresh_token={before}");
    let (token, other) = (open(&bed.token(&refresh).await), open(&bed.token(&refresh).await));
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    // One login goes on as one login.
    bed.clock.advance(Duration::from_secs(30));
    bed.redeem_otp(&other, &bed.code(&secret)).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_login_at_one_issuer_is_none_at_another_that_has_the_same_keys() {
    let at = |issuer: &'static str| {
        let keys = SecretKeys::new("2026-11", [7; 32]).unwrap();
        let factors = Factors::new(MemoryFactors::new(), keys).demand(When::Always).totp("Example Bank");
        FactorBed::with(|_| factors, |builder| builder.metadata(Metadata::new(issuer)))
    };
    let (one, two) = (at("https://one.example/"), at("https://two.example/"));
    let token = open(&one.login("alice", "").await);
    assert_eq!((one.list(&token).await.status.as_u16(), two.list(&token).await.status.as_u16()), (200, 401));
    let answer = two.redeem_otp(&token, "000000").await;
    assert_eq!(answer.json()["error_description"], "Malformed mfa_token", "{answer:?}");
}

#[tokio::test]
async fn recovery_codes_of_an_enrolment_that_waits_log_nobody_in() {
    let bed = always();
    let token = open(&bed.login("alice", "").await);
    let (_, json) = bed.enrol_app(&token).await;
    let code = json["recovery_codes"][0].as_str().unwrap();
    bed.redeem_recovery(&token, code).await.assert_error(400, "invalid_grant");
    let wanted = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": PHONE });
    let begun = bed.associate(&token, &wanted);
    let oob = text(&begun.await.json(), "oob_code");
    for code in ["000000", "1"] {
        bed.redeem_oob(&token, &oob, Some(code)).await.assert_error(400, "invalid_grant");
    }
    assert!(!has_factor(&bed, "alice").await);
}

#[tokio::test]
async fn a_value_in_the_place_of_another_is_none() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let bed = FactorBed::of(profile);
        let scope = if profile == Profile::Auth0 { "scope=read+offline_access" } else { "" };
        let json = bed.login("bob", scope).await.assert_ok();
        let (access, refresh) = (text(&json, "access_token"), text(&json, "refresh_token"));
        let managing = bed.manager("bob").await;
        bed.reached_by("alice", Channel::Sms).await;
        let token = bed.left_open("alice").await;
        let oob = bed.sent(&token).await;
        let code = bed.typed();
        let all = [&access, &refresh, &managing, &token, &oob, &code];
        for given in all {
            for bearer in all.into_iter().filter(|bearer| ![&managing, &token].contains(bearer)) {
                assert_eq!(bed.list(bearer).await.status, 401);
            }
            let mut forms = vec![format!("client_id=app&grant_type=refresh_token&refresh_token={given}")];
            if *given == refresh {
                forms.clear();
            }
            for kind in ["otp", "oob", "recovery-code"] {
                for (value, binding) in [(&oob, &code), (given, &code), (given, given)] {
                    let is_right = *given == token && kind == "oob" && *value == oob;
                    if !is_right {
                        let values =
                            format!("otp={binding}&oob_code={value}&binding_code={binding}&recovery_code={value}");
                        forms.push(format!("client_id=app&grant_type=http://auth0.com/oauth/grant-type/mfa-{kind}&mfa_token={given}&{values}"));
                    }
                }
            }
            for form in forms {
                let answer = bed.token(&form).await;
                assert!(answer.status.is_client_error(), "{form}: {answer:?}");
            }
        }
    }
}

/// A text as an attacker sends it, often one of these.
fn odd(values: Vec<String>) -> impl Strategy<Value = String> {
    prop_oneof![
        6 => proptest::sample::select(values),
        1 => "\\PC{0,12}",
        1 => "[A-Za-z0-9_-]{0,90}",
        1 => Just("\0\r\n\u{202e}%00%0d%0a".to_owned()),
        1 => Just("9".repeat(5000)),
    ]
}

fn odd_json(values: Vec<String>) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => odd(values).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z_]{1,8}", inner, 0..3).prop_map(|map| json!(map)),
        ]
    })
}

const NAMES: [&str; 20] = [
    "client_id",
    "client_secret",
    "grant_type",
    "mfa_token",
    "otp",
    "oob_code",
    "binding_code",
    "recovery_code",
    "challenge_type",
    "authenticator_id",
    "oob_channel",
    "authenticator_types",
    "oob_channels",
    "phone_number",
    "email",
    "id",
    "scope",
    "audience",
    "username",
    "x",
];

const WORDS: [&str; 20] = [
    "app",
    "shop",
    "s3cret",
    "alice",
    "otp",
    "oob",
    "sms",
    "email",
    "auth0",
    "voice",
    AUDIENCE,
    "enroll",
    PHONE,
    "a@b",
    "password",
    "refresh_token",
    "http://auth0.com/oauth/grant-type/mfa-otp",
    "http://auth0.com/oauth/grant-type/mfa-oob",
    "http://auth0.com/oauth/grant-type/mfa-recovery-code",
    "000000",
];

#[tokio::test]
async fn requests_of_any_shape_are_refused_and_break_nothing() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let bed = FactorBed::of(profile);
        bed.enrolled("alice").await;
        let token = open(&bed.login("alice", "").await);
        let bearers = [token.clone(), bed.manager("bob").await, bed.strong("alice").await];
        let id = text(&bed.list(&token).await.json()[0], "id");
        let below = format!("/mfa/authenticators/{}", id.replace('|', "%7C"));
        let endpoints = [
            (Method::POST, "/oauth/token"),
            (Method::POST, "/mfa/challenge"),
            (Method::POST, "/mfa/associate"),
            (Method::GET, "/mfa/authenticators"),
            (Method::DELETE, "/mfa/authenticators/%00"),
            (Method::DELETE, &*below),
        ];
        let words: Vec<String> = WORDS.map(str::to_owned).into_iter().chain([token, id]).collect();
        let names = || proptest::sample::select(NAMES.to_vec());
        let all = (
            proptest::sample::select(endpoints.map(|(method, path)| (method, path.to_owned())).to_vec()),
            proptest::collection::btree_map(names(), odd_json(words.clone()), 0..9),
            proptest::collection::vec((names(), odd(words)), 0..9),
            odd(bearers.into()),
            any::<bool>(),
        );
        let mut runner = TestRunner::deterministic();
        for number in 0..1500_u32 {
            let ((method, path), members, pairs, bearer, is_json) = all.new_tree(&mut runner).unwrap().current();
            let (kind, body) = if is_json {
                (JSON, json!(members).to_string())
            } else {
                (FORM, serde_urlencoded::to_string(pairs).unwrap())
            };
            let mut sent = request(method, &path, &[kind], &body);
            if let Ok(bearer) = bearer_of(&bearer).parse() {
                sent.headers_mut().insert("authorization", bearer);
            }
            // From everywhere: no address is throttled.
            let [.., high, low] = number.to_be_bytes();
            sent.extensions_mut().insert(SocketAddr::from(([198, 18, high, low], 4711)));
            let answer = bed.send(sent).await;
            assert!(answer.status.as_u16() < 500, "{path} {body}: {answer:?}");
        }
    }
}
