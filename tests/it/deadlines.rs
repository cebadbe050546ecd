//! A part that hangs costs a request its own time and not that of the whole: 503 soon, with the part's name for the operator
//! (EM-05, ER-13).

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tower_password_grant::MaybeFuture;
use tower_password_grant::audit::Reason;
use tower_password_grant::bearer::{AccessTokenVerifier, BearerGuard, BearerReason};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::store::{
    AccessTokenRecord, AccessTokenStore, FamilyId, MemoryAccessTokens, MemoryRefreshTokens, NewFamily,
    RefreshTokenStore, Rotation, SecretDigest, StoredFamily,
};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{
    BackendError, ConfigError, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients, Subject, verify_fn,
};

use crate::support::capture::{self, Capture};
use crate::support::faults::{Mode, Switch};
use crate::support::tokens::{Tokens, clients};
use crate::support::world::{CODE, TICKET, World};
use crate::support::{self, Answer, CONF, ManualClock, PW, builder, panics};

/// Not every part goes quietly when it is cut off.
const HANGS: [Mode; 2] = [Mode::Hang, Mode::Stuck];
const ALICE: &[(&str, &str)] = &[("authorization", CONF)];
const WHOLE: Duration = Duration::from_secs(30);
const STORE: Duration = Duration::from_secs(5);
const VERIFIER: Duration = Duration::from_secs(10);

/// An endpoint with the default deadlines.
fn whole() -> World {
    capture::keep_listening();
    World::with(0, Some(WHOLE))
}

/// Answers what happened, and how long it took.
async fn timed<T>(call: impl Future<Output = T>) -> (T, Duration) {
    capture::keep_listening();
    let start = Instant::now();
    let answer = call.await;
    (answer, start.elapsed())
}

#[track_caller]
fn assert_cut_off(answer: &Answer, took: Duration, limit: Duration) {
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!((limit..limit + Duration::from_millis(10)).contains(&took), "{took:?}");
}

/// What the operator sees of the failed request.
fn cause(capture: &Capture) -> String {
    let events = capture.events();
    let said = events.iter().find(|said| said.field("message") == Some("token request failed")).unwrap();
    said.field("cause").unwrap_or_default().to_owned()
}

