//! The same layer in axum, tonic and plain hyper, over real sockets.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::sync::{mpsc, oneshot};
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower::{Layer as _, Service, service_fn};
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_password_grant::mount::Metadata;
use tower_password_grant::{Client, PeerAddress, StaticClients};

use crate::support::server::{Connection, H2, Server, raw_request};
use crate::support::{AUTH, Answer, CONF, Fixture, FixtureBuilder, PW, digest, spawn, token_request};

/// The streamed body: 10 MiB in pieces.
const PIECE: usize = 64 * 1024;
const PIECES: usize = 160;

pub fn wrong(guess: &str) -> String {
    format!("grant_type=password&username=alice&password=wrong-{guess}")
}

pub fn raw(body: &str) -> String {
    raw_request(&format!("Authorization: {CONF}\r\n"), body)
}

fn raw_at(path: &str, body: &str) -> String {
    raw(body).replacen("/oauth/token", path, 1)
}

fn axum_peer(builder: FixtureBuilder) -> FixtureBuilder {
    builder.peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
}

fn tonic_peer(builder: FixtureBuilder) -> FixtureBuilder {
    builder.peer_address(PeerAddress::extension(|info: &TcpConnectInfo| Some(info.remote_addr()?.ip())))
}

/// Serves with axum's own server, which puts the peer's address into `ConnectInfo`.
async fn serve_axum<S>(service: S) -> SocketAddr
where
    S: Service<Request<AxumBody>, Response = Response<AxumBody>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = axum::ServiceExt::<Request<AxumBody>>::into_make_service_with_connect_info::<SocketAddr>(service);
    spawn(async move { axum::serve(listener, service).await });
    address
}

/// Token requests over HTTP/1.1 and HTTP/2; a success, a denial, and that the budget knows the peer's address.
async fn assert_serves_tokens(address: SocketAddr) {
    let mut h1 = Connection::open(address).await;
    let mut h2 = H2::open(address).await;
    h1.exchange(raw(PW)).await.assert_ok();
    h2.exchange(token_request(AUTH, PW)).await.assert_ok();
    h1.exchange(raw("")).await.assert_error(400, "invalid_request");
    for guess in 0..5 {
        h1.exchange(raw(&wrong(&format!("h1-{guess}")))).await.assert_error(400, "invalid_grant");
        h2.exchange(token_request(AUTH, &wrong(&format!("h2-{guess}")))).await.assert_error(400, "invalid_grant");
    }
    // Both connections come from one address, so they share its budget.
    h1.exchange(raw(PW)).await.assert_error(429, "too_many_attempts");
    h2.exchange(token_request(AUTH, PW)).await.assert_error(429, "too_many_attempts");
}

/// Two realms, chosen by either grant.
pub fn with_realms(builder: FixtureBuilder) -> FixtureBuilder {
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().allow_realm_grant();
    let client = client.realms(["customers", "employees"]).scopes("read").default_scope("read").build().unwrap();
    builder.clients(StaticClients::new([client]).unwrap())
}

/// Logins in a realm over HTTP/1.1 and HTTP/2, and one in a realm that the client does not list.
async fn assert_serves_realms(address: SocketAddr) {
    let mut h1 = Connection::open(address).await;
    let mut h2 = H2::open(address).await;
    for grant in ["password", "http://auth0.com/oauth/grant-type/password-realm"] {
        let login = |realm: &str| format!("{}&realm={realm}", PW.replacen("password", grant, 1));
        for realm in ["customers", "employees"] {
            h1.exchange(raw(&login(realm))).await.assert_ok();
            h2.exchange(token_request(AUTH, &login(realm))).await.assert_ok();
        }
        h1.exchange(raw(&login("nowhere"))).await.assert_error(400, "invalid_request");
        h2.exchange(token_request(AUTH, &login("nowhere"))).await.assert_error(400, "invalid_request");
    }
}

