//! ID tokens (OpenID Connect Core 1.0 sections 2, 3.1.3.3 and 12.2): when there is one, what it says, and what it is good for.

use std::convert::Infallible;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Map, Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard, Principal};
use tower_password_grant::jwt::{IdClaims, JwtIssuer, KeyError, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::mount::Profile;
use tower_password_grant::rules::{Ruling, rule_fn};
use tower_password_grant::token::Token;
use tower_password_grant::{Client, Grant, IssuedTokens, StaticClients, issue_fn};

use super::forge;
use super::helpers::*;
use super::id_world::IdWorld;
use crate::support::tokens::text;
use crate::support::{AUTH, PW, Probe, builder, pw, send, token_request};

const CLAIMS: [&str; 6] = ["aud", "auth_time", "exp", "iat", "iss", "sub"];

/// Gives ID tokens that say nothing more about the user.
fn plain(algorithm: SigningAlgorithm) -> JwtIssuer {
    issuer(algorithm).with_id_tokens(|_| async { Ok(IdClaims::new()) })
}

fn names(claims: &Map<String, Value>) -> Vec<&str> {
    let mut names: Vec<&str> = claims.keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn kid_of(answer: &Value) -> Value {
    part(&text(answer, "id_token"), 0)["kid"].clone()
}

#[tokio::test]
async fn a_login_with_openid_gets_an_id_token_of_every_algorithm_beside_its_access_token() {
    for algorithm in ALL {
        let world = IdWorld::new(plain(algorithm));
        let before = unix(SystemTime::now());
        let json = world.login("openid+read").await.assert_ok();
        let claims = world.id_claims(&json);

        assert_eq!(names(&claims), CLAIMS);
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(ISSUER), &json!("user-alice")));
        assert_eq!(claims["aud"], "conf");
        let time = |name: &str| claims[name].as_u64().unwrap();
        let now = unix(SystemTime::now());
        assert!((before..=now).contains(&time("iat")) && (before..=now).contains(&time("auth_time")));
        assert_eq!(time("exp") - time("iat"), json["expires_in"].as_u64().unwrap());

        let header = Value::Object(part(&text(&json, "id_token"), 0));
        let kid = world.issuer.keys().signing_kid();
        assert_eq!(header, json!({ "alg": algorithm.name(), "typ": "JWT", "kid": kid }));
        verify(&text(&json, "access_token"), &document(&world.issuer)).unwrap();
        assert_eq!(json["scope"], "openid read");
    }
}

#[tokio::test]
async fn a_public_client_gets_one_for_itself_and_for_no_other_client() {
    let world = IdWorld::new(plain(SigningAlgorithm::Es256));
    let form = pw("scope=openid&client_id=pub");
    let json = send(&world.layer, token_request(&[], &form)).await.assert_ok();
    assert_eq!(world.verified(&json, "pub").unwrap()["aud"], "pub");
    assert_eq!(world.verified(&json, "conf").unwrap_err(), "InvalidAudience");
}

#[tokio::test]
async fn without_openid_in_the_granted_scope_there_is_no_id_token_and_nobody_is_asked_for_claims() {
    let unasked = || issuer(SigningAlgorithm::EdDsa).with_id_tokens(|_| async { Err("asked for claims".into()) });
    let removing = rule_fn("removing", |_| async { Ok(Ruling::proceed().remove_scope("openid")) });
    for (world, scope) in [
        (IdWorld::new(unasked()), "read"),
        (IdWorld::new(unasked()), ""),
        (IdWorld::with(unasked(), |builder| builder.rule(removing)), "openid+read"),
        (IdWorld::with(unasked(), |builder| builder.scope_ceiling("read email")), "openid+read"),
        (IdWorld::new(issuer(SigningAlgorithm::EdDsa)), "openid+read"),
    ] {
        let form = if scope.is_empty() { PW.to_owned() } else { pw(&format!("scope={scope}")) };
        let json = world.post(&form).await.assert_ok();
        assert_eq!(json.get("id_token"), None, "{json}");
        let json = world.refresh(&json, "").await.assert_ok();
        assert_eq!(json.get("id_token"), None, "{json}");
    }
}

