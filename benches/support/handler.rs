//! The token endpoint as an application would write it by hand: an axum handler with extractors. It does the least that
//! is right: no budget of attempts, no strict decoding, no deadline, no telemetry.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use axum_extra::TypedHeader;
use axum_extra::headers::Authorization;
use axum_extra::headers::authorization::Basic;
use http::StatusCode;
use http::header::{CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{CLIENT, LIFETIME, PASSWORD, PATH, SCOPE, SECRET, USER, random_token};

#[derive(Clone)]
pub struct Registered {
    client: &'static str,
    secret: &'static str,
}

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: String,
    username: Option<String>,
    password: Option<String>,
    #[allow(dead_code, reason = "decoded as an application would")]
    scope: Option<String>,
}

#[derive(Serialize)]
struct TokenResponse {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    scope: &'static str,
}

#[derive(Serialize)]
struct ErrorResponse {
    error: &'static str,
}

pub fn router() -> Router {
    Router::new().route(PATH, post(token)).with_state(Registered { client: CLIENT, secret: SECRET })
}

async fn token(
    State(registered): State<Registered>,
    TypedHeader(Authorization(basic)): TypedHeader<Authorization<Basic>>,
    Form(request): Form<TokenRequest>,
) -> Response {
    let known = basic.username() == registered.client;
    let right = bool::from(basic.password().as_bytes().ct_eq(registered.secret.as_bytes()));
    if !known || !right {
        let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"token endpoint\"")];
        return (StatusCode::UNAUTHORIZED, challenge, refusal("invalid_client")).into_response();
    }
    if request.grant_type != "password" {
        return (StatusCode::BAD_REQUEST, refusal("unsupported_grant_type")).into_response();
    }
    let (Some(username), Some(password)) = (request.username, request.password) else {
        return (StatusCode::BAD_REQUEST, refusal("invalid_request")).into_response();
    };
    if username != USER || password != PASSWORD {
        return (StatusCode::BAD_REQUEST, refusal("invalid_grant")).into_response();
    }
    let Ok(access_token) = random_token() else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let tokens = TokenResponse { access_token, token_type: "Bearer", expires_in: LIFETIME, scope: SCOPE };
    ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(tokens)).into_response()
}

fn refusal(error: &'static str) -> Response {
    ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(ErrorResponse { error })).into_response()
}
