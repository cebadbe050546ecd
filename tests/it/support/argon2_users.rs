//! A user store to look into, and an endpoint over it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier, Argon2VerifierBuilder};
use tower_password_grant::audit::{AuditEvent, AuditOutcome};
use tower_password_grant::limiter::{Limits, Lockout, MemoryLimiter, TokenBucket};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::store::{LoginName, StoredUser, UserStatus, UserStore};
use tower_password_grant::token::Token;
use tower_password_grant::{
    BackendError, Client, CredentialVerifier, Grant, IssuedTokens, Password, PasswordGrant, PasswordGrantLayer,
    PeerAddress, StaticClients, issue_fn,
};

use crate::support::protection::without_ceiling;
use crate::support::{Answer, clients, digest, from_peer, send, spawn, token_request};

pub const CONF: (&str, &str) = ("authorization", "Basic Y29uZjpzM2NyZXQ=");

#[derive(Clone, Debug, Default)]
pub struct Row {
    pub hash: Option<String>,
    pub status: UserStatus,
}

pub type Hook = Box<dyn Fn(&mut Row, usize) + Send>;

/// Rows by login name. The user `alice` has the id `id-alice`.
#[derive(Default)]
pub struct Users {
    pub rows: Mutex<HashMap<String, Row>>,
    pub lookups: Mutex<Vec<(String, Option<String>)>>,
    pub saves: Mutex<Vec<(String, String, String, bool)>>,
    pub fail_find: AtomicBool,
    /// `find` never answers.
    pub hang_find: AtomicBool,
    pub fail_save: AtomicBool,
    pub finds: AtomicUsize,
    /// Changes the row after the n-th look-up, as another request would.
    pub after_find: Mutex<Option<Hook>>,
    pub before_save: Mutex<Option<Hook>>,
    pub after_save: Mutex<Option<Hook>>,
    /// What the column makes of a hash that is saved.
    pub column: Mutex<Option<Column>>,
}

pub type Column = fn(&str) -> String;

impl Users {
    pub fn set(&self, login: &str, hash: impl Into<Option<String>>, status: UserStatus) {
        self.rows.lock().unwrap().insert(login.to_owned(), Row { hash: hash.into(), status });
    }

    pub fn hash(&self, login: &str) -> String {
        self.rows.lock().unwrap()[login].hash.clone().unwrap()
    }
}

#[async_trait]
impl UserStore for Users {
    async fn find(&self, login: &LoginName<'_>, realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let login = login.canonical();
        self.lookups.lock().unwrap().push((login.to_owned(), realm.map(str::to_owned)));
        if self.fail_find.load(Ordering::Relaxed) {
            return Err(BackendError::unavailable("the user table is gone"));
        }
        if self.hang_find.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        // A real store answers later than at the first poll.
        tokio::task::yield_now().await;
        let mut rows = self.rows.lock().unwrap();
        let Some(row) = rows.get_mut(login) else { return Ok(None) };
        let user = StoredUser::new(format!("id-{login}"))
            .with_password_hash(row.hash.clone())
            .with_status(row.status.clone())
            .with_data(login.len());
        let call = self.finds.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(hook) = &*self.after_find.lock().unwrap() {
            hook(row, call);
        }
        Ok(Some(user))
    }

    async fn save_hash(&self, user_id: &str, old: &str, new: &str) -> Result<bool, BackendError> {
        tokio::task::yield_now().await;
        if self.fail_save.load(Ordering::Relaxed) {
            return Err(BackendError::unavailable("read only"));
        }
        let mut rows = self.rows.lock().unwrap();
        let row = rows.get_mut(user_id.strip_prefix("id-").unwrap()).unwrap();
        if let Some(hook) = &*self.before_save.lock().unwrap() {
            hook(row, self.saves.lock().unwrap().len() + 1);
        }
        let replaced = row.hash.as_deref() == Some(old);
        if replaced {
            let column = self.column.lock().unwrap().unwrap_or(|text| text.to_owned());
            row.hash = Some(column(new));
        }
        self.saves.lock().unwrap().push((user_id.to_owned(), old.to_owned(), new.to_owned(), replaced));
        if let Some(hook) = &*self.after_save.lock().unwrap() {
            hook(row, self.saves.lock().unwrap().len());
        }
        Ok(replaced)
    }
}

/// Parameters whose hash takes no time.
pub fn cheap() -> Argon2Parameters {
    Argon2Parameters::new(64, 1, 1).unwrap()
}

pub fn hash_with(parameters: &Argon2Parameters, password: &str) -> String {
    parameters.hash_blocking(&Password::new(password.to_owned())).unwrap()
}

/// Budgets beyond what a storm of a test takes up, all of it from a few addresses; only that of an account and its address is small enough to be spent.
fn limiter() -> MemoryLimiter {
    let day = Duration::from_secs(24 * 3600);
    MemoryLimiter::new().with_limits(
        Limits::new()
            .with_budget(100, Duration::from_secs(900))
            .with_account_budget(Lockout::new(10_000, day))
            .with_address_budget(TokenBucket::new(10_000, day)),
    )
}

pub type Reasons = Arc<Mutex<Vec<String>>>;

