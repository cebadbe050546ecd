//! Parts of the application that fail, hang, panic or answer nonsense: the answer is the one that is documented, the
//! charges are right, and the next request works (ER-13, EM-05, PW-08).

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower::{Layer as _, ServiceExt as _};
use tower_password_grant::MaybeFuture;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, BegunLock, Limit, Refusal, Reservation, Reserved, Settlement,
};
use tower_password_grant::{BackendError, Client, PeerAddress, Subject, Verdict, find_client_fn};

use crate::support::faults::{self, Book, Charges, FAILURES, Mode, Switch};
use crate::support::protection::counted_by;
use crate::support::world::{CODE, TICKET, World};
use crate::support::{self, Answer, CONF, PW};

const ALICE: &[(&str, &str)] = &[("authorization", CONF)];

fn none() -> Charges {
    Charges::default()
}

fn charges(made: u64, left: u64) -> Charges {
    Charges { made, left }
}

/// Whether a failure gives its charge back: only one that the part reported itself.
fn left(mode: Mode) -> u64 {
    u64::from(matches!(mode, Mode::Hang | Mode::Panic))
}

/// Lets one part fail in every way: the answer is the documented one, `book` tells the charges, and afterwards the same
/// endpoint serves the same request.
async fn each_failure(
    part: impl Fn(&World) -> &Switch,
    headers: &[(&str, &str)],
    body: &str,
    book: impl Fn(Mode) -> Book,
    verified: usize,
) {
    for (mode, status, code, wait) in FAILURES {
        let world = World::new();
        part(&world).set(mode);
        let answer = world.post(headers, body).await;
        answer.assert_error(status, code);
        assert_eq!(answer.header("retry-after"), wait, "{mode:?}");
        assert_eq!(world.ledger.book(), book(mode), "{mode:?}");
        let calls = world.users.verify.calls() + world.code.exchange.calls();
        assert_eq!(calls, verified, "{mode:?}");
        assert_eq!((world.alive(), world.events.load(SeqCst)), (0, 1), "{mode:?}");

        part(&world).set(Mode::Work);
        world.post(headers, body).await.assert_ok();
        assert_eq!(world.ledger.book().account.left, 0, "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_verifier_that_cannot_decide_is_503_and_only_its_own_error_gives_the_charge_back_er_13() {
    let book = |mode| Book { account: charges(1, left(mode)), client: charges(1, 0) };
    each_failure(|world| &world.users.verify, ALICE, PW, book, 1).await;
}

#[tokio::test(start_paused = true)]
async fn an_account_key_that_cannot_be_resolved_is_503_before_anything_is_charged_er_13() {
    let book = |_| Book { account: none(), client: charges(1, 0) };
    each_failure(|world| &world.users.key, ALICE, PW, book, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_cannot_decide_is_503_before_anything_is_charged_er_13() {
    each_failure(|world| &world.registry.switch, ALICE, PW, |_| Book::default(), 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_cannot_tell_origins_is_503_er_13() {
    for (mode, status, code, wait) in FAILURES {
        let world = World::new();
        world.registry.switch.set(mode);
        let mut request = support::token_request(&[("origin", "https://app.example")], "");
        *request.method_mut() = http::Method::OPTIONS;
        let answer = support::send(&world.layer, request).await;
        answer.assert_error(status, code);
        assert_eq!(answer.header("retry-after"), wait);
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_cannot_issue_is_503_and_only_its_own_error_gives_the_charge_back_er_13() {
    let book = |mode| Book { account: charges(1, left(mode)), client: charges(1, 0) };
    each_failure(|world| &world.issuer.switch, ALICE, PW, book, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_cannot_charge_lets_nobody_be_verified_er_13() {
    each_failure(|world| &world.ledger.reserve, ALICE, PW, |_| Book::default(), 0).await;
    // The account's charge alone, with a client that has none.
    let pw = format!("{PW}&client_id=pub");
    each_failure(|world| &world.ledger.reserve, &[], &pw, |_| Book::default(), 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_limiter_that_cannot_settle_keeps_the_charge_and_the_answer_stands() {
    let pw = format!("{PW}&client_id=pub");
    for (mode, ..) in FAILURES {
        let world = World::new();
        world.ledger.settle.set(mode);
        let answer = world.post(&[], &pw).await;
        match mode {
            Mode::Hang | Mode::Stuck => answer.assert_error(503, "temporarily_unavailable"),
            Mode::Panic => answer.assert_error(500, "server_error"),
            _ => drop(answer.assert_ok()),
        }
        assert_eq!(world.ledger.book().account, charges(1, 1), "{mode:?}");
        world.ledger.settle.set(Mode::Work);
        world.post(&[], &pw).await.assert_ok();
        assert_eq!(world.ledger.book().account, charges(2, 0), "{mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_method_that_cannot_decide_is_503_and_only_its_own_error_gives_the_charge_back_er_13() {
    let book = |mode| Book { account: none(), client: charges(1, left(mode)) };
    for (mode, status, code, wait) in FAILURES {
        let world = World::new();
        world.ticket.verify.set(mode);
        let answer = world.post(&[], TICKET).await;
        answer.assert_error(status, code);
        assert_eq!(answer.header("retry-after"), wait);
        assert_eq!(world.ledger.book(), book(mode), "{mode:?}");
        world.ticket.verify.set(Mode::Work);
        world.post(&[], TICKET).await.assert_ok();
    }
}

#[tokio::test(start_paused = true)]
async fn an_extension_grant_that_cannot_decide_is_503_and_only_its_own_error_gives_the_charge_back_er_13() {
    let book = |mode| Book { account: charges(1, left(mode)), client: charges(1, 0) };
    each_failure(|world| &world.code.exchange, ALICE, CODE, book, 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_method_that_is_not_async_is_500_and_charges_nothing_em_05() {
    let claim = World::new();
    claim.ticket.claim.set(Mode::Panic);
    claim.login().await.assert_error(500, "server_error");
    assert_eq!(claim.ledger.book(), Book::default());
    claim.ticket.claim.set(Mode::Work);
    claim.login().await.assert_ok();

    let key = World::new();
    key.code.key.set(Mode::Panic);
    key.post(ALICE, CODE).await.assert_error(500, "server_error");
    assert_eq!((key.ledger.book().account, key.code.exchange.calls()), (none(), 0));
    key.code.key.set(Mode::Work);
    key.post(ALICE, CODE).await.assert_ok();
}

#[tokio::test]
async fn a_panic_in_the_audit_sink_changes_no_answer_and_no_charge() {
    let (calm, panics) = (World::new(), World::new());
    panics.sink_panics.store(true, SeqCst);
    for world in [&calm, &panics] {
        world.login().await.assert_ok();
        world.guess().await.assert_error(400, "invalid_grant");
        world.post(&[], "x").await.assert_error(400, "invalid_request");
        assert_eq!(world.events.load(SeqCst), 3);
    }
    assert_eq!(calm.ledger.book(), panics.ledger.book());
    let same = |world: World| async move { world.guess().await };
    let (a, b): (Answer, Answer) = (same(calm).await, same(panics).await);
    assert_eq!((a.status, a.headers, a.body), (b.status, b.headers, b.body));
}

#[tokio::test]
async fn a_token_that_fits_no_header_is_500_and_gives_the_charge_back_ab_05() {
    for token in ["", "a b", "a\r\nx: y", "\u{e9}", "a\"b", "\0"] {
        let world = World::new();
        *world.issuer.token.lock().unwrap() = token.to_owned();
        world.login().await.assert_error(500, "server_error");
        assert_eq!(world.ledger.book().account, charges(1, 0), "{token:?}");
        *world.issuer.token.lock().unwrap() = "at_fine".to_owned();
        world.login().await.assert_ok();
    }
}

#[tokio::test]
async fn any_lifetime_of_an_issuer_is_written_as_a_whole_number_ok_05() {
    for lifetime in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        let world = World::new();
        *world.issuer.lifetime.lock().unwrap() = lifetime;
        assert_eq!(world.login().await.assert_ok()["expires_in"], lifetime.as_secs());
    }
}

#[tokio::test]
async fn a_verifier_can_narrow_the_scope_but_neither_widen_nor_empty_it_sc_08() {
    let world = World::new();
    let answer = |scope: &str| {
        let verdict = Verdict::granted_within(Subject::new("user-alice"), scope.parse().unwrap());
        *world.users.verdict.lock().unwrap() = Some(verdict);
        world.post(ALICE, "grant_type=password&username=alice&password=x&scope=read+write")
    };
    assert_eq!(answer("read").await.assert_ok()["scope"], "read");
    assert_eq!(answer("read write admin").await.assert_ok()["scope"], "read write");
    answer("admin").await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn odd_subjects_do_no_harm() {
    for id in ["", "a\r\nb", "\u{202e}\0\u{1b}[31m", &"x".repeat(100_000)] {
        let world = World::new();
        *world.users.verdict.lock().unwrap() = Some(Subject::new(id.to_owned()).into());
        world.login().await.assert_ok();
    }
}

#[tokio::test]
async fn a_claim_that_is_no_client_id_reaches_neither_registry_nor_limiter() {
    for ticket in ["%C3%A9", "a%09b", &"x".repeat(257)] {
        let world = World::new();
        let answer = world.post(&[], &format!("{PW}&ticket={ticket}&stamp=valid")).await;
        answer.assert_error(401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), Some("Ticket realm=\"api\""));
        assert_eq!((world.registry.switch.calls(), world.ledger.reserve.calls()), (0, 0), "{ticket}");
    }
}

#[tokio::test]
async fn a_registry_that_finds_the_wrong_client_proves_nothing() {
    let other = Client::confidential("other", &support::digest("other-secret")).allow_password_grant();
    let other = other.scopes("read").default_scope("read").build().unwrap();
    let registry = find_client_fn(move |_: String| {
        let other = other.clone();
        async move { Ok(Some(other)) }
    });
    let layer = tower_password_grant::PasswordGrant::builder()
        .clients(registry)
        .verifier(faults::Users::new())
        .issuer(faults::Issuer::new())
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    support::send(&layer, support::token_request(ALICE, PW)).await.assert_error(401, "invalid_client");
    let bare = support::token_request(&[], &format!("{PW}&client_id=pub"));
    support::send(&layer, bare).await.assert_error(400, "invalid_client");
}

/// Refuses or charges as it is told, with reservations that mean nothing.
#[derive(Clone, Default)]
struct Odd(Arc<Mutex<Option<Duration>>>);

impl AttemptLimiter for Odd {
    fn reserve<'a>(&'a self, _: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::ready(Ok(match *self.0.lock().unwrap() {
            Some(retry_after) => Reserved::Refused(Refusal::new(Limit::AccountAndAddress, retry_after)),
            None => Reserved::Charged(Reservation::new([0xff; 32])),
        }))
    }

    fn settle(&self, _: Reservation, _: Settlement) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::ready(Ok(None))
    }
}

#[tokio::test]
async fn any_waiting_time_of_a_limiter_is_written_as_a_whole_number_of_at_least_one_ht_21() {
    let odd = Odd::default();
    let limiter = odd.clone();
    let fixture = support::Fixture::with(|builder| builder.attack_protection(counted_by(limiter)));
    for (wait, written) in [
        (Duration::ZERO, "1"),
        (Duration::from_millis(1), "1"),
        (Duration::from_millis(1001), "2"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        *odd.0.lock().unwrap() = Some(wait);
        let answer = fixture.token(ALICE, PW).await;
        answer.assert_error(429, "too_many_attempts");
        assert_eq!(answer.header("retry-after"), Some(written));
    }
    assert_eq!(fixture.probe.calls(), 0);
    *odd.0.lock().unwrap() = None;
    fixture.token(ALICE, PW).await.assert_ok();
}

#[tokio::test]
async fn a_memory_limiter_takes_no_harm_from_a_reservation_that_it_never_gave() {
    let limiter = tower_password_grant::limiter::MemoryLimiter::new();
    for byte in [0, 1, 0xff] {
        for settlement in [Settlement::Success, Settlement::Denied, Settlement::Undecided, Settlement::Untried] {
            limiter.settle(Reservation::new([byte; 32]), settlement).await.unwrap();
        }
    }
}

#[tokio::test]
async fn without_deadlines_no_timer_is_needed() {
    let world = World::with(3, None);
    world.login().await.assert_ok();
}

/// A public document whose code panics.
struct Broken;

impl tower_password_grant::mount::PublicDocument for Broken {
    fn content_type(&self) -> http::HeaderValue {
        http::HeaderValue::from_static("application/json")
    }

    fn body(&self) -> bytes::Bytes {
        panic!("the document panics on purpose")
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(60)
    }
}

#[tokio::test]
async fn what_the_application_does_outside_the_ladder_may_panic_too() {
    use tower_password_grant::PeerAddress;
    let peer = PeerAddress::extension(|_: &std::net::SocketAddr| panic!("the reader panics on purpose"));
    let fixture = support::Fixture::with(|builder| builder.peer_address(peer).document("/jwks", Broken));
    fixture.token(&[("authorization", CONF)], PW).await.assert_error(500, "server_error");
    let inner = tower::service_fn(|_: http::Request<String>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let request = http::Request::get("/jwks").body(String::new()).unwrap();
    let response = fixture.layer.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 500);
}