/// Has an endpoint of its own in each mount checked: four ways in axum, one in tonic, one in plain hyper.
pub async fn through_each_mount(change: impl Fn(FixtureBuilder) -> FixtureBuilder, check: impl AsyncFn(SocketAddr)) {
    beside_the_leaf(&change, &check).await;
    let leaf = Fixture::with(|builder| change(axum_peer(builder))).layer.endpoint();
    check(serve_axum(Router::new().route_service("/oauth/token", leaf)).await).await;
}

/// The same in those mounts that serve more than one path of the endpoint.
async fn beside_the_leaf(change: &impl Fn(FixtureBuilder) -> FixtureBuilder, check: &impl AsyncFn(SocketAddr)) {
    let layer = || Fixture::with(|builder| change(axum_peer(builder))).layer;
    let app = || Router::new().route("/hello", get(|| async { "hello" }));
    check(serve_axum(app().layer(layer())).await).await;
    check(serve_axum(layer().with_body(AxumBody::from).layer(app())).await).await;
    let forwarding = layer().forward_other_grants(AxumBody::from);
    check(serve_axum(Router::new().route("/oauth/token", post(existing)).layer(forwarding)).await).await;

    let (_, health) = tonic_health::server::health_reporter();
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let layer = Fixture::with(|builder| change(tonic_peer(builder))).layer;
    let server = tonic::transport::Server::builder().accept_http1(true).layer(layer).add_service(health);
    spawn(server.serve_with_incoming(incoming));
    check(address).await;

    let server = Server::start(&Fixture::with(change).layer).await;
    check(server.address).await;
}

#[tokio::test]
pub async fn realms_are_chosen_through_each_mount() {
    through_each_mount(with_realms, assert_serves_realms).await;
}

