//! A storm of logins, and what the host's other route sees of it.
//!
//! `cargo bench --bench storm -- [--rounds 3] [--seconds 6]`
//!
//! The server is axum on 2 tokio workers with the layer over an [`Argon2Verifier`] with its defaults (m=19456 KiB, t=2,
//! p=1, a thread for each core, a queue of at most 1 second, refusals held 100 ms). 200 keep-alive connections log in as
//! fast as they are answered, each time as another user; a probe sends 400 `GET /` a second over 8 connections whether or
//! not they are answered (open loop), timed from when each was due. Modes: a client that gets 503 tries again after 100 ms;
//! tries again at once; and, for S6 only, 20 of the connections hang up in the middle of their logins.
//!
//! Server and load are processes of their own, so that the resident memory is the server's alone and no runtime is shared.
//! They do share the machine's cores: what the load takes is missing from the logins, and the probe's times include the
//! wait of the probe itself for a core. The hashing limit, bare threads on every core with reused memory, is measured by the
//! parent right before and right after each round, while nothing else of this benchmark runs, and averaged.
//!
//! The listener's backlog is 1024 and connections are opened one after the other: with the 128 of `TcpListener::bind`, a
//! burst of 200 connects overflows it, and each lost one costs a second of SYN retries that have nothing to do with the
//! hashing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Argon2, Block};
use async_trait::async_trait;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream};
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier, StoredUser, UserStore};
use tower_password_grant::{
    BackendError, Client, MemoryAccessTokens, OpaqueIssuer, Password, PasswordGrant, PeerAddress, StaticClients,
};

const LOGINS: usize = 200;
/// So many of them hang up: what they began stays charged, and one address may not leave more than 1,000 charges.
const RUDE: usize = 20;
const PROBES: usize = 8;
const PROBES_PER_SECOND: u32 = 400;
/// Before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// A request without an answer after this time counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(10);

// ---- the server ----

/// Everybody exists and has the same password: the look-up is not what is measured.
struct Everybody(String);

#[async_trait]
impl UserStore for Everybody {
    async fn find(&self, login: &str, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(Some(StoredUser::new(login.to_owned()).with_password_hash(self.0.clone())))
    }

    async fn save_hash(&self, _user: &str, _old: &str, _new: &str) -> Result<bool, BackendError> {
        Err(BackendError::fault("nothing is outdated here"))
    }
}

fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// Prints its port and its idle memory, serves until its standard input ends, and prints what it did.
fn serve() {
    let hash = Argon2Parameters::default().hash_blocking(&Password::new("correct".to_owned())).unwrap();
    let verifier = Arc::new(Argon2Verifier::new(Everybody(hash)).unwrap());
    let client = Client::public("cli").allow_password_grant().scopes("read").default_scope("read").build().unwrap();
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([client]).unwrap())
        .verifier(Arc::clone(&verifier))
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()
        .unwrap();
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1024).unwrap();
    println!("{} {}", listener.local_addr().unwrap().port(), memory_kib("VmRSS:"));
    let serving = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
    runtime.spawn(async move { serving.await.unwrap() });
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let stats = verifier.stats();
    println!(
        "{} {} {} {} {} {}",
        memory_kib("VmHWM:"),
        stats.peak_running,
        stats.threads,
        stats.capacity,
        stats.mean_time.as_secs_f64() * 1e3,
        stats.panicked
    );
}

