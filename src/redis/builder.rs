//! How a store is opened.

use std::fmt;
use std::time::Duration;

use redis::aio::ConnectionLike;

use super::connection::Clones;
use super::error::RedisStoreError;
use super::keys::Keys;
use super::replicas::Replicas;
use super::scripts::Scripts;
use super::store::{Inner, RedisStore};
use crate::boundary::access::MOST_TOKENS;
use crate::boundary::identity::StoreIdentity;
use crate::observe::breaker::Breaker;
use crate::observe::telemetry;

const DEADLINE: Duration = Duration::from_secs(2);

/// The options of a [`RedisStore`].
#[must_use]
pub struct RedisStoreBuilder<C> {
    connection: C,
    prefix: String,
    deadline: Duration,
    tokens_per_login: usize,
    replicas: Option<Replicas>,
}

impl<C> fmt::Debug for RedisStoreBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedisStoreBuilder");
        shown.field("prefix", &self.prefix).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStoreBuilder<C> {
    pub(super) fn new(connection: C) -> Self {
        let prefix = "password_grant".to_owned();
        Self { connection, prefix, deadline: DEADLINE, tokens_per_login: MOST_TOKENS, replicas: None }
    }

    /// What every key begins with, 1 to 64 visible ASCII characters without braces. Default: `password_grant`. Nothing else should
    /// have such keys.
    pub fn prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// How long one call may take, with all its commands. Default: 2 seconds. Beyond it the answer is 503, and it is not known whether
    /// the call did something. Keep it below
    /// [`RequestLimits::store_deadline`](crate::mount::RequestLimits::store_deadline), which cuts off without a reason in the log, and
    /// above the time-outs of the connection, which say more.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The most access tokens of one login; the oldest go first. Default: 100.
    pub const fn access_tokens_per_login(mut self, most: usize) -> Self {
        self.tokens_per_login = most;
        self
    }

    /// Has what is counted at so many replicas before it counts (`WAIT`). Default: it is not waited for, and a fail-over to a replica
    /// forgets the last guesses.
    ///
    /// `connection` is one that nothing else uses, for what waits holds up all behind it. Make it anew, to the same server or cluster: a
    /// clone of the store's connection is the same connection. To one server, a [`RenewingConnection`](super::RenewingConnection) of
    /// its own fits best. One process makes one swap at a time over it, for all attempts that wait meanwhile, so that all of them wait for the
    /// replicas once.
    ///
    /// If fewer have it after `within`, in whole milliseconds, the attempts are 503: they are charged at the server, and no secret was
    /// verified. What the next attempts find counts once the replicas have it, too. `within` is at
    /// most half of the [deadline](Self::deadline); keep it below the time-outs of the connection, too. 100 ms are long for a replica
    /// that is near.
    ///
    /// A replica has it in its memory, not on its disk. A fail-over keeps all that was counted if it goes to one of those that have it:
    /// wait for all replicas that may take over, or for so many that the one that is furthest ahead, which is chosen as a rule, is one of
    /// them. Families, tokens and one-time values are not waited for.
    pub fn wait_for_replicas<W>(mut self, connection: W, replicas: u32, within: Duration) -> Self
    where
        W: ConnectionLike + Clone + Send + Sync + 'static,
    {
        self.replicas = Some(Replicas::new(Box::new(Clones(connection)), replicas, within));
        self
    }

    /// Opens the store, and looks at the [settings](RedisStore::check) of the server. Each of its warnings is an event
    /// (`a store promises less than it could`).
    ///
    /// # Errors
    /// Fails on bad options, if the server cannot be asked or does not let replicas be waited for, and if it forgets keys, takes no writes or is too old.
    pub async fn open(self) -> Result<RedisStore, RedisStoreError> {
        if self.deadline.is_zero() {
            return Err(RedisStoreError::NoTime);
        }
        let most = i64::try_from(self.tokens_per_login).unwrap_or(i64::MAX);
        if most == 0 {
            return Err(RedisStoreError::NoTokens);
        }
        if let Some(replicas) = &self.replicas {
            replicas.check(self.deadline)?;
        }
        let store = RedisStore::new(Inner {
            keys: Keys::new(&self.prefix)?,
            replicas: self.replicas,
            connection: Box::new(Clones(self.connection)),
            breaker: Breaker::new("Redis"),
            scripts: Scripts::new(),
            deadline: self.deadline,
            tokens_per_login: most,
            identity: StoreIdentity::new(),
        });
        for warning in store.check().await? {
            telemetry::store_promises_less(&warning);
        }
        Ok(store)
    }
}
