//! A connection that keeps its statements and counts what they take.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{CachedStatement, Connection, Params, Row, StatementStatus};

use super::failure::Failure;
use super::schema::NUMBER;

/// Every statement of the store, and some room.
const STATEMENTS: usize = 160;

/// One thread's own connection. Every statement is a constant text: all that comes from outside is a parameter.
pub(super) struct Db {
    connection: Connection,
    steps: Cell<u64>,
}

impl Db {
    pub(super) fn new(connection: Connection) -> Self {
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Self { connection, steps: Cell::new(0) }
    }

    /// Reads a statement before its first use, so that a schema that does not fit shows at once.
    pub(super) fn prepare(&self, sql: &'static str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql).map(drop)
    }

    /// The last connection that closes writes the log into the file and removes it.
    pub(super) fn empty_log_at_close(&self) -> Result<(), rusqlite::Error> {
        self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
    }

    /// Writes the log into the file now, and leaves nothing in it. Waits for others for so long; `false` if they held
    /// it back.
    pub(super) fn empty_log(&self, wait: Duration, usual_wait: Duration) -> Result<bool, Failure> {
        self.connection.busy_timeout(wait)?;
        let is_held = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, bool>(0));
        self.connection.busy_timeout(usual_wait)?;
        Ok(!is_held?)
    }

    /// Runs statements that are not kept.
    pub(super) fn batch(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.execute_batch(sql)
    }

    /// Changes nothing, and yet its transaction has to be written.
    pub(super) fn write_something(&self) -> Result<(), rusqlite::Error> {
        self.batch(&format!("PRAGMA user_version = {NUMBER}"))
    }

    /// Runs a statement and answers how many rows it changed.
    pub(super) fn execute(&self, sql: &'static str, params: impl Params) -> Result<usize, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let changed = statement.execute(params);
        self.count(&statement);
        Ok(changed?)
    }

    /// The first row.
    pub(super) fn row<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let found = match statement.query(params)?.next()? {
            Some(row) => Some(read(row)?),
            None => None,
        };
        self.count(&statement);
        Ok(found)
    }

    /// All rows.
    pub(super) fn rows<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut found = Vec::new();
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        drop(rows);
        self.count(&statement);
        Ok(found)
    }

    /// One row after the other, until there are no more or it breaks off. Answers whether it did.
    pub(super) fn each(
        &self,
        sql: &'static str,
        params: impl Params,
        mut take: impl FnMut(&Row<'_>) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<ControlFlow<()>, Failure> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut flow = ControlFlow::Continue(());
        let mut rows = statement.query(params)?;
        while flow.is_continue()
            && let Some(row) = rows.next()?
        {
            flow = take(row)?;
        }
        drop(rows);
        self.count(&statement);
        Ok(flow)
    }

    /// Reads with more than one statement what was so at one moment. For connections that only read.
    pub(super) fn at_one_moment<T>(&self, read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.execute("BEGIN", ())?;
        let _moment = Moment(self);
        read()
    }

    /// Whether no transaction is open.
    pub(super) fn is_idle(&self) -> bool {
        self.connection.is_autocommit()
    }

    /// The instructions of SQLite's virtual machine since this was asked last.
    pub(super) fn take_steps(&self) -> u64 {
        self.steps.take()
    }

    fn count(&self, statement: &CachedStatement<'_>) {
        let steps = u64::try_from(statement.reset_status(StatementStatus::VmStep)).unwrap_or(0);
        self.steps.set(self.steps.get().saturating_add(steps));
    }
}

/// A transaction that reads. It ends also where reading panics: the connection would show that moment for ever.
struct Moment<'a>(&'a Db);

impl Drop for Moment<'_> {
    fn drop(&mut self) {
        let _ = self.0.execute("ROLLBACK", ());
    }
}
