//! What can go wrong inside an operation.

use std::time::Duration;

use super::connection::PostgresFailure;
use crate::boundary::backend::BackendError;
use crate::observe::breaker::Outage;
use crate::protocol::client::error::{ClientError, RegistrationError};
use crate::protocol::token::lineage::LineageError;

/// When to try again if the server has no connection left.
const SOON: Duration = Duration::from_secs(1);

/// Why an operation failed. No message repeats a value of a row.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("PostgreSQL: {0}")]
    Statement(#[from] PostgresFailure),
    /// It is not known whether the statement was done.
    #[error("PostgreSQL gave no answer within {} ms", .0.as_millis())]
    Deadline(Duration),
    /// What was written is not what this version writes.
    #[error("the PostgreSQL store cannot read {0}")]
    Row(&'static str),
    /// The same of a lineage. One that a later version wrote is for a process of that version.
    #[error("the PostgreSQL store cannot read a row: {0}")]
    Lineage(#[from] LineageError),
    /// The same of a client.
    #[error("the PostgreSQL store cannot read a row: {0}")]
    Registration(#[from] RegistrationError),
    /// What was given cannot be written.
    #[error("the PostgreSQL store cannot keep {0}")]
    Value(&'static str),
    /// The server has failed several times in a row, and is left alone for this time.
    #[error("PostgreSQL is left alone for a while, since it has failed several times in a row")]
    Away(Duration),
    /// What a client was changed into is none.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// Others were first each time.
    #[error("others changed the same in PostgreSQL {0} times before this operation could")]
    Overtaken(u32),
}

/// What a second try of a statement may bring.
enum Hope {
    /// It was undone, and the next one goes better.
    Again,
    /// It may go better in a while.
    Later,
    /// The server has no connection left.
    Full,
    /// The same.
    None,
}

impl Hope {
    fn of(failure: &PostgresFailure) -> Self {
        let Some(state) = failure.state() else { return Self::Later };
        match state {
            // A conflict with another transaction, and a deadlock.
            "40001" | "40P01" => Self::Again,
            "53300" => Self::Full,
            // A read-only server, as during a fail-over; a transaction that was given up; a lock or a statement that took too long; a
            // shut-down.
            "25006" | "25P02" | "25P03" | "25P04" | "55P03" | "57014" => Self::Later,
            _ if ["08", "53", "57", "58"].iter().any(|class| state.starts_with(class)) => Self::Later,
            _ => Self::None,
        }
    }
}

impl Failure {
    /// Whether nothing was done, and the same statement may be run at once.
    pub(super) fn was_undone(&self) -> bool {
        matches!(self, Self::Statement(failure) if matches!(Hope::of(failure), Hope::Again))
    }

    pub(super) fn into_backend(self) -> BackendError {
        let hope = match &self {
            Self::Statement(failure) => Hope::of(failure),
            Self::Deadline(_)
            | Self::Overtaken(_)
            | Self::Lineage(LineageError::Later)
            | Self::Registration(RegistrationError::Later) => Hope::Later,
            Self::Lineage(_) | Self::Registration(_) | Self::Row(_) | Self::Value(_) | Self::Client(_) => Hope::None,
            Self::Away(wait) => {
                let wait = *wait;
                return BackendError::unavailable(self).with_retry_after(wait);
            }
        };
        match hope {
            Hope::Again | Hope::Later => BackendError::unavailable(self),
            Hope::Full => BackendError::unavailable(self).with_retry_after(SOON),
            Hope::None => BackendError::fault(self),
        }
    }
}

impl Outage for Failure {
    fn is_outage(&self) -> bool {
        match self {
            // Without a word of the server there is no connection. Else it is shutting down, out of connections or memory, or takes
            // no writes. A statement or a lock that took too long is no outage: a crowd on one row would look like one.
            Self::Statement(failure) => failure.state().is_none_or(|state| {
                state == "25006" || ["08", "53", "57P", "58"].iter().any(|class| state.starts_with(class))
            }),
            Self::Deadline(_) => true,
            Self::Row(_)
            | Self::Lineage(_)
            | Self::Registration(_)
            | Self::Value(_)
            | Self::Client(_)
            | Self::Overtaken(_)
            | Self::Away(_) => false,
        }
    }

    fn not_asked(wait: Duration) -> Self {
        Self::Away(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boundary::backend::BackendErrorKind::{self, Fault, Unavailable};

    fn kind(state: &str) -> (bool, BackendErrorKind) {
        let failure = Failure::Statement(PostgresFailure::new("x").with_state(state));
        (failure.was_undone(), failure.into_backend().kind())
    }

    #[test]
    fn an_outage_is_503_a_conflict_is_tried_again_and_a_mistake_is_500() {
        for state in ["40001", "40P01"] {
            assert_eq!(kind(state), (true, Unavailable), "{state}");
        }
        for state in
            ["", "08006", "25006", "25P03", "53100", "53200", "53300", "55P03", "57014", "57P01", "57P03", "58030"]
        {
            assert_eq!(kind(state), (false, Unavailable), "{state}");
        }
        for state in ["22021", "23505", "42501", "42601", "42P01", "XX001"] {
            assert_eq!(kind(state), (false, Fault), "{state}");
        }
        let late = Failure::Deadline(SOON).into_backend();
        assert_eq!((late.kind(), late.to_string().as_str()), (Unavailable, "PostgreSQL gave no answer within 1000 ms"));
        assert_eq!(Failure::Lineage(LineageError::Later).into_backend().kind(), Unavailable);
    }

    #[test]
    fn only_what_the_server_lacks_is_an_outage() {
        let is_outage = |state| Failure::Statement(PostgresFailure::new("x").with_state(state)).is_outage();
        for state in ["", "08006", "25006", "53100", "53300", "57P01", "57P03", "58030"] {
            assert!(is_outage(state), "{state}");
        }
        for state in ["40001", "40P01", "55P03", "57014", "22021", "23505", "42501", "42P01", "25P03"] {
            assert!(!is_outage(state), "{state}");
        }
        assert!(Failure::Deadline(SOON).is_outage() && !Failure::Row("a number").is_outage());
    }
}
