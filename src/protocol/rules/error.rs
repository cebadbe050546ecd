//! What a ruling cannot hold, and its limits.

use std::fmt;
use std::time::Duration;

use crate::protocol::explained::explained;
use crate::protocol::scope::ScopeError;
use crate::protocol::token::claims::MalformedClaims;
use crate::protocol::token::lifetime::UnfitTime;
use crate::protocol::wire::members::MemberError;

/// The most characters of a reason.
pub(crate) const MAX_REASON: usize = 200;
/// The most claims that the rules of a login may add, and the most members.
pub(crate) const MAX_NAMES: usize = 32;
/// The most bytes of those claims as a JSON object, and of those members.
pub(crate) const MAX_BYTES: usize = 4096;
/// How deep lists and objects may stand in each other, the token or the answer included: many parsers end at 128, some far earlier.
pub(crate) const MAX_DEPTH: usize = 32;

/// What a [`Ruling`](crate::rules::Ruling) cannot hold. Within a rule `?` makes a fault of it: the request is answered 500. So it is
/// in an error of your own that has it as its [`source`](std::error::Error::source). One that only passes its text and its source on, as
/// thiserror's `transparent` does, hides it: make a [`BackendError::fault`](crate::BackendError::fault) of that one.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulingError {
    /// A reason that fits no error (RFC 6749 A.8).
    #[error("a reason is 1 to {MAX_REASON} printable ASCII characters without quote or backslash")]
    Reason,
    /// A claim whose meaning is fixed.
    #[error(
        "the claim `{0}` belongs to RFC 7519, 8693, 9068 or the endpoint: give it another name, such as a URI of your own"
    )]
    ReservedClaim(String),
    /// A claim without a name.
    #[error("a claim has a name, such as a URI of your own")]
    NamelessClaim,
    /// A claim that is no JSON.
    #[error("a claim's value must be one that JSON can hold: a text, a number, a list, a struct or a map of texts")]
    Claim(#[source] MalformedClaims),
    /// A member that the answer cannot have.
    #[error(transparent)]
    Member(#[from] MemberError),
    /// More claims or members than a login may have.
    #[error("the rules of a login add at most {MAX_NAMES} claims and {MAX_NAMES} members")]
    TooMany,
    /// More bytes than the claims or the members of a login may have.
    #[error("the claims that the rules of a login add have at most {MAX_BYTES} bytes as JSON, and so have the members")]
    TooLarge,
    /// A claim or a member in which lists and objects stand deeper in each other than APIs and clients read.
    #[error(
        "the lists and objects of a claim or a member stand at most {MAX_DEPTH} deep in each other, token or answer included"
    )]
    TooDeep,
    /// A scope that breaks RFC 6749 A.4.
    #[error("the scope of a ruling is malformed")]
    Scope(#[source] ScopeError),
    /// A lifetime of less than a second.
    #[error("{}", UnfitTime::Lifetime(*.0))]
    Lifetime(Duration),
}

impl fmt::Debug for RulingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