#[tokio::test]
async fn with_a_profile_that_knows_openid_an_unregistered_client_gets_one_too() {
    let client = Client::public("sdk").allow_password_grant().scopes("read").default_scope("read").build().unwrap();
    let form = pw("scope=openid&client_id=sdk");
    for (profile, gets_one) in [(Profile::Rfc6749, false), (Profile::Auth0, true)] {
        let clients = StaticClients::new([client.clone()]).unwrap();
        let world = IdWorld::with(plain(SigningAlgorithm::Rs256), |builder| builder.clients(clients).profile(profile));
        let answer = send(&world.layer, token_request(&[], &form)).await;
        match gets_one {
            true => assert_eq!(world.verified(&answer.assert_ok(), "sdk").unwrap()["sub"], "user-alice"),
            false => answer.assert_error(400, "invalid_scope"),
        }
    }
}

#[tokio::test]
async fn at_a_refresh_the_id_token_is_new_and_the_login_is_the_same() {
    let world = IdWorld::on_a_clock(plain(SigningAlgorithm::Es256));
    let login = world.login("openid+read").await.assert_ok();
    world.clock.as_ref().unwrap().advance_secs(1000);
    let next = world.refresh(&login, "").await.assert_ok();
    let (before, after) = (world.id_claims(&login), world.id_claims(&next));
    for name in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    for name in ["iat", "exp"] {
        assert_eq!(before[name].as_u64().unwrap() + 1000, after[name].as_u64().unwrap(), "{name}");
    }
    assert_eq!(names(&after), CLAIMS);
    assert_eq!(before["auth_time"], before["iat"]);

    // A refresh of less scope is for less; the next one is for all again.
    let less = world.refresh(&next, "&scope=read").await.assert_ok();
    assert_eq!(less.get("id_token"), None);
    let again = world.refresh(&less, "").await.assert_ok();
    assert_eq!(world.id_claims(&again)["auth_time"], before["auth_time"]);
}

#[tokio::test]
async fn there_is_never_a_nonce_whatever_the_request_says() {
    let world = IdWorld::new(plain(SigningAlgorithm::EdDsa));
    let json = world.post(&pw("scope=openid&nonce=n-0S6_WzA2Mj")).await.assert_ok();
    assert_eq!(names(&world.id_claims(&json)), CLAIMS);
    let json = world.refresh(&json, "&nonce=n-0S6_WzA2Mj").await.assert_ok();
    assert_eq!(names(&world.id_claims(&json)), CLAIMS);
}

#[tokio::test]
async fn id_tokens_may_have_a_key_of_their_own_which_is_published_rotated_and_retired() {
    let world = IdWorld::new(plain(SigningAlgorithm::Es256));
    let keys = world.issuer.keys();
    let first = world.login("openid").await.assert_ok();
    assert_eq!(kid_of(&first), json!(keys.signing_kid()));

    keys.sign_id_tokens_with(key(SigningAlgorithm::Rs256)).unwrap();
    let second = world.login("openid").await.assert_ok();
    let rsa = key(SigningAlgorithm::Rs256).kid().to_owned();
    assert_eq!(kid_of(&second), json!(rsa));
    assert_eq!(part(&text(&second, "id_token"), 0)["alg"], "RS256");
    assert_eq!(part(&text(&second, "access_token"), 0)["alg"], "ES256");
    for answer in [&first, &second] {
        world.id_claims(answer);
        verify(&text(answer, "access_token"), &document(&world.issuer)).unwrap();
    }
    let served: Value = serde_json::from_slice(&document(&world.issuer)).unwrap();
    let kinds: Vec<&Value> = served["keys"].as_array().unwrap().iter().map(|key| &key["kty"]).collect();
    assert_eq!(kinds, ["EC", "RSA"]);

    // What signs either kind stays published, whichever of them is rotated.
    assert!(!keys.retire(&rsa) && !keys.retire(&keys.signing_kid()));
    keys.rotate(key(SigningAlgorithm::EdDsa)).unwrap();
    assert_eq!(kid_of(&world.login("openid").await.assert_ok()), json!(rsa));
    keys.sign_id_tokens_with(SigningKey::generate(SigningAlgorithm::Es256).unwrap()).unwrap();
    let third = world.login("openid").await.assert_ok();
    world.id_claims(&third);
    world.id_claims(&second);
    assert!(keys.retire(&rsa));
    assert_eq!(world.verified(&second, "conf").unwrap_err(), "no key of this kid");
    world.id_claims(&third);
}

