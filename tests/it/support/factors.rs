//! An endpoint with second factors: clients, users whose state changes, an outbox for codes, and an authenticator app.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::audit::{AuditEvent, AuditOutcome};
use tower_password_grant::clock::Clock as _;
use tower_password_grant::mfa::{
    AuthenticatorKind, Channel, CodeDelivery, Delivery, DeliveryStatus, FactorUser, Factors,
};
use tower_password_grant::mount::{Metadata, Profile};
use tower_password_grant::store::{FactorStore as _, MemoryAccessTokens, MemoryFactors, MemoryRefreshTokens};
use tower_password_grant::token::{AuthenticationMethod, AuthenticationMethods, RefreshTokens};
use tower_password_grant::user::{Recheck, SecretKeys};
use tower_password_grant::{
    Attempt, BackendError, Builder, Client, ClientRegistry, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant,
    PasswordGrantLayer, PeerAddress, StaticClients, Subject, Verdict,
};

pub use super::totp::totp;
use super::{Answer, ManualClock, digest};

pub const ISSUER: &str = "https://as.example/";
/// The audience of the endpoints of second factors.
pub const AUDIENCE: &str = "https://as.example/mfa/";
pub const PASSWORD: &str = "correct horse";
pub const ORIGIN: &str = "https://app.example";

/// Users with one password, whose credentials change and whose accounts are locked.
#[derive(Clone, Default)]
pub struct People(Arc<Mutex<HashMap<String, Person>>>);

#[derive(Clone, Default)]
struct Person {
    changes: u32,
    is_locked: bool,
    shows_factor: bool,
}

impl People {
    /// The password of the user was changed, to the same one.
    pub fn change_password(&self, name: &str) {
        self.change(name, |person| person.changes += 1);
    }

    pub fn lock(&self, name: &str) {
        self.change(name, |person| person.is_locked = true);
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Person)) {
        change(self.0.lock().unwrap().entry(name.to_owned()).or_default());
    }

    fn verdict(&self, name: &str) -> Verdict {
        let person = self.0.lock().unwrap().get(name).cloned().unwrap_or_default();
        if person.is_locked {
            return Denial::Disabled.into();
        }
        let subject = Subject::new(format!("user-{name}")).with_credential_version(person.changes.to_string());
        // One of them has another name on the screen.
        let subject = if name == "pat" { subject.with_login_name("pat@example.com") } else { subject };
        let verdict = Verdict::from(subject);
        let shown = AuthenticationMethods::NONE.with(AuthenticationMethod::Otp);
        if person.shows_factor { verdict.with_methods(shown) } else { verdict }
    }
}

#[async_trait]
impl CredentialVerifier for People {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if attempt.password().expose() == PASSWORD {
            Ok(self.verdict(attempt.username()))
        } else {
            Ok(Denial::WrongPassword.into())
        }
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        let name = login.subject_id().strip_prefix("user-");
        Ok(name.map_or_else(|| Denial::UnknownUser.into(), |name| self.verdict(name)))
    }
}

/// What was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: String,
    pub channel: Channel,
    pub contact: String,
    pub code: Option<String>,
    pub subject: String,
}

/// Keeps codes instead of sending them, and answers what a test says for another device.
#[derive(Clone, Default)]
pub struct Outbox {
    sent: Arc<Mutex<Vec<Sent>>>,
    answer: Arc<Mutex<Option<DeliveryStatus>>>,
}

impl Outbox {
    pub fn all(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }

    pub fn last(&self) -> Sent {
        self.all().pop().expect("nothing was sent")
    }

    /// What the user answers on the other device from now on.
    pub fn answer(&self, status: DeliveryStatus) {
        *self.answer.lock().unwrap() = Some(status);
    }
}

#[async_trait]
impl CodeDelivery for Outbox {
    async fn deliver(&self, delivery: Delivery<'_>) -> Result<(), BackendError> {
        self.sent.lock().unwrap().push(Sent {
            id: delivery.id.to_owned(),
            channel: delivery.channel,
            contact: delivery.contact.to_owned(),
            code: delivery.code.map(str::to_owned),
            subject: delivery.user.subject.to_owned(),
        });
        Ok(())
    }

    async fn status(&self, _: &str) -> Result<DeliveryStatus, BackendError> {
        Ok(self.answer.lock().unwrap().unwrap_or(DeliveryStatus::Pending))
    }

