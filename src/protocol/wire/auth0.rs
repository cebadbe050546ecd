//! The answers of Auth0, to the letter: its SDKs compare codes and sentences.
//!
//! One departure from RFC 9110 section 15.5.2 is on purpose: a 401 has no challenge unless the client's own `Authorization` header
//! failed. And apart from 500 and 503, each status is one of 400 to 499. With a challenge, or with another status, an SDK loses
//! code and sentence.

use super::faces::{Table, table};

/// The answers that Auth0's SDKs expect.
pub(crate) const AUTH0: Table = table! {
    Method: METHOD_NOT_ALLOWED "invalid_request" "only POST is answered here" Allow;
    Insecure: BAD_REQUEST "invalid_request" "the request did not come over TLS";
    EarlyData: TOO_EARLY "invalid_request" "send the request again after the TLS handshake";
    MediaType: BAD_REQUEST "invalid_request" "the body must be application/json or application/x-www-form-urlencoded, in UTF-8" AcceptPost;
    FormOrJson: BAD_REQUEST "invalid_request" "the body must be application/json or application/x-www-form-urlencoded, in UTF-8" AcceptPost;
    Coding: UNSUPPORTED_MEDIA_TYPE "invalid_request" "the body must not be compressed" AcceptEncoding;
    TooLarge: PAYLOAD_TOO_LARGE "invalid_request" "the body is too large" Close;
    Timeout: REQUEST_TIMEOUT "invalid_request" "the body did not arrive in time" Close;
    Query: BAD_REQUEST "invalid_request" "credentials belong in the body, never in the query";
    Malformed: BAD_REQUEST "invalid_request" "the request is malformed";
    Repeated: BAD_REQUEST "invalid_request" "a parameter is repeated";
    Missing: BAD_REQUEST "invalid_request" "Missing required parameter: " _ "";
    ManyCredentials: BAD_REQUEST "invalid_request" "more than one way of client authentication";
    CrossSite: BAD_REQUEST "invalid_request" "this origin may not use the token endpoint";
    ClientByHeader: UNAUTHORIZED "access_denied" "Unauthorized" Challenge;
    ClientByBody: UNAUTHORIZED "access_denied" "Unauthorized";
    ClientByOther: UNAUTHORIZED "access_denied" "Unauthorized";
    BearerToken: UNAUTHORIZED "access_denied" "Unauthorized" Challenge;
    GrantType: FORBIDDEN "unsupported_grant_type" "Unsupported grant type";
    Unauthorized: FORBIDDEN "unauthorized_client" "Grant type '" _ "' not allowed for the client.";
    Brownout: FORBIDDEN "unauthorized_client" "Grant type not allowed for the client until " _ ".";
    Realm: BAD_REQUEST "invalid_request" "the connection was not found";
    Audience: FORBIDDEN "access_denied" "Service not found: " _ "";
    Scope: BAD_REQUEST "invalid_scope" "the scope is missing, malformed, unknown or not allowed for this client";
    Denied: FORBIDDEN "invalid_grant" "Wrong email or password.";
    RuleDenied: FORBIDDEN "access_denied" "" _ "";
    RefreshToken: FORBIDDEN "invalid_grant" "Unknown or invalid refresh token.";
    TokenType: BAD_REQUEST "unsupported_token_type" "tokens of this type cannot be revoked here";
    Leaked: UNAUTHORIZED "password_leaked" "This password is known from a leak. Set a new one.";
    Interaction: FORBIDDEN "interaction_required" "the user has to do something elsewhere before this login";
    FactorRequired: FORBIDDEN "mfa_required" "Multifactor authentication required";
    MfaToken: FORBIDDEN "invalid_grant" "Malformed mfa_token";
    MfaTokenExpired: FORBIDDEN "expired_token" "mfa_token is expired";
    Otp: FORBIDDEN "invalid_grant" "Invalid otp_code.";
    RecoveryCode: FORBIDDEN "invalid_grant" "MFA Authorization rejected.";
    OobCode: FORBIDDEN "invalid_grant" "Malformed oob_code";
    OobCodeExpired: FORBIDDEN "expired_token" "oob_code is expired";
    BindingCode: FORBIDDEN "invalid_grant" "Invalid binding_code.";
    FactorPending: BAD_REQUEST "authorization_pending" "Authorization pending: please repeat the request in a few seconds.";
    PolledTooFast: BAD_REQUEST "slow_down" "You are polling faster than the specified interval: wait for 5 seconds.";
    FactorDenied: BAD_REQUEST "access_denied" "MFA Authorization rejected.";
    FactorExpired: BAD_REQUEST "expired_token" "oob_code is expired";
    FactorThrottled: TOO_MANY_REQUESTS "too_many_attempts" "Too many failed codes. Wait for some minutes before retrying." RetryAfter RateLimit;
    DeliveryThrottled: TOO_MANY_REQUESTS "too_many_attempts" "Too many SMS sent by the user. Wait for some minutes before retrying." RetryAfter RateLimit;
    ChallengeType: BAD_REQUEST "unsupported_challenge_type" "none of the challenge types can be had";
    NoAuthenticator: BAD_REQUEST "association_required" "the user has to enrol an authenticator first";
    Authenticator: BAD_REQUEST "invalid_authenticator" "the user has no such authenticator";
    PhoneNumber: BAD_REQUEST "invalid_phone_number" "a telephone number has the form +15550100199";
    Enrolment: BAD_REQUEST "invalid_request" "authenticator_types, oob_channels or the address are missing or not served";
    AlreadyEnrolled: FORBIDDEN "access_denied" "User is already enrolled";
    BearerInvalid: UNAUTHORIZED "invalid_token" "the bearer token is not valid" BearerChallenge;
    BearerExpired: UNAUTHORIZED "expired_token" "the bearer token is expired" BearerChallenge;
    BearerScope: FORBIDDEN "insufficient_scope" "the bearer token lacks the scope of this request" ScopeChallenge;
    TooManyAttempts: TOO_MANY_REQUESTS "too_many_attempts" "Your account has been blocked after multiple consecutive login attempts. We've sent you a notification via your preferred contact method with instructions on how to unblock it." RetryAfter RateLimit;
    TooManyRequests: TOO_MANY_REQUESTS "too_many_attempts" "Too many requests. Try again later." RetryAfter RateLimit;
    Fault: INTERNAL_SERVER_ERROR "server_error" "the server could not process the request";
    Unavailable: SERVICE_UNAVAILABLE "temporarily_unavailable" "the server is not available now, try again later" RetryAfter;
};
