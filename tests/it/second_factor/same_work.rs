//! What is wrong is looked up alike, whatever is wrong about it: neither the answer nor the work shows which it was.

use std::time::Duration;

use serde_json::json;
use tower_password_grant::clock::Clock as _;
use tower_password_grant::mfa::{AuthenticatorKind, Channel, FactorUser};
use tower_password_grant::store::{Authenticator, AuthenticatorId, Enrolment, FactorStore as _};

use super::broken::{Broken, Call};
use super::ways::text;
use crate::support::Answer;

const STEP: Duration = Duration::from_secs(30);

/// The answer, and the methods that were asked for it.
async fn asked(broken: &Broken, request: impl Future<Output = Answer>) -> (Answer, Vec<Call>) {
    let count = || Call::ALL.map(|call| broken.parts.switch(call).calls());
    let before = count();
    let answer = request.await;
    let more = count().into_iter().zip(before).map(|(now, before)| now - before);
    let calls = Call::ALL.into_iter().zip(more).flat_map(|(call, more)| vec![call; more]).collect();
    (answer, calls)
}

/// The next code is another one, and the budgets are whole.
fn later(broken: &Broken) {
    broken.bed.clock.advance(Duration::from_secs(16 * 60));
}

#[tokio::test]
async fn wrong_replayed_and_future_codes_ask_the_store_once_and_write_nothing() {
    let broken = Broken::waiting(0);
    let bed = &broken.bed;
    let secret = bed.enrolled("alice").await;
    let mut answers = Vec::new();
    for name in ["wrong", "replayed", "future", "letters", "short", "long"] {
        later(&broken);
        let right = bed.code(&secret);
        let (answer, calls) = asked(&broken, bed.redeem_otp(&bed.left_open("alice").await, &right)).await;
        answer.assert_ok();
        // One for the password, and three for the code.
        assert_eq!(calls, [Call::List, Call::SpendStep, Call::Consume], "{name}");
        let token = bed.left_open("alice").await;
        let code = match name {
            "replayed" => right,
            "letters" => "abcdef".to_owned(),
            "short" => right[1..].to_owned(),
            "long" => format!("0{right}"),
            _ => bed.code_ahead(&secret, if name == "future" { STEP } else { 40 * STEP }),
        };
        let (answer, calls) = asked(&broken, bed.redeem_otp(&token, &code)).await;
        assert_eq!(calls, [Call::List], "{name}");
        answers.push((answer.status, answer.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");

    // The step before is as good as the present one, at the same work.
    later(&broken);
    let token = bed.left_open("alice").await;
    let (answer, calls) = asked(&broken, bed.redeem_otp(&token, &bed.code_at(&secret, STEP))).await;
    answer.assert_ok();
    assert_eq!(calls, [Call::List, Call::SpendStep, Call::Consume]);
}

#[tokio::test]
async fn under_a_lock_nothing_is_asked_for_a_right_code_or_a_wrong_one() {
    let broken = Broken::waiting(0);
    let bed = &broken.bed;
    let secret = bed.enrolled("alice").await;
    let token = bed.left_open("alice").await;
    let wrong = bed.code_ahead(&secret, 40 * STEP);
    for _ in 0..5 {
        bed.redeem_otp(&token, &wrong).await.assert_error(400, "invalid_grant");
    }
    for code in [bed.code(&secret), bed.code_at(&secret, STEP), wrong] {
        let (answer, calls) = asked(&broken, bed.redeem_otp(&token, &code)).await;
        answer.assert_error(429, "too_many_attempts");
        assert_eq!(calls, []);
    }
}

#[tokio::test]
async fn a_code_that_was_sent_is_looked_up_alike_whatever_is_wrong_about_what_is_typed() {
    let broken = Broken::waiting(0);
    let bed = &broken.bed;
    bed.reached_by("alice", Channel::Sms).await;
    later(&broken);
    let token = bed.left_open("alice").await;
    let oob_code = bed.sent(&token).await;
    let right = bed.typed();
    let other = |place: usize| {
        let mut code = right.clone().into_bytes();
        code[place] = if code[place] == b'0' { b'1' } else { b'0' };
        String::from_utf8(code).unwrap()
    };
    let mut answers = Vec::new();
    for typed in [&other(0), &other(5), &right[1..], "1234567"] {
        let (answer, calls) = asked(&broken, bed.redeem_oob(&token, &oob_code, Some(typed))).await;
        assert_eq!(calls, [Call::List], "{typed}");
        answers.push((answer.status, answer.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    bed.redeem_oob(&token, &oob_code, Some(&right)).await.assert_ok();
}

#[tokio::test]
async fn a_recovery_code_that_was_used_is_looked_up_like_one_that_never_was() {
    let broken = Broken::waiting(0);
    let bed = &broken.bed;
    let codes = bed.reached_by("alice", Channel::Sms).await;
    let token = bed.left_open("alice").await;
    let (answer, calls) = asked(&broken, bed.redeem_recovery(&token, &codes[0])).await;
    answer.assert_ok();
    assert_eq!(calls, [Call::Swap, Call::Look, Call::Consume], "in the order of the methods");
    let token = bed.left_open("alice").await;
    let mut never = codes[0].clone().into_bytes();
    never.rotate_left(1);
    let mut answers = Vec::new();
    for code in [codes[0].clone(), String::from_utf8(never).unwrap()] {
        let (answer, calls) = asked(&broken, bed.redeem_recovery(&token, &code)).await;
        assert_eq!(calls, [Call::Swap, Call::Look]);
        answers.push((answer.status, answer.body));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn the_authenticator_of_another_user_is_looked_up_like_one_that_is_none() {
    let broken = Broken::waiting(0);
    let bed = &broken.bed;
    bed.enrolled("bob").await;
    let listed = bed.list(&bed.strong("bob").await).await.json();
    let foreign = listed.as_array().unwrap().iter().find(|one| one["type"] == "otp").expect("an app");
    let foreign = text(foreign, "id");
    let mut none = foreign.clone();
    none.pop();
    none.push(if foreign.ends_with('A') { 'B' } else { 'A' });
    bed.reached_by("alice", Channel::Sms).await;
    let (token, bearer) = (bed.left_open("alice").await, bed.strong("alice").await);
    let mut answers = Vec::new();
    for id in [&foreign, &none] {
        let chosen = json!({ "challenge_type": "otp oob", "authenticator_id": id });
        let (challenged, calls) = asked(&broken, bed.challenge(&token, &chosen)).await;
        assert_eq!(calls, [Call::List]);
        let (removed, calls) = asked(&broken, bed.remove(&bearer, &id.replace('|', "%7C"))).await;
        assert_eq!(calls, [Call::Remove]);
        answers.push([challenged, removed].map(|answer| (answer.status.as_u16(), answer.body)));
    }
    assert_eq!(answers[0], answers[1]);
}

/// Another active app of this user: its secret.
async fn another_app(broken: &Broken, name: &str) -> String {
    let bed = &broken.bed;
    let (secret, _) = bed.enrol_app(&bed.strong(name).await).await;
    bed.activate(name).await;
    secret
}

#[tokio::test]
async fn of_two_apps_the_store_is_asked_alike_whichever_a_code_is_of() {
    let broken = Broken::waiting(0);
    let bed = &broken.bed;
    let secrets = [bed.enrolled("alice").await, another_app(&broken, "alice").await];
    let mut answers = Vec::new();
    for secret in &secrets {
        later(&broken);
        let right = bed.code(secret);
        let (answer, calls) = asked(&broken, bed.redeem_otp(&bed.left_open("alice").await, &right)).await;
        answer.assert_ok();
        assert_eq!(calls, [Call::List, Call::SpendStep, Call::Consume]);
        for code in [right, bed.code_ahead(secret, STEP), bed.code_at(secret, STEP)] {
            let token = bed.left_open("alice").await;
            let (answer, calls) = asked(&broken, bed.redeem_otp(&token, &code)).await;
            assert_eq!(calls, [Call::List]);
            answers.push((answer.status, answer.body));
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn each_app_is_opened_whichever_a_code_is_of() {
    let broken = Broken::waiting(0);
    let bed = &broken.bed;
    let (first, now) = (bed.enrolled("alice").await, bed.clock.now());
    // It opens under no key, and stands between two that do.
    let id = AuthenticatorId::parse("totp|dev_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let unreadable = Authenticator::new(id.clone(), AuthenticatorKind::Otp, None, vec![1; 69], now);
    let user = FactorUser::new(None, "user-alice");
    bed.store.enrol(user, Enrolment::new(unreadable, None, false), now).await.unwrap();
    assert!(bed.store.confirm(user, &id, false, now).await.unwrap());
    let last = another_app(&broken, "alice").await;
    for code in [bed.code(&first), bed.code(&last), bed.code_ahead(&last, 40 * STEP)] {
        let token = bed.left_open("alice").await;
        bed.redeem_otp(&token, &code).await.assert_error(503, "temporarily_unavailable");
    }
}
