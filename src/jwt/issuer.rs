use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::error::JwtConfigError;
use super::jwks::Jwks;
use super::key_set::KeySet;
use super::payload::Payload;
use super::verifier::JwtVerifier;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::maybe::MaybeFuture;
use crate::protocol::secret::secrets::Token;
use crate::protocol::token::claims::{Claims, MalformedClaims};
use crate::protocol::wire::issuer_url::is_issuer;
use crate::protocol::wire::response::IssuedTokens;

type ExtraClaims = dyn Fn(&Grant) -> Result<Claims, MalformedClaims> + Send + Sync;

/// Issues signed access tokens after the profile of RFC 9068.
///
/// The header has `alg`, `typ` (`at+jwt`) and `kid`. The claims are `iss`, `sub`, `aud`, `client_id`, `realm` (a claim of
/// ours: the [realm](crate::realms) of the login, left out if it has none), `scope` (left out when it is
/// empty), `jti` (256 random bits), `iat`, `exp` and `auth_time`, and nothing about the resource owner but the
/// [subject's](crate::Subject) identifier unless [`with_claims`](Self::with_claims) or a [login rule](crate::rules) adds it: each
/// holder of the token can read it (RFC 9068 section 6). `shown_claims` has the names of those that login rules added, which
/// introspection shows; it is left out if there are none.
///
/// Signing is done where the request is served: it takes microseconds with ES256 and EdDSA, and with RS256 about a
/// millisecond or several for large keys.
#[derive(Clone)]
pub struct JwtIssuer {
    issuer: String,
    audience: Vec<String>,
    keys: KeySet,
    clock: PartClock,
    extra: Option<Arc<ExtraClaims>>,
}

impl JwtIssuer {
    /// An issuer with its identifier, the resource servers that its tokens are for, and its keys.
    ///
    /// `issuer` goes into `iss` as it is written here, and verifiers compare it byte by byte: an `https` URL without user,
    /// query and fragment (RFC 8414 section 2). For development, `http` is allowed for `localhost`, `127.0.0.0/8` and
    /// `[::1]`.
    ///
    /// `audience` is a string in `aud` if it has one element, and an array otherwise (RFC 7519 section 4.1.3). A token for
    /// several audiences can be replayed by each of them against the others: prefer one.
    ///
    /// # Errors
    /// Fails when the issuer is not such a URL, or the audience is missing, empty or stands twice.
    pub fn new<A: Into<String>>(
        issuer: impl Into<String>,
        audience: impl IntoIterator<Item = A>,
        keys: KeySet,
    ) -> Result<Self, JwtConfigError> {
        let issuer = issuer.into();
        if !is_issuer(&issuer) {
            return Err(JwtConfigError::Issuer(issuer));
        }
        let mut all: Vec<String> = Vec::new();
        for one in audience.into_iter().map(Into::into) {
            if one.is_empty() || one.chars().any(char::is_control) {
                return Err(JwtConfigError::Audience(one));
            }
            if all.contains(&one) {
                return Err(JwtConfigError::AudienceTwice(one));
            }
            all.push(one);
        }
        if all.is_empty() {
            return Err(JwtConfigError::NoAudience);
        }
        Ok(Self { issuer, audience: all, keys, clock: PartClock::system(), extra: None })
    }

    /// Adds claims of the application's own to each token, for example roles from the subject's
    /// [data](crate::Subject::data): the members of what `claims` gives, which is a struct, a map, an `Option` of one, or
    /// [`Claims`]. They stand beside those of [login rules](crate::rules), which are the later decision: of two claims of one name
    /// that of the rule counts. A second call replaces the first. Default: none.
    ///
    /// A claim that the issuer writes itself (and `nbf`) is refused, and so is what has no members: no token is issued then,
    /// and the request is answered 500. Names with a URI in front cannot collide with registered ones (RFC 7519 section 4.2).
    ///
    /// ```
    /// # use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
    /// use serde::Serialize;
    /// use tower_password_grant::Grant;
    ///
    /// struct Account { tenant: String }
    ///
    /// #[derive(Serialize)]
    /// struct Extra {
    ///     #[serde(rename = "https://as.example/tenant")]
    ///     tenant: String,
    /// }
    ///
    /// # let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::EdDsa)?);
    /// let issuer = JwtIssuer::new("https://as.example", ["https://api.example"], keys)?;
    /// let issuer = issuer.with_claims(|grant: &Grant| {
    ///     let account = grant.subject().data::<Account>();
    ///     account.map(|account| Extra { tenant: account.tenant.clone() })
    /// });
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_claims<F, C>(mut self, claims: F) -> Self
    where
        F: Fn(&Grant) -> C + Send + Sync + 'static,
        C: Serialize,
    {
        self.extra = Some(Arc::new(move |grant| Claims::of(&claims(grant))));
        self
    }

    /// Another clock, which says `iat` and from it `exp`. Default: the one that the endpoint or the
    /// guard [hands](Clock) to it, else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    /// The document with the public keys, to serve with [`Builder::document`](crate::Builder::document).
    #[must_use]
    pub fn jwks(&self) -> Jwks {
        Jwks::new(self.keys.clone())
    }

    /// What verifies these tokens in the same process: it sees each change of the keys at once, and has the same clock.
    #[must_use]
    pub fn verifier(&self) -> JwtVerifier {
        JwtVerifier::new(self.issuer.clone(), self.keys.clone()).sharing(&self.clock)
    }

    /// The keys, to rotate them.
    #[must_use]
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    fn token(&self, grant: &Grant) -> Result<Token, BackendError> {
        let id = Token::random("")?;
        let extra = self.extra.as_ref().map(|extra| extra(grant)).transpose().map_err(BackendError::fault)?;
        let claims = extra.map(|extra| extra.followed_by(grant.claims()));
        let extra = claims.as_ref().unwrap_or_else(|| grant.claims()).object();
        let payload = Payload::new(&self.issuer, &self.audience, grant, id.expose(), self.clock.now(), extra)
            .map_err(BackendError::fault)?;
        let payload = serde_json::to_vec(&payload).map_err(BackendError::fault)?;
        let token = self.keys.signing().sign(&payload).map_err(BackendError::fault)?;
        Ok(Token::new(token))
    }
}

#[async_trait]
impl TokenIssuer for JwtIssuer {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.issue_at_once(grant).await
    }

    fn issue_at_once(&self, grant: Grant) -> MaybeFuture<'_, Result<IssuedTokens, BackendError>> {
        let lifetime = Duration::from_secs(grant.lifetime().as_secs());
        MaybeFuture::ready(self.token(&grant).map(|token| IssuedTokens::bearer(token, lifetime)))
    }

    fn issuer_identifier(&self) -> Option<&str> {
        Some(&self.issuer)
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.clock.follow(clock)
    }
}

impl fmt::Debug for JwtIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtIssuer")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}
