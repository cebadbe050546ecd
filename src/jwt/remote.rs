use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tower::Service;

use super::compact::Compact;
use super::error::{FetchError, JwksError};
use super::trusted::{MAX_DOCUMENT, Named, Trusted};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{Clock, PartClock, SharedClock};
use crate::boundary::sync::held;
use crate::protocol::wire::issuer_url::is_secure;

type BoxError = Box<dyn Error + Send + Sync>;
/// Closed when a fetch is over, however it ended.
pub(super) type Flight = watch::Receiver<()>;
type Fetched = Result<(Trusted, Duration), FetchError>;
type Fetch = dyn Fn() -> Pin<Box<dyn Future<Output = Fetched> + Send>> + Send + Sync;

/// How long the keys are believed if the response does not say it.
const MAX_AGE: Duration = Duration::from_secs(300);
const SHORTEST_AGE: Duration = Duration::from_secs(60);
/// The pause between two fetches as long as there are no keys that could be believed.
const PAUSE_WITHOUT_KEYS: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
const LONGEST_DEADLINE: Duration = Duration::from_secs(60);
/// How long keys are believed after they were fetched, while no other fetch succeeds.
const MAX_KEY_AGE: Duration = Duration::from_secs(24 * 3600);
const SHORTEST_MAX_KEY_AGE: Duration = Duration::from_secs(120);
const LONGEST_MAX_KEY_AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The public keys of another issuer, fetched from its JWKS document (RFC 7517 section 5) by the application's own HTTP
/// client, for a [`JwtVerifier`](crate::jwt::JwtVerifier).
///
/// The document is fetched when the first token arrives, when its time to be cached is over (`max-age` of the response, kept
/// between 1 minute and half of the [longest age](Self::with_max_key_age), 12 hours; 5 minutes without it), and when a token
/// names an unknown `kid`, but not sooner than [30 seconds](Self::with_pause) after the last fetch.
///
/// A token whose `kid` is known never waits: it is judged by the keys that are there, and their document is fetched again
/// behind it. So a key that the issuer has retired is believed until that fetch has ended. Tokens of unknown keys wait, all for
/// the same fetch, which goes on when their clients hang up: it runs as a task of tokio's runtime. A token without `kid` waits
/// only if no key verifies it while such a fetch is under way.
///
/// When a fetch fails, the keys of the last one stay, until they are [24 hours](Self::with_max_key_age) old. From then on, as
/// long as there have been none, and when the document has no usable key, nothing can be decided: that is a [`BackendError`],
/// answered 503, and never a bad token.
///
/// Of the document at most 256 KiB are read and at most 100 keys; only status 200 counts. Keys that are not for ES256, EdDSA
/// or RS256 signatures are passed over; so are private and symmetric ones. A key without `kid` gets its thumbprint (RFC 7638)
/// as one.
///
/// Clones share the same keys.
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Full;
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower_password_grant::jwt::{JwtVerifier, RemoteJwks};
///
/// // In production, over a connector with TLS.
/// let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
/// let keys = RemoteJwks::new("https://as.example/.well-known/jwks.json", client)?;
/// let verifier = JwtVerifier::new("https://as.example", keys);
/// # Ok::<_, tower_password_grant::jwt::JwksError>(())
/// ```
#[derive(Clone)]
pub struct RemoteJwks {
    uri: Uri,
    fetch: Arc<Fetch>,
    pause: Duration,
    deadline: Duration,
    max_key_age: Duration,
    clock: PartClock,
    state: Arc<Mutex<State>>,
}

struct State {
    keys: Trusted,
    /// Until when the keys are believed without asking; in the clock's elapsed time like all times here.
    fresh_until: Duration,
    /// Until when they are believed at all.
    good_until: Duration,
    /// When the last fetch began.
    last_fetch: Option<Duration>,
    /// The last fetch.
    flight: Option<Flight>,
    failure: Option<Arc<FetchError>>,
}

/// What there is to verify with.
pub(super) enum Look {
    /// The answer.
    Now(Result<Trusted, BackendError>),
    /// It will be there [after](RemoteJwks::after) this.
    Later(Flight),
    /// The answer, while newer keys are on their way: for a token that does not name its key.
    Meanwhile(Trusted, Flight),
}

