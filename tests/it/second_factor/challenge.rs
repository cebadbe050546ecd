//! The challenge endpoint: which factor a login is finished with, and the sending of its code.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use tower_password_grant::BackendError;
use tower_password_grant::mfa::{Channel, CodeDelivery, Delivery, Factors, When};
use tower_password_grant::mount::{Profile, RequestLimits};
use tower_password_grant::store::MemoryFactors;
use tower_password_grant::user::SecretKeys;

use super::ways::{PHONE, text};
use crate::support::factors::{FORM, FactorBed, JSON, Outbox, request};
use crate::support::{Answer, panics};

/// How the challenge endpoint answers this body.
async fn ask(bed: &FactorBed, header: (&str, &str), body: &str) -> Answer {
    bed.send(request(Method::POST, "/mfa/challenge", &[header], body)).await
}

#[tokio::test]
async fn an_authenticator_app_is_challenged_without_sending_anything() {
    let bed = FactorBed::new();
    bed.enrolled("pat").await;
    let mfa_token = bed.left_open("pat").await;
    for more in [json!({}), json!({ "challenge_type": "otp" }), json!({ "challenge_type": "oob otp" })] {
        let answer = bed.challenge(&mfa_token, &more).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "challenge_type": "otp" })));
    }
    assert_eq!(bed.last_event(), "factor_challenged app user-pat -");
    assert!(bed.outbox.all().is_empty());
}

#[tokio::test]
async fn a_code_of_six_digits_is_sent_and_is_not_in_the_answer() {
    for (channel, contact, kind) in
        [(Channel::Sms, PHONE, "sms"), (Channel::Voice, PHONE, "voice"), (Channel::Email, "pat@example.com", "email")]
    {
        let bed = FactorBed::new();
        bed.reached_by("pat", channel).await;
        let mfa_token = bed.left_open("pat").await;
        let answer = bed.challenge(&mfa_token, &json!({ "oob_channel": channel.as_str() })).await;
        let json = answer.json();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((&json["challenge_type"], &json["binding_method"]), (&json!("oob"), &json!("prompt")));
        assert_eq!(json["expires_in"], 300);
        assert_eq!(json.as_object().unwrap().len(), 4);
        let (sent, code) = (bed.outbox.last(), bed.typed());
        assert_eq!(sent.id.len(), 22);
        assert_eq!(bed.outbox.all().iter().filter(|other| other.id == sent.id).count(), 1);
        assert_eq!((sent.channel, sent.contact.as_str(), sent.subject.as_str()), (channel, contact, "user-pat"));
        assert!(code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit()));
        assert!(!json.to_string().contains(&code));
        assert_eq!(bed.last_event(), format!("factor_challenged app user-pat {kind}"));
    }
}

#[tokio::test]
async fn a_question_on_another_device_has_an_interval_and_no_binding_method() {
    let bed = FactorBed::new();
    bed.reached_by("pat", Channel::Push).await;
    let mfa_token = bed.left_open("pat").await;
    let answer = bed.challenge(&mfa_token, &json!({ "challenge_type": "oob" })).await;
    let json = answer.json();
    let oob_code = json["oob_code"].clone();
    assert_eq!(json, json!({ "challenge_type": "oob", "oob_code": oob_code, "expires_in": 300, "interval": 5 }));
    assert_eq!(bed.outbox.last().code, None);
}

#[tokio::test]
async fn forms_json_lists_and_absent_values_are_read() {
    let bed = FactorBed::new();
    bed.enrolled("pat").await;
    let mfa_token = bed.left_open("pat").await;
    let listed = json!({ "client_id": "app", "mfa_token": mfa_token, "challenge_type": ["oob", "otp"] });
    let absent = json!({ "client_id": "app", "mfa_token": mfa_token, "challenge_type": null, "authenticator_id": "" });
    let form = format!("client_id=app&mfa_token={mfa_token}&challenge_type=oob+otp&oob_channel=");
    for (header, body) in [(JSON, listed.to_string()), (JSON, absent.to_string()), (FORM, form)] {
        let answer = ask(&bed, header, &body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "challenge_type": "otp" })), "{body}");
    }
}

