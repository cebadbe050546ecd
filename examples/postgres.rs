//! Users who are in a PostgreSQL table already, with the login names that they typed and the hashes of another program.
//!
//! ```sh
//! export DATABASE=postgres://user:password@127.0.0.1/app
//! psql "$DATABASE" -f examples/postgres/users.sql # the table that you have already
//! cargo run --example postgres --features legacy-hashes -- prepare
//! cargo run --example postgres --features legacy-hashes
//! ```
//!
//! `prepare` is done once: it gives each user a key to be found by, in a new column, and names the users who cannot have one. The
//! tokens are in the memory of this process: a restart ends every login. `PORT` names another port than 8080.

#[path = "demo/start.rs"]
mod start;

#[path = "postgres/keys.rs"]
mod keys;
#[path = "postgres/pool.rs"]
mod pool;
#[path = "postgres/prepare.rs"]
mod prepare;
#[path = "postgres/users.rs"]
mod users;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::{Extension, Router, ServiceExt};
use start::Error;
use tokio_postgres::{Config, NoTls};
use tower::Layer as _;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::bearer::{BearerGuard, Principal};
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{Client, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients};
use users::Users;

#[tokio::main]
async fn main() -> ExitCode {
    // The reasons that clients do not see: what the database said, above all.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    start::end(match std::env::args().nth(1).as_deref() {
        None => serve().await,
        Some("prepare") => prepare_table().await,
        Some(other) => Err(format!("`{other}` is not known: `prepare`, or no argument").into()),
    })
}

/// The server that the environment's `DATABASE` names.
fn database() -> Result<Config, Error> {
    let text = std::env::var("DATABASE").unwrap_or_default();
    let config = text.parse::<Config>().ok().filter(|config| !config.get_hosts().is_empty());
    Ok(config.ok_or("DATABASE must name the database, as in postgres://user:password@127.0.0.1/app")?)
}

async fn serve() -> Result<(), Error> {
    let users = Users::new(database()?)?;
    users.check().await?;
    let cli =
        Client::public("demo-cli").allow_password_grant().allow_refresh_tokens().scopes("read").default_scope("read");
    let tokens = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()));
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli.build()?])?)
        .verifier(Argon2Verifier::new(users)?)
        .issuer(Arc::clone(&tokens))
        .access_tokens(Arc::clone(&tokens))
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    let guard = BearerGuard::builder(tokens).any_audience().build()?.require_scope("read")?;
    let router = Router::new().route("/api/me", get(me).layer(guard));
    let app = layer.with_body(Body::from).layer(router);

    let listener = start::listen().await?;
    print_commands(listener.local_addr()?);
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await?;
    Ok(())
}

/// The id of the user in the table.
async fn me(Extension(caller): Extension<Principal>) -> String {
    caller.subject_id().to_owned()
}

async fn prepare_table() -> Result<(), Error> {
    let (mut client, connection) = database()?.connect(NoTls).await.map_err(users::unreachable)?;
    let connection = tokio::spawn(connection);
    let shared = prepare::prepare(client.transaction().await?).await?;
    drop(client);
    connection.await??;
    for (key, users) in &shared {
        let users: Vec<String> = users.iter().map(|(id, login)| format!("{id} ({login})")).collect();
        println!("no user logs in as `{key}`, which would be several users: {}", users.join(", "));
    }
    match shared.len() {
        0 => println!("every user has a key"),
        _ => println!("every other user has a key; rename, join or remove these, and run this again"),
    }
    Ok(())
}

fn print_commands(address: SocketAddr) {
    let login = |title: &str, name: &str, password: &str| {
        println!("\n# {title}");
        println!(
            "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=password --data-urlencode 'username={name}' \
             --data-urlencode 'password={password}' http://{address}/oauth/token"
        );
    };
    let right = "correct horse battery staple";
    println!("listening on http://{address}");
    login("a user whose hash is Argon2id already, 200", "alice", right);
    login("one with a hash of bcrypt, which is an Argon2id hash from now on, 200", "Bob@Example.com", right);
    login("the same, however the name is spelled, 200", " bob@example.COM", right);
    login("a wrong password, 400 invalid_grant", "alice", "wrong");
    login("the right password of a disabled account, 400 invalid_grant", "carol", right);
    login("a name that would be two accounts, 400 invalid_grant", "dave@example.com", right);
    println!("\nCtrl-C stops it.");
}
