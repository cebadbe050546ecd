//! One clock for everything: given to the endpoint and the guard, it reaches their parts, and a part that goes by another one is
//! told.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::MaybeFuture;
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard};
use tower_password_grant::limiter::{Limits, MemoryLimiter};
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer,
    PeerAddress, StaticClients, TokenIssuer, Verdict,
};

use crate::support::capture::{self, Capture};
use crate::support::protection::counted_by;
use crate::support::{self, ManualClock, PW, Probe, digest, send, token_request};

const HOUR: Duration = Duration::from_secs(3600);

/// The parts that were told to go by another clock.
fn told(capture: &Capture) -> Vec<String> {
    let events = capture.events().into_iter();
    let told = events.filter(|said| said.field("message").is_some_and(|message| message.contains("another clock")));
    told.map(|said| said.field("part").unwrap().to_owned()).collect()
}

fn clients() -> StaticClients {
    let app = Client::public("app").allow_password_grant().scopes("read").default_scope("read");
    let api = Client::confidential("api", &digest("api-pw")).allow_introspection();
    StaticClients::new([app.build().unwrap(), api.build().unwrap()]).unwrap()
}

/// An endpoint that alone was given the clock, over these tokens.
fn endpoint<T: TokenIssuer + AccessTokenVerifier>(clock: &ManualClock, tokens: &Arc<T>) -> PasswordGrantLayer {
    capture::keep_listening();
    PasswordGrant::builder()
        .clients(clients())
        .verifier(Probe::default())
        .issuer(Arc::clone(tokens))
        .access_tokens(Arc::clone(tokens))
        .introspection(IntrospectionEndpoint::at("/introspect"))
        .attack_protection(counted_by(MemoryLimiter::new()))
        .peer_address(PeerAddress::socket_addr())
        .clock(clock.clone())
        .build()
        .unwrap()
}

async fn login(layer: &PasswordGrantLayer) -> String {
    let json = send(layer, token_request(&[], &format!("{PW}&client_id=app"))).await.assert_ok();
    json["access_token"].as_str().unwrap().to_owned()
}

async fn is_active(layer: &PasswordGrantLayer, token: &str) -> bool {
    let authorization = support::basic("api", "api-pw");
    let mut request = token_request(&[("authorization", &authorization)], &format!("token={token}"));
    *request.uri_mut() = "/introspect".parse().unwrap();
    send(layer, request).await.json()["active"] == true
}

async fn status(guard: &BearerGuard, token: &str) -> u16 {
    let inner = service_fn(|_| async { Ok::<_, Infallible>(Response::new(String::new())) });
    let request = Request::get("/").header("authorization", format!("Bearer {token}")).body(String::new()).unwrap();
    guard.layer(inner).oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_clock_that_is_given_to_the_endpoint_is_that_of_its_limiter_its_issuer_and_its_stores() {
    let (clock, tokens) = (ManualClock::new(), Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new())));
    let (capture, _listening) = Capture::listen();
    let layer = endpoint(&clock, &tokens);
    let guard = BearerGuard::builder(tokens).any_audience().clock(clock.clone()).build().unwrap();
    assert_eq!(told(&capture), Vec::<String>::new());

    let token = login(&layer).await;
    // The next one must not push it out of the store as expired.
    login(&layer).await;
    assert!(is_active(&layer, &token).await);
    assert_eq!(status(&guard, &token).await, 200);
    clock.advance(HOUR);
    assert!(!is_active(&layer, &token).await);
    assert_eq!(status(&guard, &token).await, 401);

    let guess = |number: u32| {
        token_request(&[], &format!("grant_type=password&username=alice&password={number}&client_id=app"))
    };
    for number in 0..10 {
        send(&layer, guess(number)).await.assert_error(400, "invalid_grant");
    }
    send(&layer, guess(10)).await.assert_error(429, "too_many_attempts");
    clock.advance(HOUR);
    send(&layer, guess(11)).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_guard_hands_its_clock_to_a_verifier_that_has_none() {
    let (clock, tokens) = (ManualClock::new(), Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new())));
    // The guard is built first, as in an API with its own tokens.
    let guard = BearerGuard::builder(Arc::clone(&tokens)).any_audience().clock(clock.clone()).build().unwrap();
    let layer = endpoint(&clock, &tokens);
    let token = login(&layer).await;
    assert_eq!(status(&guard, &token).await, 200);
    clock.advance(HOUR);
    assert_eq!(status(&guard, &token).await, 401);
}

