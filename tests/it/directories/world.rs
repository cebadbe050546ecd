//! A directory in memory, and an endpoint over any verifier.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Barrier;
use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, TokenBucket};
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::{AccountKey, Recheck};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer,
    PeerAddress, StaticClients, Subject, Verdict,
};

use crate::support::capture::{self, Audited};
use crate::support::guesses::login;
use crate::support::protection::without_ceiling;
use crate::support::server::{Connection, Server, raw_request};
use crate::support::tokens::text;
use crate::support::{Answer, from_peer, send, token_request};

/// A user of a [`Plain`] directory.
#[derive(Clone)]
pub struct Account {
    pub id: String,
    pub password: String,
    pub version: Option<String>,
    pub scope: Option<String>,
    pub denial: Option<Denial>,
}

impl Account {
    pub fn new(id: &str, password: &str) -> Self {
        let (id, password) = (id.to_owned(), password.to_owned());
        Self { id, password, version: None, scope: None, denial: None }
    }

    fn verdict(&self) -> Verdict {
        if let Some(denial) = &self.denial {
            return denial.clone().into();
        }
        let mut subject = Subject::new(self.id.clone());
        if let Some(version) = &self.version {
            subject = subject.with_credential_version(version.as_str());
        }
        match &self.scope {
            Some(scope) => Verdict::granted_within(subject, scope.parse().unwrap()),
            None => subject.into(),
        }
    }
}

type Hook = Arc<dyn Fn() -> MaybeFuture<'static, ()> + Send + Sync>;

/// A directory by login name, in the canonical form, which notes the names and passwords that it is asked about.
#[derive(Clone, Default)]
pub struct Plain {
    accounts: Arc<Mutex<BTreeMap<String, Account>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
    /// Where so many attempts wait for one another.
    pub meeting: Option<Arc<Barrier>>,
    /// What happens just before it says yes.
    pub before_yes: Arc<Mutex<Option<Hook>>>,
}

impl Plain {
    pub fn with(self, name: &str, account: Account) -> Self {
        self.set(name, account);
        self
    }

    pub fn set(&self, name: &str, account: Account) {
        self.accounts.lock().unwrap().insert(name.to_owned(), account);
    }

    /// What it was asked since this was called before.
    pub fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn find(&self, name: &str) -> Option<Account> {
        self.accounts.lock().unwrap().get(AccountKey::canonical(name).as_str()).cloned()
    }
}

#[async_trait]
impl CredentialVerifier for Plain {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let (name, password) = (attempt.username().to_owned(), attempt.password().expose().to_owned());
        self.asked.lock().unwrap().push((name.clone(), password.clone()));
        if let Some(meeting) = &self.meeting {
            meeting.wait().await;
        }
        let Some(account) = self.find(&name) else { return Ok(Denial::UnknownUser.into()) };
        if account.password != password {
            return Ok(Denial::WrongPassword.into());
        }
        let hook = self.before_yes.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook().await;
        }
        Ok(account.verdict())
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        let key = self.find(username);
        MaybeFuture::ready(Ok(key.map_or_else(|| AccountKey::phantom(username), |user| AccountKey::resolved(user.id))))
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        let accounts = self.accounts.lock().unwrap();
        let found = accounts.values().find(|account| account.id == login.subject_id());
        Ok(found.map_or_else(|| Denial::UnknownUser.into(), Account::verdict))
    }
}

/// Budgets that no test spends.
pub fn roomy() -> AttackProtection {
    let day = Duration::from_secs(24 * 3600);
    without_ceiling().limiter(
        MemoryLimiter::new().with_limits(
            Limits::new()
                .with_budget(10_000, day)
                .with_account_budget(Lockout::new(10_000, day))
                .with_address_budget(TokenBucket::new(10_000, day)),
        ),
    )
}

/// An endpoint on a socket, with a client `app`, and a client `staff` of the realm `acme`.
pub struct House {
    server: Server,
    pub layer: PasswordGrantLayer,
    audit: Arc<Mutex<Vec<Audited>>>,
}

impl House {
    pub async fn over(verifier: impl CredentialVerifier) -> Self {
        Self::with(verifier, roomy(), Arc::new(MemoryRefreshTokens::new())).await
    }

    pub async fn with(
        verifier: impl CredentialVerifier,
        protection: AttackProtection,
        refresh: Arc<MemoryRefreshTokens>,
    ) -> Self {
        let client = |id| {
            let client = Client::public(id).allow_password_grant().allow_refresh_tokens();
            client.scopes("read write").default_scope("read write")
        };
        let clients = [client("app").build().unwrap(), client("staff").realm("acme").build().unwrap()];
        let (audit, sink) = capture::sink();
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new(clients).unwrap())
            .verifier(verifier)
            .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
            .refresh_tokens(RefreshTokens::in_store(refresh))
            .attack_protection(protection)
            .audit(sink)
            .peer_address(PeerAddress::socket_addr())
            .build()
            .unwrap();
        Self { server: Server::start(&layer).await, layer, audit }
    }

    async fn post(&self, form: &str) -> Answer {
        Connection::open(self.server.address).await.exchange(raw_request("", form)).await
    }

    pub async fn log_in(&self, name: &str, password: &str) -> Answer {
        self.log_in_by("app", name, password).await
    }

    pub async fn log_in_by(&self, client: &str, name: &str, password: &str) -> Answer {
        self.post(&format!("{}&client_id={client}", login(name, password))).await
    }

    /// The same without a socket, for a test whose time stands still.
    pub async fn log_in_directly(&self, name: &str, password: &str) -> Answer {
        let form = format!("{}&client_id=app", login(name, password));
        send(&self.layer, token_request(&[], &form)).await
    }

    /// The same from another address.
    pub async fn log_in_from(&self, peer: &str, name: &str, password: &str) -> Answer {
        let form = format!("{}&client_id=app", login(name, password));
        send(&self.layer, from_peer(token_request(&[], &form), peer)).await
    }

    /// Logs in and answers the refresh token.
    pub async fn refresh_token(&self, name: &str, password: &str) -> String {
        text(&self.log_in(name, password).await.assert_ok(), "refresh_token")
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post(&format!("grant_type=refresh_token&client_id=app&refresh_token={token}")).await
    }

    /// The subject of the last answer, or why there was none.
    pub fn last(&self) -> String {
        let last = self.audit.lock().unwrap().last().cloned().unwrap();
        match (last.issued, last.reason) {
            (Some((subject, _)), _) => subject,
            (None, Some(reason)) => reason.as_str().to_owned(),
            (None, None) => String::new(),
        }
    }
}

/// All that a client sees of an answer, but for the time of day.
pub fn face(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status.as_u16(), headers.collect(), answer.body.to_vec())
}
