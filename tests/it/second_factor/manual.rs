//! The page of the manual: its requests are sent, its answers are what comes back, and its sentences hold.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tower_password_grant::mfa::{Channel, Factors, When};
use tower_password_grant::user::SecretKeys;

use crate::support::factors::{FORM, FactorBed, bearer_of, request};

const PAGE: &str = include_str!("../../../src/manual/second_factor.md");

/// The blocks of the page that are marked as HTTP.
fn blocks() -> Vec<&'static str> {
    PAGE.split("```http\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

/// What was learned from answers, and what it stands for in the page.
type Known = HashMap<String, String>;

/// Puts what is known in the place of `<name>`.
fn filled(text: &str, known: &Known) -> String {
    known.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("<{name}>"), value))
}

/// Holds an answer to the one of the page, and learns what the page leaves open.
fn compare(page: &Value, answer: &Value, known: &mut Known) {
    match (page, answer) {
        (Value::String(open), Value::String(value)) if open.starts_with('<') => {
            known.insert(open.trim_matches(['<', '>']).to_owned(), value.clone());
        }
        (Value::Array(page), Value::Array(answer)) => {
            assert_eq!(page.len(), answer.len(), "{answer:?}");
            page.iter().zip(answer).for_each(|(page, answer)| compare(page, answer, known));
        }
        (Value::Object(page), Value::Object(answer)) => {
            let names = |object: &serde_json::Map<String, Value>| object.keys().cloned().collect::<Vec<_>>();
            let (mut of_page, mut of_answer) = (names(page), names(answer));
            of_page.sort();
            of_answer.sort();
            assert_eq!(of_page, of_answer);
            page.iter().for_each(|(name, page)| compare(page, &answer[name], known));
        }
        _ => assert_eq!(page, answer),
    }
}

/// Sends a request of the page: its status and its JSON.
async fn send(bed: &FactorBed, text: &str) -> (String, Value) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let headers: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ").unwrap()).collect();
    // A form stands on several lines of the page.
    let body = if body.starts_with('{') { body.to_owned() } else { body.replace('\n', "") };
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let answer = bed.send(request(method, path, &headers, &body)).await;
    (answer.status.to_string(), answer.json())
}

/// The code that the user types: of the app with the secret that is known, and of the last message.
fn learn_codes(bed: &FactorBed, known: &mut Known) {
    if let Some(secret) = known.get("secret") {
        bed.clock.advance(Duration::from_secs(30)); // each code counts once
        known.insert("otp".to_owned(), bed.code(secret));
    }
    if let Some(code) = bed.outbox.all().pop().and_then(|sent| sent.code) {
        known.insert("code".to_owned(), code);
    }
}

#[tokio::test]
async fn the_requests_of_the_page_have_the_answers_of_the_page() {
    let mut outbox = None;
    let bed = FactorBed::with(
        |_| {
            let store = tower_password_grant::store::MemoryFactors::new();
            let sent = outbox.insert(crate::support::factors::Outbox::default());
            Factors::new(store, SecretKeys::random().unwrap())
                .demand(When::Always)
                .totp("Example Bank")
                .recovery_codes(2)
                .deliver(Channel::Sms, sent.clone())
        },
        |builder| builder,
    );
    let bed = FactorBed { outbox: outbox.unwrap(), ..bed };
    let (mut known, mut last) = (Known::new(), (String::new(), Value::Null));
    let blocks = blocks();
    assert!(blocks.len() > 10, "the page has lost its requests");
    for block in blocks {
        if block.starts_with(|letter: char| letter.is_ascii_digit()) {
            let (status, json) = block.split_once("\n\n").unwrap();
            assert_eq!(last.0, status, "{}", last.1);
            compare(&serde_json::from_str(json).unwrap(), &last.1, &mut known);
        } else {
            learn_codes(&bed, &mut known);
            let text = filled(block, &known);
            last = send(&bed, &text).await;
            let is_open = last.1["error"] == "mfa_required";
            assert!(last.0.starts_with("200") || is_open, "{text}\n{last:?}");
            for name in ["mfa_token", "access_token"] {
                if let Some(value) = last.1[name].as_str() {
                    known.insert(name.to_owned(), value.to_owned());
                }
            }
        }
    }
}

#[tokio::test]
async fn a_challenge_takes_the_client_and_no_bearer() {
    let bed = FactorBed::new();
    bed.enrolled("alice").await;
    let open = bed.login("alice", "").await.json();
    let token = open["mfa_token"].as_str().unwrap();
    let body = format!("client_id=app&mfa_token={token}");
    let bearer = bearer_of(token);
    let ask = |headers: &[_]| request(Method::POST, "/mfa/challenge", headers, &body);
    let answer = bed.send(ask(&[FORM, ("authorization", &*bearer)])).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (401, &json!("invalid_client")));
    let answer = bed.send(ask(&[FORM])).await;
    assert_eq!(answer.json(), json!({ "challenge_type": "otp" }));
}

#[tokio::test]
async fn an_enrolment_by_an_access_token_is_confirmed_by_its_own_token_alone() {
    let bed = FactorBed::new();
    let bearer = bed.manager("alice").await;
    let (secret, json) = bed.enrol_app(&bearer).await;
    let answer = bed.redeem_otp(&bearer, &bed.code(&secret)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_grant")));
    bed.redeem_otp(json["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
}

#[tokio::test]
async fn a_code_with_the_space_that_apps_show_is_wrong() {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    let open = bed.login("alice", "").await.json();
    let token = open["mfa_token"].as_str().unwrap();
    let code = bed.code(&secret);
    let spaced = format!("{}+{}", &code[..3], &code[3..]);
    let answer = bed.redeem_otp(token, &spaced).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &json!("invalid_grant")));
    bed.redeem_otp(token, &code).await.assert_ok();
}

/// The types of what is listed and active.
async fn active(bed: &FactorBed, bearer: &str) -> Vec<String> {
    let list = bed.list(bearer).await.json();
    let active = list.as_array().unwrap().iter().filter(|one| one["active"] == true);
    active.map(|one| one["type"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn an_app_is_replaced_without_a_gap_by_one_that_is_confirmed_first() {
    for confirms_first in [true, false] {
        let bed = FactorBed::new();
        bed.enrolled("alice").await;
        let bearer = bed.strong("alice").await;
        let list = bed.list(&bearer).await.json();
        let is_app = |one: &&Value| one["type"] == "otp";
        let old = list.as_array().unwrap().iter().find(is_app).unwrap()["id"].as_str().unwrap().replace('|', "%7C");
        if confirms_first {
            let (secret, json) = bed.enrol_app(&bearer).await;
            bed.redeem_otp(json["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
            assert_eq!(bed.remove(&bearer, &old).await.status, 204);
            assert_eq!(bed.login("alice", "").await.status, 403);
            assert_eq!(active(&bed, &bearer).await, ["recovery-code", "otp"]);
        } else {
            assert_eq!(bed.remove(&bearer, &old).await.status, 204);
            assert_eq!(active(&bed, &bearer).await, [""; 0]);
            bed.login("alice", "").await.assert_ok();
        }
    }
}
