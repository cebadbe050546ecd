//! The answers of the standards: RFC 6749 section 5.2, RFC 7009 section 2.2.1 and, for a bearer token, RFC 7662 section 2.3.

use super::faces::{Table, table};

/// The answers that the standards ask for.
pub(crate) const RFC_6749: Table = table! {
    Method: METHOD_NOT_ALLOWED "invalid_request" "only POST is answered here" Allow;
    Insecure: BAD_REQUEST "invalid_request" "the request did not come over TLS";
    EarlyData: TOO_EARLY "invalid_request" "send the request again after the TLS handshake";
    MediaType: BAD_REQUEST "invalid_request" "the body must be application/x-www-form-urlencoded in UTF-8" AcceptPost;
    FormOrJson: BAD_REQUEST "invalid_request" "the body must be application/json or application/x-www-form-urlencoded, in UTF-8" AcceptPost;
    Coding: UNSUPPORTED_MEDIA_TYPE "invalid_request" "the body must not be compressed" AcceptEncoding;
    TooLarge: PAYLOAD_TOO_LARGE "invalid_request" "the body is too large" Close;
    Timeout: REQUEST_TIMEOUT "invalid_request" "the body did not arrive in time" Close;
    Query: BAD_REQUEST "invalid_request" "credentials belong in the body, never in the query";
    Malformed: BAD_REQUEST "invalid_request" "the request is malformed";
    Repeated: BAD_REQUEST "invalid_request" "a parameter is repeated";
    Missing: BAD_REQUEST "invalid_request" "a required parameter is missing or empty";
    ManyCredentials: BAD_REQUEST "invalid_request" "more than one way of client authentication";
    CrossSite: BAD_REQUEST "invalid_request" "this origin may not use the token endpoint";
    ClientByHeader: UNAUTHORIZED "invalid_client" "client authentication failed" Challenge;
    // Credentials that came in the body are answered without a challenge.
    ClientByBody: BAD_REQUEST "invalid_client" "client authentication failed";
    ClientByOther: UNAUTHORIZED "invalid_client" "client authentication failed" Challenge;
    BearerToken: UNAUTHORIZED "invalid_token" "this endpoint takes client authentication" BearerChallenge;
    GrantType: BAD_REQUEST "unsupported_grant_type" "the grant type is not supported";
    Unauthorized: BAD_REQUEST "unauthorized_client" "the client may not use this grant type";
    Brownout: BAD_REQUEST "unauthorized_client" "the client may not use this grant type until " _ "";
    Realm: BAD_REQUEST "invalid_request" "the request is malformed";
    // The code is that of RFC 8707 section 2.
    Audience: BAD_REQUEST "invalid_target" "the client may not ask for this audience";
    Scope: BAD_REQUEST "invalid_scope" "the scope is missing, malformed, unknown or not allowed for this client";
    Denied: BAD_REQUEST "invalid_grant" "the credentials are not valid";
    RuleDenied: BAD_REQUEST "invalid_grant" "" _ "";
    RefreshToken: BAD_REQUEST "invalid_grant" "the credentials are not valid";
    TokenType: BAD_REQUEST "unsupported_token_type" "tokens of this type cannot be revoked here";
    Leaked: BAD_REQUEST "password_leaked" "this password is known from a leak; set a new one";
    // The code is that of OpenID Connect Core section 3.1.2.6.
    Interaction: BAD_REQUEST "interaction_required" "the user has to do something elsewhere before this login";
    FactorRequired: FORBIDDEN "mfa_required" "Multifactor authentication required";
    MfaToken: BAD_REQUEST "invalid_grant" "Malformed mfa_token";
    MfaTokenExpired: BAD_REQUEST "expired_token" "mfa_token is expired";
    Otp: BAD_REQUEST "invalid_grant" "Invalid otp_code.";
    RecoveryCode: BAD_REQUEST "invalid_grant" "MFA Authorization rejected.";
    OobCode: BAD_REQUEST "invalid_grant" "Malformed oob_code";
    OobCodeExpired: BAD_REQUEST "expired_token" "oob_code is expired";
    BindingCode: BAD_REQUEST "invalid_grant" "Invalid binding_code.";
    FactorPending: BAD_REQUEST "authorization_pending" "Authorization pending: please repeat the request in a few seconds.";
    PolledTooFast: BAD_REQUEST "slow_down" "You are polling faster than the specified interval: wait for 5 seconds.";
    FactorDenied: BAD_REQUEST "access_denied" "MFA Authorization rejected.";
    FactorExpired: BAD_REQUEST "expired_token" "oob_code is expired";
    FactorThrottled: TOO_MANY_REQUESTS "too_many_attempts" "too many attempts, try again later" RetryAfter;
    DeliveryThrottled: TOO_MANY_REQUESTS "too_many_attempts" "too many attempts, try again later" RetryAfter;
    ChallengeType: BAD_REQUEST "unsupported_challenge_type" "none of the challenge types can be had";
    NoAuthenticator: BAD_REQUEST "association_required" "the user has to enrol an authenticator first";
    Authenticator: BAD_REQUEST "invalid_authenticator" "the user has no such authenticator";
    PhoneNumber: BAD_REQUEST "invalid_phone_number" "a telephone number has the form +15550100199";
    Enrolment: BAD_REQUEST "invalid_request" "authenticator_types, oob_channels or the address are missing or not served";
    AlreadyEnrolled: FORBIDDEN "access_denied" "User is already enrolled";
    BearerInvalid: UNAUTHORIZED "invalid_token" "the bearer token is not valid" BearerChallenge;
    BearerExpired: UNAUTHORIZED "expired_token" "the bearer token is expired" BearerChallenge;
    BearerScope: FORBIDDEN "insufficient_scope" "the bearer token lacks the scope of this request" ScopeChallenge;
    TooManyAttempts: TOO_MANY_REQUESTS "too_many_attempts" "too many attempts, try again later" RetryAfter;
    TooManyRequests: TOO_MANY_REQUESTS "too_many_attempts" "too many attempts, try again later" RetryAfter;
    Fault: INTERNAL_SERVER_ERROR "server_error" "the server could not process the request";
    Unavailable: SERVICE_UNAVAILABLE "temporarily_unavailable" "the server is not available now, try again later" RetryAfter;
};
