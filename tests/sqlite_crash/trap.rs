//! What makes a request stand still in a server, until that is killed.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use tower_password_grant::mount::TrustedProxies;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::{PasswordGrantLayer, PeerAddress};

/// The step at which a request stands still for ever.
#[derive(Clone, Default)]
pub struct Trap(Arc<AtomicUsize>);

impl Trap {
    pub fn is_set_at(&self, step: usize) -> bool {
        self.0.load(Ordering::SeqCst) == step
    }

    pub async fn pass(&self, step: usize) {
        if self.is_set_at(step) {
            println!("standing");
            std::future::pending::<()>().await;
        }
    }

    /// Stands still at this step while a write is on its way: another transaction over the file keeps it waiting.
    pub async fn hold_up<T>(&self, step: usize, file: &Path, write: impl Future) -> T {
        let _other = begin(file);
        tokio::select! {
            _ = write => panic!("nothing held the write up"),
            () = self.pass(step) => panic!("the trap is not set"),
        }
    }

    /// Stands still while a write is being committed: it has waited for another transaction, and waits no more.
    pub async fn let_commit<T>(
        &self,
        store: &SqliteStore,
        file: &Path,
        write: impl Future<Output: Send + 'static> + Send + 'static,
    ) -> T {
        let other = begin(file);
        let writing = tokio::spawn(write);
        while store.stats().waiting > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(other);
        println!("standing");
        let _ = writing.await;
        std::future::pending().await
    }
}

/// A transaction of another connection, which keeps writers waiting until it is dropped.
fn begin(file: &Path) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

/// Each sender has an address of its own, so that none spends another's budgets.
pub fn senders() -> PeerAddress {
    PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip()))
        .behind(TrustedProxies::x_forwarded_for(["127.0.0.1/32".parse().unwrap()]))
}

/// Serves until the process is killed, or the one that started it is gone. The address is written to the output, and each line of
/// the input sets the trap. `last` is the step before an answer goes out.
pub async fn serve(layer: PasswordGrantLayer, trap: Trap, last: usize) {
    let before_answer = trap.clone();
    let app = Router::new().layer(layer).layer(from_fn(move |request: Request, next: Next| {
        let trap = before_answer.clone();
        async move {
            let response = next.run(request).await;
            trap.pass(last).await;
            response
        }
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            trap.0.store(line.parse().unwrap(), Ordering::SeqCst);
            println!("set");
        }
        std::process::exit(1);
    });
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
}
