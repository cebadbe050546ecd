//! The fixture that every test starts from, and the assertions that every response must pass.

#[cfg(feature = "argon2")]
pub mod argon2_users;
pub mod auth_method;
pub mod bearer;
pub mod bed;
pub mod both;
pub mod capture;
mod clock;
pub mod counts;
#[cfg(feature = "sqlite")]
pub mod diverted;
#[cfg(feature = "mfa")]
pub mod factor_rounds;
#[cfg(feature = "mfa")]
pub mod factors;
pub mod faults;
#[cfg(feature = "sqlite")]
pub mod folder;
pub mod grants;
pub mod guards;
pub mod guesses;
pub mod json_body;
pub mod locks;
pub mod notation;
pub mod panics;
pub mod protection;
#[cfg(feature = "testing")]
pub mod records;
#[cfg(feature = "testing")]
pub mod reference;
pub mod refresh_token;
pub mod server;
mod shared;
#[allow(dead_code, reason = "the tests that stand alone use the rest")]
pub mod sources;
pub mod token_world;
pub mod tokens;
#[cfg(feature = "mfa")]
pub mod totp;
pub mod vouched;
pub mod world;

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use tokio::task::JoinHandle;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::mount::{NotSet, Profile, PublicDocument};
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::{
    Attempt, BackendError, Builder, Client, ClientSecret, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant,
    PasswordGrantLayer, PeerAddress, StaticClients, Subject, Verdict,
};

pub const PW: &str = "grant_type=password&username=alice&password=correct+horse";
pub const CONF: &str = "Basic Y29uZjpzM2NyZXQ=";
/// The header of the client `conf`.
pub const AUTH: &[(&str, &str)] = &[("authorization", CONF)];

pub use clock::ManualClock;
pub use shared::{Judged, assert_shared, parsed};

/// `PW` with more parameters.
pub fn pw(more: &str) -> String {
    format!("{PW}&{more}")
}

/// A verifier that counts its calls and keeps the exact texts it was given.
#[derive(Clone, Default)]
pub struct Probe {
    pub seen: Arc<Mutex<Vec<(String, String)>>>,
    /// The clients of those calls.
    pub clients: Arc<Mutex<Vec<String>>>,
}

impl Probe {
    pub fn calls(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn last(&self) -> (String, String) {
        self.seen.lock().unwrap().last().cloned().expect("the verifier was never called")
    }

    pub fn last_client(&self) -> String {
        self.clients.lock().unwrap().last().cloned().expect("the verifier was never called")
    }
}

#[async_trait]
impl CredentialVerifier for Probe {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let pair = (attempt.username().to_owned(), attempt.password().expose().to_owned());
        self.seen.lock().unwrap().push(pair.clone());
        self.clients.lock().unwrap().push(attempt.client().id().to_string());
        let (name, password) = (pair.0.trim().to_lowercase(), pair.1);
        Ok(match (name.as_str(), password.as_str()) {
            ("alice", "correct horse") => Subject::new("user-alice").into(),
            ("zoë", " %&+£€") => Subject::new("user-zoe").into(),
            ("bob", _) => Denial::Disabled.into(),
            ("alice" | "zoë", _) => Denial::WrongPassword.into(),
            _ => Denial::UnknownUser.into(),
        })
    }
}

pub fn digest(secret: &str) -> tower_password_grant::store::SecretDigest {
    ClientSecret::new(secret.to_owned()).digest()
}

/// The least public document.
pub struct Document;

impl PublicDocument for Document {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn body(&self) -> Bytes {
        Bytes::from_static(b"{}")
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// The clients of the checklist's fixture.
pub fn clients() -> Vec<Client> {
    let full = |builder: tower_password_grant::client::ClientBuilder| {
        builder.allow_password_grant().scopes("read write").default_scope("read").build().unwrap()
    };
    vec![
        full(Client::confidential("conf", &digest("s3cret"))),
        full(Client::confidential("conf2", &digest("s3cret2"))),
        full(Client::public("pub")),
        full(Client::confidential("we ird:id%+", &digest("p%ss+w:rd"))),
        Client::confidential("svc", &digest("svcpw")).scopes("read").default_scope("read").build().unwrap(),
        full(Client::with_method("pkjwt", "private_key_jwt")),
    ]
}

pub type FixtureBuilder = Builder<StaticClients, Probe, OpaqueIssuer<Arc<MemoryAccessTokens>>>;

/// The builder of the fixture's endpoint; tests change what they are about.
pub fn builder(probe: &Probe) -> FixtureBuilder {
    capture::keep_listening();
    let open: Builder<NotSet, NotSet, NotSet> = PasswordGrant::builder();
    open.clients(StaticClients::new(clients()).unwrap())
        .verifier(probe.clone())
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .peer_address(PeerAddress::socket_addr())
        .profile(notation::profile())
}

/// An endpoint to send requests to, with its probe.
#[derive(Clone)]
pub struct Fixture {
    pub layer: PasswordGrantLayer,
    pub probe: Probe,
    profile: Profile,
}

impl Fixture {
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(change: impl FnOnce(FixtureBuilder) -> FixtureBuilder) -> Self {
        Self::of(notation::profile(), change)
    }

