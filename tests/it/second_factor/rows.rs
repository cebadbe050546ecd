//! Rows of authenticators in a real store, which were moved by somebody who can write to it.

use std::sync::Arc;
use std::time::Duration;

use tower_password_grant::mfa::Factors;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::user::SecretKeys;

use super::flow::open;
use crate::support::ManualClock;
use crate::support::factors::FactorBed;
use crate::support::folder::Folder;

#[tokio::test]
async fn an_authenticator_that_was_moved_to_another_user_realm_or_identifier_opens_nothing() {
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let store = Arc::new(SqliteStore::builder(folder.file()).clock(clock.clone()).open().unwrap());
    let factors = Factors::new(Arc::clone(&store), SecretKeys::new("1", [7; 32]).unwrap()).totp("Example Bank");
    let bed = FactorBed::with(|_| factors, |builder| builder.clock(clock.clone()));
    let bed = FactorBed { clock: clock.clone(), ..bed };
    bed.enrolled("alice").await;
    let secret = bed.enrolled("mallory").await;
    let rows = rusqlite::Connection::open(folder.file()).unwrap();
    let write = |sql: &str| rows.execute_batch(sql).unwrap();
    let in_realm = "client_id=staff&grant_type=password&username=mallory&password=correct+horse&realm=one";
    let app = format!("client_id=app&{}", "grant_type=password&username=alice&password=correct+horse");
    let own = app.replace("alice", "mallory");
    for (moved, back, login, client) in [
        // The app of one who knows the password of alice takes the place of hers.
        (
            "UPDATE authenticators SET subject = 'away' WHERE subject = 'user-alice';
            UPDATE authenticators SET subject = 'user-alice' WHERE subject = 'user-mallory'",
            "UPDATE authenticators SET subject = 'user-mallory' WHERE subject = 'user-alice';
            UPDATE authenticators SET subject = 'user-alice' WHERE subject = 'away'",
            app.as_str(),
            "app",
        ),
        (
            "UPDATE authenticators SET realm = 'one' WHERE subject = 'user-mallory'",
            "UPDATE authenticators SET realm = NULL WHERE subject = 'user-mallory'",
            in_realm,
            "staff",
        ),
        (
            "UPDATE authenticators SET id = 'totp|dev_AAAAAAAAAAAAAAAAAAAAAA' WHERE id LIKE 'totp%' AND subject = 'user-mallory'",
            "",
            own.as_str(),
            "app",
        ),
    ] {
        write(moved);
        let token = open(&bed.token(login).await);
        let grant = "http://auth0.com/oauth/grant-type/mfa-otp";
        let body = format!("client_id={client}&grant_type={grant}&mfa_token={token}&otp={}", bed.code(&secret));
        let answer = bed.token(&body).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert!(answer.header("retry-after").is_some(), "{moved}");
        if back.is_empty() {
            continue;
        }
        // In its own place it works.
        write(back);
        let token = open(&bed.login("mallory", "").await);
        bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
        clock.advance(Duration::from_secs(30));
    }
}
