//! The audience of the endpoints of second factors, which a login asks for.

use serde_json::json;
use tower_password_grant::mount::Profile;

use crate::support::factors::{AUDIENCE, FactorBed};

const SCOPES: &str = "enroll+read:authenticators+remove:authenticators";

#[tokio::test]
async fn each_client_that_may_finish_a_factor_asks_for_it_in_each_profile() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let bed = FactorBed::of(profile);
        let json = bed.login("alice", &format!("audience={AUDIENCE}&scope={SCOPES}+read")).await.assert_ok();
        let bearer = json["access_token"].as_str().unwrap();
        assert_eq!(bed.list(bearer).await.status, 200, "{profile:?}");
        // What was granted is what was asked for, in an order of its own.
        assert_eq!(json["scope"], "enroll read read:authenticators remove:authenticators");
    }
}

#[tokio::test]
async fn its_scopes_are_unknown_without_it() {
    let bed = FactorBed::new();
    for more in
        ["scope=enroll", "scope=enroll&audience=https://as.example/mfa", "scope=enroll&audience=https://other.example/"]
    {
        bed.login("alice", more).await.assert_error(400, "invalid_scope");
    }
    let with_audience = format!("scope=admin&audience={AUDIENCE}");
    bed.login("alice", &with_audience).await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn a_client_without_second_factors_does_not_know_it() {
    let bed = FactorBed::new();
    let login = "client_id=plain&grant_type=password&username=alice&password=correct+horse";
    let json = bed.token(&format!("{login}&audience={AUDIENCE}")).await.assert_ok();
    // It is a parameter that the endpoint does not know, and the token one like any other.
    let answer = bed.list(json["access_token"].as_str().unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (401, json!("invalid_token")));
    bed.token(&format!("{login}&audience={AUDIENCE}&scope=enroll")).await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn a_refresh_keeps_it() {
    let bed = FactorBed::new();
    let json = bed.login("alice", &format!("audience={AUDIENCE}&scope=enroll+read:authenticators")).await.assert_ok();
    let refresh = json["refresh_token"].as_str().unwrap();
    let refresh = format!("client_id=app&grant_type=refresh_token&refresh_token={refresh}&scope=read:authenticators");
    let json = bed.token(&refresh).await.assert_ok();
    let bearer = json["access_token"].as_str().unwrap();
    assert_eq!(bed.list(bearer).await.status, 200);
    let enrol = bed.associate(bearer, &json!({ "authenticator_types": ["otp"] })).await;
    assert_eq!(enrol.json()["error"], "insufficient_scope");
}
