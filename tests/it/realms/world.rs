//! Two directories in which the same names stand, an endpoint over them on a real socket, and stores that outlive it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::limiter::{AttackProtection, MemoryLimiter};
use tower_password_grant::mount::Metadata;
use tower_password_grant::realms::Realms;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::user::{AccountKey, Recheck};
use tower_password_grant::{
    Attempt, BackendError, Builder, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant,
    PasswordGrantLayer, PeerAddress, StaticClients, Subject, Verdict,
};

use crate::support::capture::{self, Audited};
use crate::support::server::{Connection, Server, raw_request};
use crate::support::tokens::{Login, text};
use crate::support::{Answer, ManualClock, basic, digest};

pub const REALM_GRANT: &str = "http://auth0.com/oauth/grant-type/password-realm";
pub const API: &str = "https://api.example";

/// What a directory was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    Key(String),
    /// The realm of the attempt, and the field of that name.
    Verify(Option<String>, Option<String>),
    Recheck(String),
}

/// A user, and why that one may not log in.
struct User {
    id: String,
    password: String,
    denial: Option<Denial>,
}

impl User {
    fn verdict(&self) -> Verdict {
        match &self.denial {
            Some(denial) => denial.clone().into(),
            None => Subject::new(self.id.clone()).into(),
        }
    }
}

/// A directory of users, by name.
#[derive(Clone, Default)]
pub struct Directory {
    users: Arc<Mutex<HashMap<String, User>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Directory {
    /// Users with the ids 1, 2 and so on, each of this password.
    pub fn of(names: &[&str], password: &str) -> Self {
        let user = |(at, name): (usize, &&str)| {
            let user = User { id: (at + 1).to_string(), password: password.to_owned(), denial: None };
            (name.to_string(), user)
        };
        Self { users: Arc::new(Mutex::new(names.iter().enumerate().map(user).collect())), asked: Arc::default() }
    }

    pub fn disable(&self, name: &str) {
        self.users.lock().unwrap().get_mut(name).unwrap().denial = Some(Denial::Disabled);
    }

    pub fn remove(&self, name: &str) {
        self.users.lock().unwrap().remove(name).unwrap();
    }

    /// Gives a user another id.
    pub fn rename(&self, name: &str, id: &str) {
        self.users.lock().unwrap().get_mut(name).unwrap().id = id.to_owned();
    }

    /// What it was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn note(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
    }
}

#[async_trait]
impl CredentialVerifier for Directory {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.note(Asked::Verify(attempt.realm().map(str::to_owned), attempt.field("realm").map(str::to_owned)));
        Ok(match self.users.lock().unwrap().get(attempt.username()) {
            None => Denial::UnknownUser.into(),
            Some(user) if attempt.password().expose() != user.password => Denial::WrongPassword.into(),
            Some(user) => user.verdict(),
        })
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        self.note(Asked::Key(username.to_owned()));
        MaybeFuture::ready(Ok(AccountKey::canonical(username)))
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        self.note(Asked::Recheck(login.subject_id().to_owned()));
        let users = self.users.lock().unwrap();
        let known = users.values().find(|user| user.id == login.subject_id());
        Ok(known.map_or_else(|| Denial::UnknownUser.into(), User::verdict))
    }
}

/// A public client that may log in by both grants and refresh.
pub fn app(id: &str, realms: &[&str]) -> ClientBuilder {
    let client = Client::public(id).allow_password_grant().allow_realm_grant().allow_refresh_tokens();
    client.realms(realms).scopes("read write").default_scope("read")
}

/// `app` lists both realms, `shop` the customers and `staff` the employees alone; `rs` may ask about tokens of customers, `all` about
/// all tokens.
pub fn clients() -> Vec<ClientBuilder> {
    let api =
        |id: &str| Client::confidential(id, &digest(&format!("{id}-pw"))).allow_introspection().resource_server(API);
    vec![
        app("app", &["customers", "employees"]),
        app("shop", &["customers"]),
        app("staff", &["employees"]),
        api("rs").realm("customers"),
        api("all"),
    ]
}

pub type RealmsBuilder<V> = Builder<StaticClients, V, Arc<OpaqueIssuer<Arc<MemoryAccessTokens>>>>;

/// What a restart leaves. alice is user 1 of both directories, with the password `one` among the customers and `two` among the
/// employees; carol is a customer alone.
#[derive(Clone)]
pub struct Stores {
    pub clock: ManualClock,
    pub customers: Directory,
    pub employees: Directory,
    pub limiter: Arc<MemoryLimiter>,
    pub refresh: Arc<MemoryRefreshTokens>,
    pub access: Arc<MemoryAccessTokens>,
    pub audit: Arc<Mutex<Vec<Audited>>>,
}

