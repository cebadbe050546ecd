//! Errors with two faces: what the wire shows (one closed table) and what telemetry and audit learn.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

/// One row of the table: what a client sees of an error (RFC 6749 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) description: &'static str,
    /// The JSON of the two.
    pub(crate) body: &'static str,
}

macro_rules! wire_table {
    ($($name:ident: $status:ident $code:literal $description:literal;)+) => {
        /// The wire face of an error. Different reasons share a face on purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Wire { $($name,)+ }

        impl Wire {
            #[cfg(test)]
            const ALL: &'static [Self] = &[$(Self::$name,)+];

            pub(crate) const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        status: StatusCode::$status,
                        code: $code,
                        description: $description,
                        body: concat!("{\"error\":\"", $code, "\",\"error_description\":\"", $description, "\"}"),
                    },)+
                }
            }
        }
    };
}

wire_table! {
    Method: METHOD_NOT_ALLOWED "invalid_request" "only POST is answered here";
    Insecure: BAD_REQUEST "invalid_request" "the request did not come over TLS";
    EarlyData: TOO_EARLY "invalid_request" "send the request again after the TLS handshake";
    MediaType: BAD_REQUEST "invalid_request" "the body must be application/x-www-form-urlencoded in UTF-8";
    Coding: UNSUPPORTED_MEDIA_TYPE "invalid_request" "the body must not be compressed";
    TooLarge: PAYLOAD_TOO_LARGE "invalid_request" "the body is too large";
    Timeout: REQUEST_TIMEOUT "invalid_request" "the body did not arrive in time";
    Query: BAD_REQUEST "invalid_request" "credentials belong in the body, never in the query";
    Malformed: BAD_REQUEST "invalid_request" "the request is malformed";
    Repeated: BAD_REQUEST "invalid_request" "a parameter is repeated";
    Missing: BAD_REQUEST "invalid_request" "a required parameter is missing or empty";
    ManyCredentials: BAD_REQUEST "invalid_request" "more than one way of client authentication";
    CrossSite: BAD_REQUEST "invalid_request" "this origin may not use the token endpoint";
    ClientByHeader: UNAUTHORIZED "invalid_client" "client authentication failed";
    ClientByBody: BAD_REQUEST "invalid_client" "client authentication failed";
    GrantType: BAD_REQUEST "unsupported_grant_type" "the grant type is not supported";
    Unauthorized: BAD_REQUEST "unauthorized_client" "the client may not use this grant type";
    Scope: BAD_REQUEST "invalid_scope" "the scope is missing, malformed, unknown or not allowed for this client";
    Grant: BAD_REQUEST "invalid_grant" "the credentials are not valid";
    TokenType: BAD_REQUEST "unsupported_token_type" "tokens of this type cannot be revoked here";
    Leaked: BAD_REQUEST "password_leaked" "this password is known from a leak; set a new one";
    Throttled: TOO_MANY_REQUESTS "too_many_attempts" "too many attempts, try again later";
    Fault: INTERNAL_SERVER_ERROR "server_error" "the server could not process the request";
    Unavailable: SERVICE_UNAVAILABLE "temporarily_unavailable" "the server is not available now, try again later";
}

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident $text:literal => $wire:ident,)+) => {
        /// Why a request was refused: for telemetry and audit, never for the client.
        ///
        /// Several reasons share one answer on purpose, above all those that would tell who has an account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason { $($(#[$doc])+ $name,)+ }

        impl Reason {
            /// Every reason, for dashboards and alerts.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// A stable name in `snake_case`, fit for a metric label.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            pub(crate) const fn wire(self) -> Wire {
                match self { $(Self::$name => Wire::$wire,)+ }
            }
        }
    };
}

