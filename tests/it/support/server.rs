//! Real servers on loopback, and clients that write and read raw bytes or speak HTTP/2.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tower::util::BoxCloneService;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_password_grant::PasswordGrantLayer;
use tower_password_grant::mount::Profile;

use super::{Answer, assert_shared, judged, notation, spawn};

/// No exchange on loopback takes this long; it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(20);

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Boxed = BoxCloneService<Request<Incoming>, Response<UnsyncBoxBody<Bytes, io::Error>>, io::Error>;

/// A plain hyper server that speaks HTTP/1 and HTTP/2 (by prior knowledge); it ends with this value.
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    /// The layer around an inner service that answers 200 `inner`.
    pub async fn start(layer: &PasswordGrantLayer) -> Self {
        let inner = service_fn(|_: Request<Incoming>| async {
            Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from_static(b"inner"))))
        });
        Self::serve(layer.layer(inner)).await
    }

    /// Any tower service; each request carries its peer's `SocketAddr`.
    pub async fn serve<S, B>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let boxed = |response: Response<B>| response.map(|body| body.map_err(io::Error::other).boxed_unsync());
        Self::serve_boxed(BoxCloneService::new(service.map_response(boxed).map_err(io::Error::other))).await
    }

    /// Apart, so that hyper's server is compiled once and not for each service.
    async fn serve_boxed(service: Boxed) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let service = service.clone();
                let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(peer);
                    service.clone().oneshot(request)
                });
                spawn(async move {
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { address, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One TCP connection, byte by byte.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    profile: Profile,
    /// The last request had an `Authorization` header.
    authorizes: bool,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    /// From another address of the loopback network, which is 127.0.0.0/8 on Linux.
    pub async fn open_from(source: Ipv4Addr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        Self::over(socket.connect(address).await.unwrap())
    }

    /// With room for most answers, which are then read at once.
    fn over(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::with_capacity(1024), profile: notation::profile(), authorizes: false }
    }

    /// To an endpoint in this profile, by whose rules the answers to whole [exchanges](Self::exchange) are judged.
    pub fn in_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Closes the sending half.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Writes a request and reads its answer.
    pub async fn exchange(&mut self, request: impl AsRef<[u8]>) -> Answer {
        let head_only = request.as_ref().starts_with(b"HEAD ");
        let text = request.as_ref().to_ascii_lowercase();
        self.authorizes = find(&text, b"\r\nauthorization: ").is_some();
        self.write(request).await;
        self.read(head_only).await
    }

    /// The same for thousands of requests: gives the status, and looks at nothing else.
    pub async fn exchange_quickly(&mut self, request: impl AsRef<[u8]>) -> u16 {
        self.write(request).await;
        let end = loop {
            match find(&self.buffer, b"\r\n\r\n") {
                Some(end) => break end,
                None => assert!(self.fill().await > 0, "closed inside a head"),
            }
        };
        let head = self.take(end + 4).await;
        let head = std::str::from_utf8(&head).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        self.take(length.parse().unwrap()).await;
        head["HTTP/1.1 ".len()..][..3].parse().unwrap()
    }

    /// The next response, interim ones included. Final ones that are not the inner service's pass the shared assertions.
    pub async fn read(&mut self, head_only: bool) -> Answer {
        let (status, headers) = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break parse_head(&self.cut(end + 4)[..end]);
            }
            assert!(self.fill().await > 0, "closed inside a head: {:?}", String::from_utf8_lossy(&self.buffer));
        };
        let length = headers.get("content-length").map_or(0, |value| value.to_str().unwrap().parse().unwrap());
        let bodiless = head_only || status.is_informational() || status == StatusCode::NO_CONTENT;
        let body = match (bodiless, headers.get("transfer-encoding")) {
            (true, _) => Bytes::new(),
            (false, Some(_)) => self.read_chunks().await,
            (false, None) => self.take(length).await,
        };
        let answer = Answer { status, headers, body, head_only };
        if !status.is_informational() && answer.body != "inner" {
            answer.assert_shared_as(judged(self.profile, self.authorizes));
        }
        answer
    }

    /// Everything that the server still says, until it closes the connection.
    pub async fn rest(&mut self) -> String {
        while self.fill().await > 0 {}
        String::from_utf8(std::mem::take(&mut self.buffer)).unwrap()
    }

    /// Whether the server closed the connection, with nothing more said.
    pub async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.fill().await == 0
    }

    async fn read_chunks(&mut self) -> Bytes {
        let mut body = Vec::new();
        loop {
            let end = loop {
                match find(&self.buffer, b"\r\n") {
                    Some(end) => break end,
                    None => assert!(self.fill().await > 0, "closed inside a chunk"),
                }
            };
            let line = self.take(end + 2).await;
            let length = usize::from_str_radix(std::str::from_utf8(&line[..end]).unwrap(), 16).unwrap();
            let chunk = self.take(length + 2).await;
            if length == 0 {
                return body.into();
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    async fn take(&mut self, length: usize) -> Bytes {
        while self.buffer.len() < length {
            assert!(self.fill().await > 0, "closed inside a body");
        }
        self.cut(length).into()
    }

    /// What the buffer begins with.
    fn cut(&mut self, length: usize) -> Vec<u8> {
        let cut = self.buffer[..length].to_vec();
        self.buffer.drain(..length);
        cut
    }

    /// Reads what there is; 0 at the end. A reset is an end too.
    async fn fill(&mut self) -> usize {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("no answer").unwrap_or(0)
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    loop {
        from += text[from..].iter().position(|byte| *byte == wanted[0])?;
        if text[from..].starts_with(wanted) {
            return Some(from);
        }
        from += 1;
    }
}

fn parse_head(head: &[u8]) -> (StatusCode, HeaderMap) {
    let head = std::str::from_utf8(head).unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').unwrap();
        (name.parse::<HeaderName>().unwrap(), value.trim().parse::<HeaderValue>().unwrap())
    });
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    (status, map)
}

/// A raw HTTP/1.1 token request with exactly these extra header lines (each with its CRLF).
pub fn raw_request(lines: &str, body: &str) -> String {
    let (media_type, body) = notation::written(body);
    let (length, body) = (body.len(), std::str::from_utf8(&body).unwrap());
    format!(
        "POST /oauth/token HTTP/1.1\r\nHost: as.example\r\nContent-Type: {media_type}\r\n\
         Content-Length: {length}\r\n{lines}\r\n{body}"
    )
}

/// An HTTP/2 connection by prior knowledge; clones share it.
#[derive(Clone)]
pub struct H2 {
    sender: http2::SendRequest<http_body_util::combinators::BoxBody<Bytes, BoxError>>,
    address: SocketAddr,
    profile: Profile,
}

impl H2 {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        spawn(connection);
        Self { sender, address, profile: notation::profile() }
    }

    /// To an endpoint in this profile, by whose rules its answers are judged.
    pub fn in_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// Sends a request, whose URI gets scheme and authority, and reads the whole answer.
    pub async fn exchange<B>(&mut self, request: Request<B>) -> Answer
    where
        B: Body<Data = Bytes> + Send + Sync + 'static,
        B::Error: Into<BoxError>,
    {
        let head_only = request.method() == http::Method::HEAD;
        let judged = judged(self.profile, request.headers().contains_key("authorization"));
        let (mut parts, body) = request.into_parts();
        parts.headers.remove("host");
        parts.uri = format!("http://{}{}", self.address, parts.uri).parse().unwrap();
        let request = Request::from_parts(parts, body.map_err(Into::into).boxed());
        let response = tokio::time::timeout(PATIENCE, self.sender.send_request(request)).await;
        let (parts, body) = response.expect("no answer").unwrap().into_parts();
        assert_eq!(parts.version, http::Version::HTTP_2);
        let body = body.collect().await.unwrap().to_bytes();
        if body != "inner" {
            assert_shared(judged, parts.status, &parts.headers, &body, head_only);
        }
        Answer { status: parts.status, headers: parts.headers, body, head_only }
    }
}
