//! An endpoint with second factors, and the requests that a client and its user send.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::util::{BoxCloneSyncService, MapResponse};
use tower::{Layer as _, Service as _, service_fn};
use tower_password_grant::clock::Clock as _;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::mfa::{AuthenticatorKind, Channel, CodeDelivery, Delivery, FactorUser, Factors};
use tower_password_grant::mount::Metadata;
use tower_password_grant::store::{Authenticator, AuthenticatorId, FactorStore as _, MemoryAccessTokens};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::token::{AuthenticationMethod, AuthenticationMethods};
use tower_password_grant::user::{Recheck, SecretKeys};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients,
    Subject, Verdict,
};

use super::limiter::Noting;
use super::store::{Change, Insider, Store};

pub const STEP: Duration = Duration::from_secs(30);
/// So that a short budget is whole again.
pub const PAUSE: Duration = Duration::from_secs(16 * 60);
const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: &str = "http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2Fmfa-";

/// Everybody knows the password. A name with `+strong` at its end has shown an authenticator app with it.
struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let name = attempt.username();
        let shown = AuthenticationMethods::NONE.with(AuthenticationMethod::Otp);
        Ok(match name.strip_suffix("+strong") {
            Some(name) => Verdict::from(Subject::new(name.to_owned())).with_methods(shown),
            None => Subject::new(name.to_owned()).into(),
        })
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

/// The last code that was sent.
#[derive(Clone, Default)]
struct Outbox(Arc<Mutex<String>>);

#[async_trait]
impl CodeDelivery for Outbox {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
        delivery.code.unwrap_or_default().clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

type Endpoint = BoxCloneSyncService<Request<Full<Bytes>>, Response<BoxBody<Bytes, Infallible>>, Infallible>;

pub struct Bed {
    endpoint: RefCell<Endpoint>,
    pub clock: ManualClock,
    pub store: Arc<Store>,
    insider: Insider,
    outbox: Outbox,
}

impl Bed {
    /// With budgets that nobody uses up.
    pub fn new(change: Change) -> Self {
        let many = || Lockout::new(u32::MAX, Duration::from_millis(1));
        let limits = Limits::new().with_challenge_budget(many()).with_factor_budget(many());
        Self::with(change, limits.with_factor_in_a_row_budget(many()).with_recovery_code_budget(many()))
    }

