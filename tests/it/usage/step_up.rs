//! A second factor that a refresh has asked for is no new login by password.

use std::time::Duration;

use tower_password_grant::clock::Clock as _;
use tower_password_grant::store::MemoryUsage;
use tower_password_grant::usage::{LoginWay, UsageLedger};

use super::{DAY, client};
use crate::support::factors::FactorBed;

#[tokio::test]
async fn a_user_who_has_moved_has_not_fallen_back_where_a_refresh_asks_for_a_second_factor() {
    let usage = UsageLedger::new(MemoryUsage::new());
    let ledger = usage.clone();
    let bed = FactorBed::with(|factors| factors, |builder| builder.usage(ledger));
    let refresh = async |token: &str| {
        let answer = bed.token(&format!("client_id=app&grant_type=refresh_token&refresh_token={token}")).await;
        answer.json()
    };
    let text =
        |json: &serde_json::Value, name: &str| json[name].as_str().unwrap_or_else(|| panic!("{json}")).to_owned();
    let report = async || {
        let report = usage.report(DAY * 30).await.unwrap();
        let [app] = report.clients.as_slice() else { panic!("{report}") };
        app.clone()
    };
    let token = text(&bed.login("alice", "").await.assert_ok(), "refresh_token");
    let secret = bed.enrolled("alice").await;
    let before = report().await;
    bed.clock.advance(DAY);
    usage.note(&client("app"), "user-alice", None, bed.clock.now());
    bed.clock.advance(DAY);

    let open = text(&refresh(&token).await, "mfa_token");
    let json = bed.redeem_otp(&open, &bed.code(&secret)).await.assert_ok();
    let app = report().await;
    assert_eq!((app.users, app.moved, app.fallen_back), (1, 1, 0));
    assert_eq!(app.last_password_login, before.last_password_login);
    assert!(app.last_password_refresh > app.last_password_login);
    let factor = |usage: &tower_password_grant::usage::ClientUsage| {
        usage.ways.iter().find(|way| way.way == LoginWay::SecondFactor).map(|way| way.logins)
    };
    assert_eq!(factor(&app), factor(&before));

    // Nor at a refresh of the family that took the place of the first one.
    bed.clock.advance(DAY + Duration::from_secs(60));
    text(&refresh(&text(&json, "refresh_token")).await, "access_token");
    let app = report().await;
    assert_eq!((app.users, app.moved, app.fallen_back), (1, 1, 0));
    assert_eq!(app.last_password_login, before.last_password_login);

    // By a password it has.
    let open = text(&bed.login("alice", "").await.json(), "mfa_token");
    bed.redeem_otp(&open, &bed.code(&secret)).await.assert_ok();
    let app = report().await;
    assert_eq!((app.users, app.moved, app.fallen_back), (1, 0, 1));
    assert_eq!(factor(&app), factor(&before).map(|logins| logins + 1));
}
