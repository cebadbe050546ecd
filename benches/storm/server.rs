//! The server: prints its port and its idle memory, and at its end what it did.

use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::net::TcpSocket;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::mount::TrustedProxies;
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::{Client, OpaqueIssuer, Password, PasswordGrant, PeerAddress, StaticClients};

use super::seen::Figures;
use super::users::Everybody;

fn memory_mib(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).map_or(f64::NAN, |kib: f64| kib / 1024.0)
}

/// Prints its port and its idle memory, serves until its standard input ends, and prints what it did. `reserved` is the percentage
/// of the hashing queue for known addresses, if it is not the default.
pub fn serve(reserved: Option<u8>) {
    let hash = Argon2Parameters::default().hash_blocking(&Password::new("correct".to_owned())).unwrap();
    let mut verifier = Argon2Verifier::builder(Everybody(hash));
    if let Some(percent) = reserved {
        verifier = verifier.queue_percent_for_known_addresses(percent);
    }
    let verifier = Arc::new(verifier.build().unwrap());
    let client = Client::public("cli").allow_password_grant().scopes("read").default_scope("read").build().unwrap();
    let source = PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip()));
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([client]).unwrap())
        .verifier(Arc::clone(&verifier))
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .peer_address(source.behind(TrustedProxies::x_forwarded_for(["127.0.0.1/32".parse().unwrap()])))
        .build()
        .unwrap();
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1024).unwrap();
    let mut hello = Figures::default();
    hello.set("port", f64::from(listener.local_addr().unwrap().port()));
    hello.set("idle_mib", memory_mib("VmRSS:"));
    hello.print();
    let serving = axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>());
    runtime.spawn(async move { serving.await.unwrap() });
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let stats = verifier.stats();
    let mut bye = Figures::default();
    bye.set("peak_mib", memory_mib("VmHWM:"));
    bye.set("peak_hashes", stats.peak_running as f64);
    bye.set("threads", stats.threads as f64);
    bye.set("queue_millis", stats.capacity as f64 * stats.mean_time.as_secs_f64() * 1e3 / stats.threads as f64);
    bye.set("panicked", stats.panicked as f64);
    bye.print();
}
