//! The endpoint of a server, over a store that others have, too.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::ServiceExt as _;
use tower_password_grant::limiter::{AttackProtection, RequestCeiling, SharedKey, StoredLimiter};
use tower_password_grant::mount::TrustedProxies;
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer,
    PeerAddress, StaticClients, Subject, Verdict,
};

use super::engine::Store;
use super::steps::{Call, Moment, Stepped, Trap};

/// Everybody's password is `right`. Each wrong one is noted before it is answered.
pub struct Users {
    trap: Trap,
    verified: Arc<AtomicU32>,
    /// A line for each wrong password, of all servers.
    trail: Option<PathBuf>,
}

impl Users {
    fn note(&self, user: &str) {
        let Some(trail) = &self.trail else { return };
        let mut file = OpenOptions::new().create(true).append(true).open(trail).unwrap();
        file.write_all(format!("{user}\n").as_bytes()).unwrap();
    }
}

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.verified.fetch_add(1, Ordering::SeqCst);
        self.trap.pass(Call::User, Moment::Before).await;
        if attempt.password().expose() == "right" {
            return Ok(Subject::new(attempt.username().to_owned()).into());
        }
        self.note(attempt.username());
        Ok(Denial::WrongPassword.into())
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        self.trap.pass(Call::User, Moment::Before).await;
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

pub fn key() -> SharedKey {
    SharedKey::new([7; 32]).unwrap()
}

#[derive(Clone)]
pub struct Endpoint {
    pub layer: PasswordGrantLayer,
    /// How many passwords were verified.
    pub verified: Arc<AtomicU32>,
}

/// Status and body.
pub type Answer = (u16, Value);

impl Endpoint {
    pub fn new<S: Store>(store: S, trap: Trap, trail: Option<PathBuf>) -> Self {
        let client = |id: &str, leeway| {
            let client = Client::public(id).allow_password_grant().allow_refresh_tokens().refresh_token_leeway(leeway);
            client.scopes("read").default_scope("read").build().unwrap()
        };
        let clients = [client("app", Duration::from_secs(60)), client("strict", Duration::ZERO)];
        let verified = Arc::default();
        let users = Users { trap: trap.clone(), verified: Arc::clone(&verified), trail };
        let store = Arc::new(Stepped { store, trap });
        let protection = AttackProtection::new()
            .limiter(Arc::new(StoredLimiter::new(Arc::clone(&store), &key())))
            .shared_key(key())
            .request_ceiling(RequestCeiling::none());
        // Each sender has an address of its own, so that none spends another's budgets.
        let senders = PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip()))
            .behind(TrustedProxies::x_forwarded_for(["127.0.0.1/32".parse().unwrap()]));
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new(clients).unwrap())
            .verifier(users)
            .issuer(OpaqueIssuer::new(Arc::clone(&store)))
            .refresh_tokens(RefreshTokens::in_store(store))
            .attack_protection(protection)
            .peer_address(senders)
            .build()
            .unwrap();
        Self { layer, verified }
    }

    async fn post(&self, from: Ipv4Addr, form: String) -> Answer {
        let request = Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .extension(ConnectInfo(SocketAddr::from((from, 4711))))
            .body(Full::new(Bytes::from(form)))
            .unwrap();
        let answer = self.layer.endpoint().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub async fn login(&self, from: Ipv4Addr, client: &str, user: &str, password: &str) -> Answer {
        let form = format!("grant_type=password&client_id={client}&username={user}&password={password}");
        self.post(from, form).await
    }

    pub async fn refresh(&self, client: &str, token: &str) -> Answer {
        let form = format!("grant_type=refresh_token&client_id={client}&refresh_token={token}");
        self.post(Ipv4Addr::new(192, 0, 2, 1), form).await
    }
}
