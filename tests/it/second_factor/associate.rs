//! `POST /mfa/associate`: enrolments, and what is shown of them once.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tower_password_grant::mfa::Channel;

use crate::support::factors::{FORM, FactorBed, bearer_of, request};

fn otp() -> Value {
    json!({ "authenticator_types": ["otp"] })
}

fn sms(number: &str) -> Value {
    json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": number })
}

#[tokio::test]
async fn an_app_gets_its_secret_a_uri_and_recovery_codes_once() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let (secret, json) = bed.enrol_app(&bearer).await;
    assert_eq!(json["authenticator_type"], "otp");
    let uri = json["barcode_uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Example%20Bank:user-alice?"), "{uri}");
    assert!(uri.contains(&format!("secret={secret}&")), "{uri}");
    let codes = json["recovery_codes"].as_array().unwrap();
    assert_eq!(codes.len(), 2);
    assert!(codes.iter().all(|code| code.as_str().unwrap().len() == 24), "{codes:?}");
    assert!(json.get("oob_code").is_none() && json.get("binding_method").is_none());
    assert_eq!(bed.last_event(), "factor_enrolment_begun app user-alice totp");
    let list = bed.list(&bearer).await;
    let text = String::from_utf8_lossy(&list.body).into_owned();
    assert!(!text.contains(&secret) && !text.contains("recovery_codes"), "{text}");
}

#[tokio::test]
async fn a_telephone_gets_a_code_and_an_e_mail_address_one_too() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let email = json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "pat@example.com" });
    for (body, channel, contact) in
        [(sms("+15555550199"), Channel::Sms, "+15555550199"), (email, Channel::Email, "pat@example.com")]
    {
        let answer = bed.associate(&bearer, &body).await;
        let json = answer.json();
        assert_eq!((&json["authenticator_type"], &json["binding_method"]), (&json!("oob"), &json!("prompt")), "{json}");
        assert_eq!(json["oob_channel"], channel.as_str());
        assert!(!json["oob_code"].as_str().unwrap().is_empty());
        assert!(json["recovery_codes"].is_array() && json.get("secret").is_none() && json.get("barcode_uri").is_none());
        let sent = bed.outbox.last();
        assert_eq!((sent.channel, sent.contact.as_str(), sent.subject.as_str()), (channel, contact, "user-alice"));
        let code = sent.code.unwrap();
        assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(!String::from_utf8_lossy(&answer.body).contains(&code));
    }
}

#[tokio::test]
async fn another_device_is_shown_what_its_delivery_says() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let push = json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] });
    let json = bed.associate(&bearer, &push).await.json();
    assert!(json["barcode_uri"].as_str().unwrap().starts_with("example-push://enrol?device=push|dev_"), "{json}");
    assert!(json.get("binding_method").is_none() && json["oob_code"].is_string(), "{json}");
    assert_eq!(bed.outbox.last().code, None);
}

#[tokio::test]
async fn a_form_says_the_same() {
    let bed = FactorBed::new();
    let headers = [FORM, ("authorization", &*bearer_of(&bed.manager("alice").await))];
    let send = |body: &str| bed.send(request(Method::POST, "/mfa/associate", &headers, body));
    for body in [
        "authenticator_types=otp",
        "authenticator_types=oob+otp&oob_channels=fax",
        "authenticator_types=webauthn&authenticator_types=otp",
    ] {
        let answer = send(body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["authenticator_type"].clone()),
            (200, json!("otp")),
            "{body}"
        );
    }
    let answer = send("authenticator_types=oob&oob_channels=voice&phone_number=%2B15555550199").await;
    assert_eq!(answer.json()["oob_channel"], "voice");
}

#[tokio::test]
async fn what_cannot_be_enrolled_is_refused_by_name() {
    let bed = FactorBed::with(|factors| factors, |builder| builder);
    let bearer = bed.manager("alice").await;
    for (body, status, code, reason) in [
        (json!({}), 400, "invalid_request", "missing_parameter"),
        (json!({ "authenticator_types": "" }), 400, "invalid_request", "missing_parameter"),
        (json!({ "authenticator_types": ["oob"] }), 400, "invalid_request", "missing_parameter"),
        (json!({ "authenticator_types": [1] }), 400, "invalid_request", "malformed_json"),
        (
            json!({ "authenticator_types": ["webauthn"] }),
            400,
            "unsupported_challenge_type",
            "unsupported_challenge_type",
        ),
        (sms("5555550199"), 400, "invalid_phone_number", "invalid_phone_number"),
        (sms("+0555"), 400, "invalid_phone_number", "invalid_phone_number"),
        (
            json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": "nobody" }),
            400,
            "invalid_request",
            "invalid_enrolment",
        ),
    ] {
        let answer = bed.associate(&bearer, &body).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (status, json!(code)), "{body}");
        assert!(bed.last_event().ends_with(reason), "{}", bed.last_event());
    }
    assert_eq!(bed.list(&bearer).await.body, "[]");
    assert!(bed.outbox.all().is_empty());
}

#[tokio::test]
async fn an_unconfirmed_enrolment_is_replaced_by_the_next_and_ends_after_a_day() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    bed.enrol_app(&bearer).await;
    let first = bed.list(&bearer).await.json();
    bed.associate(&bearer, &sms("+15555550199")).await;
    let second = bed.list(&bearer).await.json();
    assert_eq!(second.as_array().unwrap().len(), first.as_array().unwrap().len());
    assert!(second.as_array().unwrap().iter().all(|one| one["type"] != "otp"), "{second}");
    bed.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(bed.list(&bed.manager("alice").await).await.body, "[]");
}

