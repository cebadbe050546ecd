//! What happens between the steps, and what is presented again, too late, cut off or by somebody else.

use std::time::Duration;

use super::flow::open;
use crate::support::factors::FactorBed;

/// An endpoint with an enrolled user whose login is open: the secret, and the token.
async fn opened() -> (FactorBed, String, String) {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    let token = open(&bed.login("alice", "").await);
    (bed, secret, token)
}

#[tokio::test]
async fn a_password_that_is_changed_between_the_steps_leaves_no_login() {
    let (bed, secret, token) = opened().await;
    bed.people.change_password("alice");
    let answer = bed.redeem_otp(&token, &bed.code(&secret)).await;
    answer.assert_error(400, "invalid_grant");
    assert_eq!(bed.last_event(), "refused app credentials_changed");
}

#[tokio::test]
async fn a_user_who_is_locked_between_the_steps_gets_nothing() {
    let (bed, secret, token) = opened().await;
    bed.people.lock("alice");
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_error(400, "invalid_grant");
    assert_eq!(bed.last_event(), "refused app disabled");
}

#[tokio::test]
async fn a_code_is_good_once_and_for_one_login() {
    let (bed, secret, token) = opened().await;
    let other = open(&bed.login("alice", "").await);
    let code = bed.code(&secret);
    bed.redeem_otp(&token, &code).await.assert_ok();
    let replayed = bed.redeem_otp(&other, &code).await;
    assert_eq!(bed.last_event(), "refused app otp_replayed");
    let wrong = bed.redeem_otp(&other, "000000").await;
    assert_eq!(bed.last_event(), "refused app wrong_otp");
    // Nobody who watches learns which it was.
    assert_eq!((replayed.status, &replayed.body), (wrong.status, &wrong.body));
    assert_eq!(wrong.json()["error_description"], "Invalid otp_code.");
    // The step before this one is spent with it.
    bed.clock.advance(Duration::from_secs(30));
    bed.redeem_otp(&other, &bed.code(&secret)).await.assert_ok();
}

#[tokio::test]
async fn the_step_before_is_taken_and_the_next_one_and_an_older_one_are_not() {
    let (bed, secret, token) = opened().await;
    let now = bed.code(&secret);
    bed.clock.advance(Duration::from_secs(30));
    let next = bed.code(&secret);
    bed.clock.set_back(Duration::from_secs(30));
    assert_ne!(now, next);
    bed.redeem_otp(&token, &next).await.assert_error(400, "invalid_grant");
    bed.clock.advance(Duration::from_secs(60));
    bed.redeem_otp(&token, &now).await.assert_error(400, "invalid_grant");
    bed.redeem_otp(&token, &next).await.assert_ok();
}

#[tokio::test]
async fn a_challenge_is_spent_by_its_login() {
    let (bed, secret, token) = opened().await;
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    bed.clock.advance(Duration::from_secs(30));
    let answer = bed.redeem_otp(&token, &bed.code(&secret)).await;
    answer.assert_error(400, "invalid_grant");
    assert_eq!(answer.json()["error_description"], "Malformed mfa_token");
    assert_eq!(bed.last_event(), "refused app malformed_mfa_token");
}

#[tokio::test]
async fn a_challenge_ends_after_ten_minutes() {
    let (bed, secret, token) = opened().await;
    bed.clock.advance(Duration::from_secs(599));
    let other = open(&bed.login("alice", "").await);
    bed.clock.advance(Duration::from_secs(1));
    let answer = bed.redeem_otp(&token, &bed.code(&secret)).await;
    answer.assert_error(400, "expired_token");
    assert_eq!(answer.json()["error_description"], "mfa_token is expired");
    bed.redeem_otp(&other, &bed.code(&secret)).await.assert_ok();
}

#[tokio::test]
async fn a_token_that_is_cut_off_changed_or_foreign_looks_like_a_made_up_one() {
    let (bed, secret, token) = opened().await;
    let code = bed.code(&secret);
    let redeem = async |client: &str, token: &str| {
        let grant = "http://auth0.com/oauth/grant-type/mfa-otp";
        bed.token(&format!("client_id={client}&grant_type={grant}&mfa_token={token}&otp={code}")).await
    };
    let made_up = redeem("app", "x").await;
    assert_eq!(made_up.json()["error_description"], "Malformed mfa_token");
    let other_key = open(&{
        let other = FactorBed::new();
        other.enrolled("alice").await;
        other.login("alice", "").await
    });
    let mut changed = token.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let padded = format!("{token}%3D");
    let long = "A".repeat(5000);
    for (client, bad) in [
        ("app", &token[1..]),
        ("app", &token[..token.len() - 4]),
        ("app", &changed),
        ("app", &padded),
        ("app", &long),
        ("app", &other_key),
        ("other", &token),
        ("staff", &token),
    ] {
        let answer = redeem(client, bad).await;
        assert_eq!((answer.status, &answer.body), (made_up.status, &made_up.body), "{client} {bad}");
    }
    // None of it has used up the code or the challenge.
    redeem("app", &token).await.assert_ok();
}

#[tokio::test]
async fn a_code_is_exactly_six_digits() {
    let (bed, secret, token) = opened().await;
    let code = bed.code(&secret);
    for bad in [format!("+{code}"), format!("{code}+"), format!("{code}0"), code[1..].to_owned()] {
        bed.redeem_otp(&token, &bad).await.assert_error(400, "invalid_grant");
    }
    bed.redeem_otp(&token, "").await.assert_error(400, "invalid_request");
    bed.redeem_otp(&token, &format!("{code}&otp={code}")).await.assert_error(400, "invalid_request");
    bed.redeem_otp(&token, &code).await.assert_ok();
}

#[tokio::test]
async fn made_up_tokens_are_counted_on_their_address() {
    let bed = FactorBed::new();
    let mut answers = Vec::new();
    for at in 0..400 {
        answers.push(bed.redeem_otp(&format!("x{at}"), "123456").await.status.as_u16());
        if answers.last() == Some(&429) {
            break;
        }
    }
    assert_eq!(answers.pop(), Some(429), "{answers:?}");
    assert!(answers.iter().all(|status| *status == 400));
}
