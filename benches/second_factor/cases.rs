//! What is measured.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, Service as _, service_fn};
use tower_password_grant::clock::Clock as _;
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::mfa::{Factors, When};
use tower_password_grant::mount::Metadata;
use tower_password_grant::store::{MemoryAccessTokens, MemoryFactors, MemoryRefreshTokens, RefreshTokenStore as _};
use tower_password_grant::testing::ManualClock;
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::{Recheck, SecretKeys};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients,
    Subject, Verdict,
};

use super::meter::Meter;

pub const METER: &str = "the meter itself";
pub const LOGIN_PLAIN: &str = "login, no factors are served";
pub const LOGIN: &str = "login of a user without a factor, where factors are served";
pub const REFRESH: &str = "refresh of a login that has shown a factor";
pub const REQUIRED: &str = "right password, with a factor open";
pub const OTP: &str = "right code of an authenticator app";
pub const WRONG: &str = "wrong code";

/// So that neither a budget nor a time step is used up.
const PAUSE: Duration = Duration::from_secs(16 * 60);

struct Users;

#[async_trait]
impl CredentialVerifier for Users {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(Subject::new(attempt.username().to_owned()).into())
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

type Endpoint = BoxCloneSyncService<Request<Full<Bytes>>, Answered, Infallible>;
type Answered = Response<http_body_util::combinators::BoxBody<Bytes, Infallible>>;

/// An endpoint, with the time that it goes by.
struct Bed {
    endpoint: RefCell<Endpoint>,
    clock: ManualClock,
    logins: Arc<MemoryRefreshTokens>,
}

impl Bed {
    fn new(factors: Option<When>) -> Self {
        let clock = ManualClock::new();
        let logins = Arc::new(MemoryRefreshTokens::new());
        let many = Duration::from_millis(1);
        let limits = Limits::new()
            .with_address_budget(TokenBucket::new(u32::MAX, many))
            .with_account_budget(Lockout::new(u32::MAX, many));
        let access = OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new()));
        let client = Client::public("app").allow_password_grant().allow_refresh_tokens().allow_second_factor();
        let mut builder = PasswordGrant::builder()
            .clients(StaticClients::new([client.scopes("read").default_scope("read").build().unwrap()]).unwrap())
            .verifier(Users)
            .issuer(access.clone())
            .access_tokens(access)
            .refresh_tokens(RefreshTokens::in_store(Arc::clone(&logins)))
            .metadata(Metadata::new("https://as.example"))
            .attack_protection(
                AttackProtection::new()
                    .limiter(MemoryLimiter::new().with_limits(limits))
                    .request_ceiling(RequestCeiling::per_address(u32::MAX, 1_000_000)),
            )
            .clock(clock.clone())
            .peer_address(PeerAddress::unknown());
        if let Some(demand) = factors {
            let keys = SecretKeys::random().unwrap();
            builder = builder.second_factor(Factors::new(MemoryFactors::new(), keys).demand(demand).totp("Bench"));
        }
        let inner = service_fn(|_: Request<Full<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inner")))))
        });
        let service = builder.build().unwrap().layer(inner);
        let endpoint = BoxCloneSyncService::new(tower::util::MapResponse::new(service, |response: Response<_>| {
            response.map(http_body_util::BodyExt::boxed)
        }));
        Self { endpoint: RefCell::new(endpoint), clock, logins }
    }

    /// Sends a request, and answers with the body, which is ready at once.
    fn send(&self, request: Request<Full<Bytes>>, expected: StatusCode) -> Bytes {
        let mut cx = Context::from_waker(Waker::noop());
        let mut endpoint = self.endpoint.borrow_mut();
        assert!(endpoint.poll_ready(&mut cx).is_ready());
        let mut answer = endpoint.call(request);
        let Poll::Ready(Ok(response)) = answer.as_mut().poll(&mut cx) else { panic!("no answer at once") };
        assert_eq!(response.status(), expected);
        let mut body = std::pin::pin!(response.into_body().collect());
        match body.as_mut().poll(&mut cx) {
            Poll::Ready(Ok(body)) => body.to_bytes(),
            _ => panic!("no body at once"),
        }
    }

    fn member(&self, request: Request<Full<Bytes>>, expected: StatusCode, name: &str) -> String {
        let json: Value = serde_json::from_slice(&self.send(request, expected)).unwrap();
        json[name].as_str().unwrap().to_owned()
    }

    /// Ends the logins of this user: with 100 of them each login would end the oldest, which a refresh does not.
    fn log_out(&self, user: &str) {
        let ending = self.logins.revoke_subject(None, user);
        let ended = std::pin::pin!(ending).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(ended, Poll::Ready(Ok(_))));
    }

    /// The `mfa_token` of a login of this user.
    fn open(&self, user: &str) -> String {
        self.member(login(user), StatusCode::FORBIDDEN, "mfa_token")
    }

    /// The code of this secret now.
    fn code(&self, secret: &str) -> String {
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
        totp_rs::Builder::new().with_secret(secret).build().unwrap().generate(now).to_string()
    }

    fn otp(&self, mfa_token: &str, otp: &str) -> Request<Full<Bytes>> {
        let grant = "http%3A%2F%2Fauth0.com%2Foauth%2Fgrant-type%2Fmfa-otp";
        form(&format!("client_id=app&grant_type={grant}&mfa_token={mfa_token}&otp={otp}"))
    }
}

