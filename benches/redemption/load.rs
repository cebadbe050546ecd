//! Sessions that redeem codes, through the layer or straight on the store.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tokio::task::JoinSet;
use tower::ServiceExt as _;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::mfa::{FactorUser, Factors, When};
use tower_password_grant::mount::Metadata;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{
    Authenticator, AuthenticatorId, Enrolment, FactorStore as _, MemoryAccessTokens, OneTimeValues as _, SecretDigest,
};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::user::{Recheck, SecretKeys};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress,
    StaticClients, Subject, Verdict,
};

use super::bare_sqlite::random;
use super::file::Temporary;

/// So that neither a budget nor a time step is used up.
const PAUSE: Duration = Duration::from_secs(16 * 60);
/// How long a challenge can be spent.
const CHALLENGE: Duration = Duration::from_secs(600);

struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(Subject::new(attempt.username().to_owned()).into())
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

/// A user with an authenticator app.
pub struct User {
    name: String,
    secret: String,
}

/// The layer over a store on SQLite, with the time that both go by.
pub struct Bed {
    pub store: SqliteStore,
    layer: PasswordGrantLayer,
    clock: ManualClock,
}

impl Bed {
    pub fn new(file: &Temporary) -> Self {
        let clock = ManualClock::at(SystemTime::now());
        // Nothing is removed meanwhile, which would be counted.
        let store = SqliteStore::builder(file.path())
            .clock(clock.clone())
            .prune_every(Duration::from_secs(24 * 3600))
            .open()
            .unwrap();
        let many = Duration::from_millis(1);
        let limits = Limits::new()
            .with_address_budget(TokenBucket::new(u32::MAX, many))
            .with_account_budget(Lockout::new(u32::MAX, many));
        let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let client = Client::public("app").allow_password_grant().allow_second_factor().scopes("read");
        let keys = SecretKeys::random().unwrap();
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new([client.default_scope("read").build().unwrap()]).unwrap())
            .verifier(Users)
            .issuer(access.clone())
            .access_tokens(access)
            .metadata(Metadata::new("https://as.example"))
            .second_factor(Factors::new(store.clone(), keys).demand(When::Always).totp("Bench"))
            .attack_protection(
                AttackProtection::new()
                    .limiter(MemoryLimiter::new().with_limits(limits))
                    .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
            )
            .clock(clock.clone())
            .peer_address(PeerAddress::unknown())
            .build()
            .unwrap();
        Self { store, layer, clock }
    }

    /// Enrols new users.
    pub async fn enrol(&self, users: usize) -> Vec<User> {
        let mut enrolled = Vec::new();
        for _ in 0..users {
            let name = format!("user-{}", u64::from_ne_bytes(random()));
            let bearer = self.log_in(&name).await;
            let json = r#"{"authenticator_types":["otp"]}"#;
            let mut request = request("/mfa/associate", "application/json", json);
            request.headers_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
            let secret = self.member(request, StatusCode::OK, "secret").await;
            let user = User { name, secret };
            self.redeem(vec![self.code(&bearer, &user)]).await;
            enrolled.push(user);
        }
        enrolled
    }

    /// Logs everybody in, up to the code: the requests that redeem one.
    pub async fn open(&self, users: &[User]) -> Vec<Request<Full<Bytes>>> {
        self.clock.advance(PAUSE);
        let mut codes = Vec::new();
        for user in users {
            let token = self.log_in(&user.name).await;
            codes.push(self.code(&token, user));
        }
        codes
    }

    /// Redeems all of them at once.
    pub async fn redeem(&self, codes: Vec<Request<Full<Bytes>>>) {
        let mut tasks = JoinSet::new();
        for request in codes {
            let endpoint = self.layer.endpoint();
            tasks.spawn(async move {
                let response = endpoint.oneshot(request).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
            });
        }
        tasks.join_all().await;
    }

    async fn log_in(&self, name: &str) -> String {
        let body = format!("client_id=app&grant_type=password&username={name}&password=A3ddj3w");
        self.member(form(&body), StatusCode::FORBIDDEN, "mfa_token").await
    }

    /// A request with the code of this user now.
    fn code(&self, mfa_token: &str, user: &User) -> Request<Full<Bytes>> {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let secret = totp_rs::Secret::try_from_base32(&user.secret).unwrap();
        let otp = totp_rs::Builder::new().with_secret(secret).build().unwrap().generate(now);
        let grant = "http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2Fmfa-otp";
        form(&format!("client_id=app&grant_type={grant}&mfa_token={mfa_token}&otp={otp}"))
    }

    async fn member(&self, request: Request<Full<Bytes>>, expected: StatusCode, name: &str) -> String {
        use tower::Layer as _;
        // The endpoints of second factors are paths of the layer, not of its leaf.
        let inner = tower::service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(http::Response::new(Full::new(Bytes::from_static(b"inner"))))
        });
        let response = self.layer.layer(inner).oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(status, expected, "{}", String::from_utf8_lossy(&body));
        let json: Value = serde_json::from_slice(&body).unwrap();
        json[name].as_str().unwrap().to_owned()
    }
}

fn form(body: &str) -> Request<Full<Bytes>> {
    request("/oauth/token", "application/x-www-form-urlencoded", body)
}

fn request(path: &'static str, media_type: &'static str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).uri(path).header("content-type", media_type);
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

/// The store alone, with what a code asks of it and nothing else.
pub struct StoreAlone {
    store: SqliteStore,
    users: Vec<(Arc<str>, AuthenticatorId)>,
    step: u64,
}

impl StoreAlone {
    pub async fn enrol(store: &SqliteStore, users: usize) -> Self {
        let (now, mut enrolled) = (SystemTime::now(), Vec::new());
        for _ in 0..users {
            let subject: Arc<str> = format!("alone-{}", u64::from_ne_bytes(random())).into();
            let (user, authenticator) = (FactorUser::new(None, &subject), authenticator(now));
            let id = authenticator.id.clone();
            store.enrol(user, Enrolment::new(authenticator, None, true), now).await.unwrap();
            assert!(store.confirm(user, &id, true, now).await.unwrap());
            enrolled.push((subject, id));
        }
        Self { store: store.clone(), users: enrolled, step: 0 }
    }

    /// Spends a step and a challenge of each user, all at once.
    pub async fn spend(&mut self) -> Duration {
        self.step += 1;
        let (step, started, mut tasks) = (self.step, Instant::now(), JoinSet::new());
        for (subject, id) in &self.users {
            let (store, subject, id) = (self.store.clone(), Arc::clone(subject), id.clone());
            tasks.spawn(async move {
                let (user, now) = (FactorUser::new(None, &subject), SystemTime::now());
                assert_eq!(store.list(user, now).await.unwrap().len(), 1);
                assert!(store.spend_step(user, &id, step).await.unwrap());
                let challenge = SecretDigest::from_bytes(random());
                assert!(store.consume(&challenge, now + CHALLENGE).await.unwrap());
            });
        }
        tasks.join_all().await;
        started.elapsed()
    }
}

/// An authenticator app with a secret that is as long as a sealed one.
fn authenticator(now: SystemTime) -> Authenticator {
    let id = format!("totp|dev_{:0>22}", u128::from_ne_bytes(random()) % 10_u128.pow(22));
    let id = AuthenticatorId::parse(&id).unwrap();
    Authenticator::new(id.clone(), id.kind().unwrap(), None, random::<69>().to_vec(), now)
}
