//! Clients that go on while servers and engines are killed, and remember what they were answered.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tower_password_grant::BackendError;
use tower_password_grant::error::BackendErrorKind::Unavailable;
use tower_password_grant::store::RefreshTokenStore;
use tower_password_grant::testing::begin_family;

use super::engine::Store;
use super::kills::{Tokens, login, refresh};
use super::process::someone;
use super::rows::{HOUR, digest, family};

/// Where the servers listen, and whether the clients stop.
pub struct Place {
    pub servers: Mutex<Vec<SocketAddr>>,
    pub is_over: AtomicBool,
}

impl Place {
    fn server(&self, turn: usize) -> SocketAddr {
        let servers = self.servers.lock().unwrap();
        servers[turn % servers.len()]
    }

    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::SeqCst)
    }
}

fn pause() {
    thread::sleep(Duration::from_millis(5));
}

/// One that keeps its login for ever, and refreshes at one server after the other.
pub struct Session {
    pub user: String,
    pub tokens: Option<Tokens>,
    /// The refresh tokens that it got before.
    pub older: Vec<String>,
    pub refreshes: usize,
    /// Answers that were lost.
    pub lost: usize,
    /// Answers with 503, and how long the slowest took.
    pub refused: usize,
    pub slowest: Duration,
    turn: usize,
}

impl Session {
    pub fn new(number: usize) -> Self {
        let (user, turn, slowest) = (format!("session-{number}"), number, Duration::ZERO);
        Self { user, tokens: None, older: Vec::new(), refreshes: 0, lost: 0, refused: 0, slowest, turn }
    }

    pub fn go_on(&mut self, place: &Place) {
        while place.goes_on() {
            self.turn += 1;
            let (server, began) = (place.server(self.turn), Instant::now());
            let presented = self.tokens.as_ref().map(|tokens| tokens.refresh.clone());
            let answer = match &presented {
                Some(token) => refresh(server, token),
                None => login(server, someone(), &self.user, "right"),
            };
            match answer {
                Some((200, body)) => {
                    self.refreshes += usize::from(presented.is_some());
                    self.older.extend(presented);
                    self.tokens = Some(Tokens::of(&body));
                }
                Some((503, _)) => {
                    self.refused += 1;
                    self.slowest = self.slowest.max(began.elapsed());
                    pause();
                }
                Some((status, body)) => panic!("{} is logged out: {status} {body}", self.user),
                None => {
                    self.lost += 1;
                    pause();
                }
            }
        }
    }
}

/// Several who guess at one account after the other.
#[derive(Default)]
pub struct Guessers {
    account: AtomicUsize,
    guesses: AtomicUsize,
}

impl Guessers {
    pub fn locked(&self) -> usize {
        self.account.load(Ordering::SeqCst)
    }

    pub fn guesses(&self) -> usize {
        self.guesses.load(Ordering::SeqCst)
    }

    pub fn go_on(&self, place: &Place) {
        while place.goes_on() {
            let (account, guess) = (self.account.load(Ordering::SeqCst), self.guesses.fetch_add(1, Ordering::SeqCst));
            let from = Ipv4Addr::from(0xc612_0000 + u32::try_from(account).unwrap());
            let user = format!("victim-{account}");
            match login(place.server(guess), from, &user, &format!("guess{guess}")) {
                Some((429, _)) => {
                    let next = account + 1;
                    let _ = self.account.compare_exchange(account, next, Ordering::SeqCst, Ordering::SeqCst);
                }
                Some((400 | 503, _)) | None => pause(),
                Some((status, body)) => panic!("{status} {body}"),
            }
        }
    }
}

/// One that spends values and ends families, over the store itself.
pub struct Spender<S> {
    pub store: S,
    next: u64,
    /// What was answered: these values are spent, and these families ended.
    pub spent: Vec<u64>,
    pub ended: Vec<u64>,
    pub unknown: usize,
}

impl<S: Store> Spender<S> {
    pub const fn new(store: S) -> Self {
        Self { store, next: 1 << 55, spent: Vec::new(), ended: Vec::new(), unknown: 0 }
    }

    pub fn go_on(&mut self, place: &Place, runtime: &Handle) {
        while place.goes_on() {
            self.next += 1;
            if runtime.block_on(self.spend_and_end(self.next)).is_err() {
                self.unknown += 1;
                pause();
            }
        }
    }

    async fn spend_and_end(&mut self, number: u64) -> Result<(), ()> {
        let failed = |error: BackendError| assert_eq!(error.kind(), Unavailable, "{error:?}");
        let until = SystemTime::now() + HOUR;
        if self.store.consume(&digest(number), until).await.map_err(failed)? {
            self.spent.push(number);
        }
        let login = family(&format!("ended-{number}"), number, until);
        let id = login.id();
        let begun = begin_family(&self.store, login, &digest(number), SystemTime::now()).await;
        begun.map_err(|error| failed(error.into()))?;
        if RefreshTokenStore::revoke_family(&self.store, id).await.map_err(failed)? {
            self.ended.push(number);
        }
        Ok(())
    }
}

/// Runs each until the place is over.
pub fn run<T: Send + 'static>(
    client: &Arc<Mutex<T>>,
    place: &Arc<Place>,
    go_on: impl FnOnce(&mut T, &Place) + Send + 'static,
) -> thread::JoinHandle<()> {
    let (client, place) = (Arc::clone(client), Arc::clone(place));
    thread::spawn(move || go_on(&mut client.lock().unwrap(), &place))
}
