use std::fmt;

use crate::boundary::backend::{BackendError, BackendErrorKind};
use crate::observe::contain::Cut;
use crate::observe::telemetry;
use crate::protocol::token::record::AccessTokenRecord;

/// Why a [`BearerGuard`](super::BearerGuard) refused a request: for your logs and metrics. The client learns less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BearerReason {
    /// No `Authorization` header, or one of another scheme: 401 without an error code.
    NoCredentials,
    /// More than one `Authorization` header: 400 `invalid_request`.
    SeveralHeaders,
    /// `Bearer` without a token, or with several parts: 400 `invalid_request`.
    MalformedHeader,
    /// A character that no token has; nothing was looked up: 401 `invalid_token`.
    IllegalCharacters,
    /// More than 8 KiB; nothing was looked up: 401 `invalid_token`.
    TooLong,
    /// The verifier knows no such access token: it is made up, revoked, expired or of another kind: 401 `invalid_token`.
    UnknownToken,
    /// It expired by the guard's own clock: 401 `invalid_token`.
    Expired,
    /// It was issued more than a minute ahead of the guard's own clock: 401 `invalid_token`.
    NotYetValid,
    /// It is bound to a key that a bearer need not have (`cnf`, RFC 9449 section 7.2): 401 `invalid_token`.
    Bound,
    /// It is for another API: 401 `invalid_token`.
    Audience,
    /// It is of a realm that the guard does not take, or of none: 401 `invalid_token`.
    Realm,
    /// It is good, but has too little scope: 403 `insufficient_scope`.
    Scope,
    /// It is good, but its user gave no second factor, or longer ago than the route allows (RFC 9470): 401
    /// `insufficient_user_authentication`.
    SecondFactor,
    /// The verifier could not decide: 503, or 500 after a [fault](BackendErrorKind::Fault).
    Backend,
    /// The verifier took longer than the deadline: 503.
    Overdue,
    /// The verifier panicked: 500.
    Panicked,
}

impl BearerReason {
    /// A stable name in `snake_case`, fit for a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoCredentials => "no_credentials",
            Self::SeveralHeaders => "several_headers",
            Self::MalformedHeader => "malformed_header",
            Self::IllegalCharacters => "illegal_characters",
            Self::TooLong => "too_long",
            Self::UnknownToken => "unknown_token",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Bound => "bound",
            Self::Audience => "audience",
            Self::Realm => "realm",
            Self::Scope => "scope",
            Self::SecondFactor => "second_factor",
            Self::Backend => "backend",
            Self::Overdue => "overdue",
            Self::Panicked => "panicked",
        }
    }

    /// A failure that no change of the request helps.
    const fn is_trouble(self) -> bool {
        matches!(self, Self::Backend | Self::Overdue | Self::Panicked)
    }

    /// What the operator may have forgotten.
    const fn hint(self) -> Option<&'static str> {
        match self {
            Self::Realm => Some(
                "the token is of a realm that the guard does not take, or of none: see `BearerGuardBuilder::token_realms`",
            ),
            Self::NotYetValid => {
                Some("the clock of the token's issuer and the guard's own differ by more than a minute")
            }
            Self::Audience => Some(
                "the token is for another audience, or names none: let the client ask for this one (`ClientBuilder::allow_audience`, \
                 parameter `audience`), or give it to the issuer (`JwtIssuer::new`, `OpaqueIssuer::with_audience`); \
                 `BearerGuardBuilder::any_audience` only if the issuer serves this API alone",
            ),
            _ => None,
        }
    }
}

/// A request that was refused, for [`on_refusal`](super::BearerGuardBuilder::on_refusal).
pub struct BearerRefusal {
    reason: BearerReason,
    /// Boxed, because few have one.
    error: Option<Box<BackendError>>,
    record: Option<AccessTokenRecord>,
}

impl BearerRefusal {
    /// Of a token that is good, but not here.
    pub(super) fn of(reason: BearerReason, record: AccessTokenRecord) -> Self {
        Self { reason, error: None, record: Some(record) }
    }

    /// The same, with its cause if the verifier took too long.
    pub(super) fn with_cause_if_overdue(mut self, cause: impl FnOnce() -> BackendError) -> Self {
        if self.reason == BearerReason::Overdue {
            self.error = Some(Box::new(cause()));
        }
        self
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> BearerReason {
        self.reason
    }

    /// What the verifier's backend said, if the reason is [`Backend`](BearerReason::Backend), or how long it was waited
    /// for, if it is [`Overdue`](BearerReason::Overdue).
    #[must_use]
    pub fn error(&self) -> Option<&BackendError> {
        self.error.as_deref()
    }

    /// What the token stands for, if it was verified but is not good here: expired, bound, for another audience or realm, or
    /// with too little scope or without a second factor.
    #[must_use]
    pub fn record(&self) -> Option<&AccessTokenRecord> {
        self.record.as_ref()
    }

    /// Tells it to events and counters.
    #[inline]
    pub(super) fn tell(&self) {
        let client = self.record.as_ref().map(AccessTokenRecord::client);
        let reason = self.reason;
        telemetry::bearer_refused(reason.as_str(), reason.is_trouble(), client, reason.hint(), self.error());
    }

    /// Whether the failure is a fault, which a second try does not help.
    pub(super) fn is_fault(&self) -> bool {
        self.error().is_some_and(|error| error.kind == BackendErrorKind::Fault)
    }
}

impl From<BearerReason> for BearerRefusal {
    fn from(reason: BearerReason) -> Self {
        Self { reason, error: None, record: None }
    }
}

impl From<BackendError> for BearerRefusal {
    fn from(error: BackendError) -> Self {
        Self { reason: BearerReason::Backend, error: Some(Box::new(error)), record: None }
    }
}

impl From<Cut> for BearerRefusal {
    fn from(cut: Cut) -> Self {
        Self::from(match cut {
            Cut::Overdue => BearerReason::Overdue,
            Cut::Panicked => BearerReason::Panicked,
        })
    }
}

impl fmt::Debug for BearerRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerRefusal")
            .field("reason", &self.reason)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
