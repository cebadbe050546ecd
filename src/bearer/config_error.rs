use std::fmt;
use std::time::Duration;

use crate::protocol::explained::explained;

/// Why [`BearerGuardBuilder::build`](super::BearerGuardBuilder::build) refuses: which setting, and what to do about it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BearerConfigError {
    /// Nothing was said about the audience.
    #[error(
        "name the API that the tokens are for: call `.audience(\"https://api.example\")`, or `.any_audience()` if your issuer names \
         no audience"
    )]
    NoAudience,
    /// An audience is asked for, and none is.
    #[error("`.any_audience()` contradicts `.audience(..)`: leave out one of them")]
    Audiences,
    /// An empty audience.
    #[error("an audience is empty: name the identifier of the API")]
    EmptyAudience,
    /// A list of realms without one.
    #[error(
        "a guard that takes tokens of no realm of a list refuses every token: name one in `.token_realms(..)`, or leave it out"
    )]
    NoRealm,
    /// A realm of the challenge that does not fit a header.
    #[error("the challenge's realm must be printable ASCII without quotes and backslashes, and not empty")]
    ChallengeRealm,
    /// A `resource_metadata` that is no URL.
    #[error("`resource_metadata` must be an absolute URI without spaces, quotes and backslashes (RFC 9728)")]
    ResourceMetadata,
    /// No time to verify anything.
    #[error("a deadline of 0 refuses every token: give it some seconds")]
    Deadline,
    /// A cache that could keep nothing.
    #[error("a cache needs room for at least 1 token and a `max_age` of more than 0; without a cache leave it out")]
    Cache,
}

impl fmt::Debug for BearerConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// Why an [`IntrospectionClient`](super::IntrospectionClient) cannot be made.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum IntrospectionConfigError {
    /// The endpoint is no absolute http or https URI.
    #[error("the introspection endpoint must be an absolute https URI")]
    Endpoint,
    /// Token and secret would travel in the clear.
    #[error(
        "the introspection endpoint must be https or on this host (RFC 7662 section 4); where something else protects the \
         connection, call `IntrospectionClient::without_tls`"
    )]
    Plaintext,
    /// A client id that is no printable ASCII.
    #[error("a client id is 1 to 256 printable ASCII characters")]
    ClientId,
    /// No time to answer anything.
    #[error("a deadline of 0 leaves the introspection endpoint no time: give it some seconds")]
    Deadline,
    /// Inactive tokens would be remembered for too long.
    #[error("a memory of {0:?} for inactive tokens is out of range: choose 0 to 60 seconds")]
    InactiveMaxAge(Duration),
    /// Clocks that differ too much.
    #[error("a clock skew of {0:?} is out of range: choose 0 to 60 seconds")]
    ClockSkew(Duration),
}

impl fmt::Debug for IntrospectionConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
