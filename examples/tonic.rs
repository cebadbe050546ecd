//! The token endpoint beside gRPC services on one port: gRPC over HTTP/2, tokens over HTTP/1.1 and HTTP/2. One service is
//! open to all, the other asks for an access token.
//!
//! ```sh
//! cargo run --example tonic --no-default-features --features argon2
//! ```
//!
//! Its commands do with `curl`. With grpcurl:
//!
//! ```sh
//! grpcurl -plaintext -import-path examples/demo -proto account.proto \
//!     -H "authorization: Bearer $access" 127.0.0.1:8080 demo.Account/WhoAmI
//! ```

mod demo;

/// What `tonic-prost-build` makes of `account.proto`.
#[path = "demo/account.rs"]
#[allow(dead_code, missing_docs, unreachable_pub)]
mod account;

use std::process::ExitCode;

use account::account_server::{Account, AccountServer};
use account::{WhoAmIReply, WhoAmIRequest};
use async_trait::async_trait;
use demo::commands::Commands;
use demo::{Demo, Error, start};
use tonic::service::LayerExt as _;
use tonic::transport::Server;
use tonic::transport::server::{TcpConnectInfo, TcpIncoming};
use tonic::{Request, Response, Status};
use tower_password_grant::PeerAddress;
use tower_password_grant::bearer::Principal;

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let listener = start::listen().await?;
    let address = listener.local_addr()?;
    // tonic puts the address of the peer into each request by itself.
    let peer = |info: &TcpConnectInfo| info.remote_addr().map(|address| address.ip());
    let demo = Demo::in_memory(address, PeerAddress::extension(peer))?;

    // Load balancers ask for the health, and have no token.
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("demo.Account", tonic_health::ServingStatus::Serving).await;
    // A gRPC service takes requests of every method for calls, also what looks like a browser's preflight request.
    let account = demo.guard.require_scope("read")?.refuse_preflight().named_layer(AccountServer::new(WhoAmI));

    let commands = Commands::begin(address, "everything is kept in memory: a restart forgets it");
    commands.login();
    commands.grpc();
    commands.refresh();
    commands.revoke();
    commands.failures();
    commands.end();
    Server::builder()
        // Without this, tonic closes HTTP/1.1 connections without an answer, and most OAuth clients speak nothing else.
        .accept_http1(true)
        .layer(demo.layer.clone())
        .add_service(health)
        .add_service(account)
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}

/// Behind the guard: each request that comes here has a principal.
struct WhoAmI;

#[async_trait]
impl Account for WhoAmI {
    async fn who_am_i(&self, request: Request<WhoAmIRequest>) -> Result<Response<WhoAmIReply>, Status> {
        let caller = request.extensions().get::<Principal>();
        let caller = caller.ok_or_else(|| Status::internal("there is no guard before this service"))?;
        Ok(Response::new(WhoAmIReply {
            subject: caller.subject_id().to_owned(),
            client_id: caller.client().to_string(),
            scope: caller.scope().to_string(),
        }))
    }
}
