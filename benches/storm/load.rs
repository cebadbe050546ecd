//! The load: logins, and the probe of the other route.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub const LOGINS: usize = 200;
/// So many of them hang up: what they began stays charged, and one address may not leave more than 1,000 charges.
const RUDE: usize = 20;
const PROBES: usize = 8;
const PROBES_PER_SECOND: u32 = 400;
/// Before it is measured.
pub const WARM_UP: Duration = Duration::from_secs(1);
/// A request without an answer after this time counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    RetryLater,
    RetryAtOnce,
    HangUp,
}

impl Mode {
    pub fn name(self) -> &'static str {
        match self {
            Self::RetryLater => "later",
            Self::RetryAtOnce => "at-once",
            Self::HangUp => "hang-up",
        }
    }

    pub fn named(name: &str) -> Self {
        [Self::RetryLater, Self::RetryAtOnce, Self::HangUp].into_iter().find(|mode| mode.name() == name).unwrap()
    }
}

/// What one kind of request saw within the measured time.
#[derive(Default)]
struct Seen {
    ok_millis: Vec<f64>,
    refused: usize,
    other: usize,
    unanswered: usize,
}

type Shared = Arc<Mutex<Seen>>;

async fn connect(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// The status of the answer, read to its end; `None` if there was none.
async fn ask(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Option<u16> {
    let answer = async {
        sender.ready().await.ok()?;
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        response.into_body().collect().await.ok()?;
        Some(status)
    };
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

fn login(connection: usize, number: usize) -> Request<Full<Bytes>> {
    let body = format!("grant_type=password&client_id=cli&username=user-{connection}-{number}&password=correct");
    Request::post("/oauth/token")
        .header("host", "localhost")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .unwrap()
}

/// When it is measured.
#[derive(Clone, Copy)]
struct Window {
    from: Instant,
    to: Instant,
}

impl Window {
    fn note(self, seen: &Shared, due: Instant, status: Option<u16>) {
        let now = Instant::now();
        let mut seen = seen.lock().unwrap();
        let measured = now >= self.from && now < self.to;
        match status {
            None => seen.unanswered += 1,
            Some(200) if measured => seen.ok_millis.push((now - due).as_secs_f64() * 1e3),
            Some(503) if measured => seen.refused += 1,
            Some(200 | 503) => {}
            Some(_) => seen.other += 1,
        }
    }
}

async fn log_in(address: SocketAddr, index: usize, mode: Mode, window: Window, seen: Shared) {
    let mut sender = connect(address).await;
    for number in 0.. {
        let start = Instant::now();
        if start >= window.to {
            return;
        }
        if mode == Mode::HangUp && index < RUDE {
            let patience = Duration::from_millis((200 + (index * 137 + number * 61) % 900) as u64);
            let _ = tokio::time::timeout(patience, ask(&mut sender, login(index, number))).await;
            drop(sender);
            sender = connect(address).await;
            continue;
        }
        let status = ask(&mut sender, login(index, number)).await;
        window.note(&seen, start, status);
        match status {
            None => sender = connect(address).await,
            Some(503) if mode != Mode::RetryAtOnce => tokio::time::sleep(Duration::from_millis(100)).await,
            Some(_) => {}
        }
    }
}

/// A blocking thread for each connection of the probe: tokio's timer has steps of a millisecond, which is more than what
/// is measured here.
fn probe(address: SocketAddr, index: usize, window: Window, seen: &Shared) {
    let open = || {
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut stream = open();
    let every = Duration::from_secs(1) / PROBES_PER_SECOND;
    let begin = Instant::now();
    for number in 0.. {
        let due = begin + every * (number * PROBES as u32 + index as u32);
        if due >= window.to {
            return;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = get_hello(&mut stream);
        window.note(seen, due, status);
        if status.is_none() {
            stream = open();
        }
    }
}

fn get_hello(stream: &mut std::net::TcpStream) -> Option<u16> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").ok()?;
    let (mut answer, mut part) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"\r\n\r\nhello") {
        match stream.read(&mut part).ok()? {
            0 => return None,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    std::str::from_utf8(&answer).ok()?.split(' ').nth(1)?.parse().ok()
}

/// Prints what logins and probe saw.
pub fn load(port: u16, mode: Mode, measured: Duration) {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let from = Instant::now() + WARM_UP;
    let window = Window { from, to: from + measured };
    let (logins, probes) = (Shared::default(), Shared::default());
    let probing: Vec<_> = (0..PROBES)
        .map(|index| {
            let probes = Arc::clone(&probes);
            thread::spawn(move || probe(address, index, window, &probes))
        })
        .collect();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let mut tasks = Vec::new();
        for index in 0..LOGINS {
            tasks.push(tokio::spawn(log_in(address, index, mode, window, Arc::clone(&logins))));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    for thread in probing {
        thread.join().unwrap();
    }
    let (logins, probes) = (logins.lock().unwrap(), probes.lock().unwrap());
    let seconds = measured.as_secs_f64();
    println!(
        "{} {} {} {} {} {} {} {} {}",
        logins.ok_millis.len() as f64 / seconds,
        logins.refused as f64 / seconds,
        percentile(&logins.ok_millis, 50.0),
        percentile(&logins.ok_millis, 99.0),
        percentile(&probes.ok_millis, 50.0),
        percentile(&probes.ok_millis, 99.0),
        percentile(&probes.ok_millis, 100.0),
        logins.unanswered + probes.unanswered,
        logins.other + probes.other,
    );
}

fn percentile(figures: &[f64], percent: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
