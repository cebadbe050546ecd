//! One of the processes: an endpoint over each engine, and clients that log in, refresh, introspect and mistype.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::Value;
use tower_password_grant::PasswordGrantLayer;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::store::{AccessTokenStore, SecretDigest};

use super::PERIOD;
use crate::child::{Store, open, ready};
use crate::clients::{APP, Tokens};
use crate::logins::{Lifetimes, PASSWORD, layer, login_form, post};
use crate::names::Random;

const USERS: u64 = 500;
const CLIENTS: usize = 8;
const LIFETIMES: Lifetimes = Lifetimes(Duration::from_secs(60), Duration::from_secs(240));
/// A session that is older is left alone.
const OLD: Duration = Duration::from_secs(200);
const SESSIONS: usize = 40;

#[derive(Clone, Copy)]
enum What {
    Login,
    Refresh,
    Introspection,
    /// A wrong password, or a locked account.
    Refused,
    Error,
}

const NAMES: [&str; 5] = ["logins", "refreshes", "introspections", "refused", "errors"];

/// What happened in a period, with its time in milliseconds.
#[derive(Default)]
struct Seen([Vec<f64>; 5]);

impl Seen {
    fn say(&mut self, engine: &str) -> String {
        let mut said = Vec::new();
        for (name, times) in NAMES.iter().zip(&mut self.0) {
            said.push(format!("{engine}_{name}={}", times.len()));
            times.sort_by(f64::total_cmp);
            let of = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
            if ["logins", "refreshes", "introspections"].contains(name) {
                said.push(format!("{engine}_{name}_p50_ms={:.3} {engine}_{name}_p99_ms={:.3}", of(0.5), of(0.99)));
            }
            times.clear();
        }
        said.join(" ")
    }
}

struct Session {
    begun: Instant,
    refresh: String,
    access: String,
}

struct Client<S> {
    store: S,
    layer: PasswordGrantLayer,
    seen: Arc<Mutex<Seen>>,
    sessions: VecDeque<Session>,
    random: Random,
}

/// The process: says every few seconds what it did.
pub async fn child(urls: &str, number: &str) {
    let mut opened = Vec::new();
    for url in urls.split(' ') {
        opened.push(open(url).await);
    }
    ready();
    let mut seen = Vec::new();
    for store in opened {
        match store {
            Store::Postgres(store) => {
                if number == "0" {
                    tokio::spawn(prune(store.clone()));
                }
                let layer = layer(store.clone(), store.clone(), LIFETIMES);
                seen.push(("postgres", start(&store, &layer)));
            }
            Store::Redis(store) => {
                let layer = layer(store.clone(), store.clone(), LIFETIMES);
                seen.push(("redis", start(&store, &layer)));
            }
        }
    }
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let said: Vec<String> = seen.iter().map(|(engine, seen)| seen.lock().unwrap().say(engine)).collect();
        println!("{}", said.join(" "));
    }
}

async fn prune(store: PostgresStore) {
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        store.prune().await.unwrap();
    }
}

fn start<S: Tokens>(store: &S, layer: &PasswordGrantLayer) -> Arc<Mutex<Seen>> {
    let seen = Arc::default();
    for _ in 0..CLIENTS {
        let client = Client {
            store: store.clone(),
            layer: layer.clone(),
            seen: Arc::clone(&seen),
            sessions: VecDeque::new(),
            random: Random::new(),
        };
        tokio::spawn(client.go_on());
    }
    seen
}

impl<S: Tokens> Client<S> {
    async fn go_on(mut self) {
        loop {
            // So that there is time for everything between.
            let pause = Duration::from_millis(20 + self.random.below(120));
            tokio::time::sleep(pause).await;
            let start = Instant::now();
            self.sessions.retain(|session| session.begun.elapsed() < OLD);
            let what = match self.random.below(100) {
                0..15 => self.log_in(PASSWORD).await,
                15..18 => self.log_in("wrong").await,
                18..55 => self.refresh().await,
                _ => self.introspect().await,
            };
            let Some(what) = what else { continue };
            self.seen.lock().unwrap().0[what as usize].push(start.elapsed().as_secs_f64() * 1e3);
        }
    }

    async fn log_in(&mut self, password: &str) -> Option<What> {
        let user = self.random.below(USERS);
        // Each user has two addresses.
        let [high, low] = (user as u16).to_be_bytes();
        let address: IpAddr = Ipv4Addr::new(10, self.random.below(2) as u8, high, low).into();
        let (status, body) = post(&self.layer, address, login_form(user, password)).await;
        Some(match status {
            StatusCode::OK => {
                self.keep(&body, Instant::now());
                What::Login
            }
            StatusCode::BAD_REQUEST | StatusCode::TOO_MANY_REQUESTS => What::Refused,
            _ => What::Error,
        })
    }

    fn keep(&mut self, body: &[u8], begun: Instant) {
        let json: Value = serde_json::from_slice(body).unwrap();
        let text = |name: &str| json[name].as_str().unwrap().to_owned();
        let session = Session { begun, refresh: text("refresh_token"), access: text("access_token") };
        self.sessions.push_back(session);
        if self.sessions.len() > SESSIONS {
            self.sessions.pop_front();
        }
    }

    fn any(&mut self) -> Option<Session> {
        let count = self.sessions.len().max(1) as u64;
        let place = self.random.below(count) as usize;
        self.sessions.remove(place)
    }

    async fn refresh(&mut self) -> Option<What> {
        let session = self.any()?;
        let form = format!("grant_type=refresh_token&client_id={APP}&refresh_token={}", session.refresh);
        let (status, body) = post(&self.layer, [10, 0, 0, 1].into(), form).await;
        if status != StatusCode::OK {
            return Some(What::Error);
        }
        self.keep(&body, session.begun);
        Some(What::Refresh)
    }

    async fn introspect(&mut self) -> Option<What> {
        let session = self.any()?;
        // One that is over may be found or not.
        let found = AccessTokenStore::find(&self.store, &SecretDigest::of(&session.access)).await;
        self.sessions.push_back(session);
        Some(if found.is_ok() { What::Introspection } else { What::Error })
    }
}
