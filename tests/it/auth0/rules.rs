//! Login rules in this profile: a denial says its reason aloud.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use tower_password_grant::audit::Reason;
use tower_password_grant::mount::Profile;
use tower_password_grant::rules::{LoginEvent, LoginRule, LoginStage, Ruling, rule_fn};
use tower_password_grant::user::HostCode;
use tower_password_grant::{BackendError, Denial, verify_fn};

use super::expect::{assert_refused, auth0};
use crate::support::capture::{self, Capture};
use crate::support::tokens::{Tokens, confidential};
use crate::support::{AUTH, Fixture, PW, Probe, builder, send_in, token_request};

const WRONG: &str = "Wrong email or password.";
const CANARY: &str = "C4nary77Xq7Zt3Kw9Lm5Rb2Vh8Np";

/// A rule that always answers this.
fn always(ruling: Ruling) -> impl LoginRule {
    rule_fn("closed", move |_: LoginEvent| {
        let ruling = ruling.clone();
        async move { Ok(ruling) }
    })
}

fn denied() -> Ruling {
    Ruling::deny("closed on Sundays").unwrap()
}

#[tokio::test]
async fn a_denial_says_its_reason_only_to_the_right_password_and_counts_each_time() {
    let fixture = auth0(|builder| builder.rule(always(denied())));
    let wrong = fixture.token(AUTH, &PW.replace("correct+horse", "wrong")).await;
    assert_refused(&wrong, 403, "invalid_grant", WRONG, &[]);
    // A wrong password that is repeated would count once. Together with the one before, the lock begins.
    for _ in 0..9 {
        assert_refused(&fixture.token(AUTH, PW).await, 403, "access_denied", "closed on Sundays", &[]);
    }
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
}

#[tokio::test]
async fn a_wish_for_interaction_is_403_and_counts_each_time() {
    let fixture = auth0(|builder| builder.rule(always(Ruling::interaction_required())));
    let sentence = "the user has to do something elsewhere before this login";
    for _ in 0..10 {
        assert_refused(&fixture.token(AUTH, PW).await, 403, "interaction_required", sentence, &[]);
    }
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
}

#[tokio::test]
async fn a_denial_at_a_refresh_says_its_reason_and_token_and_family_stay_good() {
    let (closed, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (is_closed, interacts) = (Arc::clone(&closed), Arc::clone(&asked));
    let rule = rule_fn("closed", move |login: LoginEvent| {
        let is_closed = login.stage() == LoginStage::Refresh && is_closed.load(SeqCst);
        let ruling = match (is_closed, interacts.load(SeqCst)) {
            (false, _) => Ruling::proceed(),
            (true, false) => denied(),
            (true, true) => Ruling::interaction_required(),
        };
        async move { Ok(ruling) }
    });
    let client = confidential(|client| client.scopes("read offline_access").default_scope("read offline_access"));
    let tokens = Tokens::of(Profile::Auth0, client, |builder| builder.rule(rule));
    let login = tokens.login("conf").await;
    for _ in 0..20 {
        let answer = tokens.refresh("conf", &login.refresh).await;
        assert_refused(&answer, 403, "access_denied", "closed on Sundays", &[]);
        assert_eq!(tokens.reason(), Some(Reason::RuleDenied));
    }
    asked.store(true, SeqCst);
    tokens.refresh("conf", &login.refresh).await.assert_error(403, "interaction_required");
    closed.store(false, SeqCst);
    let renewed = tokens.renewed("conf", &login.refresh).await;
    // What is no denial of a rule is what any refresh token is refused with.
    let unknown = tokens.refresh("conf", "x").await;
    assert_refused(&unknown, 403, "invalid_grant", "Unknown or invalid refresh token.", &[]);
    tokens.users.change("user-alice", |account| account.denial = Some(Denial::Disabled));
    let disabled = tokens.refresh("conf", &renewed.refresh).await;
    assert_refused(&disabled, 403, "invalid_grant", "Unknown or invalid refresh token.", &[]);
}

#[tokio::test]
async fn audit_and_telemetry_name_the_rule_and_its_reason() {
    let (audit, sink) = capture::sink();
    let fixture = auth0(|builder| builder.rule(always(Ruling::deny(CANARY).unwrap())).audit(sink));
    let (capture, _guard) = Capture::listen();
    assert_refused(&fixture.token(AUTH, PW).await, 403, "access_denied", CANARY, &[]);
    assert!(audit.lock().unwrap()[0].shown.contains(CANARY));
    assert_eq!(audit.lock().unwrap()[0].reason, Some(Reason::RuleDenied));
    let said = &capture.events()[0];
    assert_eq!((said.field("rule"), said.field("denial")), (Some("closed"), Some(CANARY)));
    assert_eq!(capture.text().lines().count(), 1);
}

#[tokio::test]
async fn what_a_rule_fails_with_reaches_no_answer() {
    let rule = rule_fn("failing", |_: LoginEvent| async { Err::<Ruling, _>(BackendError::fault(CANARY)) });
    let answer = auth0(|builder| builder.rule(rule)).token(AUTH, PW).await;
    assert_refused(&answer, 500, "server_error", "the server could not process the request", &[]);
}

#[tokio::test]
async fn a_denial_of_the_verifiers_own_is_revealed_by_the_danger_section_alone() {
    let own = || {
        let code = HostCode::new("company_locked", "closed until Monday").unwrap();
        verify_fn(move |_| {
            let denial = Denial::Custom(code.clone());
            async { Ok(denial.into()) }
        })
    };
    let login = |layer| async move { send_in(Profile::Auth0, &layer, token_request(AUTH, PW)).await };
    let builder = || builder(&Probe::default()).verifier(own()).profile(Profile::Auth0);
    let plain = login(builder().build().unwrap()).await;
    assert_refused(&plain, 403, "invalid_grant", WRONG, &[]);
    let revealed = login(builder().danger(|danger| danger.reveal_custom_denials()).build().unwrap()).await;
    assert_refused(&revealed, 403, "company_locked", "closed until Monday", &[]);
}

#[tokio::test]
async fn by_default_the_danger_section_changes_nothing_of_an_answer_but_its_sentence() {
    let revealing =
        Fixture::with(|builder| builder.rule(always(denied())).danger(|danger| danger.reveal_custom_denials()));
    assert_refused(&revealing.token(AUTH, PW).await, 400, "invalid_grant", "closed on Sundays", &[]);
    let plain = Fixture::with(|builder| builder.rule(always(denied())));
    assert_refused(&plain.token(AUTH, PW).await, 400, "invalid_grant", "the credentials are not valid", &[]);
}