    async fn enrolment_uri(&self, _: FactorUser<'_>, contact: &str) -> Result<Option<String>, BackendError> {
        Ok(Some(format!("example-push://enrol?device={contact}")))
    }
}

pub type FactorBuilder = Builder<StaticClients, People, OpaqueIssuer<Arc<MemoryAccessTokens>>>;

/// The endpoint, and what a test looks at.
#[derive(Clone)]
pub struct FactorBed {
    pub layer: PasswordGrantLayer,
    pub people: People,
    pub outbox: Outbox,
    pub store: Arc<MemoryFactors>,
    pub clock: ManualClock,
    /// One line for each answer: what was done, its client and its user, or why it was refused.
    pub events: Arc<Mutex<Vec<String>>>,
}

/// Public clients `app`, of a page, and `plain`, without second factors; `shop`, which has a secret; `staff`, which lists realms.
pub fn clients() -> Vec<Client> {
    let app = |client: tower_password_grant::client::ClientBuilder| {
        client.allow_password_grant().allow_refresh_tokens().scopes("read transfer").default_scope("read")
    };
    let factors = |client| app(client).allow_second_factor();
    let all = [
        factors(Client::public("app")).allow_origin(ORIGIN),
        factors(Client::public("other")),
        factors(Client::confidential("shop", &digest("s3cret"))),
        factors(Client::public("staff")).realms(["one", "two"]),
        app(Client::public("plain")),
    ];
    all.map(|client| client.build().unwrap()).into()
}

/// The factors of the bed: apps, each channel, and two recovery codes.
pub fn factors(store: &Arc<MemoryFactors>, outbox: &Outbox) -> Factors {
    let factors = Factors::new(Arc::clone(store), SecretKeys::random().unwrap()).totp("Example Bank").recovery_codes(2);
    Channel::ALL.into_iter().fold(factors, |factors, channel| factors.deliver(channel, outbox.clone()))
}

impl FactorBed {
    pub fn new() -> Self {
        Self::with(|factors| factors, |builder| builder)
    }

    pub fn of(profile: Profile) -> Self {
        Self::with(|factors| factors, |builder| builder.profile(profile))
    }

