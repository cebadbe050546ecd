//! Traffic through the layer, with the audit trail that an application keeps: what the ledgers are recounted from.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::audit::{AuditEvent, AuditOutcome, AuditSink};
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::clock::{Clock, SharedClock};
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::limiter::{AttackProtection, Limits, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::usage::{Day, LoginWay, UsageLedger};
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Client, ClientId, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant,
    PasswordGrantLayer, PeerAddress, StaticClients, Subject, Verdict,
};

pub const CLIENTS: [&str; 3] = ["app", "cli", "staff"];
const REALMS: [&str; 2] = ["one", "two"];
const TICKET: &str = "urn:example:ticket";
const PASSPHRASE: &str = "urn:example:passphrase";
const IN_REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
/// So many days the traffic lasts.
pub const DAYS: u64 = 45;

/// A clock that shows what it is set to, in milliseconds from a midnight on.
#[derive(Clone, Debug, Default)]
struct Dial(Arc<AtomicU64>);

impl Clock for Dial {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(20_600 * 86_400) + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Numbers that look random, and are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// A login or a refresh, as the audit trail has it.
#[derive(Clone, Copy)]
pub struct Line {
    /// Among [`CLIENTS`].
    pub client: u8,
    /// 0, or one more than among the realms.
    pub realm: u8,
    pub user: u32,
    pub way: LoginWay,
    pub by_password: bool,
    pub is_refresh: bool,
    pub day: Day,
    pub family_ends: Option<Day>,
}

/// The identifier of a user, of 36 characters. Its number can be read from it.
pub fn identifier(user: u32) -> String {
    let rest = u128::from(user).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let hex = format!("{user:08x}{rest:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

/// The client of a user, among [`CLIENTS`].
const fn client_of(user: u32) -> u8 {
    match user % 8 {
        0 => 0,
        1..=5 => 1,
        _ => 2,
    }
}

impl Line {
    fn of(event: &AuditEvent<'_>) -> Option<Self> {
        let AuditOutcome::Issued { subject, .. } = event.outcome else { return None };
        let way = match event.origin? {
            "password" => LoginWay::Password,
            IN_REALM => LoginWay::Realm,
            _ => LoginWay::Extension,
        };
        Some(Self {
            client: CLIENTS.iter().position(|client| *client == event.client.unwrap().as_str())? as u8,
            realm: event.realm.map_or(0, |realm| 1 + REALMS.iter().position(|own| *own == realm).unwrap() as u8),
            user: u32::from_str_radix(&subject[..8], 16).unwrap(),
            way,
            by_password: event.by_password,
            is_refresh: event.grant_type? == "refresh_token",
            day: Day::of(event.at),
            family_ends: event.family.map(|family| Day::from_which(family.expires())),
        })
    }
}

type Trail = Arc<Mutex<Vec<Line>>>;

/// An application's own: it keeps the trail, and hands the events on to a ledger.
struct Sink {
    trail: Trail,
    ledger: UsageLedger,
}

impl AuditSink for Sink {
    fn record(&self, event: &AuditEvent<'_>) {
        self.trail.lock().unwrap().extend(Line::of(event));
        self.ledger.record(event);
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.ledger.follow_clock(clock)
    }
}

struct Everybody;

#[async_trait]
impl CredentialVerifier for Everybody {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match attempt.password().expose() {
            "right" => Subject::new(attempt.username().to_owned()).into(),
            _ => Denial::WrongPassword.into(),
        })
    }

    async fn recheck(&self, recheck: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(recheck.subject_id().to_owned()).into())
    }
}

struct OwnGrant {
    name: &'static str,
    begins_password_login: bool,
}

#[async_trait]
impl ExtensionGrant for OwnGrant {
    fn grant_type(&self) -> &str {
        self.name
    }

    fn begins_password_login(&self) -> bool {
        self.begins_password_login
    }

    fn required_fields(&self) -> &[&str] {
        &["user"]
    }

    fn account_key<'a>(
        &'a self,
        _: &'a ExtensionRequest,
    ) -> tower_password_grant::MaybeFuture<'a, Result<Option<tower_password_grant::user::AccountKey<'a>>, BackendError>>
    {
        tower_password_grant::MaybeFuture::ready(Ok(None))
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        Ok(Subject::new(request.field("user").unwrap().to_owned()).into())
    }
}

fn clients() -> Vec<Client> {
    let all = |client: ClientBuilder| {
        client.allow_password_grant().allow_grant(TICKET).allow_grant(PASSPHRASE).scopes("read").default_scope("read")
    };
    let [app, cli, staff] = CLIENTS.map(|id| all(Client::public(id)));
    let staff = staff.allow_realm_grant().realms(REALMS);
    [app.allow_refresh_tokens(), cli, staff].map(|client| client.build().unwrap()).into()
}

/// The layer, with a ledger that it notes logins in, and another one behind the trail.
pub struct World {
    layer: PasswordGrantLayer,
    clock: Dial,
    dice: Dice,
    /// By notes of the layer.
    pub noted: UsageLedger,
    /// By the events of the trail.
    pub told: UsageLedger,
    trail: Trail,
    tokens: Vec<String>,
    refused: u64,
}

