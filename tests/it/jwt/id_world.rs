//! An endpoint whose clients may ask for ID tokens, and a client that reads them.

use std::sync::Arc;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Map, Value};
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::jwt::JwtIssuer;
use tower_password_grant::mount::PublicDocument as _;
use tower_password_grant::store::MemoryRefreshTokens;
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::{Builder, Client, PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients};

use super::helpers::*;
use crate::support::tokens::{Users, text};
use crate::support::{AUTH, Answer, ManualClock, capture, digest, pw, send, token_request};

pub type IdBuilder = Builder<StaticClients, Users, Arc<JwtIssuer>>;

/// The client `conf` with a secret, `pub` without.
fn clients() -> StaticClients {
    let full = |client: ClientBuilder| {
        let client = client.allow_password_grant().allow_refresh_tokens();
        client.scopes("openid profile email read").default_scope("read").build().unwrap()
    };
    let conf = Client::confidential("conf", &digest("s3cret")).allow_introspection();
    StaticClients::new([full(conf), full(Client::public("pub"))]).unwrap()
}

pub struct IdWorld {
    pub issuer: Arc<JwtIssuer>,
    pub layer: PasswordGrantLayer,
    pub clock: Option<ManualClock>,
}

impl IdWorld {
    pub fn new(issuer: JwtIssuer) -> Self {
        Self::with(issuer, |builder| builder)
    }

    pub fn with(issuer: JwtIssuer, change: impl FnOnce(IdBuilder) -> IdBuilder) -> Self {
        capture::keep_listening();
        let issuer = Arc::new(issuer);
        let builder = PasswordGrant::builder()
            .clients(clients())
            .verifier(Users::new())
            .issuer(Arc::clone(&issuer))
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .access_tokens(issuer.verifier())
            .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
            .peer_address(PeerAddress::socket_addr());
        Self { issuer, layer: change(builder).build().unwrap(), clock: None }
    }

    /// Its time is that of the test.
    pub fn on_a_clock(issuer: JwtIssuer) -> Self {
        let clock = ManualClock::new();
        let world = Self::with(issuer.with_clock(clock.clone()), |builder| builder.clock(clock.clone()));
        Self { clock: Some(clock), ..world }
    }

    /// A token request of the client `conf`.
    pub async fn post(&self, form: &str) -> Answer {
        send(&self.layer, token_request(AUTH, form)).await
    }

    pub async fn login(&self, scope: &str) -> Answer {
        self.post(&pw(&format!("scope={scope}"))).await
    }

    pub async fn refresh(&self, before: &Value, more: &str) -> Answer {
        let token = text(before, "refresh_token");
        self.post(&format!("grant_type=refresh_token&refresh_token={token}{more}")).await
    }

    pub async fn introspect(&self, token: &str) -> Value {
        let mut request = token_request(AUTH, &format!("token={token}"));
        *request.uri_mut() = "/oauth/introspect".parse().unwrap();
        send(&self.layer, request).await.json()
    }

    /// The claims of the ID token of an answer, for the client `conf`.
    pub fn id_claims(&self, answer: &Value) -> Map<String, Value> {
        self.verified(answer, "conf").unwrap()
    }

    /// As a client verifies an ID token (OpenID Connect Core 1.0 section 3.1.3.7), with the published keys.
    pub fn verified(&self, answer: &Value, client: &str) -> Result<Map<String, Value>, String> {
        self.read_by(client, &text(answer, "id_token"))
    }

    /// As a client verifies whatever it takes for an ID token. Like many, it does not look at `typ`.
    pub fn read_by(&self, client: &str, token: &str) -> Result<Map<String, Value>, String> {
        let keys: JwkSet = serde_json::from_slice(&self.issuer.jwks().body()).unwrap();
        let header = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
        let jwk = keys.find(header.kid.as_deref().unwrap()).ok_or("no key of this kid")?;
        let mut rules = Validation::new(jwk.common.key_algorithm.unwrap().to_string().parse().unwrap());
        rules.leeway = 0;
        // The library goes by the real time.
        rules.validate_exp = self.clock.is_none();
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[client]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let read = jsonwebtoken::decode::<Map<String, Value>>(token, &DecodingKey::from_jwk(jwk).unwrap(), &rules);
        read.map(|data| data.claims).map_err(|error| error.to_string())
    }
}
