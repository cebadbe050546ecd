//! An endpoint with refresh tokens, revocation and introspection, and users whose state a test can change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::audit::{AuditEvent, Reason};
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::mount::Profile;
use tower_password_grant::store::{AccessTokenStore, MemoryAccessTokens, MemoryRefreshTokens, RefreshTokenStore};
use tower_password_grant::token::{AuthenticationMethods, IntrospectionEndpoint, RefreshTokens, RevocationEndpoint};
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Builder, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant,
    PasswordGrantLayer, PeerAddress, StaticClients, Subject, Verdict,
};

use super::{Answer, ManualClock, basic, digest, notation, send_in, token_request};

/// What a user's account is like now.
#[derive(Clone, Debug)]
pub struct Account {
    pub version: String,
    pub denial: Option<Denial>,
    /// The most that the user may have.
    pub scope: Option<String>,
    /// In which ways verdicts say that the user was authenticated.
    pub methods: AuthenticationMethods,
}

/// Users `alice` and `bob`, whose passwords are `correct horse`, with the ids `user-alice` and `user-bob`.
#[derive(Clone)]
pub struct Users {
    accounts: Arc<Mutex<HashMap<String, Account>>>,
    /// How often a password was verified, and a login asked after.
    pub calls: Arc<Mutex<(usize, usize)>>,
    /// The verifier cannot decide.
    pub is_down: Arc<Mutex<bool>>,
    /// How long each recheck takes, on this clock.
    pub slowness: Arc<Mutex<Option<(ManualClock, Duration)>>>,
}

impl Users {
    pub fn new() -> Self {
        let methods = AuthenticationMethods::NONE;
        let account = Account { version: "1".to_owned(), denial: None, scope: None, methods };
        let accounts = ["user-alice", "user-bob"].map(|id| (id.to_owned(), account.clone()));
        Self {
            accounts: Arc::new(Mutex::new(accounts.into())),
            calls: Arc::default(),
            is_down: Arc::default(),
            slowness: Arc::default(),
        }
    }

    pub fn change(&self, id: &str, change: impl FnOnce(&mut Account)) {
        change(self.accounts.lock().unwrap().get_mut(id).unwrap());
    }

    fn verdict(&self, id: &str) -> Result<Verdict, BackendError> {
        if *self.is_down.lock().unwrap() {
            return Err(BackendError::unavailable("the user table is down"));
        }
        Ok(match self.accounts.lock().unwrap().get(id) {
            None => Denial::UnknownUser.into(),
            Some(Account { denial: Some(denial), .. }) => denial.clone().into(),
            Some(Account { version, scope, methods, .. }) => {
                let subject = Subject::new(id.to_owned()).with_credential_version(version.as_str());
                let verdict = match scope {
                    Some(scope) => Verdict::granted_within(subject, scope.parse().unwrap()),
                    None => subject.into(),
                };
                verdict.with_methods(*methods)
            }
        })
    }
}

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.calls.lock().unwrap().0 += 1;
        if attempt.password().expose() != "correct horse" {
            return Ok(Denial::WrongPassword.into());
        }
        self.verdict(&format!("user-{}", attempt.username()))
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        self.calls.lock().unwrap().1 += 1;
        if let Some((clock, time)) = &*self.slowness.lock().unwrap() {
            clock.advance(*time);
        }
        self.verdict(login.subject_id())
    }
}

/// The clients: `conf` and `conf2` with secrets, `pub` and `pub2` without; all with refresh tokens. `svc` may use nothing, `rs`
/// is a resource server that may ask about tokens for `https://api.example`.
pub fn clients() -> Vec<Client> {
    let full = |builder: ClientBuilder| {
        builder.allow_password_grant().allow_refresh_tokens().scopes("read write admin").default_scope("read write")
    };
    vec![
        full(Client::confidential("conf", &digest("conf-pw"))).allow_introspection().build().unwrap(),
        full(Client::confidential("conf2", &digest("conf2-pw"))).build().unwrap(),
        full(Client::public("pub")).build().unwrap(),
        full(Client::public("pub2")).build().unwrap(),
        Client::confidential("svc", &digest("svc-pw"))
            .allow_password_grant()
            .scopes("read")
            .default_scope("read")
            .build()
            .unwrap(),
        Client::confidential("rs", &digest("rs-pw"))
            .allow_introspection()
            .resource_server("https://api.example")
            .build()
            .unwrap(),
    ]
}

