//! Sessions that refresh as fast as they are answered, through the layer or straight on the store.

use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, RefreshFamily, RefreshTokenStore, SecretDigest, UnsavedAccessToken,
};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed, begin_family};
use tower_password_grant::{ClientId, OpaqueIssuer};

use super::support::tokens::{AUDIENCE, SUBJECT, Session, layer};
use super::support::{CLIENT, SCOPE};

#[derive(Clone, Copy)]
pub enum Until {
    Time(Duration),
    /// So many by each session.
    Count(u64),
}

impl Until {
    fn is_reached(self, started: Instant, done: u64) -> bool {
        match self {
            Self::Time(time) => started.elapsed() >= time,
            Self::Count(count) => done >= count,
        }
    }
}

pub struct Measured {
    pub operations: u64,
    pub seconds: f64,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.seconds
    }
}

/// Logs everybody in.
pub async fn begin<A, R>(access: &A, refresh: &R, sessions: usize) -> Vec<Session>
where
    A: AccessTokenStore + Clone,
    R: RefreshTokenStore + Clone,
{
    let layer = layer(OpaqueIssuer::new(access.clone()).with_audience([AUDIENCE]), refresh.clone());
    let mut logins = Vec::new();
    for _ in 0..sessions {
        logins.push(Session::begin(&layer).await);
    }
    logins
}

pub async fn refresh(logins: Vec<Session>, until: Until) -> Measured {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for mut session in logins {
        tasks.spawn(async move {
            let mut done = 0;
            while !until.is_reached(started, done) {
                session.refresh().await;
                done += 1;
                // Stores in memory never wait, and then the other sessions would. To give way each time would wake
                // another thread of the runtime for nothing.
                tokio::task::coop::consume_budget().await;
            }
            done
        });
    }
    let operations = tasks.join_all().await.into_iter().sum();
    Measured { operations, seconds: started.elapsed().as_secs_f64() }
}

pub async fn through_the_layer<A, R>(access: &A, refreshes: &R, sessions: usize, until: Until) -> Measured
where
    A: AccessTokenStore + Clone,
    R: RefreshTokenStore + Clone,
{
    refresh(begin(access, refreshes, sessions).await, until).await
}

/// What a refresh does in the stores, and nothing else: the look-up, then the access token and the rotation, in one
/// step where one store keeps both.
pub async fn through_the_store<A, R>(access: &A, refresh: &R, sessions: usize, until: Until) -> Measured
where
    A: AccessTokenStore + Clone,
    R: RefreshTokenStore + Clone,
{
    let client = ClientId::new(CLIENT).unwrap();
    let now = SystemTime::now();
    let mut families = Vec::new();
    for _ in 0..sessions {
        let (id, first) = (FamilyId::from_bytes(random()), SecretDigest::from_bytes(random()));
        let family = RefreshFamily::new(id, SUBJECT, client.clone(), now, now + Duration::from_secs(3600));
        let family = family.with_scope(SCOPE.parse().unwrap()).with_grant_type(Some("password"));
        begin_family(refresh, family, &first, now).await.unwrap();
        families.push((id, first));
    }
    let is_one_store = access.identity().is_some_and(|of_access| refresh.identity() == Some(of_access));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for (id, mut live) in families {
        let (access, refresh, client) = (access.clone(), refresh.clone(), client.clone());
        tasks.spawn(async move {
            let mut done = 0;
            while !until.is_reached(started, done) {
                let now = SystemTime::now();
                let record = AccessTokenRecord::new(SUBJECT, client.clone(), now, now + Duration::from_secs(3600))
                    .with_scope(SCOPE.parse().unwrap())
                    .with_audience([AUDIENCE])
                    .with_family(Some(id));
                let (digest, next) = (SecretDigest::from_bytes(random()), SecretDigest::from_bytes(random()));
                let mut using = RefreshTokenUse::new(id, live, now).with_successor(next.clone(), random());
                if is_one_store {
                    using = using.with_access_token(UnsavedAccessToken::new(digest, record));
                } else {
                    access.insert(digest, record).await.unwrap();
                }
                assert_eq!(using.by(&refresh).await.unwrap(), TokenUsed::Done);
                live = next;
                done += 1;
                tokio::task::coop::consume_budget().await;
            }
            done
        });
    }
    let operations = tasks.join_all().await.into_iter().sum();
    Measured { operations, seconds: started.elapsed().as_secs_f64() }
}

/// What is not measured here costs next to nothing.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}
