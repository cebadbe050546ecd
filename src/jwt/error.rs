use std::fmt;
use std::time::Duration;

use http::StatusCode;

use super::algorithm::SigningAlgorithm;
use crate::protocol::explained::explained;
use crate::protocol::token::claims::MalformedClaims;

/// Why a key is refused. No message repeats a part of the key.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text has no PEM block (RFC 7468).
    #[error("no PEM block found: expected `-----BEGIN PRIVATE KEY-----`")]
    NoPem,
    /// The text has more than one PEM block.
    #[error("more than one PEM block: give exactly one private key")]
    SeveralPems,
    /// The PEM block does not end, or its content is not base64.
    #[error("the PEM block is cut off or damaged")]
    DamagedPem,
    /// The private key is encrypted.
    #[error("the private key is encrypted: decrypt it first, for example with `openssl pkcs8 -in key.pem`")]
    EncryptedPem,
    /// A private key of an older format.
    #[error("the key is not in PKCS#8 form: convert it with `openssl pkcs8 -topk8 -nocrypt -in key.pem`")]
    NotPkcs8,
    /// Something else than a private key.
    #[error("the PEM block is no private key: expected `-----BEGIN PRIVATE KEY-----`")]
    NotPrivate,
    /// The bytes are no private key of this algorithm in PKCS#8 form (RFC 5958).
    #[error("the bytes are no unencrypted PKCS#8 private key for {0}")]
    Rejected(SigningAlgorithm),
    /// An RSA key of the wrong size (RFC 7518 section 3.3).
    #[error("an RSA key must have 2048 to 8192 bits")]
    RsaSize,
    /// A `kid` that fits no header.
    #[error("a `kid` is 1 to 255 printable ASCII characters")]
    Kid,
    /// Two different keys with one `kid`.
    #[error("another key with this `kid` is published already: give this one another")]
    KidInUse,
    /// The text is no JWK of a public key that could be published here.
    #[error("no public signature key: {0}")]
    Jwk(&'static str),
    /// A private or symmetric key where a public one is expected.
    #[error("the JWK holds a private or symmetric key: publish only its public half")]
    PrivateJwk,
    /// The cryptographic library failed, for example for lack of randomness.
    #[error("the cryptographic library failed: try again, and check that the system gives randomness")]
    Crypto,
}

impl fmt::Debug for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// Why a [`JwtIssuer`](crate::jwt::JwtIssuer) or [`JwtVerifier`](crate::jwt::JwtVerifier) cannot be made like this.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtConfigError {
    /// The issuer is no URL as RFC 8414 section 2 wants it.
    #[error(
        "the issuer `{0}` must be an https URL without user, query and fragment (http only for localhost, 127.0.0.0/8 and [::1])"
    )]
    Issuer(String),
    /// No audience (RFC 9068 section 2.2).
    #[error("a token needs an audience: name the resource servers that it is for")]
    NoAudience,
    /// An audience that is empty or has control characters.
    #[error("the audience `{0}` is empty or has control characters")]
    Audience(String),
    /// The same audience twice.
    #[error("the audience `{0}` is named twice: name it once")]
    AudienceTwice(String),
    /// Clocks that differ too much.
    #[error("a clock skew of {0:?} is out of range: choose 0 to 60 seconds")]
    ClockSkew(Duration),
}

impl fmt::Debug for JwtConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// Why a JWKS document is refused, or cannot be fetched from where or as it should be.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// The text is no JWKS document (RFC 7517 section 5).
    #[error("the document is no JSON object with an array `keys`: a JWK Set is expected (RFC 7517 section 5)")]
    Malformed,
    /// The document has more than 256 KiB.
    #[error("the document has more than 256 KiB: publish the keys in use alone")]
    TooLarge,
    /// The document has more than 100 keys.
    #[error("the document has more than 100 keys: publish those in use alone")]
    TooManyKeys,
    /// The document has no key that a signature could be verified with.
    #[error("the document has no public key for ES256, EdDSA or RS256 signatures")]
    NoKey,
    /// The address is no URL that keys can be trusted from.
    #[error("the keys' address `{0}` must be an https URL (http only for localhost, 127.0.0.0/8 and [::1])")]
    Uri(String),
    /// A pause between two fetches that is out of range.
    #[error("a pause of {0:?} between two fetches is out of range: choose 1 second to 1 hour")]
    Pause(Duration),
    /// A deadline of a fetch that is out of range.
    #[error("a deadline of {0:?} for a fetch is out of range: choose more than 0 and at most 60 seconds")]
    Deadline(Duration),
    /// A longest age of keys that is out of range.
    #[error("a longest age of {0:?} for fetched keys is out of range: choose 2 minutes to 30 days")]
    MaxKeyAge(Duration),
}

impl fmt::Debug for JwksError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// Why a fetch failed. It goes to telemetry.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the keys could not be fetched: {0}")]
    Client(Box<dyn std::error::Error + Send + Sync>),
    #[error("the keys could not be fetched: the server answered {0}")]
    Status(StatusCode),
    #[error("the keys could not be fetched: it took too long")]
    Timeout,
    #[error("the keys could not be fetched: the runtime or the client stopped")]
    CutOff,
    #[error("the keys could not be read: {0}")]
    Document(#[from] JwksError),
}

/// Why a token was not made. It answers 500 and goes to telemetry.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// An extra claim with the name of one that the issuer writes itself.
    #[error("the extra claim `{0}` is written by the issuer itself: give it another name")]
    Reserved(String),
    /// A claim of an ID token with a name that has a meaning for the protocol.
    #[error("the claim `{0}` of an ID token has a meaning for the protocol: give it another name")]
    OfTheProtocol(String),
    /// No claims.
    #[error(transparent)]
    Malformed(#[from] MalformedClaims),
    /// An access token for the client itself, of an issuer that gives ID tokens.
    #[error(
        "the client `{0}` is an audience of its access tokens, so that they could be taken for ID tokens: name the API differently"
    )]
    ClientIsAudience(String),
    /// The subject has no identifier.
    #[error("the subject's identifier is empty: a verifier has to give one")]
    NoSubject,
    /// A time before 1970 or beyond what can be counted.
    #[error("the clock or the lifetime of the token is out of range")]
    Time,
}

impl fmt::Debug for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}
