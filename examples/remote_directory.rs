//! Users that another service owns: the verifier asks it over HTTP at each login and at each refresh.
//!
//! ```sh
//! cargo run --example remote_directory --no-default-features --features argon2,sqlite
//! ```
//!
//! The program plays both parts, each on a port of its own: the user service (`service.rs`), which may be anywhere, and the token
//! endpoint over it. Read `directory.rs` first, which says what the answers of the service mean, and then `asker.rs`: time-outs,
//! bounds, and why a guess is never sent twice. `PORT` names another port than 8080 for the endpoint.
//!
//! With `DATABASE=users.sqlite` users leave the service: each moves into that file at the next login, and is verified there from
//! then on. A name moves in the form of `AccountKey::canonical`; for a service with several names of one account, implement
//! `UserImport` so that it adds them all.
//!
//! Where the service has the users of one realm only: `Realms::new().realm("customers", directory)?`. With other directories before
//! or behind it: `FirstOf::new(directory).then(other)`.

#[path = "demo/start.rs"]
mod start;

#[path = "remote_directory/asker.rs"]
mod asker;
#[path = "remote_directory/commands.rs"]
mod commands;
#[path = "remote_directory/directory.rs"]
mod directory;
#[path = "remote_directory/questions.rs"]
mod questions;
#[path = "remote_directory/service.rs"]
mod service;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::{Router, ServiceExt};
use commands::Commands;
use directory::RemoteDirectory;
use service::{ENDPOINT_CREDENTIAL, UserService};
use start::Error;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;
use tower::Layer as _;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::realms::Migrate;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{
    Client, CredentialVerifier, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients,
};

/// A password that is only ever typed into this demo.
const PASSWORD: &str = "correct horse battery staple";

#[tokio::main]
async fn main() -> ExitCode {
    start::end(run().await)
}

async fn run() -> Result<(), Error> {
    let listener = start::listen().await?;
    let address = listener.local_addr()?;
    let service = start_service().await?;
    let remote = RemoteDirectory::new(service.to_string().parse()?, ENDPOINT_CREDENTIAL)?;

    let (layer, show): (_, fn(&Commands)) = match std::env::var_os("DATABASE") {
        None => (endpoint(remote)?, Commands::asking),
        Some(file) => (endpoint(moving(remote.count_by_login_name(), file).await?)?, Commands::moving),
    };
    let router = Router::new().route("/", get(|| async { "hello" }));
    let app = layer.with_body(Body::from).layer(router);

    show(&Commands::begin(address, service));
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await?;
    Ok(())
}

/// The other part, with the users alice and bob.
async fn start_service() -> Result<SocketAddr, Error> {
    let users = spawn_blocking(|| UserService::new(&[("17", "alice", PASSWORD), ("18", "bob", PASSWORD)])).await??;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        if let Err(error) = users.serve(listener).await {
            eprintln!("the user service ended: {error}");
        }
    });
    Ok(address)
}

/// The users of the service, who move into this file.
async fn moving(remote: RemoteDirectory, file: OsString) -> Result<Migrate, Error> {
    let path = file.clone();
    let opened = spawn_blocking(|| SqliteStore::open(path)).await?;
    let store = opened.map_err(|error| start::unreadable("DATABASE", &file, &error))?;
    Ok(Migrate::new(remote, Argon2Verifier::new(store)?))
}

/// The token endpoint over these users. The tokens are in memory: a restart ends every login.
fn endpoint(users: impl CredentialVerifier) -> Result<PasswordGrantLayer, Error> {
    let cli =
        Client::public("demo-cli").allow_password_grant().allow_refresh_tokens().scopes("read").default_scope("read");
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli.build()?])?)
        .verifier(users)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    Ok(layer)
}
