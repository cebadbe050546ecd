//! Requests that are dropped half-way: at every poll, by a closed or half-closed socket, by a reset stream. No guess is
//! free, nothing stays behind, and the next request works (PW-08).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tower::limit::ConcurrencyLimit;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::{Denial, PasswordGrant, PeerAddress, StaticClients, verify_fn};

use crate::support::faults::{self, Ledger, Switch};
use crate::support::protection::without_ceiling;
use crate::support::world::{CODE, TICKET, World};
use crate::support::{self, CONF, PW, spawn};

const WRONG: &str = "grant_type=password&username=alice&password=wrong";

/// Another wrong password each time: the same one, denied twice, counts once.
fn guess() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{WRONG}{}", NEXT.fetch_add(1, SeqCst))
}

/// A body that waits before each of its frames.
struct Drip {
    frames: VecDeque<Bytes>,
    waited: bool,
}

impl Drip {
    fn of(body: &str) -> Self {
        Self { frames: body.as_bytes().chunks(20).map(Bytes::copy_from_slice).collect(), waited: false }
    }
}

impl Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.waited = !self.waited;
        if self.waited {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.frames.pop_front().map(|data| Ok(Frame::data(data))))
    }
}

fn request(authorization: Option<&str>, body: &str) -> Request<Drip> {
    let mut request = Request::post("/oauth/token").header("content-type", "application/x-www-form-urlencoded");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let peer: SocketAddr = "192.0.2.1:4711".parse().unwrap();
    request.extension(peer).body(Drip::of(body)).unwrap()
}

/// Drops the request at each of its polls in turn, in a world where every part waits; says how many polls there were.
async fn drop_at_every_poll(authorization: Option<&str>, body: &str, end: u16) -> usize {
    for polls in 0.. {
        let world = World::with(2, Some(Duration::from_secs(30)));
        let inner =
            service_fn(|_: Request<Drip>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
        // One slot outside and one inside: a lost one would stop the next request for ever.
        let service = ConcurrencyLimit::new(world.layer.layer(ConcurrencyLimit::new(inner, 1)), 1);
        let mut future = Box::pin(service.clone().oneshot(request(authorization, body)));
        let mut done = None;
        for _ in 0..polls {
            if let Poll::Ready(response) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                done = Some(response.unwrap());
                break;
            }
        }
        drop(future);
        if let Some(response) = done {
            assert_eq!(response.status(), end);
            let book = world.ledger.book();
            let left = if end == 200 { 0 } else { book.account.made };
            assert_eq!(book.account.left, left, "only a finished login gives its charge back");
            return polls;
        }

        let book = world.ledger.book();
        let verified = u64::try_from(world.users.verify.calls() + world.code.exchange.calls()).unwrap();
        assert!(verified <= book.account.made, "poll {polls}: verified without a charge");
        assert!(u64::try_from(world.ticket.verify.calls()).unwrap() <= book.client.made);
        let finished = world.issuer.switch.calls() == 1;
        assert!(book.account.left == book.account.made || (end == 200 && finished), "poll {polls}: {book:?}");
        assert_eq!(world.alive(), 0, "poll {polls}: a future is left behind");

        let next = timeout(Duration::from_secs(5), service.clone().oneshot(request(Some(CONF), PW))).await;
        assert_eq!(next.expect("a slot was lost").unwrap().status(), StatusCode::OK, "poll {polls}");
        assert_eq!(world.ledger.book().account.left, 0, "poll {polls}");
    }
    panic!("the request never ends")
}

#[tokio::test]
async fn a_login_that_is_dropped_at_any_poll_stays_charged_once_it_was_reserved_pw_08() {
    assert!(drop_at_every_poll(Some(CONF), PW, 200).await > 20);
}

#[tokio::test]
async fn a_wrong_password_that_is_dropped_at_any_poll_is_no_free_guess_pw_08() {
    assert!(drop_at_every_poll(Some(CONF), WRONG, 400).await > 15);
}

#[tokio::test]
async fn a_client_proof_that_is_dropped_at_any_poll_is_no_free_guess_pw_08() {
    assert!(drop_at_every_poll(None, TICKET, 200).await > 20);
    assert!(drop_at_every_poll(None, &TICKET.replace("valid", "forged"), 401).await > 0);
}

#[tokio::test]
async fn an_extension_grant_that_is_dropped_at_any_poll_is_no_free_guess_pw_08() {
    assert!(drop_at_every_poll(Some(CONF), CODE, 200).await > 15);
}

/// A real server whose verifier finds every password wrong, once its gate is open.
struct Server {
    address: SocketAddr,
    ledger: Ledger,
    started: Arc<AtomicU64>,
    given_up: Arc<AtomicU64>,
    gate: Arc<Semaphore>,
}

/// Counts a verification that is dropped before it is done.
struct Verification {
    given_up: Arc<AtomicU64>,
    is_done: bool,
}

impl Drop for Verification {
    fn drop(&mut self) {
        self.given_up.fetch_add(u64::from(!self.is_done), SeqCst);
    }
}