    /// With the budgets of codes as they are, or as they are given.
    pub fn with(change: Change, limits: Limits) -> Self {
        let moment = Duration::from_millis(1);
        let many = || Lockout::new(u32::MAX, moment);
        let limits = limits
            .with_address_budget(TokenBucket::new(u32::MAX, moment))
            .with_account_budget(many())
            .with_account_and_address_budget(many())
            .with_authenticator_budget(many())
            .with_delivery_budget(many());
        // Each run sees the same times.
        let clock = ManualClock::at(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let (insider, outbox) = (Insider::default(), Outbox::default());
        let store = Store::new(change, &insider);
        let keys = SecretKeys::new("bench", vec![7; 32]).unwrap();
        let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let clients = ["app", "web"].map(|id| {
            let client = Client::public(id).allow_password_grant().allow_second_factor();
            client.scopes("read").default_scope("read").build().unwrap()
        });
        let (limiter, protection) = (MemoryLimiter::new().with_limits(limits), AttackProtection::new());
        let protection = match change {
            Change::Notes => protection.limiter(Noting::new(limiter, &insider)),
            _ => protection.limiter(limiter),
        };
        let builder = PasswordGrant::builder()
            .clients(StaticClients::new(clients).unwrap())
            .verifier(Users)
            .issuer(access.clone())
            .access_tokens(access)
            .metadata(Metadata::new("https://as.example"))
            .second_factor(Factors::new(Arc::clone(&store), keys).totp("Bench").deliver(Channel::Sms, outbox.clone()))
            .attack_protection(protection.request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)))
            .clock(clock.clone())
            .peer_address(PeerAddress::socket_addr());
        let inner =
            service_fn(|_: Request<Full<Bytes>>| ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))));
        let service = MapResponse::new(builder.build().unwrap().layer(inner), |response: Response<_>| {
            response.map(http_body_util::BodyExt::boxed)
        });
        Self { endpoint: RefCell::new(BoxCloneSyncService::new(service)), clock, store, insider, outbox }
    }

    /// Whether the request to come has what a mistake goes by.
    pub fn tell_insider(&self, has_it: bool) {
        self.insider.store(has_it, Relaxed);
    }

    /// Sends a request, and answers with what is ready at once.
    pub fn send(&self, request: Request<Full<Bytes>>) -> (StatusCode, Bytes) {
        let mut cx = Context::from_waker(Waker::noop());
        let mut endpoint = self.endpoint.borrow_mut();
        assert!(endpoint.poll_ready(&mut cx).is_ready());
        let Ok(response) = at_once(endpoint.call(request));
        let (parts, body) = response.into_parts();
        let Ok(body) = at_once(body.collect());
        (parts.status, body.to_bytes())
    }

    /// A text of the answer to a request, which is as expected.
    fn text(&self, request: Request<Full<Bytes>>, expected: StatusCode, name: &str) -> String {
        let (status, body) = self.send(request);
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, expected, "{json}");
        json[name].as_str().unwrap().to_owned()
    }

    /// The `mfa_token` of a login of this user at this client.
    pub fn open_at(&self, client: &str, user: &str) -> String {
        let login = format!("client_id={client}&grant_type=password&username={user}&password=A3ddj3w");
        self.text(post("/oauth/token", FORM, login), StatusCode::FORBIDDEN, "mfa_token")
    }

    /// The same at `app`.
    pub fn open(&self, user: &str) -> String {
        self.open_at("app", user)
    }

    /// An access token for the endpoints of second factors, of a login that showed one.
    pub fn manager(&self, user: &str) -> String {
        let scope = "scope=enroll+remove%3Aauthenticators&audience=https%3A%2F%2Fas.example%2Fmfa%2F";
        let login = format!("client_id=app&grant_type=password&username={user}%2Bstrong&password=A3ddj3w&{scope}");
        self.text(post("/oauth/token", FORM, login), StatusCode::OK, "access_token")
    }

    /// Begins an enrolment: the answer.
    fn begin(&self, user: &str, wanted: &Value) -> Value {
        let mut request = post("/mfa/associate", "application/json", wanted.to_string());
        let bearer = format!("Bearer {}", self.manager(user));
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        let (status, body) = self.send(request);
        assert_eq!(status, StatusCode::OK, "{body:?}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Has what waits of this user become active.
    fn activate(&self, user: &str) {
        let now = self.clock.now();
        let user = FactorUser::new(None, user);
        let all = at_once(self.store.list(user, now)).unwrap();
        let waits = |one: &&Authenticator| !one.is_active && one.kind != AuthenticatorKind::RecoveryCodes;
        let id = all.iter().find(waits).unwrap().id.clone();
        assert!(at_once(self.store.confirm(user, &id, false, now)).unwrap());
    }

    /// A new authenticator app of this user: its secret.
    pub fn app(&self, user: &str) -> String {
        let begun = self.begin(user, &json!({ "authenticator_types": ["otp"] }));
        self.activate(user);
        begun["secret"].as_str().unwrap().to_owned()
    }

    /// A telephone of this user: the recovery codes that come with it, if it is the first factor.
    pub fn phone(&self, user: &str) -> Vec<String> {
        let wanted = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+15555550199" });
        let begun = self.begin(user, &wanted);
        self.activate(user);
        let codes = begun["recovery_codes"].as_array().into_iter().flatten();
        codes.map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    /// An enrolment of this user that waits for its first code.
    pub fn waiting(&self, user: &str) -> String {
        self.begin(user, &json!({ "authenticator_types": ["otp"] }));
        self.identifiers(user).pop().unwrap()
    }

    /// The identifiers of this user's authenticators, the oldest first.
    pub fn identifiers(&self, user: &str) -> Vec<String> {
        let all = at_once(self.store.list(FactorUser::new(None, user), self.clock.now())).unwrap();
        all.into_iter().map(|one| one.id.as_str().to_owned()).collect()
    }

    /// The code of this secret, so many steps from now.
    pub fn code(&self, secret: &str, steps: i64) -> String {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
        let at = now.saturating_add_signed(steps * 30);
        totp_rs::Builder::new().with_secret(secret).build().unwrap().generate(at).to_string()
    }

    /// Sends a code to this user: what it is asked by, and the code.
    pub fn sent(&self, mfa_token: &str) -> (String, String) {
        let asked = json!({ "client_id": "app", "mfa_token": mfa_token, "challenge_type": "oob" }).to_string();
        let oob_code = self.text(post("/mfa/challenge", "application/json", asked), StatusCode::OK, "oob_code");
        (oob_code, self.outbox.0.lock().unwrap().clone())
    }

    /// Finishes a login.
    pub fn finish(&self, request: Request<Full<Bytes>>) -> Value {
        let (status, body) = self.send(request);
        assert_eq!(status, StatusCode::OK, "{body:?}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Takes the last swap of a recovery code back.
    pub fn swap_back(&self, user: &str) {
        at_once(self.store.swap_back(FactorUser::new(None, user)));
    }
}

fn at_once<T>(future: impl Future<Output = T>) -> T {
    let Poll::Ready(done) = pin!(future).poll(&mut Context::from_waker(Waker::noop())) else { panic!("it waits") };
    done
}

/// The grant of an authenticator app at `app`.
pub fn otp(mfa_token: &str, code: &str) -> Request<Full<Bytes>> {
    post("/oauth/token", FORM, format!("client_id=app&grant_type={GRANT}otp&mfa_token={mfa_token}&otp={code}"))
}

/// The grant of a code that was sent, at `app`.
pub fn oob(mfa_token: &str, oob_code: &str, code: &str) -> Request<Full<Bytes>> {
    let shown = format!("mfa_token={mfa_token}&oob_code={oob_code}&binding_code={code}");
    post("/oauth/token", FORM, format!("client_id=app&grant_type={GRANT}oob&{shown}"))
}

/// The grant of a recovery code at `app`.
pub fn recovery(mfa_token: &str, code: &str) -> Request<Full<Bytes>> {
    let shown = format!("mfa_token={mfa_token}&recovery_code={code}");
    post("/oauth/token", FORM, format!("client_id=app&grant_type={GRANT}recovery-code&{shown}"))
}

/// A challenge of this authenticator.
pub fn challenge(mfa_token: &str, authenticator: &str) -> Request<Full<Bytes>> {
    let asked = json!({ "client_id": "app", "mfa_token": mfa_token, "authenticator_id": authenticator });
    post("/mfa/challenge", "application/json", asked.to_string())
}

/// The removal of this authenticator.
pub fn remove(bearer: &str, authenticator: &str) -> Request<Full<Bytes>> {
    let path = format!("/mfa/authenticators/{}", authenticator.replace('|', "%7C"));
    let mut request = post(&path, FORM, String::new());
    *request.method_mut() = Method::DELETE;
    request.headers_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    request
}

/// An identifier like this one that is nobody's.
pub fn nobodys(identifier: &str) -> String {
    let (start, last) = identifier.split_at(identifier.len() - 1);
    let other = format!("{start}{}", if last == "A" { 'Q' } else { 'A' });
    assert!(AuthenticatorId::parse(&other).is_some());
    other
}

fn post(path: &str, media_type: &str, body: String) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).uri(path).header("content-type", media_type);
    let mut request = request.body(Full::new(Bytes::from(body))).unwrap();
    let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    request.extensions_mut().insert(peer);
    request
}
