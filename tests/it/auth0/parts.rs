//! Endpoints in this profile, as these tests need them.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::bearer::BearerGuard;
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::mount::Profile;
use tower_password_grant::{Client, Scope};

use crate::support::tokens::{Tokens, TokensBuilder, confidential};
use crate::support::{Answer, digest};

/// An endpoint in this profile whose only client `conf` may use everything, after a change of both.
pub fn tokens(
    client: impl FnOnce(ClientBuilder) -> ClientBuilder,
    change: impl FnOnce(TokensBuilder) -> TokensBuilder,
) -> Tokens {
    with_clients(confidential(client), change)
}

/// One with these clients.
pub fn with_clients(clients: Vec<Client>, change: impl FnOnce(TokensBuilder) -> TokensBuilder) -> Tokens {
    Tokens::of(Profile::Auth0, clients, change)
}

/// The client `conf` with these scopes and no default.
pub fn registered_for(scopes: &str) -> Vec<Client> {
    let client = Client::confidential("conf", &digest("conf-pw")).allow_password_grant().allow_refresh_tokens();
    vec![client.scopes(scopes).build().unwrap()]
}

/// A parameter of the request.
pub fn parameter(name: &str, value: &str) -> String {
    format!("&{}", serde_urlencoded::to_string([(name, value)]).unwrap())
}

/// The scope of an answer; `Err` with status and code of a refusal.
pub fn scope_of(answer: &Answer) -> Result<Scope, (u16, String)> {
    let json = answer.json();
    match answer.status.as_u16() {
        200 => Ok(json["scope"].as_str().map_or_else(Scope::default, |text| text.parse().unwrap())),
        status => Err((status, json["error"].as_str().unwrap().to_owned())),
    }
}

/// What an API answers under this guard to a request with this token.
pub async fn status_at(guard: &BearerGuard, token: &str) -> u16 {
    let api = service_fn(|_: Request<String>| async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))) });
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new()).unwrap();
    guard.layer(api).oneshot(request).await.unwrap().status().as_u16()
}