// ---- the load ----

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    RetryLater,
    RetryAtOnce,
    HangUp,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::RetryLater => "later",
            Self::RetryAtOnce => "at-once",
            Self::HangUp => "hang-up",
        }
    }

    fn named(name: &str) -> Self {
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
fn load(port: u16, mode: Mode, measured: Duration) {
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

// ---- the parent ----

/// What the machine can hash, without server and load.
#[derive(Clone, Copy)]
struct Limit {
    /// Hashes a second of bare threads with memory of their own.
    hashes: f64,
    /// The part of its time that such a thread spent on a processor; less than all of it means that something else is
    /// running on this machine.
    on_processor: f64,
}

/// Nanoseconds that the calling thread spent on a processor.
fn thread_nanos() -> Option<f64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().next()?.parse().ok()
}

fn hashing_limit(threads: usize) -> Limit {
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let argon2 = Argon2::default();
                let mut blocks = vec![Block::default(); argon2.params().block_count()];
                let (mut out, mut hashes) = ([0; 32], 0.0);
                let (start, before) = (Instant::now(), thread_nanos());
                while !stop.load(Ordering::Relaxed) {
                    argon2
                        .hash_password_into_with_memory(b"correct", b"sixteen byte slt", &mut out, &mut blocks)
                        .unwrap();
                    hashes += 1.0;
                }
                let wall = start.elapsed().as_secs_f64();
                let busy = before.zip(thread_nanos()).map_or(wall, |(before, after)| (after - before) / 1e9);
                Limit { hashes: hashes / wall, on_processor: busy / wall / threads as f64 }
            })
        })
        .collect();
    thread::sleep(Duration::from_secs(2));
    stop.store(true, Ordering::Relaxed);
    workers.into_iter().map(|worker| worker.join().unwrap()).fold(
        Limit { hashes: 0.0, on_processor: 0.0 },
        |sum, one| Limit { hashes: sum.hashes + one.hashes, on_processor: sum.on_processor + one.on_processor },
    )
}

fn figures(line: &str) -> Vec<f64> {
    line.split_whitespace().map(|figure| figure.parse().unwrap()).collect()
}

/// One round of one mode.
struct Round {
    share: f64,
    logins: f64,
    refused: f64,
    login_p50: f64,
    login_p99: f64,
    get_p50: f64,
    get_p99: f64,
    get_max: f64,
    unanswered: f64,
    other: f64,
    idle_mib: f64,
    peak_mib: f64,
    peak_hashes: f64,
    threads: f64,
    queue_millis: f64,
    /// See [`Limit::on_processor`].
    quiet: f64,
}

