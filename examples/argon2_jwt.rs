//! Argon2id passwords in, signed JWT access tokens (RFC 9068) out, with the JWKS document to verify them, and ID tokens for
//! clients that log in with the scope `openid`.
//!
//! ```sh
//! cargo run --example argon2_jwt --features jwt
//! ```
//!
//! `SIGNING_KEY_FILE` names a PKCS#8 PEM file with a P-256 key; without it, a key is made that ends with the process.

mod demo;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::{Router, ServiceExt};
use demo::users::Users;
use demo::{Error, start};
use tower::Layer as _;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::jwt::{IdClaims, JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::{Client, PasswordGrant, PeerAddress, StaticClients};

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let listener = start::listen().await?;
    let address = listener.local_addr()?;

    // Twice the default memory: hashes that were made with less are upgraded when their users log in.
    let verifier = Argon2Verifier::builder(Users::with_password(["alice"], demo::PASSWORD)?)
        .parameters(Argon2Parameters::new(2 * 19_456, 2, 1)?)
        .max_wait(Duration::from_secs(2))
        .build()?;
    let issuer = JwtIssuer::new(format!("http://{address}"), ["https://api.example"], KeySet::new(signing_key()?))?;
    let issuer = issuer.with_id_tokens(|grant| async move {
        // An application asks its table of users here. Those of this example have their names in their ids.
        let name = grant.subject().id().trim_start_matches("user:");
        Ok(IdClaims::new().claim("preferred_username", name)?)
    });
    let jwks = issuer.jwks();
    let cli = Client::public("demo-cli").allow_password_grant().scopes("openid read").default_scope("read").build()?;
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli])?)
        .verifier(verifier)
        .issuer(issuer)
        // Nobody can take a signed token back: it must not live long.
        .access_token_lifetime(Duration::from_secs(300))
        .document("/.well-known/jwks.json", jwks)
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    let router = Router::new().route("/", get(|| async { "hello" }));
    let app = layer.with_body(Body::from).layer(router);

    print_commands(address);
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await?;
    Ok(())
}

fn signing_key() -> Result<SigningKey, Error> {
    Ok(match std::env::var_os("SIGNING_KEY_FILE") {
        Some(path) => {
            let pem = std::fs::read_to_string(&path);
            let pem = pem.map_err(|error| start::unreadable("SIGNING_KEY_FILE", &path, &error))?;
            SigningKey::from_pkcs8_pem(SigningAlgorithm::Es256, &pem)?
        }
        None => SigningKey::generate(SigningAlgorithm::Es256)?,
    })
}

fn print_commands(address: SocketAddr) {
    let login = |password: &str, more: &str| {
        println!(
            "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=password -d username=alice \
             --data-urlencode 'password={password}'{more} http://{address}/oauth/token"
        );
    };
    println!("listening on http://{address}");
    println!("\n# a signed token, 200");
    login(demo::PASSWORD, "");
    println!("\n# with an ID token beside it, 200");
    login(demo::PASSWORD, " -d scope=openid");
    println!("\n# the keys to verify it with, 200");
    println!("curl -isS -w '\\n' http://{address}/.well-known/jwks.json");
    println!("\n# a wrong password, 400 invalid_grant");
    login("wrong", "");
    println!("\nCtrl-C stops it.");
}
