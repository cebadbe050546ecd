//! Logins that are finished out of band: by a code that is typed, or by an answer on another device.

use std::time::Duration;

use tower_password_grant::mfa::{Channel, DeliveryStatus, FactorUser};
use tower_password_grant::mount::Profile;
use tower_password_grant::store::{AuthenticatorId, FactorStore as _};
use tower_password_grant::testing::contract;

use super::ways::text;
use crate::support::factors::FactorBed;

async fn bed(channel: Channel) -> FactorBed {
    let bed = FactorBed::new();
    bed.reached_by("pat", channel).await;
    bed
}

/// Six digits that were not sent.
fn wrong(bed: &FactorBed) -> &'static str {
    if bed.typed() == "000000" { "000001" } else { "000000" }
}

#[tokio::test]
async fn a_code_that_was_sent_finishes_its_login_on_each_channel() {
    for channel in [Channel::Sms, Channel::Voice, Channel::Email] {
        let bed = bed(channel).await;
        let mfa_token = bed.left_open("pat").await;
        let oob_code = bed.sent(&mfa_token).await;
        let answer = bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await.assert_ok();
        assert_eq!(answer["scope"], "read");
        assert!(answer.get("recovery_code").is_none());
        assert_eq!(bed.last_event(), "issued app user-pat");
        // It has worked once.
        let again = bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await;
        again.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
    }
}

#[tokio::test]
async fn a_wrong_code_leaves_the_login_open() {
    let bed = bed(Channel::Sms).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    let answer = bed.redeem_oob(&mfa_token, &oob_code, Some(wrong(&bed))).await;
    answer.assert_error_about(400, "invalid_grant", "Invalid binding_code.");
    assert_eq!(bed.last_event(), "refused app wrong_binding_code");
    bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await.assert_ok();
}

#[tokio::test]
async fn what_is_no_six_digits_is_a_wrong_code() {
    for typed in ["12345", "1234567", "+123456", "12345a", "%EF%BC%91"] {
        let bed = bed(Channel::Sms).await;
        let mfa_token = bed.left_open("pat").await;
        let oob_code = bed.sent(&mfa_token).await;
        let answer = bed.redeem_oob(&mfa_token, &oob_code, Some(typed)).await;
        answer.assert_error_about(400, "invalid_grant", "Invalid binding_code.");
    }
}

#[tokio::test]
async fn after_five_wrong_codes_the_right_one_gets_the_same_answer() {
    let bed = bed(Channel::Sms).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    for _ in 0..5 {
        bed.redeem_oob(&mfa_token, &oob_code, Some(wrong(&bed))).await.assert_error(400, "invalid_grant");
    }
    let refused = bed.redeem_oob(&mfa_token, &oob_code, Some(wrong(&bed))).await;
    refused.assert_error(429, "too_many_attempts");
    let right = bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await;
    assert_eq!((right.status, right.body), (refused.status, refused.body));
}

#[tokio::test]
async fn a_code_that_is_not_typed_yet_is_awaited_and_costs_nothing() {
    let bed = bed(Channel::Sms).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    for _ in 0..50 {
        let answer = bed.redeem_oob(&mfa_token, &oob_code, None).await;
        answer.assert_error_about(400, "authorization_pending", "Authorization pending");
    }
    // A value that is empty is absent.
    bed.redeem_oob(&mfa_token, &oob_code, Some("")).await.assert_error(400, "authorization_pending");
    bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await.assert_ok();
}

#[tokio::test]
async fn a_code_is_good_for_its_own_login_alone() {
    let bed = bed(Channel::Sms).await;
    let (first, second) = (bed.left_open("pat").await, bed.left_open("pat").await);
    let oob_code = bed.sent(&first).await;
    for (mfa_token, oob_code) in [
        (&second, &oob_code),
        (&first, &first),
        (&first, &oob_code[1..].to_owned()),
        (&first, &format!("{oob_code}AAAA")),
        (&first, &"A".repeat(5000)),
    ] {
        let answer = bed.redeem_oob(mfa_token, oob_code, Some(&bed.typed())).await;
        answer.assert_error_about(400, "invalid_grant", "Malformed oob_code");
    }
    let swapped = bed.redeem_oob(&oob_code, &oob_code, Some(&bed.typed())).await;
    swapped.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
    bed.redeem_oob(&first, &oob_code, Some(&bed.typed())).await.assert_ok();
}

