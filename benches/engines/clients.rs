//! What a server does with its stores, one operation after the other.

use std::time::{Duration, SystemTime};

use tower_password_grant::ClientId;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, OneTimeValues, RefreshTokenStore, SecretDigest, UnsavedAccessToken,
};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed};

use super::measured::Client;
use super::names::{Filled, Random};

pub const APP: &str = "app";
pub const SCOPE: &str = "read";
pub const AUDIENCE: &str = "https://api.example.com";
pub const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// A store of all tokens.
pub trait Tokens: RefreshTokenStore + AccessTokenStore + OneTimeValues + Clone {}

impl<S: RefreshTokenStore + AccessTokenStore + OneTimeValues + Clone> Tokens for S {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Looks a family up.
    Find,
    /// Looks a family up and rotates it.
    Rotate,
    /// The same with a new access token.
    Refresh,
    /// Looks an access token up.
    Introspect,
    /// Spends a one-time value.
    Consume,
}

impl Operation {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Find => "find",
            Self::Rotate => "find and rotate",
            Self::Refresh => "refresh",
            Self::Introspect => "introspect",
            Self::Consume => "consume",
        }
    }
}

/// A client of a store.
pub struct OfStore<S> {
    store: S,
    filled: Filled,
    operation: Operation,
    number: u64,
    clients: u64,
    random: Random,
}

/// So many clients. Each has a store of its own if there are as many.
pub fn of_stores<S: Tokens>(stores: &[S], filled: &Filled, operation: Operation, clients: usize) -> Vec<OfStore<S>> {
    let of = |number: usize| OfStore {
        store: stores[number % stores.len()].clone(),
        filled: filled.clone(),
        operation,
        number: number as u64,
        clients: clients as u64,
        random: Random::new(),
    };
    (0..clients).map(of).collect()
}

/// The record of an access token, as the issuer makes it.
pub fn record(subject: &str) -> AccessTokenRecord {
    let now = SystemTime::now();
    AccessTokenRecord::new(subject, ClientId::new(APP).unwrap(), now, now + Duration::from_secs(3600))
        .with_scope(SCOPE.parse().unwrap())
        .with_audience([AUDIENCE])
        .with_authenticated_at(Some(now))
}

impl<S: Tokens> OfStore<S> {
    fn any(&mut self) -> u64 {
        self.random.below(self.filled.families)
    }

    fn new_digest(&mut self) -> SecretDigest {
        (self.filled.names.new_digest)(&mut self.random)
    }

    async fn refresh(&mut self, with_token: bool) {
        let family = self.filled.own(self.number, self.clients, &mut self.random);
        let [live, next] = self.filled.next_tokens(family);
        let id = (self.filled.names.family)(family);
        let mut using = RefreshTokenUse::new(id, live, SystemTime::now()).with_successor(next, [7; 32]);
        if with_token {
            let record = record("user-0").with_family(Some(id));
            using = using.with_access_token(UnsavedAccessToken::new(self.new_digest(), record));
        }
        assert_eq!(using.by(&self.store).await.unwrap(), TokenUsed::Done);
    }
}

impl<S: Tokens> Client for OfStore<S> {
    async fn once(&mut self) {
        match self.operation {
            Operation::Find => {
                let id = (self.filled.names.family)(self.any());
                assert!(RefreshTokenStore::find(&self.store, id).await.unwrap().is_some());
            }
            Operation::Rotate => self.refresh(false).await,
            Operation::Refresh => self.refresh(true).await,
            Operation::Introspect => {
                let digest = (self.filled.names.digest)(self.any());
                assert!(AccessTokenStore::find(&self.store, &digest).await.unwrap().is_some());
            }
            Operation::Consume => {
                let digest = self.new_digest();
                assert!(self.store.consume(&digest, SystemTime::now() + MONTH).await.unwrap());
            }
        }
    }
}
