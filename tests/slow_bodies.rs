//! Thousands of bodies that come byte by byte hold little memory, while they last and when they end. Alone in its file,
//! because it counts what the whole process holds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::arithmetic_side_effects, missing_docs)]

#[allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "most of it is for other tests"
)]
#[path = "it/support/mod.rs"]
mod support;

use std::alloc::System;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::server::{Connection, Server};
use support::{CONF, Fixture};
use tokio::sync::Mutex;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::limiter::{AttackProtection, RequestCeiling};
use tower_password_grant::mount::RequestLimits;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One test at a time: each counts for the whole process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// The default limit of the builder, which a request may announce.
const LIMIT: usize = 32 * 1024;
/// The most bytes that a body of a few bytes may hold.
const HELD: usize = 1024;
/// What other things of the process may take meanwhile.
const SLACK: usize = 8 << 20;

fn live() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
}

/// The memory that the process has, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// A body of single bytes, as many as its sender let through so far.
struct Slow {
    sent: Arc<AtomicUsize>,
    taken: usize,
    declared: Option<usize>,
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.taken == self.sent.load(SeqCst) {
            return Poll::Pending;
        }
        self.taken += 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"a")))))
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.declared.map(|length| (length - self.taken) as u64);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// As if each request came from an address of its own.
fn patient() -> Fixture {
    Fixture::with(|builder| {
        builder
            .request_limits(RequestLimits::new().body_deadline(Some(Duration::from_secs(600))))
            .attack_protection(AttackProtection::new().request_ceiling(RequestCeiling::none()))
    })
}

/// What ten thousand requests of this kind hold more while two bytes of each are there, and when they have ended.
async fn ten_thousand(declared: Option<usize>, forwards: bool) {
    const REQUESTS: usize = 10_000;
    let fixture = patient();
    let sent = Arc::new(AtomicUsize::new(0));
    let start = || {
        let body = Slow { sent: Arc::clone(&sent), taken: 0, declared };
        let request = support::token_request_of(body);
        let inner =
            service_fn(|_: Request<Slow>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
        let never = |_| Slow { sent: Arc::default(), taken: 0, declared: None };
        let forwarding = fixture.layer.clone().forward_other_grants(never);
        let answer: Pin<Box<dyn Future<Output = bool>>> = if forwards {
            let answer = forwarding.layer(inner).oneshot(request);
            Box::pin(async { answer.await.is_ok() })
        } else {
            let answer = fixture.layer.layer(inner).oneshot(request);
            Box::pin(async { answer.await.is_ok() })
        };
        answer
    };
    let mut requests: Vec<_> = (0..REQUESTS).map(|_| start()).collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut poll = |requests: &mut Vec<Pin<Box<dyn Future<Output = bool>>>>| {
        for request in requests {
            assert!(request.as_mut().poll(&mut context).is_pending());
        }
    };
    // Nothing has come yet: what a waiting request costs anyway.
    poll(&mut requests);
    let (held, has) = (live(), resident());
    for bytes in [2, 3, 20] {
        sent.store(bytes, SeqCst);
        poll(&mut requests);
        let more = live().saturating_sub(held);
        assert!(more <= REQUESTS * HELD, "{} bytes for each body of {bytes} bytes", more / REQUESTS);
        assert!(more > REQUESTS, "{more} bytes for all: the bodies were not kept");
        let more = resident().saturating_sub(has);
        assert!(more <= REQUESTS * HELD + SLACK, "{} resident KiB for {bytes} bytes of each body", more / 1024);
    }
    // Whatever is overwritten at the end becomes resident by it.
    while !requests.is_empty() {
        requests.truncate(requests.len() - 500);
        let more = resident().saturating_sub(has);
        assert!(more <= REQUESTS * HELD + SLACK, "{} KiB were resident as the bodies ended", more / 1024);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn ten_thousand_slow_bodies_hold_what_they_sent_ht_17() {
    let _alone = ALONE.lock().await;
    // The attack, then one that announces all that it may send, then one whose grant may be somebody else's.
    ten_thousand(None, false).await;
    ten_thousand(Some(LIMIT), false).await;
    ten_thousand(Some(LIMIT), true).await;
}

/// Counts what the endpoint took of all bodies, and how many bodies ended.
#[derive(Default)]
struct Counts {
    polled: AtomicUsize,
    frames: AtomicUsize,
    ended: AtomicUsize,
}

struct Counted {
    body: Incoming,
    counts: Arc<Counts>,
    is_polled: bool,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if !std::mem::replace(&mut self.is_polled, true) {
            self.counts.polled.fetch_add(1, SeqCst);
        }
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(Some(Ok(_)))) {
            self.counts.frames.fetch_add(1, SeqCst);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.counts.ended.fetch_add(1, SeqCst);
    }
}

/// Both ends of as many connections as this process may have, two thousand at most.
fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let files: usize = line.split_whitespace().nth(3).unwrap().parse().unwrap_or(usize::MAX);
    (files.saturating_sub(200) / 2).min(2_000)
}

async fn until(count: &AtomicUsize, goal: usize) {
    let reached = async {
        while count.load(SeqCst) < goal {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(120), reached).await;
    assert!(waited.is_ok(), "{} of {goal}", count.load(SeqCst));
}

/// Two thousand connections send a form byte by byte, each behind this line of the head.
async fn over_sockets(length: &str) {
    let layer = patient().layer;
    let counts = Arc::new(Counts::default());
    let seen = Arc::clone(&counts);
    let endpoint = layer.endpoint();
    let server = Server::serve(service_fn(move |request: Request<Incoming>| {
        let counts = Arc::clone(&seen);
        endpoint.clone().oneshot(request.map(|body| Counted { body, counts, is_polled: false }))
    }))
    .await;
    let chunked = length.starts_with("transfer");
    let byte = if chunked { "1\r\na\r\n" } else { "a" };
    let mut clients = Vec::new();
    for _ in 0..connections() {
        let mut client = Connection::open(server.address).await;
        client
            .write(format!(
                "POST /oauth/token HTTP/1.1\r\nhost: as.example\r\nauthorization: {CONF}\r\n\
                 content-type: application/x-www-form-urlencoded\r\n{length}\r\n\r\n"
            ))
            .await;
        clients.push(client);
    }
    let all = clients.len();
    assert!(all >= 300, "{all} connections are too few to tell anything: raise `ulimit -n`");
    until(&counts.polled, all).await;
    let (held, has) = (live(), resident());
    for round in 1..=3 {
        for client in &mut clients {
            client.write(byte).await;
        }
        until(&counts.frames, round * all).await;
        let more = live().saturating_sub(held);
        assert!(more <= all * HELD, "{} bytes for each body of {round} bytes", more / all);
        let more = resident().saturating_sub(has);
        assert!(more <= all * HELD + SLACK, "{} resident KiB for {all} bodies", more / 1024);
    }
    let mut gone = 0;
    while !clients.is_empty() {
        gone += clients.drain(..clients.len().min(100)).count();
        until(&counts.ended, gone).await;
        let more = resident().saturating_sub(has);
        assert!(more <= all * HELD + SLACK, "{} KiB were resident as {gone} bodies ended", more / 1024);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn two_thousand_connections_of_one_byte_a_time_hold_what_they_sent_ht_17() {
    let _alone = ALONE.lock().await;
    over_sockets("content-length: 32768").await;
    over_sockets("transfer-encoding: chunked").await;
}
