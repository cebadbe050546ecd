//! The three servers, each in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower::layer::layer_fn;

use super::support::plain_layer::PlainEndpoint;
use super::support::{handler, library};

/// The argument that makes this program a server.
pub const CHILD: &str = "--serve";

#[derive(Clone, Copy)]
pub enum Variant {
    Library,
    PlainLayer,
    Handler,
}

impl Variant {
    pub const ALL: [Self; 3] = [Self::Library, Self::PlainLayer, Self::Handler];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::PlainLayer => "plain-layer",
            Self::Handler => "handler",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Library => "this layer around an axum router",
            Self::PlainLayer => "a hand-written layer around it",
            Self::Handler => "a hand-written axum handler",
        }
    }
}

/// Serves until it is killed or its parent is gone. The first line that it prints is its address.
pub fn run(variant: Variant) {
    std::thread::spawn(|| {
        // The parent never writes: this ends with it.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let others = Router::new().route("/", get(|| async { "hello" }));
        // As an application mounts a layer; both pay the same for it.
        let app = match variant {
            Variant::Library => others.layer(library::layer(10)),
            Variant::PlainLayer => others.layer(layer_fn(|inner| PlainEndpoint { inner })),
            Variant::Handler => others.merge(handler::router()),
        };
        axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
    });
}

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(variant: Variant) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .args([CHILD, variant.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be run again");
        super::load::pin(child.id(), 0);
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().parse().expect("a server prints its address first");
        Self { child, address }
    }

    /// The nanoseconds that the server's only thread has run, in its own code and in the kernel.
    pub fn cpu_nanos(&self) -> u64 {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("schedstat begins with a time")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