#[tokio::test]
async fn a_code_ends_after_five_minutes_and_its_login_after_ten() {
    let bed = bed(Channel::Sms).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    bed.clock.advance(Duration::from_secs(299));
    bed.redeem_oob(&mfa_token, &oob_code, Some(wrong(&bed))).await.assert_error(400, "invalid_grant");
    bed.clock.advance(Duration::from_secs(1));
    let over = bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await;
    over.assert_error_about(400, "expired_token", "oob_code is expired");
    // Another one is sent for the same login.
    let oob_code = bed.sent(&mfa_token).await;
    bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await.assert_ok();

    let mfa_token = bed.left_open("pat").await;
    bed.clock.advance(Duration::from_secs(599));
    let oob_code = bed.sent(&mfa_token).await;
    bed.clock.advance(Duration::from_secs(1));
    let over = bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await;
    over.assert_error_about(400, "expired_token", "mfa_token is expired");
}

#[tokio::test]
async fn a_code_of_an_authenticator_that_was_removed_is_none() {
    let bed = bed(Channel::Sms).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    let user = FactorUser::new(None, "user-pat");
    bed.store.remove_all(user).await.unwrap();
    let answer = bed.redeem_oob(&mfa_token, &oob_code, Some(&bed.typed())).await;
    answer.assert_error_about(400, "invalid_grant", "Malformed oob_code");
}

#[tokio::test]
async fn an_answer_on_another_device_finishes_the_login_that_asks_for_it() {
    let bed = bed(Channel::Push).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    assert!(AuthenticatorId::parse(&bed.outbox.last().contact).is_some());
    for _ in 0..20 {
        let answer = bed.redeem_oob(&mfa_token, &oob_code, None).await;
        answer.assert_error_about(400, "authorization_pending", "Authorization pending");
        bed.clock.advance(Duration::from_secs(5));
    }
    bed.outbox.answer(DeliveryStatus::Approved);
    bed.redeem_oob(&mfa_token, &oob_code, None).await.assert_ok();
    assert_eq!(bed.last_event(), "issued app user-pat");
    bed.clock.advance(Duration::from_secs(5));
    let again = bed.redeem_oob(&mfa_token, &oob_code, None).await;
    again.assert_error_about(400, "invalid_grant", "Malformed mfa_token");
}

#[tokio::test]
async fn a_client_that_asks_more_often_than_each_five_seconds_is_slowed_down() {
    let bed = bed(Channel::Push).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    bed.redeem_oob(&mfa_token, &oob_code, None).await.assert_error(400, "authorization_pending");
    bed.outbox.answer(DeliveryStatus::Approved);
    for _ in 0..10 {
        bed.redeem_oob(&mfa_token, &oob_code, None).await.assert_error(400, "slow_down");
        assert_eq!(bed.last_event(), "refused app polled_too_fast");
    }
    bed.clock.advance(Duration::from_secs(5));
    bed.redeem_oob(&mfa_token, &oob_code, None).await.assert_ok();
}

#[tokio::test]
async fn a_user_who_refuses_and_a_question_that_is_over_end_the_asking() {
    for (status, code, event) in [
        (DeliveryStatus::Denied, "access_denied", "refused app factor_denied"),
        (DeliveryStatus::Expired, "expired_token", "refused app factor_expired"),
    ] {
        let bed = bed(Channel::Push).await;
        let mfa_token = bed.left_open("pat").await;
        let oob_code = bed.sent(&mfa_token).await;
        bed.outbox.answer(status);
        bed.redeem_oob(&mfa_token, &oob_code, None).await.assert_error(400, code);
        assert_eq!(bed.last_event(), event);
    }
}