fn round(mode: Mode, seconds: u64) -> Round {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let limit_before = hashing_limit(cores);
    let this = std::env::current_exe().unwrap();
    let mut server = Command::new(&this).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let hello = figures(&line);
    let load = Command::new(&this)
        .args(["load", &hello[0].to_string(), mode.name(), &seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(load.status.success());
    let load = figures(&String::from_utf8(load.stdout).unwrap());
    drop(server.stdin.take());
    line.clear();
    said.read_line(&mut line).unwrap();
    let bye = figures(&line);
    server.wait().unwrap();
    assert_eq!(bye[5], 0.0, "a hash panicked");
    let limit_after = hashing_limit(cores);
    let limit = f64::midpoint(limit_before.hashes, limit_after.hashes);
    Round {
        share: load[0] / limit,
        logins: load[0],
        refused: load[1],
        login_p50: load[2],
        login_p99: load[3],
        get_p50: load[4],
        get_p99: load[5],
        get_max: load[6],
        unanswered: load[7],
        other: load[8],
        idle_mib: hello[1] / 1024.0,
        peak_mib: bye[0] / 1024.0,
        peak_hashes: bye[1],
        threads: bye[2],
        quiet: limit_before.on_processor.min(limit_after.on_processor),
        queue_millis: bye[3] * bye[4] / bye[2],
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => return serve(),
        Some("load") => {
            let seconds = Duration::from_secs(arguments[3].parse().unwrap());
            return load(arguments[1].parse().unwrap(), Mode::named(&arguments[2]), seconds);
        }
        _ => {}
    }
    let option = |name: &str, default: u64| {
        let value = arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
        value.map_or(default, |value| value.parse().expect(name))
    };
    let (rounds, seconds) = (option("--rounds", 3), option("--seconds", 6));
    println!("{LOGINS} connections, m=19456 KiB t=2 p=1, {rounds} rounds of {seconds} s after {} s", WARM_UP.as_secs());
    let (mut later, mut at_once, mut rude) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (mode, all) in [(Mode::RetryLater, &mut later), (Mode::RetryAtOnce, &mut at_once)] {
            let round = round(mode, seconds);
            print(mode, &round);
            all.push(round);
        }
    }
    let hang_ups = round(Mode::HangUp, seconds.min(3));
    println!("hang-up  at most {} hashes at once", hang_ups.peak_hashes);
    rude.push(hang_ups);
    judge(&later, &at_once, &rude);
}

fn print(mode: Mode, round: &Round) {
    println!(
        "{:8} {:.0} logins/s = {:.2} of {:.0} hashes/s; login p50 {:.0} p99 {:.0} ms; GET p50 {:.2} p99 {:.2} max {:.1} ms; \
         {:.0} 503/s; {:.1} MiB idle, {:.1} at most; {} hashes at once; {} unanswered, {} other answers",
        mode.name(),
        round.logins,
        round.share,
        round.logins / round.share,
        round.login_p50,
        round.login_p99,
        round.get_p50,
        round.get_p99,
        round.get_max,
        round.refused,
        round.idle_mib,
        round.peak_mib,
        round.peak_hashes,
        round.unanswered,
        round.other
    );
    std::io::stdout().flush().unwrap();
}

fn judge(later: &[Round], at_once: &[Round], rude: &[Round]) {
    let quiet = later.iter().chain(at_once).map(|round| round.quiet).fold(f64::MAX, f64::min);
    if quiet < 0.97 {
        println!(
            "the machine was not quiet (bare threads got {quiet:.2} of their cores): S1, S2, S3 and S5 say little"
        );
    }
    let median = |rounds: &[Round], of: fn(&Round) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let most = |rounds: &[Round], of: fn(&Round) -> f64| rounds.iter().map(of).fold(f64::MIN, f64::max);
    let say =
        |goal: &str, figure: String, met: bool| println!("{goal}: {figure}: {}", if met { "met" } else { "MISSED" });
    let both = || later.iter().chain(at_once);

    let share = median(later, |round| round.share);
    say("S1 logins/s of the hashing limit, at least 0.90", format!("{share:.2}"), share >= 0.90);
    let p99 = median(later, |round| round.get_p99);
    say("S2 GET p99 meanwhile, at most 5 ms", format!("{p99:.2} ms"), p99 <= 5.0);
    let (share, p99) = (median(at_once, |round| round.share), median(at_once, |round| round.get_p99));
    let met = share >= 0.80 && p99 <= 10.0;
    say("S3 clients that retry at once: at least 0.80 and p99 at most 10 ms", format!("{share:.2}, {p99:.2} ms"), met);
    let peak = both().map(|round| round.peak_mib).fold(f64::MIN, f64::max);
    let growth = both().map(|round| round.peak_mib - round.idle_mib).fold(f64::MIN, f64::max);
    let met = growth <= 16.0 && peak <= 64.0;
    say("S4 peak memory, at most idle + 16 MiB and 64 MiB", format!("idle {growth:+.1}, {peak:.1} MiB"), met);
    let ratio = median(later, |round| round.login_p99 / round.queue_millis);
    say("S5 login p99 of those admitted, at most 1.3 of queue x time / threads", format!("{ratio:.2}"), ratio <= 1.3);
    let hashes = most(later, |round| round.peak_hashes).max(most(at_once, |round| round.peak_hashes));
    let hashes = hashes.max(most(rude, |round| round.peak_hashes));
    let threads = rude[0].threads;
    let figure = format!("{hashes} of {threads}");
    say("S6 hashes at once, hang-ups included, never more than threads", figure, hashes <= threads);
    let unanswered: f64 = both().map(|round| round.unanswered).sum();
    let other: f64 = both().map(|round| round.other).sum();
    let met = unanswered == 0.0 && other == 0.0;
    say("S7 requests without an answer, or with another than 200 and 503", format!("{unanswered}, {other}"), met);
}