reasons! {
    /// Another method than `POST`.
    MethodNotAllowed "method_not_allowed" => Method,
    /// TLS is enforced and the request did not come over it.
    InsecureTransport "insecure_transport" => Insecure,
    /// The request came as TLS early data, which can be replayed.
    EarlyData "early_data" => EarlyData,
    /// No or another `Content-Type`, two of them, or a character set other than UTF-8.
    ContentType "content_type" => MediaType,
    /// A compressed body.
    ContentCoding "content_coding" => Coding,
    /// The body is larger than the limit.
    BodyTooLarge "body_too_large" => TooLarge,
    /// The body took longer than its deadline.
    BodyTimeout "body_timeout" => Timeout,
    /// The connection broke off inside the body.
    BodyIncomplete "body_incomplete" => Malformed,
    /// A credential in the query of the URI.
    CredentialsInQuery "credentials_in_query" => Query,
    /// A `%` that is not followed by two hexadecimal digits.
    BrokenEscape "broken_escape" => Malformed,
    /// Decoded bytes that are not UTF-8.
    NotUtf8 "not_utf8" => Malformed,
    /// More parameters than the limit.
    TooManyParameters "too_many_parameters" => Malformed,
    /// A parameter longer than its limit.
    ParameterTooLong "parameter_too_long" => Malformed,
    /// A character that the parameter may not have.
    IllegalCharacter "illegal_character" => Malformed,
    /// A recognised parameter twice.
    RepeatedParameter "repeated_parameter" => Repeated,
    /// A required parameter is missing or empty.
    MissingParameter "missing_parameter" => Missing,
    /// Two ways of client authentication, or two different client ids.
    SeveralAuthentications "several_authentications" => ManyCredentials,
    /// A page of another origin sent the request, and the client does not list that origin.
    CrossSite "cross_site" => CrossSite,
    /// Nothing in the request tells the client.
    NoClient "no_client" => ClientByHeader,
    /// A `Basic` value that cannot be read.
    MalformedBasic "malformed_basic" => ClientByHeader,
    /// An `Authorization` scheme that is not served.
    UnknownScheme "unknown_scheme" => ClientByHeader,
    /// No client has this id.
    UnknownClient "unknown_client" => ClientByHeader,
    /// The client secret is wrong or expired.
    WrongSecret "wrong_secret" => ClientByHeader,
    /// The client is registered for another way of authentication.
    WrongMethod "wrong_method" => ClientByHeader,
    /// Too many attempts for this client from this address.
    ClientThrottled "client_throttled" => Throttled,
    /// The grant type is unknown, or the password grant is switched off.
    UnsupportedGrantType "unsupported_grant_type" => GrantType,
    /// The client's list of grants lacks this one.
    GrantNotAllowed "grant_not_allowed" => Unauthorized,
    /// The client's last day on this grant is over.
    GrantSunset "grant_sunset" => Unauthorized,
    /// A scope that breaks RFC 6749 A.4.
    MalformedScope "malformed_scope" => Scope,
    /// A scope that the client is not registered for.
    ScopeNotRegistered "scope_not_registered" => Scope,
    /// No scope was asked for and there is no default.
    NoScope "no_scope" => Scope,
    /// Nothing of the requested scope may be granted to this user.
    NothingGranted "nothing_granted" => Scope,
    /// Too many attempts from this address over all accounts and clients.
    AddressThrottled "address_throttled" => Throttled,
    /// Too many requests from this address.
    RequestsThrottled "requests_throttled" => Throttled,
    /// Too many introspection requests of this client.
    IntrospectionsThrottled "introspections_throttled" => Throttled,
    /// Too many attempts for this account, from this address or over all.
    AccountThrottled "account_throttled" => Throttled,
    /// No account has this name.
    UnknownUser "unknown_user" => Grant,
    /// The password is wrong.
    WrongPassword "wrong_password" => Grant,
    /// The stored hash cannot be compared with any password, or not with this one. An event names its format and the cause.
    UnusableHash "unusable_hash" => Grant,
    /// The account is disabled.
    Disabled "disabled" => Grant,
    /// The account is locked.
    Locked "locked" => Grant,
    /// The password has to be changed first.
    PasswordExpired "password_expired" => Grant,
    /// The account's e-mail address or the like is not verified yet.
    Unverified "unverified" => Grant,
    /// A denial of the application's own.
    Custom "custom" => Grant,
    /// The password is right, but known from a leak, and the endpoint blocks such passwords.
    PasswordLeaked "password_leaked" => Leaked,
    /// No refresh token that is known here, or not any more.
    UnknownRefreshToken "unknown_refresh_token" => Grant,
    /// The refresh token's time is over: since the login, or since it was last used.
    RefreshTokenExpired "refresh_token_expired" => Grant,
    /// A refresh token of a login that lies in the future: the clock was ahead then, or is behind now.
    RefreshTokenEarly "refresh_token_early" => Grant,
    /// A refresh token of a family that was ended before.
    RefreshTokenEnded "refresh_token_ended" => Grant,
    /// A copy of a refresh token that was used before: somebody has stolen one. Its family was ended now.
    RefreshTokenReplayed "refresh_token_replayed" => Grant,
    /// A token that was issued to another client, or to this one in another realm.
    ForeignToken "foreign_token" => Grant,
    /// The subject's credentials changed since the login. At a refresh its refresh tokens were ended now; a login during which
    /// they changed is refused before its tokens are sent, and those end.
    CredentialsChanged "credentials_changed" => Grant,
    /// The client may not use the grant type of the login any more.
    GrantWithdrawn "grant_withdrawn" => Grant,
    /// A scope beyond what the login gave.
    ScopeNotGranted "scope_not_granted" => Scope,
    /// A token that is good until it expires, because everybody verifies it by themselves.
    TokenNotRevocable "token_not_revocable" => TokenType,
    /// The host gave no peer address although one was configured.
    NoPeerAddress "no_peer_address" => Fault,
    /// The client registry could not decide.
    RegistryFailed "registry_failed" => Unavailable,
    /// The attempt limiter could not decide.
    LimiterFailed "limiter_failed" => Unavailable,
    /// The credential verifier could not decide.
    VerifierFailed "verifier_failed" => Unavailable,
    /// The verifier has more work than it can do.
    Overloaded "overloaded" => Unavailable,
    /// The store of refresh tokens failed.
    RefreshStoreFailed "refresh_store_failed" => Unavailable,
    /// The verifier of access tokens, or its store, failed.
    AccessTokensFailed "access_tokens_failed" => Unavailable,
    /// The issuer failed.
    IssuerFailed "issuer_failed" => Unavailable,
    /// The issuer gave something that cannot be sent.
    IllegalToken "illegal_token" => Fault,
    /// A client authentication method failed to decide.
    MethodFailed "method_failed" => Unavailable,
    /// An extension grant failed to decide.
    ExtensionFailed "extension_failed" => Unavailable,
    /// The whole request took longer than its deadline.
    Deadline "deadline" => Unavailable,
    /// Code of the application panicked.
    Panicked "panicked" => Fault,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refused request on its way to the encoder.
#[derive(Debug)]
pub(crate) struct TokenError {
    pub(crate) wire: Wire,
    pub(crate) reason: Reason,
    pub(crate) retry_after: Option<Duration>,
    /// The cold part, boxed so that a `Result` stays small.
    pub(crate) details: Option<Box<Details>>,
}

/// What only some errors carry.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// A challenge other than Basic.
    pub(crate) challenge: Option<http::HeaderValue>,
    /// A code of the host's own in place of the table's row.
    pub(crate) host_code: Option<super::host_code::HostCode>,
    /// What a trait of the application answered; for telemetry only.
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TokenError {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { wire: reason.wire(), reason, retry_after: None, details: None }
    }

    /// Whether the client sees what it sees of a wrong password.
    pub(crate) fn is_plain_denial(&self) -> bool {
        self.wire == Wire::Grant && self.details.as_ref().is_none_or(|details| details.host_code.is_none())
    }

    /// The same, looking like a wrong password.
    pub(crate) fn into_plain_denial(mut self) -> Self {
        self.wire = Wire::Grant;
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A 503 always says when to come back.
    pub(crate) fn with_default_wait(mut self) -> Self {
        const WAIT: Duration = Duration::from_secs(5);
        if self.wire == Wire::Unavailable {
            self.retry_after.get_or_insert(WAIT);
        }
        self
    }

    /// Client credentials that came in the body are answered 400, without a challenge (RFC 6749 section 5.2).
    pub(crate) fn in_body(mut self) -> Self {
        if self.wire == Wire::ClientByHeader {
            self.wire = Wire::ClientByBody;
        }
        self
    }

    pub(crate) fn details(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    pub(crate) fn with_source(mut self, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        if source.is_some() {
            self.details().source = source;
        }
        self
    }
}

impl From<Reason> for TokenError {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::super::charset::is_nqschar;
    use super::*;

    #[test]
    fn every_row_is_json_within_the_character_sets_er_08() {
        for wire in Wire::ALL {
            let row = wire.row();
            let json: serde_json::Value = serde_json::from_str(row.body).unwrap();
            assert_eq!(json["error"], row.code);
            assert_eq!(json["error_description"], row.description);
            assert!(row.code.bytes().chain(row.description.bytes()).all(is_nqschar));
        }
    }

    #[test]
    fn all_denials_of_a_user_share_one_face_pw_05() {
        for reason in [
            Reason::UnknownUser,
            Reason::WrongPassword,
            Reason::UnusableHash,
            Reason::Disabled,
            Reason::Locked,
            Reason::PasswordExpired,
            Reason::Unverified,
            Reason::Custom,
        ] {
            assert_eq!(reason.wire(), Wire::Grant);
        }
    }

    #[test]
    fn the_manual_has_every_reason_with_its_answer() {
        let manual = include_str!("../manual/errors.md");
        for reason in Reason::ALL {
            let row = reason.wire().row();
            let cells = format!("\n| `{reason}` | {} | `{}` | ", row.status.as_u16(), row.code);
            assert!(manual.contains(&cells), "{cells}");
        }
    }

    #[test]
    fn reasons_have_distinct_names() {
        let names: std::collections::HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
