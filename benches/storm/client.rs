//! The clients: connections through one proxy, requests of many addresses, answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A request without an answer after this time counts as unanswered.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub type Body = Full<Bytes>;

/// What is looked at in an answer.
#[derive(Clone, Copy)]
pub struct Answer {
    pub status: u16,
    /// It says when to come back: `Retry-After` with at least one second.
    pub has_wait: bool,
}

/// The address of an honest client: 198.18.0.0/16, of the network for benchmarks (RFC 2544).
pub fn honest_address(number: usize) -> Ipv4Addr {
    nth(Ipv4Addr::new(198, 18, 0, 1), number)
}

/// The address of a hostile client: 198.19.0.0/16.
pub fn hostile_address(number: usize) -> Ipv4Addr {
    nth(Ipv4Addr::new(198, 19, 0, 1), number)
}

fn nth(first: Ipv4Addr, number: usize) -> Ipv4Addr {
    assert!(number < 0xffff, "the networks of honest and hostile clients have so many addresses");
    Ipv4Addr::from_bits(first.to_bits() + number as u32)
}

async fn open(server: SocketAddr) -> TokioIo<TcpStream> {
    let stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    TokioIo::new(stream)
}

pub async fn connect(server: SocketAddr) -> http1::SendRequest<Body> {
    let (sender, connection) = http1::handshake(open(server).await).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub async fn connect_http2(server: SocketAddr) -> http2::SendRequest<Body> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), open(server).await).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A login as the proxy passes it on: it adds the address of its client.
pub fn login(client: Ipv4Addr, username: &str, password: &str) -> Request<Body> {
    let body = format!("grant_type=password&client_id=cli&username={username}&password={password}");
    Request::post("/oauth/token")
        .header("host", "localhost")
        .header("x-forwarded-for", client.to_string())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

async fn read(response: Response<Incoming>) -> Option<Answer> {
    let wait = response.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse::<u64>().ok());
    let answer = Answer { status: response.status().as_u16(), has_wait: wait.is_some_and(|wait| wait > 0) };
    response.into_body().collect().await.ok()?;
    Some(answer)
}

/// The answer, read to its end; `None` if there was none.
pub async fn ask(sender: &mut http1::SendRequest<Body>, request: Request<Body>) -> Option<Answer> {
    let answer = async {
        sender.ready().await.ok()?;
        read(sender.send_request(request).await.ok()?).await
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

/// The same over HTTP/2, where a connection takes many requests at once.
pub async fn ask_http2(mut sender: http2::SendRequest<Body>, mut request: Request<Body>) -> Option<Answer> {
    *request.uri_mut() = Uri::from_static("http://localhost/oauth/token");
    let answer = async {
        sender.ready().await.ok()?;
        read(sender.send_request(request).await.ok()?).await
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}