impl RemoteJwks {
    /// The keys at `uri`, which must be `https`; for development, `http` is allowed for `localhost`, `127.0.0.0/8` and
    /// `[::1]`. `client` is any HTTP client that is a [`tower::Service`]: redirects, proxies and the trust in
    /// certificates are its matter. Requests have the body `Full<Bytes>`, so that the client that the application already has
    /// fits as it is.
    ///
    /// # Errors
    /// Fails when `uri` is no such URL.
    pub fn new<S, B>(uri: &str, client: S) -> Result<Self, JwksError>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let parsed = uri.parse::<Uri>().ok().filter(|parsed| is_secure(uri, parsed));
        let uri = parsed.ok_or_else(|| JwksError::Uri(uri.to_owned()))?;
        let target = uri.clone();
        let fetch = move || -> Pin<Box<dyn Future<Output = Fetched> + Send>> {
            Box::pin(fetch(client.clone(), target.clone()))
        };
        Ok(Self {
            uri,
            fetch: Arc::new(fetch),
            pause: Duration::from_secs(30),
            deadline: Duration::from_secs(4),
            max_key_age: MAX_KEY_AGE,
            clock: PartClock::system(),
            state: Arc::new(Mutex::new(State {
                keys: Trusted::new(Vec::new()),
                fresh_until: Duration::ZERO,
                good_until: Duration::ZERO,
                last_fetch: None,
                flight: None,
                failure: None,
            })),
        })
    }

    /// The least time between two fetches, however many unknown `kid`s come: any sender can write one. Default: 30 seconds; from 1
    /// second to 1 hour. Shorter, and new keys of an issuer that does not publish them beforehand are known sooner. As long
    /// as there are no keys that could be believed it is one second.
    ///
    /// # Errors
    /// Fails when it is out of that range.
    pub fn with_pause(mut self, pause: Duration) -> Result<Self, JwksError> {
        if !(PAUSE_WITHOUT_KEYS..=LONGEST_PAUSE).contains(&pause) {
            return Err(JwksError::Pause(pause));
        }
        self.pause = pause;
        Ok(self)
    }

    /// The most time that one fetch may take. Default: 4 seconds, less than the
    /// [guard's own deadline](crate::bearer::BearerGuardBuilder::deadline), so that a token of an unknown key is answered by what
    /// the fetch gave; more than zero, at most 60 seconds.
    ///
    /// # Errors
    /// Fails when it is out of that range.
    pub fn with_deadline(mut self, deadline: Duration) -> Result<Self, JwksError> {
        if deadline.is_zero() || deadline > LONGEST_DEADLINE {
            return Err(JwksError::Deadline(deadline));
        }
        self.deadline = deadline;
        Ok(self)
    }

    /// How long keys are believed after the last fetch that succeeded, while the issuer cannot be reached; then tokens are
    /// answered 503. Default: 24 hours; from 2 minutes to 30 days. Half of it is also the longest time for which the document is
    /// cached. Shorter, and a key that was stolen and retired is believed for less time by an API that an attacker keeps away from
    /// its issuer; longer, and the API outlives a longer failure of its issuer.
    ///
    /// # Errors
    /// Fails when it is out of that range.
    pub fn with_max_key_age(mut self, age: Duration) -> Result<Self, JwksError> {
        if !(SHORTEST_MAX_KEY_AGE..=LONGEST_MAX_KEY_AGE).contains(&age) {
            return Err(JwksError::MaxKeyAge(age));
        }
        self.max_key_age = age;
        Ok(self)
    }

    /// Another clock, which says when to fetch again and how old the keys are. Default: the one that the endpoint or the
    /// guard [hands](Clock) to it, else the operating system's. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = PartClock::given(clock);
        self
    }

    /// Takes the clock of the guard, and answers whether the keys go by it.
    pub(super) fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.clock.follow(clock)
    }

    /// Why the last fetch failed, if it did: for a health check, because verification goes on with the older keys for a
    /// [while](Self::with_max_key_age).
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().failure.as_ref().map(ToString::to_string)
    }

    /// The keys, or the fetch to wait for before they can be had; none if the token's header fits no access token: nothing is
    /// fetched for it.
    pub(super) fn look(&self, token: &Compact<'_>) -> Option<Look> {
        let now = self.clock.elapsed();
        let (keys, is_fresh) = {
            let state = self.lock();
            (state.keys.clone(), state.has_keys(now) && now < state.fresh_until)
        };
        // Nobody waits while a header is read.
        match keys.named_by(token)? {
            Named::Known | Named::None if is_fresh => Some(Look::Now(Ok(keys))),
            named => Some(self.look_for(named, now)),
        }
    }

    fn look_for(&self, named: Named, now: Duration) -> Look {
        let mut state = self.lock();
        let is_known = state.has_keys(now) && named != Named::Unknown;
        if is_known && now < state.fresh_until {
            return Look::Now(state.answer(now));
        }
        let flight = match &state.flight {
            Some(flight) if flight.has_changed().is_ok() => flight.clone(),
            _ if now < state.next_fetch(now, self.pause) => return Look::Now(state.answer(now)),
            _ => match self.take_off(&mut state, now) {
                Ok(flight) => flight,
                // A token of a known key needs no fetch.
                Err(_) if is_known => return Look::Now(state.answer(now)),
                Err(error) => return Look::Now(Err(error)),
            },
        };
        match named {
            _ if !is_known => Look::Later(flight),
            Named::None => Look::Meanwhile(state.keys.clone(), flight),
            Named::Known | Named::Unknown => Look::Now(state.answer(now)),
        }
    }

    /// The keys after a fetch.
    pub(super) async fn after(&self, mut flight: Flight) -> Result<Trusted, BackendError> {
        // Nothing is ever sent: this ends when the sender is dropped.
        while flight.changed().await.is_ok() {}
        self.lock().answer(self.clock.elapsed())
    }

    fn take_off(&self, state: &mut State, now: Duration) -> Result<Flight, BackendError> {
        let runtime = Handle::try_current().map_err(BackendError::fault)?;
        let (landed, flight) = watch::channel(());
        state.last_fetch = Some(now);
        state.flight = Some(flight.clone());
        let this = self.clone();
        runtime.spawn(async move {
            let fetched = tokio::time::timeout(this.deadline, (this.fetch)()).await.unwrap_or(Err(FetchError::Timeout));
            this.land(fetched, now);
            drop(landed);
        });
        Ok(flight)
    }

    fn land(&self, fetched: Fetched, began: Duration) {
        let mut state = self.lock();
        match fetched {
            Ok((keys, age)) => {
                state.failure = keys.is_empty().then(|| Arc::new(JwksError::NoKey.into()));
                state.keys = keys;
                let most = self.max_key_age.checked_div(2).unwrap_or_default();
                state.fresh_until = began.saturating_add(age.min(most));
                state.good_until = began.saturating_add(self.max_key_age);
            }
            Err(error) => state.failure = Some(Arc::new(error)),
        }
    }

    /// Nothing can panic while it is held; if it did, what was written before would still be whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        held(self.state.lock())
    }
}

