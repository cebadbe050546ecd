//! The main path.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use support::{CONF, Fixture, PW};

#[tokio::test]
async fn a_valid_request_gets_a_token_pw_03() {
    let fixture = Fixture::new();
    let json = fixture.token(&[("authorization", CONF)], PW).await.assert_ok();
    assert_eq!(json["scope"], "read");
    assert_eq!(json["expires_in"], 3600);
}

#[tokio::test]
async fn a_wrong_password_is_invalid_grant_pw_04() {
    let fixture = Fixture::new();
    let answer = fixture.token(&[("authorization", CONF)], "grant_type=password&username=alice&password=x").await;
    answer.assert_error(400, "invalid_grant");
}