type Part = fn(&World) -> &Switch;
/// A part, the request that hangs at it, for how long, and what the operator is told.
type Case = (Part, &'static [(&'static str, &'static str)], &'static str, Duration, &'static str);

#[tokio::test(start_paused = true)]
async fn each_part_of_a_login_that_hangs_is_cut_off_in_its_own_time_and_named_er_13() {
    panics::quiet();
    let parts: [Case; 7] = [
        (|world| &world.registry.switch, ALICE, PW, STORE, "the client registry"),
        (|world| &world.ledger.reserve, ALICE, PW, STORE, "the attempt limiter"),
        (|world| &world.users.key, ALICE, PW, STORE, "the user store of the verifier"),
        (|world| &world.issuer.switch, ALICE, PW, STORE, "the issuer"),
        (|world| &world.ticket.verify, &[], TICKET, STORE, "the client authentication method"),
        (|world| &world.users.verify, ALICE, PW, VERIFIER, "the verifier"),
        (|world| &world.code.exchange, ALICE, CODE, VERIFIER, "the extension grant"),
    ];
    for ((part, headers, body, limit, name), mode) in parts.into_iter().flat_map(|part| HANGS.map(|mode| (part, mode)))
    {
        let world = whole();
        let (capture, _listening) = Capture::listen();
        part(&world).set(mode);
        let (answer, took) = timed(world.post(headers, body)).await;
        assert_cut_off(&answer, took, limit);
        assert_eq!(cause(&capture), format!("{name} did not answer within {} s", limit.as_secs()));
        assert_eq!(world.alive(), 0, "{name}");
        part(&world).set(Mode::Work);
        world.post(headers, body).await.assert_ok();
    }
}

#[tokio::test(start_paused = true)]
async fn only_what_a_part_tells_itself_gives_a_charge_back_pw_08() {
    panics::quiet();
    // What was cut off may have been about to say no; an issuer comes after the right password.
    let parts: [(Part, &str, u64); 3] = [
        (|world| &world.users.verify, PW, 1),
        (|world| &world.code.exchange, CODE, 1),
        (|world| &world.issuer.switch, PW, 0),
    ];
    for ((part, body, left), mode) in parts.into_iter().flat_map(|part| HANGS.map(|mode| (part, mode))) {
        let world = whole();
        part(&world).set(mode);
        world.post(ALICE, body).await.assert_error(503, "temporarily_unavailable");
        assert_eq!((world.ledger.book().account.made, world.ledger.book().account.left), (1, left), "{body}");
    }
    let world = whole();
    world.ticket.verify.set(Mode::Hang);
    world.post(&[], TICKET).await.assert_error(503, "temporarily_unavailable");
    assert_eq!((world.ledger.book().client.made, world.ledger.book().client.left), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_hangs_keeps_its_charge_and_the_answer_stands_pw_08() {
    panics::quiet();
    for mode in HANGS {
        let world = whole();
        world.ledger.settle.set(mode);
        let (capture, _listening) = Capture::listen();
        let (answer, took) = timed(world.post(&[], &format!("{PW}&client_id=pub"))).await;
        answer.assert_ok();
        assert!(took < WHOLE, "{took:?}");
        assert_eq!(world.ledger.book().account.left, 1);
        assert!(capture.text().contains("the attempt limiter did not answer within 5 s"), "{}", capture.text());
    }
}

#[tokio::test(start_paused = true)]
async fn origins_that_are_not_told_in_time_are_503_er_13() {
    let world = whole();
    world.registry.switch.set(Mode::Hang);
    let mut request = support::token_request(&[("origin", "https://app.example")], "");
    *request.method_mut() = http::Method::OPTIONS;
    let (answer, took) = timed(support::send(&world.layer, request)).await;
    assert_cut_off(&answer, took, STORE);
}

/// Stores one of whose methods hangs.
#[derive(Clone)]
struct Hanging {
    refresh: Arc<MemoryRefreshTokens>,
    access: Arc<MemoryAccessTokens>,
    at: Arc<Mutex<&'static str>>,
}

impl Hanging {
    async fn pass(&self, method: &str) {
        let hangs = *self.at.lock().unwrap() == method;
        if hangs {
            pending::<()>().await;
        }
    }

    fn hang(&self, method: &'static str) {
        *self.at.lock().unwrap() = method;
    }
}

#[async_trait]
impl RefreshTokenStore for Hanging {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        self.pass("begin").await;
        self.refresh.begin(new).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        MaybeFuture::new(async move {
            self.pass("find").await;
            RefreshTokenStore::find(&self.refresh, family).await
        })
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        MaybeFuture::new(async move {
            self.pass("rotate").await;
            self.refresh.rotate(rotation).await
        })
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.pass("end family").await;
        RefreshTokenStore::revoke_family(&self.refresh, family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        RefreshTokenStore::revoke_subject(&self.refresh, realm, subject).await
    }
}

#[async_trait]
impl AccessTokenStore for Hanging {
    async fn insert(&self, digest: SecretDigest, record: AccessTokenRecord) -> Result<(), BackendError> {
        self.pass("insert").await;
        self.access.insert(digest, record).await
    }

    async fn find(&self, digest: &SecretDigest) -> Result<Option<AccessTokenRecord>, BackendError> {
        self.pass("look up").await;
        AccessTokenStore::find(&self.access, digest).await
    }

    async fn revoke(&self, digest: &SecretDigest) -> Result<bool, BackendError> {
        self.pass("revoke").await;
        self.access.revoke(digest).await
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<u64, BackendError> {
        self.pass("end access tokens").await;
        AccessTokenStore::revoke_family(&self.access, family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        AccessTokenStore::revoke_subject(&self.access, realm, subject).await
    }
}

#[tokio::test(start_paused = true)]
async fn each_store_of_tokens_that_hangs_is_cut_off_in_its_own_time_er_13() {
    let clock = ManualClock::new();
    let stores = Hanging {
        refresh: Arc::default(),
        access: Arc::new(MemoryAccessTokens::new().with_clock(clock.clone())),
        at: Arc::default(),
    };
    let (access, refresh) = (Arc::new(stores.clone()), Arc::new(stores.clone()));
    let tokens = Tokens::over(clock, access, refresh, clients(), |builder| builder);
    let login = tokens.login("conf").await;
    let spent = tokens.login("conf").await;
    tokens.refresh("conf", &spent.refresh).await.assert_ok();
    tokens.pass_leeway();

    let answers = [
        ("begin", "login", ""),
        ("insert", "login", ""),
        ("find", "refresh", &login.refresh),
        ("insert", "refresh", &login.refresh),
        ("rotate", "refresh", &login.refresh),
        ("end family", "refresh", &spent.refresh),
        ("end access tokens", "refresh", &spent.refresh),
        ("find", "revoke", &login.refresh),
        ("end family", "revoke", &login.refresh),
        ("look up", "revoke", &login.access),
        ("revoke", "revoke", &login.access),
        ("look up", "introspect", &login.access),
    ];
    for (method, what, token) in answers {
        stores.hang(method);
        let (answer, took) = match what {
            "login" => timed(tokens.login_with("conf", "")).await,
            "refresh" => timed(tokens.refresh("conf", token)).await,
            "revoke" => timed(tokens.revoke("conf", token)).await,
            _ => timed(tokens.post("/oauth/introspect", "conf", &format!("token={token}"))).await,
        };
        if tokens.reason() == Some(Reason::RefreshTokenReplayed) {
            // The family has ended, and that is told, though its access tokens have not.
            assert_eq!(took, STORE, "{method} {what}");
            continue;
        }
        assert_eq!(answer.status, 503, "{method} {what}");
        assert_cut_off(&answer, took, STORE);
    }
    stores.hang("");
    tokens.refresh("conf", &login.refresh).await.assert_ok();
}

#[tokio::test(start_paused = true)]
async fn a_recheck_that_hangs_is_cut_off_in_its_own_time_er_13() {
    let hangs = Arc::new(Mutex::new(false));
    let switch = Arc::clone(&hangs);
    let verifier = verify_fn(|_| async { Ok(Subject::new("user-alice").into()) }).with_recheck(move |_| {
        let hangs = *switch.lock().unwrap();
        async move {
            if hangs {
                pending::<()>().await;
            }
            Ok(Subject::new("user-alice").into())
        }
    });
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(clients()).unwrap())
        .verifier(verifier)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    let login = support::send(&layer, support::token_request(&[], &format!("{PW}&client_id=pub"))).await.assert_ok();
    let refresh = login["refresh_token"].as_str().unwrap();
    *hangs.lock().unwrap() = true;
    let form = format!("grant_type=refresh_token&refresh_token={refresh}&client_id=pub");
    let (answer, took) = timed(support::send(&layer, support::token_request(&[], &form))).await;
    assert_cut_off(&answer, took, STORE);
}

struct NoAnswer;

#[async_trait]
impl AccessTokenVerifier for NoAnswer {
    fn verify<'a>(&'a self, _: &'a str) -> MaybeFuture<'a, Result<Option<AccessTokenRecord>, BackendError>> {
        MaybeFuture::new(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_waits_as_long_as_an_endpoint_for_a_store_and_tells_it_er_13() {
    use tower::{Layer as _, ServiceExt as _};

    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let guard = BearerGuard::builder(NoAnswer)
        .any_audience()
        .on_refusal(move |refusal| {
            let cause = format!("{:?}", refusal.error());
            tell.lock().unwrap().push((refusal.reason(), cause));
        })
        .build()
        .unwrap();
    let api = guard
        .layer(tower::service_fn(|_| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) }));
    let request = http::Request::get("/").header("authorization", "Bearer t").body(String::new()).unwrap();
    let (answer, took) = timed(api.oneshot(request)).await;
    assert_eq!((answer.unwrap().status().as_u16(), took), (503, STORE));
    let told = told.lock().unwrap();
    assert_eq!(told[0].0, BearerReason::Overdue);
    assert!(told[0].1.contains("the verifier of access tokens did not answer within 5"), "{}", told[0].1);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_whole_is_the_time_of_its_parts_too() {
    let short = Duration::from_secs(2);
    let world = World::with(0, Some(short));
    world.registry.switch.set(Mode::Hang);
    let (answer, took) = timed(world.login()).await;
    assert_cut_off(&answer, took, short);
}

#[tokio::test]
async fn deadlines_that_cannot_work_together_are_refused_with_the_cure() {
    let build = |limits: RequestLimits| builder(&support::Probe::default()).request_limits(limits).build();
    let second = Some(Duration::from_secs(1));
    let accepted = [
        ("a default follows the whole", RequestLimits::new().deadline(second)),
        ("the body comes before", RequestLimits::new().deadline(second).body_deadline(Some(WHOLE))),
        ("nothing bounds a part but itself", RequestLimits::new().deadline(None).store_deadline(second)),
    ];
    for (why, limits) in accepted {
        assert!(build(limits).is_ok(), "{why}");
    }

    let refused = |limits| build(limits).expect_err("deadlines that cannot work");
    assert_eq!(
        refused(RequestLimits::new().deadline(second).store_deadline(Some(STORE))).to_string(),
        "`.store_deadline(5s)` has no effect: `.deadline(1s)` is over sooner. Shorten the one or lengthen the other"
    );
    let text = refused(RequestLimits::new().verifier_deadline(Some(Duration::from_secs(31)))).to_string();
    assert!(text.starts_with("`.verifier_deadline(31s)` has no effect"), "{text}");
    let text = refused(RequestLimits::new().rule_deadline(Some(Duration::from_secs(31)))).to_string();
    assert!(text.starts_with("`.rule_deadline(31s)` has no effect"), "{text}");
    let zero = Some(Duration::ZERO);
    for (setting, limits) in [
        ("deadline", RequestLimits::new().deadline(zero)),
        ("body_deadline", RequestLimits::new().body_deadline(zero)),
        ("store_deadline", RequestLimits::new().store_deadline(zero)),
        ("verifier_deadline", RequestLimits::new().verifier_deadline(zero)),
        ("rule_deadline", RequestLimits::new().rule_deadline(zero)),
    ] {
        let error = refused(limits);
        assert!(matches!(error, ConfigError::NoTime(named) if named == setting), "{error}");
    }
}
