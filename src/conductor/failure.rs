//! Why a charged attempt did not end well, and how its charge is settled then.

use crate::boundary::backend::{BackendError, BackendErrorKind};
use crate::boundary::limiter::Settlement;
use crate::observe::patience::Overdue;
use crate::protocol::rules::refusal::RuleRefusal;
use crate::protocol::wire::error::{Reason, TokenError};

/// Why a charged attempt did not end well.
pub(crate) enum Failure {
    /// The attempt was wrong or may not have what it asks for: it stays charged.
    Decided(TokenError),
    /// The attempt was right, and a second factor is open: it stays charged until the login is finished.
    Open(TokenError),
    /// A part of the application failed, which may hide that the attempt was wrong: it stays charged like one that was.
    Hidden(TokenError),
    /// Something of the application failed: the account's charge goes back.
    Undecided(TokenError),
    /// It was no guess: there was too much work to try it, or it was right and nothing could be issued.
    Untried(TokenError),
    /// It was right, and the end of its client has reached the user, or nobody could tell: it was no guess, and neither was the
    /// password of a login that a second factor was to finish.
    Out(TokenError),
}

impl Failure {
    /// A part of the application failed.
    pub(crate) fn of(error: BackendError, reason: Reason) -> Self {
        match error.kind {
            // Only what a part reports itself gives a charge back.
            _ if Overdue::cut_a_decision(&error) => Self::Decided(error.because(reason)),
            _ if error.may_hide_a_denial() => Self::Hidden(error.because(reason)),
            BackendErrorKind::Overloaded => Self::Untried(error.because(reason)),
            BackendErrorKind::Unavailable | BackendErrorKind::Fault => Self::Undecided(error.because(reason)),
        }
    }

    /// The same with the login rule that ended the login.
    pub(super) fn refused_by(self, refusal: RuleRefusal) -> Self {
        match self {
            Self::Decided(error) => Self::Decided(error.refused_by(refusal)),
            Self::Open(error) => Self::Open(error.refused_by(refusal)),
            Self::Hidden(error) => Self::Hidden(error.refused_by(refusal)),
            Self::Undecided(error) => Self::Undecided(error.refused_by(refusal)),
            Self::Untried(error) => Self::Untried(error.refused_by(refusal)),
            Self::Out(error) => Self::Out(error.refused_by(refusal)),
        }
    }

    /// What the client sees.
    pub(super) fn into_error(self) -> TokenError {
        match self {
            Self::Decided(error)
            | Self::Open(error)
            | Self::Hidden(error)
            | Self::Undecided(error)
            | Self::Untried(error)
            | Self::Out(error) => error,
        }
    }

    /// How the charge of an attempt with this end is settled: only a full success is forgotten, a denial stays charged.
    pub(super) fn settle<T>(outcome: Result<T, Self>) -> (Result<T, TokenError>, Settlement) {
        match outcome {
            Ok(value) => (Ok(value), Settlement::Success),
            Err(Self::Decided(error)) => {
                // What looks like a wrong password counts like one, or the next request would show what this one hides.
                let settlement = if error.is_plain_denial() { Settlement::Denied } else { Settlement::Refused };
                (Err(error), settlement)
            }
            Err(Self::Open(error)) => (Err(error), Settlement::Pending),
            Err(Self::Hidden(error)) => (Err(error), Settlement::Denied),
            Err(Self::Undecided(error)) => (Err(error), Settlement::Undecided),
            Err(Self::Untried(error) | Self::Out(error)) => (Err(error), Settlement::Untried),
        }
    }
}
