//! The servers, each in a process of its own.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::get;
use axum::{Router, ServiceExt};
use tokio::net::TcpListener;
use tower::layer::layer_fn;
use tower::{Layer as _, Service};

use super::support::plain_layer::PlainEndpoint;
use super::support::{handler, library};

/// The argument that makes this program a server.
pub const CHILD: &str = "--serve";

#[derive(Clone, Copy)]
pub enum Variant {
    Library,
    PlainLayer,
    Handler,
    PlainAround,
}

impl Variant {
    pub const ALL: [Self; 4] = [Self::Library, Self::PlainLayer, Self::Handler, Self::PlainAround];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|variant| variant.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::PlainLayer => "plain-layer",
            Self::Handler => "handler",
            Self::PlainAround => "plain-around",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Library => "this layer around an axum router",
            Self::PlainLayer => "a hand-written layer by Router::layer",
            Self::Handler => "a hand-written axum handler",
            Self::PlainAround => "the hand-written layer around it",
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
        match variant {
            // As the manual mounts it.
            Variant::Library => serve(listener, library::layer(10).with_body(Body::from).layer(others)).await,
            Variant::PlainLayer => serve(listener, others.layer(layer_fn(|inner| PlainEndpoint { inner }))).await,
            Variant::Handler => serve(listener, others.merge(handler::router())).await,
            Variant::PlainAround => serve(listener, PlainEndpoint { inner: others }).await,
        }
    });
}

async fn serve<S>(listener: TcpListener, service: S)
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    axum::serve(listener, service).await.unwrap();
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
