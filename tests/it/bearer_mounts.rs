//! One guard in tonic, axum and plain hyper, over real sockets and with real clients.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tonic::metadata::MetadataMap;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::bearer::{AccessTokenVerifier as _, BearerGuard, Principal, RevocationOutcome, TokenCache};
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::{
    BackendError, Client, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients, Subject, verify_fn,
};

use crate::support::bearer::{self, AUDIENCE, Api, Tokens, record};
use crate::support::spawn;

fn guard(tokens: Tokens) -> BearerGuard {
    BearerGuard::builder(tokens).audience(AUDIENCE).build().unwrap()
}

/// The health service behind a guard.
async fn grpc(guard: BearerGuard) -> SocketAddr {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("api", tonic_health::ServingStatus::Serving).await;
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder().accept_http1(true).layer(guard).add_service(health);
    spawn(server.serve_with_incoming(incoming));
    address
}

async fn check(address: SocketAddr, authorization: &[&str]) -> Result<i32, Status> {
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    let mut request = tonic::Request::new(HealthCheckRequest { service: "api".to_owned() });
    let mut metadata = MetadataMap::new();
    for value in authorization {
        metadata.append("authorization", value.parse().unwrap());
    }
    *request.metadata_mut() = metadata;
    Ok(client.check(request).await?.into_inner().status)
}

#[tokio::test]
async fn a_grpc_client_gets_a_grpc_status_for_each_refusal() {
    let address = grpc(guard(Tokens::new()).require_scope("write").unwrap()).await;
    assert_eq!(check(address, &["Bearer w"]).await.unwrap(), 1);
    let cases: [(&[&str], Code, &str); 6] = [
        (&[], Code::Unauthenticated, "Bearer realm=\"api\""),
        (&["Basic x"], Code::Unauthenticated, "Bearer realm=\"api\""),
        (&["Bearer"], Code::Unauthenticated, "invalid_request"),
        (&["Bearer w", "Bearer w"], Code::Unauthenticated, "invalid_request"),
        (&["Bearer unknown"], Code::Unauthenticated, "invalid_token"),
        (&["Bearer t"], Code::PermissionDenied, "scope=\"write\""),
    ];
    for (authorization, code, piece) in cases {
        let status = check(address, authorization).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(!status.message().is_empty());
        let challenge = status.metadata().get("www-authenticate").unwrap().to_str().unwrap();
        bearer::parameters(challenge);
        assert!(challenge.contains(piece), "{challenge}");
    }
}

#[tokio::test]
async fn a_grpc_client_learns_that_another_login_is_needed_su_01() {
    let tokens = Tokens::new();
    tokens.add("2fa", record("read").with_methods("password otp".parse().unwrap()));
    let address = grpc(guard(tokens).require_second_factor(None)).await;
    assert_eq!(check(address, &["Bearer 2fa"]).await.unwrap(), 1);
    let status = check(address, &["Bearer t"]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(status.message().contains("insufficient_user_authentication"), "{status:?}");
    let challenge = bearer::parameters(status.metadata().get("www-authenticate").unwrap().to_str().unwrap());
    assert_eq!(challenge["error"], "insufficient_user_authentication");
    assert!(challenge["acr_values"].ends_with("/multi-factor"));
}

#[tokio::test]
async fn a_grpc_client_learns_that_the_backend_is_down_and_no_more_be_16() {
    let down = Tokens::answering(|_| Err(BackendError::unavailable("the table is gone")));
    let status = check(grpc(guard(down)).await, &["Bearer t"]).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "try again later"));
    assert_eq!(status.metadata().get("retry-after").unwrap(), "5");
    let broken = Tokens::answering(|_| panic!("a bug"));
    let status = check(grpc(guard(broken)).await, &["Bearer t"]).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.metadata().get("www-authenticate").is_none());
}

#[tokio::test]
async fn a_grpc_refusal_is_http_200_with_trailers_only() {
    let address = grpc(guard(Tokens::new())).await;
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    let ask = |kind: &str| {
        let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Check"));
        request.header("content-type", kind).body(Full::new(Bytes::from_static(b"\0\0\0\0\0"))).unwrap()
    };
    for (kind, answered) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web", "application/grpc-web"),
    ] {
        let (head, body) = sender.send_request(ask(kind)).await.unwrap().into_parts();
        assert_eq!((head.status.as_u16(), &head.headers["grpc-status"]), (200, &"16".parse().unwrap()));
        assert_eq!(head.headers["content-type"], answered);
        assert_eq!(head.headers["cache-control"], "no-store");
        let body = body.collect().await.unwrap();
        assert!(body.trailers().is_none() && body.to_bytes().is_empty());
    }
    // On the same port, a client that does not speak gRPC gets plain HTTP.
    let (head, _) = sender.send_request(ask("application/json")).await.unwrap().into_parts();
    assert_eq!(head.status, 401);
    assert!(!head.headers.contains_key("grpc-status"));
}