impl World {
    pub fn new(users: usize, noted: UsageLedger, told: UsageLedger) -> Self {
        let (clock, trail) = (Dial::default(), Trail::default());
        let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let grant = |name, begins_password_login| OwnGrant { name, begins_password_login };
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new(clients()).unwrap())
            .verifier(Everybody)
            .issuer(access.clone())
            .access_tokens(access)
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new().with_capacity(users).unwrap()))
            .extension_grant(grant(TICKET, false))
            .extension_grant(grant(PASSPHRASE, true))
            .attack_protection(
                // All come from one address.
                AttackProtection::new()
                    .limiter(MemoryLimiter::new().with_limits(
                        Limits::new().with_address_budget(TokenBucket::new(u32::MAX, Duration::from_millis(1))),
                    ))
                    .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
            )
            .peer_address(PeerAddress::extension(|peer: &SocketAddr| Some(peer.ip())))
            .clock(clock.clone())
            .usage(noted.clone())
            .audit(Sink { trail: Arc::clone(&trail), ledger: told.clone() })
            .build()
            .unwrap();
        Self { layer, clock, dice: Dice(1), noted, told, trail, tokens: Vec::new(), refused: 0 }
    }

    /// All of them log in at least once, most in a random order with those who come again, over the days of the traffic.
    pub async fn pass(&mut self, users: u32) {
        let steps = u64::from(users) * 8 / 5;
        let mut next = 0;
        for step in 0.. {
            // A day for each part of the steps, from its midnight to the next.
            let at = step * DAYS * 86_400_000 / steps;
            self.clock.0.store(at.min(DAYS * 86_400_000 - 1), Ordering::Relaxed);
            if next < users && (self.dice.roll(8) < 5 || next < 100) {
                self.login(next).await;
                next += 1;
            } else if step < steps {
                let user = self.dice.roll(next as usize) as u32;
                self.again(user).await;
            }
            if next == users && step >= steps {
                break;
            }
            if step % 20_000 == 0 {
                self.flush().await;
            }
        }
        self.flush().await;
    }

    async fn flush(&self) {
        self.noted.flush().await.unwrap();
        self.told.flush().await.unwrap();
    }

    /// The first login of a user.
    async fn login(&mut self, user: u32) {
        let id = identifier(user);
        let client = CLIENTS[client_of(user) as usize];
        match self.dice.roll(10) {
            0 => self.send(&format!("grant_type={TICKET}&client_id={client}&user={id}")).await,
            1 => self.send(&format!("grant_type={PASSPHRASE}&client_id={client}&user={id}")).await,
            _ => self.password(user, "right").await,
        };
    }

    async fn password(&mut self, user: u32, password: &str) {
        let (id, client) = (identifier(user), CLIENTS[client_of(user) as usize]);
        let login = format!("client_id={client}&username={id}&password={password}");
        if client == "staff" && self.dice.roll(2) == 0 {
            self.send(&format!("grant_type={IN_REALM}&realm=two&{login}")).await;
        } else {
            self.send(&format!("grant_type=password&{login}")).await;
        }
    }

    /// Something of a user who was there before.
    async fn again(&mut self, user: u32) {
        match self.dice.roll(8) {
            0 => self.password(user, "wrong").await,
            1 | 2 => self.password(user, "right").await,
            3 => self.login(user).await,
            4 | 5 => self.note(user),
            _ if self.tokens.is_empty() => {}
            _ => {
                let at = self.dice.roll(self.tokens.len());
                let token = self.tokens.swap_remove(at);
                self.send(&format!("grant_type=refresh_token&client_id=app&refresh_token={token}")).await;
            }
        }
    }

    /// A login past the endpoint.
    fn note(&self, user: u32) {
        let (at, client, subject) = (self.clock.now(), client_of(user), identifier(user));
        // Of the realm in which the user has logged in, or of none.
        let realm = if CLIENTS[client as usize] == "staff" { 1 } else { 0 };
        let id = ClientId::new(CLIENTS[client as usize]).unwrap();
        for ledger in [&self.noted, &self.told] {
            ledger.note(&id, &subject, (realm > 0).then_some(REALMS[0]), at);
        }
        self.trail.lock().unwrap().push(Line {
            client,
            realm,
            user,
            way: LoginWay::Elsewhere,
            by_password: false,
            is_refresh: false,
            day: Day::of(at),
            family_ends: None,
        });
    }

    async fn send(&mut self, body: &str) {
        let mut request = Request::post("/oauth/token")
            .header("host", "server.example.com")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))
            .unwrap();
        request.extensions_mut().insert(SocketAddr::from(([192, 0, 2, 1], 4711)));
        let inner =
            service_fn(|_: Request<Full<Bytes>>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))) });
        let response = self.layer.layer(inner).oneshot(request).await.unwrap();
        if !response.status().is_success() {
            self.refused += 1;
            return;
        }
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json: Value = serde_json::from_slice(&body).unwrap();
        if let Some(token) = json["refresh_token"].as_str() {
            self.tokens.push(token.to_owned());
        }
    }

    /// The trail, and how many requests were refused.
    pub fn trail(&self) -> (Vec<Line>, u64) {
        (self.trail.lock().unwrap().clone(), self.refused)
    }
}

/// The name of a realm of a line.
pub fn realm_name(realm: u8) -> Option<&'static str> {
    realm.checked_sub(1).map(|realm| REALMS[realm as usize])
}
