//! Work over a store, what was answered of it, and what of that is there after a loss.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinHandle;
use tower_password_grant::limiter::{AttemptLimiter as _, Settlement, StoredLimiter};
use tower_password_grant::store::{FamilyId, RefreshFamily, RefreshTokenStore};
use tower_password_grant::testing::{RefreshTokenUse, TokenState, TokenUsed, begin_family, token_state};
use tower_password_grant::user::AccountKey;

use super::endpoint::key;
use super::engine::Store;
use super::process::someone;
use super::rig::{new_number, reserve};
use super::rows::{HOUR, digest, family};

const SESSIONS: usize = 3;

/// What was answered.
#[derive(Default)]
pub struct Written {
    /// Each with the time at which it was answered.
    logins: Vec<(u64, Instant)>,
    ends: Vec<u64>,
    values: Vec<u64>,
    /// One guess at each.
    guesses: Vec<(u64, Ipv4Addr)>,
    /// Of each session its family and its tokens, the newest last.
    sessions: Vec<(FamilyId, Vec<u64>)>,
    /// When it ended.
    end: Option<Instant>,
}

/// How much there was, and how much of it is lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    all: usize,
    lost: usize,
}

impl Count {
    fn add(&mut self, is_there: bool) {
        self.all += 1;
        self.lost += usize::from(!is_there);
    }

    fn and(self, other: Self) -> Self {
        Self { all: self.all + other.all, lost: self.lost + other.lost }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.lost, self.all)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Lost {
    logins: Count,
    ends: Count,
    values: Count,
    guesses: Count,
    /// Rotations, of which a session has many.
    rotations: Count,
    /// Sessions that have to log in again.
    sessions: Count,
    /// How long before the end the first login came that is lost.
    window: Duration,
}

impl Lost {
    pub fn and(self, other: Self) -> Self {
        Self {
            logins: self.logins.and(other.logins),
            ends: self.ends.and(other.ends),
            values: self.values.and(other.values),
            guesses: self.guesses.and(other.guesses),
            rotations: self.rotations.and(other.rotations),
            sessions: self.sessions.and(other.sessions),
            window: self.window.max(other.window),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "logins {}, ends of logins {}, spent values {}, guesses {}, rotations {}, all of the last {} ms; of the clients that \
             refresh {} log in again",
            self.logins,
            self.ends,
            self.values,
            self.guesses,
            self.rotations,
            self.window.as_millis(),
            self.sessions
        )
    }
}

/// Work that goes on until it is stopped or fails.
pub struct Work {
    is_over: Arc<AtomicBool>,
    parts: Vec<JoinHandle<Written>>,
}

fn begin(number: u64) -> RefreshFamily {
    family(&format!("user-{number}"), number, SystemTime::now() + HOUR)
}

/// A use of a token of this family, whose successor this one is.
fn using(id: FamilyId, token: u64, next: u64) -> RefreshTokenUse {
    let using = RefreshTokenUse::new(id, digest(token), SystemTime::now());
    using.with_successor(digest(next), [7; 32]).with_leeway(Duration::from_secs(60))
}

impl Work {
    pub fn start<S: Store>(store: &S) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut parts = Vec::new();
        for _ in 0..SESSIONS {
            parts.push(tokio::spawn(session(store.clone(), Arc::clone(&is_over))));
        }
        parts.push(tokio::spawn(logins(store.clone(), Arc::clone(&is_over))));
        parts.push(tokio::spawn(guesses(store.clone(), Arc::clone(&is_over))));
        Self { is_over, parts }
    }

    /// Stops it, and answers what was answered.
    pub async fn stop(self) -> Written {
        self.is_over.store(true, Ordering::SeqCst);
        let mut all = Written { end: Some(Instant::now()), ..Written::default() };
        for part in self.parts {
            let part = part.await.unwrap();
            all.logins.extend(part.logins);
            all.ends.extend(part.ends);
            all.values.extend(part.values);
            all.guesses.extend(part.guesses);
            all.sessions.extend(part.sessions);
        }
        all
    }
}

async fn session<S: Store>(store: S, is_over: Arc<AtomicBool>) -> Written {
    let number = new_number();
    let login = begin(number);
    let (id, mut tokens) = (login.id(), vec![number]);
    let mut written = Written::default();
    if begin_family(&store, login, &digest(number), SystemTime::now()).await.is_err() {
        return written;
    }
    while !is_over.load(Ordering::SeqCst) {
        let (token, next) = (tokens[tokens.len() - 1], new_number());
        match using(id, token, next).by(&store).await {
            Ok(TokenUsed::Done) => tokens.push(next),
            Ok(other) => panic!("{other:?}"),
            // Whether it was done is not known.
            Err(_) => break,
        }
    }
    written.sessions.push((id, tokens));
    written
}

