//! Opening the file: its permissions, its settings, its schema.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::columns::{bytes, get};
use super::db::Db;
use super::error::SqliteError;
use super::failure::Failure;
use super::statements;
use crate::protocol::secrets::random_bytes;

/// Tells a file of this store from all others: `TPGs`.
const APPLICATION: i64 = 0x5450_4773;

/// What leads from each schema to the next. One that was published never changes: files were made by it.
pub(super) const MIGRATIONS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];

const LIMITER: &str = "SELECT key, clock FROM limiter WHERE row = 1";

/// The last schema that this version knows.
pub(super) const SCHEMA: i64 = MIGRATIONS.len() as i64;

/// The size of a page that SQLite takes by itself.
pub(super) const PAGE: u64 = 4096;

/// Where and how to open connections.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// Absolute, so that the working directory may change.
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
    pub(super) max_size: u64,
}

impl Opening {
    /// The connection that writes. Changes nothing before the file is known to be this store's.
    pub(super) fn writer(&self) -> Result<Db, SqliteError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = self.connect(flags)?;
        // A log that does not belong to the file must not be written into it by closing what could not be opened.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        check(&connection)?;
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(SqliteError::NoWriteAheadLog);
        }
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "secure_delete", "fast")?;
        connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
        let pages = i64::try_from(self.max_size / PAGE).unwrap_or(i64::MAX);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        migrate(&mut connection)?;
        let db = Db::new(connection);
        statements().try_for_each(|sql| db.prepare(sql))?;
        db.empty_log_at_close()?;
        Ok(db)
    }

    /// Writes, so that what would fail at the first login fails now.
    pub(super) fn prove(db: &Db) -> Result<(), SqliteError> {
        Ok(db.batch(&format!("BEGIN IMMEDIATE; PRAGMA user_version = {SCHEMA}; COMMIT"))?)
    }

    /// The key of the limiter's digests, and the latest time that it counted at.
    pub(super) fn limiter(db: &Db) -> Result<([u8; 32], i64), SqliteError> {
        let found = db.row(LIMITER, (), |row| Ok((bytes(row, 0)?, get(row, 1)?)));
        let failed = |failure: Failure| SqliteError::Sqlite(Box::new(failure));
        found.map_err(failed)?.ok_or_else(|| failed(Failure::Row("the key of the limiter")))
    }

    /// A connection that only reads, and has read: it opens the log at its first look.
    pub(super) fn reader(&self) -> Result<Db, SqliteError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = self.connect(flags)?;
        check(&connection)?;
        Ok(Db::new(connection))
    }

    fn connect(&self, flags: OpenFlags) -> Result<Connection, SqliteError> {
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        // A file that somebody else could write must not make this process run what its schema says.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        Ok(connection)
    }
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, SqliteError> {
    Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?)
}

/// Whether the file is empty or this store's, and of a schema that this version knows. Answers the schema.
fn check(connection: &Connection) -> Result<i64, SqliteError> {
    let found = number(connection, "user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
    let application = number(connection, "application_id")?;
    let is_empty = tables == 0 && found == 0 && application == 0;
    if !is_empty && application != APPLICATION {
        return Err(SqliteError::Foreign(connection.path().map(PathBuf::from).unwrap_or_default()));
    }
    if !(0..=SCHEMA).contains(&found) {
        return Err(SqliteError::NewerSchema { found, known: SCHEMA });
    }
    Ok(found)
}

/// Brings the schema up to date, in one transaction; another process may do the same at the same time.
fn migrate(connection: &mut Connection) -> Result<(), SqliteError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = check(&transaction)?;
    if found < SCHEMA {
        for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.execute_batch(migration)?;
        }
        if found == 0 {
            let key = random_bytes()?;
            let sql = "INSERT INTO limiter (row, key, number, clock) VALUES (1, ?1, 0, 0)";
            transaction.execute(sql, [key.as_slice()])?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", SCHEMA)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
