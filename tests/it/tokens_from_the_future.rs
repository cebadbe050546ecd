//! Tokens that were issued while the clock was ahead: after it was set right they are not good before their time, wherever they
//! are presented (RFC 7662 section 2.2, RFC 7519 section 4.1.6).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tower_password_grant::ClientId;
use tower_password_grant::audit::Reason;
use tower_password_grant::bearer::{BearerGuard, BearerReason};
use tower_password_grant::store::AccessTokenRecord;

use crate::support;
use crate::support::bearer::{self, AUDIENCE, Api};
use crate::support::tokens::{Tokens, clients};

const HOUR: Duration = Duration::from_secs(3600);
/// How far clocks may differ.
const SKEW: Duration = Duration::from_secs(5);

/// Logs in while the clock is an hour ahead, sets it right, and waits until the hour is over.
async fn mend_the_clock(tokens: &Tokens) {
    let guard = BearerGuard::builder(Arc::clone(&tokens.access)).audience(AUDIENCE).clock(tokens.clock.clone());
    let api = Api::serve(bearer::api(&guard.build().unwrap())).await;
    let status = async |token: &str| api.get(&format!("Bearer {token}")).await.status.as_u16();
    let is_active = async |token: &str| tokens.introspect("conf", token).await["active"] == true;

    let before = tokens.login("conf").await;
    tokens.clock.advance(HOUR);
    let (login, revoked) = (tokens.login("conf").await, tokens.login("conf").await);
    assert_eq!(status(&login.access).await, 200);
    assert!(is_active(&login.access).await && is_active(&login.refresh).await);

    tokens.clock.set_back(HOUR);
    for wait in [Duration::ZERO, HOUR - SKEW - Duration::from_millis(1)] {
        tokens.clock.advance(wait);
        assert_eq!(status(&login.access).await, 401);
        assert!(!is_active(&login.access).await && !is_active(&login.refresh).await);
        tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
        assert_eq!(tokens.reason(), Some(Reason::RefreshTokenEarly));
        // Tokens of the time before, and new ones, are good, and the store still has the others.
        assert!(is_active(&before.refresh).await && is_active(&tokens.login("conf").await.access).await);
    }
    // What can be revoked is revoked all the same.
    tokens.revoke("conf", &revoked.access).await.assert_empty_ok();
    tokens.revoke("conf", &revoked.refresh).await.assert_empty_ok();

    tokens.clock.advance(Duration::from_millis(1));
    assert_eq!(status(&login.access).await, 200);
    assert!(is_active(&login.access).await && is_active(&login.refresh).await);
    tokens.refresh("conf", &login.refresh).await.assert_ok();
    assert_eq!(status(&revoked.access).await, 401);
    assert!(!is_active(&revoked.access).await && !is_active(&revoked.refresh).await);
}

#[tokio::test]
async fn a_token_is_not_good_before_its_time_after_the_clock_was_corrected() {
    mend_the_clock(&Tokens::new()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_token_in_sqlite_is_not_good_before_its_time_after_the_clock_was_corrected() {
    use support::ManualClock;
    use tower_password_grant::sqlite::SqliteStore;

    let folder = std::env::temp_dir().join(format!("future-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let clock = ManualClock::new();
    let store = SqliteStore::builder(folder.join("tokens.db")).clock(clock.clone()).open().unwrap();
    let (access, refresh) = (Arc::new(store.clone()), Arc::new(store.clone()));
    mend_the_clock(&Tokens::over(clock, access, refresh, clients(), |builder| builder)).await;
    store.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_guard_refuses_what_was_issued_more_than_a_minute_ahead_whatever_verified_it() {
    let tokens = bearer::Tokens::new();
    let api = Api::start(&tokens).await;
    for (ahead, is_good) in [(30, true), (3600, false)] {
        let issued = SystemTime::now() + Duration::from_secs(ahead);
        let record = AccessTokenRecord::new("alice", ClientId::new("cli").unwrap(), issued, issued + HOUR)
            .with_scope("read".parse().unwrap())
            .with_audience([AUDIENCE]);
        assert!(record.is_live(issued - SKEW));
        assert!(!record.is_live(issued - SKEW - Duration::from_millis(1)));
        tokens.add("ahead", record);
        let answer = api.get("Bearer ahead").await;
        assert_eq!(answer.status.as_u16(), if is_good { 200 } else { 401 }, "{ahead}");
    }
    assert_eq!(api.last_reason(), BearerReason::NotYetValid);
}
