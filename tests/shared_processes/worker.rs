//! A server in a process of its own: it answers requests over HTTP, and does many at once when its input says so.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use serde::{Deserialize, Serialize};
use tower_password_grant::ClientId;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::redis::RedisStore;
use tower_password_grant::store::{AccessTokenRecord, RefreshTokenStore, SecretDigest};
use tower_password_grant::testing::{begin_family, contract};

use super::endpoint::{Answer, Endpoint};
use super::engine::{SOUND, Store};
use super::refresh_token::family_of;
use super::rows::{access_token, digest, family};
use super::steps::{Call, Moment, Step, Trap};

/// Where a server finds the URL of its engine, and the file for its trail.
pub const ENGINE: &str = "SHARED_SERVER_OVER";
pub const TRAIL: &str = "SHARED_SERVER_TRAIL";

/// What a server is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Task {
    /// Wrong passwords of one user.
    Guess {
        user: String,
        first: usize,
        times: usize,
        from: Ipv4Addr,
    },
    /// Eight from one address: more at once are taken for guesses.
    Login {
        user: String,
        times: usize,
        from: Ipv4Addr,
    },
    Refresh {
        client: String,
        token: String,
        times: usize,
    },
    /// Refreshes one after the other, until one is refused.
    Follow {
        token: String,
        most: usize,
    },
    /// Access tokens of the family of this refresh token, one after the other.
    Insert {
        token: String,
        user: String,
        first: u64,
        times: u64,
    },
    /// The end of the family of this refresh token, or of all of its user, so many microseconds later.
    End {
        token: String,
        of_all: Option<String>,
        later: u64,
    },
    /// One-time values, each once.
    Spend {
        first: u64,
        values: u64,
    },
    /// Writes what is over, and removes what is over, in turn.
    Prune {
        first: u64,
        rows: u64,
        turns: u64,
    },
    /// The next request stands still at this step.
    Trap(Step),
    LetGo,
}

/// A task, and when it begins, in microseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub task: Task,
    pub at: u64,
}

/// What a server says of a task.
#[derive(Default, Serialize, Deserialize)]
pub struct Told {
    /// How many answers had each status.
    pub statuses: BTreeMap<u16, usize>,
    /// The refresh tokens of those that were 200.
    pub refresh: Vec<String>,
    pub access: Vec<String>,
    /// How many passwords were verified, or whatever else is counted.
    pub count: u64,
}

impl fmt::Debug for Told {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {} counted", self.statuses, self.count)
    }
}

impl Told {
    fn add(&mut self, (status, body): &Answer) {
        *self.statuses.entry(*status).or_default() += 1;
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        if *status == 200 {
            self.refresh.extend(text("refresh_token"));
            self.access.extend(text("access_token"));
        }
    }

    fn of(answers: &[Answer]) -> Self {
        let mut told = Self::default();
        answers.iter().for_each(|answer| told.add(answer));
        told
    }

    fn counted(count: u64) -> Self {
        Self { count, ..Self::default() }
    }
}

pub fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// A line to the process that started this one.
pub fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// Serves until the process is killed, or the one that started it is gone.
pub async fn work(url: &str) {
    let trail = std::env::var_os(TRAIL).map(PathBuf::from);
    if url.starts_with("postgres") {
        serve(PostgresStore::open(url, SOUND).await, trail).await;
    } else {
        serve(RedisStore::open(url, SOUND).await, trail).await;
    }
}

async fn serve<S: Store>(store: S, trail: Option<PathBuf>) {
    let trap = Trap::default();
    let endpoint = Endpoint::new(store.clone(), trap.clone(), trail);
    let (own, before_answer) = (endpoint.clone(), trap.clone());
    let app = Router::new().layer(endpoint.layer).layer(from_fn(move |request: Request, next: Next| {
        let trap = before_answer.clone();
        async move {
            let response = next.run(request).await;
            trap.pass(Call::Answer, Moment::Before).await;
            response
        }
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    tell(&listener.local_addr().unwrap().to_string());
    let (orders, mut told) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = orders.send(serde_json::from_str::<Order>(&line).unwrap());
        }
        std::process::exit(1);
    });
    tokio::spawn(async move {
        while let Some(order) = told.recv().await {
            let told = Work { store: store.clone(), endpoint: own.clone(), at: order.at }.run(order.task, &trap).await;
            tell(&serde_json::to_string(&told).unwrap());
        }
    });
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
}

struct Work<S> {
    store: S,
    endpoint: Endpoint,
    at: u64,
}

impl<S: Store> Work<S> {
    async fn begin(&self) {
        let wait = self.at.saturating_sub(micros());
        tokio::time::sleep(Duration::from_micros(wait)).await;
    }

