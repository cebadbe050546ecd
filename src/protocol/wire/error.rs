//! Errors with two sides: the face that the wire shows, by the [table](super::faces) of a profile, and the reason that telemetry
//! and audit learn.

use std::fmt;
use std::time::Duration;

use super::faces::Face;
use super::host_code::{ErrorText, HostCode};
use super::members::Members;
use crate::protocol::rules::refusal::{RuleRefusal, RuleRefusalKind};

macro_rules! reasons {
    ($($(#[$doc:meta])+ $name:ident $text:literal => $face:ident,)+) => {
        /// Why a request was refused: for telemetry and audit, never for the client.
        ///
        /// Several reasons share one answer on purpose, above all those that would show which names have an account.
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

            pub(crate) const fn face(self) -> Face {
                match self { $(Self::$name => Face::$face,)+ }
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
    /// A JSON body that is no flat object of texts.
    MalformedJson "malformed_json" => Malformed,
    /// More parameters than the limit.
    TooManyParameters "too_many_parameters" => Malformed,
    /// A parameter longer than its limit.
    ParameterTooLong "parameter_too_long" => Malformed,
    /// A character that the parameter may not have.
    IllegalCharacter "illegal_character" => Malformed,
    /// A recognised parameter twice; in JSON, any name twice.
    RepeatedParameter "repeated_parameter" => Repeated,
    /// A required parameter is missing or empty.
    MissingParameter "missing_parameter" => Missing,
    /// Two ways of client authentication, or two different client ids.
    SeveralAuthentications "several_authentications" => ManyCredentials,
    /// A page of another origin sent the request, and the client does not list that origin.
    CrossSite "cross_site" => CrossSite,
    /// Nothing in the request names the client.
    NoClient "no_client" => ClientByOther,
    /// A `Basic` value that cannot be read.
    MalformedBasic "malformed_basic" => ClientByHeader,
    /// An `Authorization` scheme that is not served.
    UnknownScheme "unknown_scheme" => ClientByHeader,
    /// No client has this id.
    UnknownClient "unknown_client" => ClientByHeader,
    /// The client secret is wrong or expired.
    WrongSecret "wrong_secret" => ClientByHeader,
    /// The client is registered for another way of authentication; at the introspection endpoint: it is public.
    WrongMethod "wrong_method" => ClientByHeader,
    /// Too many attempts for this client from this address.
    ClientThrottled "client_throttled" => TooManyRequests,
    /// The grant type is unknown, or the password grant is switched off.
    UnsupportedGrantType "unsupported_grant_type" => GrantType,
    /// The client's list of grants lacks this one.
    GrantNotAllowed "grant_not_allowed" => Unauthorized,
    /// The client's last day on this grant is over. Where a user may be [excepted](crate::client::Sunset::except), the password was
    /// right.
    GrantSunset "grant_sunset" => Unauthorized,
    /// The end of this grant is rehearsed for the client: a [brownout](crate::client::Sunset::brownout).
    GrantBrownout "grant_brownout" => Brownout,
    /// The password is right, and the [ramp](crate::client::Sunset::ramp_from) of the client's end has reached the user.
    GrantRamped "grant_ramped" => Unauthorized,
    /// The client has no end date, and the endpoint [requires one](crate::Builder::require_sunset).
    SunsetRequired "sunset_required" => Unauthorized,
    /// A realm that the client does not list, whether it exists or not, or one that cannot be read: a broken escape, not UTF-8, a
    /// control character.
    UnknownRealm "unknown_realm" => Realm,
    /// An audience that the client may not ask for; at a refresh another one than that of the login.
    AudienceNotAllowed "audience_not_allowed" => Audience,
    /// A scope that breaks RFC 6749 A.4.
    MalformedScope "malformed_scope" => Scope,
    /// A scope that the client is not registered for.
    ScopeNotRegistered "scope_not_registered" => Scope,
    /// No scope was asked for and there is no default.
    NoScope "no_scope" => Scope,
    /// Nothing of the requested scope may be granted to this user.
    NothingGranted "nothing_granted" => Scope,
    /// Too many attempts from this address over all accounts and clients.
    AddressThrottled "address_throttled" => TooManyAttempts,
    /// Too many requests from this address.
    RequestsThrottled "requests_throttled" => TooManyRequests,
    /// Too many introspection requests of this client.
    IntrospectionsThrottled "introspections_throttled" => TooManyRequests,
    /// Too many attempts for this account, from this address or over all.
    AccountThrottled "account_throttled" => TooManyAttempts,
    /// No account has this name.
    UnknownUser "unknown_user" => Denied,
    /// The password is wrong.
    WrongPassword "wrong_password" => Denied,
    /// The stored hash cannot be compared with any password, or not with this one. An event names its format and the cause.
    UnusableHash "unusable_hash" => Denied,
    /// The account is disabled.
    Disabled "disabled" => Denied,
    /// The account is locked.
    Locked "locked" => Denied,
    /// The password has to be changed first.
    PasswordExpired "password_expired" => Denied,
    /// The account's e-mail address or the like is not verified yet.
    Unverified "unverified" => Denied,
    /// A denial of the application's own.
    Custom "custom" => Denied,
    /// A login rule of the application refused the login. The event names the rule and its reason.
    RuleDenied "rule_denied" => RuleDenied,
    /// A login rule of the application wants the user to do something elsewhere first. The event names the rule.
    InteractionRequired "interaction_required" => Interaction,
    /// The password is right, but known from a leak, and the endpoint blocks such passwords.
    PasswordLeaked "password_leaked" => Leaked,
    /// No refresh token that is known here, or not any more.
    UnknownRefreshToken "unknown_refresh_token" => RefreshToken,
    /// The refresh token's time is over: since the login, or since it was last used.
    RefreshTokenExpired "refresh_token_expired" => RefreshToken,
    /// A refresh token of a login that lies in the future: the clock was ahead then, or is behind now.
    RefreshTokenEarly "refresh_token_early" => RefreshToken,
    /// A refresh token of a family that was ended before.
    RefreshTokenEnded "refresh_token_ended" => RefreshToken,
    /// A copy of a refresh token that was used before: a thief has one. Its family was ended now.
    RefreshTokenReplayed "refresh_token_replayed" => RefreshToken,
    /// A token that was issued to another client.
    ForeignToken "foreign_token" => RefreshToken,
    /// The client does not list the realm of the login any more, or lists realms only since.
    RealmWithdrawn "realm_withdrawn" => RefreshToken,
    /// The client may not ask for the audience of the login any more.
    AudienceWithdrawn "audience_withdrawn" => RefreshToken,
    /// The subject's credentials changed since the login. At a refresh its refresh tokens were ended now; a login during which
    /// they changed is refused before its tokens are sent, and those end.
    CredentialsChanged "credentials_changed" => Denied,
    /// The client may not use the grant type of the login any more.
    GrantWithdrawn "grant_withdrawn" => RefreshToken,
    /// A scope beyond what the login gave.
    ScopeNotGranted "scope_not_granted" => Scope,
    /// The password is right, and a second factor is still to be shown.
    FactorRequired "factor_required" => FactorRequired,
    /// No `mfa_token` that counts here: made up, cut off, spent, of another client, realm or key.
    MalformedMfaToken "malformed_mfa_token" => MfaToken,
    /// The time to finish the login is over.
    MfaTokenExpired "mfa_token_expired" => MfaTokenExpired,
    /// The code of an authenticator app is wrong, or the user has none.
    WrongOtp "wrong_otp" => Otp,
    /// The code of an authenticator app was used before: somebody may have watched.
    OtpReplayed "otp_replayed" => Otp,
    /// The recovery code is wrong or was used before.
    WrongRecoveryCode "wrong_recovery_code" => RecoveryCode,
    /// No `oob_code` that counts for this login.
    MalformedOobCode "malformed_oob_code" => OobCode,
    /// The time to type the code is over.
    OobCodeExpired "oob_code_expired" => OobCodeExpired,
    /// The code that was typed is not the one that was sent.
    WrongBindingCode "wrong_binding_code" => BindingCode,
    /// The user has not answered yet on the other device, or has not typed the code.
    FactorPending "factor_pending" => FactorPending,
    /// The client asks more often than it may.
    PolledTooFast "polled_too_fast" => PolledTooFast,
    /// The user has refused on the other device.
    FactorDenied "factor_denied" => FactorDenied,
    /// The user has not answered in time on the other device.
    FactorExpired "factor_expired" => FactorExpired,
    /// Too many codes for this login or this user.
    FactorThrottled "factor_throttled" => FactorThrottled,
    /// Too many codes were sent to this authenticator or this user.
    DeliveryThrottled "delivery_throttled" => DeliveryThrottled,
    /// None of the asked kinds of challenge can be had.
    UnsupportedChallengeType "unsupported_challenge_type" => ChallengeType,
    /// The user has no authenticator.
    NoAuthenticator "no_authenticator" => NoAuthenticator,
    /// An authenticator that the user does not have.
    UnknownAuthenticator "unknown_authenticator" => Authenticator,
    /// A telephone number that is not in the form of E.164.
    InvalidPhoneNumber "invalid_phone_number" => PhoneNumber,
    /// An enrolment that asks for nothing that can be enrolled.
    InvalidEnrolment "invalid_enrolment" => Enrolment,
    /// The user has an active factor already, and the bearer is no access token that has shown it.
    AlreadyEnrolled "already_enrolled" => AlreadyEnrolled,
    /// No bearer token that counts at this endpoint.
    BearerInvalid "bearer_invalid" => BearerInvalid,
    /// A bearer token whose time is over.
    BearerExpired "bearer_expired" => BearerExpired,
    /// The bearer token lacks the scope of this endpoint.
    BearerScope "bearer_scope" => BearerScope,
    /// A token that is good until it expires, because each API verifies it by itself.
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
    /// The store of authenticators, or that of spent values, failed.
    FactorStoreFailed "factor_store_failed" => Unavailable,
    /// The delivery of codes failed.
    DeliveryFailed "delivery_failed" => Unavailable,
    /// The issuer failed.
    IssuerFailed "issuer_failed" => Unavailable,
    /// The issuer gave something that cannot be sent.
    IllegalToken "illegal_token" => Fault,
    /// A client authentication method failed to decide.
    MethodFailed "method_failed" => Unavailable,
    /// An extension grant failed to decide.
    ExtensionFailed "extension_failed" => Unavailable,
    /// The look-up of exceptions from a client's end failed.
    ExceptionsFailed "exceptions_failed" => Unavailable,
    /// A login rule failed to decide.
    RuleFailed "rule_failed" => Unavailable,
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

/// The most characters of what an error is about.
const MAX_ABOUT: usize = 200;

/// A refused request on its way to the encoder.
#[derive(Debug)]
pub(crate) struct TokenError {
    pub(crate) reason: Reason,
    /// The reason's own, or the one that it has in this request.
    face: Face,
    pub(crate) retry_after: Option<Duration>,
    /// The cold part, boxed so that a `Result` stays small.
    pub(crate) details: Option<Box<Details>>,
}

/// What only some errors carry.
#[derive(Debug, Default)]
pub(crate) struct Details {
    /// A page about the error in place of the endpoint's own.
    pub(crate) error_uri: Option<Box<str>>,
    /// A challenge in place of the endpoint's own.
    pub(crate) challenge: Option<http::HeaderValue>,
    /// A code in place of the row's.
    pub(crate) code: Option<ErrorText>,
    /// A sentence in place of the row's; an empty one is not sent.
    pub(crate) description: Option<ErrorText>,
    /// What the body says besides code and sentence.
    pub(crate) members: Members,
    /// The login rule that ended the login; for telemetry and audit only.
    pub(crate) refused_by: Option<RuleRefusal>,
    /// Whose login it ended, where a request says it by no name; for telemetry and audit only.
    pub(crate) subject: Option<Box<str>>,
    /// What the error is about, for rows whose sentence names it, and for telemetry.
    pub(crate) about: Option<ErrorText>,
    /// What a trait of the application answered; for telemetry only.
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Details {
    /// Whether the body is that of the row.
    pub(crate) fn leave_the_body(&self) -> bool {
        self.code.is_none() && self.description.is_none() && self.members.is_empty()
    }
}

impl TokenError {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { reason, face: reason.face(), retry_after: None, details: None }
    }

    /// This parameter is not there, or has no value.
    #[cold]
    pub(crate) fn missing(parameter: &str) -> Self {
        Self::new(Reason::MissingParameter).about(parameter)
    }

    /// The same about this: what is missing, or not allowed. A row's sentence may name it, bounded and cleaned.
    #[cold]
    pub(crate) fn about(mut self, what: &str) -> Self {
        self.details().about = Some(ErrorText::cleaned(what, MAX_ABOUT));
        self
    }

    /// The same with a page about it, which is a URI.
    pub(crate) fn with_page(mut self, uri: Option<&str>) -> Self {
        if let Some(uri) = uri {
            self.details().error_uri = Some(uri.into());
        }
        self
    }

    pub(crate) fn face(&self) -> Face {
        self.face
    }

    /// Whether the client sees what it sees of a wrong password.
    pub(crate) fn is_plain_denial(&self) -> bool {
        self.face == Face::Denied && self.details.as_ref().is_none_or(|details| details.leave_the_body())
    }

    /// The same, looking like a wrong password.
    pub(crate) fn into_plain_denial(self) -> Self {
        self.with_face(Face::Denied)
    }

    /// What is denied to a user at a refresh looks like any other refresh token that is refused.
    pub(crate) fn at_refresh(self) -> Self {
        if self.face == Face::Denied { self.with_face(Face::RefreshToken) } else { self }
    }

    /// Client credentials that came in the body are answered 400, without a challenge (RFC 6749 section 5.2). So is a secret there
    /// that no id stands beside: it names no client, but it was tried.
    pub(crate) fn in_body(self) -> Self {
        let is_of_client = matches!(self.face, Face::ClientByHeader | Face::ClientByOther);
        if is_of_client { self.with_face(Face::ClientByBody) } else { self }
    }

    /// Failed client authentication that neither header nor body has to do with.
    pub(crate) fn by_other(self) -> Self {
        self.with_face(Face::ClientByOther)
    }

    /// A bearer token gives no right to ask about tokens, and is refused in its own way (RFC 7662 section 2.3).
    pub(crate) fn of_bearer_token(self) -> Self {
        self.with_face(Face::BearerToken)
    }

    /// The body is of no format that an endpoint reads which reads JSON in each profile.
    pub(crate) fn of_form_or_json(self) -> Self {
        self.with_face(Face::FormOrJson)
    }

    /// Something failed for good, or cannot be had now.
    pub(crate) fn of_failure(self, is_fault: bool) -> Self {
        self.with_face(if is_fault { Face::Fault } else { Face::Unavailable })
    }

    fn with_face(mut self, face: Face) -> Self {
        self.face = face;
        self
    }

    /// The same with the code and sentence of the application's own.
    pub(crate) fn with_host_code(mut self, own: HostCode) -> Self {
        let details = self.details();
        details.code = Some(own.code);
        details.description = Some(own.description);
        self
    }

    /// The refusal of a login rule. `reveals`: the client sees the reason of a denial, else a wrong password.
    pub(crate) fn of_rule(refusal: RuleRefusal, reveals: bool) -> Self {
        let mut error = Self::new(match refusal.kind() {
            RuleRefusalKind::Denied { .. } => Reason::RuleDenied,
            RuleRefusalKind::InteractionRequired => Reason::InteractionRequired,
            RuleRefusalKind::NothingLeft => Reason::NothingGranted,
            RuleRefusalKind::Failed => Reason::RuleFailed,
        });
        match refusal.text() {
            Some(reason) if reveals => error.details().about = Some(reason.clone()),
            Some(_) => error = error.into_plain_denial(),
            None => {}
        }
        error.refused_by(refusal)
    }

    /// The same with the login rule that ended the login.
    pub(crate) fn refused_by(mut self, refusal: RuleRefusal) -> Self {
        self.details().refused_by = Some(refusal);
        self
    }

    /// The login rule that ended the login.
    pub(crate) fn rule(&self) -> Option<&RuleRefusal> {
        self.details.as_ref()?.refused_by.as_ref()
    }

    /// The error of a login of the user with this identifier.
    pub(crate) fn of_user(mut self, subject: &str) -> Self {
        self.details().subject = Some(subject.into());
        self
    }

    /// The identifier of the user whose login it ended, where only that is known.
    pub(crate) fn subject(&self) -> Option<&str> {
        self.details.as_ref()?.subject.as_deref()
    }

    pub(crate) fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
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
#[path = "error_tests.rs"]
mod tests;
