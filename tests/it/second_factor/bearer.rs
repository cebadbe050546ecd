//! Which bearers manage second factors, and from which page.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::support::factors::{AUDIENCE, FactorBed, JSON, ORIGIN, bearer_of, request};

/// A `mfa_token` of a login with its password alone.
async fn mfa_token(bed: &FactorBed, name: &str) -> String {
    let (_, json) = bed.enrol_app(&bed.manager(name).await).await;
    json["mfa_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_open_login_lists_and_enrols_a_first_factor_and_removes_nothing() {
    let bed = FactorBed::new();
    let token = mfa_token(&bed, "alice").await;
    let listed = bed.list(&token).await.json();
    assert_eq!(listed[0]["type"], "otp");
    let (_, json) = bed.enrol_app(&token).await;
    assert!(json.get("mfa_token").is_none(), "the client has one: {json}");
    let id = bed.list(&token).await.json()[0]["id"].as_str().unwrap().to_owned();
    let answer = bed.remove(&token, &id).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (403, json!("insufficient_scope")));
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Bearer realm=\"token endpoint\", error=\"insufficient_scope\"")
    );
    bed.activate("alice").await;
    assert_eq!(bed.list(&token).await.status, 200);
    let answer = bed.associate(&token, &json!({ "authenticator_types": ["otp"] })).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (403, json!("access_denied")));
}

#[tokio::test]
async fn a_login_that_waits_for_its_factor_lists_and_enrols_no_second_one() {
    let bed = FactorBed::new();
    bed.enrolled("alice").await;
    let answer = bed.login("alice", "").await;
    assert_eq!(answer.json()["error"], "mfa_required");
    let token = answer.json()["mfa_token"].as_str().unwrap().to_owned();
    let listed = bed.list(&token).await.json();
    assert_eq!((&listed[0]["type"], &listed[0]["active"]), (&json!("otp"), &json!(true)), "{listed}");
    let refused = bed.associate(&token, &json!({ "authenticator_types": ["otp"] })).await;
    assert_eq!(refused.json()["error_description"], "User is already enrolled");
}

#[tokio::test]
async fn an_open_login_ends_after_ten_minutes() {
    let bed = FactorBed::new();
    let token = mfa_token(&bed, "alice").await;
    bed.clock.advance(Duration::from_secs(599));
    assert_eq!(bed.list(&token).await.status, 200);
    bed.clock.advance(Duration::from_secs(1));
    let answer = bed.list(&token).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (401, json!("expired_token")));
    assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer "));
}

#[tokio::test]
async fn each_request_needs_its_own_scope() {
    let bed = FactorBed::new();
    let token = async |scope: &str| {
        let json = bed.login("alice", &format!("audience={AUDIENCE}&scope={scope}")).await.assert_ok();
        json["access_token"].as_str().unwrap().to_owned()
    };
    let enrol = json!({ "authenticator_types": ["otp"] });
    let id = "totp|dev_AAAAAAAAAAAAAAAAAAAAAA";
    for (scope, statuses) in [
        ("read:authenticators", [200, 403, 403]),
        ("enroll", [403, 200, 403]),
        // There is no such authenticator.
        ("remove:authenticators", [403, 403, 400]),
    ] {
        let bearer = token(scope).await;
        let answers = [bed.list(&bearer).await, bed.associate(&bearer, &enrol).await, bed.remove(&bearer, id).await];
        assert_eq!(answers.map(|answer| answer.status.as_u16()), statuses, "{scope}");
    }
}

#[tokio::test]
async fn a_token_for_anything_else_and_no_token_are_refused_with_a_challenge() {
    let bed = FactorBed::new();
    let ordinary = bed.login("alice", "").await.assert_ok()["access_token"].as_str().unwrap().to_owned();
    let mut bearers = vec![bearer_of(&ordinary), bearer_of("made-up"), "Basic YTpi".to_owned(), "Bearer".to_owned()];
    let token = mfa_token(&bed, "bob").await;
    bearers.push(bearer_of(&token[..token.len() - 1]));
    bearers.push(format!("DPoP {token}"));
    for bearer in &bearers {
        let answer = bed.send(request(Method::GET, "/mfa/authenticators", &[("authorization", bearer)], "")).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (401, json!("invalid_token")), "{bearer}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"token endpoint\", error=\"invalid_token\""));
    }
    let none = bed.send(request(Method::GET, "/mfa/authenticators", &[], "")).await;
    assert_eq!(none.status, 401);
    let two = [("authorization", &*bearer_of(&token)), ("authorization", &*bearer_of(&token))];
    assert_eq!(bed.send(request(Method::GET, "/mfa/authenticators", &two, "")).await.status, 401);
    let query = format!("/mfa/authenticators?access_token={token}");
    assert_eq!(bed.send(request(Method::GET, &query, &[], "")).await.status, 400);
}

