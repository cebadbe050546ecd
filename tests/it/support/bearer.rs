//! A guarded API on a real socket, and the tokens that it knows.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower_password_grant::MaybeFuture;
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard, BearerGuardBuilder, BearerReason, Principal};
use tower_password_grant::store::AccessTokenRecord;
use tower_password_grant::{BackendError, ClientId};

use crate::support::spawn;

pub const AUDIENCE: &str = "https://api.example";

/// A token of alice's with this scope, good for an hour at `AUDIENCE`.
pub fn record(scope: &str) -> AccessTokenRecord {
    let now = SystemTime::now();
    AccessTokenRecord::new("alice", ClientId::new("cli").unwrap(), now, now + Duration::from_secs(3600))
        .with_scope(scope.parse().unwrap())
        .with_audience([AUDIENCE])
}

type Answering = dyn Fn(&str) -> Result<Option<AccessTokenRecord>, BackendError> + Send + Sync;

/// A verifier that knows a few tokens by heart, counts its calls, and can be made to fail.
#[derive(Clone)]
pub struct Tokens {
    pub calls: Arc<AtomicUsize>,
    pub known: Arc<Mutex<HashMap<String, AccessTokenRecord>>>,
    /// Each look-up takes this long, and is counted as begun before and as ended after.
    pub delay: Option<Duration>,
    pub ended: Arc<AtomicUsize>,
    answering: Option<Arc<Answering>>,
}

impl Tokens {
    /// `t` may read, `w` may read and write.
    pub fn new() -> Self {
        let known = [("t", "read"), ("w", "read write")].map(|(token, scope)| (token.to_owned(), record(scope)));
        Self {
            calls: Arc::default(),
            known: Arc::new(Mutex::new(known.into_iter().collect())),
            delay: None,
            ended: Arc::default(),
            answering: None,
        }
    }

    /// One that answers whatever this closure does.
    pub fn answering(
        answer: impl Fn(&str) -> Result<Option<AccessTokenRecord>, BackendError> + Send + Sync + 'static,
    ) -> Self {
        Self { answering: Some(Arc::new(answer)), ..Self::new() }
    }

    pub fn slow(delay: Duration) -> Self {
        Self { delay: Some(delay), ..Self::new() }
    }

    pub fn add(&self, token: &str, record: AccessTokenRecord) {
        self.known.lock().unwrap().insert(token.to_owned(), record);
    }

    pub fn revoke(&self, token: &str) {
        self.known.lock().unwrap().remove(token);
    }

    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

impl AccessTokenVerifier for Tokens {
    fn verify<'a>(&'a self, token: &'a str) -> MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if let Some(answer) = &self.answering {
            return MaybeFuture::ready(answer(token));
        }
        let found = self.known.lock().unwrap().get(token).cloned();
        let Some(delay) = self.delay else { return MaybeFuture::ready(Ok(found)) };
        MaybeFuture::new(async move {
            tokio::time::sleep(delay).await;
            self.ended.fetch_add(1, Ordering::SeqCst);
            Ok(found)
        })
    }
}

/// What a client got.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        assert!(self.headers.get_all(name).iter().count() <= 1, "{name} stands twice: {self:?}");
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn challenge(&self) -> HashMap<String, String> {
        parameters(self.header("www-authenticate").expect("no challenge"))
    }

    /// What every refusal of the guard must be (BE-02, BE-03, BE-04, BE-12, BE-19).
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(self.header("retry-after").is_some(), status == 503);
        assert_eq!(self.header("www-authenticate").is_some(), status < 500, "{self:?}");
        if status < 500 {
            let challenge = self.challenge();
            assert_eq!(challenge.get("error").map(String::as_str), Some(code).filter(|code| !code.is_empty()));
            assert_eq!(challenge.contains_key("error_description"), !code.is_empty());
        }
        if code.is_empty() {
            assert!(self.body.is_empty());
            return;
        }
        assert_eq!(self.header("content-type"), Some("application/json"));
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(json["error"], code);
    }
}

/// The parameters of a `Bearer` challenge: at least one, each once, all of them quoted strings without escapes.
pub fn parameters(challenge: &str) -> HashMap<String, String> {
    let mut rest = challenge.strip_prefix("Bearer ").expect(challenge);
    let mut found = HashMap::new();
    loop {
        let (name, after) = rest.split_once("=\"").expect(challenge);
        let (value, after) = after.split_once('"').expect(challenge);
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{challenge}");
        assert!(value.bytes().all(|b| matches!(b, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{challenge}");
        assert!(found.insert(name.to_owned(), value.to_owned()).is_none(), "{name} stands twice: {challenge}");
        if after.is_empty() {
            return found;
        }
        rest = after.strip_prefix(", ").expect(challenge);
    }
}

/// The checklist's API: `GET /api/me` needs `read`, `POST /api/me` needs `write`; both name the caller.
pub fn api(guard: &BearerGuard) -> Router {
    async fn me(caller: Option<Extension<Principal>>) -> String {
        caller.map_or_else(
            || "nobody".to_owned(),
            |Extension(caller)| format!("{} {}", caller.subject_id(), caller.scope()),
        )
    }
    Router::new()
        .route("/api/me", get(me).layer(guard.require_scope("read").unwrap()))
        .route("/api/me", post(me).layer(guard.require_scope("write").unwrap()))
}

/// A running API, the reasons of its guard's refusals, and a client of it.
#[derive(Clone)]
pub struct Api {
    pub address: SocketAddr,
    pub client: Client<HttpConnector, Full<Bytes>>,
    pub reasons: Arc<Mutex<Vec<BearerReason>>>,
}

impl Api {
    /// The API of the checklist with this verifier.
    pub async fn start(tokens: &Tokens) -> Self {
        Self::with(tokens, |guard| guard).await
    }

    pub async fn with(tokens: &Tokens, change: impl FnOnce(BearerGuardBuilder) -> BearerGuardBuilder) -> Self {
        let reasons: Arc<Mutex<Vec<BearerReason>>> = Arc::default();
        let told = Arc::clone(&reasons);
        let guard = BearerGuard::builder(tokens.clone())
            .audience(AUDIENCE)
            .on_refusal(move |refusal| told.lock().unwrap().push(refusal.reason()));
        let mut started = Self::serve(api(&change(guard).build().unwrap())).await;
        started.reasons = reasons;
        started
    }

    pub async fn serve(app: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(async move { axum::serve(listener, app).await });
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { address, client, reasons: Arc::default() }
    }

    pub fn last_reason(&self) -> BearerReason {
        *self.reasons.lock().unwrap().last().expect("nothing was refused")
    }

    /// A request with these header lines, repeated names and all.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let (head, body) = self.client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// `G` with this `Authorization`.
    pub async fn get(&self, authorization: &str) -> Answer {
        self.send("GET", "/api/me", &[("authorization", authorization)], "").await
    }

    /// `GW` with this `Authorization`.
    pub async fn post(&self, authorization: &str) -> Answer {
        self.send("POST", "/api/me", &[("authorization", authorization)], "").await
    }
}
