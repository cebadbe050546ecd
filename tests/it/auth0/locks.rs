//! What a client learns of a lock in this profile, and when it may come back.

use std::time::{Duration, UNIX_EPOCH};

use tower_password_grant::clock::Clock as _;
use tower_password_grant::limiter::RequestCeiling;

use super::expect::{BLOCKED, assert_refused, auth0};
use crate::support::protection::up_to;
use crate::support::{AUTH, Answer, FIRST_LOCK, Fixture, ManualClock, PW, basic};

/// The headers of a lock that ends in so many seconds, as this clock shows it.
fn headers(clock: &ManualClock, wait: u64) -> [(&'static str, String); 4] {
    let now = clock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    [
        ("retry-after", wait.to_string()),
        ("x-ratelimit-limit", "10".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", (now + wait).to_string()),
    ]
}

#[track_caller]
fn assert_waits(answer: &Answer, sentence: &str, clock: &ManualClock, wait: u64) {
    let headers = headers(clock, wait);
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_refused(answer, 429, "too_many_attempts", sentence, &headers);
}

fn fixture(clock: &ManualClock) -> Fixture {
    auth0(|builder| builder.clock(clock.clone()))
}

#[tokio::test]
async fn a_lock_says_when_it_ends_as_seconds_to_wait_and_as_a_time_of_day() {
    let clock = ManualClock::new();
    let fixture = fixture(&clock);
    for guess in 0..10 {
        let body = PW.replace("correct+horse", &format!("guess{guess}"));
        let answer = fixture.token(AUTH, &body).await;
        assert_refused(&answer, 403, "invalid_grant", "Wrong email or password.", &[]);
    }
    assert_waits(&fixture.token(AUTH, PW).await, BLOCKED, &clock, FIRST_LOCK.as_secs());
    // It ends at the same time of day, however often and late somebody asks.
    clock.advance_secs(100);
    assert_waits(&fixture.token(AUTH, PW).await, BLOCKED, &clock, FIRST_LOCK.as_secs() - 100);
    clock.advance(FIRST_LOCK - Duration::from_secs(100));
    fixture.token(AUTH, PW).await.assert_ok();
}

#[tokio::test]
async fn a_time_of_day_between_two_seconds_is_rounded_up() {
    let clock = ManualClock::new();
    let fixture = fixture(&clock);
    clock.advance(Duration::from_millis(1));
    for guess in 0..10 {
        fixture
            .token(AUTH, &PW.replace("correct+horse", &format!("guess{guess}")))
            .await
            .assert_error(403, "invalid_grant");
    }
    let answer = fixture.token(AUTH, PW).await;
    let reset: u64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
    let end = (clock.now() + FIRST_LOCK).duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(reset, end.as_secs() + 1);
}

#[tokio::test]
async fn a_client_that_guesses_its_secret_is_told_of_no_account() {
    let clock = ManualClock::new();
    let fixture = fixture(&clock);
    for guess in 0..10 {
        let secret = basic("conf", &format!("guess{guess}"));
        fixture.token(&[("authorization", secret.as_str())], PW).await.assert_error(401, "access_denied");
    }
    let wrong = basic("conf", "guess10");
    let answer = fixture.token(&[("authorization", wrong.as_str())], PW).await;
    let wait = answer.header("retry-after").unwrap().parse().unwrap();
    assert_waits(&answer, "Too many requests. Try again later.", &clock, wait);
}

#[tokio::test]
async fn too_many_requests_have_the_same_code_and_a_sentence_of_their_own() {
    let clock = ManualClock::new();
    let fixture =
        auth0(|builder| builder.clock(clock.clone()).attack_protection(up_to(RequestCeiling::per_address(2, 1))));
    for _ in 0..2 {
        fixture.token(AUTH, PW).await.assert_ok();
    }
    assert_waits(&fixture.token(AUTH, PW).await, "Too many requests. Try again later.", &clock, 1);
}
