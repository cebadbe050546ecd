//! The token endpoint in front of an axum application, whose own routes take the tokens.
//!
//! ```sh
//! cargo run --example axum --no-default-features --features argon2
//! ```
//!
//! Once it listens it prints `curl` commands to paste.

mod demo;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use demo::Demo;
use tokio::net::TcpListener;
use tower_password_grant::{AccessTokenVerifier as _, MemoryAccessTokens, OpaqueIssuer, PeerAddress};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // The address of the peer stands where `into_make_service_with_connect_info` puts it.
    let demo = Demo::new(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))?;
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/api/me", get(me))
        .with_state(Arc::clone(&demo.tokens))
        .layer(demo.layer.clone());

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, demo::port()?)).await?;
    let address = listener.local_addr()?;
    demo.print_commands(address);
    println!("\n# who is logged in, 200");
    println!("{}", demo.token_command("TOKEN", address));
    println!("curl -isS -w '\\n' -H \"Authorization: Bearer $TOKEN\" http://{address}/api/me");
    println!("\nCtrl-C stops it.");

    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}

/// A route for holders of a token (RFC 6750 section 2.1).
async fn me(State(tokens): State<Arc<OpaqueIssuer<MemoryAccessTokens>>>, headers: HeaderMap) -> Response {
    let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let Some(token) = token else { return unauthorized() };
    match tokens.verify(token).await {
        Ok(Some(record)) => {
            let (client, scope) = (record.client().as_str(), record.scope().as_str());
            Json(serde_json::json!({ "sub": record.subject(), "client_id": client, "scope": scope })).into_response()
        }
        Ok(None) => unauthorized(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn unauthorized() -> Response {
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer realm=\"api\"")]).into_response()
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_start())
}
