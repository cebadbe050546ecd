//! Questions to the user service over HTTP, within bounds: how long, how many at once, how large an answer, and how often.
//!
//! # How often a guess is sent
//! Once. If it were repeated after it had arrived, it would be two guesses: the service counts both, or an attacker gets one for
//! free. So it is repeated only if surely no byte of it has left, in two cases:
//! - No connection came about. The error says so ([`Error::is_connect`]), and [`Asker::ask_once`] tries once more.
//! - A connection of the pool was closed before hyper began to write the request. hyper gives the request back, and the client of
//!   hyper-util takes another connection by itself (`retry_canceled_requests`, on by default). It never does so for a request that
//!   hyper has begun to write: then nobody knows whether it arrived.
//!
//! In that doubt the answer is "could not decide": 503, the charge goes back, and the user tries again. If each guess had a key
//! (`Idempotency-Key`) under which the service keeps its answer for a minute, the same guess could be sent again. That is more work
//! in the service than such a 503 is worth.
//!
//! All other questions change nothing, so they may be repeated, and are, once.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::response::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{sleep, timeout};
use tower_password_grant::BackendError;
use zeroize::Zeroizing;

use super::questions::{MAX_QUESTION, Question, Repeatable};

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(1);

/// How long a connection may be idle. Less than the service leaves it open: otherwise each close of the service may hit a guess
/// that is just being written.
const IDLE: Duration = Duration::from_secs(10);

/// How long a question waits for a place. Then the service has enough to do.
const WAIT: Duration = Duration::from_millis(500);

/// Before the second try: a service that is being replaced is there again soon.
const PAUSE: Duration = Duration::from_millis(100);

/// The most bytes of an answer, and of its head.
const MAX_ANSWER: usize = 4 * 1024;
const MAX_HEAD: usize = 16 * 1024;

/// How long a client waits that the service turned away, in seconds: at least and at most, whatever the service says.
const RETRY: (u64, u64) = (1, 60);

/// The questions of one kind: so many at once, each within its time.
pub(crate) struct Lane {
    places: Semaphore,
    within: Duration,
}

impl Lane {
    pub(crate) fn new(places: usize, within: Duration) -> Self {
        Self { places: Semaphore::new(places), within }
    }

    /// A place, for as long as the question takes. A slow service holds no more requests than there are places.
    async fn place(&self) -> Result<SemaphorePermit<'_>, BackendError> {
        match timeout(WAIT, self.places.acquire()).await {
            Ok(place) => Ok(place?),
            Err(_) => Err(BackendError::overloaded(Duration::from_secs(1))),
        }
    }
}

/// Why there is no answer.
enum Failure {
    /// No connection came about: nothing was sent.
    NotSent(BackendError),
    /// Perhaps it was sent.
    Lost(BackendError),
    /// The service answered, but not the question.
    Answered(BackendError),
}

impl Failure {
    fn into_error(self) -> BackendError {
        match self {
            Self::NotSent(error) | Self::Lost(error) | Self::Answered(error) => error,
        }
    }
}

/// Asks the user service. It has no `Debug`: it holds a credential.
pub(crate) struct Asker {
    http: Client<HttpConnector, Full<Bytes>>,
    service: Authority,
    credential: HeaderValue,
}

impl Asker {
    pub(crate) fn new(service: Authority, credential: &str) -> Result<Self, http::Error> {
        let mut credential = HeaderValue::try_from(format!("Bearer {credential}"))?;
        credential.set_sensitive(true);
        // Over a network: TLS, as by `hyper-rustls`. Its connector stands around this one.
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let http = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(true)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(MAX_HEAD)
            .build(connector);
        Ok(Self { http, service, credential })
    }

    /// Asks a question that reaches the service at most once.
    pub(crate) async fn ask_once<Q: Question>(&self, lane: &Lane, question: &Q) -> Result<Q::Answer, BackendError> {
        self.ask_while(lane, question, |failure| matches!(failure, Failure::NotSent(_))).await
    }

