//! The token endpoint in front of a plain hyper service, over HTTP/1.1 and HTTP/2.
//!
//! ```sh
//! cargo run --example hyper --no-default-features --features argon2
//! ```

mod demo;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use demo::commands::Commands;
use demo::{Demo, Error, start};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tower::{ServiceBuilder, service_fn};
use tower_password_grant::PeerAddress;

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    // hyper does not pass the address of the peer on: the loop below puts it into each request.
    let listener = start::listen().await?;
    let address = listener.local_addr()?;
    let demo = Demo::in_memory(address, PeerAddress::socket_addr())?;
    let commands = Commands::begin(address, "everything is kept in memory: a restart forgets it");
    commands.login();
    commands.refresh();
    commands.revoke();
    commands.failures();
    commands.end();

    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
    server.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(30));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: connections that end make room.
                eprintln!("cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let service = ServiceBuilder::new()
            .map_request(move |request| with_peer(request, peer))
            .layer(demo.layer.clone())
            .service(service_fn(hello));
        let server = server.clone();
        tokio::spawn(async move {
            let connection = server.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            if let Err(error) = connection.await {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

fn with_peer(mut request: Request<Incoming>, peer: SocketAddr) -> Request<Incoming> {
    request.extensions_mut().insert(peer);
    request
}

/// Everything that is not the token endpoint.
async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(Bytes::from_static(b"hello"))))
}
