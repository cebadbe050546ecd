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
use tower_password_grant::{Client, PeerAddress, StaticClients};

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

/// A client that names a realm in the way of Auth0's libraries.
fn bed() -> FactorBed {
    let app = Client::public("app").allow_password_grant().allow_realm_grant().allow_second_factor();
    let app = app.realms(["one", "two"]).scopes("read").default_scope("read").build().unwrap();
    FactorBed::with(
        |factors| factors,
        |builder| builder.clients(StaticClients::new([app]).unwrap()).peer_address(PeerAddress::unknown()),
    )
}

/// Logs in by the realm grant, enrols, logs in with a code, lists and removes, for one user after the other.
async fn assert_serves_factors(bed: &FactorBed, address: SocketAddr) {
    for (http2, name) in [(false, "alice"), (true, "bob")] {
        let token = async |grant: &str, more: &str| {
            let form = format!("client_id=app&grant_type=http://auth0.com/oauth/grant-type/{grant}&{more}");
            send(address, http2, request(Method::POST, "/oauth/token", &[FORM], &form)).await
        };
        let login = async |realm: &str, more: &str| {
            let form = format!("username={name}&password=correct+horse&realm={realm}&{more}");
            token("password-realm", &form).await
        };
        let manage = format!("audience={AUDIENCE}&scope=enroll+read:authenticators+remove:authenticators");
        let (status, json) = login("two", &manage).await;
        assert_eq!(status, 200, "{json}");
        let bearer = bearer_of(json["access_token"].as_str().unwrap());
        let body = json!({ "authenticator_types": ["otp"] }).to_string();
        let enrol = request(Method::POST, "/mfa/associate", &[JSON, ("authorization", &*bearer)], &body);
        let (status, enrolled) = send(address, http2, enrol).await;
        assert_eq!((status, enrolled["authenticator_type"].clone()), (200, json!("otp")));
        let code = bed.code(enrolled["secret"].as_str().unwrap());
        let mfa_token = enrolled["mfa_token"].as_str().unwrap();
        let (status, json) = token("mfa-otp", &format!("mfa_token={mfa_token}&otp={code}")).await;
        assert_eq!(status, 200, "{json}");
        let bearer = bearer_of(json["access_token"].as_str().unwrap());

        // The same name in the other realm is another user.
        assert_eq!(login("one", "").await.0, 200);
        let (status, json) = login("two", "").await;
        assert_eq!((status, json["error"].clone()), (403, json!("mfa_required")));
        let challenge = json!({ "client_id": "app", "mfa_token": json["mfa_token"], "challenge_type": "otp" });
        let challenge = request(Method::POST, "/mfa/challenge", &[JSON], &challenge.to_string());
        assert_eq!(send(address, http2, challenge).await, (200, json!({ "challenge_type": "otp" })));

        let headers = [JSON, ("authorization", &*bearer)];
        let (status, list) = send(address, http2, request(Method::GET, "/mfa/authenticators", &headers, "")).await;
        assert_eq!(status, 200, "{list}");
        let app = list.as_array().unwrap().iter().find(|one| one["type"] == "otp").unwrap();
        let path = format!("/mfa/authenticators/{}", app["id"].as_str().unwrap().replace('|', "%7C"));
        let (status, _) = send(address, http2, request(Method::DELETE, &path, &headers, "")).await;
        assert_eq!(status, 204);
        let (status, json) = send(address, http2, request(Method::DELETE, &path, &headers, "")).await;
        assert_eq!((status, json["error"].clone()), (400, json!("invalid_authenticator")));
        assert_eq!(login("two", "").await.0, 200);
    }
}

#[tokio::test]
async fn axum_serves_them() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bed = bed();
    let app = tower::Layer::layer(
        &bed.layer.clone().with_body(axum::body::Body::from),
        Router::new().route("/hello", get(|| async { "hello" })),
    );
    let app = axum::ServiceExt::<axum::extract::Request>::into_make_service(app);
    spawn(async move { axum::serve(listener, app).await });
    assert_serves_factors(&bed, address).await;
}

#[tokio::test]
async fn hyper_serves_them() {
    let bed = bed();
    let server = Server::start(&bed.layer).await;
    assert_serves_factors(&bed, server.address).await;
}

#[tokio::test]
async fn tonic_serves_them_beside_grpc() {
    let bed = bed();
    let (_, health) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder().accept_http1(true).layer(bed.layer.clone()).add_service(health);
    spawn(server.serve_with_incoming(incoming));
    assert_serves_factors(&bed, address).await;
}
