//! An API behind a guard that knows the tokens of an endpoint.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, service_fn};
use tower_password_grant::ClientSecret;
use tower_password_grant::bearer::{BearerGuard, IntrospectionClient, Principal};

use super::bearer::Answer;
use super::tokens::Tokens;

pub const API: &str = "https://api.example";

/// Status and body at the API, which answers the scope of its caller.
pub async fn call(guard: &BearerGuard, token: &str) -> (u16, String) {
    let answer = ask(guard, token).await;
    (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
}

/// What the API answers, or its guard.
pub async fn ask(guard: &BearerGuard, token: &str) -> Answer {
    let api = service_fn(|request: Request<String>| async move {
        let scope = request.extensions().get::<Principal>().map(|caller| caller.scope().as_str().to_owned());
        Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(scope.unwrap()))))
    });
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new()).unwrap();
    let (head, body) = guard.layer(api).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

/// Before an API beside the endpoint.
pub fn guard(tokens: &Tokens) -> BearerGuard {
    let builder = BearerGuard::builder(tokens.access.clone()).audience(API).clock(tokens.clock.clone());
    builder.build().unwrap()
}

/// Before an API elsewhere, which asks the introspection endpoint as the client `rs`.
pub fn remote_guard(tokens: &Tokens) -> BearerGuard {
    let peer: SocketAddr = "192.0.2.7:1".parse().unwrap();
    let endpoint = ServiceBuilder::new()
        .map_request(move |mut request: Request<Full<Bytes>>| {
            request.extensions_mut().insert(peer);
            request
        })
        .service(tokens.layer.introspection_endpoint());
    let secret = ClientSecret::new("rs-pw".to_owned());
    let remote = IntrospectionClient::new("https://as.example/oauth/introspect", endpoint, "rs", &secret).unwrap();
    let remote = remote.with_clock(tokens.clock.clone());
    BearerGuard::builder(remote).audience(API).clock(tokens.clock.clone()).build().unwrap()
}
