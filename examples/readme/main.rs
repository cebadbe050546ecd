//! The program of the README.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};
use axum::{Router, ServiceExt, body::Body, routing::get};
use tower::Layer as _;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::store::{LoginName, MemoryAccessTokens, StoredUser, UserStore};
use tower_password_grant::{
    BackendError, Client, OpaqueIssuer, Password, PasswordGrant, PeerAddress,
    StaticClients,
};

type Found = Result<Option<StoredUser>, BackendError>;

/// Your database: `SELECT id, hash FROM users WHERE account_key = $1`.
struct Users(String);

#[async_trait::async_trait]
impl UserStore for Users {
    async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Found {
        // ` Alice` comes as `alice`; `login.as_typed()` is the name as it was sent.
        let is_known = login.canonical() == "alice";
        Ok(is_known.then(|| StoredUser::new("user-1").with_password_hash(self.0.clone())))
    }
    async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> {
        Ok(false) // id, old, new: UPDATE users SET hash = $3 WHERE id = $1 AND hash = $2
    }
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let password = Password::new("correct horse".to_owned());
    let users = Users(Argon2Parameters::default().hash_blocking(&password)?);
    let cli =
        Client::public("cli").allow_password_grant().scopes("read").default_scope("read");
    let peer = |info: &ConnectInfo<SocketAddr>| Some(info.0.ip());
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli.build()?])?)
        .verifier(Argon2Verifier::new(users)?)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .peer_address(PeerAddress::extension(peer))
        .build()?;
    let router = Router::new().route("/", get(|| async { "hello" }));
    let app = layer.with_body(Body::from).layer(router);

    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let port: u16 = port.parse().map_err(|_| "PORT must be a number")?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|e| format!("cannot listen on PORT {port}: {e}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    let app =
        ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    Ok(axum::serve(listener, app).await?)
}
