//! A pool of `sqlx`.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgDatabaseError, PgRow};
use sqlx::{
    Arguments as _, AssertSqlSafe, Column as _, Connection as _, Error, PgConnection, PgPool, Postgres, Row as _,
    TypeInfo as _,
};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::connection::{PostgresCell, PostgresConnection, PostgresFailure, PostgresRow, PostgresValue};

/// How long the server has for a statement that was given up. Then its connection is closed, for a server that has vanished would
/// keep it for ever.
const GRACE: Duration = Duration::from_secs(2);

/// The pool of an application that uses `sqlx` 0.9 (feature `postgres-sqlx`, which needs Rust 1.94).
///
/// ```no_run
/// use std::time::Duration;
///
/// use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
/// use tower_password_grant::postgres::{PostgresStore, SqlxPool};
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let options: PgConnectOptions = "postgres://auth@127.0.0.1/auth".parse()?;
/// // Through PgBouncer set these for the role, and add `.extra_float_digits(None)`.
/// let options = options.options([("statement_timeout", "1500"), ("lock_timeout", "1000")]);
/// let pool = PgPoolOptions::new()
///     .acquire_timeout(Duration::from_secs(1))
///     .connect_with(options)
///     .await?;
/// let builder = PostgresStore::builder(SqlxPool::new(pool));
/// // Once, by a role that may make tables.
/// builder.migrate().await?;
/// let store = builder.open().await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
///
/// # Round trips
/// `sqlx` parses a statement and runs it in two round trips, between which a pooler in transaction mode may go on with another
/// connection. So each statement, which has no name, is in a transaction of its own here: four round trips. Over connections that go
/// to the server itself, [`prepared`](Self::prepared) makes it one.
///
/// PgBouncer needs `ignore_startup_parameters = extra_float_digits`, or the options of the connections
/// `extra_float_digits(None)`.
///
/// # Deadlines
/// Set `acquire_timeout` below the store's [deadline](super::PostgresStoreBuilder::deadline): `sqlx` waits for 30 seconds for a
/// connection, and for a server that refuses one it waits as long. What waits for a connection ends with its deadline. A statement
/// that the server has is left to its end then, for 2 seconds more, and goes on holding its connection; after that the connection is
/// closed, and what was not committed is undone.
///
/// What has no bound is that `sqlx` asks each connection that comes back whether it is still there. A server that vanishes without a word
/// at that moment keeps the connection from the pool until TCP gives it up, after some 15 minutes by the settings of most systems
/// (`tcp_retries2` of Linux). Where networks are lost that way, take `tokio-postgres` with its `tcp_user_timeout`.
#[derive(Clone, Debug)]
pub struct SqlxPool {
    pool: PgPool,
    is_prepared: bool,
}

impl SqlxPool {
    /// The connections of this pool, without names for statements: through whatever pooler.
    #[must_use]
    pub const fn new(pool: PgPool) -> Self {
        Self { pool, is_prepared: false }
    }

    /// Prepares each statement at its first use on each connection, in the cache that `sqlx` has for that. There are fewer than a
    /// hundred, which share that cache with the statements of the application: give `statement_cache_capacity` 100 and as many more as
    /// the application has. Only for connections to the server itself, whose prepared
    /// statements nobody else removes, and whose transactions are READ COMMITTED by default.
    #[must_use]
    pub const fn prepared(mut self) -> Self {
        self.is_prepared = true;
        self
    }

    /// Runs a call to its end, in a task of its own. A future of `sqlx` that is dropped while it begins a transaction leaves the
    /// connection in it, with which the pool would go on.
    async fn run(&self, call: Call) -> Result<Vec<PgRow>, PostgresFailure> {
        let connection = self.pool.acquire().await.map_err(failure)?;
        let (answer, answered) = oneshot::channel();
        // Nobody waits for the task itself: it ends soon after the one that waits for its answer.
        drop(tokio::spawn(to_the_end(connection, call, answer)));
        let rows = answered.await.map_err(|_| PostgresFailure::new("a statement was lost with its task"))?;
        rows.map_err(failure)
    }
}

/// What is run over one connection.
enum Call {
    /// A statement without a name.
    Unnamed(String, PgArguments),
    Prepared(String, PgArguments),
    Script(String),
}