#[tokio::test]
async fn a_grpc_method_sees_the_principal_and_streams_pass_be_22() {
    let guard = guard(Tokens::slow(Duration::from_millis(5)));
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("api", tonic_health::ServingStatus::Serving).await;
    // An interceptor is what a tonic service sees.
    let subject = |request: tonic::Request<()>| match request.extensions().get::<Principal>() {
        Some(caller) if caller.subject_id() == "alice" => Ok(request),
        _ => Err(Status::internal("no principal")),
    };
    let health = tonic::service::interceptor::InterceptedService::new(health, subject);
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    spawn(tonic::transport::Server::builder().layer(guard).add_service(health).serve_with_incoming(incoming));
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let with_token = |mut request: tonic::Request<()>| {
        request.metadata_mut().insert("authorization", "Bearer t".parse().unwrap());
        Ok(request)
    };
    let mut client = HealthClient::with_interceptor(channel.connect().await.unwrap(), with_token);
    let ask = || HealthCheckRequest { service: "api".to_owned() };
    assert_eq!(client.check(ask()).await.unwrap().into_inner().status, 1);
    let mut watch = client.watch(ask()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
    reporter.set_service_status("api", tonic_health::ServingStatus::NotServing).await;
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
}

#[tokio::test]
async fn plain_hyper_over_http_1_and_http_2() {
    let inner = service_fn(|request: Request<Incoming>| async move {
        let subject = request.extensions().get::<Principal>().unwrap().subject_id().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let text = format!("{subject} sent {} bytes", body.len());
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text))))
    });
    let guarded = guard(Tokens::slow(Duration::from_millis(1))).layer(inner);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let guarded = guarded.clone();
            let service = hyper::service::service_fn(move |request| guarded.clone().oneshot(request));
            spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    // A body that is many times larger than what a connection buffers waits until the token was looked up.
    let body = Full::new(Bytes::from(vec![7; 3 << 20]));
    let request = |token: &str| {
        let request = Request::post(format!("http://{address}/any")).header("host", "x");
        request.header("authorization", format!("Bearer {token}")).body(body.clone()).unwrap()
    };
    let stream = || async { TokioIo::new(tokio::net::TcpStream::connect(address).await.unwrap()) };
    let (mut h1, connection) = hyper::client::conn::http1::handshake(stream().await).await.unwrap();
    spawn(connection);
    let (mut h2, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream().await).await.unwrap();
    spawn(connection);
    for response in [h1.send_request(request("t")).await.unwrap(), h2.send_request(request("t")).await.unwrap()] {
        assert_eq!(response.status(), 200);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "alice sent 3145728 bytes");
    }
    assert_eq!(h2.send_request(request("x")).await.unwrap().status(), 401);
}

#[tokio::test]
async fn axum_around_the_whole_router_around_one_route_and_nested_in_itself() {
    let tokens = Tokens::new();
    tokens.add("admin", record("read admin"));
    let outer = guard(tokens.clone());
    let app = Router::new().route("/open", get(|| async { "open" })).nest(
        "/api",
        Router::new()
            .route("/any", get(|| async { "any" }))
            .route("/admin", get(|| async { "admin" }).layer(outer.require_scope("admin").unwrap()))
            .layer(outer),
    );
    let api = Api::serve(app).await;
    let status = async |path: &str, token: &str| {
        let lines = [("authorization", token)];
        api.send("GET", path, &lines, "").await.status.as_u16()
    };
    assert_eq!(api.send("GET", "/open", &[], "").await.status, 200);
    assert_eq!((status("/api/any", "Bearer t").await, status("/api/any", "Bearer x").await), (200, 401));
    assert_eq!((status("/api/admin", "Bearer t").await, status("/api/admin", "Bearer admin").await), (403, 200));
}

#[tokio::test]
async fn a_token_of_the_endpoint_opens_the_api_until_it_is_revoked_be_04_be_14() {
    let tokens = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()).with_audience([AUDIENCE]));
    let client = Client::public("app").allow_password_grant().scopes("read").default_scope("read").build().unwrap();
    let endpoint = PasswordGrant::builder()
        .clients(StaticClients::new([client]).unwrap())
        .verifier(verify_fn(|_| async { Ok(Subject::new("alice").into()) }))
        .issuer(Arc::clone(&tokens))
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap();
    let guard = BearerGuard::builder(Arc::clone(&tokens)).audience(AUDIENCE).build().unwrap();
    let api = Api::serve(bearer::api(&guard).layer(endpoint)).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let login = "grant_type=password&client_id=app&username=alice&password=x";
    let answer = api.send("POST", "/oauth/token", &form, login).await;
    let answer: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(api.get(&format!("Bearer {token}")).await.body, "alice read");
    api.post(&format!("Bearer {token}")).await.assert_refused(403, "insufficient_scope");
    assert_eq!(tokens.revoke(token).await.unwrap(), RevocationOutcome::Done);
    api.get(&format!("Bearer {token}")).await.assert_refused(401, "invalid_token");
}

#[tokio::test]
async fn a_cached_token_passes_grpc_too() {
    let tokens = Tokens::new();
    let guard = BearerGuard::builder(tokens.clone())
        .audience(AUDIENCE)
        .cache(TokenCache::new(100, Duration::from_secs(60)))
        .build()
        .unwrap();
    let address = grpc(guard).await;
    for _ in 0..3 {
        assert_eq!(check(address, &["Bearer t"]).await.unwrap(), 1);
    }
    assert_eq!(tokens.calls(), 1);
}
