//! Rules that fail, panic, hang or are cut off: no token is given, the charge goes back, and the wire says nothing of it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::rules::{LoginEvent, LoginRule, Ruling, rule_fn};
use tower_password_grant::{BackendError, PasswordGrantLayer};
use tracing::Level;

use super::parts::{CODE, Watching, clients, ruling};
use crate::support::capture::Capture;
use crate::support::faults::{Code, FAILURES, Ledger, Mode, Switch, Users};
use crate::support::protection::counted_by;
use crate::support::tokens::{Tokens, clients as token_clients};
use crate::support::{AUTH, Answer, Fixture, PW, Probe, builder, panics, send, token_request};

const FORM: &str = "application/x-www-form-urlencoded";

/// An endpoint with a rule whose attempts a ledger counts.
fn ruled(rule: impl LoginRule, ledger: &Ledger) -> PasswordGrantLayer {
    let builder = builder(&Probe::default()).clients(clients()).rule(rule);
    let code = Code { key: Switch::new(), exchange: Switch::new() };
    builder.extension_grant(code).attack_protection(counted_by(ledger.clone())).build().unwrap()
}

#[track_caller]
fn assert_failed(answer: &Answer, (mode, status, code, wait): (Mode, u16, &str, Option<&str>)) {
    answer.assert_error(status, code);
    assert_eq!(answer.header("retry-after"), wait, "{mode:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_fails_answers_503_or_500_gives_the_charge_back_and_is_named_to_operators_alone() {
    panics::quiet();
    let stuck = (Mode::Stuck, 503, "temporarily_unavailable", Some("5"));
    for failure in FAILURES.into_iter().chain([stuck]) {
        for body in [PW, CODE] {
            let (watching, ledger) = (Watching::new("watching"), Ledger::new(Switch::new(), Switch::new()));
            let layer = ruled(watching.clone(), &ledger);
            watching.switch.set(failure.0);
            let (capture, _guard) = Capture::listen();
            // More than the budget of an account.
            for _ in 0..12 {
                let start = Instant::now();
                let answer = send(&layer, token_request(AUTH, body)).await;
                let waited = if matches!(failure.0, Mode::Hang | Mode::Stuck) { 2000..=2010 } else { 0..=0 };
                assert!(waited.contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
                assert_failed(&answer, failure);
                assert!(!format!("{answer:?}").contains("rule"), "{answer:?}");
            }
            let account = ledger.book().account;
            assert_eq!((account.made, account.left), (12, 0), "{:?}", failure.0);
            assert_eq!((watching.calls(), watching.switch.alive()), (12, 0));
            let said = &capture.events()[0];
            assert_eq!((said.level, said.field("message")), (Level::ERROR, Some("token request failed")));
            let reason = if failure.0 == Mode::Overloaded { "overloaded" } else { "rule_failed" };
            let cause = match failure.0 {
                Mode::Unavailable => ": the database is down",
                Mode::Fault => ": the key is gone",
                Mode::Hang | Mode::Stuck => ": no answer in time",
                Mode::Panic => ": a panic",
                Mode::Overloaded | Mode::Work => "",
            };
            let told = format!("the login rule `watching` failed{cause}");
            assert_eq!((said.field("reason"), said.field("cause")), (Some(reason), Some(told.as_str())));

            watching.switch.set(Mode::Work);
            send(&layer, token_request(AUTH, body)).await.assert_ok();
        }
    }
}

#[tokio::test]
async fn a_rule_that_fails_has_the_bytes_of_a_verifier_that_fails() {
    panics::quiet();
    for mode in [Mode::Unavailable, Mode::Overloaded, Mode::Fault, Mode::Panic] {
        let (watching, users) = (Watching::new("watching"), Users::new());
        watching.switch.set(mode);
        users.verify.set(mode);
        let one = Fixture::with(|builder| builder.rule(watching)).token(AUTH, PW).await;
        let layer = builder(&Probe::default()).verifier(users).build().unwrap();
        let other = send(&layer, token_request(AUTH, PW)).await;
        assert_eq!((one.status, &one.headers, &one.body), (other.status, &other.headers, &other.body), "{mode:?}");
    }
}

/// Panics before it gives a future.
struct Hasty;

impl LoginRule for Hasty {
    fn name(&self) -> &str {
        "hasty"
    }

    fn apply<'s, 'f>(&'s self, _: LoginEvent) -> Pin<Box<dyn Future<Output = Result<Ruling, BackendError>> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        panic!("a rule panics on purpose")
    }
}

#[tokio::test]
async fn a_rule_that_panics_before_it_gives_a_future_is_a_fault_like_any_panic() {
    panics::quiet();
    let ledger = Ledger::new(Switch::new(), Switch::new());
    send(&ruled(Hasty, &ledger), token_request(AUTH, PW)).await.assert_error(500, "server_error");
    assert_eq!(ledger.book().account.left, 0);
}

/// An error of the application's own around another one.
#[derive(Debug, thiserror::Error)]
#[error("the rule could not be written")]
struct Wrapped(#[source] Box<dyn std::error::Error + Send + Sync>);

#[tokio::test]
async fn a_ruling_that_cannot_be_is_a_fault_and_no_token_is_given() {
    let wraps = rule_fn("wraps", |_| async {
        let error = Ruling::proceed().claim("sub", "somebody else").unwrap_err();
        Err(Wrapped(Wrapped(error.into()).into()).into())
    });
    let makes = rule_fn("makes", |_| async { Ok(Ruling::proceed().claim("sub", "somebody else")?) });
    let denies = rule_fn("denies", |_| async { Ok(Ruling::deny("line\nbreak")?) });
    let void = ruling("void", |_| Ruling::proceed().remove_scope("read,write \u{e9}"));
    let many = |name: &'static str, from: usize| {
        ruling(name, move |_| {
            let claims = from..from + 20;
            claims.fold(Ruling::proceed(), |ruling, at| ruling.claim(&format!("c{at}"), at).unwrap())
        })
    };
    let fixtures = [
        Fixture::with(|builder| builder.rule(makes)),
        Fixture::with(|builder| builder.rule(wraps)),
        Fixture::with(|builder| builder.rule(denies)),
        Fixture::with(|builder| builder.rule(void)),
        Fixture::with(|builder| builder.rule(many("one", 0)).rule(many("other", 20))),
    ];
    for fixture in fixtures {
        let (capture, _guard) = Capture::listen();
        fixture.token(AUTH, PW).await.assert_error(500, "server_error");
        let cause = capture.events()[0].field("cause").unwrap_or_default().to_owned();
        assert!(cause.starts_with("the login rule `"), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_rule_has_its_time_which_a_setting_changes() {
    let slow = |name: &'static str, millis: u64| {
        rule_fn(name, move |_| async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            Ok(Ruling::proceed())
        })
    };
    // Two of them take longer together than one may.
    let fixture = Fixture::with(|builder| builder.rule(slow("one", 1900)).rule(slow("other", 1900)));
    fixture.token(AUTH, PW).await.assert_ok();
    let fixture = Fixture::with(|builder| builder.rule(slow("one", 2100)));
    fixture.token(AUTH, PW).await.assert_error(503, "temporarily_unavailable");
    let limits = |deadline| RequestLimits::new().rule_deadline(deadline);
    for (deadline, status) in [(Some(Duration::from_secs(3)), 200), (None, 200), (Some(Duration::from_secs(1)), 503)] {
        let fixture = Fixture::with(|builder| builder.rule(slow("one", 2100)).request_limits(limits(deadline)));
        assert_eq!(fixture.token(AUTH, PW).await.status.as_u16(), status, "{deadline:?}");
    }
    // Without a time of its own a rule has that of the whole.
    let whole = RequestLimits::new().deadline(Some(Duration::from_secs(1)));
    let fixture = Fixture::with(|builder| builder.rule(slow("one", 2100)).request_limits(whole));
    let start = Instant::now();
    fixture.token(AUTH, PW).await.assert_error(503, "temporarily_unavailable");
    assert!(start.elapsed() < Duration::from_millis(1010));
}

/// A login whose rules wait twice each.
fn request(body: &str) -> http::Request<Full<Bytes>> {
    let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    let (name, value) = AUTH[0];
    let request = http::Request::post("/oauth/token").header("content-type", FORM).header(name, value);
    request.extension(peer).body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

#[tokio::test]
async fn a_login_that_is_dropped_at_any_poll_of_its_rules_stays_charged_and_leaves_nothing_behind_pw_08() {
    for body in [PW, CODE] {
        for polls in 1.. {
            let ledger = Ledger::new(Switch::new(), Switch::new());
            let rule = |name| Watching { switch: Switch::waiting(2), ..Watching::new(name) };
            let (first, last) = (rule("first"), rule("last"));
            let builder = builder(&Probe::default()).clients(clients()).rule(first.clone()).rule(last.clone());
            let code = Code { key: Switch::new(), exchange: Switch::new() };
            let builder = builder.extension_grant(code).attack_protection(counted_by(ledger.clone()));
            let layer = builder.build().unwrap();
            let mut future = Box::pin(layer.endpoint().oneshot(request(body)));
            let mut done = None;
            for _ in 0..polls {
                if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    done = Some(answer.unwrap().status());
                    break;
                }
            }
            drop(future);
            assert_eq!(first.switch.alive() + last.switch.alive(), 0, "poll {polls}");
            let account = ledger.book().account;
            assert_eq!(account.made, 1);
            if let Some(status) = done {
                assert_eq!((status.as_u16(), account.left, last.calls()), (200, 0, 1));
                // Each rule waited twice.
                assert_eq!(polls, 5);
                break;
            }
            assert_eq!(account.left, 1, "poll {polls}");
            assert_eq!(last.calls(), usize::from(polls > 2), "poll {polls}");
            send(&layer, token_request(AUTH, body)).await.assert_ok();
            assert_eq!(ledger.book().account.left, 0);
        }
    }
}

#[tokio::test]
async fn a_refresh_whose_rule_fails_or_is_dropped_costs_the_client_nothing() {
    panics::quiet();
    let watching = Watching { switch: Switch::waiting(1), ..Watching::new("watching") };
    let rule = watching.clone();
    let tokens = Tokens::with(token_clients(), move |builder| builder.rule(rule));
    let mut login = tokens.login("conf").await;
    for failure in FAILURES.into_iter().filter(|failure| failure.0 != Mode::Hang) {
        watching.switch.set(failure.0);
        for _ in 0..3 {
            assert_failed(&tokens.refresh("conf", &login.refresh).await, failure);
        }
        watching.switch.set(Mode::Work);
        login = tokens.renewed("conf", &login.refresh).await;
    }
    let mut refresh = Box::pin(tokens.refresh("conf", &login.refresh));
    assert!(refresh.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(refresh);
    assert_eq!(watching.switch.alive(), 0);
    tokens.renewed("conf", &login.refresh).await;
}
