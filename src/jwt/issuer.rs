use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::error::{ClaimError, JwtConfigError};
use super::header::Kind;
use super::id_claims::IdClaims;
use super::jwks::Jwks;
use super::key_set::{KeySet, Keys};
use super::payload::{AccessTokenPayload, Facts, IdTokenPayload, tell_apart};
use super::verifier::JwtVerifier;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::Grant;
use crate::boundary::maybe::{Answering, MaybeFuture};
use crate::protocol::audience::is_name;
use crate::protocol::secret::secrets::Token;
use crate::protocol::token::claims::{Claims, MalformedClaims};
use crate::protocol::wire::issuer_url::is_issuer;
use crate::protocol::wire::response::IssuedTokens;

type ExtraClaims = dyn Fn(&Grant) -> Result<Claims, MalformedClaims> + Send + Sync;
type UserClaims = dyn Fn(Grant) -> Answering<'static, IdClaims> + Send + Sync;

/// The scope that asks for an ID token (OpenID Connect Core 1.0 section 3.1.2.1).
const OPENID: &str = "openid";

/// Issues signed access tokens after the profile of RFC 9068, and [ID tokens](Self::with_id_tokens) beside them if it is to.
///
/// The header has `alg`, `typ` (`at+jwt`) and `kid`. The claims are `iss`, `sub`, `aud`, `client_id`, `realm` (a claim of
/// ours: the [realm](crate::realms) of the login, left out if it has none), `scope` (left out when it is
/// empty), `jti` (256 random bits), `iat`, `exp`, `auth_time`, `amr` and `acr` (in which ways the user was authenticated, left out
/// where that is a [password alone](crate::manual::tokens#how-the-user-was-authenticated)), and nothing about the resource owner but the
/// [subject's](crate::Subject) identifier unless [`with_claims`](Self::with_claims) or a [login rule](crate::rules) adds it: each
/// holder of the token can read it (RFC 9068 section 6). `shown_claims` has the names of those that login rules added, which
/// introspection shows; it is left out if there are none. Tokens for the [endpoints of second factors](crate::manual::second_factor) alone
/// have `credentials_digest`, which ends what they may do there with a change of the password.
///
/// Signing is done where the request is served: it takes microseconds with ES256 and EdDSA, and with RS256 about a
/// millisecond or several for large keys.
#[derive(Clone)]
pub struct JwtIssuer {
    issuer: String,
    audience: Arc<[String]>,
    keys: KeySet,
    clock: PartClock,
    extra: Option<Arc<ExtraClaims>>,
    id_tokens: Option<Arc<UserClaims>>,
}