#[cfg(feature = "jwt")]
#[tokio::test]
async fn signed_tokens_are_issued_and_verified_by_the_clock_that_was_given() {
    use tower_password_grant::jwt::{JwtIssuer, KeySet, SigningAlgorithm, SigningKey};

    capture::keep_listening();
    let clock = ManualClock::new();
    let keys = KeySet::new(SigningKey::generate(SigningAlgorithm::EdDsa).unwrap());
    let issuer = Arc::new(JwtIssuer::new("https://as.example", ["https://api.example"], keys).unwrap());
    let (capture, _listening) = Capture::listen();
    let layer = PasswordGrant::builder()
        .clients(clients())
        .verifier(Probe::default())
        .issuer(Arc::clone(&issuer))
        .peer_address(PeerAddress::socket_addr())
        .clock(clock.clone())
        .build()
        .unwrap();
    // Its clock is the issuer's, which the endpoint gave.
    let guard = BearerGuard::builder(issuer.verifier()).any_audience().clock(clock.clone()).build().unwrap();
    assert_eq!(told(&capture), Vec::<String>::new());
    let token = login(&layer).await;
    assert_eq!(status(&guard, &token).await, 200);
    clock.advance(HOUR);
    assert_eq!(status(&guard, &token).await, 401);
}

#[tokio::test]
async fn a_part_that_goes_by_another_clock_is_told_and_one_with_the_same_time_is_not() {
    capture::keep_listening();
    let clock = ManualClock::new();
    let build = |limiter: MemoryLimiter, tokens: OpaqueIssuer<MemoryAccessTokens>, clock: Option<ManualClock>| {
        let tokens = Arc::new(tokens);
        let (capture, _listening) = Capture::listen();
        let builder = PasswordGrant::builder()
            .clients(clients())
            .verifier(Probe::default())
            .issuer(Arc::clone(&tokens))
            .access_tokens(tokens)
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .attack_protection(counted_by(limiter))
            .peer_address(PeerAddress::socket_addr());
        let builder = match clock {
            Some(clock) => builder.clock(clock),
            None => builder,
        };
        builder.build().unwrap();
        told(&capture)
    };
    let tokens = || OpaqueIssuer::new(MemoryAccessTokens::new());
    let manual = || Some(clock.clone());
    let none = Vec::<String>::new();
    assert_eq!(build(MemoryLimiter::new(), tokens(), None), none);
    assert_eq!(build(MemoryLimiter::new(), tokens(), manual()), none);
    assert_eq!(
        build(MemoryLimiter::new().with_clock(clock.clone()), tokens().with_clock(clock.clone()), manual()),
        none
    );

    let limiter = MemoryLimiter::new().with_clock(clock.clone());
    assert_eq!(build(limiter, tokens(), None), ["the attempt limiter"]);
    let store = MemoryAccessTokens::new().with_clock(tower_password_grant::clock::SystemClock::new());
    let both = ["the issuer", "the verifier of access tokens"];
    assert_eq!(build(MemoryLimiter::new(), OpaqueIssuer::new(store), manual()), both);

    let (capture, _listening) = Capture::listen();
    let tokens = tokens().with_clock(clock.clone());
    BearerGuard::builder(tokens).any_audience().build().unwrap();
    assert_eq!(told(&capture), ["the verifier of access tokens"]);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_database_that_was_opened_with_another_clock_is_told() {
    use tower_password_grant::sqlite::SqliteStore;

    capture::keep_listening();
    let folder = std::env::temp_dir().join(format!("one-clock-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let clock = ManualClock::new();
    let stores = [
        SqliteStore::open(folder.join("system.db")).unwrap(),
        SqliteStore::builder(folder.join("manual.db")).clock(clock.clone()).open().unwrap(),
    ];
    let mut counts = Vec::new();
    for store in &stores {
        let (capture, _listening) = Capture::listen();
        PasswordGrant::builder()
            .clients(clients())
            .verifier(Probe::default())
            .issuer(OpaqueIssuer::new(store.clone()))
            .refresh_tokens(RefreshTokens::in_store(store.clone()))
            .attack_protection(counted_by(store.limiter()))
            .peer_address(PeerAddress::socket_addr())
            .clock(clock.clone())
            .build()
            .unwrap();
        counts.push(told(&capture).len());
    }
    assert_eq!(counts, [3, 0]);
    for store in stores {
        store.close().await;
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// How many seconds pass in a request.
#[derive(Clone, Copy, Default)]
struct Seconds {
    /// Until the body is there.
    body: u64,
    /// In the look-up of the account, which answers at once.
    look_up: u64,
    /// Until the look-up answers.
    answer: u64,
}

/// Denies everybody. The first request passes time.
struct Slow(ManualClock, Mutex<Seconds>);

#[async_trait]
impl CredentialVerifier for Slow {
    async fn verify(&self, _: Attempt) -> Result<Verdict, BackendError> {
        Ok(Denial::WrongPassword.into())
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        let Seconds { look_up, answer, .. } = std::mem::take(&mut *self.1.lock().unwrap());
        self.0.advance_secs(look_up);
        if answer == 0 {
            return MaybeFuture::ready(Ok(AccountKey::canonical(username)));
        }
        MaybeFuture::new(async move {
            self.0.advance_secs(answer);
            Ok(AccountKey::canonical(username))
        })
    }
}

/// A body that comes so many seconds after its head.
struct Later(ManualClock, u64, Option<Bytes>);

impl Body for Later {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let seconds = std::mem::take(&mut self.1);
        if seconds > 0 {
            self.0.advance_secs(seconds);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.2.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[tokio::test]
async fn an_attempt_counts_as_of_the_time_when_its_request_came_or_when_it_was_last_waited_for() {
    for (seconds, locked_at_1000) in [
        (Seconds { look_up: 600, ..Seconds::default() }, None),
        (Seconds { body: 600, ..Seconds::default() }, Some("500")),
        (Seconds { answer: 600, ..Seconds::default() }, Some("500")),
    ] {
        let clock = ManualClock::new();
        let limits = Limits::new().with_budget(1, Duration::from_secs(900));
        let layer = PasswordGrant::builder()
            .clients(clients())
            .verifier(Slow(clock.clone(), Mutex::new(seconds)))
            .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
            .attack_protection(counted_by(MemoryLimiter::new().with_limits(limits)))
            .peer_address(PeerAddress::socket_addr())
            .clock(clock.clone())
            .build()
            .unwrap();
        let guess = |number: u8| format!("grant_type=password&username=alice&password={number}&client_id=app");
        let body = Later(clock.clone(), seconds.body, Some(guess(0).into()));
        send(&layer, token_request(&[], "").map(|_| body)).await.assert_error(400, "invalid_grant");
        clock.advance_secs(400);
        let answer = send(&layer, token_request(&[], &guess(1))).await;
        match locked_at_1000 {
            None => answer.assert_error(400, "invalid_grant"),
            Some(seconds) => {
                answer.assert_error(429, "too_many_attempts");
                assert_eq!(answer.headers["retry-after"], seconds);
            }
        }
    }
}
