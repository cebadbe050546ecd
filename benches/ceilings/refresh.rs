//! Logins that get refresh tokens, and their refreshes, over the stores in memory.

use std::cell::RefCell;
use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use tower::Service as _;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens, RefreshTokenStore as _};
use tower_password_grant::token::Token;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, CredentialVerifier, Grant, IssuedTokens, OpaqueIssuer, PeerAddress, Subject, TokenEndpoint,
    TokenIssuer, Verdict, issue_fn,
};

use super::meter::{ALLOCATOR, Meter};
use super::support::tokens::layer_for;
use super::support::{BASIC, BODY, token_request};

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/it/support/refresh_token.rs"]
mod refresh_token;

pub const REFRESH: &str = "refresh in memory";
pub const LOGIN: &str = "login with a refresh token, one below 100";
pub const LOGIN_AT_CAP: &str = "login with a refresh token, at the cap of 100";

/// Every login is let in: always the same user, or another one each time.
struct Users {
    are_many: bool,
    number: AtomicU32,
}

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, _: Attempt) -> Result<Verdict, BackendError> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        Ok(if self.are_many { Subject::new(format!("user-{number:07}")) } else { Subject::new("user-1") }.into())
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(if self.are_many { Subject::new(login.subject_id().to_owned()) } else { Subject::new("user-1") }.into())
    }
}

/// Users that are all different, or all the same, and that nothing keeps from logging in.
fn endpoint(store: &Arc<MemoryRefreshTokens>, issuer: impl TokenIssuer, are_many: bool) -> TokenEndpoint {
    let users = Users { are_many, number: AtomicU32::new(0) };
    layer_for(users, issuer, Arc::clone(store), PeerAddress::unknown()).endpoint()
}

fn opaque() -> impl TokenIssuer {
    OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()))
}

/// Sends a request and answers the body of the answer, which is ready at once.
fn send(endpoint: &mut TokenEndpoint, request: Request<Full<Bytes>>) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(endpoint.call(request)).poll(&mut cx) else { panic!("no answer at once") };
    assert_eq!(response.status(), StatusCode::OK);
    let mut body = pin!(response.into_body());
    match body.as_mut().poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        _ => panic!("no body"),
    }
}

fn refresh_token_in(body: &Bytes) -> String {
    let text = std::str::from_utf8(body).unwrap();
    let start = text.find("\"rt_").unwrap() + 1;
    text[start..].split('"').next().unwrap().to_owned()
}

fn login() -> Request<Full<Bytes>> {
    token_request(BASIC, BODY, Full::new)
}

fn refresh(token: &str) -> Request<Full<Bytes>> {
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    token_request(BASIC, &form, Full::new)
}

pub fn run(meter: &mut Meter) {
    let store = Arc::new(MemoryRefreshTokens::new());
    let mut service = endpoint(&store, opaque(), false);
    let answer = RefCell::new(send(&mut service, login()));
    let request = || refresh(&refresh_token_in(&answer.borrow()));
    meter.case(REFRESH, request, |request| drop(answer.replace(send(&mut service, request))));

    for (name, is_at_cap) in [(LOGIN, false), (LOGIN_AT_CAP, true)] {
        let store = Arc::new(MemoryRefreshTokens::new());
        let mut service = endpoint(&store, opaque(), false);
        let answer = RefCell::new(Bytes::new());
        for _ in 0..100 {
            answer.replace(send(&mut service, login()));
        }
        let request = || {
            if !is_at_cap {
                // The one before has logged out.
                let family = refresh_token::family_of(&refresh_token_in(&answer.borrow()));
                let Poll::Ready(Ok(true)) =
                    pin!(store.revoke_family(family)).poll(&mut Context::from_waker(Waker::noop()))
                else {
                    panic!("it was not there");
                };
            }
            login()
        };
        meter.case(name, request, |request| drop(answer.replace(send(&mut service, request))));
    }
}

/// The most bytes that a session holds in the store, on average, over numbers of sessions around those at which tables grow.
pub fn bytes_of_a_session() -> f64 {
    let store = Arc::new(MemoryRefreshTokens::new());
    // Access tokens are kept elsewhere, or nowhere.
    let issuer =
        issue_fn(|grant: Grant| async move { Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime())) });
    let mut service = endpoint(&store, issuer, true);
    let held = || {
        let stats = ALLOCATOR.stats();
        stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated)
    };
    // What grows once is there.
    send(&mut service, login());
    let (before, mut most) = (held(), 0.0_f64);
    for number in 1..=40_000 {
        let token = refresh_token_in(&send(&mut service, login()));
        drop(send(&mut service, refresh(&token)));
        drop(token);
        if number >= 5_000 {
            most = most.max(held().saturating_sub(before) as f64 / f64::from(number));
        }
    }
    most
}
