//! Keys that are fetched behind the tokens that need none of them, and how long keys are believed without their issuer.

use std::convert::Infallible;
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::bearer::{AccessTokenVerifier as _, BearerGuard};
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::jwt::{JwksError, JwtConfigError, RemoteJwks, SigningAlgorithm};

use super::forge::*;
use super::helpers::*;
use super::remote::{ED, ES, Issuer, Reply, document, keys, token};

const DAY: u64 = 24 * 3600;
fn gated(algorithms: &[SigningAlgorithm]) -> (Reply, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    (Reply::Gated(document(algorithms), Arc::clone(&gate)), gate)
}

/// A token that does not name its key.
fn nameless(algorithm: SigningAlgorithm) -> String {
    forged(algorithm, with(header(algorithm), json!({ "kid": null })), claims())
}

/// Waits until so many fetches have begun.
async fn begun(issuer: &Issuer, fetches: usize) {
    for _ in 0..2000 {
        if issuer.fetches() == fetches {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} fetches instead of {fetches}", issuer.fetches());
}

#[tokio::test]
async fn no_token_of_a_known_key_waits_for_a_slow_endpoint() {
    let issuer = Issuer::start(keys(&[ED])).await;
    assert!(issuer.is_good(&token(ED)).await);
    let (slow, gate) = gated(&[ES]);
    issuer.replies(slow);
    // Whatever time goes by while the endpoint is silent: one fetch, and nobody waits.
    for _ in 0..20 {
        issuer.clock.advance(300);
        for _ in 0..10 {
            good(&issuer.verifier, &token(ED));
        }
        begun(&issuer, 2).await;
    }
    // A token of an unknown key waits for what is on its way, and so do all of them.
    let unknown = token(ES);
    let mut waiting = pin!(issuer.verifier.verify(&unknown));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    good(&issuer.verifier, &token(ED));
    issuer.replies(keys(&[ES]));
    gate.add_permits(1);
    assert!(waiting.await.unwrap().is_some());
    assert_eq!(issuer.fetches(), 2);
    // With the new document the old key is gone.
    assert!(!issuer.is_good(&token(ED)).await);
}

#[tokio::test]
async fn a_token_without_a_key_id_waits_only_if_no_key_verifies_it() {
    let issuer = Issuer::start(keys(&[ED])).await;
    assert!(issuer.is_good(&nameless(ED)).await);
    let (slow, gate) = gated(&[ES]);
    issuer.replies(slow);
    // While the keys are fresh nothing is fetched for it.
    refused(&issuer.verifier, &nameless(ES));
    issuer.clock.advance(300);
    good(&issuer.verifier, &nameless(ED));
    begun(&issuer, 2).await;
    let new = nameless(ES);
    let mut waiting = pin!(issuer.verifier.verify(&new));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    good(&issuer.verifier, &nameless(ED));
    gate.add_permits(1);
    assert!(waiting.await.unwrap().is_some());
    refused(&issuer.verifier, &nameless(ED));
}

#[tokio::test]
async fn keys_are_believed_for_a_day_without_their_issuer_and_then_nothing_is_decided() {
    let issuer = Issuer::start(keys(&[ED])).await;
    assert!(issuer.is_good(&token(ED)).await);
    issuer.replies(Reply::Status(503));
    issuer.clock.advance(DAY - 1);
    good(&issuer.verifier, &token(ED));
    issuer.until_failed("503").await;
    issuer.clock.advance(1);
    issuer.until(&token(ED), Err(BackendErrorKind::Unavailable)).await;
    // It is tried again each second, not each half minute.
    issuer.replies(keys(&[ED]));
    issuer.clock.advance(1);
    issuer.until(&token(ED), Ok(true)).await;
    good(&issuer.verifier, &token(ED));
}

#[tokio::test]
async fn a_guard_answers_503_when_its_keys_are_too_old() {
    let age = Duration::from_secs(120);
    let issuer = Issuer::with(keys(&[ED]), |keys| keys.with_max_key_age(age).unwrap()).await;
    let guard = BearerGuard::builder(issuer.verifier.clone()).any_audience().clock(Stopped(at(NOW)));
    let guard = guard.build().unwrap();
    let ask = async || {
        let api = service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let request = Request::get("/").header("authorization", format!("Bearer {}", token(ED)));
        let answer = guard.layer(api).oneshot(request.body(Full::default()).unwrap()).await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("retry-after"))
    };
    assert_eq!(ask().await, (200, false));
    issuer.replies(Reply::Status(500));
    // Half of that age is the longest for which the document is cached.
    issuer.clock.advance(60);
    assert_eq!(ask().await, (200, false));
    issuer.until_failed("500").await;
    assert_eq!(issuer.fetches(), 2);
    issuer.clock.advance(59);
    assert_eq!(ask().await, (200, false));
    issuer.clock.advance(1);
    assert_eq!(ask().await, (503, true));
}