impl JwtIssuer {
    /// An issuer with its identifier, the resource servers that its tokens are for unless a login
    /// [asks for one](crate::Grant::audience), and its keys.
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
            if !is_name(&one) {
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
        let clock = PartClock::system();
        Ok(Self { issuer, audience: all.into(), keys, clock, extra: None, id_tokens: None })
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

    /// Gives an ID token (OpenID Connect Core 1.0 section 2) in the member `id_token` wherever the granted scope has `openid`, at a
    /// login and at a refresh. `claims` says more about the user, as scope and subject ask for it. A second call replaces the first.
    /// Default: no ID tokens, whatever the scope.
    ///
    /// The header has `alg`, `typ` (`JWT`) and `kid`. The claims are `iss`, `sub`, `aud` (the client's id), `iat`, `exp`, `auth_time`,
    /// `amr` and `acr` as in the access token, and those of `claims`, which cannot have their names. The token lives as long as the access token beside it. At a refresh
    /// `iat` and `exp` are new, `auth_time`, `amr` and `acr` are still those of the login (section 12.2), and `claims` is asked anew. `nonce` is never
    /// there, because the request has none. `at_hash`, which is optional, is not there either: both tokens come in one answer.
    /// The claims of [`with_claims`](Self::with_claims) and of [login rules](crate::rules) stand in the access token alone.
    ///
    /// The client registers `openid` like any other scope. In the [profile of Auth0](crate::mount::Profile::Auth0) each client may ask
    /// for it, but a default scope has to be registered there, too. The key is that of the access tokens, or one of
    /// [its own](KeySet::sign_id_tokens_with); [`jwks`](Self::jwks) publishes both.
    ///
    /// # Contract
    /// `claims` answers a future, because what is known about users lies in databases. It is given a clone of the grant. At a login
    /// the verifier may have left what it knows with the [subject](crate::Subject::data); at a refresh only a verifier that rechecks
    /// users has a chance to do so.
    ///
    /// # Security
    /// An ID token is for the client, which need not be trusted with more than the scope says. It opens no API:
    /// [`JwtVerifier`] refuses it by its `typ`. Other verifiers go by the audience, so a client whose own id is an audience of its
    /// access tokens gets no tokens at all: the request is answered 500.
    ///
    /// # Cancellation
    /// The future is dropped when the client hangs up, or when the time of the issuer is over
    /// ([`RequestLimits::store_deadline`](crate::mount::RequestLimits::store_deadline)).
    ///
    /// # Errors
    /// What `claims` fails with is the failure of the issuer: no token is given, a [`BackendError`] answers 503 or, as a fault, 500.
    /// A [`ClaimError`] and a panic answer 500.
    ///
    /// ```
    /// # use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};
    /// use tower_password_grant::jwt::IdClaims;
    /// use tower_password_grant::{BackendError, Grant};
    ///
    /// # let rsa_pem = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/jwt/rs256.pem"));
    /// # #[derive(Clone)] struct Users;
    /// # struct User { name: String, email: String }
    /// # impl Users {
    /// #     async fn load(&self, id: &str) -> Result<User, BackendError> {
    /// #         Ok(User { name: id.to_owned(), email: format!("{id}@example.com") })
    /// #     }
    /// # }
    /// async fn claims(users: Users, grant: Grant) -> Result<IdClaims, BackendError> {
    ///     let user = users.load(grant.subject().id()).await?; // SELECT .. WHERE id = ..
    ///     let mut claims = IdClaims::new();
    ///     if grant.scope().contains("profile") {
    ///         claims = claims.claim("name", user.name)?;
    ///     }
    ///     if grant.scope().contains("email") {
    ///         claims = claims.claim("email", user.email)?;
    ///     }
    ///     Ok(claims)
    /// }
    ///
    /// # let users = Users;
    /// let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::Es256)?);
    /// // If there are clients that take nothing else, ID tokens have a key for RS256:
    /// let rs256 = SigningAlgorithm::Rs256;
    /// keys.sign_id_tokens_with(SigningKey::from_pkcs8_pem(rs256, rsa_pem)?)?;
    /// let issuer = JwtIssuer::new("https://as.example", ["https://api.example"], keys)?;
    /// let issuer = issuer.with_id_tokens(move |grant| claims(users.clone(), grant));
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_id_tokens<F, Fut>(mut self, claims: F) -> Self
    where
        F: Fn(Grant) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<IdClaims, BackendError>> + Send + 'static,
    {
        self.id_tokens = Some(Arc::new(move |grant| Box::pin(claims(grant))));
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

    /// The tokens of a grant, with an ID token if there are claims for one.
    fn tokens(&self, grant: &Grant, of_user: Option<&IdClaims>) -> Result<IssuedTokens, BackendError> {
        let keys = self.keys.now();
        let facts = Facts::of(grant, &self.issuer, self.clock.now()).map_err(BackendError::fault)?;
        let audience = grant.audience_or(|| Arc::clone(&self.audience));
        if self.id_tokens.is_some() {
            tell_apart(&audience, grant.client().id()).map_err(BackendError::fault)?;
        }
        let access_token = self.access_token(&keys, facts, &audience, grant)?;
        let tokens = IssuedTokens::bearer(access_token, Duration::from_secs(grant.lifetime().as_secs()));
        let Some(of_user) = of_user else { return Ok(tokens) };
        let payload = IdTokenPayload::new(facts, of_user.claims().object());
        Ok(tokens.with_id_token(sign(&keys, Kind::IdToken, &payload)?))
    }

    fn access_token(
        &self,
        keys: &Keys,
        facts: Facts<'_>,
        audience: &[String],
        grant: &Grant,
    ) -> Result<Token, BackendError> {
        let id = Token::random("")?;
        let extra = self.extra.as_ref().map(|extra| extra(grant)).transpose().map_err(BackendError::fault)?;
        let claims = extra.map(|extra| extra.followed_by(grant.claims()));
        let extra = claims.as_ref().unwrap_or_else(|| grant.claims()).object();
        let payload = AccessTokenPayload::new(facts, audience, id.expose(), extra).map_err(BackendError::fault)?;
        sign(keys, Kind::AccessToken, &payload)
    }
}

fn sign(keys: &Keys, kind: Kind, payload: &impl Serialize) -> Result<Token, BackendError> {
    let payload = serde_json::to_vec(payload).map_err(BackendError::fault)?;
    keys.sign(kind, &payload).map(Token::new).map_err(BackendError::fault)
}

#[async_trait]
impl TokenIssuer for JwtIssuer {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.issue_at_once(grant).await
    }

    fn issue_at_once(&self, grant: Grant) -> MaybeFuture<'_, Result<IssuedTokens, BackendError>> {
        match self.id_tokens.as_deref().filter(|_| grant.scope().contains(OPENID)) {
            None => MaybeFuture::ready(self.tokens(&grant, None)),
            Some(claims_of) => {
                let claims = claims_of(grant.clone());
                MaybeFuture::new(async move {
                    let claims = claims.await.map_err(BackendError::or_fault_of::<ClaimError>)?;
                    self.tokens(&grant, Some(&claims))
                })
            }
        }
    }

    fn issuer_identifier(&self) -> Option<&str> {
        Some(&self.issuer)
    }

    fn id_token_algorithms(&self) -> Vec<String> {
        let algorithm = self.id_tokens.as_ref().map(|_| self.keys.now().algorithm(Kind::IdToken));
        algorithm.map(|algorithm| algorithm.name().to_owned()).into_iter().collect()
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
