//! What the tests share: keys made by OpenSSL, an endpoint that issues with them, a resource server.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Map, Value};
use tower_password_grant::clock::Clock;
use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::mount::PublicDocument;
use tower_password_grant::{PasswordGrantLayer, PeerAddress, TokenIssuer};

use crate::support::protection::without_ceiling;
use crate::support::{Answer, CONF, PW, Probe, builder, send, spawn, token_request};

pub const ISSUER: &str = "https://as.example/tenant";
pub const AUDIENCE: &str = "https://api.example";
pub const ALL: [SigningAlgorithm; 3] = [SigningAlgorithm::Es256, SigningAlgorithm::EdDsa, SigningAlgorithm::Rs256];

/// The file that OpenSSL wrote for this algorithm.
pub fn pem(algorithm: SigningAlgorithm) -> &'static str {
    match algorithm {
        SigningAlgorithm::Es256 => include_str!("../../data/jwt/es256.pem"),
        SigningAlgorithm::EdDsa => include_str!("../../data/jwt/eddsa.pem"),
        SigningAlgorithm::Rs256 => include_str!("../../data/jwt/rs256.pem"),
        other => panic!("no key for {other}"),
    }
}

pub fn key(algorithm: SigningAlgorithm) -> SigningKey {
    SigningKey::from_pkcs8_pem(algorithm, pem(algorithm)).unwrap()
}

pub fn issuer(algorithm: SigningAlgorithm) -> JwtIssuer {
    JwtIssuer::new(ISSUER, [AUDIENCE], KeySet::new(key(algorithm))).unwrap()
}

pub fn layer(issuer: impl TokenIssuer) -> PasswordGrantLayer {
    // Thousands of logins from one address are the point of some tests here, limits are not.
    builder(&Probe::default()).issuer(issuer).attack_protection(without_ceiling()).build().unwrap()
}

/// Logs alice in.
pub async fn login(layer: &PasswordGrantLayer) -> Answer {
    send(layer, token_request(&[("authorization", CONF)], PW)).await
}

pub async fn token(layer: &PasswordGrantLayer) -> String {
    login(layer).await.assert_ok()["access_token"].as_str().unwrap().to_owned()
}

/// The document as it is served now.
pub fn document(issuer: &JwtIssuer) -> Vec<u8> {
    issuer.jwks().body().to_vec()
}

/// Verifies as a resource server would, with nothing but the published document, and returns the claims.
pub fn verify(token: &str, jwks: &[u8]) -> Result<Map<String, Value>, String> {
    let set: JwkSet = serde_json::from_slice(jwks).unwrap();
    let header = jsonwebtoken::decode_header(token).map_err(|error| error.to_string())?;
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let jwk = set.find(header.kid.as_deref().unwrap()).ok_or("no key of this kid")?;
    assert_eq!(jwk.common.public_key_use, Some(jsonwebtoken::jwk::PublicKeyUse::Signature));
    let algorithm = jwk.common.key_algorithm.unwrap().to_string().parse().unwrap();
    let mut validation = Validation::new(algorithm);
    validation.leeway = 0;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = DecodingKey::from_jwk(jwk).unwrap();
    let data = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation);
    data.map(|data| data.claims).map_err(|error| error.to_string())
}

/// The decoded header (0) or payload (1) of a compact JWS.
pub fn part(token: &str, index: usize) -> Map<String, Value> {
    let parts: Vec<&str> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[index]).unwrap()).unwrap()
}

pub fn unix(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct Stopped(pub SystemTime);

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

pub const JWKS_PATH: &str = "/.well-known/jwks.json";

/// A running axum server with token endpoint and document, reached over a socket.
pub struct Server {
    pub address: SocketAddr,
}

impl Server {
    pub async fn start(issuer: JwtIssuer) -> Self {
        let layer = builder(&Probe::default())
            .document(JWKS_PATH, issuer.jwks())
            .issuer(issuer)
            .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
            .build()
            .unwrap();
        let app = Router::new().route("/", get(|| async { "inner" })).layer(layer);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address }
    }

    pub fn jwks_url(&self) -> String {
        format!("http://{}{JWKS_PATH}", self.address)
    }

    pub async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    pub async fn token(&self) -> String {
        let headers = [("authorization", CONF), ("content-type", "application/x-www-form-urlencoded")];
        let response = self.request("POST", "/oauth/token", &headers, PW).await;
        assert_eq!(response.status(), 200, "{response:?}");
        let json: Value = serde_json::from_slice(response.body()).unwrap();
        json["access_token"].as_str().unwrap().to_owned()
    }
}
