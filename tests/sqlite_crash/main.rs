//! The promise of the SQLite store in the face of `kill -9`: no login is lost, no refresh token is doubly live, no counted
//! attempt is forgotten, and no access token is there without its rotation or the reverse (P6, T12, T60).
//!
//! This program is the server and its murderer: it starts itself as a server, over a file, kills it with SIGKILL at every step
//! of a refresh and at random times under load, starts it again over the same file, and lets its clients go on as real ones
//! would: with the token that they got last, or with the one whose answer was lost.
//!
//! `CRASH_KILLS` (default 200) is the number of kills at random times, `CRASH_KILLS_AT_EACH_STEP` (default 5) that at each step.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod process;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../it/support/refresh_token.rs"]
mod refresh_token;
mod server;
mod trap;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use process::{Folder, Server, kills, member, post, someone};
use refresh_token::{family_of, kept_digest};
use server::{STEPS, Step, serve};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{AccessTokenStore, SecretDigest};
use tower_password_grant::testing::{TokenState, token_state};

const CLIENTS: usize = 6;

fn main() {
    process::run(serve, || {
        at_each_step(kills("CRASH_KILLS_AT_EACH_STEP", 5));
        at_random_times(kills("CRASH_KILLS", 200));
    });
}

fn login(address: SocketAddr, user: &str) -> Option<Tokens> {
    let form = format!("grant_type=password&client_id=app&username={user}&password=right");
    let (status, body) = post(address, someone(), &form)?;
    assert_eq!(status, 200, "{body}");
    Some(Tokens::of(&body))
}

fn refresh(address: SocketAddr, token: &str) -> Option<(u16, String)> {
    post(address, someone(), &format!("grant_type=refresh_token&client_id=app&refresh_token={token}"))
}

/// What a client was given.
#[derive(Clone)]
struct Tokens {
    refresh: String,
    access: String,
}

impl Tokens {
    fn of(body: &str) -> Self {
        Self { refresh: member(body, "refresh_token"), access: member(body, "access_token") }
    }
}

/// What the file says of a login, while no server runs.
struct Seen {
    /// Of its refresh token.
    state: TokenState,
    /// Its access token is there.
    has_access: bool,
    /// How often its refresh token was rotated, and how many access tokens it ever had.
    rotations: i64,
    issued: i64,
}

fn look<'a>(file: &Path, logins: impl IntoIterator<Item = &'a Tokens>) -> Vec<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(file).unwrap();
        let past = rusqlite::Connection::open(file).unwrap();
        let sql = "SELECT stamp, (SELECT max(number) FROM access_tokens WHERE login = id) FROM refresh_families
            WHERE id = ?1";
        let mut seen = Vec::new();
        for Tokens { refresh, access } in logins {
            let id = family_of(refresh);
            let state = token_state(&store, id, &kept_digest(refresh)).await.unwrap().expect("the family is there").0;
            let has_access = AccessTokenStore::find(&store, &SecretDigest::of(access)).await.unwrap().is_some();
            let counts = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let (rotations, issued) = past.query_row(sql, [id.as_bytes()], counts).unwrap();
            seen.push(Seen { state, has_access, rotations, issued });
        }
        drop(past);
        store.close().await;
        seen
    })
}

fn look_at(file: &Path, tokens: &Tokens) -> Seen {
    look(file, [tokens]).remove(0)
}

fn state_of(file: &Path, token: &str) -> TokenState {
    look_at(file, &Tokens { refresh: token.to_owned(), access: String::new() }).state
}

