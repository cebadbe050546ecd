//! The program of the README.

use axum::{Router, extract::ConnectInfo, routing::get};
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier, LoginName, StoredUser, UserStore};
use tower_password_grant::{
    BackendError, Client, MemoryAccessTokens, OpaqueIssuer, Password, PasswordGrant, PeerAddress, StaticClients,
};

struct Users(String); // your database: SELECT id, hash FROM users WHERE account_key = $1

#[async_trait::async_trait]
impl UserStore for Users {
    async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        // ` Bob@Example.com` comes as `bob@example.com`; a column of names as people typed them wants `login.as_typed()`.
        Ok((login.canonical() == "alice").then(|| StoredUser::new("user-1").with_password_hash(self.0.clone())))
    }
    async fn save_hash(&self, _id: &str, _old: &str, _new: &str) -> Result<bool, BackendError> {
        Ok(false) // UPDATE users SET hash = $3 WHERE id = $1 AND hash = $2
    }
    // With refresh tokens, `async fn find_by_id(&self, id: &str, realm: Option<&str>)` too, which answers as `find` does:
    // at each refresh it tells whether the user may stay logged in.
}

#[tokio::main]
async fn main() {
    if let Err(error) = serve().await {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let hash = Argon2Parameters::default().hash_blocking(&Password::new("correct horse".to_owned()))?;
    let client = Client::public("cli").allow_password_grant().scopes("read").default_scope("read");
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([client.build()?])?)
        .verifier(Argon2Verifier::new(Users(hash))?)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<std::net::SocketAddr>| Some(info.0.ip())))
        .build()?;
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);

    let port: u16 = std::env::var("PORT").map_or(Ok(8080), |port| port.parse()).map_err(|_| "PORT must be a number")?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
    let listener = listener.map_err(|error| format!("cannot listen on port {port}: {error}; PORT names another"))?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?)
}
