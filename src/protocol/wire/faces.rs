//! What errors say: the faces that an error can have, and the table that gives each of them its answer.
//!
//! Which reasons share a face is decided once, beside the [reasons](super::error::Reason). The table of a
//! [profile](crate::protocol::profile) only says what a face looks like, so none can distinguish what must look alike. Each table is
//! in a file of its own.

use std::time::Duration;

use http::StatusCode;

/// When to come back if nothing says when.
pub(crate) const WAIT: Duration = Duration::from_secs(5);

macro_rules! faces {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// The face of an error. Different reasons share one on purpose, above all those that would show which names have an account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Face { $($(#[$doc])* $name,)+ }

        #[cfg(test)]
        impl Face {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

faces! {
    Method,
    Insecure,
    EarlyData,
    MediaType,
    Coding,
    TooLarge,
    Timeout,
    Query,
    Malformed,
    Repeated,
    Missing,
    ManyCredentials,
    CrossSite,
    ClientByHeader,
    ClientByBody,
    /// A bearer token where only client authentication counts.
    BearerToken,
    GrantType,
    Unauthorized,
    Scope,
    /// Everything that a user can be denied for.
    Denied,
    /// Everything that a refresh token can be refused for.
    RefreshToken,
    TokenType,
    Leaked,
    Interaction,
    TooManyAttempts,
    TooManyRequests,
    Fault,
    Unavailable,
}

/// A header that an answer carries because of its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// `Allow`: the methods of the path.
    Allow,
    /// `Accept-Post`: the media type of a form.
    AcceptPost,
    /// `Accept-Encoding`: none.
    AcceptEncoding,
    /// `WWW-Authenticate`, for client authentication.
    Challenge,
    /// `WWW-Authenticate`, for a bearer token.
    BearerChallenge,
    /// `Connection: close`, where HTTP has that: the rest of the body is not read.
    Close,
    /// `Retry-After`, also if nothing says when.
    RetryAfter,
}

/// One row of a table: the answer to an error (RFC 6749 section 5.2, RFC 6750 section 3).
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) description: &'static str,
    /// The JSON of the two.
    pub(crate) body: &'static str,
    pub(crate) headers: &'static [Header],
}

/// Writes a row, and its JSON with it.
macro_rules! row {
    ($status:ident $code:literal $description:literal $($header:ident)*) => {
        $crate::protocol::wire::faces::Row {
            status: ::http::StatusCode::$status,
            code: $code,
            description: $description,
            body: concat!("{\"error\":\"", $code, "\",\"error_description\":\"", $description, "\"}"),
            headers: &[$($crate::protocol::wire::faces::Header::$header,)*],
        }
    };
}

/// Writes a table. A face without a row does not compile.
macro_rules! table {
    ($($face:ident: $status:ident $code:literal $description:literal $($header:ident)*;)+) => {
        $crate::protocol::wire::faces::Table::new(|face| match face {
            $($crate::protocol::wire::faces::Face::$face => {
                const ROW: &$crate::protocol::wire::faces::Row =
                    &$crate::protocol::wire::faces::row!($status $code $description $($header)*);
                ROW
            })+
        })
    };
}

pub(crate) use {row, table};

/// A table with a row for each face.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table(fn(Face) -> &'static Row);

impl Table {
    pub(crate) const fn new(table: fn(Face) -> &'static Row) -> Self {
        Self(table)
    }

    pub(crate) fn row(self, face: Face) -> &'static Row {
        (self.0)(face)
    }
}
