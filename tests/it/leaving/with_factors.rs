//! Ramp, exceptions and the end, where logins have a second factor.

use std::time::Duration;

use tower_password_grant::client::Sunset;
use tower_password_grant::{Client, StaticClients};

use super::{DAY, GUIDE, assert_out, day, plan};
use crate::support::Answer;
use crate::support::factors::FactorBed;

/// The bed with a plan for `app`.
fn bed(plan: Sunset) -> FactorBed {
    let app = Client::public("app").allow_password_grant().allow_refresh_tokens().allow_second_factor();
    let app = app.scopes("read transfer").default_scope("read").sunset(plan).build().unwrap();
    FactorBed::with(|factors| factors, |builder| builder.clients(StaticClients::new([app]).unwrap()))
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
    // The password of `lee` was right each time: nothing is charged for it, however often.
    for _ in 0..30 {
        assert_out(&bed.login("lee", "").await);
    }
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
