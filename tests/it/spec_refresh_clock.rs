//! A refresh token that was used does not come back to life with the clock, and what a denied refresh leaves (RFC 9700 section
//! 4.14.2).

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tower_password_grant::Denial;
use tower_password_grant::audit::Reason;
use tower_password_grant::clock::Clock;
use tower_password_grant::token::RefreshTokens;

use crate::support::tokens::{Tokens, clients};
use crate::support::{self, ManualClock};

/// A monotonic clock, and a wall clock that can be set. The process may be stopped for a while after each look at the latter.
#[derive(Clone, Debug)]
struct Clocks(Arc<Mutex<(Duration, i64)>>, Arc<Mutex<Duration>>);

impl Clocks {
    fn new() -> Self {
        Self(Arc::new(Mutex::new((Duration::ZERO, 0))), Arc::default())
    }

    fn pass(&self, seconds: u64) {
        self.0.lock().unwrap().0 += Duration::from_secs(seconds);
    }

    /// Sets the wall clock by so many seconds.
    fn set(&self, seconds: i64) {
        self.0.lock().unwrap().1 += seconds;
    }
}

impl Clocks {
    fn stop_at_each_look_for(&self, pause: Duration) {
        *self.1.lock().unwrap() = pause;
    }
}

impl Clock for Clocks {
    fn now(&self) -> SystemTime {
        let mut state = self.0.lock().unwrap();
        let (passed, set) = *state;
        state.0 += *self.1.lock().unwrap();
        let shown = ManualClock::start() + passed;
        let by = Duration::from_secs(set.unsigned_abs());
        if set < 0 { shown - by } else { shown + by }
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().0
    }
}

fn refresh_token(answer: &support::Answer) -> String {
    answer.assert_ok().get("refresh_token").unwrap().as_str().unwrap().to_owned()
}

async fn house() -> (Tokens, Clocks, String) {
    let clocks = Clocks::new();
    let tokens = Tokens::with(clients(), |builder| builder.clock(clocks.clone()));
    clocks.pass(7200);
    let login = tokens.login("conf").await;
    refresh_token(&tokens.refresh("conf", &login.refresh).await);
    (tokens, clocks, login.refresh)
}

#[tokio::test]
async fn a_spent_token_stays_spent_when_the_clock_is_set_back_rf_07() {
    // By less than the leeway and more, by hours, and to the very instant of its use, once it comes again.
    for (back, passes) in [(2, 0), (6, 0), (12, 0), (60, 0), (60, 49), (3600, 0), (3600, 3589), (3600, 3595)] {
        let (tokens, clocks, spent) = house().await;
        clocks.pass(11);
        clocks.set(-back);
        if passes > 0 {
            // The step is seen when somebody presents a token of some login.
            let other = tokens.login("conf").await;
            refresh_token(&tokens.refresh("conf", &other.refresh).await);
            clocks.pass(passes);
        }
        tokens.refresh("conf", &spent).await.assert_error(400, "invalid_grant");
        assert_eq!(tokens.reason(), Some(Reason::RefreshTokenReplayed), "back by {back} s, then {passes} s");
    }
}

#[tokio::test]
async fn a_lost_answer_can_be_repeated_on_a_server_whose_clock_is_a_little_behind_rf_08() {
    let (tokens, clocks, token) = house().await;
    clocks.set(-1);
    tokens.refresh("conf", &token).await.assert_ok();
    let (tokens, clocks, token) = house().await;
    clocks.pass(10);
    tokens.refresh("conf", &token).await.assert_ok();
    let (tokens, clocks, token) = house().await;
    // Set forward and back between two requests, as if nothing had been.
    clocks.set(3600);
    clocks.pass(5);
    clocks.set(-3600);
    tokens.refresh("conf", &token).await.assert_ok();
}

#[tokio::test]
async fn a_pause_of_the_process_between_its_two_clocks_ends_no_login_rf_08() {
    let (tokens, clocks, token) = house().await;
    let other = tokens.login("conf").await;
    clocks.stop_at_each_look_for(Duration::from_millis(1500));
    refresh_token(&tokens.refresh("conf", &other.refresh).await);
    clocks.stop_at_each_look_for(Duration::ZERO);
    tokens.refresh("conf", &token).await.assert_ok();
}

#[tokio::test]
async fn logins_go_on_after_the_clock_was_set_back_and_are_repeatable_once_it_has_caught_up_rf_08() {
    let (tokens, clocks, _) = house().await;
    clocks.set(-600);
    let login = tokens.login("conf").await;
    let next = refresh_token(&tokens.refresh("conf", &login.refresh).await);
    clocks.pass(30);
    refresh_token(&tokens.refresh("conf", &next).await);
    clocks.pass(700);
    let login = tokens.login("conf").await;
    let next = refresh_token(&tokens.refresh("conf", &login.refresh).await);
    clocks.pass(5);
    assert_eq!(refresh_token(&tokens.refresh("conf", &login.refresh).await), next);
}

#[tokio::test]
async fn the_logins_of_an_account_that_was_disabled_end_at_the_first_refusal_if_the_builder_says_so_t62() {
    let tokens = Tokens::refreshing(clients(), RefreshTokens::end_denied_logins);
    let (login, unused) = (tokens.login("conf").await, tokens.login("conf").await);
    tokens.users.change("user-alice", |account| account.denial = Some(Denial::Disabled));
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::Disabled));
    tokens.users.change("user-alice", |account| account.denial = None);
    assert!(!tokens.is_active(&login.access).await, "its access tokens end with it");
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenEnded));
    // One that nobody used meanwhile was not refused.
    refresh_token(&tokens.refresh("conf", &unused.refresh).await);
}

#[tokio::test]
async fn a_verifier_that_is_down_ends_no_login_t62() {
    let tokens = Tokens::refreshing(clients(), RefreshTokens::end_denied_logins);
    let login = tokens.login("conf").await;
    *tokens.users.is_down.lock().unwrap() = true;
    tokens.refresh("conf", &login.refresh).await.assert_error(503, "temporarily_unavailable");
    *tokens.users.is_down.lock().unwrap() = false;
    refresh_token(&tokens.refresh("conf", &login.refresh).await);
}