impl Call {
    async fn run(self, connection: &mut PgConnection) -> Result<Vec<PgRow>, Error> {
        match self {
            Self::Unnamed(text, values) => {
                let mut transaction = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
                let statement = sqlx::query_with(AssertSqlSafe(text), values).persistent(false);
                let rows = statement.fetch_all(&mut *transaction).await?;
                transaction.commit().await?;
                Ok(rows)
            }
            Self::Prepared(text, values) => sqlx::query_with(AssertSqlSafe(text), values).fetch_all(connection).await,
            Self::Script(text) => {
                sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await?;
                Ok(Vec::new())
            }
        }
    }
}

/// Runs a call, and gives it up some time after nobody waits for its answer any more.
async fn to_the_end(
    mut connection: PoolConnection<Postgres>,
    call: Call,
    mut answer: oneshot::Sender<Result<Vec<PgRow>, Error>>,
) {
    let rows = {
        let mut running = pin!(call.run(&mut connection));
        let mut given_up = pin!(async {
            answer.closed().await;
            sleep(GRACE).await;
        });
        poll_fn(|cx| match running.as_mut().poll(cx) {
            Poll::Ready(rows) => Poll::Ready(Some(rows)),
            Poll::Pending => given_up.as_mut().poll(cx).map(|()| None),
        })
        .await
    };
    match rows {
        // Its request may be gone.
        Some(rows) => drop(answer.send(rows)),
        None => connection.close_on_drop(),
    }
}

/// What the server says, without the values that it adds as details. What cannot be read or written is the same the next time. All
/// else is no connection, or one that was lost.
fn failure(error: Error) -> PostgresFailure {
    match error {
        Error::Database(told) => {
            let severity = told.try_downcast_ref::<PgDatabaseError>().map(|told| format!("{:?}", told.severity()));
            let severity = severity.unwrap_or_default().to_uppercase();
            PostgresFailure::told(severity, told.message(), &told.code().unwrap_or_default())
        }
        Error::ColumnDecode { .. }
        | Error::ColumnIndexOutOfBounds { .. }
        | Error::Decode(_)
        | Error::Encode(_)
        | Error::InvalidArgument(_)
        | Error::TypeNotFound { .. } => PostgresFailure::of_value(error),
        error => PostgresFailure::new(error),
    }
}

fn bound(values: &[PostgresValue<'_>]) -> Result<PgArguments, PostgresFailure> {
    let mut bound = PgArguments::default();
    for value in values {
        let added = match value {
            PostgresValue::Bool(value) => bound.add(value),
            PostgresValue::Bytes(value) => bound.add(value),
            PostgresValue::Text(value) => bound.add(value),
            PostgresValue::BigInt(value) => bound.add(value),
            PostgresValue::BytesList(values) => bound.add(values),
            PostgresValue::BigIntList(values) => bound.add(values),
            PostgresValue::TextList(values) => bound.add(values),
        };
        added.map_err(PostgresFailure::of_value)?;
    }
    Ok(bound)
}

fn cell(row: &PgRow, number: usize, of: &str) -> Result<PostgresCell, Error> {
    let cell = match of {
        "BOOL" => row.try_get::<Option<bool>, _>(number)?.map(PostgresCell::Bool),
        "INT8" => row.try_get::<Option<i64>, _>(number)?.map(PostgresCell::BigInt),
        "BYTEA" => row.try_get::<Option<Vec<u8>>, _>(number)?.map(PostgresCell::Bytes),
        _ => row.try_get::<Option<String>, _>(number)?.map(PostgresCell::Text),
    };
    Ok(cell.unwrap_or(PostgresCell::Null))
}

fn cells(row: &PgRow) -> Result<PostgresRow, Error> {
    (0..).zip(row.columns()).map(|(number, column)| cell(row, number, column.type_info().name())).collect()
}

#[async_trait]
impl PostgresConnection for SqlxPool {
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
        let (text, values) = (statement.to_owned(), bound(values)?);
        let call = if self.is_prepared { Call::Prepared(text, values) } else { Call::Unnamed(text, values) };
        self.run(call).await?.iter().map(|row| cells(row).map_err(failure)).collect()
    }

    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure> {
        self.run(Call::Script(script.to_owned())).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_word_of_the_server_is_an_outage_or_a_bad_value() {
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        for error in [Error::PoolTimedOut, Error::PoolClosed, Error::Io(io), Error::BeginFailed] {
            assert_eq!(failure(error).state(), None);
        }
        for error in [Error::Decode("x".into()), Error::ColumnIndexOutOfBounds { index: 1, len: 1 }] {
            assert_eq!(failure(error).state(), Some("22000"));
        }
    }
}
