//! Parts of an application that fail in every way there is, and a ledger of what is charged.

use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::{AuthRequest, ClientAuthMethod};
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Guess, MemoryLimiter, Reservation, Reserved, Settlement,
};
use tower_password_grant::token::Token;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    Attempt, BackendError, Client, ClientRegistry, CredentialVerifier, Denial, Grant, IssuedTokens, Subject,
    TokenIssuer, Verdict,
};

use super::auth_method::OwnMethod;

/// What a part does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Work,
    Unavailable,
    Overloaded,
    Fault,
    Hang,
    /// Hangs, and panics when it is dropped.
    Stuck,
    Panic,
}

/// How a failing part is answered, whichever it is.
pub const FAILURES: [(Mode, u16, &str, Option<&str>); 5] = [
    (Mode::Unavailable, 503, "temporarily_unavailable", Some("5")),
    (Mode::Overloaded, 503, "temporarily_unavailable", Some("2")),
    (Mode::Fault, 500, "server_error", None),
    (Mode::Hang, 503, "temporarily_unavailable", Some("5")),
    (Mode::Panic, 500, "server_error", None),
];

/// A mode that a test switches while the part is in use, and how often the part must wait before it works.
#[derive(Clone)]
pub struct Switch {
    mode: Arc<Mutex<Mode>>,
    pub waits: usize,
    pub calls: Arc<AtomicUsize>,
    /// How many of the part's futures are alive.
    pub alive: Arc<AtomicI64>,
}

impl Switch {
    pub fn new() -> Self {
        Self { mode: Arc::new(Mutex::new(Mode::Work)), waits: 0, calls: Arc::default(), alive: Arc::default() }
    }

    /// A part that is pending so many times before it works.
    pub fn waiting(waits: usize) -> Self {
        Self { waits, ..Self::new() }
    }

    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }

    pub fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    pub fn alive(&self) -> i64 {
        self.alive.load(SeqCst)
    }

    /// Does what the mode says.
    pub async fn pass(&self) -> Result<(), BackendError> {
        let mode = *self.mode.lock().unwrap();
        self.calls.fetch_add(1, SeqCst);
        let _alive = Alive::of(&self.alive);
        Yield(self.waits).await;
        match mode {
            Mode::Work => Ok(()),
            Mode::Unavailable => Err(BackendError::unavailable("the database is down")),
            Mode::Overloaded => Err(BackendError::overloaded(Duration::from_millis(1500))),
            Mode::Fault => Err(BackendError::fault("the key is gone")),
            Mode::Hang => std::future::pending().await,
            Mode::Stuck => {
                let _stuck = Stuck;
                std::future::pending().await
            }
            Mode::Panic => panic!("a part panics on purpose"),
        }
    }

    /// The same for methods that are not async: they can only panic.
    pub fn touch(&self) {
        self.calls.fetch_add(1, SeqCst);
        let mode = *self.mode.lock().unwrap();
        assert_ne!(mode, Mode::Panic, "a part panics on purpose");
    }
}

/// Panics when it is dropped.
struct Stuck;

impl Drop for Stuck {
    fn drop(&mut self) {
        panic!("a part panics on purpose");
    }
}

struct Alive(Arc<AtomicI64>);

impl Alive {
    fn of(count: &Arc<AtomicI64>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// Pending so many times; wakes itself each time.
pub struct Yield(pub usize);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Knows alice and her password.
#[derive(Clone)]
pub struct Users {
    pub verify: Switch,
    pub key: Switch,
    /// Answers so instead of looking.
    pub verdict: Arc<Mutex<Option<Verdict>>>,
}

impl Users {
    pub fn new() -> Self {
        Self { verify: Switch::new(), key: Switch::new(), verdict: Arc::default() }
    }
}

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.verify.pass().await?;
        if let Some(verdict) = self.verdict.lock().unwrap().clone() {
            return Ok(verdict);
        }
        Ok(match (attempt.username(), attempt.password().expose()) {
            ("alice", "correct horse") => Subject::new("user-alice").into(),
            _ => Denial::WrongPassword.into(),
        })
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        MaybeFuture::new(async move {
            self.key.pass().await?;
            Ok(AccountKey::canonical(username))
        })
    }
}

#[derive(Clone)]
pub struct Registry {
    pub switch: Switch,
    pub clients: Arc<Vec<Client>>,
}

#[async_trait]
impl ClientRegistry for Registry {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        assert!((1..=256).contains(&client_id.len()) && client_id.bytes().all(|b| matches!(b, 0x20..=0x7e)));
        self.switch.pass().await?;
        Ok(self.clients.iter().find(|client| client.id().as_str() == client_id).cloned())
    }

    async fn allows_origin(&self, origin: &str) -> Result<bool, BackendError> {
        self.switch.pass().await?;
        Ok(self.clients.iter().any(|client| client.allows_origin(origin)))
    }
}

