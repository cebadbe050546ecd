//! What makes a request stand still in a server, until that is killed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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
}

/// Serves until the process is killed, or the one that started it is gone. The address is written to the output, and each line of
/// the input sets the trap.
pub async fn listen(app: axum::Router, trap: Trap) {
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
