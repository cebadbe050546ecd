//! Whole requests through the layer, in each of its three mounts: no panic, every answer passes the assertions that all
//! tests share, nothing is verified without a charge, and what passes through arrives as it was sent.
//!
//! The input is a request as text: `METHOD target`, header lines, an empty line, the body. Three headers steer the
//! harness: `x-mount` (`forward`, `leaf`), `x-frames` (bytes in each frame of the body) and `x-version` (`2`).
#![no_main]

use std::cell::Cell;
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, OpaqueIssuer,
    PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients, Subject, Verdict,
};
use tower_password_grant::client::{AuthRequest, ClientAuthMethod};
use tower_password_grant::limiter::{
    AttackProtection, AttemptKey, AttemptLimiter, BegunLock, Guess, Refusal, Reservation, Reserved,
    Limit, Settlement,
};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::store::{MemoryAccessTokens, SecretDigest};
use tower_password_grant::MaybeFuture;
use tower_password_grant::user::{AccountKey, HostCode};

#[path = "../../tests/it/support/auth_method.rs"]
mod auth_method;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/it/support/grants.rs"]
mod grants;
#[path = "../../tests/it/support/shared.rs"]
mod shared;

use auth_method::OwnMethod;
use grants::OwnGrant;

thread_local! {
    static CHARGED: Cell<usize> = const { Cell::new(0) };
    static VERIFIED: Cell<usize> = const { Cell::new(0) };
    static GRANTED: Cell<usize> = const { Cell::new(0) };
}

fn up(counter: &'static std::thread::LocalKey<Cell<usize>>) {
    counter.set(counter.get() + 1);
}

struct Limiter;

impl AttemptLimiter for Limiter {
    fn reserve<'a>(&'a self, key: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::ready(match key.guess {
            Guess::Account { account, .. } if account.as_str() == "locked" => {
                Ok(Reserved::Refused(Refusal::new(Limit::Account, Duration::from_millis(1500))))
            }
            Guess::Client { client_id: "locked" } => {
                Ok(Reserved::Refused(Refusal::new(Limit::ClientAndAddress, Duration::from_millis(1500))))
            }
            Guess::Account { account, .. } if account.as_str() == "unlimited" => {
                Err(BackendError::unavailable("the limiter is down"))
            }
            _ => {
                up(&CHARGED);
                Ok(Reserved::Charged(Reservation::new([0; 32])))
            }
        })
    }

    fn settle(&self, _: Reservation, _: Settlement) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::ready(Ok(None))
    }
}

fn verdict(name: &str, secret: &str) -> Result<Verdict, BackendError> {
    up(&VERIFIED);
    assert!(VERIFIED.get() <= CHARGED.get(), "verified without a charge");
    Ok(match (name, secret) {
        ("alice", "correct horse") => {
            up(&GRANTED);
            Subject::new("user-alice").into()
        }
        ("narrow", _) => Verdict::granted_within(Subject::new("user-narrow"), "write".parse().unwrap()),
        ("custom", _) => Denial::Custom(HostCode::new("company_locked", "").unwrap()).into(),
        ("down", _) => return Err(BackendError::overloaded(Duration::ZERO)),
        ("fault", _) => return Err(BackendError::fault("out of order")),
        ("bob", _) => Denial::Disabled.into(),
        _ => Denial::WrongPassword.into(),
    })
}

struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        assert!((1..=1024).contains(&attempt.username().len()));
        assert!((1..=4096).contains(&attempt.password().expose().len()));
        for text in attempt.fields().flat_map(|(name, value)| [name, value]) {
            assert!(!text.contains(['\0', '\r', '\n']));
        }
        assert!(attempt.scope().is_subset(attempt.client().scopes()));
        verdict(attempt.username(), attempt.password().expose())
    }
}

fn method() -> impl ClientAuthMethod {
    let claim = |request: &AuthRequest<'_>| request.field("client_assertion").map(|_| "pkjwt".to_owned());
    OwnMethod::new("private_key_jwt", "X-Assertion realm=\"api\"", claim, |_, request| {
        assert!(request.field("password").is_none() && request.field("client_secret").is_none());
        MaybeFuture::ready(Ok(request.field("client_assertion") == Some("signed")))
    })
}

fn code() -> OwnGrant {
    let grant = OwnGrant::new("urn:x:code", &["code"], |request| {
        verdict(request.field("username").unwrap_or_default(), request.field("code").unwrap())
    });
    grant.on_account(|request| Some(AccountKey::resolved(request.field("username").unwrap_or("nobody"))))
}