/// A request for another path, whose answer is not the endpoint's.
async fn passing(address: SocketAddr, path: &str) -> String {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    spawn(connection);
    let request = Request::get(path).header("host", "x").body(Full::<Bytes>::default()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn the_openid_configuration_is_served_through_each_mount_beside_the_leaf() {
    let discovered = async |address: SocketAddr| {
        let path = "/t/.well-known/openid-configuration";
        let document: serde_json::Value = serde_json::from_str(&passing(address, path).await).unwrap();
        assert_eq!(document["issuer"], "https://as.example/t/");
        assert_eq!(document["token_endpoint"], "https://as.example/oauth/token");
        assert_eq!(document["subject_types_supported"], serde_json::json!(["public"]));
    };
    let metadata = || Metadata::new("https://as.example/t/").openid_configuration();
    beside_the_leaf(&|builder| builder.metadata(metadata()), &discovered).await;
}

#[tokio::test]
pub async fn axum_router_layer_em_03_ht_26() {
    let layer = Fixture::with(axum_peer).layer;
    let app = Router::new().route("/hello", get(|| async { "hello" })).layer(layer);
    let address = serve_axum(app).await;
    assert_eq!(passing(address, "/hello").await, "hello");
    assert_serves_tokens(address).await;
}

#[tokio::test]
async fn axum_around_the_whole_router_em_03_ht_26() {
    let layer = Fixture::with(axum_peer).layer;
    let app = Router::new().route("/hello", get(|| async { "hello" }));
    let address = serve_axum(MapResponseBodyLayer::new(AxumBody::new).layer(layer.layer(app))).await;
    assert_eq!(passing(address, "/hello").await, "hello");
    assert_serves_tokens(address).await;
}

#[tokio::test]
pub async fn axum_around_the_whole_router_in_its_own_type_of_body_em_03_ht_26() {
    let layer = Fixture::with(axum_peer).layer.with_body(AxumBody::from);
    let app = Router::new().route("/hello", get(|| async { "hello" }));
    // No layer maps the body back: the router's own is answered with.
    let address = serve_axum(layer.layer(app)).await;
    assert_serves_tokens(address).await;
    assert_eq!(passing(address, "/hello").await, "hello");
}

#[tokio::test]
async fn other_grants_pass_the_layer_around_a_router_in_either_order_of_its_settings_te_09() {
    let layer = || Fixture::with(axum_peer).layer;
    let app = || Router::new().route("/oauth/token", post(existing));
    for address in [
        serve_axum(layer().forward_other_grants(AxumBody::from).with_body(AxumBody::from).layer(app())).await,
        serve_axum(layer().with_body(AxumBody::from).forward_other_grants(AxumBody::from).layer(app())).await,
    ] {
        assert_serves_tokens(address).await;
        let (head, body) = echoed(address, token_request(AUTH, "grant_type=urn:x&a=b")).await.into_parts();
        assert_eq!((head.status, &body[..]), (http::StatusCode::OK, &b"grant_type=urn:x&a=b"[..]));
    }
}

#[tokio::test]
pub async fn axum_route_service_with_the_leaf_em_03_ht_26() {
    let layer = Fixture::with(axum_peer).layer;
    let app = Router::new().route("/hello", get(|| async { "hello" })).route_service("/oauth/token", layer.endpoint());
    let address = serve_axum(app).await;
    assert_eq!(passing(address, "/hello").await, "hello");
    assert_serves_tokens(address).await;
}

#[tokio::test]
async fn axum_nested_sees_the_stripped_path_em_03() {
    let layer = Fixture::with(axum_peer).layer;
    let hello = || Router::new().route("/hello", get(|| async { "hello" }));
    // A nested router hands on only what it routes itself: the leaf, or a fallback of its own under the layer.
    let app = Router::new()
        .nest("/leaf", hello().route_service("/oauth/token", layer.endpoint()))
        .nest("/layer", hello().fallback(|| async { "nothing here" }).layer(layer.clone()))
        .nest_service("/service", layer.layer(hello()));
    let address = serve_axum(app).await;
    for prefix in ["/leaf", "/layer", "/service"] {
        assert_eq!(passing(address, &format!("{prefix}/hello")).await, "hello");
        let path = format!("{prefix}/oauth/token");
        Connection::open(address).await.exchange(raw_at(&path, PW)).await.assert_ok();
    }
}

#[tokio::test]
pub async fn tonic_beside_a_grpc_service_on_one_port_ht_26_em_03() {
    let layer = Fixture::with(tonic_peer).layer;
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("tokens", tonic_health::ServingStatus::Serving).await;
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server = tonic::transport::Server::builder().accept_http1(true).layer(layer).add_service(health);
    spawn(server.serve_with_incoming(incoming));

    let channel = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut grpc = HealthClient::new(channel.connect().await.unwrap());
    let check = |service: &str| HealthCheckRequest { service: service.to_owned() };
    assert_eq!(grpc.check(check("tokens")).await.unwrap().into_inner().status, 1);
    assert_serves_tokens(address).await;
    // gRPC's own errors and streams pass too.
    assert_eq!(grpc.check(check("unknown")).await.unwrap_err().code(), tonic::Code::NotFound);
    let mut watch = grpc.watch(check("tokens")).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status, 1);
    reporter.set_service_status("tokens", tonic_health::ServingStatus::NotServing).await;
    assert_eq!(watch.message().await.unwrap().unwrap().status, 2);
}

#[tokio::test]
pub async fn plain_hyper_over_http_1_and_http_2_ht_26() {
    let server = Server::start(&Fixture::new().layer).await;
    assert_eq!(passing(server.address, "/other").await, "inner");
    assert_serves_tokens(server.address).await;
}

/// A body that a test sends piece by piece.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

fn piece(index: usize) -> Bytes {
    (0..PIECE).map(|at| (at.wrapping_mul(31) ^ index) as u8).collect::<Vec<_>>().into()
}

/// Streams 10 MiB; the rest is sent only after `first_seen` tells that the inner service has the first piece.
fn stream(first_seen: oneshot::Receiver<()>) -> Pieces {
    let (sender, receiver) = mpsc::channel(1);
    spawn(async move {
        sender.send(piece(0)).await.unwrap();
        first_seen.await.unwrap();
        for index in 1..PIECES {
            sender.send(piece(index)).await.unwrap();
        }
    });
    Pieces(receiver)
}

/// Reads the stream as it comes and compares it with what was sent.
async fn receive<B: Body<Data = Bytes> + Unpin>(mut body: B, first_seen: oneshot::Sender<()>) -> usize {
    let mut first_seen = Some(first_seen);
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok().unwrap().into_data() else { continue };
        for byte in data {
            let (index, at) = (read / PIECE, read % PIECE);
            assert_eq!(byte, (at.wrapping_mul(31) ^ index) as u8);
            read += 1;
        }
        if let Some(first_seen) = first_seen.take() {
            first_seen.send(()).unwrap();
        }
    }
    read
}

