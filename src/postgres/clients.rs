//! Connections of `tokio-postgres`, alone or from a pool.

use std::collections::HashMap;
use std::fmt;
use std::iter::successors;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, Statement};

use super::connection::{PostgresCell, PostgresConnection, PostgresFailure, PostgresRow, PostgresValue};
use crate::boundary::sync::held;

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Given<C> = Pin<Box<dyn Future<Output = Result<C, Cause>> + Send>>;
type Prepare<C> =
    for<'a> fn(&'a C, &'a str, &'a [Type]) -> Pin<Box<dyn Future<Output = Result<Statement, Error>> + Send + 'a>>;

/// Connections of `tokio-postgres`: [one](Self::one), or those of a [pool](Self::pooled).
///
/// Each statement goes out without a name and with the types of its values, in one round trip, which works through every pooler. The
/// server parses and plans it each time, which may cost it as much as running it. Over connections that go to the server itself,
/// [prepared statements](Self::pooled_prepared) spare that.
///
/// ```no_run
/// use tower_password_grant::postgres::PostgresClients;
///
/// # fn connections(pool: deadpool_postgres::Pool) {
/// // deadpool-postgres; with bb8: `pool.get_owned()`
/// let connections = PostgresClients::pooled(
///     move || {
///         let pool = pool.clone();
///         async move { pool.get().await }
///     },
///     |client: &deadpool_postgres::Client| client,
/// );
/// # let _ = connections;
/// # }
/// ```
pub struct PostgresClients<C> {
    source: Source<C>,
    of: PhantomData<fn() -> C>,
}

enum Source<C> {
    One { client: Box<Client>, prepared: Option<Prepared> },
    Pool { get: Box<dyn Fn() -> Given<C> + Send + Sync>, client: fn(&C) -> &Client, prepare: Option<Prepare<C>> },
}

impl PostgresClients<()> {
    /// One connection, over which statements go one behind the other. It is not made again when it is lost: take a pool for a
    /// server that must outlive a restart of the database.
    #[must_use]
    pub fn one(client: Client) -> Self {
        Self { source: Source::One { client: Box::new(client), prepared: None }, of: PhantomData }
    }

    /// The same, and each statement is prepared at its first use and has a name from then on. Only for a connection to the server
    /// itself, whose prepared statements nobody else removes.
    #[must_use]
    pub fn one_prepared(client: Client) -> Self {
        Self { source: Source::One { client: Box::new(client), prepared: Some(Prepared::default()) }, of: PhantomData }
    }
}

impl<C: Send + Sync + 'static> PostgresClients<C> {
    /// Connections of a pool: `get` takes one for a statement, `client` shows the client in it. Give the pool a bound on how long
    /// one waits for a connection, below the store's [deadline](super::PostgresStoreBuilder::deadline).
    pub fn pooled<F, E>(get: impl Fn() -> F + Send + Sync + 'static, client: fn(&C) -> &Client) -> Self
    where
        F: Future<Output = Result<C, E>> + Send + 'static,
        E: Into<Cause>,
    {
        Self::of_pool(get, client, None)
    }

    /// The same, and `prepare` prepares each statement, for connections to the server itself: with these types for its values, on
    /// this connection, and only if it was not prepared there before. The pool has to remember that for each connection, as that of
    /// `deadpool-postgres` does:
    ///
    /// ```no_run
    /// use tower_password_grant::postgres::PostgresClients;
    ///
    /// # fn connections(pool: deadpool_postgres::Pool) {
    /// let connections = PostgresClients::pooled_prepared(
    ///     move || {
    ///         let pool = pool.clone();
    ///         async move { pool.get().await }
    ///     },
    ///     |client: &deadpool_postgres::Client| client,
    ///     |client, text, types| Box::pin(client.prepare_typed_cached(text, types)),
    /// );
    /// # let _ = connections;
    /// # }
    /// ```
    ///
    /// There are fewer than a hundred statements. A connection that is handed out again must still have those that were prepared on
    /// it: with `deadpool-postgres` use no `RecyclingMethod::Custom` that runs `DISCARD ALL` or `DEALLOCATE`.
    pub fn pooled_prepared<F, E>(
        get: impl Fn() -> F + Send + Sync + 'static,
        client: fn(&C) -> &Client,
        prepare: Prepare<C>,
    ) -> Self
    where
        F: Future<Output = Result<C, E>> + Send + 'static,
        E: Into<Cause>,
    {
        Self::of_pool(get, client, Some(prepare))
    }

    fn of_pool<F, E>(
        get: impl Fn() -> F + Send + Sync + 'static,
        client: fn(&C) -> &Client,
        prepare: Option<Prepare<C>>,
    ) -> Self
    where
        F: Future<Output = Result<C, E>> + Send + 'static,
        E: Into<Cause>,
    {
        let get = move || -> Given<C> {
            let given = get();
            Box::pin(async move { given.await.map_err(Into::into) })
        };
        Self { source: Source::Pool { get: Box::new(get), client, prepare }, of: PhantomData }
    }
}

