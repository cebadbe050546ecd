//! A connection that is made anew when it stays silent.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use redis::aio::ConnectionLike;
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use crate::boundary::sync::held;

/// So many calls in a row without an answer are a silence.
const MOST_SILENT: u32 = 2;
/// A call that was given up sooner says nothing: its client may have hung up.
const SHORTEST: Duration = Duration::from_millis(100);
/// How long the next new connection waits after one, so that a server which is slow is not asked for more and more of them.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a new connection may take.
const CONNECT: Duration = Duration::from_secs(10);

type Connecting<C> = Pin<Box<dyn Future<Output = RedisResult<C>> + Send>>;

/// A connection that is made anew when it does not answer any more, though it is open.
///
/// A `ConnectionManager` connects again when its connection was closed. One that stays open and silent it keeps, and all calls with it,
/// until the system gives it up: after a quarter of an hour where a machine has vanished, never where something in between goes on to
/// take what is sent. So after two calls in a row that got no answer in time this one makes another connection beside it, and
/// goes over to that, once a second at most. In time means the store's deadline, or the time-out of the connection if that is shorter. A
/// call that is given up within 100 ms does not count, for its client may have hung up: keep the deadline above that.
///
/// It is for connections to one server. Of a cluster, servers that answer would hide one that is silent.
///
/// ```no_run
/// use redis::aio::{ConnectionManager, ConnectionManagerConfig};
/// use std::time::Duration;
/// use tower_password_grant::redis::{RedisStore, RenewingConnection};
///
/// # async fn open() -> Result<(), Box<dyn std::error::Error>> {
/// let client = redis::Client::open("redis://127.0.0.1/")?;
/// let config = ConnectionManagerConfig::new().set_max_delay(Duration::from_millis(500));
/// let connect = move || ConnectionManager::new_with_config(client.clone(), config.clone());
/// let store = RedisStore::builder(RenewingConnection::new(connect).await?).open().await?;
/// # let _ = store;
/// # Ok(())
/// # }
/// ```
pub struct RenewingConnection<C>(Arc<Inner<C>>);

struct Inner<C> {
    connect: Box<dyn Fn() -> Connecting<C> + Send + Sync>,
    state: Mutex<State<C>>,
}

struct State<C> {
    connection: C,
    /// How many there were before it.
    number: u64,
    /// How many calls had no answer since one had.
    silent: u32,
    is_renewing: bool,
    /// When the last one was made.
    renewed: Option<Instant>,
}

impl<C> Clone for RenewingConnection<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> fmt::Debug for RenewingConnection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenewingConnection").finish_non_exhaustive()
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RenewingConnection<C> {
    /// Makes the first connection by `connect`, and each later one, of which ten seconds at most are waited for. It runs on a `tokio`
    /// runtime.
    ///
    /// # Errors
    /// Fails if there is no first connection.
    pub async fn new<F>(connect: impl Fn() -> F + Send + Sync + 'static) -> RedisResult<Self>
    where
        F: Future<Output = RedisResult<C>> + Send + 'static,
    {
        let connection = connect().await?;
        let connect = Box::new(move || -> Connecting<C> { Box::pin(connect()) });
        let state = State { connection, number: 0, silent: 0, is_renewing: false, renewed: None };
        Ok(Self(Arc::new(Inner { connect, state: Mutex::new(state) })))
    }

    /// The connection of a call that begins now.
    fn call(&self) -> (C, Call<C>) {
        let state = self.0.lock();
        let call = Call { of: self.clone(), number: state.number, began: Instant::now(), end: End::GivenUp };
        (state.connection.clone(), call)
    }
}

impl<C> Inner<C> {
    fn lock(&self) -> MutexGuard<'_, State<C>> {
        held(self.state.lock())
    }
}

/// A call that has no answer yet.
struct Call<C: ConnectionLike + Clone + Send + Sync + 'static> {
    of: RenewingConnection<C>,
    /// Of the connection.
    number: u64,
    began: Instant,
    end: End,
}

/// How a call ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Nobody waits for it any more.
    GivenUp,
    /// The library says that there was no answer in time.
    TimedOut,
    Answered,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Call<C> {
    fn ended<T>(mut self, answer: &RedisResult<T>) {
        if answer.as_ref().is_err_and(redis::RedisError::is_timeout) {
            self.end = End::TimedOut;
            return;
        }
        self.end = End::Answered;
        let mut state = self.of.0.lock();
        if state.number == self.number {
            state.silent = 0;
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Drop for Call<C> {
    fn drop(&mut self) {
        let is_silence = match self.end {
            End::Answered => false,
            End::TimedOut => true,
            End::GivenUp => self.began.elapsed() >= SHORTEST,
        };
        if !is_silence {
            return;
        }
        let mut state = self.of.0.lock();
        if state.number != self.number {
            return;
        }
        state.silent = state.silent.saturating_add(1);
        let is_soon = state.renewed.is_some_and(|renewed| renewed.elapsed() < PAUSE);
        if state.silent < MOST_SILENT || state.is_renewing || is_soon {
            return;
        }
        // Without a runtime nobody waits for an answer.
        if let Ok(runtime) = Handle::try_current() {
            state.is_renewing = true;
            drop(runtime.spawn(renew(Renewing(Arc::clone(&self.of.0)))));
        }
    }
}

/// A renewal. It ends also where its task is given up, or panics.
struct Renewing<C>(Arc<Inner<C>>);

impl<C> Drop for Renewing<C> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_renewing = false;
        state.renewed = Some(Instant::now());
    }
}

/// Goes over to a new connection, if there is one. Else the next call that has no answer tries it once more.
async fn renew<C>(of: Renewing<C>) {
    if let Ok(Ok(connection)) = timeout(CONNECT, (of.0.connect)()).await {
        let mut state = of.0.lock();
        state.connection = connection;
        state.number = state.number.wrapping_add(1);
        state.silent = 0;
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> ConnectionLike for RenewingConnection<C> {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (mut connection, call) = self.call();
            let answer = connection.req_packed_command(cmd).await;
            call.ended(&answer);
            answer
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (mut connection, call) = self.call();
            let answer = connection.req_packed_commands(pipeline, offset, count).await;
            call.ended(&answer);
            answer
        })
    }

    fn get_db(&self) -> i64 {
        self.0.lock().connection.get_db()
    }
}
