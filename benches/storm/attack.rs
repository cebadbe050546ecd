//! Guesses from one address and from a thousand, beside honest logins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hyper::client::conn::http2;
use tokio::sync::Semaphore;

use super::client::{Body, ask, ask_http2, connect, connect_http2, honest_address, hostile_address, login};
use super::load::{Mode, on_one_thread};
use super::probe::probe;
use super::seen::{Figures, Phase, Window};

/// How long the honest clients are alone, to compare with.
pub const CALM: Duration = Duration::from_secs(3);
/// Honest clients at new addresses, each with an address and a connection of its own.
const NEW: Honest = Honest { clients: 200, first: 0, users: Users::New };
/// Honest clients that come back: each logs in as its own user all the time. All of them do so in the time alone.
const BACK: Honest = Honest { clients: 40, first: NEW.clients, users: Users::OfClient };
/// Of each kind.
pub const HONEST_PER_SECOND: u32 = 20;
/// Connections of the one hostile address.
pub const HOSTILE: usize = 50;
/// The addresses of the botnet, their connections, and how often each guesses.
pub const BOTS: usize = 1000;
const BOT_CONNECTIONS: usize = 100;
const GUESSES_PER_BOT: u32 = 5;
/// Below what the server takes of a connection at once (200). Beyond it a guess is left out.
const OPEN_PER_CONNECTION: usize = 100;

/// Honest clients of one kind.
#[derive(Clone, Copy)]
struct Honest {
    clients: usize,
    /// The number of their first address.
    first: usize,
    users: Users,
}

#[derive(Clone, Copy)]
enum Users {
    /// Each login is that of another user, who never logged in from there.
    New,
    /// Each client has one.
    OfClient,
}

impl Honest {
    fn user(self, client: usize, number: u32) -> String {
        match self.users {
            Users::New => format!("user-{client}-{number}"),
            Users::OfClient => format!("home-{client}"),
        }
    }
}

/// Honest clients alone first, then with guessers; the probe goes on all the time.
pub fn attack(server: SocketAddr, mode: Mode, fastest: u32, from: Instant, measured: Duration, figures: &mut Figures) {
    let (calm, attacked) = (Window::new(from, CALM), Window::new(from + CALM, measured));
    let phases = |expected| [Phase::new(calm, expected), Phase::new(attacked, expected)];
    let (logins, backs, gets) = (phases(&[200, 503]), phases(&[200, 503]), phases(&[200]));
    // Never 200: every guess is wrong.
    let guesses = Phase::new(attacked, &[400, 429, 503]);

    let probing = probe(server, &gets);
    let guessing = {
        let guesses = guesses.clone();
        // A thread of its own, so that honest clients do not wait for it.
        thread::spawn(move || match mode {
            Mode::Botnet => on_one_thread(guess_from_many(server, guesses)),
            _ => on_one_thread(guess_from_one(server, fastest, guesses)),
        })
    };
    on_one_thread(async {
        let new = log_in_on_time(server, NEW, &logins);
        match mode {
            Mode::Botnet => drop(tokio::join!(new, log_in_on_time(server, BACK, &backs))),
            _ => new.await,
        }
    });
    for thread in probing.into_iter().chain([guessing]) {
        thread.join().unwrap();
    }
    logins[0].tell("calm_login", figures);
    logins[1].tell("login", figures);
    backs[1].tell("back", figures);
    gets[0].tell("calm_get", figures);
    gets[1].tell("get", figures);
    guesses.tell("guess", figures);
}

/// So many logins a second, however they are answered, each time from the next address; without a second try.
async fn log_in_on_time(server: SocketAddr, honest: Honest, phases: &[Phase; 2]) {
    let begin = tokio::time::Instant::now();
    let every = Duration::from_secs(1) / HONEST_PER_SECOND;
    let mut tasks = Vec::new();
    for index in 0..honest.clients {
        let phases = phases.clone();
        tasks.push(tokio::spawn(async move {
            let mut sender = connect(server).await;
            for number in 0.. {
                let due = begin + every * (number * honest.clients as u32 + index as u32);
                let phase = Phase::at(&phases, due.into_std());
                if due.into_std() >= phase.window.to {
                    return;
                }
                tokio::time::sleep_until(due).await;
                let login = login(honest_address(honest.first + index), &honest.user(index, number), "correct");
                let answer = ask(&mut sender, login).await;
                phase.note_due(due.into_std(), answer);
                if answer.is_none() {
                    sender = connect(server).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// One address, on many connections, as fast as it is answered, or at most so many times a second if that is not 0: each
/// time another password for another name, so that no budget of an account stops it.
async fn guess_from_one(server: SocketAddr, fastest: u32, phase: Phase) {
    let every = Duration::from_secs(HOSTILE as u64).checked_div(fastest).unwrap_or_default();
    let mut tasks = Vec::new();
    for index in 0..HOSTILE {
        let phase = phase.clone();
        tasks.push(tokio::spawn(async move {
            let mut sender = connect(server).await;
            let mut next = phase.window.from + every / HOSTILE as u32 * index as u32;
            for number in 0.. {
                // Tokio's timer would round a moment up to a millisecond.
                if next > Instant::now() {
                    tokio::time::sleep_until(next.into()).await;
                }
                let start = Instant::now();
                next = start + every;
                if start >= phase.window.to {
                    return;
                }
                let (name, guess) = (format!("victim-{index}-{number}"), format!("wrong-{index}-{number}"));
                let answer = ask(&mut sender, login(hostile_address(0), &name, &guess)).await;
                phase.note(start, answer);
                if answer.is_none() {
                    sender = connect(server).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// A thousand addresses, each guessing a few times a second, however it is answered.
async fn guess_from_many(server: SocketAddr, phase: Phase) {
    let mut tasks = Vec::new();
    for index in 0..BOT_CONNECTIONS {
        let sender = connect_http2(server).await;
        tasks.push(tokio::spawn(guess_on_one_connection(sender, index, phase.clone())));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

async fn guess_on_one_connection(sender: http2::SendRequest<Body>, index: usize, phase: Phase) {
    let open = Arc::new(Semaphore::new(OPEN_PER_CONNECTION));
    let every = Duration::from_secs(1) / (BOTS as u32 * GUESSES_PER_BOT);
    for number in 0_usize.. {
        let due = phase.window.from + every * (number * BOT_CONNECTIONS + index) as u32;
        if due >= phase.window.to {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else { continue };
        let bot = index + BOT_CONNECTIONS * (number % (BOTS / BOT_CONNECTIONS));
        let (name, guess) = (format!("victim-{index}-{number}"), format!("wrong-{index}-{number}"));
        let answer = ask_http2(sender.clone(), login(hostile_address(bot), &name, &guess));
        let phase = phase.clone();
        tokio::spawn(async move {
            phase.note_due(due, answer.await);
            drop(place);
        });
    }
    // Those that are still open.
    let _all = open.acquire_many(OPEN_PER_CONNECTION as u32).await.unwrap();
}
