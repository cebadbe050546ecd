//! A pool of connections that makes nobody wait for long.

use std::time::Duration;

use deadpool_postgres::{
    BuildError, Client, Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};
use tower_password_grant::BackendError;

/// Connections at once. Hashing is what bounds logins, not this: a statement takes less than a millisecond.
const CONNECTIONS: usize = 4;

/// How long a request waits for a connection when all are in use. Pools wait 30 seconds, or without end, unless they are told;
/// `RequestLimits::store_deadline` cuts that off after 5, and then nobody learns that the pool was empty.
const WAIT: Duration = Duration::from_secs(1);

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(2);

/// How long it may take to find out that a connection is still good.
const CHECK: Duration = Duration::from_millis(500);

/// How long the server works on a statement, waiting for locks included. It stops by itself then, also for a request that
/// was given up.
const STATEMENT: Duration = Duration::from_secs(2);

/// Connections to the server that `config` names. The first is made at the first use.
pub(crate) fn pool(mut config: Config) -> Result<Pool, BuildError> {
    config
        .application_name("logins")
        .connect_timeout(CONNECT)
        .options(format!("-c statement_timeout={}", STATEMENT.as_millis()));
    // A connection that does not answer any more is thrown away before it is used.
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Verified };
    // Over a network: TLS, as by `tokio-postgres-rustls`.
    Pool::builder(Manager::from_config(config, NoTls, manager))
        .max_size(CONNECTIONS)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(CONNECT))
        .recycle_timeout(Some(CHECK))
        .build()
}

/// A connection, or why there is none.
pub(crate) async fn connection(pool: &Pool) -> Result<Client, BackendError> {
    pool.get().await.map_err(|error| match error {
        // More requests than connections: come back in a second.
        PoolError::Timeout(TimeoutType::Wait) => BackendError::overloaded(WAIT),
        PoolError::Backend(error) if error.code() == Some(&SqlState::TOO_MANY_CONNECTIONS) => {
            BackendError::overloaded(WAIT)
        }
        // The server is down, or cannot be reached.
        error => BackendError::unavailable(error),
    })
}
