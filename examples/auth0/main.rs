//! The server for a team that comes from Auth0: its SDKs log users in here as they did there, with another domain.
//!
//! ```sh
//! cargo run --example auth0 --features argon2,jwt,mfa,sqlite
//! ```
//!
//! The SDKs speak HTTPS only, so it serves TLS, by a certificate authority that it makes at each start and writes into a file
//! for them. Once it listens it prints a line to paste for each SDK, `curl` commands, and the codes that it would send to telephones. `PORT`
//! names another port than 8080, `DATABASE` another file than `auth0.sqlite` beside the program, `ORIGIN` the origin of your own page, for a browser.

mod clients;
mod factors;
mod lines;
mod people;
#[path = "../demo/start.rs"]
mod start;
mod telephone;
mod tls;
mod userinfo;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::{get, post};
use axum::{Router, ServiceExt};
use factors::SecondFactors;
use start::Error;
use tls::{Authority, Peer, TlsListener};
use tower::{Layer as _, ServiceBuilder};
use tower_password_grant::bearer::BearerGuard;
use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
use tower_password_grant::mount::{Metadata, Profile};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::token::{RefreshTokens, RevocationEndpoint};
use tower_password_grant::user::OnLeak;
use tower_password_grant::{PasswordGrant, PasswordGrantLayer, PeerAddress};

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let listener = start::listen().await?;
    let domain = format!("localhost:{}", listener.local_addr()?.port());
    let file = database()?;
    let store = open(&file).await?;
    let origin = std::env::var("ORIGIN").unwrap_or_else(|_| "http://localhost:3000".to_owned());
    clients::register(&store, &origin).await?;
    people::register(&store).await?;

    let authority = Authority::new()?;
    let certificates = file.with_extension("ca.pem");
    std::fs::write(&certificates, authority.certificate())?;
    let listener = TlsListener::new(listener, authority.server("localhost")?)?;
    // Before the code of an enrolment is printed.
    println!("listening on https://{domain}");

    let issuer = issuer(&domain)?;
    let factors = SecondFactors::new(&domain)?;
    // On a layer of its own, whose limiter knows nothing of the code that is sent now.
    let enrolling = layer(&domain, &store, issuer.clone(), &factors)?;
    let recovery_codes = telephone::enrol(enrolling, &domain, &people::ENROLLED, &factors.console).await?;
    // Each token is for this server, too, if its scope has `openid`.
    let guard = BearerGuard::builder(issuer.verifier()).any_audience().token_realms(people::REALMS).build()?;
    let guarded = ServiceBuilder::new().layer(userinfo::cors(&origin)?).layer(guard.require_scope("openid")?);
    let router = Router::new()
        .route("/userinfo", get(userinfo::userinfo).layer(guarded))
        .route("/devices/{id}/{answer}", post(factors::answer).with_state(Arc::clone(&factors.console)));
    let app = layer(&domain, &store, issuer, &factors)?.with_body(Body::from).layer(router);

    lines::print(&domain, &std::path::absolute(certificates)?, &recovery_codes);
    axum::serve(listener, ServiceExt::<Request>::into_make_service_with_connect_info::<Peer>(app)).await?;
    Ok(())
}

/// Where the file is that keeps users, clients and refresh tokens.
fn database() -> Result<PathBuf, Error> {
    match std::env::var_os("DATABASE") {
        Some(path) => Ok(path.into()),
        None => Ok(std::env::current_exe()?.with_file_name("auth0.sqlite")),
    }
}

async fn open(file: &Path) -> Result<SqliteStore, Error> {
    let path = file.to_owned();
    let opened = tokio::task::spawn_blocking(|| SqliteStore::open(path)).await?;
    opened.map_err(|error| start::unreadable("DATABASE", file, &error))
}

/// Signs access tokens, and ID tokens beside them where the scope has `openid`. The SDKs take RS256 alone, and compare the issuer with
/// its slash. Your key comes from a file: `SigningKey::from_pkcs8_pem`.
fn issuer(domain: &str) -> Result<JwtIssuer, Error> {
    let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::Rs256)?);
    let issuer = JwtIssuer::new(format!("https://{domain}/"), [format!("https://{domain}/userinfo")], keys)?;
    Ok(issuer.with_id_tokens(people::id_claims))
}

fn layer(
    domain: &str,
    store: &SqliteStore,
    issuer: JwtIssuer,
    factors: &SecondFactors,
) -> Result<PasswordGrantLayer, Error> {
    let metadata = Metadata::new(format!("https://{domain}/"))
        .openid_configuration()
        .with("userinfo_endpoint", format!("https://{domain}/userinfo"));
    let layer = PasswordGrant::builder()
        .profile(Profile::Auth0)
        .clients(store.clone())
        .verifier(people::realms(store)?)
        .document("/.well-known/jwks.json", issuer.jwks())
        .access_tokens(issuer.verifier())
        .issuer(issuer)
        // Nobody can take a signed token back: it must not live long.
        .access_token_lifetime(Duration::from_secs(600))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .revocation(RevocationEndpoint::at("/oauth/revoke"))
        .metadata(metadata)
        .rule(people::may_log_in())
        .second_factor(factors.settings())
        .shield(people::Leaked, OnLeak::Block)
        .peer_address(PeerAddress::extension(|peer: &ConnectInfo<Peer>| Some(peer.0.0.ip())))
        .build()?;
    Ok(layer)
}
