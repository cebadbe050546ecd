//! gRPC-Web beside tokens: browsers call the services through `GrpcWebLayer`, and log in past it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tonic::service::LayerExt as _;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_web::GrpcWebLayer;
use tower_password_grant::bearer::BearerGuard;
use tower_password_grant::{PasswordGrantLayer, PeerAddress};

use crate::support::bearer::{AUDIENCE, Tokens};
use crate::support::{CONF, Fixture, PW, spawn};

/// `HealthCheckRequest { service: "api" }` in the frame of gRPC.
const QUESTION: &[u8] = b"\0\0\0\0\x05\x0a\x03api";
/// `HealthCheckResponse { status: SERVING }`, likewise.
const ANSWER: &[u8] = b"\0\0\0\0\x02\x08\x01";

#[derive(Clone, Copy)]
enum Order {
    OursOutside,
    OursInside,
}

fn endpoint() -> PasswordGrantLayer {
    Fixture::with(|builder| builder.peer_address(PeerAddress::unknown())).layer
}

fn guard() -> BearerGuard {
    BearerGuard::builder(Tokens::new()).audience(AUDIENCE).build().unwrap().refuse_preflight()
}

async fn serve(order: Order) -> SocketAddr {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("api", tonic_health::ServingStatus::Serving).await;
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = Server::builder().accept_http1(true);
    let service = guard().named_layer(health);
    match order {
        Order::OursOutside => {
            let server = server.layer(endpoint()).layer(GrpcWebLayer::new()).add_service(service);
            spawn(server.serve_with_incoming(incoming));
        }
        Order::OursInside => {
            let server = server.layer(GrpcWebLayer::new()).layer(endpoint()).add_service(service);
            spawn(server.serve_with_incoming(incoming));
        }
    }
    address
}

/// A POST as a browser sends it, over HTTP/1.1 or HTTP/2.
async fn post(
    url: String,
    http2: bool,
    headers: &[(&str, &str)],
    body: &'static [u8],
) -> (StatusCode, HeaderMap, Bytes) {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Full<Bytes>>();
    let request = headers.iter().fold(Request::post(url), |request, (name, value)| request.header(*name, *value));
    let response = client.request(request.body(Full::from(body)).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    (head.status, head.headers, body.collect().await.unwrap().to_bytes())
}

async fn log_in(address: SocketAddr, http2: bool) -> StatusCode {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("authorization", CONF)];
    post(format!("http://{address}/oauth/token"), http2, &headers, PW.as_bytes()).await.0
}

#[tokio::test]
async fn a_browser_logs_in_and_calls_a_guarded_service_where_our_layer_is_outside() {
    let address = serve(Order::OursOutside).await;
    let method = || format!("http://{address}/grpc.health.v1.Health/Check");
    for http2 in [false, true] {
        assert_eq!(log_in(address, http2).await, 200);

        let call = [("content-type", "application/grpc-web+proto"), ("authorization", "Bearer t")];
        let (status, _, body) = post(method(), http2, &call, QUESTION).await;
        assert_eq!(status, 200);
        assert_eq!(&body[..ANSWER.len()], ANSWER);
        let trailers = String::from_utf8_lossy(&body[ANSWER.len()..]);
        assert!(trailers.contains("grpc-status:0"), "{trailers}");

        let (status, headers, body) = post(method(), http2, &call[..1], QUESTION).await;
        assert_eq!((status, headers["grpc-status"].to_str().unwrap()), (StatusCode::OK, "16"));
        assert!(headers["content-type"].to_str().unwrap().starts_with("application/grpc-web"), "{headers:?}");
        assert!(body.is_empty(), "{body:?}");
    }
}

#[tokio::test]
async fn inside_of_the_grpc_web_layer_http_1_1_logins_never_arrive() {
    let address = serve(Order::OursInside).await;
    assert_eq!(log_in(address, false).await, 400, "the manual says so: if this is 200 by now, correct it");
    assert_eq!(log_in(address, true).await, 200);
}