#[test]
fn a_key_for_id_tokens_whose_kid_is_taken_is_refused_and_nothing_changes() {
    let keys = KeySet::new(key(SigningAlgorithm::Es256).with_kid("1").unwrap());
    let other = key(SigningAlgorithm::Rs256).with_kid("1").unwrap();
    assert_eq!(keys.sign_id_tokens_with(other).unwrap_err(), KeyError::KidInUse);
    assert_eq!(keys.published().len(), 1);
    // The key that signs access tokens may be named for ID tokens, too.
    keys.sign_id_tokens_with(key(SigningAlgorithm::Es256).with_kid("1").unwrap()).unwrap();
    assert_eq!(keys.published().len(), 1);
}

/// What an API answers that asks for the scope `openid`: the subject of its caller.
async fn api(verifier: impl AccessTokenVerifier, audience: &str, token: &str) -> (StatusCode, Bytes) {
    let api = service_fn(|request: Request<String>| async move {
        let caller = request.extensions().get::<Principal>().unwrap().subject_id().to_owned();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(caller))))
    });
    let guard = BearerGuard::builder(verifier).audience(audience).any_token_realm().build().unwrap();
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new()).unwrap();
    let response = guard.require_scope("openid").unwrap().layer(api).oneshot(request).await.unwrap();
    (response.status(), response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_guard_that_requires_openid_takes_the_access_token_and_gives_its_subject() {
    let world = IdWorld::new(plain(SigningAlgorithm::Es256));
    let json = world.login("openid").await.assert_ok();
    let (status, subject) = api(world.issuer.verifier(), AUDIENCE, &text(&json, "access_token")).await;
    assert_eq!((status, &*subject), (StatusCode::OK, &b"user-alice"[..]));
    let json = world.login("read").await.assert_ok();
    assert_eq!(api(world.issuer.verifier(), AUDIENCE, &text(&json, "access_token")).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_id_token_opens_no_api_and_is_no_token_to_ask_about_even_for_its_own_audience() {
    for algorithm in ALL {
        let world = IdWorld::new(plain(algorithm));
        let json = world.login("openid").await.assert_ok();
        let id_token = text(&json, "id_token");
        for audience in [AUDIENCE, "conf"] {
            let status = api(world.issuer.verifier(), audience, &id_token).await.0;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{algorithm} {audience}");
        }
        assert_eq!(world.introspect(&id_token).await, json!({ "active": false }));
    }
}

#[test]
fn not_even_claims_of_an_access_token_make_an_id_token_one() {
    let ed = SigningAlgorithm::EdDsa;
    let header = forge::with(forge::header(ed), json!({ "typ": "JWT" }));
    forge::refused(&forge::lenient(), &forge::forged(ed, header, forge::claims()));
    forge::good(&forge::lenient(), &forge::forged(ed, forge::header(ed), forge::claims()));
}

#[tokio::test]
async fn an_access_token_is_no_id_token_for_a_client_that_looks_at_the_audience_alone() {
    let world = IdWorld::new(plain(SigningAlgorithm::Es256));
    let json = world.login("openid").await.assert_ok();
    assert_eq!(world.read_by("conf", &text(&json, "access_token")).unwrap_err(), "InvalidAudience");

    let keys = KeySet::new(key(SigningAlgorithm::Es256));
    let confused = JwtIssuer::new(ISSUER, [AUDIENCE, "conf"], keys).unwrap();
    let world = IdWorld::new(confused.with_id_tokens(|_| async { Ok(IdClaims::new()) }));
    for scope in ["openid", "read"] {
        world.login(scope).await.assert_error(500, "server_error");
    }
}

#[tokio::test]
async fn an_issuer_of_ones_own_gives_an_id_token_as_a_member_of_the_answer() {
    let own = issue_fn(|grant: Grant| async move {
        let issued = IssuedTokens::bearer(Token::random("at_")?, grant.lifetime());
        Ok(issued.with_id_token(Token::new("e30.e30.c2ln".to_owned())))
    });
    let layer = builder(&Probe::default()).issuer(own).build().unwrap();
    let json = send(&layer, token_request(AUTH, PW)).await.assert_ok();
    assert_eq!(json["id_token"], "e30.e30.c2ln");
}