#[derive(Clone)]
pub struct Issuer {
    pub switch: Switch,
    pub token: Arc<Mutex<String>>,
    pub lifetime: Arc<Mutex<Duration>>,
}

impl Issuer {
    pub fn new() -> Self {
        Self {
            switch: Switch::new(),
            token: Arc::new(Mutex::new("at_fixed".to_owned())),
            lifetime: Arc::new(Mutex::new(Duration::from_secs(60))),
        }
    }
}

#[async_trait]
impl TokenIssuer for Issuer {
    async fn issue(&self, _: Grant) -> Result<IssuedTokens, BackendError> {
        self.switch.pass().await?;
        let token = Token::new(self.token.lock().unwrap().clone());
        Ok(IssuedTokens::bearer(token, *self.lifetime.lock().unwrap()))
    }
}

/// A real limiter behind a ledger: what was charged, and what of it is still charged.
#[derive(Clone)]
pub struct Ledger {
    pub reserve: Switch,
    pub settle: Switch,
    limiter: Arc<MemoryLimiter>,
    book: Arc<Mutex<Book>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Charges ever made on accounts, and those that were neither given back nor forgotten.
    pub account: Charges,
    pub client: Charges,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charges {
    pub made: u64,
    pub left: u64,
}

impl Ledger {
    pub fn new(reserve: Switch, settle: Switch) -> Self {
        Self { reserve, settle, limiter: Arc::new(MemoryLimiter::new()), book: Arc::default() }
    }

    pub fn book(&self) -> Book {
        *self.book.lock().unwrap()
    }

    /// The kind of a reservation lies in its last byte, which the limiter behind does not use.
    fn charges(book: &mut Book, is_client: bool) -> &mut Charges {
        if is_client { &mut book.client } else { &mut book.account }
    }
}

impl AttemptLimiter for Ledger {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(async move {
            self.reserve.pass().await?;
            let reserved = self.limiter.reserve(key).await?;
            let Reserved::Charged(reservation) = reserved else { return Ok(reserved) };
            let is_client = matches!(key.guess, Guess::Client { .. });
            let mut book = self.book.lock().unwrap();
            let charges = Self::charges(&mut book, is_client);
            charges.made += 1;
            charges.left += 1;
            let mut bytes = *reservation.key();
            bytes[31] = u8::from(is_client);
            Ok(Reserved::Charged(Reservation::new(bytes)))
        })
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::new(async move {
            self.settle.pass().await?;
            let is_client = reservation.key()[31] == 1;
            let lock = self.limiter.settle(reservation, settlement).await?;
            let mut book = self.book.lock().unwrap();
            let charges = Self::charges(&mut book, is_client);
            match settlement {
                Settlement::Success => charges.left = 0,
                Settlement::Denied | Settlement::Refused | Settlement::Pending => {}
                _ => charges.left -= 1,
            }
            Ok(lock)
        })
    }
}

/// Client authentication by a form field `ticket`, which holds the client's id.
#[derive(Clone)]
pub struct Ticket {
    pub claim: Switch,
    pub verify: Switch,
}

impl Ticket {
    pub fn new() -> Self {
        Self { claim: Switch::new(), verify: Switch::new() }
    }

    pub fn method(&self) -> impl ClientAuthMethod + use<> {
        let Self { claim, verify } = self.clone();
        let claim = move |request: &AuthRequest<'_>| {
            claim.touch();
            request.field("ticket").map(str::to_owned)
        };
        OwnMethod::new("ticket", "Ticket realm=\"api\"", claim, move |_, request| {
            let verify = verify.clone();
            MaybeFuture::new(async move {
                verify.pass().await?;
                Ok(request.field("stamp") == Some("valid"))
            })
        })
    }
}

pub const CODE_GRANT: &str = "urn:x:code";

/// A grant by a guessable code.
#[derive(Clone)]
pub struct Code {
    pub key: Switch,
    pub exchange: Switch,
}

#[async_trait]
impl ExtensionGrant for Code {
    fn grant_type(&self) -> &str {
        CODE_GRANT
    }

    fn required_fields(&self) -> &[&str] {
        &["code"]
    }

    fn account_key<'a>(
        &'a self,
        request: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>> {
        self.key.touch();
        MaybeFuture::ready(Ok(request.field("account").map(AccountKey::resolved)))
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        self.exchange.pass().await?;
        Ok(if request.field("code") == Some("1234") {
            Subject::new("user-by-code").into()
        } else {
            Denial::WrongPassword.into()
        })
    }
}
