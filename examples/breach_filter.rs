//! Passwords that are known from leaks are refused, after they were found right.
//!
//! ```sh
//! cargo run --example breach_filter --no-default-features --features argon2,breach-filter
//! ```
//!
//! With the name of a list it takes that one in place of a short one of its own: one password in each line, or, if the name
//! ends with `.sha1`, one SHA-1 hash (`HASH` or `HASH:COUNT`).
//!
//! ```sh
//! cargo run --example breach_filter --no-default-features --features argon2,breach-filter -- list.txt
//! ```

mod demo;

use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::{Router, ServiceExt};
use demo::users::Users;
use demo::{Error, start};
use tower::Layer as _;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::leaks::LeakedPasswords;
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::user::OnLeak;
use tower_password_grant::{Client, OpaqueIssuer, Password, PasswordGrant, PeerAddress, StaticClients};

/// Some of those that every list begins with.
const LIST: [&str; 10] =
    ["123456", "password", "12345678", "qwerty", "123456789", "12345", "1234", "111111", "iloveyou", "correct horse"];

/// What your set-up does for each new list: it leaves a filter file beside it.
fn make_filter(list: &Path) -> Result<PathBuf, Error> {
    let lines = BufReader::new(File::open(list).map_err(|error| start::unreadable("the argument", list, &error))?);
    let is_hashed = list.extension().is_some_and(|extension| extension == "sha1");
    let leaked = if is_hashed { LeakedPasswords::from_sha1_list(lines) } else { LeakedPasswords::from_list(lines) };
    let filter = list.with_extension("filter");
    leaked?.write_to(File::create(&filter)?)?;
    Ok(filter)
}

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let leaked = match std::env::args_os().nth(1) {
        // What your server does at each start.
        Some(list) => LeakedPasswords::open(make_filter(Path::new(&list))?)?,
        None => LeakedPasswords::from_passwords(LIST)?,
    };
    let users = [("alice", demo::PASSWORD), ("bob", "iloveyou")];
    let known = users.map(|(_, password)| leaked.contains(&Password::new(password.to_owned())));

    let cli = Client::public("demo-cli").allow_password_grant().scopes("read").default_scope("read").build()?;
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli])?)
        .verifier(Argon2Verifier::new(Users::with_passwords(users)?)?)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        // Begin with `OnLeak::Warn`, and look at `oauth_leaked_passwords_total`.
        .shield(leaked, OnLeak::Block)
        .build()?;
    let router = Router::new().route("/", get(|| async { "hello" }));
    let app = layer.with_body(Body::from).layer(router);

    let listener = start::listen().await?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}");
    let login = |title: &str, username: &str, password: &str| {
        println!("\n# {title}");
        println!(
            "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=password -d username={username} \
             --data-urlencode 'password={password}' http://{address}/oauth/token"
        );
    };
    for ((name, password), is_known) in users.into_iter().zip(known) {
        let answer = if is_known { "a leaked one, 400 password_leaked" } else { "not a leaked one, 200" };
        login(&format!("the password of {name}, {answer}"), name, password);
        login("a guess learns nothing of it, 400 invalid_grant", name, "123456");
    }
    println!("\nCtrl-C stops it.");
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await?;
    Ok(())
}
