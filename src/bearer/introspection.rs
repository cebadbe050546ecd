use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, Limited};
use tower::Service;
use zeroize::Zeroizing;

use super::config_error::IntrospectionConfigError;
use super::introspected;
use super::recent::{CacheKey, Recent};
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::maybe::MaybeFuture;
use crate::protocol::client::registered::{ClientId, ClientSecret};
use crate::protocol::skew::{MAX_SKEW, SKEW};
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::wire::charset::is_bearer_token;
use crate::protocol::wire::issuer_url::is_secure;

/// More than any introspection response needs.
const MAX_BODY: usize = 64 * 1024;

/// How many inactive tokens are remembered, each by its digest: some 1 MiB in all.
const INACTIVE: usize = 8192;
/// How long they are remembered, by default and at most.
const INACTIVE_MAX_AGE: Duration = Duration::from_secs(10);
const LONGEST_INACTIVE_MAX_AGE: Duration = Duration::from_secs(60);

/// The longest wait that the endpoint is believed.
const LONGEST_WAIT: u64 = 3600;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asks another server's introspection endpoint what an access token stands for (RFC 7662): the verifier of an API that
/// lives apart from its authorization server.
///
/// It works over any tower HTTP client; a client that follows redirects must not send the credentials along. Put a
/// [`TokenCache`](super::TokenCache) into the guard to ask less often about good tokens.
///
/// Requests have the body `Full<Bytes>`, so that the client that the application already has, with its connections, fits as it
/// is: a body of this crate's own would ask for a second client. For one that takes another body, put tower's `MapRequest`
/// around it.
///
/// # Made-up tokens
///
/// Everybody can send an API made-up tokens, and each is a question to the endpoint. What cannot be a bearer token (RFC 6750
/// section 2.1), because it has other characters or more than 8 KiB, is refused without asking. A token that was inactive is
/// remembered for [10 seconds](Self::with_inactive_max_age), by its SHA-256 digest: 8,192 tokens, about 1 MiB, and then the
/// oldest go first. Good tokens are not kept here, so a flood of made-up ones takes no room from them. All others are asked
/// for: the endpoint must not count them on the address of this API. The one of this crate does not, see
/// [attack protection](crate::manual::attack_protection). Put tower's `ConcurrencyLimit` around the client if they must not
/// become more requests than the endpoint bears.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower_password_grant::ClientSecret;
/// use tower_password_grant::bearer::{BearerGuard, IntrospectionClient};
///
/// // In production with a TLS connector, such as that of `hyper-rustls`.
/// let http = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
/// let secret = ClientSecret::new("s3cret".to_owned());
/// let url = "https://as.example/oauth/introspect";
/// let tokens = IntrospectionClient::new(url, http, "rs", &secret)?;
/// let guard = BearerGuard::builder(tokens).audience("https://api.example").build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// # What is a good token
///
/// One that the endpoint calls `active`, with `sub`, `client_id` and `exp`; the members `scope`, `aud`, `iat`, `auth_time`, `amr`,
/// `acr` and `realm` are read too, and others become [claims](AccessTokenRecord::claims). Not good are tokens that are bound to a key
/// (`cnf`, or a `token_type` other than `Bearer`), those of another kind (`token_use` or `typ`, where a server says it), and
/// those whose `iat` or `nbf` lies in the future, but for the [clock skew](Self::with_clock_skew).
/// The endpoint of this crate names `realm` and `token_use`. One that names no realm has tokens of none; one that names no kind
/// must not show refresh tokens to this client.
///
/// # Errors
///
/// Everything but a well-formed answer with status 200 is a [`BackendError`]: then the guard answers 503. So does a refusal of
/// this client's own credentials, which says nothing of the token. Where the endpoint answers 429 or 503 with `Retry-After` in
/// seconds, the guard's answer names the same wait, up to an hour.
///
/// Clones share what they remember.
#[derive(Clone)]
pub struct IntrospectionClient<S> {
    http: S,
    endpoint: Uri,
    /// Marked as sensitive.
    credentials: HeaderValue,
    deadline: Duration,
    skew: Duration,
    clock: PartClock,
    inactive: Option<Arc<Recent<()>>>,
}

impl<S> IntrospectionClient<S> {
    /// A client of this endpoint, which authenticates with HTTP Basic (RFC 6749 section 2.3.1).
    ///
    /// # Errors
    /// Fails when the endpoint is no absolute URI, or neither https nor on this host.
    pub fn new(
        endpoint: &str,
        http: S,
        client_id: &str,
        secret: &ClientSecret,
    ) -> Result<Self, IntrospectionConfigError> {
        let client = Self::without_tls(endpoint, http, client_id, secret)?;
        if is_secure(endpoint, &client.endpoint) { Ok(client) } else { Err(IntrospectionConfigError::Plaintext) }
    }

    /// The same for a plain http endpoint elsewhere, whose connection something else protects, such as a proxy beside each
    /// service. On a bare network, anyone who reads along has every token and this client's secret.
    ///
    /// # Errors
    /// Fails when the endpoint is no absolute http or https URI.
    pub fn without_tls(
        endpoint: &str,
        http: S,
        client_id: &str,
        secret: &ClientSecret,
    ) -> Result<Self, IntrospectionConfigError> {
        let endpoint: Uri = endpoint.parse().map_err(|_| IntrospectionConfigError::Endpoint)?;
        let is_http = matches!(endpoint.scheme_str(), Some("http" | "https"));
        let has_user = endpoint.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if !is_http || has_user || endpoint.host().is_none_or(str::is_empty) {
            return Err(IntrospectionConfigError::Endpoint);
        }
        let id = ClientId::new(client_id).map_err(|_| IntrospectionConfigError::ClientId)?;
        let credentials = basic(id.as_str(), secret.expose()).ok_or(IntrospectionConfigError::ClientId)?;
        Ok(Self {
            http,
            endpoint,
            credentials,
            deadline: Duration::from_secs(4),
            skew: SKEW,
            clock: PartClock::system(),
            inactive: remembering(INACTIVE_MAX_AGE),
        })
    }

