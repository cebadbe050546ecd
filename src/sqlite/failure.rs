//! What can go wrong inside an operation, and what is known of its changes then.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;

use crate::boundary::backend::BackendError;
use crate::protocol::client::error::{ClientError, RegistrationError};
use crate::protocol::token::lineage::LineageError;

/// Why an operation failed. No message repeats a value of a row.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// What was written is not what this version writes.
    #[error("the SQLite store cannot read {0}")]
    Row(&'static str),
    /// The same of a lineage. One that a later version wrote is for a process of that version.
    #[error("the SQLite store cannot read a row: {0}")]
    Lineage(#[from] LineageError),
    /// The same of a client.
    #[error("the SQLite store cannot read a row: {0}")]
    Registration(#[from] RegistrationError),
    /// What was given cannot be written.
    #[error("the SQLite store cannot keep {0}")]
    Value(&'static str),
    /// What a client was changed into is none.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// An error of one operation ended the transaction of all.
    #[error("it was ended by an error of one of its operations")]
    Lost,
    /// What is written is not found under its name.
    #[error(
        "the file `{path}` was removed or replaced while the store had it open, and what is written now would be lost: \
         put the right file back and start the server again",
        path = .0.display()
    )]
    Moved(PathBuf),
    /// The same, from then on.
    #[error("{0}")]
    Gone(String),
    /// It cannot be seen whether the file is still the one that was opened.
    #[error("the database file cannot be looked at: {0}")]
    Unseen(io::Error),
    /// The counts would not be found, and others would begin.
    #[error(
        "another process has opened the database file with another shared key: attempts are counted under one key at a \
         time, so start this one again with that key"
    )]
    OtherKey,
    #[error("a panic in an operation of the SQLite store")]
    Panicked,
}

impl Failure {
    /// Whether trying again may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::CannotOpen
                        | ErrorCode::ReadOnly
                        | ErrorCode::OutOfMemory
                        | ErrorCode::FileLockingProtocolFailed
                        | ErrorCode::OperationInterrupted
                )
            ),
            Self::Lost | Self::Moved(_) | Self::Gone(_) | Self::Unseen(_) => true,
            Self::Lineage(error) => *error == LineageError::Later,
            Self::Registration(error) => *error == RegistrationError::Later,
            Self::Row(_) | Self::Value(_) | Self::Client(_) | Self::OtherKey | Self::Panicked => false,
        }
    }

    /// Whether the transaction may be committed nevertheless: the look at the files comes after it.
    const fn may_be_committed(&self) -> bool {
        matches!(self, Self::Moved(_) | Self::Gone(_) | Self::Unseen(_))
    }

    pub(super) fn into_backend(self) -> BackendError {
        if self.may_pass() { BackendError::unavailable(self) } else { BackendError::fault(self) }
    }
}

/// An operation that failed for those who wait for it.
#[derive(Debug)]
pub(super) struct Unanswered {
    error: BackendError,
    is_undone: bool,
}

impl Unanswered {
    /// Of one whose changes are surely not in the file.
    pub(super) const fn undone(error: BackendError) -> Self {
        Self { error, is_undone: true }
    }

    /// Of one whose changes may be in the file.
    pub(super) const fn unknown(error: BackendError) -> Self {
        Self { error, is_undone: false }
    }

    /// Of one whose transaction failed like this.
    pub(super) fn lost(cause: &Failure) -> Self {
        let error = BackendError::unavailable(format!("a transaction of the SQLite store: {cause}"));
        Self { error, is_undone: !cause.may_be_committed() }
    }

    /// Whether it is sure that nothing was changed, so that it may be done once more.
    pub(super) const fn is_undone(&self) -> bool {
        self.is_undone
    }
}

impl From<Failure> for Unanswered {
    /// What an operation changed before it failed is rolled back.
    fn from(failure: Failure) -> Self {
        Self::undone(failure.into_backend())
    }
}

impl From<Unanswered> for BackendError {
    fn from(unanswered: Unanswered) -> Self {
        unanswered.error
    }
}
