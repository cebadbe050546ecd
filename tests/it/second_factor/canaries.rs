//! A whole life of second factors, while everything that the endpoint says is captured at TRACE: events, audit, and the `Debug` of
//! what a delivery, a rule and a store are given. No secret appears in it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::Method;
use serde_json::{Value, json};
use tower_password_grant::BackendError;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::mfa::{Channel, CodeDelivery, Delivery, DeliveryStatus, FactorUser, Factors};
use tower_password_grant::rules::{Ruling, rule_at_once_fn};
use tower_password_grant::store::{FactorStore as _, MemoryFactors, SecretDigest};
use tower_password_grant::user::SecretKeys;

use crate::support::capture::{self, Capture};
use crate::support::factors::{FORM, FactorBed, PASSWORD, bearer_of, request};

/// What was shown, and codes in the order in which they were sent.
#[derive(Clone, Default)]
struct Ear {
    shown: Arc<Mutex<String>>,
    codes: Arc<Mutex<Vec<String>>>,
}

impl Ear {
    fn show(&self, what: &dyn Debug) {
        self.shown.lock().unwrap().push_str(&format!("{what:?} {what:#?}\n"));
    }
}

#[async_trait]
impl CodeDelivery for Ear {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
        self.show(&(&delivery, delivery.user, delivery.channel, delivery.client));
        self.codes.lock().unwrap().push(delivery.code.unwrap_or_default().to_owned());
        Ok(())
    }

    async fn status(&self, _: &str) -> Result<DeliveryStatus, BackendError> {
        Ok(DeliveryStatus::Pending)
    }
}

fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}")).to_owned()
}

/// Every event names times and identifiers, in which six digits can stand by chance. So a code is looked for alone.
fn has_word(heard: &str, word: &str) -> bool {
    let is_edge = |letter: Option<char>| letter.is_none_or(|letter| !letter.is_ascii_alphanumeric());
    heard
        .match_indices(word)
        .any(|(at, _)| is_edge(heard[..at].chars().next_back()) && is_edge(heard[at + word.len()..].chars().next()))
}

/// What must not be said, each with a name for the failure.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn keep(&mut self, name: &'static str, secret: impl Into<String>) -> String {
        let secret = secret.into();
        self.0.push((name, secret.clone()));
        secret
    }

    /// Members of an answer.
    fn keep_all(&mut self, json: &Value, names: &[&'static str]) {
        for name in names {
            self.keep(name, text(json, name));
        }
    }
}

const TOKENS: [&str; 2] = ["access_token", "refresh_token"];
const PHONE: &str = "+15551230199";

fn grant(name: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(name, value)| format!("&{name}={value}")).collect();
    format!("client_id=app&grant_type=http://auth0.com/oauth/grant-type/{name}{fields}")
}

