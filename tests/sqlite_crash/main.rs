//! The promise of the SQLite store in the face of `kill -9`: no login is lost, no refresh token is doubly live, no counted
//! attempt is forgotten (P6, T12, T60).
//!
//! This program is the server and its murderer: it starts itself as a server, over a file, kills it with SIGKILL at every step
//! of a refresh and at random times under load, starts it again over the same file, and lets its clients go on as real ones
//! would: with the token that they got last, or with the one whose answer was lost.
//!
//! `CRASH_KILLS` (default 200) is the number of kills at random times, `CRASH_KILLS_AT_EACH_STEP` (default 5) that at each step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../support/refresh_token.rs"]
mod refresh_token;
mod server;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use refresh_token::{family_of, kept_digest};
use server::{STEPS, Step, serve};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::testing::{TokenState, token_state};

const SERVER: &str = "CRASH_SERVER_OVER";
const CLIENTS: usize = 6;

fn main() {
    // Asked by the test harness of cargo for its tests: there is one, and it has no name.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    if let Ok(file) = std::env::var(SERVER) {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(serve(Path::new(&file)));
        return;
    }
    let count = |name: &str, default: usize| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    at_each_step(count("CRASH_KILLS_AT_EACH_STEP", 5));
    at_random_times(count("CRASH_KILLS", 200));
}

struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    fn start(file: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process =
            command.env(SERVER, file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut server = Self { process, input, output, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.address = server.line().parse().expect("the server tells where it listens");
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn stand_at(&mut self, step: Step) {
        writeln!(self.input, "{}", step as usize).unwrap();
        assert_eq!(self.line(), "set");
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Status and body; `None` if the server died meanwhile.
fn post(address: SocketAddr, from: Ipv4Addr, form: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: as.example\r\nconnection: close\r\nx-forwarded-for: {from}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    // A body that was cut off is no answer.
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    (body.len() == length).then(|| (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

fn member(json: &str, name: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}")).to_owned()
}

/// An address that nobody had before.
fn someone() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0x0a00_0000);
    Ipv4Addr::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn login(address: SocketAddr, user: &str) -> Option<String> {
    let form = format!("grant_type=password&client_id=app&username={user}&password=right");
    let (status, body) = post(address, someone(), &form)?;
    assert_eq!(status, 200, "{body}");
    Some(member(&body, "refresh_token"))
}

fn refresh(address: SocketAddr, token: &str) -> Option<(u16, String)> {
    post(address, someone(), &format!("grant_type=refresh_token&client_id=app&refresh_token={token}"))
}

/// What the file says of a token, while no server runs.
fn state_of(file: &Path, token: &str) -> TokenState {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(file).unwrap();
        let found = token_state(&store, family_of(token), &kept_digest(token)).await.unwrap();
        store.close().await;
        found.expect("the family is there").0
    })
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sqlite-crash-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at_each_step(kills: usize) {
    let folder = Folder::new("steps");
    let file = folder.0.join("auth.db");
    for step in STEPS {
        for round in 0..kills {
            let mut server = Server::start(&file);
            let token = login(server.address, &format!("{step:?}-{round}")).unwrap();
            server.stand_at(step);
            let address = server.address;
            let presented = token.clone();
            let client = thread::spawn(move || refresh(address, &presented));
            assert_eq!(server.line(), "standing", "{step:?}");
            server.kill();
            assert!(client.join().unwrap().is_none(), "{step:?}: the answer was lost");

            let is_rotated = matches!(step, Step::AfterRotation | Step::BeforeAnswer);
            match state_of(&file, &token) {
                TokenState::Live => assert!(!is_rotated, "{step:?}: a rotation that was answered is lost"),
                TokenState::Predecessor { .. } => assert!(is_rotated, "{step:?}"),
                state => panic!("{step:?}: {state:?}"),
            }
            let server = Server::start(&file);
            let (status, body) = refresh(server.address, &token).unwrap();
            assert_eq!(status, 200, "{step:?}: the login is lost: {body}");
            let next = member(&body, "refresh_token");
            server.kill();
            assert!(matches!(state_of(&file, &token), TokenState::Predecessor { .. }), "{step:?}");
            assert_eq!(state_of(&file, &next), TokenState::Live, "{step:?}");
        }
        println!("ok: {kills} kills at {step:?}, no login lost, none doubly live");
    }
}

/// A client that keeps its login for ever.
struct Session {
    user: String,
    token: Option<String>,
    /// What it got before.
    older: Vec<String>,
    refreshes: usize,
    repeats: usize,
}

impl Session {
    /// Refreshes until the server dies.
    fn go_on(&mut self, address: SocketAddr) {
        loop {
            let Some(token) = self.token.clone() else {
                match login(address, &self.user) {
                    Some(token) => self.token = Some(token),
                    None => return,
                }
                continue;
            };
            let Some((status, body)) = refresh(address, &token) else {
                self.repeats += 1;
                return;
            };
            assert_eq!(status, 200, "{} is logged out: {body}", self.user);
            self.refreshes += 1;
            self.older.push(token);
            self.token = Some(member(&body, "refresh_token"));
        }
    }
}

/// Somebody who guesses at one account after another, and remembers what was answered.
#[derive(Default)]
struct Guesser {
    account: usize,
    denied: usize,
    guesses: usize,
    locked: usize,
}

impl Guesser {
    fn go_on(&mut self, address: SocketAddr) {
        loop {
            let form = format!(
                "grant_type=password&client_id=app&username=victim{}&password=guess{}",
                self.account, self.guesses
            );
            self.guesses += 1;
            let from = Ipv4Addr::from(0xc612_0000 + u32::try_from(self.account).unwrap());
            let Some((status, body)) = post(address, from, &form) else { return };
            match status {
                400 => {
                    self.denied += 1;
                    assert!(self.denied <= 10, "guess {} at one account was answered: {body}", self.denied);
                }
                429 => {
                    self.locked += 1;
                    // What was under way when the server died counts, too, so the lock can come sooner.
                    (self.account, self.denied) = (self.account + 1, 0);
                }
                _ => panic!("{status} {body}"),
            }
            thread::sleep(Duration::from_millis(3));
        }
    }
}

fn at_random_times(kills: usize) {
    let folder = Folder::new("random");
    let file = folder.0.join("auth.db");
    let sessions: Vec<Arc<Mutex<Session>>> = (0..CLIENTS)
        .map(|n| {
            let user = format!("user{n}");
            Arc::new(Mutex::new(Session { user, token: None, older: Vec::new(), refreshes: 0, repeats: 0 }))
        })
        .collect();
    let guesser = Arc::new(Mutex::new(Guesser::default()));
    let failed = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    // Any spread of times will do; it need not be another one in each run.
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for kill in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let server = Server::start(&file);
        let address = server.address;
        let workers: Vec<_> = sessions
            .iter()
            .map(|session| {
                let session = Arc::clone(session);
                thread::spawn(move || session.lock().unwrap().go_on(address))
            })
            .chain([{
                let guesser = Arc::clone(&guesser);
                thread::spawn(move || guesser.lock().unwrap().go_on(address))
            }])
            .collect();
        thread::sleep(Duration::from_micros(5_000 + random % 145_000));
        server.kill();
        for worker in workers {
            if worker.join().is_err() {
                failed.store(true, Ordering::SeqCst);
            }
        }
        assert!(!failed.load(Ordering::SeqCst), "after kill {kill}");
    }
    let (mut refreshes, mut repeats) = (0, 0);
    for session in &sessions {
        let session = session.lock().unwrap();
        (refreshes, repeats) = (refreshes + session.refreshes, repeats + session.repeats);
        // The last answer may have been lost: then the token that the client has is the predecessor.
        let state = state_of(&file, session.token.as_deref().unwrap());
        assert!(matches!(state, TokenState::Live | TokenState::Predecessor { .. }), "{state:?}");
        let older = session.older.iter().rev().take(20);
        for (age, token) in older.enumerate() {
            let state = state_of(&file, token);
            assert!(state != TokenState::Live && state != TokenState::Ended, "{age}: {state:?}");
        }
    }
    let guesser = guesser.lock().unwrap();
    assert!(refreshes > kills, "{refreshes} refreshes");
    assert!(guesser.locked > 0, "{} guesses", guesser.guesses);
    println!(
        "ok: {kills} kills at random times in {:.0?}: {refreshes} refreshes answered, {repeats} repeated after their answer was \
         lost, no login lost, none doubly live; {} guesses, {} locks, none later than the tenth answer",
        began.elapsed(),
        guesser.guesses,
        guesser.locked
    );
}