type Signal = std::sync::Arc<std::sync::Mutex<Option<oneshot::Sender<()>>>>;

fn upload(body: Pieces) -> Request<Pieces> {
    Request::post("/other").header("x-kept", "yes").body(body).unwrap()
}

async fn over_h1(address: SocketAddr, body: Pieces) -> (http::StatusCode, Bytes) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    let mut request = upload(body);
    request.headers_mut().insert("host", "x".parse().unwrap());
    let response = sender.send_request(request).await.unwrap();
    (response.status(), response.into_body().collect().await.unwrap().to_bytes())
}

async fn over_h2(address: SocketAddr, body: Pieces) -> (http::StatusCode, Bytes) {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (executor, io) = (hyper_util::rt::TokioExecutor::new(), hyper_util::rt::TokioIo::new(stream));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    spawn(connection);
    let mut request = upload(body);
    *request.uri_mut() = format!("http://{address}/other").parse().unwrap();
    let response = sender.send_request(request).await.unwrap();
    (response.status(), response.into_body().collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn a_streamed_body_passes_hyper_untouched_and_unbuffered_ht_20() {
    let signal = Signal::default();
    let told = Signal::clone(&signal);
    let inner = service_fn(move |request: Request<Incoming>| {
        let first_seen = told.lock().unwrap().take().unwrap();
        async move {
            assert!(request.extensions().get::<SocketAddr>().is_some());
            assert_eq!(request.headers()["x-kept"], "yes");
            let version = request.version();
            let read = receive(request.into_body(), first_seen).await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(format!("{read} {version:?}")))))
        }
    });
    let server = Server::serve(Fixture::new().layer.layer(inner)).await;
    for version in ["HTTP/1.1", "HTTP/2.0"] {
        let (sender, receiver) = oneshot::channel();
        *signal.lock().unwrap() = Some(sender);
        let body = stream(receiver);
        let (status, answer) = match version {
            "HTTP/1.1" => over_h1(server.address, body).await,
            _ => over_h2(server.address, body).await,
        };
        assert_eq!(status, 200);
        assert_eq!(answer, format!("{} {version}", PIECE * PIECES));
    }
}

#[tokio::test]
async fn a_streamed_body_passes_axum_untouched_and_unbuffered_ht_20() {
    let signal = Signal::default();
    let told = Signal::clone(&signal);
    let handler = move |request: Request<AxumBody>| async move {
        let first_seen = told.lock().unwrap().take().unwrap();
        receive(request.into_body(), first_seen).await.to_string()
    };
    let app = Router::new().route("/other", post(handler)).layer(Fixture::with(axum_peer).layer);
    let address = serve_axum(app).await;
    let (sender, receiver) = oneshot::channel();
    *signal.lock().unwrap() = Some(sender);
    let (status, answer) = over_h1(address, stream(receiver)).await;
    assert_eq!((status.as_u16(), answer), (200, Bytes::from((PIECE * PIECES).to_string())));
}