fn layer() -> &'static PasswordGrantLayer {
    static LAYER: OnceLock<PasswordGrantLayer> = OnceLock::new();
    LAYER.get_or_init(|| {
        let full = |client: tower_password_grant::client::ClientBuilder| {
            let client = client.allow_password_grant().allow_grant("urn:x:code").allow_origin("https://app.example");
            client.scopes("read write").default_scope("read").build().unwrap()
        };
        let digest = SecretDigest::of("s3cret");
        let clients = [
            full(Client::confidential("conf", &digest)),
            full(Client::confidential("raw+id", &digest).raw_basic()),
            full(Client::public("pub")),
            full(Client::with_method("pkjwt", "private_key_jwt")),
            Client::public("bare").build().unwrap(),
        ];
        PasswordGrant::builder()
            .clients(StaticClients::new(clients).unwrap())
            .verifier(Users)
            .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new().with_capacity(16).expect("room"))))
            .attack_protection(AttackProtection::new().limiter(Limiter))
            .client_auth_method(method())
            .extension_grant(code())
            .peer_address(PeerAddress::unknown())
            // There is no timer here; bodies are always ready.
            .request_limits(RequestLimits::new().max_body(4096).body_deadline(None).deadline(None))
            .danger(|danger| danger.reveal_custom_denials())
            .build()
            .unwrap()
    })
}

/// A body in frames of a given size, with empty ones between them and trailers at the end.
struct Frames {
    rest: Bytes,
    size: usize,
    empty_next: bool,
    trailers: bool,
}

impl From<Bytes> for Frames {
    fn from(bytes: Bytes) -> Self {
        Self { size: bytes.len().max(1), rest: bytes, empty_next: false, trailers: false }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            let trailers = std::mem::take(&mut self.trailers);
            return Poll::Ready(trailers.then(|| Ok(Frame::trailers(HeaderMap::new()))));
        }
        self.empty_next = !self.empty_next;
        if !self.empty_next {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::new()))));
        }
        let size = self.size.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..100_000 {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
    }
    panic!("the request never ends");
}

/// Reads the input; `None` where `http` itself takes no such request.
fn request(input: &[u8]) -> Option<(Request<Bytes>, usize)> {
    let end = input.windows(2).position(|pair| pair == b"\n\n")?;
    let (head, body) = (&input[..end], &input[end + 2..]);
    let mut lines = head.split(|b| *b == b'\n');
    let (method, target) = std::str::from_utf8(lines.next()?).ok()?.split_once(' ')?;
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    for line in lines {
        let colon = line.iter().position(|b| *b == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    let steer = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let frames = steer("x-frames").and_then(|size| size.parse().ok()).unwrap_or(usize::MAX).max(1);
    if steer("x-version") == Some("2") {
        *request.version_mut() = Version::HTTP_2;
    }
    Some((request, frames))
}

fuzz_target!(|input: &[u8]| {
    let Some((request, size)) = request(input) else { return };
    let (head, sent) = request.into_parts();
    let mount = head.headers.get("x-mount").map_or("layer".to_owned(), |value| format!("{value:?}"));
    let head_only = head.method == Method::HEAD;
    let body = Frames { rest: sent.clone(), size, empty_next: false, trailers: true };
    let request = Request::from_parts(head, body);
    for counter in [&CHARGED, &VERIFIED, &GRANTED] {
        counter.set(0);
    }

    let inner = service_fn(|request: Request<Frames>| async {
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok::<_, Infallible>(Response::builder().header("x-inner", "yes").body(Full::new(body)).unwrap())
    });
    let (parts, body) = run(async {
        match mount.as_str() {
            "\"leaf\"" => whole(layer().endpoint().oneshot(request).await.unwrap()).await,
            "\"forward\"" => {
                let layer = layer().clone().forward_other_grants(Frames::from);
                whole(layer.layer(inner).oneshot(request).await.unwrap()).await
            }
            _ => whole(layer().layer(inner).oneshot(request).await.unwrap()).await,
        }
    });
    if parts.headers.contains_key("x-inner") {
        assert_eq!(body, sent);
        assert_eq!((CHARGED.get(), VERIFIED.get()), (0, 0));
        return;
    }
    shared::assert_shared(shared::Judged::ByDefault, parts.status, &parts.headers, &body, head_only);
    assert!(VERIFIED.get() <= 1);
    if parts.status == StatusCode::OK {
        assert_eq!(VERIFIED.get(), 1);
    }
    if GRANTED.get() == 1 {
        assert_eq!(parts.status, StatusCode::OK);
    }
});

async fn whole<B: Body<Data = Bytes, Error: std::fmt::Debug>>(
    response: Response<B>,
) -> (http::response::Parts, Bytes) {
    let (parts, body) = response.into_parts();
    (parts, body.collect().await.unwrap().to_bytes())
}