    /// Many requests at once.
    async fn all(&self, requests: impl Iterator<Item = impl Future<Output = Answer> + Send + 'static>) -> Told {
        let requests: Vec<_> = requests.collect();
        self.begin().await;
        Told::of(&contract::together(requests).await)
    }

    async fn run(&self, task: Task, trap: &Trap) -> Told {
        match task {
            Task::Guess { user, first, times, from } => {
                let before = self.endpoint.verified.load(Ordering::SeqCst);
                let requests = (first..first + times).map(|number| {
                    let (endpoint, user) = (self.endpoint.clone(), user.clone());
                    async move { endpoint.login(from, "app", &user, &format!("guess{number}")).await }
                });
                let mut told = self.all(requests).await;
                told.count = u64::from(self.endpoint.verified.load(Ordering::SeqCst) - before);
                told
            }
            Task::Login { user, times, from } => {
                let requests = (0..times).map(|number| {
                    let (endpoint, user) = (self.endpoint.clone(), user.clone());
                    let from = Ipv4Addr::from(u32::from(from) + ((number as u32 / 8) << 24));
                    async move { endpoint.login(from, "app", &user, "right").await }
                });
                self.all(requests).await
            }
            Task::Refresh { client, token, times } => {
                let requests = (0..times).map(|_| {
                    let (endpoint, client, token) = (self.endpoint.clone(), client.clone(), token.clone());
                    async move { endpoint.refresh(&client, &token).await }
                });
                self.all(requests).await
            }
            Task::Follow { token, most } => self.follow(token, most).await,
            Task::Insert { token, user, first, times } => self.insert(&token, &user, first, times).await,
            Task::End { token, of_all, later } => self.end(&token, of_all, later).await,
            Task::Spend { first, values } => self.spend(first, values).await,
            Task::Prune { first, rows, turns } => self.prune(first, rows, turns).await,
            Task::Trap(step) => {
                trap.set(step);
                Told::default()
            }
            Task::LetGo => {
                trap.let_go();
                Told::default()
            }
        }
    }

    async fn follow(&self, mut token: String, most: usize) -> Told {
        let mut told = Told::default();
        self.begin().await;
        for _ in 0..most {
            let answer = self.endpoint.refresh("app", &token).await;
            told.add(&answer);
            match told.refresh.last() {
                Some(next) if answer.0 == 200 => token.clone_from(next),
                _ => break,
            }
        }
        told
    }

    async fn insert(&self, token: &str, user: &str, first: u64, times: u64) -> Told {
        let (id, mut told) = (family_of(token), Told::default());
        self.begin().await;
        for number in first..first + times {
            let record = access_token(user).with_family(Some(id));
            self.store.insert(digest(number), record).await.unwrap();
            told.count += 1;
        }
        told
    }

    async fn end(&self, token: &str, of_all: Option<String>, later: u64) -> Told {
        self.begin().await;
        tokio::time::sleep(Duration::from_micros(later)).await;
        match of_all {
            None => {
                Told::counted(u64::from(RefreshTokenStore::revoke_family(&self.store, family_of(token)).await.unwrap()))
            }
            Some(user) => Told::counted(RefreshTokenStore::revoke_subject(&self.store, None, &user).await.unwrap()),
        }
    }

    async fn spend(&self, first: u64, values: u64) -> Told {
        let calls: Vec<_> = (first..first + values)
            .map(|number| {
                let store = self.store.clone();
                let until = SystemTime::now() + Duration::from_secs(3600);
                async move { store.consume(&digest(number), until).await.unwrap() }
            })
            .collect();
        self.begin().await;
        Told::counted(contract::together(calls).await.into_iter().filter(|spent| *spent).count() as u64)
    }

    /// Families, access tokens and one-time values that were over two hours ago, so many in each turn.
    async fn prune(&self, first: u64, rows: u64, turns: u64) -> Told {
        let now = SystemTime::now();
        let (over, mut removed) = (now - Duration::from_secs(7200), 0);
        self.begin().await;
        for turn in 0..turns {
            let numbers = (0..rows).map(|row| first + turn * rows + row);
            let calls = numbers.map(|number| {
                let store = self.store.clone();
                async move {
                    let user = format!("gone-{number}");
                    let begun = begin_family(&store, family(&user, number, over), &digest(number), now).await;
                    assert!(begun.unwrap().is_empty());
                    let app = ClientId::new("app").unwrap();
                    let record = AccessTokenRecord::new(user, app, over - Duration::from_secs(60), over);
                    store.insert(digest(number), record).await.unwrap();
                    assert!(store.consume(&digest(number), over).await.unwrap());
                    let kept = SecretDigest::of(&format!("kept {number}"));
                    store.insert(kept, access_token(&format!("kept-{number}"))).await.unwrap();
                }
            });
            contract::together(calls).await;
            removed += self.store.prune().await;
        }
        Told::counted(removed)
    }
}
