//! What stands between a store and its engine, and goes wrong at one call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is dropped, and the engine does not see the call.
    Drop,
    /// The engine has answered, and the connection is dropped.
    DropAnswer,
    /// Half of the answer comes, then the connection is dropped.
    Cut,
    /// The answer comes late, and in time.
    Slow(Duration),
    /// The answer comes when nobody waits for it any more.
    Late(Duration),
    /// The engine sees the call when nobody waits for it any more.
    Held(Duration),
    /// The call is taken and never answered, and so is what comes over new connections, until all is well again. The connection
    /// stays open and silent for ever.
    Silent,
}

impl Fault {
    /// Whether it takes longer than anybody waits.
    pub const fn is_long(&self) -> bool {
        matches!(self, Self::Late(_) | Self::Held(_) | Self::Silent)
    }
}

/// A way to an engine.
pub struct Proxy {
    pub port: u16,
    state: Arc<State>,
}

struct State {
    engine: u16,
    armed: Mutex<Option<Armed>>,
    /// Whether nothing is answered, over whatever connection.
    is_silent: watch::Sender<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Armed {
    fault: Fault,
    /// How many calls go before it.
    before: usize,
    has_struck: bool,
}

impl Proxy {
    pub async fn start(engine: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State { engine, armed: Mutex::default(), is_silent: watch::Sender::new(false) });
        let of_all = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&of_all).serve(client));
            }
        });
        Self { port, state }
    }

    /// The call after so many others goes wrong.
    pub fn arm(&self, fault: Fault, before: usize) {
        *self.state.armed.lock().unwrap() = Some(Armed { fault, before, has_struck: false });
    }

    /// All is well from now on. Answers whether the fault has struck.
    pub fn heal(&self) -> bool {
        self.state.is_silent.send_replace(false);
        self.state.armed.lock().unwrap().take().is_some_and(|armed| armed.has_struck)
    }

    /// Lets no call and no answer pass from now on, or lets all go on that was held up.
    pub fn hold(&self, is_held: bool) {
        self.state.is_silent.send_replace(is_held);
    }
}

impl State {
    /// Whether this call goes wrong.
    fn strikes(&self) -> Option<Fault> {
        let mut armed = self.armed.lock().unwrap();
        let armed = armed.as_mut().filter(|armed| !armed.has_struck)?;
        if armed.before > 0 {
            armed.before -= 1;
            return None;
        }
        armed.has_struck = true;
        Some(armed.fault)
    }

    async fn is_well(&self) {
        let mut silent = self.is_silent.subscribe();
        let _ = silent.wait_for(|is_silent| !is_silent).await;
    }

    async fn serve(self: Arc<Self>, client: TcpStream) {
        // What comes meanwhile is accepted, and waits.
        self.is_well().await;
        let Ok(engine) = TcpStream::connect(("127.0.0.1", self.engine)).await else { return };
        let _ = (client.set_nodelay(true), engine.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_engine, to_engine) = engine.into_split();
        let (strike, struck) = watch::channel(None);
        // If one of them ends, so does the connection.
        tokio::select! {
            () = self.calls(from_client, to_engine, strike) => {}
            () = self.answers(from_engine, to_client, struck) => {}
        }
    }

    async fn calls(&self, mut client: OwnedReadHalf, mut engine: OwnedWriteHalf, strike: watch::Sender<Option<Fault>>) {
        let mut bytes = vec![0; 1 << 16];
        while let Ok(length @ 1..) = client.read(&mut bytes).await {
            self.is_well().await;
            let fault = self.strikes();
            match fault {
                Some(Fault::Drop) => return,
                Some(Fault::Silent) => {
                    self.is_silent.send_replace(true);
                    std::future::pending::<()>().await;
                }
                Some(Fault::Held(time)) => sleep(time).await,
                Some(fault) => _ = strike.send_replace(Some(fault)),
                None => {}
            }
            if engine.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
        // One that was given up: what it has asked for comes to the engine all the same, as of a client that is gone.
    }

    async fn answers(
        &self,
        mut engine: OwnedReadHalf,
        mut client: OwnedWriteHalf,
        struck: watch::Receiver<Option<Fault>>,
    ) {
        let mut bytes = vec![0; 1 << 16];
        let mut is_known = false;
        while let Ok(length @ 1..) = engine.read(&mut bytes).await {
            self.is_well().await;
            let fault = struck.borrow().filter(|_| !is_known);
            is_known |= fault.is_some();
            let passes = match fault {
                Some(Fault::DropAnswer) => return,
                Some(Fault::Cut) => length / 2,
                Some(Fault::Slow(time) | Fault::Late(time)) => {
                    sleep(time).await;
                    length
                }
                _ => length,
            };
            if client.write_all(&bytes[..passes]).await.is_err() || passes < length {
                return;
            }
        }
    }
}
