//! `GET /mfa/authenticators`, and `DELETE` of one of them.

use http::Method;
use serde_json::json;

use crate::support::factors::{FactorBed, JSON, bearer_of, request};

async fn with_app(name: &str) -> (FactorBed, String, String) {
    let bed = FactorBed::new();
    bed.enrol_app(&bed.manager(name).await).await;
    bed.activate(name).await;
    let bearer = bed.strong(name).await;
    let id = bed.list(&bearer).await.json()[0]["id"].as_str().unwrap().to_owned();
    (bed, bearer, id)
}

#[tokio::test]
async fn a_user_without_authenticators_has_an_empty_list() {
    let bed = FactorBed::new();
    let answer = bed.list(&bed.manager("alice").await).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, "[]");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(bed.last_event(), "factors_listed app user-alice -");
}

#[tokio::test]
async fn each_kind_is_listed_as_sdks_read_it_with_masked_names() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let out_of_band = |channel: &str, name: &str, value: &str| json!({ "authenticator_types": ["oob"], "oob_channels": [channel], name: value });
    let mut listed = Vec::new();
    for (body, kind, requirement, channel, name) in [
        (json!({ "authenticator_types": ["otp"] }), "otp", "otp", None, None),
        (out_of_band("sms", "phone_number", "+15555550199"), "oob", "phone", Some("sms"), Some("XXXXXXXX0199")),
        (out_of_band("voice", "phone_number", "+15555550188"), "oob", "phone", Some("voice"), Some("XXXXXXXX0188")),
        (out_of_band("email", "email", "pat@example.com"), "oob", "email", Some("email"), Some("p***@e***")),
        (out_of_band("auth0", "device", "x"), "oob", "push-notification", Some("auth0"), None),
    ] {
        assert_eq!(bed.associate(&bearer, &body).await.status, 200, "{body}");
        let list = bed.list(&bearer).await.json();
        let one = list.as_array().unwrap().iter().find(|one| one["authenticator_type"] != "recovery-code").unwrap();
        let mut expected = json!({
            "id": one["id"], "authenticator_type": kind, "type": requirement, "active": false,
        });
        for (member, value) in [("oob_channel", channel), ("name", name)] {
            if let Some(value) = value {
                expected[member] = value.into();
            }
        }
        assert_eq!(*one, expected);
        listed.push(one["id"].as_str().unwrap().split_once("|dev_").unwrap().0.to_owned());
    }
    assert_eq!(listed, ["totp", "sms", "voice", "email", "push"]);
}

#[tokio::test]
async fn an_active_app_stands_beside_its_recovery_codes() {
    let (bed, bearer, _) = with_app("alice").await;
    let list = bed.list(&bearer).await.json();
    let seen: Vec<_> = list.as_array().unwrap().iter().map(|one| (&one["type"], &one["active"])).collect();
    assert_eq!(seen, [(&json!("otp"), &json!(true)), (&json!("recovery-code"), &json!(true))]);
}

#[tokio::test]
async fn a_head_request_has_the_length_and_no_body() {
    let bed = FactorBed::new();
    let bearer = bearer_of(&bed.manager("alice").await);
    let answer = bed.send(request(Method::HEAD, "/mfa/authenticators", &[("authorization", &bearer)], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, Some("2")));
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn an_authenticator_is_removed_by_its_identifier_encoded_once() {
    for encoded in [true, false] {
        let (bed, bearer, id) = with_app("alice").await;
        let sent = if encoded { id.replace('|', "%7C") } else { id.clone() };
        let answer = bed.remove(&bearer, &sent).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(bed.last_event(), "factor_removed app user-alice totp");
        assert_eq!(bed.list(&bearer).await.body, "[]");
        assert_eq!(bed.remove(&bearer, &sent).await.json()["error"], "invalid_authenticator");
    }
}

#[tokio::test]
async fn what_is_no_authenticator_of_the_user_is_refused_alike() {
    let (bed, bearer, id) = with_app("alice").await;
    let others = bed.strong("bob").await;
    let unknown = "totp|dev_AAAAAAAAAAAAAAAAAAAAAA";
    let twice = id.replace('|', "%257C");
    let mut answers = Vec::new();
    for (bearer, id) in [(&others, id.as_str()), (&bearer, unknown), (&bearer, "nothing"), (&bearer, &twice)] {
        let answer = bed.remove(bearer, id).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        answers.push(answer.body);
        assert_eq!(bed.last_event(), "refused app unknown_authenticator");
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(bed.list(&bearer).await.json()[0]["id"], id);
    let broken = bed.remove(&bearer, "totp%7").await;
    assert_eq!((broken.status.as_u16(), broken.json()["error"].clone()), (400, json!("invalid_request")));
}

#[tokio::test]
async fn a_token_that_no_factor_was_shown_for_removes_none_that_is_active() {
    let bed = FactorBed::new();
    // From before the enrolment.
    let weak = bed.manager("alice").await;
    bed.enrol_app(&weak).await;
    bed.activate("alice").await;
    let id = bed.list(&weak).await.json()[0]["id"].as_str().unwrap().to_owned();
    let answer = bed.remove(&weak, &id).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (403, json!("insufficient_scope")));
    assert_eq!(bed.list(&weak).await.json()[0]["active"], true);
}

#[tokio::test]
async fn each_path_takes_its_own_methods() {
    let bed = FactorBed::new();
    for (path, allow) in [
        ("/mfa/challenge", "POST, OPTIONS"),
        ("/mfa/associate", "POST, OPTIONS"),
        ("/mfa/authenticators", "GET, HEAD, OPTIONS"),
        ("/mfa/authenticators/totp%7Cdev_1", "DELETE, OPTIONS"),
    ] {
        let answer = bed.send(request(Method::PUT, path, &[JSON], "{}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)), "{path}");
    }
    for path in ["/mfa/authenticators/", "/mfa/authenticators/1/2", "/mfa/", "/mfa/associates"] {
        assert_eq!(bed.send(request(Method::GET, path, &[], "")).await.body, "inner", "{path}");
    }
}