#[tokio::test]
async fn an_authenticator_can_be_named() {
    let bed = FactorBed::new();
    bed.enrolled("pat").await;
    let strong = bed.strong("pat").await;
    let wanted = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": PHONE });
    assert_eq!(bed.associate(&strong, &wanted).await.status, 200);
    bed.activate("pat").await;
    bed.clock.advance(Duration::from_secs(30));
    let mfa_token = bed.left_open("pat").await;
    let listed = bed.list(&mfa_token).await.json();
    let id_of = |kind: &str| {
        let ids = listed.as_array().unwrap().iter().map(|one| text(one, "id"));
        ids.into_iter().find(|id| id.starts_with(kind)).unwrap()
    };
    let by_app = bed.challenge(&mfa_token, &json!({ "authenticator_id": id_of("totp|") })).await;
    assert_eq!(by_app.json(), json!({ "challenge_type": "otp" }));
    let by_sms = bed.challenge(&mfa_token, &json!({ "authenticator_id": id_of("sms|") })).await;
    assert_eq!(by_sms.json()["challenge_type"], "oob", "{by_sms:?}");
    // The client cannot show what it asks for.
    let more = json!({ "authenticator_id": id_of("totp|"), "challenge_type": "oob" });
    bed.challenge(&mfa_token, &more).await.assert_error(400, "unsupported_challenge_type");
}

#[tokio::test]
async fn what_cannot_be_challenged_is_named() {
    let bed = FactorBed::new();
    bed.enrolled("pat").await;
    bed.reached_by("sam", Channel::Sms).await;
    let (pat, sam) = (bed.left_open("pat").await, bed.left_open("sam").await);
    let unsupported =
        [json!({ "challenge_type": "oob" }), json!({ "challenge_type": "fax" }), json!({ "oob_channel": "sms" })];
    for more in unsupported {
        bed.challenge(&pat, &more).await.assert_error(400, "unsupported_challenge_type");
    }
    let listed = bed.list(&sam).await.json();
    let of_sam = text(&listed.as_array().unwrap()[0], "id");
    let foreign = bed.challenge(&pat, &json!({ "authenticator_id": of_sam })).await;
    foreign.assert_error(400, "invalid_authenticator");
    for unknown in ["sms|dev_AAAAAAAAAAAAAAAAAAAAAA", "x"] {
        let answer = bed.challenge(&pat, &json!({ "authenticator_id": unknown })).await;
        assert_eq!((answer.status, &answer.headers, &answer.body), (foreign.status, &foreign.headers, &foreign.body));
    }
    let sent = bed.outbox.all().len();
    for body in [
        json!({ "client_id": "app" }).to_string(),
        json!({ "client_id": "app", "mfa_token": pat, "oob_channel": ["sms", "voice"] }).to_string(),
        json!({ "client_id": "app", "mfa_token": 7 }).to_string(),
    ] {
        ask(&bed, JSON, &body).await.assert_error(400, "invalid_request");
    }
    let twice = format!("client_id=app&mfa_token={pat}&mfa_token={pat}");
    ask(&bed, FORM, &twice).await.assert_error(400, "invalid_request");
    assert_eq!(bed.outbox.all().len(), sent);
}

#[tokio::test]
async fn a_user_without_a_factor_has_to_enrol_one() {
    let bed = FactorBed::with(|factors| factors.demand(When::Always), |builder| builder);
    let mfa_token = bed.left_open("pat").await;
    for more in [json!({}), json!({ "authenticator_id": "x" }), json!({ "challenge_type": "oob" })] {
        bed.challenge(&mfa_token, &more).await.assert_error(400, "association_required");
    }
}

#[tokio::test]
async fn only_the_client_of_the_login_has_a_code_sent() {
    let bed = FactorBed::new();
    bed.reached_by("pat", Channel::Sms).await;
    let mfa_token = bed.left_open("pat").await;
    let sent = bed.outbox.all().len();
    let of = |client: &str, mfa_token: &str| json!({ "client_id": client, "mfa_token": mfa_token }).to_string();
    let foreign = ask(&bed, JSON, &of("other", &mfa_token)).await;
    foreign.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
    for odd in ["x", &mfa_token[1..], &"A".repeat(5000)] {
        let answer = ask(&bed, JSON, &of("app", odd)).await;
        answer.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
    }
    for client in ["nobody", "shop"] {
        ask(&bed, JSON, &of(client, &mfa_token)).await.assert_error(400, "invalid_client");
    }
    bed.clock.advance(Duration::from_secs(600));
    let over = ask(&bed, JSON, &of("app", &mfa_token)).await;
    over.assert_error_about(400, "expired_token", "mfa_token is expired");
    assert_eq!(bed.outbox.all().len(), sent);
}

