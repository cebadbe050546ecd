//! Why a store cannot be opened.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use rusqlite::ErrorCode;

use crate::protocol::explained::explained;
use crate::protocol::secret::secrets::RandomnessError;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a [`SqliteStore`](super::SqliteStore) cannot be opened. The file is as it was. The message says what to do.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// The name is not that of a file: SQLite's name of a database in memory, or an address.
    #[error(
        "`{0}` is no name of a file: give a path on a local disk, such as `auth.db`, without `file:` or options; \
         what may be gone after a restart is kept by `MemoryRefreshTokens`, `MemoryAccessTokens`, \
         `MemoryOneTimeValues` and `MemoryLimiter`, which need no database"
    )]
    NotAFileName(String),
    /// The folder of the file does not exist.
    #[error("the folder `{path}` does not exist: make it first, for the server's user only", path = .0.display())]
    NoFolder(PathBuf),
    /// The name is that of a directory or a device, or of a link that leads nowhere.
    #[error(
        "`{path}` is a directory, a device or a link that leads nowhere: name a file, which is made if there is none",
        path = .0.display()
    )]
    NotARegularFile(PathBuf),
    /// The server may not write the file, or not make the log beside it.
    #[error(
        "the database `{path}` cannot be written{about}: let the user that the server runs as own the file, those \
         beside it (`-wal`, `-shm`) and their folder, on a file system that is not read-only",
        path = .path.display()
    )]
    #[non_exhaustive]
    NotWritable {
        /// The file.
        path: PathBuf,
        /// Whose it is, and its mode, where that is known.
        about: String,
        /// What the operating system or SQLite said.
        #[source]
        source: Cause,
    },
    /// There is no room for another page.
    #[error("there is no room to write to the database: free some on its disk, or raise `max_size`")]
    Full(#[source] Cause),
    /// Another process wrote to the file all the time.
    #[error(
        "another process keeps the database locked: end it, or raise `busy_timeout`; several servers on one host may \
         share the file, but a program that leaves a transaction open stops them all"
    )]
    Locked(#[source] Cause),
    /// The file was removed or replaced while it was being opened.
    #[error("the database file was removed or replaced while it was being opened: open it again")]
    Replaced,
    /// An option is out of its range.
    #[error("`{option}` of the store must be {range}")]
    #[non_exhaustive]
    Option {
        /// The name of the option.
        option: &'static str,
        /// What it may be.
        range: &'static str,
    },
    /// The file cannot be made or opened for another reason.
    #[error("the database file cannot be made or opened: {0}")]
    File(#[source] io::Error),
    /// The file is no SQLite database.
    #[error("`{path}` is no SQLite database: name another file, or one that does not exist yet", path = .0.display())]
    NotADatabase(PathBuf),
    /// The file is damaged as it is read with the log beside it, as when a backup was put in its place without removing
    /// the log.
    #[error(
        "`{path}` and its log `{path}-wal` do not fit together: if a backup was put in the place of the file, stop every \
         server, remove `{path}-wal` and `{path}-shm`, and put the backup there again",
        path = .path.display()
    )]
    #[non_exhaustive]
    ForeignLog {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Cause,
    },
    /// The file is a SQLite database of something else.
    #[error("`{path}` is a SQLite database of another application: this store needs one of its own", path = .0.display())]
    Foreign(PathBuf),
    /// The file was made by another version of this library, with another number of its schema.
    #[error(
        "`{path}` was made by another version of this library: its schema has the number {found}, and this version knows \
         only {known}: run the version that made it, or name a file that does not exist yet and add clients and users there",
        path = .path.display()
    )]
    #[non_exhaustive]
    OtherSchema {
        /// The file.
        path: PathBuf,
        /// The number of its schema.
        found: i64,
        /// The number that this version knows.
        known: i64,
    },
    /// The file was made by another version of this library that gave its schema the same number, or its tables were
    /// changed.
    #[error(
        "`{path}` has another shape than this version of the library makes: `{name}` is missing or different: run the \
         version that made it, or name a file that does not exist yet and add clients and users there",
        path = .path.display()
    )]
    #[non_exhaustive]
    OtherTables {
        /// The file.
        path: PathBuf,
        /// A table or index that is missing or different.
        name: String,
    },
    /// Attempts were counted in the file under another [shared key](super::SqliteStoreBuilder::shared_key), or under
    /// none, so that the counts would not be found.
    #[error(
        "attempts were counted in `{path}` under {counted}, or, to lift all locks and begin anew, with \
         `forget_attempts_under_other_keys`",
        path = .path.display()
    )]
    #[non_exhaustive]
    OtherSharedKey {
        /// The file.
        path: PathBuf,
        /// Under what it was counted, and how to open it so.
        counted: &'static str,
    },
    /// The file system cannot share memory between processes, which the write-ahead log needs.
    #[error("the database cannot keep a write-ahead log: put the file on a local file system")]
    NoWriteAheadLog,
    /// SQLite failed otherwise.
    #[error("SQLite failed: {0}")]
    Sqlite(#[source] Cause),
    /// A thread of the store cannot be started.
    #[error("a thread of the store cannot be started: {0}")]
    Thread(#[source] io::Error),
    /// The operating system gave no randomness for the key of the limiter's digests.
    #[error("the database cannot get its key")]
    Randomness(#[from] RandomnessError),
}

impl SqliteError {
    /// The server may not write this file.
    pub(super) fn not_writable(path: &Path, source: impl Into<Cause>) -> Self {
        Self::NotWritable { path: path.to_owned(), about: about(path), source: source.into() }
    }

    /// Adds that there was a log beside a file that cannot be read with it.
    pub(super) fn with_log_of(self, path: &Path) -> Self {
        let is_damage = |cause: &Cause| {
            let code = cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
            code == Some(ErrorCode::DatabaseCorrupt)
        };
        match self {
            Self::Sqlite(cause) if is_damage(&cause) => Self::ForeignLog { path: path.to_owned(), source: cause },
            other => other,
        }
    }

    /// Names the file, and adds what is known of it where SQLite only says that it may not.
    pub(super) fn at(self, path: &Path) -> Self {
        let Self::Sqlite(cause) = self else { return self };
        match cause.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code) {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Self::not_writable(path, cause)
            }
            Some(ErrorCode::NotADatabase) => Self::NotADatabase(path.to_owned()),
            _ => Self::Sqlite(cause),
        }
    }
}

