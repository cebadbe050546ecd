//! Leaving the grant: an end that is rehearsed, taken in steps and taken back (RFC 9700 section 2.4, RFC 6749 section 5.2).

mod brownouts;
mod families;
mod look_up;
mod plans;
mod ramp;
mod real_client;
#[cfg(feature = "mfa")]
mod with_factors;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tower_password_grant::audit::Reason;
use tower_password_grant::client::{ClientBuilder, Sunset};
use tower_password_grant::mount::Profile;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Builder, Client, ClientRegistry, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant,
    PasswordGrantLayer, PeerAddress, Subject, Verdict,
};

use crate::support::capture::{self, Audited};
use crate::support::faults::{Ledger, Switch};
use crate::support::protection::counted_by;
use crate::support::{Answer, ManualClock, send_in, token_request};

pub const DAY: Duration = Duration::from_secs(86_400);
pub const HOUR: Duration = Duration::from_secs(3600);
pub const GUIDE: &str = "https://docs.example/move";

/// So many days after the start of the clock.
pub fn day(days: u32) -> SystemTime {
    ManualClock::start() + DAY * days
}

/// An end on day 100, with a guide.
pub fn plan() -> Sunset {
    Sunset::at(day(100)).with_link(GUIDE).unwrap()
}

/// The same with a ramp from day 50 on.
pub fn ramp() -> Sunset {
    plan().ramp_from(day(50)).unwrap()
}

/// A registry whose clients change while the endpoint runs.
#[derive(Clone, Default)]
pub struct Moving(Arc<Mutex<Vec<Client>>>);

impl Moving {
    pub fn put(&self, client: ClientBuilder) {
        let client = client.build().unwrap();
        let mut clients = self.0.lock().unwrap();
        clients.retain(|known| known.id() != client.id());
        clients.push(client);
    }
}

#[async_trait]
impl ClientRegistry for Moving {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        Ok(self.0.lock().unwrap().iter().find(|client| client.id().as_str() == client_id).cloned())
    }
}

/// Knows every name, with the password `right`; the name is the subject.
#[derive(Clone, Default)]
pub struct Everybody(Arc<AtomicUsize>);

#[async_trait]
impl CredentialVerifier for Everybody {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.0.fetch_add(1, SeqCst);
        let is_right = attempt.password().expose() == "right";
        let name = attempt.username().to_owned();
        Ok(if is_right { Subject::new(name).into() } else { Denial::WrongPassword.into() })
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

pub type LeavingBuilder = Builder<Moving, Everybody, OpaqueIssuer<Arc<MemoryAccessTokens>>>;

/// An endpoint whose client `app` is on its way to an end.
pub struct Bed {
    pub layer: PasswordGrantLayer,
    pub profile: Profile,
    pub clock: ManualClock,
    pub clients: Moving,
    pub users: Everybody,
    pub ledger: Ledger,
    pub audit: Arc<Mutex<Vec<Audited>>>,
}

/// The client without a plan.
pub fn app() -> ClientBuilder {
    Client::public("app").allow_password_grant().allow_refresh_tokens().scopes("read").default_scope("read")
}

impl Bed {
    pub fn new(plan: Sunset) -> Self {
        Self::with(plan, |builder| builder)
    }

    pub fn with(plan: Sunset, change: impl FnOnce(LeavingBuilder) -> LeavingBuilder) -> Self {
        Self::of(Profile::Rfc6749, plan, change)
    }

    pub fn of(profile: Profile, plan: Sunset, change: impl FnOnce(LeavingBuilder) -> LeavingBuilder) -> Self {
        capture::keep_listening();
        let (clock, clients, users) = (ManualClock::new(), Moving::default(), Everybody::default());
        let ledger = Ledger::new(Switch::new(), Switch::new());
        let (audit, sink) = capture::sink();
        clients.put(app().sunset(plan));
        let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new()).lifetime(DAY * 300).idle_lifetime(DAY * 300);
        let issuer = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let builder = PasswordGrant::builder()
            .clients(clients.clone())
            .verifier(users.clone())
            .access_tokens(issuer.clone())
            .issuer(issuer)
            .peer_address(PeerAddress::socket_addr())
            .refresh_tokens(refresh)
            .attack_protection(counted_by(ledger.clone()))
            .clock(clock.clone())
            .audit(sink)
            .profile(profile);
        let layer = change(builder).build().unwrap();
        Self { layer, profile, clock, clients, users, ledger, audit }
    }

    /// Moves the clock on to this day, or to a time beside it.
    pub fn go_to(&self, time: SystemTime) {
        use tower_password_grant::clock::Clock as _;
        self.clock.advance(time.duration_since(self.clock.now()).unwrap());
    }

    pub async fn token(&self, body: &str) -> Answer {
        send_in(self.profile, &self.layer, token_request(&[], &format!("client_id=app&{body}"))).await
    }

    pub async fn login(&self, user: &str) -> Answer {
        self.token(&login(user, "right")).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.token(&format!("grant_type=refresh_token&refresh_token={token}")).await
    }

    /// How often the verifier was asked about a password.
    pub fn calls(&self) -> usize {
        self.users.0.load(SeqCst)
    }

    /// Why the last request was refused.
    pub fn reason(&self) -> Option<Reason> {
        self.audit.lock().unwrap().last().unwrap().reason
    }

    /// Charges of accounts that were neither given back nor forgotten.
    pub fn charged(&self) -> u64 {
        self.ledger.book().account.left
    }
}

pub fn login(user: &str, password: &str) -> String {
    format!("grant_type=password&username={user}&password={password}")
}

/// The refusal of a client whose end has reached the user.
#[track_caller]
pub fn assert_out(answer: &Answer) {
    assert_eq!(answer.status, 400, "{answer:?}");
    let expected = serde_json::json!({
        "error": "unauthorized_client",
        "error_description": "the client may not use this grant type",
        "error_uri": GUIDE,
    });
    assert_eq!(answer.json(), expected);
    // Which is announced as ever.
    assert!(
        answer.header("sunset").is_some() && answer.header("link").is_some() && answer.header("retry-after").is_none()
    );
}

/// All that a client sees of an answer.
pub fn bytes(answer: &Answer) -> (http::StatusCode, http::HeaderMap, bytes::Bytes) {
    (answer.status, answer.headers.clone(), answer.body.clone())
}
