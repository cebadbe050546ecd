//! Each refusal that no password and no lock has to do with: status, code, sentence and headers.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::Full;
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::{AuthRequest, Sunset};
use tower_password_grant::mount::{Profile, RequestLimits, TransportSecurity};
use tower_password_grant::user::{Finding, OnLeak, Shield};
use tower_password_grant::{BackendError, Client, Password, PeerAddress, StaticClients, Subject, verify_fn};

use super::expect::{assert_refused, auth0};
use crate::support::auth_method::OwnMethod;
use crate::support::tokens::{Tokens, clients};
use crate::support::{
    AUTH, Answer, Fixture, ManualClock, PW, Probe, builder, digest, pw, send_in, token_request, token_request_of,
};

#[track_caller]
fn assert_invalid_request(answer: &Answer, status: u16, sentence: &str, more: &[(&str, &str)]) {
    assert_refused(answer, status, "invalid_request", sentence, more);
}

#[tokio::test]
async fn a_head_that_cannot_be_served_is_400_to_499() {
    let fixture = auth0(|builder| builder.refuse_early_data());
    let get = Request::get("/oauth/token").body(Full::<Bytes>::default()).unwrap();
    assert_invalid_request(&fixture.send(get).await, 405, "only POST is answered here", &[("allow", "POST, OPTIONS")]);
    let early = fixture.token(&[AUTH[0], ("early-data", "1")], PW).await;
    assert_invalid_request(&early, 425, "send the request again after the TLS handshake", &[]);
    let text = fixture.token(&[AUTH[0], ("content-type", "text/plain")], PW).await;
    let types = "the body must be application/json or application/x-www-form-urlencoded, in UTF-8";
    let accepted = text.header("accept-post").unwrap().to_owned();
    assert_invalid_request(&text, 400, types, &[("accept-post", &accepted)]);
    assert!(["application/json", "application/x-www-form-urlencoded"].iter().all(|name| accepted.contains(name)));
    let packed = fixture.token(&[AUTH[0], ("content-encoding", "gzip")], PW).await;
    assert_invalid_request(&packed, 415, "the body must not be compressed", &[("accept-encoding", "identity")]);
    let query = token_request_of(Full::new(Bytes::from_static(PW.as_bytes())));
    let (mut head, body) = query.into_parts();
    head.uri = "/oauth/token?password=x".parse().unwrap();
    let query = fixture.send(Request::from_parts(head, body)).await;
    assert_invalid_request(&query, 400, "credentials belong in the body, never in the query", &[]);
    let page = [AUTH[0], ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let foreign = fixture.token(&page, PW).await;
    assert_invalid_request(&foreign, 400, "this origin may not use the token endpoint", &[("vary", "origin")]);
    let plain = auth0(|builder| builder.transport_security(TransportSecurity::marked())).token(AUTH, PW).await;
    assert_invalid_request(&plain, 400, "the request did not come over TLS", &[]);
}

/// A body that never comes.
struct Never;

impl Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_read_is_400_to_499() {
    let fixture = auth0(|builder| builder.request_limits(RequestLimits::new().max_body(200)));
    let close = [("connection", "close")];
    let large = fixture.token(AUTH, &pw(&"x".repeat(200))).await;
    assert_invalid_request(&large, 413, "the body is too large", &close);
    let late = fixture.send(token_request_of(Never)).await;
    assert_invalid_request(&late, 408, "the body did not arrive in time", &close);
    for broken in ["a=%zz", "a=%ff", "username=%0a", "re%61lm=x&%ff"] {
        assert_invalid_request(&fixture.token(AUTH, &pw(broken)).await, 400, "the request is malformed", &[]);
    }
    let twice = fixture.token(AUTH, &pw("username=bob")).await;
    assert_invalid_request(&twice, 400, "a parameter is repeated", &[]);
    let both = fixture.token(AUTH, &pw("client_id=conf&client_secret=s3cret")).await;
    assert_invalid_request(&both, 400, "more than one way of client authentication", &[]);
}

#[tokio::test]
async fn a_scope_that_breaks_the_grammar_is_refused() {
    let answer = auth0(|builder| builder).token(AUTH, &pw("scope=a%5cb")).await;
    let sentence = "the scope is missing, malformed, unknown or not allowed for this client";
    assert_refused(&answer, 400, "invalid_scope", sentence, &[]);
}

#[tokio::test]
async fn a_client_whose_last_day_is_over_may_not_use_the_grant() {
    let clock = ManualClock::new();
    let client = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes("read");
    let client = client.sunset(Sunset::at(ManualClock::start() + Duration::from_secs(60))).build().unwrap();
    let fixture = auth0(|builder| builder.clients(StaticClients::new([client]).unwrap()).clock(clock.clone()));
    clock.advance_secs(60);
    let answer = fixture.token(AUTH, PW).await;
    answer.assert_error(403, "unauthorized_client");
    assert_eq!(answer.json()["error_description"], "Grant type 'password' not allowed for the client.");
}

#[tokio::test]
async fn a_method_of_the_applications_own_has_a_challenge_only_for_the_clients_header() {
    let claim = |request: &AuthRequest<'_>| {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        header.and_then(|value| value.strip_prefix("Own ")).or(request.field("ticket")).map(str::to_owned)
    };
    let own = OwnMethod::new("own", "Own realm=\"keys\"", claim, |_, _| MaybeFuture::ready(Ok(false)));
    let robot = Client::with_method("robot", "own").allow_password_grant().scopes("read").build().unwrap();
    let fixture = auth0(|builder| builder.clients(StaticClients::new([robot]).unwrap()).client_auth_method(own));
    let challenge = [("www-authenticate", "Own realm=\"keys\"")];
    // Refused by the method itself, unknown, and an id that none can have.
    for id in ["robot", "ghost", &*"x".repeat(257)] {
        let by_header = fixture.token(&[("authorization", &format!("Own {id}"))], PW).await;
        assert_refused(&by_header, 401, "access_denied", "Unauthorized", &challenge);
        let by_field = fixture.token(&[], &pw(&format!("ticket={id}"))).await;
        assert_refused(&by_field, 401, "access_denied", "Unauthorized", &[]);
        // The endpoint leaves the header to the method, which does not say that it left it, too.
        let foreign = fixture.token(&[("authorization", "Bearer abc")], &pw(&format!("ticket={id}"))).await;
        assert_refused(&foreign, 401, "access_denied", "Unauthorized", &challenge);
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_revoked_is_400() {
    let known = Tokens::of(Profile::Auth0, clients(), |builder| builder);
    known.revoke("conf", "x").await.assert_empty_ok();
    // An endpoint that knows no tokens revokes none.
    let leaf = auth0(|builder| builder).layer.revocation_endpoint();
    let mut request = token_request(AUTH, "token=x");
    request.extensions_mut().insert(std::net::SocketAddr::from(([192, 0, 2, 1], 4711)));
    let (head, body) = tower::ServiceExt::oneshot(leaf, request).await.unwrap().into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    let answer = Answer { status: head.status, headers: head.headers, body, head_only: false };
    let sentence = "tokens of this type cannot be revoked here";
    assert_refused(&answer, 400, "unsupported_token_type", sentence, &[]);
}

/// Knows every password.
struct Leaks;

#[async_trait]
impl Shield for Leaks {
    async fn inspect(&self, _: &Password, _: &Subject) -> Result<Finding, BackendError> {
        Ok(Finding::Leaked)
    }
}

#[tokio::test]
async fn a_leaked_password_is_401_without_a_challenge_though_the_client_has_a_header() {
    let answer = auth0(|builder| builder.shield(Leaks, OnLeak::Block)).token(AUTH, PW).await;
    let sentence = "This password is known from a leak. Set a new one.";
    assert_refused(&answer, 401, "password_leaked", sentence, &[]);
}

#[tokio::test]
async fn what_the_server_fails_with_is_500_or_503() {
    let failing = async |error: fn() -> BackendError| {
        let verifier = verify_fn(move |_| async move { Err(error()) });
        let layer = builder(&Probe::default()).verifier(verifier).profile(Profile::Auth0).build().unwrap();
        send_in(Profile::Auth0, &layer, token_request(AUTH, PW)).await
    };
    let away = failing(|| BackendError::unavailable("down")).await;
    let later = "the server is not available now, try again later";
    assert_refused(&away, 503, "temporarily_unavailable", later, &[("retry-after", "5")]);
    let broken = failing(|| BackendError::fault("broken")).await;
    assert_refused(&broken, 500, "server_error", "the server could not process the request", &[]);
    let nowhere: Fixture = auth0(|builder| builder.peer_address(PeerAddress::extension(|_: &Infallible| None)));
    let answer = nowhere.token(AUTH, PW).await;
    assert_refused(&answer, 500, "server_error", "the server could not process the request", &[]);
}