impl Server {
    async fn start() -> Self {
        let ledger = Ledger::new(Switch::new(), Switch::new());
        let (started, given_up) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let gate = Arc::new(Semaphore::new(0));
        let seen = (Arc::clone(&started), Arc::clone(&given_up), Arc::clone(&gate));
        let layer = PasswordGrant::builder()
            .clients(StaticClients::new(support::clients()).unwrap())
            .verifier(verify_fn(move |_| {
                let (started, given_up, gate) = seen.clone();
                async move {
                    started.fetch_add(1, SeqCst);
                    let mut verification = Verification { given_up, is_done: false };
                    let _ = gate.acquire().await;
                    verification.is_done = true;
                    Ok(Denial::WrongPassword.into())
                }
            }))
            .issuer(faults::Issuer::new())
            .attack_protection(without_ceiling().limiter(ledger.clone()))
            .request_limits(RequestLimits::new().deadline(None))
            .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
            .build()
            .unwrap();
        let app = Router::new().layer(layer).into_make_service_with_connect_info::<SocketAddr>();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, ledger, started, given_up, gate }
    }

    async fn send(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let body = guess();
        let head = format!(
            "POST /oauth/token HTTP/1.1\r\nhost: as.example\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             authorization: {CONF}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len(),
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    async fn answer(&self) -> String {
        let mut answer = String::new();
        self.send().await.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Waits until so many requests are being verified.
    async fn started(&self, requests: u64) {
        until(|| self.started.load(SeqCst) >= requests).await;
    }

    /// Waits until the server noticed that all requests are gone that it began to verify.
    async fn gave_up(&self) {
        until(|| self.given_up.load(SeqCst) == self.started.load(SeqCst)).await;
    }

    /// Whatever reached the verifier was charged, and nothing got its charge back: only the rest of the budget of 10 is
    /// left. A request that was gone before the server looked at it was neither charged nor verified.
    async fn assert_no_free_guess(&self) {
        // For those that the server has not looked at yet.
        sleep(Duration::from_millis(100)).await;
        self.gate.close();
        let account = self.ledger.book().account;
        assert_eq!(account.left, account.made);
        assert!(self.started.load(SeqCst) <= account.made);
        for _ in account.made..10 {
            assert!(self.answer().await.contains("invalid_grant"));
        }
        assert!(self.answer().await.starts_with("HTTP/1.1 429"));
        let account = self.ledger.book().account;
        assert_eq!((account.made, account.left), (10, 10));
        assert!(self.started.load(SeqCst) <= 10);
    }
}

/// No test waits for this, however busy the machine is.
async fn until(what: impl Fn() -> bool) {
    let done = async {
        while !what() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(60), done).await.expect("it never happened");
}

/// A server with eight guesses sent, so many milliseconds ago; the first is being verified, and after 50 all of them are.
async fn eight_after(wait: u64) -> (Server, Vec<TcpStream>) {
    let server = Server::start().await;
    let mut sockets = Vec::new();
    for _ in 0..8 {
        sockets.push(server.send().await);
    }
    sleep(Duration::from_millis(wait)).await;
    server.started(if wait < 50 { 1 } else { 8 }).await;
    (server, sockets)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_the_socket_after_any_time_buys_no_free_guess_pw_08() {
    for wait in [5, 10, 50, 150] {
        let (server, sockets) = eight_after(wait).await;
        drop(sockets);
        server.gave_up().await;
        server.assert_no_free_guess().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_half_of_the_socket_buys_no_free_guess_pw_08() {
    for wait in [0, 5, 10, 50, 150] {
        let (server, mut sockets) = eight_after(wait).await;
        for socket in &mut sockets {
            socket.shutdown().await.unwrap();
        }
        server.gate.close();
        // Answered or not, until the server closes.
        for socket in &mut sockets {
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
        server.assert_no_free_guess().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resetting_the_connection_buys_no_free_guess_pw_08() {
    for wait in [5, 10, 50, 150] {
        let (server, sockets) = eight_after(wait).await;
        for socket in sockets {
            // Closing it sends RST instead of FIN.
            socket.set_zero_linger().unwrap();
        }
        server.gave_up().await;
        server.assert_no_free_guess().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resetting_http_2_streams_buys_no_free_guess_pw_08() {
    for wait in [5, 10, 50, 150] {
        let server = Server::start().await;
        let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        spawn(connection);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let mut sender = sender.clone();
                let request = Request::post("http://as.example/oauth/token")
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("authorization", CONF)
                    .body(Full::new(Bytes::from(guess())))
                    .unwrap();
                spawn(async move { sender.send_request(request).await.map(|response| response.status()) })
            })
            .collect();
        sleep(Duration::from_millis(wait)).await;
        server.started(if wait < 50 { 1 } else { 8 }).await;
        // Dropping the response future resets its stream.
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        server.gave_up().await;
        server.assert_no_free_guess().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_of_thousands_of_streams_start_no_more_than_the_budget_t34_g26() {
    let server = Server::start().await;
    let mut reset = 0;
    while reset < 5000 {
        let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        spawn(connection);
        // The server ends a connection that resets too many; an attacker opens the next.
        for _ in 0..500 {
            if sender.ready().await.is_err() {
                break;
            }
            let request = Request::post("http://as.example/oauth/token")
                .header("content-type", "application/x-www-form-urlencoded")
                .header("authorization", CONF)
                .body(Full::new(Bytes::from(guess())))
                .unwrap();
            let mut answer = Box::pin(sender.send_request(request));
            let _ = answer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            // Most are gone before the server looks at them, some are not.
            if reset % 10 == 0 {
                sleep(Duration::from_millis(1)).await;
            }
            drop(answer);
            reset += 1;
        }
    }
    assert_eq!(server.started.load(SeqCst), 10);
    server.assert_no_free_guess().await;
}
