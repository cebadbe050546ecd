//! Opening the file: its settings, and what is read of it at once.

use std::path::PathBuf;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::counting_key::latest;
use super::db::Db;
use super::error::{NotOpened, SqliteError};
use super::schema;
use super::statements::statements;

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
    pub(super) fn writer(&self) -> Result<Db, NotOpened> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = self.connect(flags)?;
        // A log that does not belong to the file must not be written into it by closing what could not be opened.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        schema::check(&connection)?;
        let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        if mode != "wal" {
            return Err(SqliteError::NoWriteAheadLog.into());
        }
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // What was removed leaves nothing in the free space either.
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
        let pages = i64::try_from(self.max_size / PAGE).unwrap_or(i64::MAX);
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        schema::make(&mut connection)?;
        let db = Db::new(connection);
        statements().try_for_each(|sql| db.prepare(sql))?;
        db.empty_log_at_close()?;
        Ok(db)
    }

    /// Writes, so that what would fail at the first login fails now.
    pub(super) fn prove(db: &Db) -> Result<(), NotOpened> {
        db.batch("BEGIN IMMEDIATE")?;
        db.write_something()?;
        Ok(db.batch("COMMIT")?)
    }

    /// The latest time that the limiter counted at.
    pub(super) fn latest(db: &Db) -> Result<i64, NotOpened> {
        latest(db).map_err(|failure| SqliteError::Sqlite(Box::new(failure)).into())
    }

    /// A connection that only reads, and has read: it opens the log at its first look.
    pub(super) fn reader(&self) -> Result<Db, NotOpened> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = self.connect(flags)?;
        schema::check(&connection)?;
        Ok(Db::new(connection))
    }

    fn connect(&self, flags: OpenFlags) -> Result<Connection, NotOpened> {
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        // A file that somebody else could write must not make this process run what its schema says.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
        // Otherwise each new value of a LIMIT has its statement read and planned anew.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        Ok(connection)
    }
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
