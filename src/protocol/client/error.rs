//! What is wrong with a client's registration.

use std::fmt;
use std::time::Duration;

use super::sunset::steps::{MAX_BROWNOUTS, MAX_EXCEPTIONS};
use crate::protocol::explained::explained;
use crate::protocol::realm::RealmError;
use crate::protocol::scope::ScopeError;
use crate::protocol::token::lifetime::UnfitTime;
use crate::protocol::wire::form::MAX_CLIENT_ID;

/// Why a client cannot be registered.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The id is empty, longer than 256 bytes or not printable ASCII.
    #[error("a client id is 1 to {MAX_CLIENT_ID} printable ASCII characters")]
    Id,
    /// The digest of the empty secret.
    #[error("a client secret must not be empty; register a public client with `Client::public`")]
    EmptySecret,
    /// A third secret.
    #[error("a client has at most two secrets; drop the oldest before adding one")]
    TooManySecrets,
    /// A secret for a client that has none, or none for one that needs it.
    #[error(
        "the client's secrets do not fit its way of authentication: `Client::confidential` needs a secret, \
         `Client::public` and `Client::with_method` take none"
    )]
    Authentication,
    /// A scope that breaks RFC 6749 A.4.
    #[error("a scope of the client is malformed")]
    Scope(#[source] ScopeError),
    /// A default scope that the client is not registered for.
    #[error("the default scope is not within `scopes`: add it there, or leave it out")]
    DefaultScope,
    /// An origin that is not written as browsers write it.
    #[error(
        "an origin is a scheme, a host and a port if it is not the default one, in lower case, without a final slash or a wildcard"
    )]
    Origin,
    /// An audience that is empty or has control characters.
    #[error("an audience that a client may ask for has one character or more, and no control characters")]
    Audience,
    /// Realms that cannot be named so.
    #[error("the realms of a client are wrong")]
    Realm(#[source] RealmError),
    /// The realm grant without a realm that a request could name.
    #[error("`allow_realm_grant` needs realms to choose from: `ClientBuilder::realms`")]
    RealmGrant,
    /// An access token that would be over at once.
    #[error("{}", UnfitTime::Lifetime(*.0))]
    Lifetime(Duration),
    /// A public client whose word about addresses would be taken.
    #[error("`trust_end_user_address` needs a confidential client: anybody can send the id of a public one")]
    EndUserAddress,
    /// An end that would come before the deprecation that announces it.
    #[error(
        "the client's end comes before its deprecation (RFC 9745 section 4): give `deprecated_since` an earlier date"
    )]
    SunsetBeforeDeprecation,
    /// A rehearsal that cannot be.
    #[error("a brownout lasts a second or more, and lies between 1970 and 9999")]
    Brownout,
    /// A rehearsal of what has happened.
    #[error("a brownout ends before the end that it rehearses, or with it")]
    BrownoutAfterEnd,
    /// Two rehearsals at a time.
    #[error("two brownouts overlap")]
    BrownoutsOverlap,
    /// A rehearsal too many.
    #[error("an end has at most {MAX_BROWNOUTS} brownouts; leave out those that are over")]
    TooManyBrownouts,
    /// A ramp that leads nowhere.
    #[error("the ramp of an end begins before it: give `ramp_from` an earlier date")]
    RampAfterEnd,
    /// An exception for nobody.
    #[error("an exception from an end is for a subject with an identifier that is not empty")]
    ExceptionSubject,
    /// An exception too many.
    #[error(
        "a registration has at most {MAX_EXCEPTIONS} exceptions from an end: leave out those that are over, or keep them in a          table of your own, `Sunset::look_up_exceptions`"
    )]
    TooManyExceptions,
    /// An exception that ends before it could count.
    #[error(
        "an exception from an end lasts longer than to the begin of its ramp, or without a ramp to the end: give it a later date"
    )]
    ExceptionTooEarly,
    /// Refresh tokens that end before the grant.
    #[error("the families of a client end with its grant or later: give `end_families_at` a later date")]
    FamiliesEndEarly,
    /// A plan that is made with a date that is over, and what it is the date of.
    #[error("{0} of the client's end lies in the past: give a later date, or leave it out")]
    SunsetOver(&'static str),
    /// A date that no registration can hold.
    #[error("a date of the client's end is beyond all time")]
    SunsetDate,
    /// A page about the end of the grant that is not named by an absolute URI.
    #[error("the link must be an absolute URI without spaces, quotes and backslashes")]
    Link,
    /// A refresh token that could be presented again for too long.
    #[error("{}", UnfitTime::Leeway(*.0))]
    Leeway(Duration),
    /// A public client whose refresh token would stay the same.
    #[error("`reuse_refresh_tokens` needs a confidential client: a public one rotates (RFC 9700 section 2.2.2)")]
    ReusedRefreshToken,
    /// A public client that would ask about tokens.
    #[error("`allow_introspection` needs a confidential client: anybody can send the id of a public one")]
    PublicIntrospection,
    /// Two clients with this id.
    #[error("two clients have the id `{0}`: give each one of its own")]
    Duplicate(String),
}

impl From<UnfitTime> for ClientError {
    fn from(time: UnfitTime) -> Self {
        match time {
            UnfitTime::Lifetime(given) => Self::Lifetime(given),
            UnfitTime::Leeway(given) => Self::Leeway(given),
        }
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// A text that is no registration of a client that this version takes.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistrationError {
    /// A later version of this crate wrote it. It may hold a restriction that this version does not know, so the client must not
    /// be used, and the text must not be replaced.
    #[error("the registration of a client was written by a later version")]
    Later,
    /// It is damaged: cut off, or changed by another hand than [`Client::to_text`](crate::Client::to_text).
    #[error("the registration of a client is damaged")]
    Damaged,
    /// It is as it was written, and this version refuses such a client.
    #[error("the registration of a client is refused")]
    Refused(#[from] ClientError),
}

impl fmt::Debug for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