    pub fn with<C: ClientRegistry>(
        change_factors: impl FnOnce(Factors) -> Factors,
        change: impl FnOnce(FactorBuilder) -> Builder<C, People, OpaqueIssuer<Arc<MemoryAccessTokens>>>,
    ) -> Self {
        let (people, outbox, clock) = (People::default(), Outbox::default(), ManualClock::new());
        let store = Arc::new(MemoryFactors::new());
        let events: Arc<Mutex<Vec<String>>> = Arc::default();
        let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let lines = Arc::clone(&events);
        let builder = PasswordGrant::builder()
            .clients(StaticClients::new(clients()).unwrap())
            .verifier(people.clone())
            .issuer(access.clone())
            .access_tokens(access)
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .metadata(Metadata::new(ISSUER))
            .second_factor(change_factors(factors(&store, &outbox)))
            .clock(clock.clone())
            .audit(move |event: &AuditEvent<'_>| lines.lock().unwrap().push(line(event)))
            .peer_address(PeerAddress::socket_addr());
        let layer = change(builder).build().unwrap();
        Self { layer, people, outbox, store, clock, events }
    }

    /// Sends a request through the layer around an inner service that answers 200 `inner`.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Answer {
        let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
        if request.extensions().get::<SocketAddr>().is_none() {
            request.extensions_mut().insert(peer);
        }
        let head_only = request.method() == Method::HEAD;
        let inner = service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
        });
        let (parts, body) = self.layer.layer(inner).oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body, head_only }
    }

    /// A token request, as a form.
    pub async fn token(&self, body: &str) -> Answer {
        self.send(request(Method::POST, "/oauth/token", &[FORM], body)).await
    }

    /// The password of this user at `app`, with more parameters.
    pub async fn login(&self, name: &str, more: &str) -> Answer {
        self.token(&format!("client_id=app&grant_type=password&username={name}&password=correct+horse&{more}")).await
    }

    /// An access token for the endpoints of second factors, with all their scopes.
    pub async fn manager(&self, name: &str) -> String {
        let scope = "enroll+read:authenticators+remove:authenticators";
        let json = self.login(name, &format!("audience={AUDIENCE}&scope={scope}")).await.assert_ok();
        json["access_token"].as_str().unwrap().to_owned()
    }

    /// `GET /mfa/authenticators`, as SDKs send it.
    pub async fn list(&self, bearer: &str) -> Answer {
        self.send(request(Method::GET, "/mfa/authenticators", &[JSON, ("authorization", &bearer_of(bearer))], "")).await
    }

    /// `POST /mfa/associate` with JSON.
    pub async fn associate(&self, bearer: &str, body: &Value) -> Answer {
        let headers = [JSON, ("authorization", &*bearer_of(bearer))];
        self.send(request(Method::POST, "/mfa/associate", &headers, &body.to_string())).await
    }

    /// `DELETE /mfa/authenticators/{id}`; the id is sent as it is.
    pub async fn remove(&self, bearer: &str, id: &str) -> Answer {
        let path = format!("/mfa/authenticators/{id}");
        self.send(request(Method::DELETE, &path, &[("authorization", &bearer_of(bearer))], "")).await
    }

    /// Enrols an authenticator app with this bearer: its secret, as people type it, and the whole answer.
    pub async fn enrol_app(&self, bearer: &str) -> (String, Value) {
        let answer = self.associate(bearer, &json!({ "authenticator_types": ["otp"] })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        (json["secret"].as_str().unwrap().to_owned(), json)
    }

    /// The same of a login that showed a second factor, which its verifier says.
    pub async fn strong(&self, name: &str) -> String {
        self.people.change(name, |person| person.shows_factor = true);
        let bearer = self.manager(name).await;
        self.people.change(name, |person| person.shows_factor = false);
        bearer
    }

    /// Has what waits of this user become active, as by a first right code.
    pub async fn activate(&self, name: &str) {
        let subject = format!("user-{name}");
        let (user, now) = (FactorUser::new(None, &subject), self.clock.now());
        let waiting = self.store.list(user, now).await.unwrap();
        let waiting = waiting.iter().find(|one| one.kind != AuthenticatorKind::RecoveryCodes && !one.is_active);
        assert!(self.store.confirm(user, &waiting.expect("nothing waits").id, false, now).await.unwrap());
    }

    /// The grant of an authenticator app at `app`.
    pub async fn redeem_otp(&self, mfa_token: &str, otp: &str) -> Answer {
        let grant = "http://auth0.com/oauth/grant-type/mfa-otp";
        self.token(&format!("client_id=app&grant_type={grant}&mfa_token={mfa_token}&otp={otp}")).await
    }

    /// The code that an authenticator app with this secret shows now.
    pub fn code(&self, secret: &str) -> String {
        totp(secret, self.clock.now().duration_since(UNIX_EPOCH).unwrap())
    }

    /// The code that it showed so long ago.
    pub fn code_at(&self, secret: &str, ago: Duration) -> String {
        totp(secret, self.clock.now().duration_since(UNIX_EPOCH).unwrap() - ago)
    }

    /// The code that it is going to show so much later.
    pub fn code_ahead(&self, secret: &str, later: Duration) -> String {
        totp(secret, self.clock.now().duration_since(UNIX_EPOCH).unwrap() + later)
    }

    /// A user with an active authenticator app: enrolled with an access token and confirmed by a first code. Gives its secret; the
    /// clock goes on by a step, so that the next code is another one.
    pub async fn enrolled(&self, name: &str) -> String {
        let (secret, json) = self.enrol_app(&self.manager(name).await).await;
        self.redeem_otp(json["mfa_token"].as_str().unwrap(), &self.code(&secret)).await.assert_ok();
        self.clock.advance(Duration::from_secs(30));
        secret
    }

    pub fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    pub fn last_event(&self) -> String {
        self.events().pop().expect("there was no event")
    }
}

pub const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
pub const JSON: (&str, &str) = ("content-type", "application/json");

pub fn bearer_of(token: &str) -> String {
    format!("Bearer {token}")
}

pub fn request(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path).header("host", "as.example");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

fn line(event: &AuditEvent<'_>) -> String {
    let client = event.client.map_or("-", |client| client.as_str());
    match event.outcome {
        AuditOutcome::Factor { step, subject, authenticator, .. } => {
            let kind = authenticator.map_or("-", |id| id.split('|').next().unwrap_or_default());
            format!("{} {client} {subject} {kind}", step.as_str())
        }
        AuditOutcome::Issued { subject, .. } => format!("issued {client} {subject}"),
        AuditOutcome::Refused { reason, .. } => format!("refused {client} {reason}"),
        _ => "other".to_owned(),
    }
}
