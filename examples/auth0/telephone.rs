//! What an app does to give its user a second factor: here at each start, so that one user has a telephone from the beginning.

use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_password_grant::PasswordGrantLayer;

use super::Error;
use super::clients::PUBLIC;
use super::factors::Console;
use super::people::Person;
use super::tls::Peer;

/// The telephone of the user who has one.
pub(crate) const TELEPHONE: &str = "+15555550106";
/// No answer of this server is longer.
const LONGEST: usize = 64 * 1024;

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
}

#[derive(Deserialize)]
struct Enrolled {
    mfa_token: String,
    oob_code: String,
    recovery_codes: Vec<String>,
}

/// Enrols the telephone: by an access token for the endpoints of second factors, and by the code that is sent. Gives the recovery codes,
/// which the app shows this once.
pub(crate) async fn enrol(
    layer: PasswordGrantLayer,
    domain: &str,
    person: &Person,
    console: &Console,
) -> Result<Vec<String>, Error> {
    let server = Router::new().layer(layer);
    let audience = format!("https://{domain}/mfa/");
    let login = json!({
        "grant_type": "password", "client_id": PUBLIC, "username": person.email, "password": person.password,
        "audience": audience, "scope": "enroll",
    });
    let tokens: Tokens = post(&server, "/oauth/token", None, &login).await?;
    let telephone = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": TELEPHONE });
    let enrolled: Enrolled = post(&server, "/mfa/associate", Some(&tokens.access_token), &telephone).await?;
    let confirmation = json!({
        "grant_type": "http://auth0.com/oauth/grant-type/mfa-oob", "client_id": PUBLIC,
        "mfa_token": enrolled.mfa_token, "oob_code": enrolled.oob_code, "binding_code": console.last_code(),
    });
    post::<Tokens>(&server, "/oauth/token", None, &confirmation).await?;
    Ok(enrolled.recovery_codes)
}

/// Asks the endpoint as a client on this machine.
async fn post<T: DeserializeOwned>(
    server: &Router,
    path: &str,
    bearer: Option<&str>,
    json: &Value,
) -> Result<T, Error> {
    let peer = ConnectInfo(Peer(SocketAddr::from(([127, 0, 0, 1], 0))));
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json").extension(peer);
    if let Some(bearer) = bearer {
        request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
    }
    let answer = server.clone().oneshot(request.body(Body::from(json.to_string()))?).await?;
    let status = answer.status();
    let body = to_bytes(answer.into_body(), LONGEST).await?;
    if status.is_success() {
        Ok(serde_json::from_slice(&body)?)
    } else {
        Err(format!("{path}: {status} {}", String::from_utf8_lossy(&body)).into())
    }
}
