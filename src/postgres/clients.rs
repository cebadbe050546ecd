//! Connections of `tokio-postgres`, alone or from a pool.

use std::fmt;
use std::iter::successors;
use std::marker::PhantomData;
use std::pin::Pin;

use async_trait::async_trait;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use super::connection::{PostgresCell, PostgresConnection, PostgresFailure, PostgresRow, PostgresValue};

type Cause = Box<dyn std::error::Error + Send + Sync>;
type Given<C> = Pin<Box<dyn Future<Output = Result<C, Cause>> + Send>>;

/// Connections of `tokio-postgres`: [one](Self::one), or those of a [pool](Self::pooled).
///
/// Each statement goes out without a name and with the types of its values, in one round trip, which works through every pooler.
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
    One(Box<Client>),
    Pool { get: Box<dyn Fn() -> Given<C> + Send + Sync>, client: fn(&C) -> &Client },
}

impl PostgresClients<()> {
    /// One connection, over which statements go one behind the other. It is not made again when it is lost: take a pool for a
    /// server that must outlive a restart of the database.
    #[must_use]
    pub fn one(client: Client) -> Self {
        Self { source: Source::One(Box::new(client)), of: PhantomData }
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
        let get = move || -> Given<C> {
            let given = get();
            Box::pin(async move { given.await.map_err(Into::into) })
        };
        Self { source: Source::Pool { get: Box::new(get), client }, of: PhantomData }
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

/// What the server says of the statement, without the values that it adds as details.
#[derive(Debug, thiserror::Error)]
#[error("{severity}: {message} ({state})")]
struct Told {
    severity: String,
    message: String,
    state: String,
}

/// The first of its causes in which the server has spoken tells what a second try may bring.
fn failure(cause: Cause) -> PostgresFailure {
    let first = &*cause as &(dyn std::error::Error + 'static);
    let mut causes = successors(Some(first), |error| error.source());
    let Some(told) = causes.find_map(|error| error.downcast_ref::<Error>()?.as_db_error()) else {
        return PostgresFailure::new(cause);
    };
    let state = told.code().code().to_owned();
    let (severity, message) = (told.severity().to_owned(), told.message().to_owned());
    PostgresFailure::new(Told { severity, message, state: state.clone() }).with_state(&state)
}

/// A value that is not what its type says: the same the next time.
fn unreadable(error: Error) -> PostgresFailure {
    PostgresFailure::new(error).with_state("22000")
}

async fn query(
    client: &Client,
    statement: &str,
    values: &[PostgresValue<'_>],
) -> Result<Vec<PostgresRow>, PostgresFailure> {
    let values: Vec<_> = values.iter().map(bound).collect();
    let rows = client.query_typed(statement, &values).await.map_err(|error| failure(error.into()))?;
    rows.iter().map(|row| cells(row).map_err(unreadable)).collect()
}

#[async_trait]
impl<C: Send + Sync + 'static> PostgresConnection for PostgresClients<C> {
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
        match &self.source {
            Source::One(client) => query(client, statement, values).await,
            Source::Pool { get, client } => {
                let taken = get().await.map_err(failure)?;
                query(client(&taken), statement, values).await
            }
        }
    }

    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure> {
        match &self.source {
            Source::One(client) => client.batch_execute(script).await.map_err(|error| failure(error.into())),
            Source::Pool { get, client } => {
                let taken = get().await.map_err(failure)?;
                client(&taken).batch_execute(script).await.map_err(|error| failure(error.into()))
            }
        }
    }
}