#[test]
fn known_keys_need_no_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let issuer = runtime.block_on(async {
        let issuer = Issuer::start(keys(&[ED])).await;
        assert!(issuer.is_good(&token(ED)).await);
        issuer
    });
    issuer.clock.advance(300);
    good(&issuer.verifier, &token(ED));
    assert_eq!(verdict(&issuer.verifier, &token(ES)).unwrap_err().kind(), BackendErrorKind::Fault);
    issuer.clock.advance(DAY);
    assert_eq!(verdict(&issuer.verifier, &token(ED)).unwrap_err().kind(), BackendErrorKind::Fault);
}

/// A client that never gets an answer.
fn silent() -> RemoteJwks {
    let client =
        service_fn(|_: Request<Full<Bytes>>| std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>());
    RemoteJwks::new("https://as.example/jwks", client).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_fetch_ends_before_the_guards_own_deadline() {
    let guard = BearerGuard::builder(verifier_of(silent())).any_audience();
    let guard = guard.on_refusal(|refusal| assert_eq!(refusal.reason().as_str(), "backend")).build().unwrap();
    let api =
        service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let request = Request::get("/").header("authorization", format!("Bearer {}", token(ED)));
    let answer = guard.layer(api).oneshot(request.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(answer.status().as_u16(), 503);
}

#[test]
fn settings_out_of_range_are_errors_that_say_the_range() {
    let [none, second, minute] = [0, 1, 60].map(Duration::from_secs);
    let [hour, month] = [3600, 30 * DAY].map(Duration::from_secs);
    let nano = Duration::from_nanos(1);
    for pause in [none, second - nano, hour + nano, Duration::MAX] {
        assert_eq!(silent().with_pause(pause).unwrap_err(), JwksError::Pause(pause));
    }
    for deadline in [none, minute + nano, Duration::MAX] {
        assert_eq!(silent().with_deadline(deadline).unwrap_err(), JwksError::Deadline(deadline));
    }
    for age in [none, 2 * minute - nano, month + nano, Duration::MAX] {
        assert_eq!(silent().with_max_key_age(age).unwrap_err(), JwksError::MaxKeyAge(age));
    }
    for skew in [minute + nano, 5 * minute, Duration::MAX] {
        assert_eq!(verifier_of(silent()).with_clock_skew(skew).unwrap_err(), JwtConfigError::ClockSkew(skew));
    }
    for good in [second, hour] {
        assert!(silent().with_pause(good).is_ok());
    }
    assert!(silent().with_deadline(nano).is_ok() && silent().with_deadline(minute).is_ok());
    assert!(silent().with_max_key_age(2 * minute).is_ok() && silent().with_max_key_age(month).is_ok());
    assert!(
        verifier_of(silent()).with_clock_skew(none).is_ok() && verifier_of(silent()).with_clock_skew(minute).is_ok()
    );
    let told = [
        (JwksError::Pause(none).to_string(), "1 second to 1 hour"),
        (JwksError::Deadline(none).to_string(), "at most 60 seconds"),
        (JwksError::MaxKeyAge(none).to_string(), "2 minutes to 30 days"),
        (JwtConfigError::ClockSkew(5 * minute).to_string(), "300s is out of range: choose 0 to 60 seconds"),
    ];
    for (text, range) in told {
        assert!(text.contains(range), "{text}");
    }
}