impl<C> fmt::Debug for PostgresClients<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresClients").finish_non_exhaustive()
    }
}

fn bound<'a>(value: &'a PostgresValue<'_>) -> (&'a (dyn ToSql + Sync), Type) {
    match value {
        PostgresValue::Bool(value) => (value, Type::BOOL),
        PostgresValue::Bytes(value) => (value, Type::BYTEA),
        PostgresValue::Text(value) => (value, Type::TEXT),
        PostgresValue::BigInt(value) => (value, Type::INT8),
        PostgresValue::BytesList(value) => (value, Type::BYTEA_ARRAY),
        PostgresValue::BigIntList(value) => (value, Type::INT8_ARRAY),
        PostgresValue::TextList(value) => (value, Type::TEXT_ARRAY),
    }
}

fn cell(row: &Row, number: usize, of: &Type) -> Result<PostgresCell, Error> {
    let cell = if *of == Type::BOOL {
        row.try_get::<_, Option<bool>>(number)?.map(PostgresCell::Bool)
    } else if *of == Type::INT8 {
        row.try_get::<_, Option<i64>>(number)?.map(PostgresCell::BigInt)
    } else if *of == Type::BYTEA {
        row.try_get::<_, Option<Vec<u8>>>(number)?.map(PostgresCell::Bytes)
    } else {
        row.try_get::<_, Option<String>>(number)?.map(PostgresCell::Text)
    };
    Ok(cell.unwrap_or(PostgresCell::Null))
}

fn cells(row: &Row) -> Result<PostgresRow, Error> {
    (0..).zip(row.columns()).map(|(number, column)| cell(row, number, column.type_())).collect()
}

/// The first of its causes in which the server has spoken tells what a second try may bring.
fn failure(cause: Cause) -> PostgresFailure {
    let first = &*cause as &(dyn std::error::Error + 'static);
    let mut causes = successors(Some(first), |error| error.source());
    match causes.find_map(|error| error.downcast_ref::<Error>()?.as_db_error()) {
        Some(told) => PostgresFailure::told(told.severity().to_owned(), told.message(), told.code().code()),
        None => PostgresFailure::new(cause),
    }
}

fn of_server(error: Error) -> PostgresFailure {
    failure(error.into())
}

/// The statements that were prepared on a connection.
#[derive(Default)]
struct Prepared(Mutex<HashMap<String, Statement>>);

impl Prepared {
    /// Two calls at once may both prepare one. That of the first is removed once it was used.
    async fn statement(&self, client: &Client, text: &str, types: &[Type]) -> Result<Statement, Error> {
        let found = held(self.0.lock()).get(text).cloned();
        if let Some(found) = found {
            return Ok(found);
        }
        let statement = client.prepare_typed(text, types).await?;
        held(self.0.lock()).insert(text.to_owned(), statement.clone());
        Ok(statement)
    }
}

fn read(rows: &[Row]) -> Result<Vec<PostgresRow>, PostgresFailure> {
    rows.iter().map(|row| cells(row).map_err(PostgresFailure::of_value)).collect()
}

/// Runs a statement that has no name.
async fn query(client: &Client, text: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
    let values: Vec<_> = values.iter().map(bound).collect();
    read(&client.query_typed(text, &values).await.map_err(of_server)?)
}

/// Runs a statement once it is prepared.
async fn query_prepared(
    client: &Client,
    statement: &Statement,
    values: &[PostgresValue<'_>],
) -> Result<Vec<PostgresRow>, PostgresFailure> {
    let values: Vec<_> = values.iter().map(|value| bound(value).0).collect();
    read(&client.query(statement, &values).await.map_err(of_server)?)
}

fn types(values: &[PostgresValue<'_>]) -> Vec<Type> {
    values.iter().map(|value| bound(value).1).collect()
}

#[async_trait]
impl<C: Send + Sync + 'static> PostgresConnection for PostgresClients<C> {
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
        match &self.source {
            Source::One { client, prepared: None } => query(client, statement, values).await,
            Source::One { client, prepared: Some(prepared) } => {
                let found = prepared.statement(client, statement, &types(values)).await.map_err(of_server)?;
                query_prepared(client, &found, values).await
            }
            Source::Pool { get, client, prepare } => {
                let taken = get().await.map_err(failure)?;
                let Some(prepare) = prepare else { return query(client(&taken), statement, values).await };
                let found = prepare(&taken, statement, &types(values)).await.map_err(of_server)?;
                query_prepared(client(&taken), &found, values).await
            }
        }
    }

    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure> {
        match &self.source {
            Source::One { client, .. } => client.batch_execute(script).await.map_err(of_server),
            Source::Pool { get, client, .. } => {
                let taken = get().await.map_err(failure)?;
                client(&taken).batch_execute(script).await.map_err(of_server)
            }
        }
    }
}