/// An existing token endpoint: it echoes what it gets.
async fn existing(headers: HeaderMap, body: Bytes) -> (HeaderMap, Bytes) {
    let mut answer = HeaderMap::new();
    answer.insert("x-existing", "yes".parse().unwrap());
    for name in ["content-length", "transfer-encoding", "authorization"] {
        if let Some(value) = headers.get(name) {
            answer.insert(http::HeaderName::try_from(format!("x-saw-{name}")).unwrap(), value.clone());
        }
    }
    (answer, body)
}

async fn forwarding() -> SocketAddr {
    let layer = Fixture::with(axum_peer).layer.forward_other_grants(AxumBody::from);
    let app = Router::new().route("/oauth/token", get(|| async { "a page" }).post(existing)).layer(layer);
    serve_axum(app).await
}

/// The echo of the existing endpoint. It is not the endpoint's own answer, so it is read without the shared assertions.
async fn echoed(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Bytes> {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
    spawn(connection);
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn other_grants_reach_the_existing_endpoint_with_their_body_byte_for_byte_te_09() {
    let address = forwarding().await;
    // Odd spelling survives: the body is rebuilt from its bytes, not from what was parsed.
    for body in [
        "grant_type=authorization_code&code=a%2fb+c&&x&redirect_uri=https%3A%2F%2Fapp.example",
        "grant_type=refresh_token&refresh_token=abc",
        "&&grant%5Ftype=client_credentials",
        "grant_type=urn:x:y",
    ] {
        let answer = echoed(address, token_request(AUTH, body)).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["x-existing"], "yes");
        assert_eq!(answer.headers()["x-saw-authorization"], CONF);
        assert_eq!(answer.body(), body);
    }
}

#[tokio::test]
async fn a_chunked_body_is_forwarded_whole_and_no_longer_called_chunked_ht_16() {
    let address = forwarding().await;
    let body = "grant_type=refresh_token&refresh_token=abc";
    let (one, two) = body.split_at(7);
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
        one.len(),
        two.len()
    );
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(body), "{answer}");
    assert!(!answer.contains("x-saw-transfer-encoding"), "{answer}");
}

#[tokio::test]
async fn the_password_grant_and_malformed_forms_are_answered_here_te_09_en_05() {
    let address = forwarding().await;
    let ask = |body: String| async move { Connection::open(address).await.exchange(raw(&body)).await };
    ask(PW.to_owned()).await.assert_ok();
    ask(wrong("")).await.assert_error(400, "invalid_grant");
    for body in ["", "grant_type=", "username=x", "grant_type=foo&x=%zz", "grant_type=foo&grant_type=password"] {
        ask(body.to_owned()).await.assert_error(400, "invalid_request");
    }
    ask(format!("grant_type=foo&x={}", "x".repeat(40_000))).await.assert_error(413, "invalid_request");
    let query = raw_at("/oauth/token?password=x", PW);
    let answer: Answer = Connection::open(address).await.exchange(query).await;
    answer.assert_error(400, "invalid_request");
}

#[tokio::test]
async fn a_declared_length_over_the_limit_is_refused_unread_also_when_forwarding_ht_12_ht_15() {
    let address = forwarding().await;
    let request = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                   Content-Length: 10000000\r\nExpect: 100-continue\r\n\r\n";
    let mut connection = Connection::open(address).await;
    connection.exchange(request).await.assert_error(413, "invalid_request");
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn whatever_is_no_form_post_passes_untouched_ht_20() {
    let address = forwarding().await;
    let json = token_request(&[("content-type", "application/json")], "{\"grant_type\":\"password\"}");
    let answer = echoed(address, json).await;
    assert_eq!(answer.body(), "{\"grant_type\":\"password\"}");
    assert_eq!(passing(address, "/oauth/token").await, "a page");
}