/// Whose a file is, and which users may write it.
#[cfg(unix)]
fn about(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;

    let seen = |path: &Path| fs::metadata(path).map(|found| (found.uid(), found.mode() & 0o777)).ok();
    let folder = path.parent().and_then(seen).map(|(user, mode)| format!("its folder to user {user}, mode {mode:o}"));
    let file = seen(path).map(|(user, mode)| format!("it belongs to user {user}, mode {mode:o}"));
    let known: Vec<String> = file.into_iter().chain(folder).collect();
    if known.is_empty() { String::new() } else { format!(" ({})", known.join("; ")) }
}

#[cfg(not(unix))]
fn about(path: &Path) -> String {
    let is_read_only = fs::metadata(path).is_ok_and(|found| found.permissions().readonly());
    if is_read_only { " (it is marked read-only)".to_owned() } else { String::new() }
}

/// Why a file was not opened, inside the store: it is made of what `rusqlite` says, which no public type names.
#[derive(Debug)]
pub(super) struct NotOpened(SqliteError);

impl NotOpened {
    /// Names the file; see [`SqliteError::at`].
    pub(super) fn at(self, path: &Path) -> SqliteError {
        self.0.at(path)
    }
}

impl From<rusqlite::Error> for NotOpened {
    fn from(error: rusqlite::Error) -> Self {
        Self(match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => SqliteError::Full(error.into()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqliteError::Locked(error.into()),
            _ => SqliteError::Sqlite(error.into()),
        })
    }
}

impl From<SqliteError> for NotOpened {
    fn from(error: SqliteError) -> Self {
        Self(error)
    }
}

impl From<NotOpened> for SqliteError {
    fn from(NotOpened(error): NotOpened) -> Self {
        error
    }
}

impl fmt::Debug for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
