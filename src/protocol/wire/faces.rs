//! What errors say: the faces that an error can have, and the table that gives each of them its answer.
//!
//! Which reasons share a face is decided once, beside the [reasons](super::error::Reason). The table of a
//! [profile](crate::protocol::profile) only says what a face looks like, so none can distinguish what must look alike. Each table is
//! in a file of its own.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;

use super::host_code::ErrorText;

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
    /// The same where JSON is read in each profile.
    FormOrJson,
    Coding,
    TooLarge,
    Timeout,
    Query,
    Malformed,
    Repeated,
    Missing,
    ManyCredentials,
    CrossSite,
    /// The `Authorization` header of the client failed.
    ClientByHeader,
    /// What the client has in the body failed.
    ClientByBody,
    /// Neither: nothing names the client, or a method of the application's own reads something else.
    ClientByOther,
    /// A bearer token where only client authentication counts.
    BearerToken,
    GrantType,
    Unauthorized,
    /// The end of the grant is rehearsed.
    Brownout,
    /// A realm that the client may not choose, whatever is wrong with it.
    Realm,
    /// An audience that the client may not ask for.
    Audience,
    Scope,
    /// Everything that a user can be denied for, but for what is said aloud.
    Denied,
    /// The denial of a login rule, where its reason is said aloud.
    RuleDenied,
    /// Everything that a refresh token can be refused for.
    RefreshToken,
    TokenType,
    Leaked,
    Interaction,
    /// The password is right, and a second factor is open.
    FactorRequired,
    /// Everything that a `mfa_token` can be refused for but its age.
    MfaToken,
    MfaTokenExpired,
    /// Everything that the code of an authenticator app can be refused for.
    Otp,
    RecoveryCode,
    /// Everything that an `oob_code` can be refused for but its age.
    OobCode,
    OobCodeExpired,
    BindingCode,
    FactorPending,
    PolledTooFast,
    FactorDenied,
    FactorExpired,
    FactorThrottled,
    DeliveryThrottled,
    ChallengeType,
    NoAuthenticator,
    /// An authenticator that the user does not have, somebody else's included.
    Authenticator,
    PhoneNumber,
    Enrolment,
    AlreadyEnrolled,
    /// Everything that the bearer of the MFA endpoints can be refused for but its age and scope.
    BearerInvalid,
    BearerExpired,
    BearerScope,
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
    /// `Accept-Post`: the media types that are read.
    AcceptPost,
    /// `Accept-Encoding`: none.
    AcceptEncoding,
    /// `WWW-Authenticate`, for client authentication.
    Challenge,
    /// `WWW-Authenticate`, for a bearer token.
    BearerChallenge,
    /// The same for one that lacks a scope (RFC 6750 section 3.1).
    ScopeChallenge,
    /// `Connection: close`, where HTTP has that: the rest of the body is not read.
    Close,
    /// `Retry-After`, also if nothing says when.
    RetryAfter,
    /// The `x-ratelimit-*` headers, beside `Retry-After`.
    RateLimit,
}

/// A sentence that is the same each time.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub(crate) text: &'static str,
    /// The JSON of the code and this sentence.
    pub(crate) body: &'static str,
}

/// What a row of a table says to people.
#[derive(Debug)]
pub(crate) enum Sentence {
    Fixed(Fixed),
    /// What the error is [about](super::error::TokenError::about) stands between two pieces.
    About {
        before: &'static str,
        after: &'static str,
    },
}

impl Sentence {
    /// The whole sentence of an error that is about this.
    pub(crate) fn written(&self, about: Option<&ErrorText>) -> Cow<'static, str> {
        match self {
            Self::Fixed(Fixed { text, .. }) => Cow::Borrowed(text),
            Self::About { before, after } => {
                let about = about.map_or("", ErrorText::as_str);
                Cow::Owned([before, about, after].concat())
            }
        }
    }
}

/// One row of a table: the answer to an error (RFC 6749 section 5.2, RFC 6750 section 3).
#[derive(Debug)]
pub(crate) struct Row<S = Sentence> {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) sentence: S,
    pub(crate) headers: &'static [Header],
}

impl Row {
    /// Whether the answer says what time it is.
    pub(crate) fn tells_time(&self) -> bool {
        self.headers.contains(&Header::RateLimit)
    }
}

/// Writes a row that says the same each time, or with a sentence of another kind in brackets.
macro_rules! row {
    ($status:ident $code:literal $text:literal $($header:ident)*) => {
        $crate::protocol::wire::faces::row!($status $code ($crate::protocol::wire::faces::fixed!($code $text)) $($header)*)
    };
    ($status:ident $code:literal ($sentence:expr) $($header:ident)*) => {
        $crate::protocol::wire::faces::Row {
            status: ::http::StatusCode::$status,
            code: $code,
            sentence: $sentence,
            headers: &[$($crate::protocol::wire::faces::Header::$header,)*],
        }
    };
}

/// Writes a fixed sentence, and its JSON with it.
macro_rules! fixed {
    ($code:literal $text:literal) => {
        $crate::protocol::wire::faces::Fixed {
            text: $text,
            body: concat!("{\"error\":\"", $code, "\",\"error_description\":\"", $text, "\"}"),
        }
    };
}

/// Writes the sentence of a row: one piece, or what stands before and behind what the error is about.
macro_rules! sentence {
    ($code:literal $text:literal) => {
        $crate::protocol::wire::faces::Sentence::Fixed($crate::protocol::wire::faces::fixed!($code $text))
    };
    ($code:literal $before:literal $after:literal) => {
        $crate::protocol::wire::faces::Sentence::About { before: $before, after: $after }
    };
}

/// Writes a table. A face without a row does not compile. `_` in a sentence is what the error is about.
macro_rules! table {
    ($($face:ident: $status:ident $code:literal $text:literal $(_ $after:literal)? $($header:ident)*;)+) => {
        $crate::protocol::wire::faces::Table::new(|face| match face {
            $($crate::protocol::wire::faces::Face::$face => {
                const ROW: &$crate::protocol::wire::faces::Row = &$crate::protocol::wire::faces::row!(
                    $status $code ($crate::protocol::wire::faces::sentence!($code $text $($after)?)) $($header)*
                );
                ROW
            })+
        })
    };
}

pub(crate) use {fixed, row, sentence, table};

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
