//! The whole way: a right password, a second factor, tokens.

use std::sync::{Arc, Mutex};

use http::Method;
use serde_json::{Value, json};
use tower_password_grant::audit::{AuditEvent, AuditOutcome};
use tower_password_grant::mfa::When;
use tower_password_grant::mount::Profile;
use tower_password_grant::rules::{LoginEvent, LoginStage, Ruling, rule_fn};
use tower_password_grant::token::AuthenticationMethod;

use crate::support::Answer;
use crate::support::factors::{FactorBed, JSON, request};

/// The `mfa_token` of an answer, which must ask for a second factor.
#[track_caller]
pub fn open(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!((answer.status.as_u16(), json["error"].as_str()), (403, Some("mfa_required")), "{answer:?}");
    json["mfa_token"].as_str().expect("mfa_token").to_owned()
}

#[track_caller]
fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("{name}: {json}")).to_owned()
}

async fn refresh(bed: &FactorBed, client: &str, token: &str) -> Answer {
    bed.token(&format!("client_id={client}&grant_type=refresh_token&refresh_token={token}")).await
}

#[tokio::test]
async fn a_right_password_is_answered_with_what_opens_the_second_step_and_a_code_with_tokens() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let bed = FactorBed::of(profile);
        let secret = bed.enrolled("alice").await;
        let more = if profile == Profile::Auth0 { "scope=read+transfer+offline_access" } else { "scope=read+transfer" };
        let answer = bed.login("alice", more).await;
        let token = open(&answer);
        let expected = json!({
            "error": "mfa_required",
            "error_description": "Multifactor authentication required",
            "mfa_token": token,
            "mfa_requirements": { "challenge": [{ "type": "otp" }, { "type": "recovery-code" }] },
        });
        let mut sorted = answer.json();
        let types = sorted["mfa_requirements"]["challenge"].as_array_mut().unwrap();
        types.sort_by_key(ToString::to_string);
        assert_eq!(sorted, expected);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("www-authenticate"), None);
        assert!(token.len() <= 4096 && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
        assert_eq!(bed.last_event(), "refused app factor_required");

        let json = bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
        // The answer is that of the first request.
        assert!(text(&json, "scope").starts_with("read transfer") || text(&json, "scope").ends_with("read transfer"));
        assert!(json["refresh_token"].is_string() && json["access_token"].is_string());
        assert_eq!(bed.last_event(), "issued app user-alice");
        // It goes on by its refresh token, without another code.
        refresh(&bed, "app", &text(&json, "refresh_token")).await.assert_ok();
    }
}

#[tokio::test]
async fn both_steps_are_read_as_json_where_the_profile_has_it() {
    let bed = FactorBed::of(Profile::Auth0);
    let secret = bed.enrolled("alice").await;
    let post = async |body: Value| bed.send(request(Method::POST, "/oauth/token", &[JSON], &body.to_string())).await;
    let answer = post(json!({
        "client_id": "app", "grant_type": "password", "username": "alice", "password": "correct horse", "realm": null,
    }));
    let token = open(&answer.await);
    let grant = "http://auth0.com/oauth/grant-type/mfa-otp";
    let code = |otp: &str| json!({ "client_id": "app", "grant_type": grant, "mfa_token": token, "otp": otp });
    let wrong = post(code("000000")).await;
    assert_eq!((wrong.status.as_u16(), wrong.json()["error_description"].as_str()), (403, Some("Invalid otp_code.")));
    post(code(&bed.code(&secret))).await.assert_ok();
}

#[tokio::test]
async fn an_enrolment_without_its_first_code_demands_nothing_and_that_code_logs_in() {
    let bed = FactorBed::new();
    let (secret, json) = bed.enrol_app(&bed.manager("alice").await).await;
    bed.login("alice", "").await.assert_ok();
    let token = text(&json, "mfa_token");
    bed.redeem_otp(&token, "123456").await.assert_error(400, "invalid_grant");
    bed.login("alice", "").await.assert_ok();
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    open(&bed.login("alice", "").await);
}

