//! Keys from a document: given by the application, or fetched from a real server.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower_password_grant::bearer::AccessTokenVerifier as _;
use tower_password_grant::clock::Clock;
use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::jwt::{JwkSet, JwksError, JwtVerifier, RemoteJwks, SigningAlgorithm};
use tower_password_grant::store::AccessTokenRecord;

use super::forge::*;
use super::helpers::*;
use crate::support::spawn;

#[derive(Clone, Debug, Default)]
pub struct Elapsed(Arc<AtomicU64>);

impl Elapsed {
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Elapsed {
    fn now(&self) -> SystemTime {
        at(NOW)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

#[derive(Clone)]
pub enum Reply {
    Keys(String, Option<&'static str>),
    /// As many keys as there are permits, and then nothing until there is one.
    Gated(String, Arc<Semaphore>),
    Status(u16),
    Endless,
    Hang,
}

/// An issuer's server, a verifier that asks it, and what it was asked.
pub struct Issuer {
    reply: Arc<Mutex<Reply>>,
    fetches: Arc<AtomicUsize>,
    pub clock: Elapsed,
    pub keys: RemoteJwks,
    pub verifier: JwtVerifier,
}

pub fn document(algorithms: &[SigningAlgorithm]) -> String {
    let keys: Vec<Value> = algorithms
        .iter()
        .map(|algorithm| serde_json::from_str(&key(*algorithm).verification_key().to_jwk()).unwrap())
        .collect();
    json!({ "keys": keys }).to_string()
}

pub fn keys(algorithms: &[SigningAlgorithm]) -> Reply {
    Reply::Keys(document(algorithms), None)
}

async fn answer(reply: Reply) -> Response {
    // Long enough for all requests of a test to be under way.
    tokio::time::sleep(Duration::from_millis(50)).await;
    match reply {
        Reply::Keys(document, cache) => {
            let builder = Response::builder().header("content-type", "application/jwk-set+json");
            let builder = cache.into_iter().fold(builder, |builder, cache| builder.header("cache-control", cache));
            builder.body(Body::from(document)).unwrap()
        }
        Reply::Gated(document, gate) => {
            gate.acquire().await.unwrap().forget();
            Response::new(Body::from(document))
        }
        Reply::Status(status) => {
            let body = Body::from(document(&[SigningAlgorithm::EdDsa]));
            Response::builder().status(status).header("location", "/").body(body).unwrap()
        }
        Reply::Endless => Response::new(Body::new(Endless)),
        Reply::Hang => std::future::pending().await,
    }
}

struct Endless;

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1024])))))
    }
}

/// No test waits for this, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

impl Issuer {
    pub async fn start(first: Reply) -> Self {
        Self::with(first, |keys| keys.with_deadline(PATIENCE).unwrap()).await
    }

    /// For a server that hangs: its keys are not waited for long.
    async fn impatient(first: Reply) -> Self {
        Self::with(first, |keys| keys.with_deadline(Duration::from_secs(1)).unwrap()).await
    }

