//! Without sockets: the whole endpoint, called in this thread. What is compared here is far smaller than the noise of a
//! connection.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use axum::extract::ConnectInfo;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tower::Service as _;
use tower_password_grant::TokenEndpoint;
use tower_password_grant::mount::{NoInner, ResponseBody};

type Answer = Response<ResponseBody<NoInner>>;

pub fn request(form: String) -> Request<Full<Bytes>> {
    let length = form.len();
    let mut request = Request::post("/token")
        .header("host", "localhost")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("content-length", length)
        .body(Full::new(Bytes::from(form)))
        .unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from((Ipv4Addr::LOCALHOST, 4711))));
    request
}

/// Nanoseconds to the answer. It is asked for over and over: to be woken takes longer than a small hash. Must be called
/// within a runtime, for the timers of the endpoint's deadlines.
pub fn time(endpoint: &mut TokenEndpoint, request: Request<Full<Bytes>>) -> (f64, Answer) {
    let mut context = Context::from_waker(Waker::noop());
    let start = Instant::now();
    let mut answer = pin!(endpoint.call(request));
    loop {
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut context) {
            let nanos = start.elapsed().as_nanos() as f64;
            return (nanos, answer.unwrap());
        }
        std::hint::spin_loop();
    }
}

/// The text of an answer.
pub fn text(answer: Answer) -> String {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(answer.into_body().collect()).poll(&mut context) {
        Poll::Ready(Ok(body)) => String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("the endpoint's own bodies are there at once"),
    }
}

/// A runtime to be within; nothing runs on it.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
