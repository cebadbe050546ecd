//! Ramp, exceptions and the end, where logins have a second factor.

use std::time::{Duration, SystemTime};

use tower_password_grant::client::{ClientBuilder, Sunset};
use tower_password_grant::clock::Clock as _;
use tower_password_grant::mount::Profile;
use tower_password_grant::store::{MemoryRefreshTokens, MemoryUsage};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::usage::UsageLedger;
use tower_password_grant::{Client, StaticClients, Subject};

use super::look_up::{Table, looked_up};
use super::{DAY, GUIDE, Moving, assert_out, bytes, day, plan, ramp};
use crate::support::Answer;
use crate::support::factors::{AUDIENCE, FactorBed, FactorBuilder};
use crate::support::faults::{FAILURES, Ledger, Mode, Switch};
use crate::support::grants::OwnGrant;
use crate::support::protection::counted_by;

fn app(plan: Sunset) -> ClientBuilder {
    let app = Client::public("app").allow_password_grant().allow_refresh_tokens().allow_second_factor();
    app.scopes("read transfer").default_scope("read").sunset(plan)
}

/// The bed with a plan for `app`.
fn bed(plan: Sunset) -> FactorBed {
    of(plan, |builder| builder)
}

fn of(plan: Sunset, change: impl FnOnce(FactorBuilder) -> FactorBuilder) -> FactorBed {
    let app = app(plan).build().unwrap();
    let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new()).lifetime(DAY * 30).idle_lifetime(DAY * 30);
    let clients = StaticClients::new([app]).unwrap();
    FactorBed::with(|factors| factors, |builder| change(builder.clients(clients).refresh_tokens(refresh)))
}

fn go_to(bed: &FactorBed, time: SystemTime) {
    bed.clock.advance(time.duration_since(bed.clock.now()).unwrap());
}

