//! The token endpoint beside a gRPC service on one port: gRPC over HTTP/2, tokens over HTTP/1.1 and HTTP/2.
//!
//! ```sh
//! cargo run --example tonic --no-default-features --features argon2
//! ```

mod demo;

use std::net::Ipv4Addr;

use demo::Demo;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tower_password_grant::PeerAddress;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // tonic puts the address of the peer into each request by itself.
    let peer = |info: &TcpConnectInfo| info.remote_addr().map(|address| address.ip());
    let demo = Demo::new(PeerAddress::extension(peer))?;

    // The gRPC service is the standard health service.
    let (health, service) = tonic_health::server::health_reporter();
    health.set_service_status("demo", tonic_health::ServingStatus::Serving).await;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, demo::port()?)).await?;
    demo.print_commands(listener.local_addr()?);
    println!("\nCtrl-C stops it.");
    Server::builder()
        // Without this, tonic closes HTTP/1.1 connections without an answer, and most OAuth clients speak nothing else.
        .accept_http1(true)
        .layer(demo.layer.clone())
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