async fn logins<S: Store>(store: S, is_over: Arc<AtomicBool>) -> Written {
    let mut written = Written::default();
    while !is_over.load(Ordering::SeqCst) {
        let number = new_number();
        let login = begin(number);
        let id = login.id();
        if begin_family(&store, login, &digest(number), SystemTime::now()).await.is_err() {
            break;
        }
        written.logins.push((number, Instant::now()));
        // Every other one ends, and each has a value of its own.
        if number.is_multiple_of(2) && RefreshTokenStore::revoke_family(&store, id).await.is_ok() {
            written.ends.push(number);
        }
        if store.consume(&digest(number), SystemTime::now() + HOUR).await.is_ok() {
            written.values.push(number);
        }
    }
    written
}

async fn guesses<S: Store>(store: S, is_over: Arc<AtomicBool>) -> Written {
    let (limiter, mut written) = (StoredLimiter::new(store, &key()), Written::default());
    while !is_over.load(Ordering::SeqCst) {
        let (number, from) = (new_number(), someone());
        let user = AccountKey::resolved(format!("guessed-{number}"));
        let Ok(Some(reservation)) = reserve(&limiter, &user, from).await else { break };
        written.guesses.push((number, from));
        if limiter.settle(reservation, Settlement::Denied).await.is_err() {
            break;
        }
    }
    written
}

impl Written {
    /// What of it is lost. No login has two live tokens, before and after its client goes on with the newest one that it has.
    pub async fn lost<S: Store>(&self, store: &S) -> Lost {
        let mut lost = Lost::default();
        for (number, at) in &self.logins {
            let found = RefreshTokenStore::find(store, begin(*number).id()).await.unwrap();
            lost.logins.add(found.is_some());
            if found.is_none() {
                lost.window = lost.window.max(self.end.unwrap_or(*at).duration_since(*at));
            }
            if let (true, Some(found)) = (self.ends.contains(number), found) {
                lost.ends.add(found.is_ended);
            }
        }
        for number in &self.values {
            lost.values.add(store.is_spent(&digest(*number)).await.unwrap());
        }
        let limiter = StoredLimiter::new(store.clone(), &key());
        for (number, from) in &self.guesses {
            let user = AccountKey::resolved(format!("guessed-{number}"));
            let mut room = 0;
            while let Some(reservation) = reserve(&limiter, &user, *from).await.unwrap() {
                limiter.settle(reservation, Settlement::Denied).await.unwrap();
                room += 1;
            }
            assert!(room == 9 || room == 10, "{room}: a guess more for each that was lost");
            lost.guesses.add(room == 9);
        }
        for (id, tokens) in &self.sessions {
            let newest = tokens[tokens.len() - 1];
            let known = live(store, *id, tokens).await;
            assert!(known.len() <= 1, "{known:?}");
            let place = known.first().and_then(|token| tokens.iter().position(|other| other == token));
            // An answer may have been lost as well: then the newest that is known is the predecessor.
            let state = token_state(store, *id, &digest(newest)).await.unwrap().map(|(state, _)| state);
            let is_kept = matches!(state, Some(TokenState::Live | TokenState::Predecessor { .. }));
            let rotations = tokens.len() - 1;
            let undone = if is_kept { 0 } else { rotations - place.unwrap_or_default() };
            lost.rotations = lost.rotations.and(Count { all: rotations, lost: undone });
            let used = using(*id, newest, new_number()).by(store).await.unwrap();
            let goes_on = matches!(used, TokenUsed::Done | TokenUsed::Repeated { .. });
            assert_eq!(goes_on, is_kept, "{used:?}");
            lost.sessions.add(goes_on);
            assert!(
                live(store, *id, tokens).await.len() <= usize::from(goes_on),
                "a login that is lost has no live token"
            );
        }
        lost
    }
}

/// The tokens that count.
async fn live<S: Store>(store: &S, id: FamilyId, tokens: &[u64]) -> Vec<u64> {
    let mut live = Vec::new();
    for token in tokens {
        let state = token_state(store, id, &digest(*token)).await.unwrap();
        if matches!(state, Some((TokenState::Live, _))) {
            live.push(*token);
        }
    }
    live
}