    /// In this profile, by whose rules its answers are judged.
    pub fn of(profile: Profile, change: impl FnOnce(FixtureBuilder) -> FixtureBuilder) -> Self {
        let probe = Probe::default();
        let layer = change(builder(&probe).profile(profile)).build().unwrap();
        Self { layer, probe, profile }
    }

    /// Sends a request through the layer around an inner service that answers 200 `inner`.
    pub async fn send<B: Body>(&self, request: Request<B>) -> Answer {
        send_in(self.profile, &self.layer, request).await
    }

    /// A token request with this body and these headers.
    pub async fn token(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        self.send(token_request(headers, body)).await
    }
}

pub async fn send<B: Body>(layer: &PasswordGrantLayer, request: Request<B>) -> Answer {
    send_in(notation::profile(), layer, request).await
}

/// How the answer of this profile is judged to a request with or without an `Authorization` header.
pub fn judged(profile: Profile, authorizes: bool) -> Judged {
    if profile == Profile::Auth0 { Judged::AsAuth0 { authorizes } } else { Judged::ByDefault }
}

/// The same for a layer of another profile.
pub async fn send_in<B: Body>(profile: Profile, layer: &PasswordGrantLayer, mut request: Request<B>) -> Answer {
    let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    if request.extensions().get::<SocketAddr>().is_none() {
        request.extensions_mut().insert(peer);
    }
    let head_only = request.method() == http::Method::HEAD;
    let judged = judged(profile, request.headers().contains_key("authorization"));
    let inner = service_fn(|_: Request<B>| async {
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer = Answer { status: parts.status, headers: parts.headers, body, head_only };
    if answer.body != "inner" {
        answer.assert_shared_as(judged);
    }
    answer
}

/// A token request with these headers. If they name no media type, the body is a form.
pub fn token_request(headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::post("/oauth/token").header("host", "as.example");
    let mut sent = Bytes::copy_from_slice(body.as_bytes());
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        let (media_type, written) = notation::written(body);
        request = request.header("content-type", media_type);
        sent = written;
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(sent)).unwrap()
}

/// A token request of the client `conf` with this body, from an address.
pub fn token_request_of<B>(body: B) -> Request<B> {
    let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", CONF)
        .extension(peer)
        .body(body)
        .unwrap()
}

pub fn from_peer(mut request: Request<Full<Bytes>>, peer: &str) -> Request<Full<Bytes>> {
    let address: IpAddr = peer.parse().unwrap();
    request.extensions_mut().insert(SocketAddr::new(address, 4711));
    request
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}")))
}

/// A whole response.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub head_only: bool,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        parsed(&self.body)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// `ok` of the checklist.
    #[track_caller]
    pub fn assert_ok(&self) -> serde_json::Value {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        let json = self.json();
        assert!(!json["access_token"].as_str().unwrap().is_empty());
        assert_eq!(json["token_type"], "Bearer");
        assert!(json["expires_in"].is_u64());
        json
    }

    /// The answer of a revocation.
    #[track_caller]
    pub fn assert_empty_ok(&self) {
        assert_eq!(self.status, StatusCode::OK, "{self:?}");
        assert!(self.body.is_empty(), "{self:?}");
    }

    /// `eNNN code` of the checklist, told apart from others of the same code by a piece of its description.
    #[track_caller]
    pub fn assert_error_about(&self, status: u16, code: &str, piece: &str) {
        self.assert_error(status, code);
        let description = self.json()["error_description"].as_str().unwrap_or_default().to_owned();
        assert!(notation::is_about(&description, piece), "`{piece}` is not in `{description}`");
    }

    /// `eNNN code` of the checklist.
    #[track_caller]
    pub fn assert_error(&self, status: u16, code: &str) {
        let (status, code) = notation::refusal(status, code);
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let json = self.json();
        assert_eq!(json["error"], code, "{self:?}");
        assert!(json.get("access_token").is_none());
        assert!(json.get("refresh_token").is_none());
    }

    /// What every response of the endpoint must be, whatever it says.
    #[track_caller]
    pub fn assert_shared(&self) {
        self.assert_shared_as(Judged::ByDefault);
    }

    /// The same by the rules of this profile.
    #[track_caller]
    pub fn assert_shared_as(&self, judged: Judged) {
        assert_shared(judged, self.status, &self.headers, &self.body, self.head_only);
    }
}

/// Spawns a future behind a pointer: the runtime's part of a task is compiled for each type that is spawned.
pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let future: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(future);
    tokio::spawn(future)
}

/// A window for budgets of a test's own.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// How long the first lock of an account or client and its address lasts by default.
pub const FIRST_LOCK: Duration = Duration::from_secs(15 * 60);