fn form(body: &str) -> Request<Full<Bytes>> {
    request("/oauth/token", "application/x-www-form-urlencoded", body)
}

fn login(user: &str) -> Request<Full<Bytes>> {
    form(&format!("client_id=app&grant_type=password&username={user}&password=A3ddj3w"))
}

fn request(path: &'static str, media_type: &'static str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(Method::POST).uri(path).header("content-type", media_type);
    request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap()
}

pub fn run(meter: &mut Meter) {
    meter.case(METER, || login("pat"), std::mem::forget);
    for (name, factors) in [(LOGIN_PLAIN, None), (LOGIN, Some(When::Enrolled))] {
        let bed = Bed::new(factors);
        meter.case(name, || login("pat"), |request| drop(bed.send(request, StatusCode::OK)));
    }

    let bed = Bed::new(Some(When::Always));
    let mut enrolment = request("/mfa/associate", "application/json", r#"{"authenticator_types":["otp"]}"#);
    let bearer = bed.open("pat");
    enrolment.headers_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    let secret = bed.member(enrolment, StatusCode::OK, "secret");

    // What the answer is read for is not measured, or a refresh would cost more than it does.
    let answer = RefCell::new(bed.send(bed.otp(&bearer, &bed.code(&secret)), StatusCode::OK));
    let refresh = || {
        let json: Value = serde_json::from_slice(&answer.borrow()).unwrap();
        let token = json["refresh_token"].as_str().unwrap();
        form(&format!("client_id=app&grant_type=refresh_token&refresh_token={token}"))
    };
    meter.case(REFRESH, refresh, |request| drop(answer.replace(bed.send(request, StatusCode::OK))));
    meter.case(REQUIRED, || login("pat"), |request| drop(bed.send(request, StatusCode::FORBIDDEN)));
    let right = || {
        bed.log_out("pat");
        bed.clock.advance(PAUSE);
        bed.otp(&bed.open("pat"), &bed.code(&secret))
    };
    meter.case(OTP, right, |request| drop(bed.send(request, StatusCode::OK)));
    let wrong = || {
        // A right one in between begins the codes in a row anew.
        drop(bed.send(right(), StatusCode::OK));
        bed.clock.advance(PAUSE);
        bed.otp(&bed.open("pat"), "none")
    };
    meter.case(WRONG, wrong, |request| drop(bed.send(request, StatusCode::BAD_REQUEST)));
}
