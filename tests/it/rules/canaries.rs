//! What rules say, and what they fail with, reaches no answer, and no event beyond what an operator is to learn.

use async_trait::async_trait;
use tower_password_grant::BackendError;
use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling};

use super::parts::{Watching, ruling};
use crate::support::capture::{self, Capture};
use crate::support::{AUTH, Fixture, PW, panics};

const CANARY: &str = "C4nary77Xq7Zt3Kw9Lm5Rb2Vh8Np";

#[tokio::test]
async fn the_reason_of_a_denial_reaches_operators_and_no_answer() {
    let (audit, sink) = capture::sink();
    let denying = ruling("denying", |_| Ruling::deny(CANARY).unwrap());
    let fixture = Fixture::with(|builder| builder.rule(denying).audit(sink));
    let (capture, _guard) = Capture::listen();
    let answer = fixture.token(AUTH, PW).await;
    assert!(!format!("{answer:?}").contains(CANARY) && !String::from_utf8_lossy(&answer.body).contains(CANARY));
    assert!(capture.text().contains(CANARY) && audit.lock().unwrap()[0].shown.contains(CANARY));
    assert_eq!(capture.text().lines().count(), 1);
}

/// Fails with what it must not say.
struct Failing(bool);

#[async_trait]
impl LoginRule for Failing {
    fn name(&self) -> &str {
        "line\u{2028}one \u{202e}evil"
    }

    async fn apply(&self, _: LoginEvent) -> Result<Ruling, BackendError> {
        if self.0 {
            panic!("on purpose: {CANARY}");
        }
        Err(BackendError::fault(format!("{CANARY}\r\nERROR forged\u{1b}[31m")))
    }
}

#[tokio::test]
async fn the_text_of_a_panic_reaches_nothing_and_that_of_an_error_one_line_of_telemetry() {
    panics::quiet();
    for panics in [false, true] {
        let (audit, sink) = capture::sink();
        let fixture = Fixture::with(|builder| builder.rule(Failing(panics)).audit(sink));
        let (capture, _guard) = Capture::listen();
        let answer = fixture.token(AUTH, PW).await;
        answer.assert_error(500, "server_error");
        assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY));
        assert!(!audit.lock().unwrap()[0].shown.contains(CANARY));
        let text = capture.text();
        assert_eq!((text.contains(CANARY), text.lines().count()), (!panics, 1), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{2028}', '\u{1b}']), "{text}");
    }
}

#[tokio::test]
async fn what_a_rule_sees_and_answers_shows_no_password_and_no_claim_in_debug() {
    let ruling = Ruling::proceed().claim("a", CANARY).unwrap().member("m", CANARY).unwrap();
    let watching = Watching::answering("watching", ruling);
    let fixture = Fixture::with(|builder| builder.rule(watching.clone()));
    fixture.token(AUTH, PW).await.assert_ok();
    let shown = format!("{:?} {:#?} {:?}", watching.last(), watching.last(), watching.ruling);
    assert!(shown.contains("user-alice") && !shown.contains(CANARY), "{shown}");
    for secret in ["correct horse", "s3cret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