#[tokio::test]
async fn no_secret_code_or_token_of_a_second_factor_appears_in_events_audit_and_debug() {
    let (capture, _guard) = Capture::listen();
    let (audit, sink) = capture::sink();
    let (ear, store) = (Ear::default(), Arc::new(MemoryFactors::new()));
    let mut secrets = Secrets::default();
    let key = secrets.keep("key", "C4naryKeyXq7Zt3Kw9Lm5Rb2Vh8Np0Aa");
    let keys = SecretKeys::new("2026-11", key).unwrap();
    let factors = Factors::new(Arc::clone(&store), keys).totp("Example Bank").recovery_codes(2);
    let factors = factors.deliver(Channel::Sms, ear.clone());
    ear.show(&factors);
    let rule_ear = ear.clone();
    let rule = rule_at_once_fn("ear", move |login| {
        rule_ear.show(&login);
        Ok(Ruling::proceed())
    });
    let bed = FactorBed::with(|_| factors, |builder| builder.rule(rule).audit(sink));

    // An app is enrolled, and its codes are right, used and wrong.
    let manager = secrets.keep("access token", bed.manager("pat").await);
    let (secret, enrolled) = bed.enrol_app(&manager).await;
    secrets.keep("secret of the app", &secret);
    secrets.keep_all(&enrolled, &["barcode_uri", "mfa_token"]);
    let recovery: Vec<String> =
        enrolled["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    recovery.iter().for_each(|code| drop(secrets.keep("recovery code", code)));
    let mut codes = vec![bed.code(&secret)];
    let first = bed.redeem_otp(&text(&enrolled, "mfa_token"), &codes[0]).await.assert_ok();
    secrets.keep_all(&first, &TOKENS[..1]);
    let open = bed.login("pat", "").await.json();
    secrets.keep_all(&open, &["mfa_token"]);
    assert_eq!(bed.redeem_otp(&text(&open, "mfa_token"), &codes[0]).await.status, 400);

    // So is a telephone.
    let strong = secrets.keep("access token", bed.strong("pat").await);
    let phone = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": PHONE });
    secrets.keep("telephone number", PHONE);
    let enrolled = bed.associate(&strong, &phone).await.json();
    secrets.keep_all(&enrolled, &["mfa_token", "oob_code"]);
    let sent = ear.codes.lock().unwrap().last().unwrap().clone();
    let finish = |open: &Value, code: &str| {
        let fields =
            [("mfa_token", &*text(open, "mfa_token")), ("oob_code", &text(open, "oob_code")), ("binding_code", code)];
        grant("mfa-oob", &fields)
    };
    assert_eq!(bed.token(&finish(&enrolled, "none")).await.status, 400);
    secrets.keep_all(&bed.token(&finish(&enrolled, &sent)).await.assert_ok(), &TOKENS[..1]);

    // A recovery code is swapped, and used once.
    for is_right in [true, false] {
        let open = bed.login("pat", "").await.json();
        secrets.keep_all(&open, &["mfa_token"]);
        let fields = [("mfa_token", &*text(&open, "mfa_token")), ("recovery_code", &recovery[0])];
        let answer = bed.token(&grant("mfa-recovery-code", &fields)).await;
        if is_right {
            secrets.keep_all(&answer.assert_ok(), &[TOKENS[0], TOKENS[1], "recovery_code"]);
        } else {
            assert_eq!(answer.status, 400);
        }
    }

    // Secrets stand in each other's places, and what nobody made.
    let mut answers = String::new();
    let odd = secrets.keep("made up", "C4nary99Xq7Zt3Kw9Lm5Rb2Vh8Np");
    let all: Vec<String> =
        secrets.0.iter().map(|(_, secret)| secret.replace('+', "%2B")).chain([odd.clone()]).collect();
    for secret in &all {
        for (name, field) in [("mfa-otp", "otp"), ("mfa-oob", "oob_code"), ("mfa-recovery-code", "recovery_code")] {
            let fields = [("mfa_token", secret.as_str()), (field, secret), ("binding_code", secret), (secret, secret)];
            answers.push_str(&format!("{:?}", bed.token(&grant(name, &fields)).await));
        }
        let headers = [FORM, ("authorization", &*bearer_of(&secret.replace('%', "")))];
        let body = format!("client_id=app&mfa_token={secret}&challenge_type={secret}&authenticator_id={secret}");
        answers.push_str(&format!("{:?}", bed.send(request(Method::POST, "/mfa/challenge", &headers, &body)).await));
    }

    let user = FactorUser::new(None, "user-pat");
    ear.show(&(&bed.layer, &store, &store.list(user, bed.clock.now()).await.unwrap()));
    codes.push(sent);
    let audit: String = audit.lock().unwrap().iter().map(|event| event.shown.clone()).collect();
    let values = format!("{:?}", capture.events());
    let heard = [capture.text(), values, audit, ear.shown.lock().unwrap().clone(), answers].concat();
    assert!(heard.contains("wrong_otp") && heard.contains("user-pat") && heard.contains("malformed_mfa_token"));
    for (name, secret) in &secrets.0 {
        let digest = SecretDigest::of(secret);
        let bytes = format!("{:?}", secret.as_bytes());
        for trace in [secret.as_str(), bytes.trim_matches(['[', ']']), &format!("{:?}", digest.as_bytes())] {
            if let Some(at) = heard.find(trace) {
                let start = heard[..at].rfind('\n').map_or(0, |start| start + 1);
                panic!("the {name} was told: {}", &heard[start..at + trace.len()]);
            }
        }
    }
    for code in &codes {
        assert!(!has_word(&heard, code), "the code {code} was told");
    }
    assert!(!heard.contains(PASSWORD));
}

#[test]
fn a_code_would_be_found_alone_and_not_within_a_number() {
    assert!(has_word("otp=123456&", "123456") && has_word("123456", "123456") && has_word("(\"123456\")", "123456"));
    assert!(!has_word("1234567 x123456", "123456"));
}
