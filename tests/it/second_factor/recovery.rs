//! Recovery codes: each works once, and is swapped for a new one.

use tower_password_grant::mfa::Channel;
use tower_password_grant::mount::Profile;

use super::ways::text;
use crate::support::factors::FactorBed;

/// A user with an authenticator and two recovery codes.
async fn bed() -> (FactorBed, Vec<String>) {
    let bed = FactorBed::new();
    let codes = bed.reached_by("pat", Channel::Sms).await;
    (bed, codes)
}

#[tokio::test]
async fn a_recovery_code_finishes_a_login_once_and_a_new_one_is_in_the_answer() {
    let (bed, codes) = bed().await;
    assert_eq!(codes.len(), 2);
    let answer = bed.redeem_recovery(&bed.left_open("pat").await, &codes[0]).await.assert_ok();
    assert_eq!(answer["scope"], "read");
    assert_eq!(bed.last_event(), "issued app user-pat");
    let new = text(&answer, "recovery_code");
    assert_eq!(new.len(), 24);
    assert!(!codes.contains(&new));

    let again = bed.redeem_recovery(&bed.left_open("pat").await, &codes[0]).await;
    again.assert_error_about(400, "invalid_grant", "MFA Authorization rejected.");
    assert_eq!(bed.last_event(), "refused app wrong_recovery_code");
    // The others go on to count, and the new one is as good as they are.
    for code in [&codes[1], &new] {
        bed.redeem_recovery(&bed.left_open("pat").await, code).await.assert_ok();
    }
}

#[tokio::test]
async fn a_code_may_be_typed_in_either_case_with_spaces_and_hyphens() {
    let (bed, codes) = bed().await;
    let groups: Vec<String> = codes[0].as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into()).collect();
    let typed = format!(" {} ", groups.join("-").to_lowercase().replacen('-', " ", 2));
    bed.redeem_recovery(&bed.left_open("pat").await, &typed).await.assert_ok();
}

#[tokio::test]
async fn a_wrong_code_leaves_the_login_open() {
    let (bed, codes) = bed().await;
    let mfa_token = bed.left_open("pat").await;
    for wrong in ["ACDEFGHJKMNPQRTUVWXY2345", "ACDE", "0000"] {
        let answer = bed.redeem_recovery(&mfa_token, wrong).await;
        answer.assert_error_about(400, "invalid_grant", "MFA Authorization rejected.");
    }
    bed.redeem_recovery(&mfa_token, &codes[0]).await.assert_ok();
    let again = bed.redeem_recovery(&mfa_token, &codes[1]).await;
    again.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
}

#[tokio::test]
async fn the_profile_of_auth0_answers_a_wrong_code_with_403() {
    let bed = FactorBed::of(Profile::Auth0);
    bed.reached_by("pat", Channel::Sms).await;
    let answer = bed.redeem_recovery(&bed.left_open("pat").await, "ACDEFGHJKMNPQRTUVWXY2345").await;
    assert_eq!(answer.status, 403);
    assert_eq!(text(&answer.json(), "error"), "invalid_grant");
    assert_eq!(text(&answer.json(), "error_description"), "MFA Authorization rejected.");
}

#[tokio::test]
async fn a_code_of_another_user_is_a_wrong_one() {
    let (bed, codes) = bed().await;
    bed.reached_by("sam", Channel::Sms).await;
    let answer = bed.redeem_recovery(&bed.left_open("sam").await, &codes[0]).await;
    answer.assert_error_about(400, "invalid_grant", "MFA Authorization rejected.");
    bed.redeem_recovery(&bed.left_open("pat").await, &codes[0]).await.assert_ok();
}

#[tokio::test]
async fn codes_that_are_used_up_by_a_stranger_leave_the_recovery_code_open() {
    let (bed, codes) = bed().await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    let wrong = if bed.typed() == "000000" { "000001" } else { "000000" };
    let mut last = bed.redeem_oob(&mfa_token, &oob_code, Some(wrong)).await;
    for _ in 0..5 {
        last = bed.redeem_oob(&mfa_token, &oob_code, Some(wrong)).await;
    }
    last.assert_error(429, "too_many_attempts");
    bed.redeem_recovery(&mfa_token, &codes[0]).await.assert_ok();
}

#[tokio::test]
async fn guesses_of_recovery_codes_have_an_end_after_which_right_and_wrong_look_alike() {
    let (bed, codes) = bed().await;
    let mfa_token = bed.left_open("pat").await;
    let mut wrong = bed.redeem_recovery(&mfa_token, "ACDEFGHJKMNPQRTUVWXY2345").await;
    for _ in 0..20 {
        wrong = bed.redeem_recovery(&mfa_token, "ACDEFGHJKMNPQRTUVWXY2345").await;
    }
    wrong.assert_error(429, "too_many_attempts");
    let right = bed.redeem_recovery(&mfa_token, &codes[0]).await;
    assert_eq!((right.status, right.body), (wrong.status, wrong.body));
}
