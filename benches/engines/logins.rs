//! Logins through the layer, as one of several servers has it, and what their counting alone costs.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;
use tower_password_grant::limiter::{
    AttackProtection, AttemptKey, AttemptLimiter, AttemptRecords, Guess, Limits, LoadedRecords, RecordChange,
    RecordKey, RequestCeiling, Reserved, Settlement, SharedKey, StoredLimiter, TokenBucket,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::{AccountKey, Recheck};
use tower_password_grant::{
    Attempt, BackendError, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress,
    StaticClients, Subject, Verdict,
};

use super::clients::{APP, AUDIENCE, SCOPE, Tokens};
use super::measured::Client;
use super::names::Random;

pub const PASSWORD: &str = "correct horse";

/// Every user has the same password, which costs no time to verify.
struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let is_right = attempt.password().expose() == PASSWORD;
        Ok(if is_right { Subject::new(attempt.username().to_owned()).into() } else { Denial::WrongPassword.into() })
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

/// The limits, but for an address that very many users share.
fn limits() -> Limits {
    Limits::new().with_address_budget(TokenBucket::new(u32::MAX, Duration::from_millis(1)))
}

pub fn key() -> SharedKey {
    SharedKey::new([7; 32]).unwrap()
}

pub fn limiter<R: AttemptRecords>(records: R) -> StoredLimiter<R> {
    StoredLimiter::new(records, &key()).with_limits(limits())
}

/// How long the tokens of a login live: of the access token, and of all of it.
#[derive(Clone, Copy)]
pub struct Lifetimes(pub Duration, pub Duration);

pub const HOUR_AND_MONTH: Lifetimes = Lifetimes(Duration::from_secs(3600), Duration::from_secs(30 * 24 * 3600));

/// An endpoint over these stores.
pub fn layer(tokens: impl Tokens, records: impl AttemptRecords, lifetimes: Lifetimes) -> PasswordGrantLayer {
    let app = tower_password_grant::Client::public(APP).allow_password_grant().allow_refresh_tokens().scopes(SCOPE);
    let Lifetimes(access, login) = lifetimes;
    PasswordGrant::builder()
        .clients(StaticClients::new([app.build().unwrap()]).unwrap())
        .verifier(Users)
        .issuer(OpaqueIssuer::new(tokens.clone()).with_audience([AUDIENCE]))
        .access_token_lifetime(access)
        .refresh_tokens(RefreshTokens::in_store(tokens).lifetime(login).idle_lifetime(login))
        .attack_protection(
            AttackProtection::new()
                .limiter(Arc::new(limiter(records)))
                .shared_key(key())
                .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
        )
        .peer_address(PeerAddress::extension(|address: &IpAddr| Some(*address)))
        .build()
        .unwrap()
}

/// One of 65,536 addresses.
pub fn address(random: &mut Random) -> IpAddr {
    let [high, low] = (random.below(65_536) as u16).to_be_bytes();
    Ipv4Addr::new(10, 0, high, low).into()
}

pub async fn post(layer: &PasswordGrantLayer, address: IpAddr, form: String) -> (StatusCode, Bytes) {
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .extension(address)
        .body(Full::new(Bytes::from(form)))
        .unwrap();
    let answer = layer.endpoint().oneshot(request).await.unwrap();
    (answer.status(), answer.into_body().collect().await.unwrap().to_bytes())
}

pub fn login_form(user: u64, password: &str) -> String {
    let password = password.replace(' ', "+");
    format!("grant_type=password&client_id={APP}&scope={SCOPE}&username=user-{user}&password={password}")
}

/// Logs users in, each time another one from another address.
pub struct Logins {
    layer: PasswordGrantLayer,
    users: u64,
    random: Random,
}

pub fn logins(layer: &PasswordGrantLayer, users: u64, clients: usize) -> Vec<Logins> {
    (0..clients).map(|_| Logins { layer: layer.clone(), users, random: Random::new() }).collect()
}

impl Client for Logins {
    async fn once(&mut self) {
        let (user, address) = (self.random.below(self.users), address(&mut self.random));
        let (status, body) = post(&self.layer, address, login_form(user, PASSWORD)).await;
        assert_eq!(status, StatusCode::OK, "{body:?}");
    }
}

/// How often a store of records was called.
#[derive(Default)]
pub struct Calls {
    pub loads: AtomicU64,
    pub swaps: AtomicU64,
    pub conflicts: AtomicU64,
}

/// A store of records whose calls are counted.
#[derive(Clone)]
pub struct Counted<R> {
    records: R,
    pub calls: Arc<Calls>,
}

impl<R> Counted<R> {
    pub fn new(records: R) -> Self {
        Self { records, calls: Arc::default() }
    }
}

#[async_trait]
impl<R: AttemptRecords> AttemptRecords for Counted<R> {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        self.calls.loads.fetch_add(1, Ordering::Relaxed);
        self.records.load(keys).await
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        let is_done = self.records.swap(changes).await?;
        let count = if is_done { &self.calls.swaps } else { &self.calls.conflicts };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(is_done)
    }

    fn most_records(&self) -> usize {
        self.records.most_records()
    }
}

/// What a login's counting does: reserves an attempt and settles it.
pub struct Counting<R> {
    limiter: Arc<StoredLimiter<R>>,
    users: u64,
    /// Where all of them come from; else each from another one.
    address: Option<IpAddr>,
    random: Random,
}

impl<R: AttemptRecords> Counting<R> {
    pub fn new(limiter: Arc<StoredLimiter<R>>, users: u64, address: Option<IpAddr>) -> Self {
        Self { limiter, users, address, random: Random::new() }
    }

    /// One login, of this user or of any.
    pub async fn login(&mut self, user: Option<&str>) -> Result<(), BackendError> {
        let name = user.map_or_else(|| format!("user-{}", self.random.below(self.users)), str::to_owned);
        let account = AccountKey::resolved(&name);
        let address = self.address.unwrap_or_else(|| address(&mut self.random));
        let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, Some(address));
        let Reserved::Charged(reservation) = self.limiter.reserve(&key).await? else { panic!("no budget is spent") };
        self.limiter.settle(reservation, Settlement::Success).await?;
        Ok(())
    }
}

impl<R: AttemptRecords> Client for Counting<R> {
    async fn once(&mut self) {
        self.login(None).await.unwrap();
    }
}