fn opened(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!(json["error"], "mfa_required", "{json}");
    json["mfa_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_who_is_out_is_asked_for_no_second_factor() {
    let bed = bed(plan().except("user-kim", day(120)).unwrap());
    for name in ["kim", "lee"] {
        bed.enrolled(name).await;
    }
    bed.clock.advance(DAY * 100);
    assert_out(&bed.login("lee", "").await);
    assert_eq!(bed.last_event(), "refused app grant_sunset");
    opened(&bed.login("kim", "").await);
}

#[tokio::test]
async fn a_login_that_was_left_open_is_held_to_the_plan_again_when_it_is_finished_and_its_charges_go_back() {
    let bed = bed(plan().except("user-kim", day(120)).unwrap());
    let (kim, lee) = (bed.enrolled("kim").await, bed.enrolled("lee").await);
    bed.clock.advance(DAY * 100 - Duration::from_secs(120));
    let tokens = [opened(&bed.login("kim", "").await), opened(&bed.login("lee", "").await)];
    bed.clock.advance(Duration::from_secs(90));
    let answer = bed.redeem_otp(&tokens[1], &bed.code(&lee)).await;
    answer.assert_error(400, "unauthorized_client");
    assert_eq!(answer.json()["error_uri"], GUIDE);
    bed.redeem_otp(&tokens[0], &bed.code(&kim)).await.assert_ok();
}

/// The bed with a plan for `app`, a table of exceptions, and a limiter whose charges can be seen.
fn counted(plan: Sunset) -> (FactorBed, Table, Ledger) {
    let (table, ledger) = (Table::new(), Ledger::new(Switch::new(), Switch::new()));
    let (exceptions, limiter) = (table.clone(), ledger.clone());
    let bed = of(plan, |builder| builder.sunset_exceptions(exceptions).attack_protection(counted_by(limiter)));
    (bed, table, ledger)
}

#[tokio::test]
async fn what_the_password_was_charged_goes_back_where_end_or_ramp_come_before_the_factor_is_shown() {
    let (end, seconds) = (day(100), Duration::from_secs);
    // Within the life of the token a ramp this steep reaches everybody.
    let steep = plan().ramp_from(end - seconds(400)).unwrap();
    for (plan, out_at, reason) in
        [(plan(), end, "grant_sunset"), (steep, end - Duration::from_millis(1), "grant_ramped")]
    {
        let (bed, _, ledger) = counted(plan.except("nobody", day(120)).unwrap());
        let secret = bed.enrolled("lee").await;
        go_to(&bed, end - seconds(420));
        let token = opened(&bed.login("lee", "").await);
        assert_eq!(ledger.book().account.left, 1, "{reason}: it is charged until it is finished");
        go_to(&bed, out_at);
        bed.redeem_otp(&token, &bed.code(&secret)).await.assert_error(400, "unauthorized_client");
        assert!(bed.last_event().ends_with(reason), "{}", bed.last_event());
        assert_eq!(ledger.book().account.left, 0, "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_password_was_charged_goes_back_where_the_look_up_of_an_exception_fails_after_the_factor() {
    let (bed, table, ledger) = counted(looked_up());
    let secret = bed.enrolled("kim").await;
    bed.clock.advance(DAY * 100);
    for (mode, status, ..) in FAILURES.into_iter().filter(|(mode, ..)| *mode != Mode::Panic) {
        table.switch.set(Mode::Work);
        let token = opened(&bed.login("kim", "").await);
        assert_eq!(ledger.book().account.left, 1, "{mode:?}: it is charged until it is finished");
        table.switch.set(mode);
        let answer = bed.redeem_otp(&token, &bed.code(&secret)).await;
        assert_eq!((answer.status.as_u16(), ledger.book().account.left), (status, 0), "{mode:?}");
        bed.clock.advance(Duration::from_secs(30));
    }
    table.switch.set(Mode::Work);
    // A wrong code gives nothing back.
    let token = opened(&bed.login("kim", "").await);
    bed.redeem_otp(&token, "000000").await.assert_error(400, "invalid_grant");
    assert_eq!(ledger.book().account.left, 2);
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
}

/// The bed with a plan for `app` that can be moved, and a table of exceptions.
fn moving(plan: Sunset) -> (FactorBed, Moving, Table) {
    let (clients, table) = (Moving::default(), Table::new());
    clients.put(app(plan));
    let (registry, exceptions) = (clients.clone(), table.clone());
    let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new());
    let bed = FactorBed::with(
        |factors| factors,
        |builder| builder.clients(registry).sunset_exceptions(exceptions).refresh_tokens(refresh),
    );
    (bed, clients, table)
}

/// A user with an authenticator app: its secret, and a recovery code.
async fn with_recovery(bed: &FactorBed, name: &str) -> (String, String) {
    let (secret, json) = bed.enrol_app(&bed.manager(name).await).await;
    bed.redeem_otp(json["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
    (secret, json["recovery_codes"][0].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn no_code_is_used_up_by_a_login_that_the_plan_refuses() {
    let (end, seconds) = (day(100), Duration::from_secs);
    let steep = plan().ramp_from(end - seconds(400)).unwrap().except("nobody", day(120)).unwrap();
    let excepting = plan().except("nobody", day(120)).unwrap();
    let before = end - Duration::from_millis(1);
    for (plan, out_at, fails, status) in [
        (plan(), end, false, 400),
        (excepting, end, false, 400),
        (steep, before, false, 400),
        (looked_up(), end, false, 400),
        (looked_up(), end, true, 503),
    ] {
        let (bed, clients, table) = moving(plan.clone());
        let (secret, recovery_code) = with_recovery(&bed, "lee").await;
        go_to(&bed, end - seconds(420));
        let token = opened(&bed.login("lee", "").await);
        go_to(&bed, out_at);
        if fails {
            table.switch.set(Mode::Unavailable);
        }
        let refused = [
            bed.redeem_recovery(&token, &recovery_code).await,
            bed.redeem_otp(&token, &bed.code(&secret)).await,
            bed.redeem_recovery(&token, &recovery_code).await,
        ];
        assert_eq!(refused.map(|answer| answer.status.as_u16()), [status; 3], "{plan:?}");
        // The end is put off, and all of it works.
        table.switch.set(Mode::Work);
        clients.put(app(Sunset::at(day(200))));
        bed.redeem_recovery(&token, &recovery_code).await.assert_ok();
        let token = opened(&bed.login("lee", "").await);
        bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    }
}

#[tokio::test]
async fn a_login_that_was_finished_is_over_whatever_the_plan_says_since_then() {
    let (end, seconds) = (day(100), Duration::from_secs);
    // The end is decided after the factor.
    let bed = bed(plan().except("nobody", day(120)).unwrap());
    let (secret, recovery_code) = with_recovery(&bed, "lee").await;
    go_to(&bed, end - seconds(120));
    let token = opened(&bed.login("lee", "").await);
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    for at in [end - seconds(60), end] {
        go_to(&bed, at);
        for answer in
            [bed.redeem_otp(&token, &bed.code(&secret)).await, bed.redeem_recovery(&token, &recovery_code).await]
        {
            answer.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
        }
    }
}

#[tokio::test]
async fn a_wrong_code_says_nothing_of_the_plan_and_a_look_up_is_asked_once_for_each_login() {
    let (bed, _, table) = moving(looked_up());
    let (secret, recovery_code) = with_recovery(&bed, "kim").await;
    bed.clock.advance(DAY * 100);
    let token = opened(&bed.login("kim", "").await);
    let asked = table.count();
    bed.redeem_otp(&token, "000000").await.assert_error(400, "invalid_grant");
    assert_eq!(table.count(), asked);
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    assert_eq!(table.count(), asked + 1);
    let token = opened(&bed.login("kim", "").await);
    bed.redeem_recovery(&token, &recovery_code).await.assert_ok();
    assert_eq!(table.count(), asked + 3);
}

#[tokio::test]
async fn a_login_that_was_left_open_waits_for_the_end_of_a_brownout() {
    let seconds = Duration::from_secs;
    let bed = bed(plan().brownout(day(1), seconds(60)).unwrap());
    let secret = bed.enrolled("lee").await;
    bed.clock.advance(DAY - seconds(60));
    let token = opened(&bed.login("lee", "").await);
    bed.clock.advance(seconds(45));
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_error_about(400, "unauthorized_client", "until");
    // Nothing was spent, and the token lives on.
    bed.clock.advance(seconds(60));
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
}

/// A login without a factor on day 90, which lives 30 days, of a user who has one since, and the secret of that.
async fn begun(bed: &FactorBed) -> (String, String) {
    go_to(bed, day(90));
    let token = bed.login("alice", "").await.assert_ok()["refresh_token"].as_str().unwrap().to_owned();
    (token, bed.enrolled("alice").await)
}

async fn refresh(bed: &FactorBed, token: &str) -> Answer {
    bed.token(&format!("client_id=app&grant_type=refresh_token&refresh_token={token}")).await
}

#[tokio::test]
async fn a_refresh_that_shows_a_factor_prolongs_no_login_of_a_user_whom_the_end_refuses() {
    for (plan, time, goes_on) in [
        (plan(), 95, true),
        (plan(), 101, false),
        (plan().except("user-alice", day(200)).unwrap(), 101, true),
        (plan().except("user-kim", day(200)).unwrap(), 101, false),
        // Its ramp has reached all users but a billionth.
        (plan().ramp_from(day(91)).unwrap(), 99, false),
    ] {
        let bed = bed(plan.clone());
        let (token, secret) = begun(&bed).await;
        go_to(&bed, day(time + 1) - Duration::from_millis(1));
        let open = opened(&refresh(&bed, &token).await);
        let json = bed.redeem_otp(&open, &bed.code(&secret)).await.assert_ok();
        let first = |json: &serde_json::Value| json["refresh_token"].as_str().unwrap().to_owned();
        go_to(&bed, day(120) - Duration::from_secs(1));
        let next = refresh(&bed, &first(&json)).await.assert_ok();
        assert_eq!(next["expires_in"], if goes_on { 3600 } else { 1 }, "{plan:?}");
        go_to(&bed, day(121));
        let answer = refresh(&bed, &first(&next)).await;
        assert_eq!(answer.status == 200, goes_on, "{plan:?} {answer:?}");
        if !goes_on {
            answer.assert_error(400, "invalid_grant");
            assert_eq!(bed.last_event(), "refused app refresh_token_expired");
        }
    }
}

#[tokio::test]
async fn what_a_factor_gives_after_the_end_lives_no_longer_than_the_login_that_it_goes_on_with() {
    for (shown, lives) in [(50, Some(50)), (1, Some(1)), (0, None)] {
        let bed = bed(plan());
        let (token, secret) = begun(&bed).await;
        go_to(&bed, day(120) - Duration::from_secs(100));
        let open = opened(&refresh(&bed, &token).await);
        go_to(&bed, day(120) - Duration::from_secs(shown));
        let answer = bed.redeem_otp(&open, &bed.code(&secret)).await;
        match lives {
            Some(lives) => assert_eq!(answer.assert_ok()["expires_in"], lives),
            None => answer.assert_error(400, "invalid_grant"),
        }
    }
}

/// What wrong passwords of one user get, then the right one of the locked account.
async fn guessed(profile: Profile, time: u32, user: &str) -> Vec<(http::StatusCode, http::HeaderMap, bytes::Bytes)> {
    let bed = of(ramp().except("user-kim", day(120)).unwrap(), |builder| builder.profile(profile));
    for name in ["kim", "lee"] {
        bed.enrolled(name).await;
    }
    go_to(&bed, day(time));
    let mut seen = Vec::new();
    for guess in 0..20 {
        let body = format!("client_id=app&grant_type=password&username={user}&password=wrong-{guess}");
        seen.push(bytes(&bed.token(&body).await));
    }
    seen.push(bytes(&bed.login(user, "").await));
    seen
}

#[tokio::test]
async fn wrong_passwords_of_users_with_factors_tell_neither_ramp_nor_exception_nor_end_nor_factor() {
    for (profile, status) in [(Profile::Rfc6749, 400), (Profile::Auth0, 403)] {
        for time in [10, 75, 95, 100, 110] {
            let expected = guessed(profile, time, "somebody").await;
            assert_eq!(expected[0].0, status);
            assert!(expected[0].2.starts_with(b"{\"error\":\"invalid_grant\""), "{expected:?}");
            assert_eq!(expected[20].0, 429);
            for user in ["kim", "lee"] {
                assert_eq!(guessed(profile, time, user).await, expected, "{profile:?}, day {time}, {user}");
            }
        }
    }
}

#[tokio::test]
async fn an_enrolment_begins_a_login_of_the_kind_that_its_token_came_from_whatever_the_client_lists_first() {
    const BADGE: &str = "urn:example:grant:enrolment:badge";
    let ways =
        ["grant_type=password&username=lee&password=correct+horse".to_owned(), format!("grant_type={BADGE}&badge=1")];
    for (way, by_password) in ways.iter().zip([true, false]) {
        for badge_first in [true, false] {
            let (app, usage) = (Client::public("app"), UsageLedger::new(MemoryUsage::new()));
            let app = if badge_first { app.allow_grant(BADGE) } else { app.allow_password_grant().allow_grant(BADGE) };
            let app = app.allow_password_grant().allow_second_factor().scopes("read").default_scope("read");
            let clients = StaticClients::new([app.sunset(plan()).build().unwrap()]).unwrap();
            let badge =
                OwnGrant::new(BADGE, &["badge"], |_| Ok(Subject::new("user-lee").with_credential_version("0").into()));
            let ledger = usage.clone();
            let bed = FactorBed::with(
                |factors| factors,
                |builder| builder.clients(clients).extension_grant(badge).usage(ledger),
            );
            bed.clock.advance(DAY * 100 - Duration::from_secs(60));
            let enrol = |bearer: String| {
                let bed = &bed;
                async move {
                    let (secret, json) = bed.enrol_app(&bearer).await;
                    bed.redeem_otp(json["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await
                }
            };
            let login = bed.token(&format!("client_id=app&{way}&audience={AUDIENCE}&scope=enroll")).await.assert_ok();
            let bearer = login["access_token"].as_str().unwrap().to_owned();
            let before = enrol(bearer).await.assert_ok();
            let report = usage.report(DAY * 30).await.unwrap();
            let [client] = report.clients.as_slice() else { panic!("{report}") };
            assert_eq!((client.only_by_password, client.moved), (u64::from(by_password), 0), "{report}");
            // After the end the one goes on, and the other is no way around it.
            bed.clock.advance(Duration::from_secs(120));
            let after = enrol(before["access_token"].as_str().unwrap().to_owned()).await;
            if by_password {
                after.assert_error(400, "unauthorized_client");
            } else {
                after.assert_ok();
            }
        }
    }
}
