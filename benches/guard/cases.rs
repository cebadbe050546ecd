//! What is measured.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer as _, Service, service_fn};
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard, BearerGuardBuilder, TokenCache};
use tower_password_grant::jwt::{JwtIssuer, JwtVerifier, KeySet, RemoteJwks, SigningAlgorithm, SigningKey};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore as _, MemoryAccessTokens, MemoryRefreshTokens, SecretDigest,
};
use tower_password_grant::{ClientId, OpaqueIssuer, TokenIssuer};

use super::answers;
use super::bare::Bare;
use super::support::tokens::{AUDIENCE, SUBJECT, Session, layer};
use super::support::{CLIENT, api_request};

pub const METER: &str = "the meter itself";

const ISSUER: &str = "https://as.example.com";

type Sent = Request<Full<Bytes>>;
type Memory = OpaqueIssuer<Arc<MemoryAccessTokens>>;

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
    /// The `Authorization` header.
    pub authorization: Option<String>,
    pub act: Box<dyn FnMut(Sent)>,
    /// Another thread does a part of the work.
    pub has_threads: bool,
    pub ceilings: Ceilings,
    /// The case of which it must not cost more.
    pub at_most: Option<&'static str>,
    /// The case of the signature alone, with the inner service behind it as the guard has it, and the most that the guard may
    /// add to it, in percent of its instructions.
    pub bare: Option<(&'static str, u64)>,
}

impl Case {
    /// One whose work is done where it is asked for.
    fn new(name: &'static str, measured: (u64, f64), act: impl FnMut(Sent) + 'static) -> Self {
        Self {
            name,
            authorization: None,
            act: Box::new(act),
            has_threads: false,
            ceilings: Ceilings::above(measured),
            at_most: None,
            bare: None,
        }
    }

    fn with_token(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }
}

/// Requests with this `Authorization` header.
pub fn request(authorization: Option<&str>) -> impl Fn() -> Sent + use<> {
    let authorization = authorization.map(str::to_owned);
    move || api_request(authorization.as_deref(), Full::default())
}

fn inner() -> impl Service<Sent, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> + Clone + 'static {
    service_fn(|_: Sent| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(Full::from("hello")))) })
}

/// An access token of this issuer.
fn token_of(issuer: impl TokenIssuer) -> String {
    let layer = layer(issuer, MemoryRefreshTokens::new());
    answers::wait(async { Session::begin(&layer).await.access_token })
}

/// Behind this guard, which asks for a scope, and whose answer has this status.
fn behind(builder: BearerGuardBuilder, scope: &str, status: StatusCode) -> impl FnMut(Sent) + 'static {
    let mut service = builder.build().unwrap().require_scope(scope).unwrap().layer(inner());
    move |request| answers::finish(service.call(request), status)
}

fn guarded(
    name: &'static str,
    token: &str,
    verifier: impl AccessTokenVerifier,
    is_cached: bool,
    measured: (u64, f64),
) -> Case {
    let mut guard = BearerGuard::builder(verifier).audience(AUDIENCE);
    if is_cached {
        guard = guard.cache(TokenCache::new(1000, Duration::from_secs(3600)));
    }
    Case::new(name, measured, behind(guard, "read", StatusCode::OK)).with_token(token)
}

/// The guard over tokens of this algorithm, and the verification of the signature alone. `measured` are the signature, the
/// guard, the guard with fetched keys, and with a cache.
fn jwt(algorithm: SigningAlgorithm, names: [&'static str; 4], measured: [(u64, f64); 4], percent: u64) -> [Case; 4] {
    let keys = KeySet::new(SigningKey::generate(algorithm).unwrap());
    let issuer = JwtIssuer::new(ISSUER, [AUDIENCE], keys.clone()).unwrap();
    let own = issuer.verifier();
    let token = token_of(issuer);
    let fetched = JwtVerifier::new(ISSUER, fetched(&keys));
    answers::wait(fetched.verify(&token)).unwrap().expect("its keys are there now");
    let (bare, mut service) = (Bare::new(&keys.published()[0], &token), inner());
    let [signature, guard, remote, cached] = names;
    let beside = |case: Case| Case { bare: Some((signature, percent)), ..case };
    [
        Case::new(signature, measured[0], move |request| {
            bare.verify();
            answers::finish(service.call(request), StatusCode::OK);
        }),
        beside(guarded(guard, &token, own.clone(), false, measured[1])),
        beside(guarded(remote, &token, fetched, false, measured[2])),
        guarded(cached, &token, own, true, measured[3]),
    ]
}

/// The same keys from a document, which is fetched once.
fn fetched(keys: &KeySet) -> RemoteJwks {
    let document = format!(r#"{{"keys":[{}]}}"#, keys.published()[0].to_jwk());
    let http = service_fn(move |_: Sent| {
        let response = Response::builder().header(CACHE_CONTROL, "max-age=36000").body(Full::from(document.clone()));
        ready(Ok::<Response<Full<Bytes>>, Infallible>(response.unwrap()))
    });
    RemoteJwks::new("https://as.example.com/jwks.json", http).unwrap()
}

const OPAQUE: &str = "opaque, in memory";

fn in_memory() -> Memory {
    OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())).with_audience([AUDIENCE])
}

