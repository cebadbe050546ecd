//! The tower contract: readiness, bounds, the size of futures, errors and bodies that pass through.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_http::limit::RequestBodyLimitLayer;
use tower_password_grant::MaybeFuture;
use tower_password_grant::audit::AuditEvent;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, MemoryLimiter, Reservation, Reserved, Settlement,
};
use tower_password_grant::mount::{EndpointFuture, Forward, PasswordGrantService, ResponseBody, ResponseFuture};
use tower_password_grant::{BackendError, PasswordGrantLayer, TokenEndpoint, find_client_fn, issue_fn, verify_fn};
use tower_test::mock;

use crate::support::protection::counted_by;
use crate::support::{AUTH, Fixture, PW, Probe, builder, pw, send, spawn, token_request};

type Sent = Request<Full<Bytes>>;
type Got = Response<Full<Bytes>>;

fn other() -> Sent {
    Request::get("/other").body(Full::default()).unwrap()
}

fn with_peer(mut request: Sent) -> Sent {
    request.extensions_mut().insert(std::net::SocketAddr::from(([192, 0, 2, 1], 1)));
    request
}

fn poll_ready<S: Service<Sent>>(service: &mut S) -> Poll<bool> {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    service.poll_ready(&mut cx).map(|ready| ready.is_ok())
}

#[tokio::test]
async fn the_inner_service_is_called_only_after_its_own_readiness_em_01() {
    let (inner, mut handle) = mock::pair::<Sent, Got>();
    let mut service = Fixture::new().layer.layer(inner);
    handle.allow(0);
    assert_eq!(poll_ready(&mut service), Poll::Pending);
    handle.allow(1);
    assert_eq!(poll_ready(&mut service), Poll::Ready(true));
    // The mock panics if it is called without having been ready.
    let answer = service.call(other());
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_response(Response::new(Full::from("inner")));
    assert_eq!(answer.await.unwrap().into_body().collect().await.unwrap().to_bytes(), "inner");
}

#[tokio::test]
async fn a_slot_that_was_reserved_before_a_token_request_is_kept_for_the_next_call_em_01() {
    let (inner, mut handle) = mock::pair::<Sent, Got>();
    let mut service = Fixture::new().layer.layer(inner);
    handle.allow(1);
    assert_eq!(poll_ready(&mut service), Poll::Ready(true));
    assert_eq!(service.call(with_peer(token_request(AUTH, PW))).await.unwrap().status(), 200);
    handle.allow(0);
    assert_eq!(poll_ready(&mut service), Poll::Ready(true));
    let _answer = service.call(other());
    assert!(handle.next_request().await.is_some());
    assert_eq!(poll_ready(&mut service), Poll::Pending);
}

#[tokio::test]
async fn the_instance_that_was_ready_is_the_one_called_also_when_grants_are_forwarded_em_01() {
    let (inner, mut handle) = mock::pair::<Sent, Got>();
    let mut service = Fixture::new().layer.forward_other_grants(Full::new).layer(inner);
    for request in [token_request(AUTH, "grant_type=foo"), other()] {
        handle.allow(1);
        assert_eq!(poll_ready(&mut service), Poll::Ready(true));
        let mut answer = spawn(service.call(with_peer(request)));
        let respond = tokio::select! {
            early = &mut answer => panic!("the inner service was not called: {early:?}"),
            request = handle.next_request() => request.unwrap().1,
        };
        // The clone that took the place of the one in use was never ready, and is asked before it is called.
        assert_eq!(poll_ready(&mut service), Poll::Pending);
        respond.send_response(Response::new(Full::default()));
        assert_eq!(answer.await.unwrap().unwrap().status(), 200);
    }
}

