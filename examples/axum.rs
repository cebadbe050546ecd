//! A login that lasts, in front of an axum application: employees and customers, rules that look at each login, second factors,
//! tokens, users and clients in a SQLite file, routes that take the tokens, and a page to try them on.
//!
//! ```sh
//! cargo run --example axum --no-default-features --features argon2,mfa,sqlite
//! ```
//!
//! Once it listens it prints `curl` commands to paste; the page is at the address that it prints first. `PORT` names
//! another port than 8080, `DATABASE` another file than `demo.sqlite` beside the program.

mod demo;

#[path = "demo/durable.rs"]
mod durable;
#[path = "demo/factors.rs"]
mod factors;
#[path = "demo/leaving.rs"]
mod leaving;
#[path = "demo/note.rs"]
mod note;
#[path = "demo/page.rs"]
mod page;
#[path = "demo/rules.rs"]
mod rules;
#[path = "demo/trail.rs"]
mod trail;
#[path = "demo/watched.rs"]
mod watched;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Extension, Json, Router, ServiceExt};
use demo::commands::Commands;
use demo::{API, Error, start};
use factors::RECENT;
use leaving::Leaving;
use note::Note;
use serde_json::{Value, json};
use tower::Layer as _;
use tower::util::MapRequest;
use tower_password_grant::bearer::{BearerGuard, Principal};
use tower_password_grant::limiter::AttackProtection;
use tower_password_grant::mount::Metadata;
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens, RevocationEndpoint};
use tower_password_grant::usage::UsageLedger;
use tower_password_grant::{OpaqueIssuer, PasswordGrant, PeerAddress};
use trail::Trail;
use watched::Watched;

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let listener = start::listen().await?;
    let address = listener.local_addr()?;
    let file = durable::file()?;
    let store = durable::open(&file).await?;
    // One and the same issues the tokens, looks them up and ends them.
    let tokens = Arc::new(OpaqueIssuer::new(store.clone()).with_audience([API]));
    let trail = Trail::default();
    // Which users still log in by password.
    let usage = UsageLedger::new(store.clone());
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(durable::realms(&store)?)
        .issuer(Arc::clone(&tokens))
        .access_tokens(Arc::clone(&tokens))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .revocation(RevocationEndpoint::at("/oauth/revoke"))
        .introspection(IntrospectionEndpoint::at("/oauth/introspect"))
        .metadata(Metadata::new(format!("http://{address}")).scopes_supported(["read", "write"]))
        .attack_protection(AttackProtection::new().limiter(store.limiter()))
        // The rules are asked in this order. The first that refuses a login ends it. `Watched` is of this demo only: for its
        // page it writes into each token what the rules did. An application gives the rules alone.
        .rule(Watched(rules::good_standing()))
        .rule(Watched(rules::customers_only_read()))
        .rule(Watched(rules::short_tokens_for_customers()))
        .rule(Watched(rules::department()))
        // It changes no token, so there is nothing to be watched.
        .rule(factors::step_up())
        .second_factor(factors::factors(&store)?)
        .audit(trail.clone())
        .usage(usage.clone())
        // The address of the peer stands where `into_make_service_with_connect_info` puts it.
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    // The API takes tokens of both realms.
    let guard = BearerGuard::builder(tokens).audience(API).token_realms(durable::REALMS).build()?;

    // Of this demo only: each visitor of the page sees the report, and rehearses the end.
    let leaving = Router::new()
        .route("/demo/usage", get(leaving::report))
        .route("/demo/brownout", post(leaving::begin_brownout).delete(leaving::end_brownout))
        .with_state(Leaving { store: store.clone(), usage: usage.clone() });
    let router = Router::new()
        .route("/", get(page::page))
        .route("/api/me", get(me).layer(guard.require_scope("read")?))
        .route("/api/note", put(write).layer(guard.require_scope("write")?))
        .route("/api/account", get(account).layer(guard.require_scope("read")?.require_second_factor(Some(RECENT))))
        // Of this demo only: it shows the audit trail to everybody.
        .route("/demo/trail", get(trail::trail).with_state(trail))
        .merge(leaving)
        .route("/demo/qr", post(factors::qr_code))
        .layer(DefaultBodyLimit::max(200))
        .with_state(Note::open(&file)?);
    let app = MapRequest::new(layer.with_body(Body::from).layer(router), factors::read_step_up);

    let commands = Commands::begin(
        address,
        &format!("everything is kept in {}: without this file it begins anew", file.display()),
    );
    commands.login();
    commands.api();
    commands.refresh();
    commands.api_is_closed();
    commands.revoke();
    commands.failures();
    commands.realms();
    commands.rules();
    commands.second_factor();
    commands.leaving();
    commands.restart();
    commands.end();

    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    let served = axum::serve(listener, app).with_graceful_shutdown(stopped()).await;
    // What was noted in the last seconds.
    usage.flush().await?;
    Ok(served?)
}

/// Ctrl-C.
async fn stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        eprintln!("Ctrl-C: {error}");
        std::future::pending::<()>().await;
    }
}

/// The caller, by what the guard found out (RFC 6750 section 2.1).
async fn me(Extension(caller): Extension<Principal>, State(note): State<Note>) -> Result<Json<Value>, StatusCode> {
    let expires = caller.expires().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Ok(Json(json!({
        "sub": caller.subject_id(),
        "realm": caller.realm(),
        "client_id": caller.client().as_str(),
        "scope": caller.scope().as_str(),
        "exp": expires,
        "claims": caller.claims(),
        "note": note.read().await.map_err(failed)?,
    })))
}

async fn write(
    Extension(caller): Extension<Principal>,
    State(note): State<Note>,
    text: String,
) -> Result<Json<Value>, StatusCode> {
    note.write(text.clone()).await.map_err(failed)?;
    Ok(Json(json!({ "note": text, "written_by": caller.subject_id() })))
}

/// What a stolen password is not enough for.
async fn account(Extension(caller): Extension<Principal>) -> Json<Value> {
    Json(json!({ "account": "DE02 1203 0000 0000 2020 51", "sub": caller.subject_id(), "amr": caller.methods().amr() }))
}

fn failed(error: Error) -> StatusCode {
    eprintln!("the note: {error}");
    StatusCode::SERVICE_UNAVAILABLE
}
