//! Why a store cannot be opened.

use std::{fmt, io};

use crate::protocol::explained::explained;
use crate::protocol::secrets::RandomnessError;

/// Why a [`SqliteStore`](super::SqliteStore) cannot be opened. The file is as it was.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The file cannot be made or opened.
    #[error("the database file cannot be made or opened")]
    File(#[source] io::Error),
    /// The file is no SQLite database.
    #[error("the file is no SQLite database: name another one, or one that does not exist yet")]
    NotADatabase,
    /// The file is a SQLite database of something else.
    #[error("the file is a SQLite database of another application: this store needs one of its own")]
    Foreign,
    /// The file was written by a later version of this library.
    #[error(
        "the database has schema {found}, this version of the library knows {known} at most: \
         run the later version, or restore the backup from before its first start"
    )]
    NewerSchema {
        /// The schema of the file.
        found: i64,
        /// The last schema that this version knows.
        known: i64,
    },
    /// The file system cannot share memory between processes, which the write-ahead log needs.
    #[error("the database cannot keep a write-ahead log: put the file on a local file system")]
    NoWriteAheadLog,
    /// SQLite failed otherwise.
    #[error("SQLite failed")]
    Sqlite(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A thread of the store cannot be started.
    #[error("a thread of the store cannot be started")]
    Thread(#[source] io::Error),
    /// The operating system gave no randomness for the key of the limiter's digests.
    #[error("the database cannot get its key")]
    Randomness(#[from] RandomnessError),
}

impl From<rusqlite::Error> for SqliteError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::NotADatabase,
            _ => Self::Sqlite(Box::new(error)),
        }
    }
}

impl fmt::Debug for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
