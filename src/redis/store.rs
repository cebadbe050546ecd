//! The store: a handle on the connections.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{Cmd, Value};
use tokio::time::timeout;

use super::builder::RedisStoreBuilder;
use super::connection::Connection;
use super::failure::Failure;
use super::keys::Keys;
use super::replicas::Replicas;
use super::scripts::{Argument, Prepared, Scripts};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{SharedClock, SystemClock};
use crate::boundary::identity::StoreIdentity;
use crate::observe::breaker::Breaker;
use crate::protocol::millis;

/// The end of the year 9999, in milliseconds: until then the server's numbers are exact.
const LAST: i64 = 253_402_300_799_999;

/// Whether a part goes by this clock: what is over is told by that of the server, which shows the time of day.
pub(super) fn goes_by(clock: &SharedClock) -> bool {
    clock.agrees_with(&SystemClock::new())
}

/// When something is over.
pub(super) fn end(time: SystemTime) -> Argument<'static> {
    Argument::Number(millis::ceil(time).clamp(0, LAST))
}

/// Refresh token families, opaque access tokens, one-time values and counted attempts in Redis or Valkey. Cloning is cheap, and all
/// clones are one store. See the [module](self::super) for what it promises.
#[derive(Clone)]
pub struct RedisStore(Arc<Inner>);

pub(super) struct Inner {
    pub(super) connection: Box<dyn Connection>,
    /// Those that are waited for.
    pub(super) replicas: Option<Replicas>,
    pub(super) breaker: Breaker,
    pub(super) scripts: Scripts,
    pub(super) keys: Keys,
    pub(super) deadline: Duration,
    /// The most access tokens of one login.
    pub(super) tokens_per_login: i64,
    pub(super) identity: StoreIdentity,
}

impl RedisStore {
    /// A store over these connections, with options.
    pub fn builder<C: redis::aio::ConnectionLike + Clone + Send + Sync + 'static>(
        connection: C,
    ) -> RedisStoreBuilder<C> {
        RedisStoreBuilder::new(connection)
    }

    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn scripts(&self) -> &Scripts {
        &self.0.scripts
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    pub(super) fn tokens_per_login(&self) -> i64 {
        self.0.tokens_per_login
    }

    pub(super) fn own_identity(&self) -> StoreIdentity {
        self.0.identity.clone()
    }

    pub(super) fn replicas(&self) -> Option<&Replicas> {
        self.0.replicas.as_ref()
    }

    /// An operation, all of whose commands are done before its deadline.
    pub(super) async fn within<T>(
        &self,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, BackendError> {
        self.before(&self.0.breaker, operation).await
    }

    /// The same of one that waits for replicas: those may be away while the server serves all else.
    pub(super) async fn within_with<T>(
        &self,
        replicas: &Replicas,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, BackendError> {
        self.before(&replicas.breaker, operation).await
    }

    async fn before<T>(
        &self,
        breaker: &Breaker,
        operation: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, BackendError> {
        let in_time = async {
            let answer = timeout(self.0.deadline, operation).await;
            answer.unwrap_or(Err(Failure::Deadline(self.0.deadline)))
        };
        breaker.call(in_time).await.map_err(Failure::into_backend)
    }

    pub(super) async fn command(&self, command: &Cmd) -> Result<Value, Failure> {
        Ok(self.0.connection.run(command).await?)
    }

    /// Runs a script. One that the server does not know, as after a restart, is sent as a whole: nothing was done then.
    pub(super) async fn run(
        &self,
        script: &Prepared,
        keys: &[String],
        values: &[Argument<'_>],
    ) -> Result<Value, Failure> {
        match self.0.connection.run(&script.by_name(keys, values)).await {
            Err(error) if error.code() == Some("NOSCRIPT") => self.command(&script.whole(keys, values)).await,
            answer => Ok(answer?),
        }
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").field("deadline", &self.0.deadline).finish_non_exhaustive()
    }
}