#[tokio::test]
async fn the_profile_of_auth0_answers_wrong_codes_with_403_and_polls_with_400() {
    let bed = FactorBed::of(Profile::Auth0);
    bed.reached_by("pat", Channel::Sms).await;
    let mfa_token = bed.left_open("pat").await;
    let oob_code = bed.sent(&mfa_token).await;
    let said = |answer: crate::support::Answer| {
        let json = answer.json();
        (answer.status.as_u16(), text(&json, "error"), text(&json, "error_description"))
    };
    let told = |status: u16, code: &str, sentence: &str| (status, code.to_owned(), sentence.to_owned());
    let answer = bed.redeem_oob(&mfa_token, &oob_code, Some(wrong(&bed))).await;
    assert_eq!(said(answer), told(403, "invalid_grant", "Invalid binding_code."));
    let answer = bed.redeem_oob(&mfa_token, "x", Some(wrong(&bed))).await;
    assert_eq!(said(answer), told(403, "invalid_grant", "Malformed oob_code"));
    let pending = "Authorization pending: please repeat the request in a few seconds.";
    let answer = bed.redeem_oob(&mfa_token, &oob_code, None).await;
    assert_eq!(said(answer), told(400, "authorization_pending", pending));

    let bed = FactorBed::of(Profile::Auth0);
    bed.reached_by("sam", Channel::Push).await;
    let mfa_token = bed.left_open("sam").await;
    let oob_code = bed.sent(&mfa_token).await;
    bed.outbox.answer(DeliveryStatus::Denied);
    let answer = bed.redeem_oob(&mfa_token, &oob_code, None).await;
    assert_eq!(said(answer), told(400, "access_denied", "MFA Authorization rejected."));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_50_equal_answers_at_once_one_finishes_its_login() {
    for channel in [Channel::Sms, Channel::Push] {
        let bed = bed(channel).await;
        let mfa_token = bed.left_open("pat").await;
        let oob_code = bed.sent(&mfa_token).await;
        bed.outbox.answer(DeliveryStatus::Approved);
        let typed = bed.outbox.last().code;
        let calls = (0..50).map(|_| {
            let (bed, mfa_token, oob_code, typed) = (bed.clone(), mfa_token.clone(), oob_code.clone(), typed.clone());
            async move { bed.redeem_oob(&mfa_token, &oob_code, typed.as_deref()).await.status.as_u16() }
        });
        let statuses = contract::together(calls).await;
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    }
}

#[cfg(feature = "testing")]
#[tokio::test]
async fn a_delivery_of_ones_own_is_tried_alone_with_what_a_test_says() {
    use std::time::{Duration, SystemTime};

    use tower_password_grant::ClientId;
    use tower_password_grant::mfa::CodeDelivery as _;
    use tower_password_grant::testing::delivery;

    use super::ways::PHONE;
    use crate::support::factors::Outbox;

    let own = Outbox::default();
    let text = delivery(Channel::Sms, PHONE).id("1").realm("one").subject("user-pat").code("000042");
    let expires = SystemTime::now() + Duration::from_secs(60);
    let text = text.client(ClientId::new("app").unwrap()).address([192, 0, 2, 1]).expires(expires);
    own.deliver(text.lend()).await.unwrap();
    let (sent, lent) = (own.last(), text.lend());
    assert_eq!((sent.id.as_str(), sent.contact.as_str(), sent.subject.as_str()), ("1", PHONE, "user-pat"));
    assert_eq!((sent.code.as_deref(), lent.user.realm, lent.client.as_str()), (Some("000042"), Some("one"), "app"));
    assert_eq!((lent.address, lent.expires), (Some([192, 0, 2, 1].into()), expires));

    let question = delivery(Channel::Push, "push|dev_1");
    own.deliver(question.lend()).await.unwrap();
    assert_eq!((own.last().channel, own.last().code), (Channel::Push, None));
}
