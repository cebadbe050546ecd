//! How users were authenticated, in signed tokens (RFC 8176, RFC 9068 section 2.2.1, RFC 9470).

use std::time::Duration;

use serde_json::{Map, Value, json};
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard};
use tower_password_grant::jwt::{IdClaims, SigningAlgorithm};
use tower_password_grant::token::{AuthenticationMethod as Method, AuthenticationMethods as Methods};
use tower_password_grant::{Client, StaticClients};

use super::forge::*;
use super::helpers::*;
use super::id_world::{IdBuilder, IdWorld};
use super::remote;
use crate::support::digest;
use crate::support::guards::ask;
use crate::support::tokens::text;
use crate::support::vouched::{VOUCHED, Vouched, by};

const MULTI_FACTOR: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

/// The client `conf` may use the grant that says how users were authenticated.
pub fn vouching(builder: IdBuilder) -> IdBuilder {
    let conf = Client::confidential("conf", &digest("s3cret")).allow_grant(VOUCHED).allow_introspection();
    let conf = conf.allow_refresh_tokens().scopes("openid read").default_scope("openid read").build().unwrap();
    builder.clients(StaticClients::new([conf]).unwrap()).extension_grant(Vouched)
}

/// `amr` and `acr`, where they are there.
fn methods(claims: &Map<String, Value>) -> Map<String, Value> {
    claims.clone().into_iter().filter(|(name, _)| ["amr", "acr"].contains(&name.as_str())).collect()
}

#[tokio::test]
async fn both_tokens_of_every_algorithm_say_the_methods_and_no_refresh_changes_them_ja_08_rf_18_su_02() {
    for algorithm in ALL {
        let world = IdWorld::with(issuer(algorithm).with_id_tokens(|_| async { Ok(IdClaims::new()) }), vouching);
        let jwks = document(&world.issuer);
        for (proven, told, known) in [
            ("password+otp", json!({ "amr": ["pwd", "otp", "mfa"], "acr": MULTI_FACTOR }), "password otp"),
            ("password+push", json!({ "amr": ["pwd", "mca", "mfa"], "acr": MULTI_FACTOR }), "password push"),
            ("sms", json!({ "amr": ["sms"] }), "sms"),
            // Nothing stands there where a password alone was proven, or nothing is known.
            ("password", json!({}), ""),
            ("unknown", json!({}), ""),
        ] {
            let login = world.post(&by(proven)).await.assert_ok();
            let next = world.refresh(&login, "").await.assert_ok();
            for answer in [&login, &next] {
                let token = text(answer, "access_token");
                let claims = verify(&token, &jwks).unwrap();
                assert_eq!(Value::Object(methods(&claims)), told, "{algorithm} {proven}");
                assert_eq!(Value::Object(methods(&world.id_claims(answer))), told, "{algorithm} {proven}");
                // What was written is read: at an API, and by the endpoint that tells it.
                let found = world.issuer.verifier().verify(&token).await.unwrap().unwrap();
                assert_eq!(found.methods(), known.parse().unwrap(), "{algorithm} {proven}");
                assert_eq!(found.claims().names(), ["jti"]);
                let introspected = world.introspect(&token).await;
                assert_eq!(Value::Object(methods(introspected.as_object().unwrap())), told, "{algorithm} {proven}");
            }
        }
    }
}

#[test]
fn what_other_servers_say_of_methods_is_understood_as_far_as_it_can_be_and_the_rest_stays_ja_08() {
    let verifier = verifier(SigningAlgorithm::EdDsa);
    let of = |methods: &[Method]| methods.iter().copied().collect::<Methods>();
    for (change, methods, left) in [
        (json!({ "amr": ["pwd"] }), of(&[Method::Password]), Value::Null),
        (json!({ "amr": [] }), Methods::NONE, Value::Null),
        (json!({ "amr": ["mfa", "otp", "pwd"] }), of(&[Method::Password, Method::Otp]), Value::Null),
        (json!({ "amr": ["pwd", "mfa"] }), of(&[Method::Password, Method::MultiFactor]), Value::Null),
        (json!({ "amr": ["pwd", "hwk"] }), of(&[Method::Password]), json!({ "amr": ["pwd", "hwk"] })),
        (json!({ "amr": ["hwk", "mfa"] }), of(&[Method::MultiFactor]), json!({ "amr": ["hwk", "mfa"] })),
        (json!({ "amr": ["PWD"] }), Methods::NONE, json!({ "amr": ["PWD"] })),
        // Some servers write a text; what is no list is no reason to refuse a token.
        (json!({ "amr": "mfa" }), Methods::NONE, json!({ "amr": "mfa" })),
        (json!({ "amr": [1, "mfa"] }), Methods::NONE, json!({ "amr": [1, "mfa"] })),
        (json!({ "acr": MULTI_FACTOR }), of(&[Method::MultiFactor]), Value::Null),
        (json!({ "acr": MULTI_FACTOR, "amr": ["pwd", "sms"] }), of(&[Method::Password, Method::Sms]), Value::Null),
        (json!({ "acr": "1" }), Methods::NONE, json!({ "acr": "1" })),
        (json!({ "acr": [MULTI_FACTOR] }), Methods::NONE, json!({ "acr": [MULTI_FACTOR] })),
    ] {
        let record = good(&verifier, &claiming(change.clone()));
        assert_eq!(record.methods(), methods, "{change}");
        for name in ["amr", "acr"] {
            assert_eq!(record.claim::<Value>(name), left.get(name).cloned(), "{change}");
        }
    }
    // A member that stands twice says nothing that could be believed.
    let twice = claims().to_string().replacen('{', r#"{"amr":["pwd"],"amr":["mfa"],"#, 1);
    refused(&verifier, &raw(SigningAlgorithm::EdDsa, header(SigningAlgorithm::EdDsa).to_string(), twice));
}

#[tokio::test]
async fn a_route_that_needs_a_second_factor_goes_by_signed_tokens_of_own_and_fetched_keys_su_01() {
    let fetched = remote::Issuer::start(remote::keys(&[SigningAlgorithm::EdDsa])).await;
    let guard = |verifier| {
        let guard = BearerGuard::builder(verifier).audience(AUDIENCE).clock(Stopped(at(NOW))).build().unwrap();
        guard.require_second_factor(Some(Duration::from_secs(90)))
    };
    for guard in [guard(verifier(SigningAlgorithm::EdDsa)), guard(fetched.verifier.clone())] {
        for (change, is_good) in [
            (json!({ "amr": ["pwd", "otp", "mfa"] }), true),
            (json!({ "acr": MULTI_FACTOR }), true),
            (json!({ "acr": MULTI_FACTOR, "auth_time": NOW - 91 }), false),
            (json!({ "acr": MULTI_FACTOR, "auth_time": null }), false),
            (json!({ "amr": ["pwd"], "acr": "2" }), false),
            (json!({}), false),
        ] {
            let answer = ask(&guard, &claiming(change.clone())).await;
            if is_good {
                assert_eq!(answer.status, 200, "{change}");
            } else {
                answer.assert_refused(401, "insufficient_user_authentication");
                let challenge = answer.challenge();
                assert_eq!((challenge["acr_values"].as_str(), challenge["max_age"].as_str()), (MULTI_FACTOR, "90"));
            }
        }
    }
}

#[tokio::test]
async fn no_claim_of_the_application_says_how_the_user_was_authenticated_ja_11() {
    for name in ["amr", "acr"] {
        let issuer = issuer(SigningAlgorithm::EdDsa).with_claims(move |_| json!({ name: "mfa" }));
        login(&layer(issuer)).await.assert_error(500, "server_error");
    }
}
