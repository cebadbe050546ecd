//! Why a store cannot be opened.

use std::fmt;

use super::connection::PostgresFailure;
use crate::protocol::explained::explained;

/// Why the tables of a [`PostgresStore`](super::PostgresStore) cannot be used. The message says what to do.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The name of the schema is none.
    #[error("{0:?} is no name of a schema: give 1 to 63 bytes without a NUL, a backslash or two dollar signs")]
    NotAName(String),
    /// There are no tables.
    #[error("the tables are not there: call `migrate()` once, or run the script of `migration()` by hand")]
    NotMigrated,
    /// The tables are those of an earlier version of this crate.
    #[error("the tables have the version {found}, this program needs {needed}: call `migrate()` before it is started")]
    Earlier {
        /// The version of the tables.
        found: i64,
        /// The version of this program.
        needed: i64,
    },
    /// The tables are those of a version of this crate that is later by two or more.
    #[error("the tables have the version {found}, this program can use those up to {latest}: update it, too")]
    Later {
        /// The version of the tables.
        found: i64,
        /// The latest version that this program can use, which is the one after its own.
        latest: i64,
    },
    /// Transactions see the database as it was when they began.
    #[error("transactions are {0:?}: set `default_transaction_isolation` to `read committed` for the role")]
    Isolation(String),
    /// The database cannot keep every text.
    #[error("the encoding of the database is {0:?}: make one with UTF8")]
    Encoding(String),
    /// The deadline is 0.
    #[error("a deadline of 0 leaves no time for an answer: give some milliseconds at least")]
    NoTime,
    /// The bound of access tokens is 0.
    #[error("a login needs at least one access token: give 1 or more")]
    NoTokens,
    /// The server could not be asked.
    #[error("PostgreSQL: {0}")]
    Server(#[from] PostgresFailure),
    /// The server gave no answer in time.
    #[error("PostgreSQL gave no answer in time")]
    Deadline,
}

impl fmt::Debug for PostgresError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
