//! How a store is opened.

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;

use super::cells::Cells;
use super::connection::{PostgresConnection, PostgresValue};
use super::error::PostgresError;
use super::schema::{LATEST, SchemaName, VERSION};
use super::statements::Statements;
use super::store::{Inner, PostgresStore};
use crate::boundary::access::MOST_TOKENS;
use crate::boundary::identity::StoreIdentity;
use crate::observe::breaker::Breaker;
use crate::observe::telemetry;

const DEADLINE: Duration = Duration::from_secs(2);
/// Making an index takes longer than a request may.
const MIGRATION: Duration = Duration::from_secs(600);

/// The options of a [`PostgresStore`].
#[must_use]
pub struct PostgresStoreBuilder<C> {
    connection: C,
    schema: String,
    deadline: Duration,
    tokens_per_login: usize,
}

impl<C> fmt::Debug for PostgresStoreBuilder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("PostgresStoreBuilder");
        shown.field("schema", &self.schema).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl<C: PostgresConnection> PostgresStoreBuilder<C> {
    pub(super) fn new(connection: C) -> Self {
        Self { connection, schema: "password_grant".to_owned(), deadline: DEADLINE, tokens_per_login: MOST_TOKENS }
    }

    /// The schema that the tables are in, at most 63 bytes. Default: `password_grant`. Nothing else should be in it.
    pub fn schema(mut self, name: &str) -> Self {
        name.clone_into(&mut self.schema);
        self
    }

    /// How long one call may take, with the wait for a connection. Default: 2 seconds. Beyond it the answer is 503, and it is not
    /// known whether the call did something. Keep it below
    /// [`RequestLimits::store_deadline`](crate::mount::RequestLimits::store_deadline), which cuts off without a reason in the log.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The most access tokens of one login; the oldest go first. Default: 100.
    pub const fn access_tokens_per_login(mut self, most: usize) -> Self {
        self.tokens_per_login = most;
        self
    }

    /// The script that makes the tables, for `psql --single-transaction`. It changes nothing that is as it should be, and fails over
    /// tables of a later version.
    ///
    /// # Errors
    /// Fails on a name that no schema can have.
    pub fn migration(&self) -> Result<String, PostgresError> {
        Ok(SchemaName::new(&self.schema)?.script())
    }

    /// Makes the tables, or changes those of an earlier version, in one transaction under a lock: any number of servers may call
    /// it. Tables of the next version are left as they are. The role needs the right to make the schema, or to make tables in it.
    ///
    /// # Errors
    /// Fails on a name that no schema can have, on tables that are later by two versions or more, and if the server does not do it.
    pub async fn migrate(&self) -> Result<(), PostgresError> {
        let name = SchemaName::new(&self.schema)?;
        if self.has_later(&name).await? {
            return Ok(());
        }
        let script = name.script();
        match timeout(MIGRATION, self.connection.run_script(&script)).await {
            Err(_) => Err(PostgresError::Deadline),
            Ok(Ok(())) => Ok(()),
            // A server of the next version may have been first.
            Ok(Err(_)) if self.has_later(&name).await? => Ok(()),
            Ok(Err(failure)) => Err(failure.into()),
        }
    }

    /// Whether the tables are those of the next version.
    async fn has_later(&self, name: &SchemaName) -> Result<bool, PostgresError> {
        match self.version(name).await {
            Ok(found) if found > LATEST => Err(PostgresError::Later { found, latest: LATEST }),
            Ok(found) => Ok(found > VERSION),
            Err(PostgresError::NotMigrated) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Opens the store, and looks at the [settings](PostgresStore::check) of the server. Each of its warnings is an event
    /// (`a store promises less than it could`). It makes no tables.
    ///
    /// # Errors
    /// Fails on bad options, if the server cannot be asked, and if the tables are not those of this version or the next one.
    pub async fn open(self) -> Result<PostgresStore, PostgresError> {
        if self.deadline.is_zero() {
            return Err(PostgresError::NoTime);
        }
        let most = i64::try_from(self.tokens_per_login).unwrap_or(i64::MAX);
        if most == 0 {
            return Err(PostgresError::NoTokens);
        }
        let name = SchemaName::new(&self.schema)?;
        match self.version(&name).await? {
            found if found < VERSION => return Err(PostgresError::Earlier { found, needed: VERSION }),
            found if found > LATEST => return Err(PostgresError::Later { found, latest: LATEST }),
            _ => {}
        }
        self.look_at_session(&name).await?;
        let store = PostgresStore::new(Inner {
            connection: Box::new(self.connection),
            breaker: Breaker::new("PostgreSQL"),
            statements: Statements::of(&name.quoted()),
            deadline: self.deadline,
            tokens_per_login: most,
            identity: StoreIdentity::new(),
        });
        // What cannot be seen does not stop the store: it serves as before.
        for warning in store.check().await.unwrap_or_default() {
            telemetry::store_promises_less(&warning);
        }
        Ok(store)
    }

    /// Whether the connections are as the statements need them.
    async fn look_at_session(&self, name: &SchemaName) -> Result<(), PostgresError> {
        let statement = Statements::of(&name.quoted()).session;
        let mut cells = self.ask(&statement, &[]).await?;
        let mut text = || cells.as_mut().and_then(|cells| cells.text().ok()).unwrap_or_default();
        match (text(), text()) {
            (isolation, _) if isolation != "read committed" => Err(PostgresError::Isolation(isolation)),
            (_, encoding) if encoding != "UTF8" => Err(PostgresError::Encoding(encoding)),
            _ => Ok(()),
        }
    }

    async fn version(&self, name: &SchemaName) -> Result<i64, PostgresError> {
        let (statements, table) = (Statements::of(&name.quoted()), format!("{}.schema_version", name.quoted()));
        let has_tables = self.ask(&statements.has_tables, &[PostgresValue::Text(Some(&table))]).await?;
        if has_tables.and_then(|mut cells| cells.bool().ok()) != Some(true) {
            return Err(PostgresError::NotMigrated);
        }
        let number = self.ask(&statements.version, &[]).await?.and_then(|mut cells| cells.number().ok());
        number.ok_or(PostgresError::NotMigrated)
    }

    /// The first row of a statement.
    async fn ask(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Option<Cells>, PostgresError> {
        let asked = timeout(self.deadline, self.connection.query(statement, values));
        let rows = asked.await.map_err(|_| PostgresError::Deadline)??;
        Ok(rows.into_iter().next().map(Cells::of))
    }
}