/// The dependency that the documentation of `PasswordGrantService` states; the leaf has none.
#[tokio::test]
async fn the_layer_waits_for_the_inner_service_and_the_leaf_for_nothing_em_02() {
    let (inner, mut handle) = mock::pair::<Sent, Got>();
    let layer = Fixture::new().layer;
    let mut service = layer.layer(inner);
    handle.allow(0);
    assert_eq!(poll_ready(&mut service), Poll::Pending);
    handle.send_error("broken");
    assert_eq!(poll_ready(&mut service), Poll::Ready(false));
    let mut leaf = layer.endpoint();
    assert_eq!(poll_ready(&mut leaf), Poll::Ready(true));
    assert_eq!(leaf.call(with_peer(token_request(AUTH, PW))).await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_leaf_answers_at_whatever_path_it_is_mounted_em_03() {
    let leaf = Fixture::new().layer.endpoint();
    let mut request = with_peer(token_request(AUTH, PW));
    *request.uri_mut() = "/v1/anything".parse().unwrap();
    assert_eq!(leaf.oneshot(request).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_outer_body_limit_still_works_and_answers_in_its_own_way_em_04() {
    let inner = service_fn(|_: Request<tower_http::body::Limited<Full<Bytes>>>| async {
        Ok::<_, Infallible>(Response::new(Full::from("inner")))
    });
    let service = RequestBodyLimitLayer::new(PW.len()).layer(Fixture::new().layer.layer(inner));
    let fine = service.clone().oneshot(with_peer(token_request(AUTH, PW))).await.unwrap();
    assert_eq!(fine.status(), 200);
    let mut declared = with_peer(token_request(AUTH, &pw("a=b")));
    declared.headers_mut().insert("content-length", (PW.len() + 4).into());
    let refused = service.oneshot(declared).await.unwrap();
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let body = refused.into_body().collect().await.unwrap().to_bytes();
    assert!(serde_json::from_slice::<serde_json::Value>(&body).is_err());
}

/// A limiter that panics in `settle`, after the tokens were issued.
struct Exploding(MemoryLimiter);

impl AttemptLimiter for Exploding {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        self.0.reserve(key)
    }

    fn settle(&self, _: Reservation, _: Settlement) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        panic!("settle")
    }
}

#[tokio::test]
async fn a_part_that_panics_is_500_and_the_next_request_works_em_05() {
    let probe = Probe::default();
    let layers: Vec<PasswordGrantLayer> = vec![
        builder(&probe).verifier(verify_fn(|_| async { panic!("verifier") })).build().unwrap(),
        builder(&probe).clients(find_client_fn(|_| async { panic!("registry") })).build().unwrap(),
        builder(&probe).issuer(issue_fn(|_| async { panic!("issuer") })).build().unwrap(),
        builder(&probe).attack_protection(counted_by(Exploding(MemoryLimiter::new()))).build().unwrap(),
    ];
    for layer in layers {
        for _ in 0..2 {
            let answer = send(&layer, token_request(AUTH, PW)).await;
            answer.assert_error(500, "server_error");
            assert!(!format!("{answer:?}").contains("settle"));
        }
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let audit = move |_: &AuditEvent<'_>| {
        counter.fetch_add(1, Ordering::SeqCst);
        panic!("audit")
    };
    let fixture = Fixture::with(|builder| builder.audit(audit));
    fixture.token(AUTH, PW).await.assert_ok();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_panic_in_the_verifier_stays_charged_em_05_pw_08() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let verifier = verify_fn(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { panic!("verifier") }
    });
    let layer = builder(&Probe::default()).verifier(verifier).build().unwrap();
    for _ in 0..15 {
        send(&layer, token_request(AUTH, PW)).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 10);
}

/// A service that is neither `Clone` nor `Send`, with a body, an error and a response body that are neither.
struct Local(Rc<Cell<u32>>);

#[derive(Debug, PartialEq)]
struct LocalError(Rc<str>);

struct LocalBody(Rc<Cell<u32>>, Option<Bytes>);

impl Body for LocalBody {
    type Data = Bytes;
    type Error = LocalError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, LocalError>>> {
        self.0.set(self.0.get() + 1);
        Poll::Ready(self.1.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Service<Request<LocalBody>> for Local {
    type Response = Response<LocalBody>;
    type Error = LocalError;
    type Future = Ready<Result<Response<LocalBody>, LocalError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LocalError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<LocalBody>) -> Self::Future {
        self.0.set(self.0.get() + 1);
        match request.uri().path() {
            "/broken" => ready(Err(LocalError(Rc::from("as it was")))),
            _ => ready(Ok(Response::new(request.into_body()))),
        }
    }
}

#[tokio::test]
async fn the_default_mode_asks_no_clone_send_or_static_of_service_and_body_ht_20() {
    let (calls, polls) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut service = Fixture::new().layer.layer(Local(Rc::clone(&calls)));
    let local = |request: Sent, text: &'static str| {
        request.map(|_| LocalBody(Rc::clone(&polls), Some(Bytes::from_static(text.as_bytes()))))
    };
    // A token request is served, without the inner service.
    let response = service.call(local(with_peer(token_request(AUTH, "")), PW)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(calls.get(), 0);
    // Others reach it with their own body, and its own body and error come back.
    polls.set(0);
    let response: Response<ResponseBody<LocalBody>> = service.call(local(other(), "echo")).await.unwrap();
    assert_eq!((calls.get(), polls.get()), (1, 0));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "echo");
    let mut broken = other();
    *broken.uri_mut() = "/broken".parse().unwrap();
    let error: LocalError = service.call(local(broken, "")).await.unwrap_err();
    assert_eq!(error, LocalError(Rc::from("as it was")));
}

#[tokio::test]
async fn a_borrowed_service_can_be_wrapped_ht_20() {
    let seen = Mutex::new(0);
    let inner = service_fn(|_: Sent| {
        *seen.lock().unwrap() += 1;
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
    let mut service = Fixture::new().layer.layer(inner);
    service.call(other()).await.unwrap();
    drop(service);
    assert_eq!(seen.into_inner().unwrap(), 1);
}

#[test]
fn layer_service_and_leaf_are_clone_send_and_sync_and_their_futures_send_em_01() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn sendable<T: Send + 'static>() {}
    type Inner = tower::util::BoxCloneSyncService<Sent, Got, Infallible>;
    type InnerFuture = Pin<Box<dyn Future<Output = Result<Got, Infallible>> + Send>>;
    shared::<PasswordGrantLayer>();
    shared::<PasswordGrantLayer<Forward<Full<Bytes>>>>();
    shared::<PasswordGrantService<Inner>>();
    shared::<PasswordGrantService<Inner, Forward<Full<Bytes>>>>();
    shared::<TokenEndpoint>();
    sendable::<ResponseFuture<InnerFuture, Full<Bytes>>>();
    sendable::<EndpointFuture<Full<Bytes>>>();
    sendable::<<PasswordGrantService<Inner, Forward<Full<Bytes>>> as Service<Sent>>::Future>();
    sendable::<ResponseBody<Full<Bytes>>>();
}

fn sizes<F>(_: &F) -> (usize, usize) {
    (size_of::<F>(), size_of::<ResponseFuture<F, Full<Bytes>>>())
}

#[test]
fn the_future_of_a_passing_request_is_as_large_as_the_inner_one_or_a_word_larger_ht_20() {
    let word = size_of::<usize>();
    let held = async {
        let state = [1_u8; 104];
        std::future::pending::<()>().await;
        Ok::<Got, Infallible>(Response::new(Full::from(state.to_vec())))
    };
    let (inner, outer) = sizes(&held);
    assert!(inner >= 104);
    assert!(outer <= inner + word, "{outer} for {inner}");
    let boxed: Pin<Box<dyn Future<Output = Result<Got, Infallible>> + Send>> = Box::pin(held);
    let (inner, outer) = sizes(&boxed);
    assert_eq!(inner, 2 * word);
    assert!(outer <= inner + word, "{outer} for {inner}");
    // The leaf's future and its body's reader lie in one box.
    assert!(size_of::<EndpointFuture<Full<Bytes>>>() <= 3 * word);
}