#[tokio::test]
async fn an_access_token_ends_for_the_endpoints_as_for_each_api() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    bed.clock.advance(Duration::from_secs(3600));
    let answer = bed.list(&bearer).await;
    assert_eq!(answer.status, 401, "{answer:?}");
}

#[tokio::test]
async fn made_up_bearers_use_up_the_budget_of_their_address() {
    let bed = FactorBed::new();
    let good = bed.manager("alice").await;
    let mut throttled = 0;
    for number in 0..400 {
        let answer = bed.list(&format!("made-up-{number}")).await;
        throttled += u32::from(answer.status == 429);
        if throttled > 0 {
            break;
        }
        assert_eq!(answer.status, 401);
    }
    assert_eq!(throttled, 1, "{}", bed.last_event());
    // A token that is known works whatever else its address does.
    assert_eq!(bed.list(&good).await.status, 200);
}

#[tokio::test]
async fn a_client_that_is_sent_along_is_authenticated_and_must_be_that_of_the_token() {
    let bed = FactorBed::new();
    let of_app = bed.manager("alice").await;
    let login = format!(
        "client_id=shop&client_secret=s3cret&grant_type=password&username=alice&password=correct+horse\
         &audience={AUDIENCE}&scope=enroll"
    );
    let of_shop = bed.token(&login).await.assert_ok()["access_token"].as_str().unwrap().to_owned();
    for (bearer, client, status, code) in [
        (&of_app, json!({ "client_id": "app" }), 200, None),
        (&of_app, json!({ "client_id": "other" }), 401, Some("invalid_token")),
        (&of_app, json!({ "client_id": "unknown" }), 400, Some("invalid_client")),
        (&of_shop, json!({}), 200, None),
        (&of_shop, json!({ "client_id": "shop", "client_secret": "s3cret" }), 200, None),
        (&of_shop, json!({ "client_id": "shop", "client_secret": "wrong" }), 400, Some("invalid_client")),
        (&of_shop, json!({ "client_id": "shop" }), 400, Some("invalid_client")),
        (&of_shop, json!({ "client_id": "app" }), 401, Some("invalid_token")),
        (&of_shop, json!({ "client_secret": "s3cret" }), 400, Some("invalid_client")),
    ] {
        let mut body = client.clone();
        body["authenticator_types"] = json!(["otp"]);
        let answer = bed.associate(bearer, &body).await;
        let error = code.map_or(serde_json::Value::Null, Into::into);
        assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (status, error), "{client}");
    }
}

#[tokio::test]
async fn a_users_factors_are_those_of_its_realm() {
    let bed = FactorBed::new();
    let manager = async |realm: &str| {
        let login = format!(
            "client_id=staff&grant_type=password&username=alice&password=correct+horse&realm={realm}\
             &audience={AUDIENCE}&scope=enroll+read:authenticators"
        );
        bed.token(&login).await.assert_ok()["access_token"].as_str().unwrap().to_owned()
    };
    let (one, two) = (manager("one").await, manager("two").await);
    bed.enrol_app(&one).await;
    assert_ne!(bed.list(&one).await.body, "[]");
    assert_eq!(bed.list(&two).await.body, "[]");
    assert_eq!(bed.list(&bed.manager("alice").await).await.body, "[]");
}

#[tokio::test]
async fn a_user_that_has_changed_since_enrols_nothing() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    bed.people.lock("alice");
    let answer = bed.associate(&bearer, &json!({ "authenticator_types": ["otp"] })).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (401, json!("invalid_token")));
}

#[tokio::test]
async fn a_listed_page_asks_first_and_reads_the_answer() {
    let bed = FactorBed::new();
    let bearer = bearer_of(&bed.manager("alice").await);
    for (path, methods) in [
        ("/mfa/challenge", "POST"),
        ("/mfa/associate", "POST"),
        ("/mfa/authenticators", "GET, HEAD"),
        ("/mfa/authenticators/totp%7Cdev_1", "DELETE"),
    ] {
        let preflight =
            [("origin", ORIGIN), ("access-control-request-method", "GET"), ("sec-fetch-site", "cross-site")];
        let answer = bed.send(request(Method::OPTIONS, path, &preflight, "")).await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-methods"), Some(methods), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
        let allowed = answer.header("access-control-allow-headers").unwrap();
        assert!(allowed.split(", ").any(|name| name == "authorization"), "{allowed}");
        let stranger = [("origin", "https://evil.example"), ("access-control-request-method", "GET")];
        let answer = bed.send(request(Method::OPTIONS, path, &stranger, "")).await;
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let send = async |origin| {
        let headers = [JSON, ("authorization", &*bearer), ("origin", origin), ("sec-fetch-site", "cross-site")];
        bed.send(request(Method::GET, "/mfa/authenticators", &headers, "")).await
    };
    let answer = send(ORIGIN).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, Some(ORIGIN)));
    let answer = send("https://evil.example").await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (400, None));
    assert_eq!(bed.last_event(), "refused app cross_site");
}
