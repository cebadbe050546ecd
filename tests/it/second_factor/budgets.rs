//! The budgets of second factors at the endpoint: codes, the password that they belong to, and recovery codes.

use std::sync::Arc;
use std::time::Duration;

use tower_password_grant::limiter::{AttackProtection, Limit, LimiterOperator as _, Limits, Lockout, MemoryLimiter};
use tower_password_grant::mount::Profile;

use crate::support::Answer;
use crate::support::factors::FactorBed;

const MINUTE: Duration = Duration::from_secs(60);

/// A code that the app shows neither now nor in the step before.
fn wrong(bed: &FactorBed, secret: &str) -> String {
    let (now, earlier) = (bed.code(secret), bed.code_at(secret, Duration::from_secs(30)));
    ["000000", "000001", "000002"].into_iter().find(|code| *code != now && *code != earlier).unwrap().to_owned()
}

/// The token of a login that is open.
async fn open(bed: &FactorBed) -> String {
    let answer = bed.login("alice", "").await;
    assert_eq!(answer.status, 403, "{answer:?}");
    answer.json()["mfa_token"].as_str().unwrap().to_owned()
}

/// All that a client sees of an answer.
fn face(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer.headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    (answer.status.as_u16(), headers.collect(), answer.body.to_vec())
}

/// So many wrong codes, each of which is compared.
async fn guess(bed: &FactorBed, secret: &str, token: &str, count: usize) {
    for _ in 0..count {
        let answer = bed.redeem_otp(token, &wrong(bed, secret)).await;
        assert_eq!(answer.json()["error"], "invalid_grant", "{answer:?}");
    }
}

/// Refused with the same bytes, whether the code is right or wrong.
async fn refuses(bed: &FactorBed, secret: &str, token: &str) -> Answer {
    let answer = bed.redeem_otp(token, &wrong(bed, secret)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (429, &"too_many_attempts".into()), "{answer:?}");
    assert_eq!(bed.last_event(), "refused app factor_throttled");
    assert_eq!(face(&bed.redeem_otp(token, &bed.code(secret)).await), face(&answer));
    answer
}

#[tokio::test]
async fn one_challenge_has_five_codes_and_the_right_one_then_looks_like_a_wrong_one() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let networks = || ["192.0.2.1/32".parse().unwrap()];
        let exempt = AttackProtection::new().exempt_networks(networks());
        let bed = FactorBed::with(|factors| factors, |builder| builder.profile(profile).attack_protection(exempt));
        let secret = bed.enrolled("alice").await;
        let token = open(&bed).await;
        guess(&bed, &secret, &token, 5).await;
        let answer = refuses(&bed, &secret, &token).await;
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        // The next challenge takes the password again.
        bed.redeem_otp(&open(&bed).await, &bed.code(&secret)).await.assert_ok();
    }
}

#[tokio::test]
async fn a_user_has_ten_codes_within_fifteen_minutes_and_a_right_password_gives_none_back() {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    for _ in 0..2 {
        guess(&bed, &secret, &open(&bed).await, 5).await;
    }
    refuses(&bed, &secret, &open(&bed).await).await;
    bed.clock.advance(15 * MINUTE - Duration::from_secs(1));
    refuses(&bed, &secret, &open(&bed).await).await;
    bed.clock.advance(Duration::from_secs(1));
    bed.redeem_otp(&open(&bed).await, &bed.code(&secret)).await.assert_ok();
}

#[tokio::test]
async fn a_finished_login_leaves_the_wrong_codes_of_a_short_time_counted() {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    guess(&bed, &secret, &open(&bed).await, 5).await;
    let token = open(&bed).await;
    guess(&bed, &secret, &token, 4).await;
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    bed.clock.advance(Duration::from_secs(30));
    let token = open(&bed).await;
    guess(&bed, &secret, &token, 1).await;
    refuses(&bed, &secret, &token).await;
}

#[tokio::test]
async fn a_factor_locks_after_codes_in_a_row_until_a_day_is_over_or_an_operator_lifts_it() {
    let day = 24 * 60 * MINUTE;
    let three = Lockout::new(3, 30 * day).locked_for(day, 7 * day);
    let limiter = Arc::new(MemoryLimiter::new().with_limits(Limits::new().with_factor_in_a_row_budget(three)));
    let protection = AttackProtection::new().limiter(Arc::clone(&limiter));
    let bed = FactorBed::with(|factors| factors, |builder| builder.attack_protection(protection));
    let (secret, json) = bed.enrol_app(&bed.manager("alice").await).await;
    bed.redeem_otp(json["mfa_token"].as_str().unwrap(), &bed.code(&secret)).await.assert_ok();
    bed.clock.advance(Duration::from_secs(30));
    for is_lifted in [true, false] {
        // A finished login in between begins the count anew.
        guess(&bed, &secret, &open(&bed).await, 2).await;
        bed.redeem_otp(&open(&bed).await, &bed.code(&secret)).await.assert_ok();
        bed.clock.advance(20 * MINUTE);
        guess(&bed, &secret, &open(&bed).await, 3).await;
        refuses(&bed, &secret, &open(&bed).await).await;
        let locks = limiter.factor_locks_of(None, "user-alice").await.unwrap();
        assert_eq!(locks.iter().map(|lock| lock.limit).collect::<Vec<_>>(), [Limit::FactorInARow]);
        assert_eq!(locks[0].remaining, day);
        if is_lifted {
            assert!(limiter.unblock_factor(None, "user-alice").await.unwrap() > 0);
        } else {
            // Recovery codes have a budget of their own.
            let code = json["recovery_codes"][0].as_str().unwrap();
            let grant = "http://auth0.com/oauth/grant-type/mfa-recovery-code";
            let token = open(&bed).await;
            let body = format!("client_id=app&grant_type={grant}&mfa_token={token}&recovery_code={code}");
            bed.token(&body).await.assert_ok();
            bed.clock.advance(day);
        }
        bed.redeem_otp(&open(&bed).await, &bed.code(&secret)).await.assert_ok();
        bed.clock.advance(20 * MINUTE);
    }
}

/// A right password is charged as a wrong one until the whole login is finished; then its charges come back, once.
#[tokio::test]
async fn a_password_stays_charged_while_its_factor_is_open_and_comes_back_with_the_login() {
    let bed = FactorBed::new();
    let secret = bed.enrolled("alice").await;
    let wrong_password = async || {
        let body = "client_id=app&grant_type=password&username=alice&password=wrong";
        let answer = bed.token(body).await;
        // The same mistake counts once, within half a minute.
        bed.clock.advance(Duration::from_secs(31));
        answer.status.as_u16()
    };
    for _ in 0..9 {
        assert_eq!(wrong_password().await, 400);
    }
    let token = open(&bed).await;
    assert_eq!(wrong_password().await, 429, "nine wrong ones and one that is open are ten");
    assert_eq!(bed.login("alice", "").await.status, 429, "under the lock nobody is asked for a factor");
    bed.redeem_otp(&token, &bed.code(&secret)).await.assert_ok();
    // The failures are forgotten with it, as by each login; the token is good for nothing more.
    for _ in 0..10 {
        assert_eq!(wrong_password().await, 400);
        bed.redeem_otp(&token, &bed.code(&secret)).await;
    }
    assert_eq!(wrong_password().await, 429);
}