#[tokio::test]
async fn two_enrolments_at_once_leave_one() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (bed, bearer) = (bed.clone(), bearer.clone());
            crate::support::spawn(async move { bed.associate(&bearer, &otp()).await.status })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    let list = bed.list(&bearer).await.json();
    assert_eq!(list.as_array().unwrap().iter().filter(|one| one["type"] == "otp").count(), 1, "{list}");
}

#[tokio::test]
async fn a_password_alone_enrols_nothing_beside_an_active_factor() {
    let bed = FactorBed::new();
    let weak = bed.manager("alice").await;
    bed.enrol_app(&weak).await;
    bed.activate("alice").await;
    for body in [otp(), sms("+15555550199")] {
        let answer = bed.associate(&weak, &body).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.json()["error"], "access_denied");
        assert_eq!(answer.json()["error_description"], "User is already enrolled");
        assert_eq!(bed.last_event(), "refused app already_enrolled");
    }
    assert!(bed.outbox.all().is_empty());
    assert_eq!(bed.list(&weak).await.json().as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_strong_token_adds_a_factor_and_no_second_set_of_recovery_codes() {
    let bed = FactorBed::new();
    bed.enrol_app(&bed.manager("alice").await).await;
    bed.activate("alice").await;
    let strong = bed.strong("alice").await;
    let json = bed.associate(&strong, &sms("+15555550199")).await.json();
    assert_eq!(json["oob_channel"], "sms", "{json}");
    assert!(json.get("recovery_codes").is_none(), "{json}");
    let list = bed.list(&strong).await.json();
    let kinds: Vec<_> = list.as_array().unwrap().iter().map(|one| (&one["type"], &one["active"])).collect();
    assert!(
        kinds.contains(&(&json!("otp"), &json!(true))) && kinds.contains(&(&json!("phone"), &json!(false))),
        "{list}"
    );
}

#[tokio::test]
async fn deliveries_have_budgets_before_anything_is_sent() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    for _ in 0..5 {
        assert_eq!(bed.associate(&bearer, &sms("+15555550199")).await.status, 200);
        bed.clock.advance(Duration::from_secs(30));
    }
    let answer = bed.associate(&bearer, &sms("+15555550199")).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].clone()), (429, json!("too_many_attempts")));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(bed.last_event(), "refused app delivery_throttled");
    assert_eq!(bed.outbox.all().len(), 5);
}

#[tokio::test]
async fn what_is_not_set_up_cannot_be_enrolled() {
    let bed = FactorBed::with(|factors| factors.without_recovery_codes(), |builder| builder);
    let (_, json) = bed.enrol_app(&bed.manager("alice").await).await;
    assert!(json.get("recovery_codes").is_none(), "{json}");
}

#[tokio::test]
async fn the_end_of_an_enrolment_has_an_event_before_that_of_its_login_and_no_later_code_has() {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    let last = |number: usize| bed.events().into_iter().rev().take(number).collect::<Vec<_>>();
    let [issued, enrolled, begun] = last(3).try_into().unwrap();
    assert_eq!(begun, "factor_enrolment_begun app user-alice totp");
    assert_eq!(enrolled, "factor_enrolled app user-alice totp");
    assert_eq!(issued, "issued app user-alice");

    let open = bed.login("alice", "").await.json();
    bed.redeem_otp(open["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
    assert_eq!(last(2), ["issued app user-alice", "refused app factor_required"]);
}

#[tokio::test]
async fn an_app_shows_the_name_that_the_verifier_gives_its_user() {
    let bed = FactorBed::new();
    let (_, json) = bed.enrol_app(&bed.manager("pat").await).await;
    let uri = json["barcode_uri"].as_str().unwrap();
    assert!(uri.starts_with("otpauth://totp/Example%20Bank:pat%40example.com?"), "{uri}");
}

#[tokio::test]
async fn an_enrolment_that_begins_anew_sends_no_more_messages_than_one_that_waits() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let email = |address: &str| json!({ "authenticator_types": ["oob"], "oob_channels": ["email"], "email": address });
    assert_eq!(bed.associate(&bearer, &sms("+15555550199")).await.status, 200);
    let again = bed.associate(&bearer, &sms("+15555550199")).await;
    assert_eq!((again.status.as_u16(), &again.json()["error"]), (429, &json!("too_many_attempts")), "{again:?}");
    assert_eq!(bed.last_event(), "refused app delivery_throttled");
    // What was typed wrong is typed again at once, and goes elsewhere.
    assert_eq!(bed.associate(&bearer, &sms("+15555550188")).await.status, 200);
    assert_eq!(bed.associate(&bearer, &email("pat@example.com")).await.status, 200);
    assert_eq!(bed.associate(&bearer, &email("Pat@Example.com")).await.status, 429);
    // Another user's messages are counted apart.
    assert_eq!(bed.associate(&bed.manager("bob").await, &sms("+15555550199")).await.status, 200);
    bed.clock.advance(Duration::from_secs(30));
    assert_eq!(bed.associate(&bearer, &sms("+15555550199")).await.status, 200);
    assert_eq!(bed.outbox.all().len(), 5);
}

#[tokio::test]
async fn a_device_that_begins_anew_after_a_denial_is_another_device_and_counts_by_the_hour_alone() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let push = json!({ "authenticator_types": ["oob"], "oob_channels": ["auth0"] });
    for _ in 0..5 {
        assert_eq!(bed.associate(&bearer, &push).await.status, 200);
    }
    let sixth = bed.associate(&bearer, &push).await;
    assert_eq!((sixth.status.as_u16(), &sixth.json()["error"]), (429, &json!("too_many_attempts")), "{sixth:?}");
    assert_eq!(bed.outbox.all().len(), 5);
    bed.clock.advance(Duration::from_hours(1));
    assert_eq!(bed.associate(&bed.manager("alice").await, &push).await.status, 200);
}
