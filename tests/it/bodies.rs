//! Bodies that are slow, endless or broken: bounded time, bounded memory, and no thread held (HT-17, HT-18).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::mount::RequestLimits;

use crate::support::{self, CONF, Fixture, PW, spawn};

type Next = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> + Send>;

/// A body whose frames come from a function.
struct Scripted(Next);

impl Scripted {
    fn new(
        next: impl FnMut(&mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> + Send + 'static,
    ) -> Self {
        Self(Box::new(next))
    }

    /// Frames that are all there.
    fn frames(frames: Vec<Result<Frame<Bytes>, &'static str>>) -> Self {
        let mut frames = frames.into_iter();
        Self::new(move |_| Poll::Ready(frames.next()))
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        (self.0)(cx)
    }
}

fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

async fn send(fixture: &Fixture, body: Scripted) -> support::Answer {
    let request = support::token_request_of(body);
    let inner =
        service_fn(|_: Request<Scripted>| async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) });
    let (parts, body) = fixture.layer.layer(inner).oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer = support::Answer { status: parts.status, headers: parts.headers, body, head_only: false };
    answer.assert_shared();
    answer
}

fn deadline(limit: Duration) -> Fixture {
    Fixture::with(|builder| builder.request_limits(RequestLimits::new().body_deadline(Some(limit))))
}

#[tokio::test]
async fn endless_small_frames_are_413_as_soon_as_they_pass_the_limit() {
    let fixture = Fixture::new();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    let body = Scripted::new(move |_| {
        count.fetch_add(1, SeqCst);
        Poll::Ready(Some(data("a")))
    });
    let answer = send(&fixture, body).await;
    answer.assert_error(413, "invalid_request");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(taken.load(SeqCst), 32 * 1024 + 1);
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn one_frame_beyond_the_limit_is_413_without_being_copied() {
    let fixture = Fixture::with(|builder| builder.request_limits(RequestLimits::new().max_body(16)));
    send(&fixture, Scripted::frames(vec![data("0123456789"), data("0123456")]))
        .await
        .assert_error(413, "invalid_request");
    send(&fixture, Scripted::frames(vec![data("0123456789abcdefg")])).await.assert_error(413, "invalid_request");
}

#[tokio::test(flavor = "current_thread")]
async fn endless_empty_frames_end_at_the_deadline_and_let_other_tasks_run() {
    let fixture = deadline(Duration::from_millis(100));
    let turns = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&turns);
    let other = spawn(async move {
        loop {
            count.fetch_add(1, SeqCst);
            tokio::task::yield_now().await;
        }
    });
    let answer = send(&fixture, Scripted::new(|_| Poll::Ready(Some(data(""))))).await;
    answer.assert_error(408, "invalid_request");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(turns.load(SeqCst) > 10, "the other task had {} turns", turns.load(SeqCst));
    other.abort();
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_is_408_at_the_deadline_and_not_later_ht_17() {
    let fixture = deadline(Duration::from_secs(3));
    let mut timer = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
    let body = Scripted::new(move |cx| {
        ready!(timer.as_mut().poll(cx));
        timer = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
        Poll::Ready(Some(data("a")))
    });
    let start = Instant::now();
    send(&fixture, body).await.assert_error(408, "invalid_request");
    let took = start.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_millis(3100)).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_408_ht_17() {
    let start = Instant::now();
    let answer = send(&Fixture::new(), Scripted::new(|_| Poll::Pending)).await;
    answer.assert_error(408, "invalid_request");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400_and_never_counts_as_a_request_ht_18() {
    let fixture = Fixture::new();
    for frames in [vec![Err("reset")], vec![data(PW), Err("reset")], vec![data("grant_type=pass"), Err("reset")]] {
        send(&fixture, Scripted::frames(frames)).await.assert_error(400, "invalid_request");
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn trailers_are_ignored_and_alone_they_are_an_empty_body_ht_16() {
    let fixture = Fixture::new();
    let trailers = || {
        let mut trailers = HeaderMap::new();
        trailers.insert("authorization", CONF.parse().unwrap());
        Ok(Frame::trailers(trailers))
    };
    send(&fixture, Scripted::frames(vec![trailers()])).await.assert_error(400, "invalid_request");
    assert_eq!(fixture.probe.calls(), 0);
    send(&fixture, Scripted::frames(vec![data(PW), trailers()])).await.assert_ok();
    assert_eq!(send(&fixture, Scripted::frames(vec![data(PW)])).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "current_thread")]
async fn many_slow_bodies_hold_up_nobody_else() {
    let fixture = deadline(Duration::from_secs(30));
    let mut slow = Vec::new();
    for _ in 0..200 {
        let fixture = fixture.clone();
        slow.push(spawn(async move { send(&fixture, Scripted::new(|_| Poll::Pending)).await.status }));
    }
    tokio::task::yield_now().await;
    for _ in 0..20 {
        send(&fixture, Scripted::frames(vec![data(PW)])).await.assert_ok();
    }
    assert!(slow.iter().all(|task| !task.is_finished()));
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}