/// What a login gave.
#[derive(Clone, Debug)]
pub struct Login {
    pub access: String,
    pub refresh: String,
}

impl Login {
    /// The tokens of an answer.
    pub fn of(json: &serde_json::Value) -> Self {
        Self { access: text(json, "access_token"), refresh: text(json, "refresh_token") }
    }
}

/// A member that is a text.
#[track_caller]
pub fn text(json: &serde_json::Value, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("{name}: {json}")).to_owned()
}

/// The client `conf`, which may use everything, after a change.
pub fn confidential(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Vec<Client> {
    let client = Client::confidential("conf", &digest("conf-pw")).allow_password_grant().allow_refresh_tokens();
    let client = client.scopes("read write admin").default_scope("read write").allow_introspection();
    vec![change(client).build().unwrap()]
}

pub type TokensBuilder = Builder<StaticClients, Users, Arc<OpaqueIssuer<Arc<dyn AccessTokenStore>>>>;

/// The whole of it.
pub struct Tokens {
    pub layer: PasswordGrantLayer,
    pub clock: ManualClock,
    pub users: Users,
    pub access: Arc<OpaqueIssuer<Arc<dyn AccessTokenStore>>>,
    pub refresh_store: Arc<dyn RefreshTokenStore>,
    /// The reasons of refusals so far.
    pub reasons: Arc<Mutex<Vec<Reason>>>,
    profile: Profile,
}

impl Tokens {
    pub fn new() -> Self {
        Self::with(clients(), |builder| builder)
    }

    pub fn with(clients: Vec<Client>, change: impl FnOnce(TokensBuilder) -> TokensBuilder) -> Self {
        let clock = ManualClock::new();
        let access = Arc::new(MemoryAccessTokens::new().with_clock(clock.clone()));
        Self::over(clock, access, Arc::new(MemoryRefreshTokens::new()), clients, change)
    }

    /// In this profile, by whose rules its answers are judged.
    pub fn of(profile: Profile, clients: Vec<Client>, change: impl FnOnce(TokensBuilder) -> TokensBuilder) -> Self {
        Self { profile, ..Self::with(clients, |builder| change(builder).profile(profile)) }
    }

    /// With refresh tokens that are changed.
    pub fn refreshing(clients: Vec<Client>, change: impl FnOnce(RefreshTokens) -> RefreshTokens) -> Self {
        let clock = ManualClock::new();
        let access = Arc::new(MemoryAccessTokens::new().with_clock(clock.clone()));
        let store: Arc<dyn RefreshTokenStore> = Arc::new(MemoryRefreshTokens::new());
        let refresh = change(RefreshTokens::in_store(Arc::clone(&store)));
        Self::over(clock, access, store, clients, |builder| builder.refresh_tokens(refresh))
    }

    /// Over stores of the test's own.
    pub fn over(
        clock: ManualClock,
        access: Arc<dyn AccessTokenStore>,
        refresh_store: Arc<dyn RefreshTokenStore>,
        clients: Vec<Client>,
        change: impl FnOnce(TokensBuilder) -> TokensBuilder,
    ) -> Self {
        let (builder, finish) = Self::begin(clock, access, refresh_store, clients);
        finish(change(builder))
    }

    /// Apart from the change, so that it is compiled once and not for each of them.
    fn begin(
        clock: ManualClock,
        access: Arc<dyn AccessTokenStore>,
        refresh_store: Arc<dyn RefreshTokenStore>,
        clients: Vec<Client>,
    ) -> (TokensBuilder, impl FnOnce(TokensBuilder) -> Self) {
        let issuer = OpaqueIssuer::new(access).with_audience(["https://api.example"]).with_clock(clock.clone());
        let access = Arc::new(issuer);
        let (users, reasons) = (Users::new(), Arc::<Mutex<Vec<Reason>>>::default());
        let seen = Arc::clone(&reasons);
        let builder = PasswordGrant::builder()
            .clients(StaticClients::new(clients).unwrap())
            .verifier(users.clone())
            .issuer(Arc::clone(&access))
            .refresh_tokens(RefreshTokens::in_store(Arc::clone(&refresh_store)))
            .access_tokens(Arc::clone(&access))
            .revocation(RevocationEndpoint::at("/oauth/revoke"))
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .clock(clock.clone())
            .audit(move |event: &AuditEvent<'_>| {
                if let tower_password_grant::audit::AuditOutcome::Refused { reason, .. } = event.outcome {
                    seen.lock().unwrap().push(reason);
                }
            })
            .peer_address(PeerAddress::socket_addr())
            .profile(notation::profile());
        let finish = move |builder: TokensBuilder| {
            let layer = builder.build().unwrap();
            Self { layer, clock, users, access, refresh_store, reasons, profile: notation::profile() }
        };
        (builder, finish)
    }

    /// The reason of the last refusal.
    pub fn reason(&self) -> Option<Reason> {
        self.reasons.lock().unwrap().last().copied()
    }

    /// How often a request was refused for this reason.
    pub fn count(&self, reason: Reason) -> usize {
        self.reasons.lock().unwrap().iter().filter(|seen| **seen == reason).count()
    }

    /// Sends a form as this client: in the header if it has a secret, which is its id and `-pw`.
    pub async fn post(&self, path: &str, client: &str, form: &str) -> Answer {
        let secret = basic(client, &format!("{client}-pw"));
        let (headers, form) = if client.starts_with("pub") {
            (&[][..], format!("client_id={client}&{form}"))
        } else {
            (&[("authorization", secret.as_str())][..], form.to_owned())
        };
        self.send("POST", path, headers, &form).await
    }

    pub async fn login_with(&self, client: &str, more: &str) -> Answer {
        let more = notation::login_with_refresh(more);
        let form = format!("grant_type=password&username=alice&password=correct+horse{more}");
        self.post("/oauth/token", client, &form).await
    }

    pub async fn login(&self, client: &str) -> Login {
        Login::of(&self.login_with(client, "").await.assert_ok())
    }

    /// A successful refresh.
    pub async fn renewed(&self, client: &str, token: &str) -> Login {
        Login::of(&self.refresh(client, token).await.assert_ok())
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.refresh_with(client, token, "").await
    }

    pub async fn refresh_with(&self, client: &str, token: &str, more: &str) -> Answer {
        self.post("/oauth/token", client, &format!("grant_type=refresh_token&refresh_token={token}{more}")).await
    }

    pub async fn revoke(&self, client: &str, token: &str) -> Answer {
        self.post("/oauth/revoke", client, &format!("token={token}")).await
    }

    pub async fn introspect(&self, client: &str, token: &str) -> serde_json::Value {
        let answer = self.post("/oauth/introspect", client, &format!("token={token}")).await;
        assert_eq!(answer.status.as_u16(), 200, "{answer:?}");
        answer.json()
    }

    /// The same stores, time and users behind another list of clients.
    pub fn with_clients(&self, clients: Vec<Client>) -> Self {
        self.with_clients_and(clients, |builder| builder)
    }

    /// The same behind an endpoint that is changed.
    pub fn with_clients_and(&self, clients: Vec<Client>, change: impl FnOnce(TokensBuilder) -> TokensBuilder) -> Self {
        let store = Arc::clone(self.access.store());
        let mut other = Self::over(self.clock.clone(), store, Arc::clone(&self.refresh_store), clients, change);
        other.users = self.users.clone();
        other.profile = self.profile;
        other
    }

    /// Sends a request with exactly these headers.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = token_request(headers, body);
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = path.parse().unwrap();
        send_in(self.profile, &self.layer, request).await
    }

    /// Whether an access token of the client `conf` is good.
    pub async fn is_active(&self, token: &str) -> bool {
        self.introspect("conf", token).await["active"] == true
    }

    /// Moves the clock past the default leeway.
    pub fn pass_leeway(&self) {
        self.clock.advance(Duration::from_secs(11));
    }
}