#[tokio::test]
async fn where_a_factor_is_always_demanded_a_user_without_one_enrols_with_the_login_that_is_open() {
    let bed = FactorBed::with(|factors| factors.demand(When::Always), |builder| builder);
    let answer = bed.login("alice", "").await;
    let types = ["otp", "phone", "email", "push-notification"].map(|name| json!({ "type": name }));
    assert_eq!(answer.json()["mfa_requirements"], json!({ "enroll": types }));
    let token = open(&answer);
    let (secret, _) = bed.enrol_app(&token).await;
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    let answer = bed.login("alice", "").await;
    assert!(answer.json()["mfa_requirements"]["enroll"].is_null(), "{answer:?}");
    open(&answer);
}

#[tokio::test]
async fn a_client_that_cannot_finish_it_gets_no_mfa_token() {
    let bed = FactorBed::new();
    bed.enrolled("alice").await;
    let form = "client_id=plain&grant_type=password&username=alice&password=correct+horse";
    let answer = bed.token(form).await;
    answer.assert_error(403, "mfa_required");
    assert_eq!(answer.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["error", "error_description"]);
    assert_eq!(bed.last_event(), "refused plain factor_required");
}

#[tokio::test]
async fn a_user_of_one_realm_has_no_factor_of_another() {
    let bed = FactorBed::new();
    let login = async |realm: &str, more: &str| {
        let form = format!("grant_type=password&username=alice&password=correct+horse&realm={realm}{more}");
        bed.token(&format!("client_id=staff&{form}")).await
    };
    let audience = "&audience=https://as.example/mfa/&scope=enroll";
    let bearer = text(&login("two", audience).await.assert_ok(), "access_token");
    let (secret, json) = bed.enrol_app(&bearer).await;
    let grant = "http://auth0.com/oauth/grant-type/mfa-otp";
    let redeem = async |client: &str, token: &str| {
        let otp = bed.code(&secret);
        bed.token(&format!("client_id={client}&grant_type={grant}&mfa_token={token}&otp={otp}")).await
    };
    redeem("staff", &text(&json, "mfa_token")).await.assert_ok();
    bed.clock.advance(std::time::Duration::from_secs(30));
    login("one", "").await.assert_ok();
    let token = open(&login("two", "").await);
    redeem("app", &token).await.assert_error(400, "invalid_grant");
    redeem("staff", &token).await.assert_ok();
}

#[tokio::test]
async fn a_refresh_from_before_the_enrolment_needs_the_factor_and_is_not_used_up() {
    let bed = FactorBed::new();
    let before = bed.login("alice", "").await.assert_ok();
    let secret = bed.enrolled("alice").await;
    let old = text(&before, "refresh_token");
    open(&refresh(&bed, "app", &old).await);
    let token = open(&refresh(&bed, "app", &old).await);
    let json = bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    // The login of before is over, and one with both methods has begun.
    refresh(&bed, "app", &old).await.assert_error(400, "invalid_grant");
    refresh(&bed, "app", &text(&json, "refresh_token")).await.assert_ok();
    assert_eq!(json["scope"], before["scope"]);
}

#[tokio::test]
async fn a_rule_demands_a_factor_for_what_is_asked_and_sees_when_it_was_shown() {
    let (seen, stages) = std::sync::mpsc::channel();
    let step_up = rule_fn("step up", move |login: LoginEvent| {
        seen.send((login.stage(), login.methods().contains(AuthenticationMethod::Otp))).unwrap();
        let ruling = Ruling::proceed();
        let asks = login.requested_scope().contains("transfer");
        async move { Ok(if asks { ruling.demand_second_factor() } else { ruling }) }
    });
    let bed = FactorBed::with(|factors| factors.demand(When::Ruled), |builder| builder.rule(step_up));
    let secret = bed.enrolled("alice").await;
    bed.login("alice", "scope=read").await.assert_ok();
    let token = open(&bed.login("alice", "scope=transfer").await);
    while stages.try_recv().is_ok() {}
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    assert_eq!(stages.try_iter().collect::<Vec<_>>(), [(LoginStage::SecondFactor, true)]);
}

