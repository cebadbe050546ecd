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
/// How long a new connection may take.
const CONNECT: Duration = Duration::from_secs(10);

type Connecting<C> = Pin<Box<dyn Future<Output = RedisResult<C>> + Send>>;

/// A connection that is made anew when it does not answer any more, though it is open.
///
/// A `ConnectionManager` connects again when its connection was closed. One that stays open and silent it keeps, and all calls with it,
/// until the system gives it up: after a quarter of an hour where a machine has vanished, never where something in between goes on to
/// take what is sent. So after two calls in a row that got no answer in time this one makes another connection beside it, and
/// goes over to that. In time means the store's deadline, or the time-out of the connection if that is shorter. A call that is given
/// up within 100 ms does not count, so keep both above that.
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
        let state = State { connection, number: 0, silent: 0, is_renewing: false };
        Ok(Self(Arc::new(Inner { connect, state: Mutex::new(state) })))
    }

    /// The connection of a call that begins now.
    fn call(&self) -> (C, Call<C>) {
        let state = self.0.lock();
        let call = Call { of: self.clone(), number: state.number, began: Instant::now(), is_over: false };
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
    is_over: bool,
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Call<C> {
    fn ended<T>(mut self, answer: &RedisResult<T>) {
        if answer.as_ref().is_err_and(redis::RedisError::is_timeout) {
            return;
        }
        self.is_over = true;
        let mut state = self.of.0.lock();
        if state.number == self.number {
            state.silent = 0;
        }
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Drop for Call<C> {
    fn drop(&mut self) {
        if self.is_over || self.began.elapsed() < SHORTEST {
            return;
        }
        let mut state = self.of.0.lock();
        if state.number != self.number {
            return;
        }
        state.silent = state.silent.saturating_add(1);
        if state.silent < MOST_SILENT || state.is_renewing {
            return;
        }
        // Without a runtime nobody waits for an answer.
        if let Ok(runtime) = Handle::try_current() {
            state.is_renewing = true;
            drop(runtime.spawn(renew(Arc::clone(&self.of.0))));
        }
    }
}

/// Goes over to a new connection, if there is one.
async fn renew<C>(of: Arc<Inner<C>>) {
    let made = timeout(CONNECT, (of.connect)()).await;
    let mut state = of.lock();
    state.is_renewing = false;
    // Else the next call that has no answer tries it once more.
    if let Ok(Ok(connection)) = made {
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