    /// How long the endpoint may take for its whole answer. Default: 4 seconds, less than the guard's own deadline.
    ///
    /// # Errors
    /// Fails when it is zero.
    pub fn with_deadline(mut self, deadline: Duration) -> Result<Self, IntrospectionConfigError> {
        if deadline.is_zero() {
            return Err(IntrospectionConfigError::Deadline);
        }
        self.deadline = deadline;
        Ok(self)
    }

    /// How long a token that was inactive is remembered as such, from the moment of the question on. Default: 10 seconds, from 0
    /// to 60. Zero asks for each token anew. Change it where a token may become active after it was asked for, for example
    /// because a replica of the server's store lags behind: to less than that takes.
    ///
    /// # Errors
    /// Fails when it is more than 60 seconds.
    pub fn with_inactive_max_age(mut self, max_age: Duration) -> Result<Self, IntrospectionConfigError> {
        if max_age > LONGEST_INACTIVE_MAX_AGE {
            return Err(IntrospectionConfigError::InactiveMaxAge(max_age));
        }
        self.inactive = remembering(max_age);
        Ok(self)
    }

    /// How far the server's clock may be ahead of this one: `iat` and `nbf` may lie that far in the future. `exp` may never lie
    /// in the past. Default: 5 seconds, because servers' clocks differ; from 0 to 60.
    ///
    /// # Errors
    /// Fails when it is more than 60 seconds.
    pub fn with_clock_skew(mut self, skew: Duration) -> Result<Self, IntrospectionConfigError> {
        if skew > MAX_SKEW {
            return Err(IntrospectionConfigError::ClockSkew(skew));
        }
        self.skew = skew;
        Ok(self)
    }

    /// Another clock, which says what lies in the future and how long inactive tokens are remembered. Default: the operating
    /// system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    fn request(&self, token: &str) -> Result<Request<Full<Bytes>>, BackendError> {
        let form = serde_urlencoded::to_string([("token", token), ("token_type_hint", "access_token")])?;
        let mut request = Request::new(Full::new(Bytes::from(form)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let headers = request.headers_mut();
        headers.insert(AUTHORIZATION, self.credentials.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Ok(request)
    }
}

/// Id and secret, each form-encoded (RFC 6749 section 2.3.1).
fn basic(id: &str, secret: &str) -> Option<HeaderValue> {
    let encoded = |text: &str| serde_urlencoded::to_string([("", text)]).map(Zeroizing::new).ok();
    let (id, secret) = (encoded(id)?, encoded(secret)?);
    let pair = Zeroizing::new(format!("{}:{}", id.strip_prefix('=')?, secret.strip_prefix('=')?));
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair.as_bytes()))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn remembering(max_age: Duration) -> Option<Arc<Recent<()>>> {
    (!max_age.is_zero()).then(|| Arc::new(Recent::new(INACTIVE, max_age)))
}

/// The endpoint would not answer; if it says for how long, that is passed on.
fn refused(status: StatusCode, headers: &HeaderMap) -> BackendError {
    let error = BackendError::unavailable(format!("the introspection endpoint answered {}", status.as_u16()));
    let waits = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    match seconds.filter(|seconds| waits && *seconds <= LONGEST_WAIT) {
        Some(seconds) => error.with_retry_after(Duration::from_secs(seconds)),
        None => error,
    }
}

/// `application/jwt` and its like are no plain answers (RFC 9701).
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl<S, B> IntrospectionClient<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    async fn ask(&self, token: &str) -> Result<Option<AccessTokenRecord>, BackendError> {
        let request = self.request(token)?;
        let mut http = self.http.clone();
        poll_fn(|cx| http.poll_ready(cx)).await.map_err(BackendError::unavailable)?;
        let (head, body) = http.call(request).await.map_err(BackendError::unavailable)?.into_parts();
        if head.status != StatusCode::OK {
            return Err(refused(head.status, &head.headers));
        }
        if !is_json(&head.headers) {
            return Err(BackendError::unavailable("the introspection endpoint did not answer with JSON"));
        }
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(BackendError::unavailable)?;
        introspected::read(&body.to_bytes(), self.clock.now(), self.skew)
            .map_err(|error| BackendError::unavailable(format!("the introspection response is malformed: {error}")))
    }
}

impl<S, B> AccessTokenVerifier for IntrospectionClient<S>
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn verify<'a>(&'a self, token: &'a str) -> MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>> {
        if !is_bearer_token(token.as_bytes()) {
            return MaybeFuture::ready(Ok(None));
        }
        let (key, began) = (CacheKey::of(token), self.clock.elapsed());
        if self.inactive.as_ref().is_some_and(|inactive| inactive.get(&key, began).is_some()) {
            return MaybeFuture::ready(Ok(None));
        }
        MaybeFuture::new(async move {
            let asked = tokio::time::timeout(self.deadline, self.ask(token)).await;
            let late = |_| BackendError::unavailable("the introspection endpoint did not answer in time");
            let found = asked.map_err(late)??;
            if let (None, Some(inactive)) = (&found, &self.inactive) {
                inactive.put(&key, (), began, self.clock.elapsed());
            }
            Ok(found)
        })
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.clock.follow(clock)
    }
}

impl<S> fmt::Debug for IntrospectionClient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
