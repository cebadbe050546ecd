//! Why a store cannot be opened.

use std::fmt;
use std::time::Duration;

use crate::boundary::backend::OperationError;
use crate::protocol::explained::explained;

/// Why a [`RedisStore`](super::RedisStore) cannot be opened. The message says what to do.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RedisStoreError {
    /// The prefix of the keys is none.
    #[error("{0:?} is no prefix of keys: give 1 to 64 visible ASCII characters without braces")]
    NotAPrefix(String),
    /// The deadline is 0.
    #[error("a deadline of 0 leaves no time for an answer: give some milliseconds at least")]
    NoTime,
    /// The bound of access tokens is 0.
    #[error("a login needs at least one access token: give 1 or more")]
    NoTokens,
    /// It was to be waited for no replica.
    #[error("to wait for 0 replicas is to wait for nothing: give 1 or more")]
    NoReplicas,
    /// The time in which the replicas have to have what was counted is none, or more than half of what a call may take.
    #[error("replicas cannot be waited for within {} ms: give 1 ms or more, and half of the deadline or less", .0.as_millis())]
    Wait(Duration),
    /// The server is of an earlier version.
    #[error("the server has the version {0}: the store needs Redis 7.0 or Valkey 7.2, or later")]
    Earlier(String),
    /// The server throws keys away when it is full: counted guesses, spent values and ends of logins, which would not have been then.
    #[error("`maxmemory-policy` is {0:?}, which forgets guesses and spent values: set it to `noeviction`")]
    Evicts(String),
    /// The server is a replica, which takes no writes.
    #[error("the server is a replica: connect to its primary, or through a client that finds it")]
    Replica,
    /// The server could not be asked.
    #[error("{0}")]
    Server(#[from] OperationError),
}

impl fmt::Debug for RedisStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