impl Stores {
    pub fn new() -> Self {
        let clock = ManualClock::new();
        Self {
            customers: Directory::of(&["alice", "carol"], "one"),
            employees: Directory::of(&["alice"], "two"),
            limiter: Arc::new(MemoryLimiter::new().with_clock(clock.clone())),
            refresh: Arc::new(MemoryRefreshTokens::new()),
            access: Arc::new(MemoryAccessTokens::new().with_clock(clock.clone())),
            audit: Arc::default(),
            clock,
        }
    }

    pub fn realms(&self) -> Realms {
        let realms = Realms::new().realm("customers", self.customers.clone()).unwrap();
        realms.realm("employees", self.employees.clone()).unwrap()
    }

    pub fn issuer(&self) -> Arc<OpaqueIssuer<Arc<MemoryAccessTokens>>> {
        let issuer = OpaqueIssuer::new(Arc::clone(&self.access)).with_audience([API]);
        Arc::new(issuer.with_clock(self.clock.clone()))
    }

    /// An endpoint with these clients and this verifier.
    pub fn builder<V: CredentialVerifier>(&self, clients: Vec<ClientBuilder>, verifier: V) -> RealmsBuilder<V> {
        capture::keep_listening();
        let clients = clients.into_iter().map(|client| client.build().unwrap());
        let (audit, issuer) = (Arc::clone(&self.audit), self.issuer());
        let (kept, keep) = capture::sink();
        PasswordGrant::builder()
            .clients(StaticClients::new(clients).unwrap())
            .verifier(verifier)
            .issuer(Arc::clone(&issuer))
            .access_tokens(issuer)
            .refresh_tokens(RefreshTokens::in_store(Arc::clone(&self.refresh)))
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .metadata(Metadata::new("https://as.example"))
            .attack_protection(AttackProtection::new().limiter(Arc::clone(&self.limiter)))
            .clock(self.clock.clone())
            .audit(move |event: &tower_password_grant::audit::AuditEvent<'_>| {
                keep(event);
                audit.lock().unwrap().append(&mut kept.lock().unwrap());
            })
            .peer_address(PeerAddress::socket_addr())
    }

    /// The endpoint over both realms, with these clients.
    pub async fn serve(&self, clients: Vec<ClientBuilder>) -> World {
        self.serve_with(clients, self.realms()).await
    }

    pub async fn serve_with(&self, clients: Vec<ClientBuilder>, verifier: impl CredentialVerifier) -> World {
        self.start(self.builder(clients, verifier).build().unwrap()).await
    }

    pub async fn start(&self, layer: PasswordGrantLayer) -> World {
        World { server: Server::start(&layer).await, stores: self.clone() }
    }
}

/// The endpoint on a socket.
pub struct World {
    pub stores: Stores,
    server: Server,
}

impl World {
    pub async fn new() -> Self {
        Stores::new().serve(clients()).await
    }

    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// The body at another path than those of tokens.
    pub async fn get(&self, path: &str) -> Bytes {
        let client = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let uri = format!("http://{}{path}", self.server.address).parse().unwrap();
        client.get(uri).await.unwrap().into_body().collect().await.unwrap().to_bytes()
    }

    /// The answer to a form.
    pub async fn post(&self, path: &str, lines: &str, form: &str) -> Answer {
        let request = raw_request(lines, form).replacen("/oauth/token", path, 1);
        Connection::open(self.server.address).await.exchange(request).await
    }

    /// A token request with exactly this form.
    pub async fn token(&self, form: &str) -> Answer {
        self.post("/oauth/token", "", form).await
    }

    /// alice's login by the password grant, with more parameters.
    pub async fn login(&self, client: &str, password: &str, more: &str) -> Answer {
        self.token(&form("password", client, "alice", password, more)).await
    }

    /// The same by the realm grant.
    pub async fn login_in_realm(&self, client: &str, password: &str, more: &str) -> Answer {
        self.token(&form(REALM_GRANT, client, "alice", password, more)).await
    }

    /// alice's tokens in a realm, where she has this password.
    pub async fn tokens(&self, client: &str, realm: &str, password: &str) -> Login {
        Login::of(&self.login(client, password, &format!("&realm={realm}")).await.assert_ok())
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(&format!("grant_type=refresh_token&client_id={client}&refresh_token={token}")).await
    }

    /// What the introspection endpoint tells this client.
    pub async fn introspect(&self, client: &str, token: &str) -> serde_json::Value {
        let lines = format!("Authorization: {}\r\n", basic(client, &format!("{client}-pw")));
        let answer = self.post("/oauth/introspect", &lines, &format!("token={token}")).await;
        assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
        answer.json()
    }

    /// Subject and realm of an access token.
    pub async fn holder(&self, token: &str) -> (String, String) {
        let told = self.introspect("all", token).await;
        (text(&told, "sub"), text(&told, "realm"))
    }

    pub fn last(&self) -> Audited {
        self.stores.audit.lock().unwrap().last().unwrap().clone()
    }
}

pub fn form(grant_type: &str, client: &str, name: &str, password: &str, more: &str) -> String {
    format!("grant_type={grant_type}&client_id={client}&username={name}&password={password}{more}")
}