    /// Asks a question that may reach the service twice.
    pub(crate) async fn ask<Q: Repeatable>(&self, lane: &Lane, question: &Q) -> Result<Q::Answer, BackendError> {
        self.ask_while(lane, question, |failure| !matches!(failure, Failure::Answered(_))).await
    }

    /// Asks, and asks once more after a failure that allows it, all within the time of the lane. If the time is over, or the
    /// client hangs up, hyper closes the connection.
    async fn ask_while<Q: Question>(
        &self,
        lane: &Lane,
        question: &Q,
        may_repeat: fn(&Failure) -> bool,
    ) -> Result<Q::Answer, BackendError> {
        let body = body(question)?;
        let _place = lane.place().await?;
        let asking = async {
            match self.send::<Q>(body.clone()).await {
                Err(failure) if may_repeat(&failure) => {
                    sleep(PAUSE).await;
                    self.send::<Q>(body).await
                }
                outcome => outcome,
            }
        };
        match timeout(lane.within, asking).await {
            Ok(outcome) => outcome.map_err(Failure::into_error),
            Err(_) => Err(BackendError::unavailable("the user service does not answer in time")),
        }
    }

    async fn send<Q: Question>(&self, body: Bytes) -> Result<Q::Answer, Failure> {
        let request = self.request::<Q>(body).map_err(|error| Failure::Answered(BackendError::fault(error)))?;
        let response = self.http.request(request).await.map_err(unsent)?;
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(Failure::Answered(refusal(&head)));
        }
        let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(unread)?;
        serde_json::from_slice(&body.to_bytes()).map_err(|error| Failure::Answered(malformed(&error)))
    }

    fn request<Q: Question>(&self, body: Bytes) -> Result<Request<Full<Bytes>>, http::Error> {
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(self.service.clone());
        let uri = uri.path_and_query(Q::PATH).build()?;
        let request = Request::post(uri).header(AUTHORIZATION, self.credential.clone());
        request.header(CONTENT_TYPE, "application/json").body(Full::new(body))
    }
}

/// The question as JSON, in memory that is wiped when it was sent and that never grows, which would leave a copy behind.
fn body<Q: Question>(question: &Q) -> Result<Bytes, BackendError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_QUESTION));
    serde_json::to_writer(&mut *bytes, question).map_err(BackendError::fault)?;
    Ok(Bytes::from_owner(bytes))
}

/// Whether the request may have left.
fn unsent(error: Error) -> Failure {
    let is_unsent = error.is_connect();
    let error = BackendError::unavailable(error);
    if is_unsent { Failure::NotSent(error) } else { Failure::Lost(error) }
}

/// Whether the answer is too long or broke off.
fn unread(error: Box<dyn std::error::Error + Send + Sync>) -> Failure {
    if error.is::<LengthLimitError>() {
        Failure::Answered(BackendError::fault("the user service answers more than any answer has"))
    } else {
        Failure::Lost(BackendError::unavailable(error))
    }
}

/// What another status than 200 means: never a verdict, for a proxy in between has statuses, too.
fn refusal(head: &Parts) -> BackendError {
    let said = format!("the user service answers {}", head.status.as_u16());
    match head.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            BackendError::unavailable(said).with_retry_after(wait(&head.headers))
        }
        status if status.is_server_error() => BackendError::unavailable(said),
        // A refused credential, a path that is not there, a redirect: for the operator. A redirect is not followed, which would
        // take the password elsewhere.
        _ => BackendError::fault(said),
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3); 5 without it, or if it is a date.
fn wait(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let (least, most) = RETRY;
    Duration::from_secs(seconds.unwrap_or(5).clamp(least, most))
}

/// Where an answer cannot be read. The message of the error itself quotes the answer, which may have anything in it.
fn malformed(error: &serde_json::Error) -> BackendError {
    let (line, column) = (error.line(), error.column());
    BackendError::fault(format!("the answer of the user service cannot be read at line {line}, column {column}"))
}
