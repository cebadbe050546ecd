//! What a verifier takes as an access token, and what it reads from it (RFC 9068 sections 2.2 and 4).

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tower_password_grant::bearer::{AccessTokenVerifier as _, RevocationOutcome};
use tower_password_grant::jwt::{JwtIssuer, JwtVerifier, KeySet, SigningAlgorithm};
use tower_password_grant::token::Claims;
use tower_password_grant::{Client, StaticClients, Subject, verify_fn};

use super::forge::*;
use super::helpers::*;
use crate::support::{PW, Probe, builder, send, token_request};

#[tokio::test]
async fn own_tokens_stand_for_what_was_granted_ja_01_ja_02_ja_03_ja_06_ja_07_ja_08() {
    for algorithm in ALL {
        let before = SystemTime::now() - Duration::from_secs(1);
        let issuer = issuer(algorithm);
        let verifier = issuer.verifier();
        let json = login(&layer(issuer)).await.assert_ok();
        let token = json["access_token"].as_str().unwrap();
        let record = good(&verifier, token);
        assert_eq!((record.subject_id(), record.client().as_str(), record.realm()), ("user-alice", "conf", None));
        assert_eq!((record.scope().as_str(), record.audience()), ("read", &[AUDIENCE.to_owned()][..]));
        let life = record.expires().duration_since(record.issued_at()).unwrap();
        assert_eq!(life.as_secs(), json["expires_in"].as_u64().unwrap());
        assert!((before..=SystemTime::now()).contains(&record.issued_at()));
        assert!((before..=SystemTime::now()).contains(&record.authenticated_at().unwrap()));
        assert!(record.family().is_none());
        assert_eq!(record.claims().names(), ["jti"]);
    }
}

#[tokio::test]
async fn the_realm_of_the_client_is_in_the_token_and_no_claim_of_the_application_is_ja_11() {
    let issuer = issuer(SigningAlgorithm::EdDsa);
    let verifier = issuer.verifier();
    let client = Client::public("app").realm("staff").allow_password_grant().scopes("read").build().unwrap();
    let users = verify_fn(|_| async { Ok(Subject::new("7").into()) });
    let clients = StaticClients::new([client]).unwrap();
    let layer = builder(&Probe::default()).clients(clients).verifier(users).issuer(issuer).build().unwrap();
    let json = send(&layer, token_request(&[], &format!("{PW}&client_id=app&scope=read"))).await.assert_ok();
    let token = json["access_token"].as_str().unwrap();
    assert_eq!(part(token, 1)["realm"], "staff");
    assert_eq!(good(&verifier, token).realm(), Some("staff"));
    let names: Vec<String> = part(token, 1).keys().cloned().collect();
    let closed = ["aud", "auth_time", "client_id", "exp", "iat", "iss", "jti", "realm", "scope", "sub"];
    assert_eq!(names.iter().filter(|name| !closed.contains(&name.as_str())).count(), 0);
    assert_eq!(names.len(), closed.len());
}

#[test]
fn tokens_of_another_library_are_taken_ja_09() {
    for algorithm in ALL {
        let (name, key) = encoding_key(algorithm);
        let mut header = jsonwebtoken::Header::new(name);
        (header.typ, header.kid) = (Some("at+jwt".to_owned()), Some(kid(algorithm)));
        // The members come in another order, with others between them.
        header.cty = Some("json".to_owned());
        header.x5t_s256 = Some("AAAA".to_owned());
        let token = jsonwebtoken::encode(&header, &claims(), &key).unwrap();
        let record = good(&verifier(algorithm), &token);
        assert_eq!((record.subject_id(), record.scope().as_str()), ("user-alice", "read write"));
        assert_eq!((record.issued_at(), record.expires()), (at(NOW - 60), at(NOW + 60)));
        assert_eq!(record.authenticated_at(), Some(at(NOW - 90)));
        good(&lenient(), &token);
    }
}

#[test]
fn json_may_be_written_in_any_way() {
    let kid = kid(SigningAlgorithm::EdDsa);
    let header = format!("\n{{ \"k\\u0069d\" :\t\"{kid}\", \"typ\":\"at\\u002bjwt\",\"alg\":\"EdDSA\" }} ");
    let claims = format!(
        r#"{{"exp":{}.5e1,"iat":1.8e9,"aud":["{AUDIENCE}","urn:x"],"iss":"{}","sub":"\ud83e\udd80","jti":"1","client_id":"c"}}"#,
        (NOW + 60) / 10,
        ISSUER.replace('/', "\\/")
    );
    let record = good(&verifier(SigningAlgorithm::EdDsa), &raw(SigningAlgorithm::EdDsa, header, claims));
    assert_eq!((record.subject_id(), record.audience().len(), record.issued_at()), ("🦀", 2, at(NOW)));
    assert!(record.scope().is_empty());
    assert_eq!(record.authenticated_at(), None);
    let record = good(&verifier(SigningAlgorithm::EdDsa), &claiming(json!({ "exp": NOW as f64 + 0.25 })));
    assert_eq!(record.expires(), at(NOW) + Duration::from_millis(250));
}

#[test]
fn the_type_is_at_jwt_in_any_case_ja_09() {
    let verifier = verifier(SigningAlgorithm::EdDsa);
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        good(&verifier, &headed(json!({ "typ": typ })));
    }
}

