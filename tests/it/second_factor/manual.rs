//! The page of the manual: its requests are sent, and its answers are what comes back.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use tower_password_grant::mfa::{Channel, Factors, When};
use tower_password_grant::user::SecretKeys;

use crate::support::factors::{FactorBed, request};

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