#[tokio::test]
async fn a_factor_that_is_older_than_a_rule_allows_is_shown_anew_at_a_refresh() {
    let minutes = |count: u64| std::time::Duration::from_secs(60 * count);
    let recent =
        rule_fn("recent", move |_| async move { Ok(Ruling::proceed().demand_second_factor_within(minutes(5))) });
    let bed = FactorBed::with(|factors| factors, |builder| builder.rule(recent));
    // Nobody is without one.
    let open_login = bed.login("alice", "").await;
    let token = open(&open_login);
    let (secret, _) = bed.enrol_app(&token).await;
    let json = bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    bed.clock.advance(minutes(5));
    let json = refresh(&bed, "app", &text(&json, "refresh_token")).await.assert_ok();
    bed.clock.advance(minutes(1));
    let token = open(&refresh(&bed, "app", &text(&json, "refresh_token")).await);
    let json = bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    refresh(&bed, "app", &text(&json, "refresh_token")).await.assert_ok();
}

#[tokio::test]
async fn a_finished_login_gives_back_what_its_password_was_charged_and_an_open_one_does_not() {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    let guess = async |at: usize| {
        let form = format!("client_id=app&grant_type=password&username=alice&password=wrong{at}");
        bed.token(&form).await.status.as_u16()
    };
    // The budget of an account and address is ten.
    for at in 0..9 {
        assert_eq!(guess(at).await, 400);
    }
    let token = open(&bed.login("alice", "").await);
    assert_eq!(guess(9).await, 429, "an open login stays charged");
    // Under the lock not even the right password opens a second step.
    bed.login("alice", "").await.assert_error(429, "too_many_attempts");
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    assert_eq!(guess(10).await, 400, "a finished one is forgotten");
}

#[tokio::test]
async fn the_events_of_a_code_name_its_user_to_the_operator() {
    let seen = Arc::new(Mutex::new(Vec::<(String, Option<String>)>::new()));
    let lines = Arc::clone(&seen);
    let sink = move |event: &AuditEvent<'_>| {
        let (what, subject) = match event.outcome {
            AuditOutcome::Refused { reason, subject, .. } => (reason.to_string(), subject),
            AuditOutcome::Issued { subject, .. } => ("issued".to_owned(), Some(subject)),
            _ => return,
        };
        lines.lock().unwrap().push((what, subject.map(str::to_owned)));
    };
    let bed = FactorBed::with(|factors| factors, |builder| builder.audit(sink));
    let secret = bed.enrolled("alice").await;
    let token = open(&bed.login("alice", "").await);
    let last = || seen.lock().unwrap().last().cloned().unwrap();
    let alice = Some("user-alice".to_owned());
    bed.redeem_otp(&token, "000000").await.assert_error(400, "invalid_grant");
    assert_eq!(last(), ("wrong_otp".to_owned(), alice.clone()));
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    assert_eq!(last(), ("issued".to_owned(), alice.clone()));
    bed.redeem_otp(&token, "000000").await.assert_error(400, "invalid_grant");
    assert_eq!(last().1, alice.clone());
    let token = open(&bed.login("alice", "").await);
    let unknown = json!({ "client_id": "app", "mfa_token": token, "authenticator_id": "none" }).to_string();
    let answer = bed.send(request(Method::POST, "/mfa/challenge", &[JSON], &unknown)).await;
    answer.assert_error(400, "invalid_authenticator");
    assert_eq!(last(), ("unknown_authenticator".to_owned(), alice));
    // What is sealed by nobody is of nobody.
    bed.redeem_otp("made-up", "000000").await.assert_error(400, "invalid_grant");
    assert_eq!(last().1, None);
}
