//! SIGKILL of servers and of the engine at random times under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;
use tower_password_grant::store::RefreshTokenStore;
use tower_password_grant::testing::TokenState;

use super::clients::{Guessers, Place, Session, Spender, run};
use super::crew::Server;
use super::engine::Store;
use super::kills::{Kills, serves_again, verified};
use super::rows::{digest, family};

const SESSIONS: usize = 4;
const GUESSERS: usize = 2;

struct Load<S> {
    place: Arc<Place>,
    sessions: Vec<Arc<Mutex<Session>>>,
    guessers: Arc<Guessers>,
    spender: Arc<Mutex<Spender<S>>>,
}

impl<S: Store> Load<S> {
    fn new(store: S) -> Self {
        Self {
            place: Arc::new(Place { servers: Mutex::default(), is_over: AtomicBool::new(false) }),
            sessions: (0..SESSIONS).map(|number| Arc::new(Mutex::new(Session::new(number)))).collect(),
            guessers: Arc::default(),
            spender: Arc::new(Mutex::new(Spender::new(store))),
        }
    }

    /// Has all clients go on.
    fn start(&self) -> Vec<thread::JoinHandle<()>> {
        self.place.is_over.store(false, Ordering::SeqCst);
        let sessions = self.sessions.iter().map(|session| run(session, &self.place, Session::go_on));
        let guessers = (0..GUESSERS).map(|_| {
            let (guessers, place) = (Arc::clone(&self.guessers), Arc::clone(&self.place));
            thread::spawn(move || guessers.go_on(&place))
        });
        let runtime = Handle::current();
        let spender = run(&self.spender, &self.place, move |spender, place| spender.go_on(place, &runtime));
        sessions.chain(guessers).chain([spender]).collect()
    }

    fn stop(&self, clients: Vec<thread::JoinHandle<()>>, kill: usize) {
        self.place.is_over.store(true, Ordering::SeqCst);
        let failed = clients.into_iter().filter_map(|client| client.join().err()).count();
        assert_eq!(failed, 0, "clients failed at kill {kill}");
    }
}

impl<S: Store> Kills<'_, S> {
    pub async fn at_random(&self, kills: usize) {
        let began = Instant::now();
        let load = Load::new(self.store.clone());
        let mut servers = [self.server(), self.server()];
        let (mut of_engine, mut slowest) = (0, Duration::ZERO);
        // Any spread of times will do; it need not be another one in each run.
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for kill in 0..kills {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            *load.place.servers.lock().unwrap() = servers.iter().map(|server| server.address).collect();
            let clients = load.start();
            thread::sleep(Duration::from_micros(30_000 + random % 250_000));
            let victim = (random >> 40) as usize % 4;
            if let Some(server) = servers.get_mut(victim) {
                *server = self.replaced(server);
                load.place.servers.lock().unwrap()[victim] = server.address;
            } else {
                self.engine.kill();
                thread::sleep(Duration::from_millis((random >> 20) % 200));
                self.engine.begin();
                of_engine += 1;
            }
            let since = Instant::now();
            for server in &servers {
                slowest = slowest.max(serves_again(server.address, since, "back"));
            }
            thread::sleep(Duration::from_millis(50));
            load.stop(clients, kill);
            self.look_again(since).await;
            self.look(&load).await;
        }
        self.end(&load, &servers, (kills, of_engine), slowest, began).await;
    }

    /// Kills a server, and starts another one.
    fn replaced(&self, server: &mut Server) -> Server {
        server.kill();
        self.server()
    }

    /// What was answered is there, whatever was killed.
    async fn look(&self, load: &Load<S>) {
        for session in &load.sessions {
            let (user, tokens, older) = {
                let session = session.lock().unwrap();
                (session.user.clone(), session.tokens.clone(), session.older.iter().rev().take(3).cloned().collect())
            };
            let older: Vec<String> = older;
            let Some(tokens) = tokens else { continue };
            // The last answer may have been lost: then the token that the client has is the predecessor.
            let state = self.state(&tokens.refresh).await;
            assert!(matches!(state, TokenState::Live | TokenState::Predecessor { .. }), "{user}: {state:?}");
            assert!(self.is_found(&tokens.access).await, "{user}: an access token that was answered is lost");
            for token in &older {
                let state = self.state(token).await;
                assert!(state != TokenState::Live && state != TokenState::Ended, "{user}: {state:?}");
            }
        }
        let (spent, ended) = {
            let spender = load.spender.lock().unwrap();
            (last(&spender.spent), last(&spender.ended))
        };
        for number in spent {
            assert!(self.store.is_spent(&digest(number)).await.unwrap(), "a value that was spent is not");
        }
        for number in ended {
            let id = family("", number, SystemTime::now()).id();
            let found = RefreshTokenStore::find(&self.store, id).await.unwrap();
            assert!(found.is_none_or(|found| found.is_ended), "a family that was ended lives");
        }
    }

    async fn end(
        &self,
        load: &Load<S>,
        servers: &[Server],
        (kills, of_engine): (usize, usize),
        slowest: Duration,
        began: Instant,
    ) {
        let (mut refreshes, mut lost, mut refused, mut longest) = (0, 0, 0, Duration::ZERO);
        for session in &load.sessions {
            let session = session.lock().unwrap();
            (refreshes, lost, refused) =
                (refreshes + session.refreshes, lost + session.lost, refused + session.refused);
            longest = longest.max(session.slowest);
        }
        let counts = verified(&self.trail);
        let of_victims: Vec<_> = counts.iter().filter(|(user, _)| user.starts_with("victim-")).collect();
        for (user, count) in &of_victims {
            assert!(**count <= 10, "{count} passwords of {user} were verified");
        }
        let all: usize = of_victims.iter().map(|(_, count)| **count).sum();
        let (spent, ended, unknown) = {
            let spender = load.spender.lock().unwrap();
            (spender.spent.len(), spender.ended.len(), spender.unknown)
        };
        assert!(refreshes > kills && spent > kills && ended > kills, "{refreshes} refreshes, {spent} values spent");
        println!(
            "ok: {}, {} processes, {:.0?}: {kills} kills at random under load, {of_engine} of the engine: {refreshes} \
             refreshes answered, {lost} answers lost, {refused} answers 503 (after {longest:.1?} at most), no login lost, none \
             doubly live; {} guesses, {all} verified, {} locks, 10 at most before each; {spent} values spent and {ended} \
             families ended stay so, {unknown} unknown; served again after {slowest:.1?} at most",
            self.engine.title(),
            servers.len(),
            began.elapsed(),
            load.guessers.guesses(),
            load.guessers.locked(),
        );
    }
}

/// The latest of what was answered.
fn last(numbers: &[u64]) -> Vec<u64> {
    numbers.iter().rev().take(50).copied().collect()
}
