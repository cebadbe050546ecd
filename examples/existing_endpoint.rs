//! A token endpoint that exists already, with its own refresh tokens, gains the password grant.
//!
//! ```sh
//! cargo run --example existing_endpoint --no-default-features --features argon2
//! ```
//!
//! The layer serves `grant_type=password`; every other grant goes on to the handler that was there before.

mod demo;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{ConnectInfo, Form, Request, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, ServiceExt};
use demo::users::Users;
use demo::{Error, start};
use serde::Deserialize;
use serde_json::json;
use tower::Layer as _;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::error::RandomnessError;
use tower_password_grant::store::SecretDigest;
use tower_password_grant::token::Token;
use tower_password_grant::{
    BackendError, Client, Grant, IssuedTokens, PasswordGrant, PeerAddress, StaticClients, TokenIssuer,
};

const LIFETIME: Duration = Duration::from_secs(600);

/// The application's own refresh tokens, by their digests. In an application this is the database.
#[derive(Clone, Default)]
struct Sessions {
    by_refresh_token: Arc<Mutex<HashMap<[u8; 32], Session>>>,
}

struct Session {
    subject: String,
    client_id: String,
    scope: String,
}

impl Sessions {
    /// A new refresh token for the session.
    fn start(&self, session: Session) -> Result<Token, RandomnessError> {
        let token = Token::random("rt_")?;
        let mut sessions = self.by_refresh_token.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(*token.digest().as_bytes(), session);
        Ok(token)
    }

    /// Spends a refresh token of this client.
    fn take(&self, refresh_token: &str, client_id: &str) -> Option<Session> {
        let digest = SecretDigest::of(refresh_token);
        let mut sessions = self.by_refresh_token.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = sessions.get(digest.as_bytes()).is_some_and(|session| session.client_id == client_id);
        if ours { sessions.remove(digest.as_bytes()) } else { None }
    }
}

/// The password grant gives the same tokens as the endpoint always gave.
#[async_trait]
impl TokenIssuer for Sessions {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        let refresh_token = self.start(Session {
            subject: grant.subject().id().to_owned(),
            client_id: grant.client().id().as_str().to_owned(),
            scope: grant.scope().as_str().to_owned(),
        })?;
        Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime()).with_refresh_token(refresh_token))
    }
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    client_id: Option<String>,
    refresh_token: Option<String>,
}

/// The endpoint that was there before. It knows nothing of passwords, and never sees one.
async fn token(State(sessions): State<Sessions>, Form(request): Form<TokenRequest>) -> Response {
    if request.grant_type != "refresh_token" {
        return refuse("unsupported_grant_type");
    }
    let (Some(client_id), Some(refresh_token)) = (request.client_id, request.refresh_token) else {
        return refuse("invalid_request");
    };
    let Some(session) = sessions.take(&refresh_token, &client_id) else {
        return refuse("invalid_grant");
    };
    println!("{} stays logged in", session.subject);
    let scope = session.scope.clone();
    match (Token::random("at_"), sessions.start(session)) {
        (Ok(access_token), Ok(refresh_token)) => {
            let tokens = json!({
                "access_token": access_token.expose(),
                "token_type": "Bearer",
                "expires_in": LIFETIME.as_secs(),
                "refresh_token": refresh_token.expose(),
                "scope": scope,
            });
            ([(CACHE_CONTROL, "no-store")], Json(tokens)).into_response()
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refuse(error: &str) -> Response {
    (StatusCode::BAD_REQUEST, [(CACHE_CONTROL, "no-store")], Json(json!({ "error": error }))).into_response()
}

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let sessions = Sessions::default();
    let cli = Client::public("demo-cli").allow_password_grant().scopes("read").default_scope("read").build()?;
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli])?)
        .verifier(Argon2Verifier::new(Users::with_password(["alice"], demo::PASSWORD)?)?)
        .issuer(sessions.clone())
        .access_token_lifetime(LIFETIME)
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?
        .forward_other_grants(Body::from)
        .with_body(Body::from);
    let app = layer.layer(Router::new().route("/oauth/token", post(token)).with_state(sessions));

    let listener = start::listen().await?;
    print_commands(listener.local_addr()?);
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await?;
    Ok(())
}

fn print_commands(address: SocketAddr) {
    let url = format!("http://{address}/oauth/token");
    let login = format!("-d grant_type=password -d username=alice --data-urlencode 'password={}'", demo::PASSWORD);
    println!("listening on http://{address}");
    println!("\n# the new grant, 200");
    println!("curl -isS -w '\\n' -d client_id=demo-cli {login} {url}");
    println!("\n# its refresh token at the handler that was there before, 200");
    println!(
        "REFRESH=$(curl -sS -d client_id=demo-cli {login} {url} | \
         sed 's/.*\"refresh_token\":\"\\([^\"]*\\)\".*/\\1/')"
    );
    println!(
        "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=refresh_token -d \"refresh_token=$REFRESH\" {url}"
    );
    println!("\n# the same refresh token again, 400 invalid_grant");
    println!(
        "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=refresh_token -d \"refresh_token=$REFRESH\" {url}"
    );
    println!("\n# a grant that neither serves, 400 unsupported_grant_type");
    println!("curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=client_credentials {url}");
    println!("\nCtrl-C stops it.");
}
