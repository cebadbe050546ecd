//! The endpoints in axum, tonic and plain hyper, over real sockets.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tonic::transport::server::TcpIncoming;
use tower_password_grant::PeerAddress;

use crate::support::factors::{AUDIENCE, FORM, FactorBed, JSON, bearer_of, request};
use crate::support::server::Server;
use crate::support::spawn;

/// Sends a request over HTTP/1.1 or HTTP/2: the status and the body of its answer.
async fn send(address: SocketAddr, http2: bool, mut request: Request<Full<Bytes>>) -> (u16, Value) {
    let io = TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap());
    let response = if http2 {
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        spawn(connection);
        request.headers_mut().remove("host");
        *request.uri_mut() = format!("http://{address}{}", request.uri()).parse().unwrap();
        sender.send_request(request).await.unwrap()
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        spawn(connection);
        sender.send_request(request).await.unwrap()
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap_or_default())
}

/// Logs in, enrols, lists and removes, for one user after the other.
async fn assert_serves_factors(address: SocketAddr) {
    for (http2, name) in [(false, "alice"), (true, "bob")] {
        let login = format!(
            "client_id=app&grant_type=password&username={name}&password=correct+horse&audience={AUDIENCE}\
             &scope=enroll+read:authenticators+remove:authenticators"
        );
        let (status, json) = send(address, http2, request(Method::POST, "/oauth/token", &[FORM], &login)).await;
        assert_eq!(status, 200, "{json}");
        let bearer = bearer_of(json["access_token"].as_str().unwrap());
        let headers = [JSON, ("authorization", &*bearer)];
        let body = json!({ "authenticator_types": ["otp"] }).to_string();
        let (status, json) = send(address, http2, request(Method::POST, "/mfa/associate", &headers, &body)).await;
        assert_eq!((status, json["authenticator_type"].clone()), (200, json!("otp")));
        let challenge = json!({ "client_id": "app", "mfa_token": json["mfa_token"], "challenge_type": "otp" });
        let challenge = request(Method::POST, "/mfa/challenge", &[JSON], &challenge.to_string());
        let (status, json) = send(address, http2, challenge).await;
        // Nothing is active yet, whatever the endpoint makes of that.
        assert!(matches!(status, 200 | 400) && json.is_object(), "{status} {json}");
        let (status, list) = send(address, http2, request(Method::GET, "/mfa/authenticators", &headers, "")).await;
        assert_eq!(status, 200, "{list}");
        let id = list[0]["id"].as_str().unwrap().replace('|', "%7C");
        let path = format!("/mfa/authenticators/{id}");
        let (status, _) = send(address, http2, request(Method::DELETE, &path, &headers, "")).await;
        assert_eq!(status, 204);
        let (status, json) = send(address, http2, request(Method::DELETE, &path, &headers, "")).await;
        assert_eq!((status, json["error"].clone()), (400, json!("invalid_authenticator")));
    }
}

fn bed() -> FactorBed {
    FactorBed::with(|factors| factors, |builder| builder.peer_address(PeerAddress::unknown()))
}

#[tokio::test]
async fn axum_serves_them() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = tower::Layer::layer(
        &bed().layer.with_body(axum::body::Body::from),
        Router::new().route("/hello", get(|| async { "hello" })),
    );
    let app = axum::ServiceExt::<axum::extract::Request>::into_make_service(app);
    spawn(async move { axum::serve(listener, app).await });
    assert_serves_factors(address).await;
}

#[tokio::test]
async fn hyper_serves_them() {
    let server = Server::start(&bed().layer).await;
    assert_serves_factors(server.address).await;
}

#[tokio::test]
async fn tonic_serves_them_beside_grpc() {
    let (_, health) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder().accept_http1(true).layer(bed().layer).add_service(health);
    spawn(server.serve_with_incoming(incoming));
    assert_serves_factors(address).await;
}
