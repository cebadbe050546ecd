//! Ways around the bearer guard: requests that only look like a browser's preflight, and realms behind introspection.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::transport::server::TcpIncoming;
use tower_password_grant::bearer::{BearerGuard, IntrospectionClient};
use tower_password_grant::{Client, ClientSecret};

use crate::support::bearer::{self, AUDIENCE, Api};
use crate::support::digest;
use crate::support::server::Server;
use crate::support::spawn;
use crate::support::tokens::Tokens;

const PREFLIGHT: [(&str, &str); 2] = [("origin", "https://page.example"), ("access-control-request-method", "POST")];

fn guard() -> BearerGuard {
    BearerGuard::builder(bearer::Tokens::new()).audience(AUDIENCE).build().unwrap().require_scope("write").unwrap()
}

/// A gRPC service behind this guard.
async fn grpc(guard: BearerGuard) -> SocketAddr {
    let (_, health) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    spawn(tonic::transport::Server::builder().layer(guard).add_service(health).serve_with_incoming(incoming));
    address
}

/// Calls the service with `OPTIONS`, dressed as a preflight request; tells the status and how many bytes it answered.
async fn call(address: SocketAddr, media_type: Option<&str>, message: &'static [u8]) -> (StatusCode, usize) {
    let io = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let (mut client, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    spawn(connection);
    let mut request =
        Request::options(format!("http://{address}/grpc.health.v1.Health/Check")).header("te", "trailers");
    for (name, value) in PREFLIGHT.into_iter().chain(media_type.map(|media_type| ("content-type", media_type))) {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from_static(message))).unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    (head.status, body.collect().await.unwrap().to_bytes().len())
}

#[tokio::test]
async fn no_grpc_call_passes_as_a_preflight_be_17() {
    const MESSAGE: &[u8] = &[0; 5];
    let address = grpc(guard()).await;
    for media_type in ["application/grpc", "application/grpc+proto"] {
        assert_eq!(call(address, Some(media_type), MESSAGE).await, (StatusCode::OK, 0));
        assert_eq!(call(address, Some(media_type), b"").await, (StatusCode::OK, 0));
    }
    assert_eq!(call(address, None, MESSAGE).await, (StatusCode::UNAUTHORIZED, 0));
    // Without a body it reaches the service, unless preflights are refused: what follows is the answer of the service.
    assert_eq!(call(address, None, b"").await, (StatusCode::OK, 0));
    let address = grpc(guard().refuse_preflight()).await;
    for message in [MESSAGE, b""] {
        assert_eq!(call(address, None, message).await, (StatusCode::UNAUTHORIZED, 0));
    }
}

#[tokio::test]
async fn a_handler_of_every_method_gets_no_body_from_a_preflight_and_none_at_all_where_they_are_refused_be_17() {
    let handler = any(|body: String| async move { format!("done: {body}") });
    let open = Api::serve(Router::new().route("/", handler.clone()).layer(guard())).await;
    open.send("OPTIONS", "/", &PREFLIGHT, "rm").await.assert_refused(401, "");
    open.send("OPTIONS", "/", &[PREFLIGHT[0], PREFLIGHT[1], ("content-type", "text/plain")], "")
        .await
        .assert_refused(401, "");
    assert_eq!(open.send("OPTIONS", "/", &PREFLIGHT, "").await.status, 200);
    let closed = Api::serve(Router::new().route("/", handler).layer(guard().refuse_preflight())).await;
    closed.send("OPTIONS", "/", &PREFLIGHT, "").await.assert_refused(401, "");
    let answer = closed.send("OPTIONS", "/", &[PREFLIGHT[0], PREFLIGHT[1], ("authorization", "Bearer w")], "").await;
    assert_eq!(&answer.body[..], b"done: ");
}

#[tokio::test]
async fn a_guard_over_introspection_keeps_realms_apart_as_one_over_the_store_does_t67() {
    let app = |id: &str| {
        let client = Client::confidential(id, &digest(&format!("{id}-pw")));
        client.allow_password_grant().allow_refresh_tokens().scopes("read").default_scope("read")
    };
    let rs = Client::confidential("rs", &digest("rs-pw")).allow_introspection().resource_server(AUDIENCE);
    let clients = vec![app("app-a").realm("a").build().unwrap(), app("app").build().unwrap(), rs.build().unwrap()];
    let tokens = Tokens::with(clients, |builder| builder);
    let [bound, free] = [tokens.login("app-a").await.access, tokens.login("app").await.access];

    let server = Server::start(&tokens.layer).await;
    let http = HttpClient::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let endpoint = format!("http://{}/oauth/introspect", server.address);
    let remote = IntrospectionClient::new(&endpoint, http, "rs", &ClientSecret::new("rs-pw".to_owned())).unwrap();
    let of_the_store = BearerGuard::builder(Arc::clone(&tokens.access));
    for (guard, where_) in [(of_the_store, "store"), (BearerGuard::builder(remote), "introspection")] {
        let guard = guard.audience(AUDIENCE).clock(tokens.clock.clone()).build().unwrap();
        let api = Api::serve(bearer::api(&guard)).await;
        assert_eq!(api.get(&format!("Bearer {free}")).await.status, 200, "{where_}");
        assert_eq!(api.get(&format!("Bearer {bound}")).await.status, 401, "{where_}");
    }
}
