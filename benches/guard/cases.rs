//! What is measured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, Service, service_fn};
use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::{
    AccessTokenVerifier, BearerGuard, MemoryAccessTokens, MemoryRefreshTokens, OpaqueIssuer, TokenCache, TokenIssuer,
};

use super::support::api_request;
use super::support::tokens::{AUDIENCE, Session, layer};
use super::times;

pub const METER: &str = "the meter itself";

const ISSUER: &str = "https://as.example.com";

type Sent = Request<Full<Bytes>>;

/// What `--check` holds: as measured, with a twentieth more for another compiler.
#[derive(Clone, Copy)]
pub struct Ceilings {
    pub instructions: u64,
    pub allocations: f64,
}

impl Ceilings {
    fn above((instructions, allocations): (u64, f64)) -> Self {
        Self { instructions: instructions + instructions / 20, allocations: allocations * 1.05 }
    }
}

pub struct Case {
    pub name: &'static str,
    pub token: String,
    pub act: Box<dyn FnMut(Sent)>,
    /// Another thread does a part of the work.
    pub has_threads: bool,
    pub ceilings: Ceilings,
}

/// Requests with this token.
pub fn request(token: &str) -> impl Fn() -> Sent + use<> {
    let token = token.to_owned();
    move || api_request(&token, Full::default())
}

fn inner() -> impl Service<Sent, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone + 'static {
    service_fn(|_: Sent| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(Full::from("hello")))) })
}

/// An access token of this issuer.
fn token_of(issuer: impl TokenIssuer) -> String {
    let layer = layer(issuer, MemoryRefreshTokens::new());
    times::wait(async { Session::begin(&layer).await.access_token })
}

fn guarded(
    name: &'static str,
    token: String,
    verifier: impl AccessTokenVerifier,
    is_cached: bool,
    measured: (u64, f64),
) -> Case {
    let mut guard = BearerGuard::builder(verifier).audience(AUDIENCE);
    if is_cached {
        guard = guard.cache(TokenCache::new(1000, Duration::from_secs(3600)));
    }
    let mut service = guard.build().unwrap().require_scope("read").unwrap().layer(inner());
    let act = Box::new(move |request| times::finish(service.call(request), StatusCode::OK));
    Case { name, token, act, has_threads: false, ceilings: Ceilings::above(measured) }
}

fn jwt(name: &'static str, algorithm: SigningAlgorithm, is_cached: bool, measured: (u64, f64)) -> Case {
    let keys = KeySet::new(SigningKey::generate(algorithm).unwrap());
    let issuer = JwtIssuer::new(ISSUER, [AUDIENCE], keys).unwrap();
    let verifier = issuer.verifier();
    guarded(name, token_of(issuer), verifier, is_cached, measured)
}

fn opaque_in_memory(name: &'static str, is_cached: bool, measured: (u64, f64)) -> Case {
    let issuer = OpaqueIssuer::new(std::sync::Arc::new(MemoryAccessTokens::new())).with_audience([AUDIENCE]);
    guarded(name, token_of(issuer.clone()), issuer, is_cached, measured)
}

/// In a new file, which is gone when the store closes.
fn opaque_on_sqlite(name: &'static str, is_cached: bool, allocations: f64) -> Case {
    let file = File::new();
    let store = SqliteStore::open(&file.0).unwrap();
    let issuer = OpaqueIssuer::new(store).with_audience([AUDIENCE]);
    let mut case = guarded(name, token_of(issuer.clone()), issuer, is_cached, (0, allocations));
    let mut act = case.act;
    case.act = Box::new(move |request| {
        let _open = &file;
        act(request);
    });
    Case { has_threads: true, ..case }
}

struct File(PathBuf);

impl File {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("guard-{}-{number}.db", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.0.display()));
        }
    }
}

/// Those whose work is done where it is asked for.
pub fn alone() -> Vec<Case> {
    let mut service = inner();
    let inner = Case {
        name: "the inner service alone",
        token: "t".to_owned(),
        act: Box::new(move |request| times::finish(service.call(request), StatusCode::OK)),
        has_threads: false,
        ceilings: Ceilings::above((807, 0.0)),
    };
    vec![
        inner,
        jwt("JWT, ES256", SigningAlgorithm::Es256, false, (768_317, 37.0)),
        jwt("JWT, ES256, cached", SigningAlgorithm::Es256, true, (31_775, 3.0)),
        jwt("JWT, EdDSA", SigningAlgorithm::EdDsa, false, (520_891, 37.0)),
        jwt("JWT, EdDSA, cached", SigningAlgorithm::EdDsa, true, (31_775, 3.0)),
        opaque_in_memory("opaque, in memory", false, (9_110, 9.0)),
        opaque_in_memory("opaque, in memory, cached", true, (6_928, 3.0)),
    ]
}

/// All of them, those with threads last.
pub fn all() -> Vec<Case> {
    let mut cases = alone();
    cases.push(opaque_on_sqlite("opaque, on SQLite", false, 24.0));
    cases.push(opaque_on_sqlite("opaque, on SQLite, cached", true, 3.0));
    cases
}
