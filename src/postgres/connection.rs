//! What the store asks of a connection: to run one statement.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Runs statements over the connections of the application. `PostgresClients` (feature `postgres`) is one over `tokio-postgres`, and
/// `SqlxPool` (feature `postgres-sqlx`) one over a pool of `sqlx`.
///
/// # Contract
/// - [`query`](Self::query) runs exactly one statement, with its values in the place of `$1`, `$2` .., in a transaction of its own
///   at READ COMMITTED, and answers its rows once that transaction is committed. It never runs a statement twice.
/// - [`run_script`](Self::run_script) runs several statements as one transaction, by the simple protocol.
/// - No statement needs anything of the one before it, so each may go over another connection. It goes to the primary: a copy
///   that lags behind would take an ended login for a live one.
///
/// # Security
/// Values are bound, never written into the text.
///
/// # Cancellation
/// The future is dropped when its deadline passes or the client hangs up. The statement may go on.
///
/// # Errors
/// A [`PostgresFailure`], with the server's `SQLSTATE` if it gave one: it decides whether a second try may help. No connection, a
/// time-out of the pool and a lost connection have none.
#[async_trait]
pub trait PostgresConnection: Send + Sync + 'static {
    /// Runs one statement, and answers its rows.
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure>;

    /// Runs a script as one transaction.
    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure>;
}

#[async_trait]
impl<C: PostgresConnection + ?Sized> PostgresConnection for Arc<C> {
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
        (**self).query(statement, values).await
    }

    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure> {
        (**self).run_script(script).await
    }
}

/// A value of a statement, by its type in PostgreSQL.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PostgresValue<'a> {
    /// `boolean`
    Bool(Option<bool>),
    /// `bytea`
    Bytes(Option<&'a [u8]>),
    /// `text`
    Text(Option<&'a str>),
    /// `bigint`
    BigInt(Option<i64>),
    /// `bytea[]`
    BytesList(Vec<Option<&'a [u8]>>),
    /// `bigint[]`
    BigIntList(Vec<i64>),
    /// `text[]`
    TextList(Vec<Option<&'a str>>),
}

/// One value of a row. The statements of the store give these types and no others.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostgresCell {
    /// `NULL` of any type
    Null,
    /// `boolean`
    Bool(bool),
    /// `bigint`
    BigInt(i64),
    /// `text`
    Text(String),
    /// `bytea`
    Bytes(Vec<u8>),
}

impl fmt::Debug for PostgresCell {
    /// Its type alone: a value may be a digest of a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Bool(_) => "Bool",
            Self::BigInt(_) => "BigInt",
            Self::Text(_) => "Text",
            Self::Bytes(_) => "Bytes",
        })
    }
}

/// The values of a row, in the order of its columns.
pub type PostgresRow = Vec<PostgresCell>;

/// What the server says of a statement, without the values that it adds as details.
#[derive(Debug, thiserror::Error)]
#[error("{severity}: {message} ({state})")]
struct Told {
    severity: String,
    message: String,
    state: String,
}

/// Why a statement was not done, or why that is not known.
#[derive(Debug)]
pub struct PostgresFailure {
    cause: Cause,
    state: Option<[u8; 5]>,
}

impl fmt::Display for PostgresFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl std::error::Error for PostgresFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl PostgresFailure {
    /// A failure without a word of the server: no connection, or one that was lost.
    #[must_use]
    pub fn new(cause: impl Into<Cause>) -> Self {
        Self { cause: cause.into(), state: None }
    }

    /// What the server said.
    pub(super) fn told(severity: String, message: &str, state: &str) -> Self {
        let told = Told { severity, message: message.to_owned(), state: state.to_owned() };
        Self::new(told).with_state(state)
    }

    /// A value that cannot be read or written: the same the next time.
    pub(super) fn of_value(cause: impl Into<Cause>) -> Self {
        Self::new(cause).with_state("22000")
    }

    /// The server's `SQLSTATE`, five characters. What is none is ignored.
    #[must_use]
    pub fn with_state(mut self, state: &str) -> Self {
        self.state = state.as_bytes().try_into().ok();
        self
    }

    /// The server's `SQLSTATE`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_ref().and_then(|state| std::str::from_utf8(state).ok())
    }
}
