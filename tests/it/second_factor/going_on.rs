//! Logins that go on by a refresh which asks for a second factor, and those that have ended.

use std::time::Duration;

use serde_json::json;
use tower_password_grant::StaticClients;
use tower_password_grant::client::{ClientBuilder, Sunset};
use tower_password_grant::mfa::{Channel, DeliveryStatus, FactorUser};
use tower_password_grant::mount::Profile;
use tower_password_grant::store::FactorStore as _;

use super::ways::text;
use crate::support::factors::{FactorBed, clients};
use crate::support::{Answer, ManualClock};

const DAY: Duration = Duration::from_secs(86_400);
/// The step of an authenticator app.
const STEP: Duration = Duration::from_secs(30);

/// A bed in this profile, with changed clients.
fn bed(profile: Profile, change: impl Fn(ClientBuilder) -> ClientBuilder) -> FactorBed {
    let changed = clients().into_iter().map(|client| change(client.to_builder()).build().unwrap());
    let changed = StaticClients::new(changed).unwrap();
    FactorBed::with(|factors| factors, |builder| builder.profile(profile).clients(changed))
}

async fn refresh(bed: &FactorBed, token: &str, more: &str) -> Answer {
    bed.token(&format!("client_id=app&grant_type=refresh_token&refresh_token={token}{more}")).await
}

/// The token of a refresh that lacks a factor.
async fn left_open(bed: &FactorBed, token: &str, more: &str) -> String {
    let answer = refresh(bed, token, more).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (403, &json!("mfa_required")), "{answer:?}");
    text(&answer.json(), "mfa_token")
}

#[tokio::test]
async fn after_the_end_of_its_client_a_refresh_shows_its_factor_and_no_new_login_does() {
    let bed = bed(Profile::Rfc6749, |client| client.sunset(Sunset::at(ManualClock::start() + DAY)));
    let before = text(&bed.login("alice", "").await.assert_ok(), "refresh_token");
    let secret = bed.enrolled("alice").await;
    let begun_before = bed.left_open("alice").await;
    bed.clock.advance(DAY - 2 * STEP);
    let also_before = bed.left_open("alice").await;
    bed.clock.advance(2 * STEP);

    // What a password began before the date, and what one would begin now.
    let late = bed.redeem_otp(&also_before, &bed.code(&secret)).await;
    late.assert_error(400, "unauthorized_client");
    bed.redeem_otp(&begun_before, &bed.code(&secret)).await.assert_error(400, "expired_token");
    bed.login("alice", "").await.assert_error(400, "unauthorized_client");

    // The login goes on, and its new family, too.
    bed.clock.advance(STEP);
    let open = left_open(&bed, &before, "").await;
    let json = bed.redeem_otp(&open, &bed.code(&secret)).await.assert_ok();
    let json = refresh(&bed, &text(&json, "refresh_token"), "").await.assert_ok();
    assert_eq!(json["scope"], "read");
    refresh(&bed, &before, "").await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_for_less_shrinks_the_token_that_a_factor_gives_and_not_its_family() {
    for (profile, all, less) in
        [(Profile::Rfc6749, "read transfer", "read"), (Profile::Auth0, "offline_access read transfer", "read")]
    {
        let bed = bed(profile, |client| client);
        let login = format!("scope={}", all.replace(' ', "+"));
        let before = text(&bed.login("alice", &login).await.assert_ok(), "refresh_token");
        let secret = bed.enrolled("alice").await;
        let open = left_open(&bed, &before, &format!("&scope={less}")).await;
        let json = bed.redeem_otp(&open, &bed.code(&secret)).await.assert_ok();
        assert_eq!(json["scope"], less, "{profile:?}");
        let json = refresh(&bed, &text(&json, "refresh_token"), "").await.assert_ok();
        assert_eq!(json.get("scope").unwrap_or(&json!(all)), all, "{profile:?}");
    }
}

#[tokio::test]
async fn a_recovery_code_that_comes_with_a_login_that_has_ended_is_not_used_up() {
    let bed = FactorBed::new();
    let codes = bed.reached_by("pat", Channel::Sms).await;
    let token = bed.left_open("pat").await;
    bed.redeem_recovery(&token, &codes[0]).await.assert_ok();
    for code in [&codes[0], &codes[1], "ACDEFGHJKMNPQRTUVWXY2345"] {
        let ended = bed.redeem_recovery(&token, code).await;
        ended.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
    }
    let late = bed.left_open("pat").await;
    bed.clock.advance(Duration::from_secs(600));
    bed.redeem_recovery(&late, &codes[1]).await.assert_error(400, "expired_token");
    bed.redeem_recovery(&bed.left_open("pat").await, &codes[1]).await.assert_ok();
}

#[tokio::test]
async fn the_token_of_a_login_that_has_ended_lists_and_enrols_nothing() {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    let token = bed.left_open("alice").await;
    assert_eq!(bed.list(&token).await.status, 200);
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    // Without a factor it would begin an enrolment again.
    bed.store.remove_all(FactorUser::new(None, "user-alice")).await.unwrap();
    for answer in [bed.list(&token).await, bed.associate(&token, &json!({ "authenticator_types": ["otp"] })).await] {
        assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (401, &json!("expired_token")), "{answer:?}");
        assert_eq!(bed.last_event(), "refused - bearer_expired");
    }
    assert!(bed.outbox.all().is_empty());
}

#[tokio::test]
async fn the_question_of_a_user_who_may_not_log_in_any_more_ends_at_the_next_poll() {
    for disabled in [true, false] {
        let bed = FactorBed::new();
        bed.reached_by("pat", Channel::Push).await;
        let token = bed.left_open("pat").await;
        let asked = bed.sent(&token).await;
        bed.redeem_oob(&token, &asked, None).await.assert_error(400, "authorization_pending");
        if disabled {
            bed.people.lock("pat");
        } else {
            bed.people.change_password("pat");
        }
        bed.clock.advance(Duration::from_secs(5));
        bed.redeem_oob(&token, &asked, None).await.assert_error(400, "invalid_grant");
        bed.outbox.answer(DeliveryStatus::Approved);
        bed.clock.advance(Duration::from_secs(5));
        bed.redeem_oob(&token, &asked, None).await.assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_refresh_that_was_left_open_ends_with_its_family() {
    let lifetime = |client: ClientBuilder| client.refresh_token_lifetime(DAY * 10);
    let plan = |client: ClientBuilder| {
        let plan = Sunset::at(ManualClock::start() + DAY * 5).end_families_at(ManualClock::start() + DAY * 10);
        client.sunset(plan.unwrap())
    };
    for bed in [bed(Profile::Rfc6749, lifetime), bed(Profile::Rfc6749, plan)] {
        let (mut tokens, mut secrets) = (Vec::new(), Vec::new());
        for name in ["alice", "bob"] {
            tokens.push(text(&bed.login(name, "").await.assert_ok(), "refresh_token"));
        }
        for name in ["alice", "bob"] {
            secrets.push(bed.enrolled(name).await);
        }
        bed.clock.advance(DAY * 10 - STEP * 6);
        let [early, late] = [left_open(&bed, &tokens[0], "").await, left_open(&bed, &tokens[1], "").await];
        bed.clock.advance(STEP * 3);
        let json = bed.redeem_otp(&early, &bed.code(&secrets[0])).await.assert_ok();
        assert!(json["refresh_token"].is_string(), "{json}");
        // Neither a token nor another family comes of one that is over.
        bed.clock.advance(STEP);
        bed.redeem_otp(&late, &bed.code(&secrets[1])).await.assert_error(400, "invalid_grant");
    }
}
