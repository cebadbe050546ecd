use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::compact::Compact;
use super::error::JwtConfigError;
use super::jwk_set::JwkSet;
use super::key_set::KeySet;
use super::read_claims;
use super::remote::{Flight, Look, RemoteJwks};
use super::trusted::Trusted;
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::maybe::MaybeFuture;
use crate::protocol::skew::{MAX_SKEW, SKEW};
use crate::protocol::token::record::AccessTokenRecord;

/// Verifies signed access tokens after the profile of RFC 9068 section 4, of this server or of another one.
///
/// A token is good if all of this holds:
/// - It has at most 8 KiB, and exactly three parts in base64url without padding, white space or left-over bits, so that
///   nobody can write it in another way.
/// - Its header and its claims are JSON objects in which no member stands twice.
/// - `typ` is `at+jwt` or `application/at+jwt`, in any case. An ID token, a client assertion or a token of another kind that
///   the same key signed is none.
/// - The header has none of `crit`, `jku`, `jwk`, `x5u`, `x5c`, `b64`, `zip` and `enc`: no token brings its own key, and no
///   extension changes how it is read.
/// - `kid` names a configured key, and `alg` is the [algorithm](crate::jwt::SigningAlgorithm) of that key, so neither `none`
///   nor a symmetric one. Without `kid` there must be exactly one configured key of the algorithm.
/// - The signature verifies. With ES256 it is the raw 64 bytes of RFC 7518 section 3.4.
/// - `iss` is the issuer, byte by byte.
/// - `sub`, `client_id`, `jti` and `aud` are there (RFC 9068 section 2.2), as strings that are not empty; `aud` may be an array
///   of them. `scope` is a string, if it is there.
/// - `exp` and `iat` are there and numbers between the years 1970 and 9999, like `nbf` and `auth_time` if they are there.
///   `exp` lies in the future; `iat` and `nbf` do not, but for the [clock skew](Self::with_clock_skew).
///
/// `amr` and `acr` are read as far as they [are known](crate::manual::tokens#how-the-user-was-authenticated).
///
/// Audience, realm (a claim of ours, `realm`) and scope are judged by the caller, from the
/// [record](AccessTokenRecord). [`claims`](AccessTokenRecord::claims) has all others but `iss`, among them `jti`, `nbf` and
/// `cnf`.
///
/// Anyone who has one ES256 token can write a second one with the same content: the curve lets everyone negate half of the
/// signature. Use `jti` to distinguish tokens, not their text.
///
/// Such tokens cannot be revoked one by one: they are good until they expire, or until their key is
/// [retired](KeySet::retire).
///
/// ```
/// use tower_password_grant::bearer::AccessTokenVerifier;
/// use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::Es256)?);
/// let issuer = JwtIssuer::new("https://as.example", ["https://api.example"], keys)?;
/// let verifier = issuer.verifier();
/// assert!(verifier.verify("no.such.token").await.is_ok_and(|found| found.is_none()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct JwtVerifier {
    issuer: Arc<str>,
    keys: JwtKeys,
    clock: PartClock,
    skew: Duration,
}

/// Where a [`JwtVerifier`] has its keys from: a [`KeySet`], a [`JwkSet`] or a [`RemoteJwks`], each by `into()`.
#[derive(Clone, Debug)]
pub struct JwtKeys(Source);

#[derive(Clone, Debug)]
enum Source {
    Own(KeySet),
    Document(JwkSet),
    Remote(RemoteJwks),
}

impl From<KeySet> for JwtKeys {
    fn from(keys: KeySet) -> Self {
        Self(Source::Own(keys))
    }
}

impl From<JwkSet> for JwtKeys {
    fn from(keys: JwkSet) -> Self {
        Self(Source::Document(keys))
    }
}

impl From<RemoteJwks> for JwtKeys {
    fn from(keys: RemoteJwks) -> Self {
        Self(Source::Remote(keys))
    }
}

impl JwtVerifier {
    /// A verifier of the tokens of `issuer`, as `iss` has it, that one of `keys` signed.
    ///
    /// `keys` is the [`KeySet`] of an issuer in the same process, whose changes are seen at once
    /// ([`JwtIssuer::verifier`](crate::jwt::JwtIssuer::verifier) is the short way), a [`JwkSet`] from a document that the
    /// application has, or a [`RemoteJwks`] that is fetched.
    #[must_use]
    pub fn new(issuer: impl Into<String>, keys: impl Into<JwtKeys>) -> Self {
        Self { issuer: Arc::from(issuer.into()), keys: keys.into(), clock: PartClock::system(), skew: SKEW }
    }

    /// How far the issuer's clock may be ahead of this one: `iat` and `nbf` may lie that far in the future. `exp` may never
    /// lie in the past. Default: 5 seconds, because servers' clocks differ; at most 60. Zero suits an issuer in the same
    /// process.
    ///
    /// # Errors
    /// Fails when it is more than 60 seconds.
    pub fn with_clock_skew(mut self, skew: Duration) -> Result<Self, JwtConfigError> {
        if skew > MAX_SKEW {
            return Err(JwtConfigError::ClockSkew(skew));
        }
        self.skew = skew;
        Ok(self)
    }

    /// Another clock, which says what has expired. Default: the one that the endpoint or the
    /// guard [hands](Clock) to it, else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    /// The same clock as the issuer's, whichever is handed to either of them.
    pub(super) fn sharing(mut self, clock: &PartClock) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Judges the token by the keys that are there after this fetch.
    fn later<'a>(&'a self, token: Compact<'a>, remote: &'a RemoteJwks, flight: Flight) -> Verifying<'a> {
        MaybeFuture::new(async move { Ok(self.judge(&token, &remote.after(flight).await?)) })
    }

    fn judge(&self, token: &Compact<'_>, keys: &Trusted) -> Option<AccessTokenRecord> {
        let claims = token.claims(keys.key_of(token)?)?;
        read_claims::record(&claims, &self.issuer, self.clock.now(), self.skew)
    }
}

type Verifying<'a> = MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>>;

impl AccessTokenVerifier for JwtVerifier {
    fn verify<'a>(&'a self, token: &'a str) -> Verifying<'a> {
        let Some(token) = Compact::split(token) else { return MaybeFuture::ready(Ok(None)) };
        MaybeFuture::ready(match &self.keys.0 {
            Source::Own(keys) => Ok(self.judge(&token, &keys.now().published)),
            Source::Document(keys) => Ok(self.judge(&token, &keys.trusted())),
            Source::Remote(remote) => match remote.look(&token) {
                None => Ok(None),
                Some(Look::Now(keys)) => keys.map(|keys| self.judge(&token, &keys)),
                Some(Look::Later(flight)) => return self.later(token, remote, flight),
                Some(Look::Meanwhile(keys, flight)) => match self.judge(&token, &keys) {
                    None => return self.later(token, remote, flight),
                    known => Ok(known),
                },
            },
        })
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        let keys_follow = match &self.keys.0 {
            Source::Remote(remote) => remote.follow_clock(clock),
            Source::Own(_) | Source::Document(_) => true,
        };
        self.clock.follow(clock) & keys_follow
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier").field("issuer", &self.issuer).field("keys", &self.keys.0).finish_non_exhaustive()
    }
}