#[tokio::test]
async fn codes_are_sent_once_in_30_seconds_and_five_times_in_an_hour() {
    let bed = FactorBed::new();
    bed.reached_by("pat", Channel::Sms).await;
    bed.clock.advance(Duration::from_secs(3600));
    for sent in 0..5 {
        let before = bed.outbox.all().len();
        let mfa_token = bed.left_open("pat").await;
        bed.sent(&mfa_token).await;
        let soon = bed.challenge(&mfa_token, &json!({})).await;
        soon.assert_error(429, "too_many_attempts");
        assert_eq!(bed.last_event(), "refused app delivery_throttled");
        assert_eq!(bed.outbox.all().len(), before + 1, "{sent}");
        bed.clock.advance(Duration::from_secs(31));
    }
    let mfa_token = bed.left_open("pat").await;
    bed.challenge(&mfa_token, &json!({})).await.assert_error(429, "too_many_attempts");
    bed.clock.advance(Duration::from_secs(3600));
    bed.sent(&bed.left_open("pat").await).await;
}

/// A provider that works until a test breaks it.
#[derive(Clone, Default)]
struct Provider {
    outbox: Outbox,
    breaks: Arc<Mutex<Option<Break>>>,
}

#[derive(Clone, Copy)]
enum Break {
    Down,
    Faulty,
    Panicking,
    Hanging,
}

#[async_trait]
impl CodeDelivery for Provider {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
        let breaks = *self.breaks.lock().unwrap();
        match breaks {
            None => self.outbox.deliver(delivery).await,
            Some(Break::Down) => Err(BackendError::unavailable("the provider is down")),
            Some(Break::Faulty) => Err(BackendError::fault("the provider is gone")),
            Some(Break::Panicking) => panic!("the provider panics on purpose"),
            Some(Break::Hanging) => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn a_delivery_that_fails_answers_an_error_of_the_server_and_stays_charged() {
    panics::quiet();
    for (broken, status) in [(Break::Down, 503), (Break::Faulty, 500), (Break::Panicking, 500), (Break::Hanging, 503)] {
        let provider = Provider::default();
        let keys = SecretKeys::random().unwrap();
        let factors = Factors::new(Arc::new(MemoryFactors::new()), keys).deliver(Channel::Sms, provider.clone());
        let limits = RequestLimits::new().store_deadline(Some(Duration::from_millis(50)));
        let bed = FactorBed::with(|own| own, |builder| builder.second_factor(factors).request_limits(limits));
        let bed = FactorBed { outbox: provider.outbox.clone(), ..bed };
        bed.reached_by("pat", Channel::Sms).await;
        let mfa_token = bed.left_open("pat").await;
        *provider.breaks.lock().unwrap() = Some(broken);
        assert_eq!(bed.challenge(&mfa_token, &json!({})).await.status, status);
        *provider.breaks.lock().unwrap() = None;
        bed.challenge(&mfa_token, &json!({})).await.assert_error(429, "too_many_attempts");
        bed.clock.advance(Duration::from_secs(30));
        bed.sent(&mfa_token).await;
    }
}

#[tokio::test]
async fn the_profile_of_auth0_answers_the_same() {
    let bed = FactorBed::of(Profile::Auth0);
    bed.enrolled("pat").await;
    let mfa_token = bed.left_open("pat").await;
    let answer = bed.challenge(&mfa_token, &json!({ "challenge_type": "otp" })).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "challenge_type": "otp" })));
    let refused = bed.challenge(&mfa_token, &json!({ "challenge_type": "oob" })).await;
    let json: Value = refused.json();
    assert_eq!((refused.status.as_u16(), text(&json, "error")), (400, "unsupported_challenge_type".to_owned()));
    let foreign = bed.challenge("x", &json!({})).await;
    assert_eq!((foreign.status.as_u16(), text(&foreign.json(), "error")), (403, "invalid_grant".to_owned()));
}
