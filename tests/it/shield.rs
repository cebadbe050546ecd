//! The shield against leaked passwords: asked after the right password only, it warns or blocks, shows nothing to a client that
//! guesses, and lets the login go on when it fails (P10's named exception).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::mount::RequestLimits;
use tower_password_grant::user::{Finding, OnLeak, Shield};
use tower_password_grant::{
    Attempt, BackendError, Client, CredentialVerifier, Denial, Password, PasswordGrantLayer, StaticClients, Subject,
    Verdict,
};
use tracing::Level;

use crate::support::capture::Capture;
use crate::support::faults::{CODE_GRANT, Code, FAILURES, Ledger, Mode, Switch};
use crate::support::protection::counted_by;
use crate::support::{self, AUTH, Answer, Fixture, PW, Probe, builder, send, token_request};

/// Knows every password but those of its one exception.
#[derive(Clone)]
struct Known {
    switch: Switch,
    fresh: &'static str,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Known {
    fn all() -> Self {
        Self { switch: Switch::new(), fresh: "", seen: Arc::default() }
    }

    fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl Shield for Known {
    async fn inspect(&self, password: &Password, subject: &Subject) -> Result<Finding, BackendError> {
        self.seen.lock().unwrap().push((password.expose().to_owned(), subject.id().to_owned()));
        self.switch.pass().await?;
        Ok(if password.expose() == self.fresh { Finding::Clear } else { Finding::Leaked })
    }
}

type Heard = Arc<Mutex<Vec<(Option<Reason>, bool)>>>;

/// Keeps of each event its reason, and whether the password was known.
fn sink() -> (Heard, impl Fn(&AuditEvent<'_>) + Send + Sync + 'static) {
    let heard = Heard::default();
    let keep = Arc::clone(&heard);
    let sink = move |event: &AuditEvent<'_>| {
        let reason = match event.outcome {
            AuditOutcome::Refused { reason, .. } => Some(reason),
            _ => None,
        };
        keep.lock().unwrap().push((reason, event.password_leaked));
    };
    (heard, sink)
}

fn guarded(shield: impl Shield, on_leak: OnLeak) -> Fixture {
    Fixture::with(|builder| builder.shield(shield, on_leak))
}

fn login(username: &str, password: &str) -> String {
    serde_urlencoded::to_string([("grant_type", "password"), ("username", username), ("password", password)]).unwrap()
}

#[track_caller]
fn assert_equal(one: &Answer, other: &Answer) {
    assert_eq!((one.status, &one.headers, &one.body), (other.status, &other.headers, &other.body));
}

#[tokio::test]
async fn a_right_password_that_is_leaked_is_blocked_and_says_so() {
    let (known, (heard, sink)) = (Known::all(), sink());
    let fixture = Fixture::with(|builder| builder.shield(known.clone(), OnLeak::Block).audit(sink));
    let (capture, _guard) = Capture::listen();
    let answer = fixture.token(AUTH, PW).await;
    answer.assert_error(400, "password_leaked");
    assert_eq!(answer.json()["error_description"], "this password is known from a leak; set a new one");
    assert_eq!(known.seen(), [("correct horse".to_owned(), "user-alice".to_owned())]);
    assert_eq!(*heard.lock().unwrap(), [(Some(Reason::PasswordLeaked), true)]);
    let said = capture.events();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0].level, said[0].field("reason")), (Level::INFO, Some("password_leaked")));
    assert!(!capture.text().contains("correct horse"), "{}", capture.text());
}

#[tokio::test]
async fn a_right_password_that_is_leaked_is_warned_of_and_logs_in() {
    let (known, (heard, sink)) = (Known { fresh: " %&+£€", ..Known::all() }, sink());
    let fixture = Fixture::with(|builder| builder.shield(known.clone(), OnLeak::Warn).audit(sink));
    let (capture, _guard) = Capture::listen();
    fixture.token(AUTH, PW).await.assert_ok();
    fixture.token(AUTH, &login("zoë", " %&+£€")).await.assert_ok();
    assert_eq!(known.seen()[1], (" %&+£€".to_owned(), "user-zoe".to_owned()));
    assert_eq!(*heard.lock().unwrap(), [(None, true), (None, false)]);
    let said = capture.events();
    let fields: Vec<_> = said.iter().map(|said| (said.field("message"), said.field("password_leaked"))).collect();
    assert_eq!(fields, [(Some("token issued"), Some("true")), (Some("token issued"), None)]);
}