#[test]
fn other_claims_are_kept_for_the_guard_be_13() {
    let cnf = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
    let record = good(&verifier(SigningAlgorithm::EdDsa), &claiming(json!({ "cnf": cnf, "roles": ["x"], "nbf": NOW })));
    assert_eq!(record.claims(), &Claims::of(&json!({ "cnf": cnf, "roles": ["x"], "jti": "7", "nbf": NOW })).unwrap());
}

#[test]
fn a_token_is_good_until_the_second_in_which_it_expires_ja_09() {
    let verifier = verifier(SigningAlgorithm::EdDsa).with_clock_skew(Duration::from_secs(60)).unwrap();
    good(&verifier, &claiming(json!({ "exp": NOW + 1 })));
    for exp in [NOW, NOW - 1, 0, 1] {
        refused(&verifier, &claiming(json!({ "exp": exp })));
    }
    let token = claiming(json!({ "exp": NOW }));
    let just_before = Stopped(at(NOW) - Duration::from_nanos(1));
    good(&verifier.clone().with_clock(just_before), &token);
    refused(&verifier, &token);
}

#[test]
fn a_token_is_not_good_before_its_time_but_for_the_skew_of_clocks() {
    for (skew, allowed) in [(None, 5), (Some(0), 0), (Some(60), 60)] {
        let verifier = verifier(SigningAlgorithm::EdDsa);
        let verifier = match skew {
            None => verifier,
            Some(skew) => verifier.with_clock_skew(Duration::from_secs(skew)).unwrap(),
        };
        for name in ["iat", "nbf"] {
            good(&verifier, &claiming(json!({ "exp": NOW + 600, name: NOW + allowed })));
            refused(&verifier, &claiming(json!({ "exp": NOW + 600, name: NOW + allowed + 1 })));
        }
    }
}

#[tokio::test]
async fn iat_is_the_issuers_time_and_auth_time_that_of_the_login_rf_18() {
    let login_at = at(NOW - 3600);
    let issuer = issuer(SigningAlgorithm::EdDsa).with_clock(Stopped(at(NOW)));
    let verifier = issuer.verifier();
    let layer = builder(&Probe::default()).clock(Stopped(login_at)).issuer(issuer).build().unwrap();
    let record = good(&verifier, &token(&layer).await);
    assert_eq!((record.issued_at(), record.authenticated_at()), (at(NOW), Some(login_at)));
}

#[tokio::test]
async fn signed_tokens_cannot_be_revoked_one_by_one() {
    let verifier = verifier(SigningAlgorithm::EdDsa);
    let token = claiming(json!({}));
    assert_eq!(verifier.revoke(&token).await.unwrap(), RevocationOutcome::Unsupported);
    good(&verifier, &token);
}

#[test]
fn a_retired_key_ends_its_tokens_at_once_and_a_rotated_one_does_not() {
    let keys = KeySet::new(key(SigningAlgorithm::EdDsa));
    let verifier = verifier_of(keys.clone());
    let old = claiming(json!({}));
    keys.rotate(key(SigningAlgorithm::Es256)).unwrap();
    let new = forged(SigningAlgorithm::Es256, header(SigningAlgorithm::Es256), claims());
    good(&verifier, &old);
    good(&verifier, &new);
    assert!(keys.retire(&kid(SigningAlgorithm::EdDsa)));
    refused(&verifier, &old);
    good(&verifier, &new);
}

#[test]
fn without_kid_the_only_key_of_the_algorithm_is_taken() {
    let token = headed(json!({ "kid": null }));
    good(&verifier(SigningAlgorithm::EdDsa), &token);
    good(&lenient(), &token);
    let keys = KeySet::new(key(SigningAlgorithm::EdDsa));
    keys.publish(
        tower_password_grant::jwt::SigningKey::generate(SigningAlgorithm::EdDsa).unwrap().verification_key().clone(),
    )
    .unwrap();
    refused(&verifier_of(keys.clone()), &token);
    good(&verifier_of(keys), &headed(json!({})));
}

#[test]
fn a_token_of_another_issuer_or_for_nobody_is_refused_and_the_audience_is_told_ja_04_ja_09() {
    let verifier = verifier(SigningAlgorithm::EdDsa);
    let wrong = ["https://as.example", "https://as.example/tenant/", "HTTPS://as.example/tenant", "", " "];
    for iss in wrong.into_iter().map(Value::from).chain([json!([ISSUER]), json!(7), Value::Null]) {
        refused(&verifier, &claiming(json!({ "iss": iss })));
    }
    for aud in [json!([]), json!(""), json!([""]), json!([AUDIENCE, 1]), json!({}), json!(true), Value::Null] {
        refused(&verifier, &claiming(json!({ "aud": aud })));
    }
    let record = good(&verifier, &claiming(json!({ "aud": "https://other.example" })));
    assert_eq!(record.audience(), ["https://other.example"]);
    let other = JwtVerifier::new("https://other.example", KeySet::new(key(SigningAlgorithm::EdDsa)));
    refused(&other.with_clock(Stopped(at(NOW))), &claiming(json!({})));
}

#[tokio::test]
async fn longer_tokens_than_8_kib_are_refused() {
    for (length, is_good) in [(5000, true), (6500, false)] {
        let issuer = JwtIssuer::new(ISSUER, [AUDIENCE], KeySet::new(key(SigningAlgorithm::EdDsa))).unwrap();
        let issuer = issuer.with_claims(move |_| json!({ "x": "x".repeat(length) }));
        let verifier = issuer.verifier();
        let token = token(&layer(issuer)).await;
        assert_eq!(token.len() <= 8192, is_good);
        assert_eq!(verdict(&verifier, &token).unwrap().is_some(), is_good);
    }
}