fn at_each_step(kills: usize) {
    let folder = Folder::new("steps");
    let file = folder.file();
    for step in STEPS {
        for round in 0..kills as u64 {
            let server = Server::start(&file);
            let tokens = login(server.address, &format!("{step:?}-{round}")).unwrap();
            let presented = tokens.refresh.clone();
            let delay = Duration::from_micros(if step == Step::AtCommit { 50 * round } else { 0 });
            server.kill_at(step as usize, delay, move |address| refresh(address, &presented));

            let seen = look_at(&file, &tokens);
            let is_rotated = match seen.state {
                TokenState::Live => false,
                TokenState::Predecessor { .. } => true,
                state => panic!("{step:?}: {state:?}"),
            };
            let is_done = matches!(step, Step::AfterRotation | Step::BeforeAnswer);
            assert!(is_rotated == is_done || step == Step::AtCommit, "{step:?}: rotated is {is_rotated}");
            let done = i64::from(is_rotated);
            assert_eq!((seen.rotations, seen.issued), (done, 1 + done), "{step:?}: both or neither");
            assert!(seen.has_access, "{step:?}: the login's own");

            let server = Server::start(&file);
            let (status, body) = refresh(server.address, &tokens.refresh).unwrap();
            assert_eq!(status, 200, "{step:?}: the login is lost: {body}");
            let next = Tokens::of(&body);
            server.kill();
            assert!(matches!(state_of(&file, &tokens.refresh), TokenState::Predecessor { .. }), "{step:?}");
            let seen = look_at(&file, &next);
            assert_eq!(seen.state, TokenState::Live, "{step:?}");
            assert!(seen.has_access, "{step:?}: what was answered is there");
            assert_eq!((seen.rotations, seen.issued), (1, 2 + done), "{step:?}: one for each answer");
        }
        println!(
            "ok: {kills} kills at {step:?}, no login lost, none doubly live, no access token without its rotation"
        );
    }
}

/// A client that keeps its login for ever.
struct Session {
    user: String,
    tokens: Option<Tokens>,
    /// The refresh tokens that it got before.
    older: Vec<String>,
    /// How many access tokens more than rotations it had when the server was killed last: those of repeats.
    repeated: i64,
    /// The next use of its token may be a repeat.
    may_repeat: bool,
    refreshes: usize,
    repeats: usize,
}

impl Session {
    /// Refreshes until the server dies.
    fn go_on(&mut self, address: SocketAddr) {
        loop {
            let Some(Tokens { refresh: token, .. }) = self.tokens.clone() else {
                match login(address, &self.user) {
                    Some(tokens) => self.tokens = Some(tokens),
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
            self.tokens = Some(Tokens::of(&body));
        }
    }

    /// What was answered is in the file, and each access token came with a rotation or a repeat.
    fn check(&mut self, seen: &Seen) {
        assert!(seen.has_access, "{}: an access token that was answered is lost", self.user);
        let repeated = seen.issued - 1 - seen.rotations;
        let new = repeated - self.repeated;
        assert!(new == 0 || (new == 1 && self.may_repeat), "{}: {new} access tokens without a rotation", self.user);
        // A server has at most one to repeat: the first request of each round.
        self.may_repeat = matches!(seen.state, TokenState::Predecessor { .. });
        self.repeated = repeated;
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
    let file = folder.file();
    let sessions: Vec<Arc<Mutex<Session>>> = (0..CLIENTS)
        .map(|n| {
            let user = format!("user{n}");
            let session = Session {
                user,
                tokens: None,
                older: Vec::new(),
                repeated: 0,
                may_repeat: false,
                refreshes: 0,
                repeats: 0,
            };
            Arc::new(Mutex::new(session))
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
        let mut sessions: Vec<_> = sessions.iter().map(|session| session.lock().unwrap()).collect();
        sessions.retain(|session| session.tokens.is_some());
        let seen = look(&file, sessions.iter().flat_map(|session| &session.tokens));
        for (session, seen) in sessions.iter_mut().zip(&seen) {
            session.check(seen);
        }
    }
    let (mut refreshes, mut repeats) = (0, 0);
    for session in &sessions {
        let session = session.lock().unwrap();
        (refreshes, repeats) = (refreshes + session.refreshes, repeats + session.repeats);
        // The last answer may have been lost: then the token that the client has is the predecessor.
        let state = state_of(&file, &session.tokens.as_ref().unwrap().refresh);
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
         lost, no login lost, none doubly live, no access token without its rotation or repeat; {} guesses, {} locks, none later than the tenth answer",
        began.elapsed(),
        guesser.guesses,
        guesser.locked
    );
}