#[tokio::test]
async fn a_password_that_is_not_leaked_logs_in_where_leaked_ones_are_blocked() {
    let fixture = guarded(Known { fresh: "correct horse", ..Known::all() }, OnLeak::Block);
    fixture.token(AUTH, PW).await.assert_ok();
    fixture.token(AUTH, &login("zoë", " %&+£€")).await.assert_error(400, "password_leaked");
}

/// Denies as the user name says, whatever the password.
struct Told;

#[async_trait]
impl CredentialVerifier for Told {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match attempt.username() {
            "unknown" => Denial::UnknownUser.into(),
            "disabled" => Denial::Disabled.into(),
            "locked" => Denial::Locked.into(),
            "expired" => Denial::PasswordExpired.into(),
            "unverified" => Denial::Unverified.into(),
            "down" => return Err(BackendError::unavailable("down")),
            _ => Denial::WrongPassword.into(),
        })
    }
}

#[tokio::test]
async fn who_has_not_the_right_password_gets_the_ordinary_answers_and_the_shield_is_not_asked_pw_05() {
    for on_leak in [OnLeak::Warn, OnLeak::Block] {
        let known = Known::all();
        let told = |shielded: bool| -> PasswordGrantLayer {
            let builder = builder(&Probe::default()).verifier(Told);
            let builder = if shielded { builder.shield(known.clone(), on_leak) } else { builder };
            builder.build().unwrap()
        };
        let (plain, shielded) = (told(false), told(true));
        let both = async |headers: &[(&str, &str)], body: &str| {
            let (one, other) =
                (send(&plain, token_request(headers, body)).await, send(&shielded, token_request(headers, body)).await);
            assert_equal(&one, &other);
            one
        };
        for name in ["unknown", "wrong", "disabled", "locked", "expired", "unverified"] {
            both(AUTH, &login(name, "123456")).await.assert_error(400, "invalid_grant");
        }
        both(AUTH, &login("down", "123456")).await.assert_error(503, "temporarily_unavailable");
        both(&[], &login("wrong", "123456")).await.assert_error(401, "invalid_client");
        both(AUTH, &(login("wrong", "123456") + "&scope=admin")).await.assert_error(400, "invalid_scope");
        for guess in 0..9 {
            both(AUTH, &login("wrong", &format!("guess {guess}"))).await.assert_error(400, "invalid_grant");
        }
        both(AUTH, &login("wrong", "123456")).await.assert_error(429, "too_many_attempts");
        assert_eq!(known.seen(), []);
    }
}

#[tokio::test]
async fn a_leaked_password_under_a_lock_is_throttled_like_any_other() {
    let known = Known::all();
    let (plain, shielded) = (Fixture::new(), guarded(known.clone(), OnLeak::Block));
    for fixture in [&plain, &shielded] {
        for guess in 0..10 {
            fixture.token(AUTH, &login("alice", &format!("guess {guess}"))).await.assert_error(400, "invalid_grant");
        }
    }
    let (one, other) = (plain.token(AUTH, PW).await, shielded.token(AUTH, PW).await);
    one.assert_error(429, "too_many_attempts");
    assert_equal(&one, &other);
    assert_eq!(known.seen(), []);
}

#[tokio::test]
async fn a_scope_that_cannot_be_granted_is_told_before_the_shield_is_asked() {
    let known = Known::all();
    let fixture = Fixture::with(|builder| builder.shield(known.clone(), OnLeak::Block).scope_ceiling("write"));
    fixture.token(AUTH, &support::pw("scope=read")).await.assert_error(400, "invalid_scope");
    assert_eq!(known.seen(), []);
    fixture.token(AUTH, &support::pw("scope=write")).await.assert_error(400, "password_leaked");
}