    pub async fn with(first: Reply, change: impl FnOnce(RemoteJwks) -> RemoteJwks) -> Self {
        let (reply, fetches) = (Arc::new(Mutex::new(first)), Arc::new(AtomicUsize::new(0)));
        let (shared, counter) = (Arc::clone(&reply), Arc::clone(&fetches));
        let handler = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            let now = shared.lock().unwrap().clone();
            answer(now)
        };
        let app = Router::new().route(JWKS_PATH, get(handler));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}{JWKS_PATH}", listener.local_addr().unwrap());
        spawn(async move { axum::serve(listener, app).await.unwrap() });
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let clock = Elapsed::default();
        let keys = change(RemoteJwks::new(&uri, client).unwrap().with_clock(clock.clone()));
        let verifier = verifier_of(keys.clone());
        Self { reply, fetches, clock, keys, verifier }
    }

    pub fn replies(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    pub async fn verify(&self, token: &str) -> Result<Option<AccessTokenRecord>, BackendErrorKind> {
        self.verifier.verify(token).await.map_err(|error| error.kind())
    }

    pub async fn is_good(&self, token: &str) -> bool {
        self.verify(token).await.unwrap().is_some()
    }

    /// Waits until the token is judged like this.
    pub async fn until(&self, token: &str, expected: Result<bool, BackendErrorKind>) {
        for _ in 0..2000 {
            if self.verify(token).await.map(|found| found.is_some()) == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never {expected:?}");
    }

    /// Waits until the last fetch has failed, and tells why.
    pub async fn until_failed(&self, why: &str) {
        for _ in 0..2000 {
            if self.keys.failure().is_some_and(|failure| failure.contains(why)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never failed: {why}");
    }

    /// Verifies all of them at once, each in a task of its own.
    async fn all(&self, tokens: Vec<String>) -> Vec<Result<bool, BackendErrorKind>> {
        let mut tasks = Vec::new();
        for token in tokens {
            let verifier = self.verifier.clone();
            tasks.push(spawn(async move {
                verifier.verify(&token).await.map(|found| found.is_some()).map_err(|error| error.kind())
            }));
        }
        let mut verdicts = Vec::new();
        for task in tasks {
            verdicts.push(task.await.unwrap());
        }
        verdicts
    }
}

pub fn token(algorithm: SigningAlgorithm) -> String {
    forged(algorithm, header(algorithm), claims())
}

fn strangers() -> Vec<String> {
    (0..100).map(|number| headed(json!({ "kid": format!("unknown-{number}") }))).collect()
}

pub const ED: SigningAlgorithm = SigningAlgorithm::EdDsa;
pub const ES: SigningAlgorithm = SigningAlgorithm::Es256;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tokens_at_once_are_one_fetch_at_first_use_and_one_for_unknown_kids() {
    let issuer = Issuer::start(keys(&ALL)).await;
    assert_eq!(issuer.fetches(), 0);
    let verdicts = issuer.all((0..100).map(|number| token(ALL[number % 3])).collect()).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Ok(true)));
    assert_eq!(issuer.fetches(), 1);

    // Within the pause, unknown ones are refused without asking.
    for _ in 0..2 {
        assert!(issuer.all(strangers()).await.iter().all(|verdict| *verdict == Ok(false)));
    }
    issuer.clock.advance(29);
    assert!(issuer.all(strangers()).await.iter().all(|verdict| *verdict == Ok(false)));
    assert_eq!(issuer.fetches(), 1);
    issuer.clock.advance(1);
    for _ in 0..2 {
        assert!(issuer.all(strangers()).await.iter().all(|verdict| *verdict == Ok(false)));
    }
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn fresh_keys_answer_at_once() {
    let issuer = Issuer::start(keys(&[ED])).await;
    assert!(issuer.is_good(&token(ED)).await);
    good(&issuer.verifier, &token(ED));
    refused(&issuer.verifier, &headed(json!({ "kid": "other" })));
}

#[tokio::test]
async fn what_no_key_could_save_is_refused_without_a_fetch() {
    let issuer = Issuer::start(keys(&[ED])).await;
    for header in [json!({ "alg": "none" }), json!({ "typ": "JWT" }), json!({ "jku": "https://x.example" })] {
        refused(&issuer.verifier, &headed(header));
    }
    refused(&issuer.verifier, "rt_x");
    refused(&issuer.verifier, &token(ED).replacen('.', ".e30.", 1));
    assert_eq!(issuer.fetches(), 0);
}

#[tokio::test]
async fn a_rotated_key_is_found_and_a_retired_one_is_gone_with_the_next_document() {
    let issuer = Issuer::start(keys(&[ED])).await;
    assert!(issuer.is_good(&token(ED)).await);
    issuer.replies(keys(&[ES]));
    assert!(!issuer.is_good(&token(ES)).await);
    issuer.clock.advance(30);
    assert!(issuer.is_good(&token(ES)).await);
    assert!(!issuer.is_good(&token(ED)).await);
    assert_eq!(issuer.fetches(), 2);
}

#[tokio::test]
async fn the_document_is_fetched_again_after_its_age_within_bounds() {
    let ages = [
        (None, 300),
        (Some("public, max-age=120"), 120),
        (Some("Max-Age=\"120\""), 120),
        (Some("max-age=1"), 60),
        (Some("max-age=x"), 60),
        (Some("no-store"), 60),
        (Some("max-age=900, no-cache"), 60),
        // Half of the time for which keys are believed at all.
        (Some("max-age=18446744073709551615"), 12 * 3600),
    ];
    for (cache, seconds) in ages {
        let issuer = Issuer::start(Reply::Keys(document(&[ED]), cache)).await;
        assert!(issuer.is_good(&token(ED)).await);
        issuer.clock.advance(seconds - 1);
        assert!(issuer.is_good(&token(ED)).await);
        assert_eq!(issuer.fetches(), 1, "{cache:?}");
        issuer.replies(keys(&[ES]));
        issuer.clock.advance(1);
        // The old key answers until the new document is there.
        good(&issuer.verifier, &token(ED));
        issuer.until(&token(ED), Ok(false)).await;
        assert_eq!(issuer.fetches(), 2, "{cache:?}");
    }
}

/// What comes of it.
const HANGS: (Reply, &str) = (Reply::Hang, "too long");

fn bad_replies() -> Vec<(Reply, &'static str)> {
    let text = |text: &str| Reply::Keys(text.to_owned(), None);
    let one: Value = serde_json::from_str(&document(&[ED])).unwrap();
    let many = json!({ "keys": vec![one["keys"][0].clone(); 101] }).to_string();
    let long = format!("{}{}", document(&[ED]), " ".repeat(256 * 1024));
    vec![
        (Reply::Status(500), "500"),
        (Reply::Status(404), "404"),
        (Reply::Status(302), "302"),
        (Reply::Status(203), "203"),
        (Reply::Endless, "256 KiB"),
        (text(""), "array `keys`"),
        (text("{}"), "array `keys`"),
        (text("<html>"), "array `keys`"),
        (text(&long), "256 KiB"),
        (text(&many), "100 keys"),
    ]
}

#[tokio::test]
async fn a_failing_fetch_keeps_the_old_keys() {
    let keep = async |issuer: Issuer, bad: Vec<(Reply, &'static str)>| {
        assert!(issuer.is_good(&token(ED)).await);
        for (number, (reply, why)) in bad.into_iter().enumerate() {
            issuer.replies(reply);
            issuer.clock.advance(300);
            good(&issuer.verifier, &token(ED));
            issuer.until_failed(why).await;
            // No second try before the pause is over.
            assert!(issuer.is_good(&token(ED)).await);
            assert!(!issuer.is_good(&token(ES)).await);
            assert_eq!(issuer.fetches(), number + 2);
        }
        issuer.replies(keys(&[ED, ES]));
        issuer.clock.advance(30);
        assert!(issuer.is_good(&token(ES)).await);
        assert_eq!(issuer.keys.failure(), None);
    };
    keep(Issuer::start(keys(&[ED])).await, bad_replies()).await;
    keep(Issuer::impatient(keys(&[ED])).await, vec![HANGS]).await;
}

#[tokio::test]
async fn without_any_keys_nothing_is_decided_be_16() {
    let decide = async |issuer: Issuer, bad: Vec<(Reply, &'static str)>| {
        for (reply, why) in bad {
            issuer.replies(reply);
            issuer.clock.advance(1);
            let before = issuer.fetches();
            for _ in 0..3 {
                assert_eq!(issuer.verify(&token(ED)).await.unwrap_err(), BackendErrorKind::Unavailable, "{why}");
            }
            assert_eq!(issuer.fetches(), before + 1, "{why}");
            let error = issuer.verifier.verify(&token(ED)).await.unwrap_err();
            assert!(error.into_error().to_string().contains(why));
            // What no key could save is refused all the same.
            refused(&issuer.verifier, "x.y.z");
        }
        issuer.replies(keys(&[ED]));
        issuer.clock.advance(1);
        assert!(issuer.is_good(&token(ED)).await);
    };
    let none = (Reply::Keys(r#"{"keys":[]}"#.to_owned(), None), "no public key");
    let bad = bad_replies().into_iter().chain([none]).collect();
    decide(Issuer::start(Reply::Status(503)).await, bad).await;
    decide(Issuer::impatient(Reply::Status(503)).await, vec![HANGS]).await;
}

#[tokio::test]
async fn a_document_without_keys_takes_the_old_ones_away_be_16() {
    let issuer = Issuer::start(keys(&[ED])).await;
    assert!(issuer.is_good(&token(ED)).await);
    issuer.replies(Reply::Keys(r#"{"keys":[{"kty":"oct","k":"AA"}]}"#.to_owned(), None));
    issuer.clock.advance(300);
    issuer.until(&token(ED), Err(BackendErrorKind::Unavailable)).await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_bad_token_be_16() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/jwks", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let verifier = verifier_of(RemoteJwks::new(&uri, client).unwrap());
    let error = verifier.verify(&token(ED)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
}

#[tokio::test]
async fn a_client_that_hangs_up_does_not_end_the_fetch() {
    let gate = Arc::new(Semaphore::new(0));
    let issuer = Issuer::start(Reply::Gated(document(&[ED]), Arc::clone(&gate))).await;
    let token = token(ED);
    let hung_up = tokio::time::timeout(Duration::from_millis(5), issuer.verifier.verify(&token)).await;
    assert!(hung_up.is_err());
    gate.add_permits(1);
    assert!(issuer.is_good(&token).await);
    assert_eq!(issuer.fetches(), 1);
}

fn panicking() -> Result<http::Response<Full<Bytes>>, Infallible> {
    panic!("on purpose")
}

#[tokio::test]
async fn a_client_that_panics_decides_nothing() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let client = tower::service_fn(move |_: http::Request<Full<Bytes>>| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { panicking() }
    });
    let clock = Elapsed::default();
    let verifier = verifier_of(RemoteJwks::new("https://as.example/jwks", client).unwrap().with_clock(clock.clone()));
    let token = token(ED);
    for number in 1..=2 {
        assert_eq!(verifier.verify(&token).await.unwrap_err().kind(), BackendErrorKind::Unavailable);
        clock.advance(1);
        assert_eq!(calls.load(Ordering::SeqCst), number);
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_waited_for_no_longer_than_the_timeout() {
    let issuer = Issuer::impatient(Reply::Hang).await;
    let start = Instant::now();
    let verdicts = issuer.all(vec![token(ED); 100]).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Err(BackendErrorKind::Unavailable)));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert!(issuer.keys.failure().unwrap().contains("too long"));
    assert_eq!(issuer.fetches(), 1);
}

#[test]
fn without_a_runtime_nothing_is_decided() {
    let client = {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _inside = runtime.enter();
        Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>()
    };
    let verifier = verifier_of(RemoteJwks::new("http://127.0.0.1:9/", client).unwrap());
    assert_eq!(verdict(&verifier, &token(ED)).unwrap_err().kind(), BackendErrorKind::Fault);
}

#[test]
fn keys_come_over_https_or_from_this_machine() {
    let new = |uri: &str| RemoteJwks::new(uri, Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>());
    for good in ["https://as.example/jwks?tenant=1", "http://localhost:8080/jwks", "http://[::1]/jwks"] {
        assert!(new(good).is_ok(), "{good}");
    }
    for bad in ["", "/jwks", "as.example", "http://as.example/jwks", "https://user@as.example/", "ftp://as.example/x"] {
        assert_eq!(new(bad).unwrap_err(), JwksError::Uri(bad.to_owned()), "{bad}");
    }
}

#[test]
fn of_a_document_only_usable_keys_count_and_it_can_be_replaced() {
    let rsa: Value = serde_json::from_str(&key(SigningAlgorithm::Rs256).verification_key().to_jwk()).unwrap();
    let ed: Value = serde_json::from_str(&key(ED).verification_key().to_jwk()).unwrap();
    let mixed = json!({ "keys": [
        { "kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T", "kid": kid(ED), "alg": "HS256" },
        { "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" },
        { "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" },
        with(rsa.clone(), json!({ "d": "AQAB" })),
        with(rsa.clone(), json!({ "use": "enc" })),
        with(rsa.clone(), json!({ "alg": "PS256" })),
        with(ed.clone(), json!({ "key_ops": ["sign"] })),
        "key", 7, null, {},
        with(ed.clone(), json!({ "kid": null })),
    ], "more": true });
    let set = JwkSet::from_json(&mixed.to_string()).unwrap();
    let verifier = verifier_of(set.clone());
    assert_eq!(set.keys(), [key(ED).verification_key().clone()]);
    good(&verifier, &token(ED));
    refused(&verifier, &token(SigningAlgorithm::Rs256));
    refused(&verifier, &token(ES));

    set.replace(&document(&[ES])).unwrap();
    refused(&verifier, &token(ED));
    good(&verifier, &token(ES));

    let oct = r#"{"keys":[{"kty":"oct","k":"AA"}]}"#;
    let many = json!({ "keys": vec![ed; 101] }).to_string();
    let long = format!("{}{}", document(&[ED]), " ".repeat(256 * 1024));
    let twice = r#"{"keys":[],"keys":[]}"#;
    for (text, error) in [
        ("", JwksError::Malformed),
        ("[]", JwksError::Malformed),
        (r#"{"keys":{}}"#, JwksError::Malformed),
        (twice, JwksError::Malformed),
        (r#"{"keys":[]}"#, JwksError::NoKey),
        (oct, JwksError::NoKey),
        (&many, JwksError::TooManyKeys),
        (&long, JwksError::TooLarge),
    ] {
        assert_eq!(JwkSet::from_json(text).unwrap_err(), error);
        assert_eq!(set.replace(text).unwrap_err(), error);
    }
    good(&verifier, &token(ES));
}