fn opaque_in_memory(name: &'static str, is_cached: bool, measured: (u64, f64)) -> Case {
    let issuer = in_memory();
    guarded(name, &token_of(issuer.clone()), issuer, is_cached, measured)
}

/// The same token, taken and refused, since the count depends on its text a little.
fn taken_and_refused(taken: (u64, f64), refusals: [(u64, f64); 9]) -> Vec<Case> {
    let issuer = in_memory();
    let good = token_of(issuer.clone());
    let mut cases = vec![guarded(OPAQUE, &good, issuer.clone(), false, taken)];
    cases.extend(refused(&issuer, &good, refusals));
    cases
}

/// All kinds of refusal of an opaque token. None may cost more than a token that is taken.
fn refused(issuer: &Memory, good: &str, measured: [(u64, f64); 9]) -> Vec<Case> {
    let unknown = format!("at_{}", "A".repeat(43));
    let (expired, revoked) = (format!("at_{}", "E".repeat(43)), token_of(issuer.clone()));
    let past = SystemTime::now() - Duration::from_secs(60);
    let record = AccessTokenRecord::new(SUBJECT, ClientId::new(CLIENT).unwrap(), past, past);
    answers::wait(async {
        issuer.store().insert(SecretDigest::of(&expired), record).await.unwrap();
        issuer.revoke(&revoked).await.unwrap();
    });
    let bearer = |token: &str| Some(format!("Bearer {token}"));
    use StatusCode as Status;
    let kinds = [
        ("refused: no token", None, Status::UNAUTHORIZED),
        ("refused: no single token", bearer("a b"), Status::BAD_REQUEST),
        ("refused: no characters of a token", bearer("a,b"), Status::UNAUTHORIZED),
        ("refused: unknown", bearer(&unknown), Status::UNAUTHORIZED),
        ("refused: expired", bearer(&expired), Status::UNAUTHORIZED),
        ("refused: revoked", bearer(&revoked), Status::UNAUTHORIZED),
        ("refused: for another audience", bearer(good), Status::UNAUTHORIZED),
        ("refused: of another realm", bearer(good), Status::UNAUTHORIZED),
        ("refused: too little scope", bearer(good), Status::FORBIDDEN),
    ];
    let cases = kinds.into_iter().zip(measured).map(|((name, authorization, status), measured)| {
        let is = |kind: &str| name.ends_with(kind);
        let mut guard = BearerGuard::builder(issuer.clone());
        guard = guard.audience(if is("audience") { "https://other.example.com" } else { AUDIENCE });
        if is("realm") {
            guard = guard.token_realm("staff");
        }
        let act = behind(guard, if is("scope") { "admin" } else { "read" }, status);
        Case { authorization, at_most: Some(OPAQUE), ..Case::new(name, measured, act) }
    });
    cases.collect()
}

/// In a new file, which is gone when the store closes.
fn opaque_on_sqlite(name: &'static str, is_cached: bool, allocations: f64) -> Case {
    let file = File::new();
    let store = SqliteStore::open(&file.0).unwrap();
    let issuer = OpaqueIssuer::new(store).with_audience([AUDIENCE]);
    let mut case = guarded(name, &token_of(issuer.clone()), issuer, is_cached, (0, allocations));
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

/// Those whose work is done where it is asked for. The inner service comes first.
pub fn alone() -> Vec<Case> {
    let mut service = inner();
    let inner = Case::new("the inner service alone", (789, 0.0), move |request| {
        answers::finish(service.call(request), StatusCode::OK);
    });
    let mut cases = vec![inner];
    cases.extend(jwt(
        SigningAlgorithm::Es256,
        ["ES256, the signature alone", "JWT, ES256", "JWT, ES256, fetched keys", "JWT, ES256, cached"],
        [(732_400, 0.0), (745_900, 14.0), (746_100, 14.0), (31_200, 3.0)],
        2,
    ));
    cases.extend(jwt(
        SigningAlgorithm::EdDsa,
        ["EdDSA, the signature alone", "JWT, EdDSA", "JWT, EdDSA, fetched keys", "JWT, EdDSA, cached"],
        [(486_000, 0.0), (499_300, 14.0), (499_700, 14.0), (31_200, 3.0)],
        3,
    ));
    cases.push(opaque_in_memory("opaque, in memory, cached", true, (6_626, 3.0)));
    cases.extend(taken_and_refused(
        (8_136, 7.0),
        [
            (1_930, 2.0),
            (2_295, 2.0),
            (2_306, 2.0),
            (7_774, 6.0),
            (7_774, 6.0),
            (7_774, 6.0),
            (7_927, 6.0),
            (7_964, 6.0),
            (8_054, 6.0),
        ],
    ));
    cases
}

pub fn position(cases: &[Case], name: &str) -> usize {
    cases.iter().position(|case| case.name == name).unwrap()
}

/// All of them, those with threads last.
pub fn all() -> Vec<Case> {
    let mut cases = alone();
    cases.push(opaque_on_sqlite("opaque, on SQLite", false, 23.0));
    cases.push(opaque_on_sqlite("opaque, on SQLite, cached", true, 3.0));
    cases
}
