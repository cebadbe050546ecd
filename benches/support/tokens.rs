//! The layer with refresh tokens, and sessions that use it in the same process, without a socket.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::ConnectInfo;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full};
use tower::Service as _;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::store::RefreshTokenStore;
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Client, ClientSecret, CredentialVerifier, Denial, PasswordGrant, PasswordGrantLayer,
    PeerAddress, StaticClients, Subject, TokenEndpoint, TokenIssuer, Verdict,
};

use super::{BASIC, BODY, CLIENT, PASSWORD, PATH, SCOPE, SECRET, token_request};

pub const AUDIENCE: &str = "https://api.example.com";
pub const SUBJECT: &str = "user-1";

struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match attempt.password().expose() == PASSWORD {
            true => Subject::new(SUBJECT).into(),
            false => Denial::WrongPassword.into(),
        })
    }

    async fn recheck(&self, _login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(SUBJECT).into())
    }
}

/// The layer with a verifier that answers at once, this issuer and this store.
pub fn layer(issuer: impl TokenIssuer, refresh: impl RefreshTokenStore) -> PasswordGrantLayer {
    let peer = PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip()));
    layer_for(Users, issuer, refresh, peer)
}

/// The same with this verifier. No budget is reached by any load, because it comes from one address.
pub fn layer_for(
    verifier: impl CredentialVerifier,
    issuer: impl TokenIssuer,
    refresh: impl RefreshTokenStore,
    peer: PeerAddress,
) -> PasswordGrantLayer {
    let client = Client::confidential(CLIENT, &ClientSecret::new(SECRET.to_owned()).digest())
        .allow_password_grant()
        .allow_refresh_tokens()
        .scopes("read write")
        .default_scope(SCOPE)
        .build()
        .unwrap();
    let many = Duration::from_millis(1);
    PasswordGrant::builder()
        .clients(StaticClients::new([client]).unwrap())
        .verifier(verifier)
        .issuer(issuer)
        .token_path(PATH)
        .refresh_tokens(RefreshTokens::in_store(refresh))
        .attack_protection(
            AttackProtection::new()
                .limiter(
                    MemoryLimiter::new().with_limits(
                        Limits::new()
                            .with_address_budget(TokenBucket::new(u32::MAX, many))
                            .with_account_budget(Lockout::new(u32::MAX, many)),
                    ),
                )
                .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
        )
        .peer_address(peer)
        .build()
        .unwrap()
}

/// One login and its refreshes.
pub struct Session {
    endpoint: TokenEndpoint,
    pub access_token: String,
    pub refresh_token: String,
}

impl Session {
    pub async fn begin(layer: &PasswordGrantLayer) -> Self {
        let mut session =
            Self { endpoint: layer.endpoint(), access_token: String::new(), refresh_token: String::new() };
        session.send(BODY).await;
        session
    }

    pub async fn refresh(&mut self) {
        let body = format!("grant_type=refresh_token&refresh_token={}", self.refresh_token);
        let last = self.refresh_token.clone();
        self.send(&body).await;
        assert_ne!(self.refresh_token, last);
    }

    async fn send(&mut self, body: &str) {
        let response = self.endpoint.call(token_request(BASIC, body, Full::new)).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let json = std::str::from_utf8(&body).unwrap();
        assert_eq!(status, StatusCode::OK, "{json}");
        self.access_token = member(json, "access_token").to_owned();
        self.refresh_token = member(json, "refresh_token").to_owned();
    }
}

/// The text of a member that needs no escapes.
fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let start = json.find(&format!("\"{name}\":\"")).expect(name) + name.len() + 4;
    json[start..].split('"').next().unwrap()
}
