//! The guard under trouble: slow, broken and panicking verifiers, clients that hang up, caches that age, full services.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_password_grant::ClientId;
use tower_password_grant::bearer::{BearerGuard, BearerGuardBuilder, BearerReason, Principal, TokenCache};
use tower_password_grant::store::AccessTokenRecord;

use crate::support::ManualClock;
use crate::support::bearer::{self, AUDIENCE, Api, Tokens};
use crate::support::spawn;

const MAX_AGE: Duration = Duration::from_secs(30);

fn request(token: &str) -> Request<String> {
    Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new()).unwrap()
}

fn builder(tokens: &Tokens) -> BearerGuardBuilder {
    BearerGuard::builder(tokens.clone()).audience(AUDIENCE)
}

/// The status that a request gets, from an inner service that answers 200.
async fn status(guard: &BearerGuard, token: &str) -> u16 {
    let inner = service_fn(|request: Request<String>| async move {
        assert!(request.extensions().get::<Principal>().is_some());
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    guard.layer(inner).oneshot(request(token)).await.unwrap().status().as_u16()
}

/// A token that lives an hour from the clock's own start.
fn record() -> AccessTokenRecord {
    let start = ManualClock::start();
    AccessTokenRecord::new("alice", ClientId::new("cli").unwrap(), start, start + Duration::from_secs(3600))
        .with_scope("read".parse().unwrap())
        .with_audience([AUDIENCE])
}

fn cached(clock: &ManualClock) -> (Tokens, BearerGuard) {
    let tokens = Tokens::new();
    tokens.add("c", record());
    let guard = builder(&tokens).clock(clock.clone()).cache(TokenCache::new(1000, MAX_AGE)).build().unwrap();
    (tokens, guard)
}

#[tokio::test]
async fn a_verifier_that_panics_is_a_fault_of_ours_and_the_next_request_is_served() {
    let tokens =
        Tokens::answering(|token| if token == "bug" { panic!("a bug") } else { Ok(Some(bearer::record("read"))) });
    let api = Api::start(&tokens).await;
    api.get("Bearer bug").await.assert_refused(500, "server_error");
    assert_eq!(api.last_reason(), BearerReason::Panicked);
    assert_eq!(api.get("Bearer t").await.status, 200);
}

#[tokio::test]
async fn a_hook_that_panics_changes_no_answer() {
    let guard = builder(&Tokens::new()).on_refusal(|_| panic!("a bug")).build().unwrap();
    assert_eq!((status(&guard, "x").await, status(&guard, "t").await), (401, 200));
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_is_too_slow_is_unavailable_after_the_deadline_be_16() {
    let tokens = Tokens::slow(Duration::from_millis(10_001));
    let guard = builder(&tokens).build().unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(status(&guard, "t").await, 503);
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert_eq!(tokens.ended.load(Ordering::SeqCst), 0);
    let patient = builder(&tokens).deadline(Duration::from_secs(60)).build().unwrap();
    assert_eq!(status(&patient, "t").await, 200);
}

#[tokio::test]
async fn the_refusal_tells_the_operator_what_the_client_is_not_told() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let tokens = Tokens::answering(|token| match token {
        "down" => Err("the table is gone".into()),
        _ => Ok(Some(bearer::record("read").with_audience(["other"]))),
    });
    let guard = builder(&tokens)
        .on_refusal(move |refusal| {
            let subject = refusal.record().map(|record| record.subject_id().to_owned());
            told.lock().unwrap().push((refusal.reason(), format!("{:?}", refusal.error()), subject));
        })
        .build()
        .unwrap();
    assert_eq!((status(&guard, "down").await, status(&guard, "t").await), (503, 401));
    let seen = seen.lock().unwrap();
    assert!(seen[0].0 == BearerReason::Backend && seen[0].1.contains("the table is gone") && seen[0].2.is_none());
    assert_eq!((seen[1].0, seen[1].2.as_deref()), (BearerReason::Audience, Some("alice")));
}

#[tokio::test]
async fn a_client_that_hangs_up_drops_the_look_up_and_nothing_is_kept() {
    // However busy the machine is, the client is gone before the look-up ends.
    tokio::time::pause();
    let tokens = Tokens::slow(Duration::from_millis(50));
    let guard = builder(&tokens).cache(TokenCache::new(10, MAX_AGE)).build().unwrap();
    let hung_up = tokio::time::timeout(Duration::from_millis(5), status(&guard, "t")).await;
    assert!(hung_up.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!((tokens.calls(), tokens.ended.load(Ordering::SeqCst)), (1, 0));
    assert_eq!((status(&guard, "t").await, tokens.calls()), (200, 2));
    tokio::time::resume();
    // Over a socket the server drops the request together with its connection.
    let tokens = Tokens::slow(Duration::from_secs(2));
    let api = Api::start(&tokens).await;
    {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(api.address).await.unwrap();
        let head = b"GET /api/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n";
        stream.write_all(head).await.unwrap();
        while tokens.calls() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(tokens.ended.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_revoked_token_passes_until_max_age_and_never_on_a_route_without_cache() {
    let clock = ManualClock::new();
    let (tokens, guard) = cached(&clock);
    let strict = guard.require_scope("read").unwrap().without_cache();
    assert_eq!((status(&guard, "c").await, status(&guard, "c").await, tokens.calls()), (200, 200, 1));
    tokens.revoke("c");
    assert_eq!((status(&strict, "c").await, tokens.calls()), (401, 2));
    clock.advance(MAX_AGE - Duration::from_millis(1));
    assert_eq!((status(&guard, "c").await, tokens.calls()), (200, 2));
    clock.advance(Duration::from_millis(1));
    assert_eq!((status(&guard, "c").await, tokens.calls()), (401, 3));
}

#[tokio::test]
async fn the_time_that_a_look_up_took_counts_because_a_revocation_may_have_come_in_between() {
    let clock = ManualClock::new();
    let passing = clock.clone();
    let tokens = Tokens::answering(move |_| {
        passing.advance(Duration::from_secs(20));
        Ok(Some(record()))
    });
    let guard = builder(&tokens).clock(clock.clone()).cache(TokenCache::new(1000, MAX_AGE)).build().unwrap();
    assert_eq!((status(&guard, "c").await, tokens.calls()), (200, 1));
    clock.advance(Duration::from_millis(9_999));
    assert_eq!((status(&guard, "c").await, tokens.calls()), (200, 1));
    clock.advance(Duration::from_millis(1));
    assert_eq!((status(&guard, "c").await, tokens.calls()), (200, 2));
}

#[tokio::test]
async fn a_cached_token_expires_at_its_time_and_not_later_be_04() {
    let clock = ManualClock::new();
    let (tokens, guard) = cached(&clock);
    clock.advance(Duration::from_secs(3590));
    assert_eq!(status(&guard, "c").await, 200);
    clock.advance(Duration::from_millis(9_999));
    assert_eq!((status(&guard, "c").await, tokens.calls()), (200, 1));
    clock.advance(Duration::from_millis(1));
    // From the cache, and from a verifier that still says yes.
    assert_eq!((status(&guard, "c").await, status(&guard.without_cache(), "c").await), (401, 401));
}

#[tokio::test]
async fn only_good_tokens_are_remembered_and_each_route_judges_anew_be_08() {
    let clock = ManualClock::new();
    let (tokens, guard) = cached(&clock);
    assert_eq!((status(&guard, "x").await, status(&guard, "x").await, tokens.calls()), (401, 401, 2));
    // The token came in later: no refusal was remembered.
    tokens.add("x", record());
    assert_eq!((status(&guard, "x").await, tokens.calls()), (200, 3));
    // What was remembered opens no route that needs more.
    assert_eq!((status(&guard.require_scope("write").unwrap(), "x").await, tokens.calls()), (403, 3));
}

#[tokio::test]
async fn without_a_cache_every_request_is_looked_up() {
    let tokens = Tokens::new();
    let guard = builder(&tokens).build().unwrap();
    for calls in 1..=5 {
        assert_eq!((status(&guard, "t").await, tokens.calls()), (200, calls));
    }
    tokens.revoke("t");
    assert_eq!(status(&guard, "t").await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_requests_at_once_each_get_their_own_principal() {
    let tokens = Tokens::slow(Duration::from_millis(1));
    for index in 0..50 {
        let now = std::time::SystemTime::now();
        let record = AccessTokenRecord::new(format!("user-{index}"), ClientId::new("cli").unwrap(), now, now + MAX_AGE);
        tokens.add(&format!("t{index}"), record.with_audience([AUDIENCE]));
    }
    let guard = builder(&tokens).cache(TokenCache::new(20, Duration::from_millis(3))).build().unwrap();
    let inner = service_fn(|request: Request<String>| async move {
        let subject = request.extensions().get::<Principal>().unwrap().subject_id().to_owned();
        Ok::<_, Infallible>(Response::new(Body::from(subject)))
    });
    let service = guard.layer(inner);
    let tasks: Vec<_> = (0..2_000)
        .map(|round| {
            let service = service.clone();
            spawn(async move {
                let index = round % 60;
                let response = service.oneshot(request(&format!("t{index}"))).await.unwrap();
                let status = response.status();
                let body = axum::body::to_bytes(Body::new(response.into_body()), 1000).await.unwrap();
                if index < 50 {
                    assert_eq!((status.as_u16(), body), (200, format!("user-{index}").into()));
                } else {
                    assert_eq!(status, 401);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// A service that may be called only after it said that it is ready, as tower demands; a clone is not ready.
struct Strict {
    is_ready: bool,
    calls: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false, calls: Arc::clone(&self.calls) }
    }
}

impl Service<Request<String>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        self.calls.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn the_instance_that_was_ready_is_the_one_that_is_called() {
    let calls = Arc::new(AtomicUsize::new(0));
    let tokens = Tokens::slow(Duration::from_millis(1));
    let guard = builder(&tokens).cache(TokenCache::new(10, MAX_AGE)).build().unwrap();
    let mut service = guard.layer(Strict { is_ready: false, calls: Arc::clone(&calls) });
    // Refused, looked up, and from the cache.
    for (token, expected) in [("%", 0), ("x", 0), ("t", 1), ("t", 2), ("t", 3)] {
        let _ = service.ready().await.unwrap().call(request(token)).await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), expected, "{token}");
    }
    assert_eq!(tokens.calls(), 2);
}

#[tokio::test]
async fn a_refusal_leaves_no_slot_of_a_full_service_taken() {
    let inner = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let guard = builder(&Tokens::slow(Duration::from_millis(1))).build().unwrap();
    let mut service = guard.layer(ConcurrencyLimitLayer::new(1).layer(inner));
    for token in ["%", "x", "t", "%", "x", "t"] {
        let ready = tokio::time::timeout(Duration::from_secs(5), service.ready()).await.expect("never ready");
        let response = ready.unwrap().call(request(token)).await.unwrap();
        assert_eq!(response.status() == 200, token == "t", "{token}");
    }
}

#[tokio::test]
async fn a_finished_future_that_is_polled_again_does_not_panic() {
    let guard = builder(&Tokens::new()).build().unwrap();
    let inner = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
    let mut service = guard.layer(inner);
    let mut future = pin!(service.call(request("%")));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut cx).is_ready() && future.as_mut().poll(&mut cx).is_pending());
}