impl State {
    /// Whether there are keys that could be believed.
    fn has_keys(&self, now: Duration) -> bool {
        !self.keys.is_empty() && now < self.good_until
    }

    fn answer(&self, now: Duration) -> Result<Trusted, BackendError> {
        if self.has_keys(now) {
            return Ok(self.keys.clone());
        }
        let failure = self.failure.clone().unwrap_or_else(|| Arc::new(FetchError::CutOff));
        let wait = self.next_fetch(now, PAUSE_WITHOUT_KEYS).saturating_sub(now);
        Err(BackendError::unavailable(failure).with_retry_after(wait))
    }

    /// When there may be another fetch, with this pause as long as there are keys.
    fn next_fetch(&self, now: Duration, pause: Duration) -> Duration {
        let pause = if self.has_keys(now) { pause } else { PAUSE_WITHOUT_KEYS };
        self.last_fetch.map_or(Duration::ZERO, |last| last.saturating_add(pause))
    }
}

async fn fetch<S, B>(mut client: S, uri: Uri) -> Fetched
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut request = Request::new(Full::default());
    *request.uri_mut() = uri;
    request.headers_mut().insert(ACCEPT, http::HeaderValue::from_static("application/jwk-set+json, application/json"));
    let client_error = |error: S::Error| FetchError::Client(error.into());
    poll_fn(|context| client.poll_ready(context)).await.map_err(client_error)?;
    let (parts, body) = client.call(request).await.map_err(client_error)?.into_parts();
    if parts.status != StatusCode::OK {
        return Err(FetchError::Status(parts.status));
    }
    let body = Limited::new(body, MAX_DOCUMENT).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() { JwksError::TooLarge.into() } else { FetchError::Client(error) }
    })?;
    Ok((Trusted::read(&body.to_bytes())?, age(&parts.headers)))
}

/// `max-age` (RFC 9111 section 5.2.2.1), at least the shortest time. What must not be stored is kept for that long.
fn age(headers: &HeaderMap) -> Duration {
    let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let mut age = MAX_AGE;
    for directive in lines.flat_map(|line| line.split(',')).map(|directive| directive.trim().to_ascii_lowercase()) {
        if directive == "no-store" || directive == "no-cache" {
            return SHORTEST_AGE;
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            age = seconds.trim_matches('"').parse().map_or(SHORTEST_AGE, Duration::from_secs);
        }
    }
    age.max(SHORTEST_AGE)
}

impl fmt::Debug for RemoteJwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("RemoteJwks")
            .field("uri", &self.uri)
            .field("keys", &state.keys)
            .field("failure", &state.failure)
            .finish_non_exhaustive()
    }
}