/// An endpoint over the users, with a client `tenant` of the realm `acme`.
#[derive(Clone)]
pub struct House {
    pub users: Arc<Users>,
    pub verifier: Arc<Argon2Verifier<Arc<Users>>>,
    pub layer: PasswordGrantLayer,
    /// The true outcome of each request.
    pub reasons: Reasons,
    pub grants: Arc<Mutex<Vec<Grant>>>,
}

impl House {
    /// `alice` with a current hash of `correct horse`.
    pub fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub fn with(change: impl FnOnce(Argon2VerifierBuilder<Arc<Users>>) -> Argon2VerifierBuilder<Arc<Users>>) -> Self {
        let users = Arc::new(Users::default());
        users.set("alice", hash_with(&cheap(), "correct horse"), UserStatus::Active);
        let builder = Argon2Verifier::builder(Arc::clone(&users)).parameters(cheap()).threads(2);
        Self::over(users, change(builder.queue_deadline(PATIENCE)))
    }

    /// Apart from the change, so that it is compiled once and not for each of them.
    fn over(users: Arc<Users>, builder: Argon2VerifierBuilder<Arc<Users>>) -> Self {
        let verifier = Arc::new(builder.build().unwrap());
        let (reasons, grants) = (Reasons::default(), Arc::new(Mutex::new(Vec::new())));
        let layer = Self::layer(Arc::clone(&verifier), &reasons, &grants);
        Self { users, verifier, layer, reasons, grants }
    }

    /// The same users behind another verifier around theirs.
    pub fn within<V: CredentialVerifier>(self, around: impl FnOnce(Arc<Argon2Verifier<Arc<Users>>>) -> V) -> Self {
        let layer = Self::layer(around(Arc::clone(&self.verifier)), &self.reasons, &self.grants);
        Self { layer, ..self }
    }

    fn layer(
        verifier: impl CredentialVerifier,
        reasons: &Reasons,
        grants: &Arc<Mutex<Vec<Grant>>>,
    ) -> PasswordGrantLayer {
        let (heard, issued) = (Arc::clone(reasons), Arc::clone(grants));
        let tenant = Client::confidential("tenant", &digest("s3cret")).allow_password_grant().realm("acme");
        let mut clients = clients();
        clients.push(tenant.scopes("read").default_scope("read").build().unwrap());
        PasswordGrant::builder()
            .clients(StaticClients::new(clients).unwrap())
            .verifier(verifier)
            .issuer(issue_fn(move |grant: Grant| {
                issued.lock().unwrap().push(grant.clone());
                async move { Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime())) }
            }))
            .peer_address(PeerAddress::socket_addr())
            .attack_protection(without_ceiling().limiter(limiter()))
            .request_limits(RequestLimits::new().deadline(None))
            .audit(move |event: &AuditEvent<'_>| {
                let text = match event.outcome {
                    AuditOutcome::Issued { subject, .. } => subject.to_owned(),
                    AuditOutcome::Refused { reason, .. } => reason.as_str().to_owned(),
                    _ => "?".to_owned(),
                };
                heard.lock().unwrap().push(text);
            })
            .build()
            .unwrap()
    }

    /// Threads that begin to work when the sender is dropped.
    pub fn gated(
        change: impl FnOnce(Argon2VerifierBuilder<Arc<Users>>) -> Argon2VerifierBuilder<Arc<Users>>,
    ) -> (Self, mpsc::Sender<()>) {
        let (gate, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let hold = move || {
            let _ = wait.lock().unwrap().recv();
        };
        (Self::with(|builder| change(builder).on_thread_start(hold)), gate)
    }

    pub async fn log_in(&self, username: &str, password: &str) -> Answer {
        self.log_in_from("192.0.2.1", username, password).await
    }

    pub async fn log_in_from(&self, peer: &str, username: &str, password: &str) -> Answer {
        let encode = |text: &str| text.replace('%', "%25").replace('+', "%2B").replace('&', "%26").replace(' ', "+");
        let body = format!("grant_type=password&username={}&password={}", encode(username), encode(password));
        send(&self.layer, from_peer(token_request(&[CONF], &body), peer)).await
    }

    pub fn last_reason(&self) -> String {
        self.reasons.lock().unwrap().last().cloned().unwrap()
    }

    /// The runs of a password hash that `login` takes.
    pub async fn runs(&self, username: &str, password: &str) -> u64 {
        let before = self.verifier.stats().hashes;
        self.log_in(username, password).await;
        self.verifier.stats().hashes - before
    }
}

/// No test waits for this, however busy the machine is: it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn until(what: impl Fn() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .expect("it never happened");
}

pub type Login = tokio::task::JoinHandle<Answer>;

pub fn spawn_logins(house: &House, count: usize) -> Vec<Login> {
    spawn_logins_of(house, "alice", count)
}

pub fn spawn_logins_of(house: &House, name: &str, count: usize) -> Vec<Login> {
    (0..count).map(|_| spawn_login(house, "192.0.2.1", name, "correct horse")).collect()
}

pub fn spawn_login(house: &House, peer: &str, name: &str, password: &str) -> Login {
    let (house, [peer, name, password]) = (house.clone(), [peer, name, password].map(str::to_owned));
    spawn(async move { house.log_in_from(&peer, &name, &password).await })
}
