//! An issuer of the application's own: JWT access tokens (RFC 9068) through `jsonwebtoken`, with the cryptographic backend
//! that the application chose. The same shape serves for a key in a KMS.
//!
//! ```sh
//! cargo run --example own_jwt_issuer --no-default-features
//! ```
//!
//! `SIGNING_KEY_FILE` names a PKCS#8 DER file (`openssl genpkey -algorithm ED25519 -outform DER -out key.der`); without
//! it, a key is made that ends with the process. `PORT` names another port than 8080.

#[path = "demo/start.rs"]
mod start;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::{Router, ServiceExt};
use bytes::Bytes;
use http::HeaderValue;
use jsonwebtoken::crypto::rust_crypto;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use start::Error;
use subtle::ConstantTimeEq as _;
use tower::Layer as _;
use tower_password_grant::mount::PublicDocument;
use tower_password_grant::token::Token;
use tower_password_grant::{
    BackendError, Client, Denial, Grant, IssuedTokens, PasswordGrant, PeerAddress, StaticClients, Subject, TokenIssuer,
    verify_fn,
};

const AUDIENCE: &str = "https://api.example";
const PASSWORD: &str = "correct horse";

/// Signs with one Ed25519 key.
struct Jwts {
    issuer: String,
    header: Header,
    key: EncodingKey,
}

/// RFC 9068 section 2.2.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    client_id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
    auth_time: u64,
}

#[async_trait]
impl TokenIssuer for Jwts {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let id = Token::random("")?;
        let iat = seconds(SystemTime::now())?;
        let claims = Claims {
            iss: &self.issuer,
            sub: grant.subject().id(),
            // What the login asked for, where the profile of the endpoint lets it ask.
            aud: grant.audience().unwrap_or(AUDIENCE),
            client_id: grant.client().id().as_str(),
            scope: grant.scope().as_str(),
            jti: id.expose(),
            iat,
            exp: iat.saturating_add(grant.lifetime().as_secs()),
            auth_time: seconds(grant.authenticated_at())?,
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key).map_err(BackendError::fault)?;
        Ok(IssuedTokens::bearer(Token::new(token), grant.lifetime()))
    }
}

fn seconds(time: SystemTime) -> Result<u64, BackendError> {
    Ok(time.duration_since(UNIX_EPOCH).map_err(BackendError::fault)?.as_secs())
}

/// The public key, as resource servers fetch it.
struct Jwks(Bytes);

impl PublicDocument for Jwks {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/jwk-set+json")
    }

    fn body(&self) -> Bytes {
        self.0.clone()
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(300)
    }
}

fn issuer(url: String, key: EncodingKey) -> Result<(Jwts, Jwks), Error> {
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
    let kid = jwk.thumbprint(ThumbprintHash::SHA256)?;
    jwk.common.key_id = Some(kid.clone());
    jwk.common.public_key_use = Some(PublicKeyUse::Signature);
    let document = serde_json::to_vec(&JwkSet { keys: vec![jwk] })?;
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid);
    Ok((Jwts { issuer: url, header, key }, Jwks(document.into())))
}

fn signing_key() -> Result<EncodingKey, Error> {
    let der = match std::env::var_os("SIGNING_KEY_FILE") {
        Some(path) => std::fs::read(&path).map_err(|error| start::unreadable("SIGNING_KEY_FILE", &path, &error))?,
        None => {
            // What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410 section 7).
            let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
            let mut seed = [0; 32];
            getrandom::fill(&mut seed)?;
            der.extend_from_slice(&seed);
            der
        }
    };
    Ok(EncodingKey::from_ed_der(&der))
}

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    // The application decides on the backend, not one of its libraries.
    let installed = rust_crypto::DEFAULT_PROVIDER.install_default();
    installed.map_err(|_| "another provider was installed already")?;

    let listener = start::listen().await?;
    let address = listener.local_addr()?;

    let (issuer, jwks) = issuer(format!("http://{address}"), signing_key()?)?;
    let cli = Client::public("demo-cli").allow_password_grant().scopes("read").default_scope("read").build()?;
    // One user, to keep this example to its subject: real users need a password hash, see `Argon2Verifier`.
    let users = verify_fn(|attempt| async move {
        let right = attempt.password().expose().as_bytes().ct_eq(PASSWORD.as_bytes());
        let known = attempt.username().as_bytes().ct_eq(b"alice");
        Ok(if bool::from(right & known) { Subject::new("user-1").into() } else { Denial::WrongPassword.into() })
    });
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli])?)
        .verifier(users)
        .issuer(issuer)
        // Nobody can take a signed token back: it must not live long.
        .access_token_lifetime(Duration::from_secs(300))
        .document("/.well-known/jwks.json", jwks)
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    let router = Router::new().route("/", get(|| async { "hello" }));
    let app = layer.with_body(Body::from).layer(router);

    println!("listening on http://{address}");
    println!("\n# a signed token, 200");
    println!(
        "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=password -d username=alice \
         --data-urlencode 'password={PASSWORD}' http://{address}/oauth/token"
    );
    println!("\n# the key to verify it with, 200");
    println!("curl -isS -w '\\n' http://{address}/.well-known/jwks.json");
    println!("\nCtrl-C stops it.");
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await?;
    Ok(())
}
