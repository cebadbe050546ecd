//! Requests at once: whatever is shown works once, and no budget is exceeded.

use std::collections::HashSet;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tower_password_grant::limiter::{Limits, MemoryLimiter, TokenBucket};
use tower_password_grant::testing::contract::together;

use super::flow::open;
use super::ways::text;
use crate::support::Answer;
use crate::support::factors::FactorBed;
use crate::support::protection::counted_by;

const ROUNDS: usize = 50;

/// How many answers have this status.
fn count(answers: &[Answer], status: StatusCode) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

/// How many answers were not refused by a budget.
fn tried(answers: &[Answer]) -> usize {
    answers.len() - count(answers, StatusCode::TOO_MANY_REQUESTS)
}

/// These codes for these tokens, at once and over all of these handles in turn.
async fn redeem(beds: &[FactorBed], guesses: impl IntoIterator<Item = (String, String)>) -> Vec<Answer> {
    let calls = guesses.into_iter().enumerate().map(|(at, (token, code))| {
        let bed = beds[at % beds.len()].clone();
        async move { bed.redeem_otp(&token, &code).await }
    });
    together(calls).await
}

/// The budgets of a short time are whole again, and the next code is another one.
fn later(bed: &FactorBed) {
    bed.clock.advance(Duration::from_secs(16 * 60));
}

/// 100 right codes at once, one code with 50 challenges, and one challenge with 50 codes, in each round.
async fn one_wins(beds: &[FactorBed], rounds: usize) {
    let bed = &beds[0];
    let secret = bed.enrolled("alice").await;
    for _ in 0..rounds {
        later(bed);
        let (token, code) = (open(&bed.login("alice", "").await), bed.code(&secret));
        let answers = redeem(beds, vec![(token, code); 100]).await;
        assert_eq!(count(&answers, StatusCode::OK), 1, "{answers:?}");
        assert!(tried(&answers) <= 5, "{} of one challenge", tried(&answers));

        later(bed);
        let mut guesses = Vec::new();
        for _ in 0..50 {
            guesses.push((open(&bed.login("alice", "").await), bed.code(&secret)));
        }
        let answers = redeem(beds, guesses).await;
        assert_eq!(count(&answers, StatusCode::OK), 1, "{answers:?}");
        assert!(tried(&answers) <= 11, "{} of one user, one of which came back", tried(&answers));

        later(bed);
        let (token, code) = (open(&bed.login("alice", "").await), bed.code(&secret));
        let codes: HashSet<String> = (0..49).map(|at| format!("{at:06}")).chain([code]).collect();
        let answers = redeem(beds, codes.into_iter().map(|code| (token.clone(), code))).await;
        assert!(count(&answers, StatusCode::OK) <= 1, "{answers:?}");
        assert!(tried(&answers) <= 5, "{} of one challenge", tried(&answers));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_codes_at_once_one_finishes_its_login_and_no_more_are_tried_than_the_budgets_allow() {
    // The address has a budget for all rounds, so that those of challenges and users show.
    let many = Limits::new().with_address_budget(TokenBucket::new(u32::MAX, Duration::from_millis(1)));
    let limiter = MemoryLimiter::new().with_limits(many);
    let bed = FactorBed::with(|factors| factors, |builder| builder.attack_protection(counted_by(limiter)));
    one_wins(&[bed], ROUNDS).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_codes_at_once_over_two_handles_of_a_file_one_finishes_its_login() {
    use std::sync::Arc;

    use tower_password_grant::mfa::Factors;
    use tower_password_grant::sqlite::SqliteStore;
    use tower_password_grant::user::SecretKeys;

    use crate::support::ManualClock;
    use crate::support::folder::Folder;

    let (folder, clock) = (Folder::new(), ManualClock::new());
    let beds = [(); 2].map(|()| {
        let store = SqliteStore::builder(folder.file()).clock(clock.clone());
        let store = Arc::new(store.open().unwrap());
        let factors =
            Factors::new(Arc::clone(&store), SecretKeys::new("shared", [7; 32]).unwrap()).totp("Example Bank");
        let limited = counted_by(store.limiter());
        let bed = FactorBed::with(|_| factors, |builder| builder.attack_protection(limited).clock(clock.clone()));
        FactorBed { clock: clock.clone(), ..bed }
    });
    one_wins(&beds, 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_enrolments_at_once_one_becomes_active_and_its_first_code_counts_once() {
    for _ in 0..ROUNDS {
        let bed = FactorBed::new();
        let bearer = bed.manager("alice").await;
        let enrolments = (0..2).map(|_| {
            let (bed, bearer) = (bed.clone(), bearer.clone());
            async move { bed.associate(&bearer, &json!({ "authenticator_types": ["otp"] })).await }
        });
        let begun = together(enrolments).await;
        let begun = begun.iter().filter(|answer| answer.status == StatusCode::OK).map(Answer::json);
        let begun: Vec<_> = begun.map(|json| (text(&json, "mfa_token"), bed.code(&text(&json, "secret")))).collect();
        assert!(!begun.is_empty());
        let answers = redeem(std::slice::from_ref(&bed), begun.iter().cloned().cycle().take(6)).await;
        assert_eq!(count(&answers, StatusCode::OK), 1, "{answers:?}");
        let listed = bed.list(&bed.strong("alice").await).await.json();
        let apps = listed.as_array().unwrap().iter().filter(|one| one["type"] == "otp");
        assert_eq!(apps.map(|one| &one["active"]).collect::<Vec<_>>(), [&json!(true)], "{listed}");
        open(&bed.login("alice", "").await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_user_who_is_locked_or_has_another_password_while_codes_come_in_gets_nothing_afterwards() {
    for round in 0..ROUNDS {
        let bed = FactorBed::new();
        let secret = bed.enrolled("alice").await;
        let mut tokens = Vec::new();
        for _ in 0..4 {
            tokens.push(open(&bed.login("alice", "").await));
        }
        let late = tokens.pop().unwrap();
        let code = bed.code(&secret);
        let people = bed.people.clone();
        let change =
            tokio::spawn(
                async move { if round % 2 == 0 { people.lock("alice") } else { people.change_password("alice") } },
            );
        let answers = redeem(std::slice::from_ref(&bed), tokens.into_iter().map(|token| (token, code.clone()))).await;
        assert!(count(&answers, StatusCode::OK) <= 1, "{answers:?}");
        change.await.unwrap();
        bed.clock.advance(Duration::from_secs(30));
        let refresh = answers.iter().find(|answer| answer.status == StatusCode::OK);
        bed.redeem_otp(&late, &bed.code(&secret)).await.assert_error(400, "invalid_grant");
        if let Some(answer) = refresh {
            let token = text(&answer.json(), "refresh_token");
            let body = format!("client_id=app&grant_type=refresh_token&refresh_token={token}");
            bed.token(&body).await.assert_error(400, "invalid_grant");
        }
    }
}