#[tokio::test]
async fn a_blocked_login_stays_charged_and_a_warned_one_is_forgotten() {
    for (on_leak, left) in [(OnLeak::Block, 1), (OnLeak::Warn, 0)] {
        let ledger = Ledger::new(Switch::new(), Switch::new());
        let fixture = Fixture::with(|builder| {
            builder.shield(Known::all(), on_leak).attack_protection(counted_by(ledger.clone()))
        });
        fixture.token(AUTH, PW).await;
        assert_eq!((ledger.book().account.made, ledger.book().account.left), (1, left), "{on_leak:?}");
    }

    // Over the budget even the right password is refused, unseen by the shield.
    let known = Known::all();
    let fixture = guarded(known.clone(), OnLeak::Block);
    fixture.token(AUTH, PW).await.assert_error(400, "password_leaked");
    for guess in 0..9 {
        let wrong = format!("grant_type=password&username=alice&password=wrong{guess}");
        fixture.token(AUTH, &wrong).await.assert_error(400, "invalid_grant");
    }
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
    assert_eq!(known.seen().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failing_shield_lets_the_login_go_on_and_an_event_tells_p10() {
    for on_leak in [OnLeak::Warn, OnLeak::Block] {
        for deadline in [None, Some(Duration::from_secs(30))] {
            for mode in FAILURES.map(|(mode, ..)| mode).into_iter().chain([Mode::Stuck]) {
                let (known, (heard, sink)) = (Known::all(), sink());
                let ledger = Ledger::new(Switch::new(), Switch::new());
                let fixture = Fixture::with(|builder| {
                    let builder = builder.shield(known.clone(), on_leak).audit(sink);
                    builder
                        .attack_protection(counted_by(ledger.clone()))
                        .request_limits(RequestLimits::new().deadline(deadline))
                });
                known.switch.set(mode);
                let (capture, _guard) = Capture::listen();
                let started = tokio::time::Instant::now();
                let answer = fixture.token(AUTH, PW).await;
                let waited = if matches!(mode, Mode::Hang | Mode::Stuck) { 300..=310 } else { 0..=0 };
                assert!(waited.contains(&started.elapsed().as_millis()), "{mode:?}: {:?}", started.elapsed());
                answer.assert_ok();
                assert_eq!((known.seen().len(), known.switch.alive()), (1, 0), "{mode:?}");
                assert_eq!(ledger.book().account.left, 0, "{mode:?}");
                assert_eq!(*heard.lock().unwrap(), [(None, false)], "{mode:?}");

                let said = capture.events();
                assert_eq!(said.len(), 2, "{said:?}");
                assert_eq!(said[0].level, Level::ERROR);
                assert!(said[0].field("message").unwrap().contains("the login went on"), "{said:?}");
                let cause = match mode {
                    Mode::Unavailable => Some("the database is down"),
                    Mode::Fault => Some("the key is gone"),
                    Mode::Hang | Mode::Stuck => Some("no answer in time"),
                    Mode::Panic => Some("a panic"),
                    Mode::Overloaded | Mode::Work => None,
                };
                assert_eq!(said[0].field("cause"), cause, "{mode:?}");

                // The next login finds it at work again.
                known.switch.set(Mode::Work);
                let leaked = fixture.token(AUTH, PW).await;
                assert_eq!(leaked.status == 400, on_leak == OnLeak::Block);
            }
        }
    }
}

/// Panics before it gives a future.
struct Hasty;

impl Shield for Hasty {
    fn inspect<'s, 'p, 'u, 'f>(
        &'s self,
        _: &'p Password,
        _: &'u Subject,
    ) -> Pin<Box<dyn Future<Output = Result<Finding, BackendError>> + Send + 'f>>
    where
        's: 'f,
        'p: 'f,
        'u: 'f,
        Self: 'f,
    {
        panic!("a shield panics on purpose")
    }
}

#[tokio::test]
async fn a_shield_that_panics_before_it_gives_a_future_lets_the_login_go_on() {
    guarded(Hasty, OnLeak::Block).token(AUTH, PW).await.assert_ok();
}

#[test]
fn without_a_timer_a_slow_shield_lets_the_login_go_on() {
    // No runtime: the limit's timer cannot start.
    let known = Known { switch: Switch::waiting(2), ..Known::all() };
    let fixture = Fixture::with(|builder| {
        builder
            .shield(known.clone(), OnLeak::Block)
            .request_limits(RequestLimits::new().deadline(None).body_deadline(None))
    });
    let mut login = Box::pin(fixture.token(AUTH, PW));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let answer = loop {
        if let std::task::Poll::Ready(answer) = login.as_mut().poll(&mut context) {
            break answer;
        }
    };
    answer.assert_ok();
    assert_eq!(known.switch.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shield_that_answers_within_its_time_is_waited_for() {
    struct Slow(u64);

    #[async_trait]
    impl Shield for Slow {
        async fn inspect(&self, _: &Password, _: &Subject) -> Result<Finding, BackendError> {
            tokio::time::sleep(Duration::from_millis(self.0)).await;
            Ok(Finding::Leaked)
        }
    }

    guarded(Slow(290), OnLeak::Block).token(AUTH, PW).await.assert_error(400, "password_leaked");
    guarded(Slow(310), OnLeak::Block).token(AUTH, PW).await.assert_ok();
}

#[tokio::test]
async fn hanging_up_while_the_shield_looks_leaves_the_charge_and_no_work() {
    let (known, ledger) = (Known::all(), Ledger::new(Switch::new(), Switch::new()));
    known.switch.set(Mode::Hang);
    let fixture = Fixture::with(|builder| {
        builder.shield(known.clone(), OnLeak::Warn).attack_protection(counted_by(ledger.clone()))
    });
    let mut login = Box::pin(fixture.token(AUTH, PW));
    tokio::select! {
        answer = &mut login => panic!("{answer:?}"),
        () = async { while known.seen().is_empty() { tokio::task::yield_now().await } } => {}
    }
    assert_eq!(known.switch.alive(), 1);
    drop(login);
    assert_eq!(known.switch.alive(), 0);
    assert_eq!((ledger.book().account.made, ledger.book().account.left), (1, 1));
}

#[tokio::test]
async fn an_extension_grant_has_no_password_for_the_shield() {
    let known = Known::all();
    let client = Client::public("cli").allow_password_grant().allow_grant(CODE_GRANT);
    let client = client.scopes("read").default_scope("read").build().unwrap();
    let fixture = Fixture::with(|builder| {
        builder
            .clients(StaticClients::new([client]).unwrap())
            .extension_grant(Code { key: Switch::new(), exchange: Switch::new() })
            .shield(known.clone(), OnLeak::Block)
    });
    let code = format!("client_id=cli&grant_type={CODE_GRANT}&code=1234&account=alice&password=123456");
    fixture.token(&[], &code).await.assert_ok();
    assert_eq!(known.seen(), []);
}

#[tokio::test]
async fn a_shared_shield_is_a_shield_and_the_last_one_counts() {
    let known: Arc<dyn Shield> = Arc::new(Known::all());
    let fixture = Fixture::with(|builder| builder.shield(Hasty, OnLeak::Warn).shield(known, OnLeak::Block));
    fixture.token(AUTH, PW).await.assert_error(400, "password_leaked");
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn leaked_passwords_and_failures_are_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let known = Known { fresh: " %&+£€", ..Known::all() };
    let (warns, blocks) = (guarded(known.clone(), OnLeak::Warn), guarded(known.clone(), OnLeak::Block));
    for fixture in [&warns, &warns, &blocks] {
        fixture.token(AUTH, PW).await;
        fixture.token(AUTH, &login("zoë", " %&+£€")).await;
    }
    known.switch.set(Mode::Fault);
    warns.token(AUTH, PW).await;
    let text = handle.render();
    for line in [
        "oauth_leaked_passwords_total 3",
        "oauth_shield_failures_total 1",
        "oauth_token_requests_total{outcome=\"password_leaked\"} 1",
        "oauth_token_requests_total{outcome=\"issued\"} 6",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} is not in\n{text}");
    }
    let manual = include_str!("../../src/manual/errors.md");
    assert!(
        manual.contains("| `oauth_leaked_passwords_total` |") && manual.contains("| `oauth_shield_failures_total` |")
    );
}
