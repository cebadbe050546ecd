//! Overload, clients that hang up, and panics, at the Argon2id verifier behind the real layer.

use std::future::Future as _;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::Request;
use http_body_util::Full;
use tower_password_grant::Password;
use tower_password_grant::argon2::{Argon2Parameters, HashFormat, UnusableHash};
use tower_password_grant::store::UserStatus;

use crate::support::argon2_users::{House, hash_with, spawn_logins, spawn_logins_of, until};
use crate::support::send;

#[tokio::test(flavor = "current_thread")]
async fn beyond_the_queue_is_503_with_retry_after_while_other_routes_answer_on_a_runtime_of_one_thread_t29_t40() {
    let (house, gate) = House::gated(|builder| {
        builder.threads(1).queue_capacity(3).queue_percent_per_address(100).hold_refusals(Duration::ZERO)
    });
    let logins = spawn_logins(&house, 50);
    until(|| logins.iter().filter(|login| login.is_finished()).count() == 47).await;
    // The only hashing thread is stuck, three jobs wait, and the host's own route does not notice.
    for _ in 0..100 {
        let other = Request::get("/").body(Full::<bytes::Bytes>::default()).unwrap();
        assert_eq!(send(&house.layer, other).await.body, "inner");
    }
    assert_eq!((house.verifier.stats().waiting, house.verifier.stats().refused), (3, 47));
    drop(gate);
    let (mut served, mut refused) = (0, 0);
    for login in logins {
        let answer = login.await.unwrap();
        if answer.status == 200 {
            served += 1;
        } else {
            answer.assert_error(503, "temporarily_unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
            refused += 1;
        }
    }
    assert_eq!((served, refused), (3, 47));
    assert_eq!(house.verifier.stats().hashes, 3, "a refused request is not hashed");
}

#[tokio::test(flavor = "current_thread")]
async fn a_burst_of_real_hashes_leaves_a_runtime_of_one_thread_free_t40() {
    let house = House::with(|builder| {
        let parameters = Argon2Parameters::default();
        builder.parameters(parameters).threads(1).queue_capacity(4).hold_refusals(Duration::from_millis(20))
    });
    house.users.set("alice", hash_with(&Argon2Parameters::default(), "correct horse"), UserStatus::Active);
    let logins = spawn_logins(&house, 50);
    let mut passed_meanwhile = 0;
    while logins.iter().any(|login| !login.is_finished()) {
        let other = Request::get("/").body(Full::<bytes::Bytes>::default()).unwrap();
        assert_eq!(send(&house.layer, other).await.body, "inner");
        passed_meanwhile += 1;
        tokio::task::yield_now().await;
    }
    let mut statuses = Vec::new();
    for login in logins {
        statuses.push(login.await.unwrap().status.as_u16());
    }
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    assert!(passed_meanwhile > 10, "{passed_meanwhile}");
    assert_eq!(house.verifier.stats().peak_running, 1);
}

#[tokio::test]
async fn a_refusal_for_overload_gives_its_charge_back() {
    let (house, gate) = House::gated(|builder| builder.threads(1).queue_capacity(0).hold_refusals(Duration::ZERO));
    // The budget of the account is 100. No two guesses are the same: those would count once.
    for guess in 0..250 {
        house.log_in("alice", &format!("x{guess}")).await.assert_error(503, "temporarily_unavailable");
    }
    drop(gate);
    until(|| house.verifier.stats().capacity == 0 && house.verifier.stats().running == 0).await;
    let mut denied = 0;
    loop {
        let answer = house.log_in("alice", &format!("y{denied}")).await;
        match answer.status.as_u16() {
            400 => denied += 1,
            // The thread may still be on its way back to the queue.
            503 => tokio::task::yield_now().await,
            _ => break answer.assert_error(429, "too_many_attempts"),
        }
    }
    assert_eq!(denied, 100, "all of the budget was still there");
}

#[tokio::test]
async fn refusals_are_held_back_up_to_a_cap_and_a_client_that_hangs_up_makes_room() {
    let (house, _gate) = House::gated(|builder| {
        builder.threads(1).queue_capacity(0).hold_refusals(Duration::from_secs(25)).max_held_refusals(2)
    });
    let logins = spawn_logins(&house, 6);
    until(|| logins.iter().filter(|login| login.is_finished()).count() == 4).await;
    assert_eq!(house.verifier.stats().held, 2, "two are held, the others were answered at once");
    for login in logins {
        login.abort();
        match login.await {
            Ok(answer) => answer.assert_error(503, "temporarily_unavailable"),
            Err(error) => assert!(error.is_cancelled()),
        }
    }
    assert_eq!(house.verifier.stats().held, 0);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_held_for_100_ms_by_default() {
    let (house, _gate) = House::gated(|builder| builder.threads(1).queue_capacity(0));
    let start = tokio::time::Instant::now();
    house.log_in("alice", "correct horse").await.assert_error(503, "temporarily_unavailable");
    let held = start.elapsed();
    assert!(held >= Duration::from_millis(100) && held < Duration::from_millis(110), "{held:?}");
}

#[tokio::test]
async fn clients_that_hang_up_never_raise_the_hashes_at_once_and_lose_no_place_s6() {
    let parameters = Argon2Parameters::new(4096, 2, 1).unwrap();
    let hash = hash_with(&parameters, "correct horse");
    let house = House::with(|builder| builder.parameters(parameters).threads(2).queue_capacity(1000));
    for round in 0..10 {
        // An account of its own: a login that is given up stays charged.
        let name = format!("user-{round}");
        house.users.set(&name, hash.clone(), UserStatus::Active);
        let logins = spawn_logins_of(&house, &name, 30);
        until(|| house.verifier.stats().running > 0).await;
        tokio::time::sleep(Duration::from_millis(round)).await;
        for login in &logins {
            login.abort();
        }
        assert!(house.verifier.stats().running <= 2);
        for login in logins {
            let _ = login.await;
        }
    }
    house.log_in("alice", "correct horse").await.assert_ok();
    until(|| house.verifier.stats().running == 0).await;
    let stats = house.verifier.stats();
    assert!(stats.peak_running <= 2, "{stats:?}");
    assert!(stats.abandoned > 0, "jobs that nobody waits for are skipped: {stats:?}");
    assert_eq!((stats.waiting, stats.panicked), (0, 0));
    // Both threads still work, and at the same time.
    for login in spawn_logins(&house, 20) {
        login.await.unwrap().assert_ok();
    }
}

#[tokio::test]
async fn a_future_dropped_at_any_of_its_polls_loses_no_place() {
    let house = House::with(|builder| builder.threads(1).queue_capacity(1));
    let mut cx = Context::from_waker(Waker::noop());
    for polls in 0..12 {
        let mut login = Box::pin(house.log_in("alice", "correct horse"));
        for _ in 0..polls {
            if login.as_mut().poll(&mut cx).is_ready() {
                break;
            }
            // Gives the thread the time to answer, so that later polls get further.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        drop(login);
        until(|| house.verifier.stats().waiting == 0 && house.verifier.stats().running == 0).await;
        house.log_in("alice", "correct horse").await.assert_ok();
    }
    assert_eq!(house.verifier.stats().peak_running, 1);
}

#[tokio::test]
async fn a_panic_in_the_store_is_contained_and_the_next_login_works_t38() {
    let house = House::new();
    *house.users.before_save.lock().unwrap() = Some(Box::new(|_, _| panic!("on purpose")));
    let outdated = hash_with(&Argon2Parameters::new(96, 1, 1).unwrap(), "correct horse");
    house.users.set("bob", outdated, UserStatus::Active);
    let panicked = house.log_in("bob", "correct horse").await;
    assert_eq!(panicked.status, 500);
    house.users.rows.clear_poison();
    house.users.before_save.clear_poison();
    house.users.saves.clear_poison();
    *house.users.before_save.lock().unwrap() = None;
    house.log_in("bob", "correct horse").await.assert_ok();
}

#[test]
fn a_waiting_login_ends_without_a_verdict_when_its_runtime_is_shut_down() {
    let (house, gate) = House::gated(|builder| builder.threads(1).queue_capacity(10));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut login = pin!(house.log_in("alice", "correct horse"));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..5 {
            assert!(matches!(login.as_mut().poll(&mut cx), Poll::Pending));
        }
    });
    drop(runtime);
    drop(gate);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { house.log_in("alice", "correct horse").await.assert_ok() });
    assert_eq!(house.verifier.stats().abandoned, 1);
}

#[tokio::test(start_paused = true)]
async fn a_user_store_that_hangs_is_503_in_its_own_time_and_costs_no_account_an_attempt_er_13() {
    let house = House::with(|builder| builder.count_by_login_name());
    house.users.hang_find.store(true, Ordering::Relaxed);
    // More often than the account has attempts from one address.
    for _ in 0..120 {
        let start = tokio::time::Instant::now();
        let answer = house.log_in("alice", "correct horse").await;
        answer.assert_error(503, "temporarily_unavailable");
        assert_eq!((answer.header("retry-after"), start.elapsed()), (Some("5"), Duration::from_secs(5)));
    }
    assert!(house.reasons.lock().unwrap().iter().all(|reason| reason == "verifier_failed"));
    house.users.hang_find.store(false, Ordering::Relaxed);
    tokio::time::resume();
    house.log_in("alice", "correct horse").await.assert_ok();
}

/// A format whose code breaks at every wrong password.
struct Breaks;

impl HashFormat for Breaks {
    fn name(&self) -> &'static str {
        "one that breaks"
    }

    fn recognises(&self, stored: &str) -> bool {
        stored.starts_with("breaks:")
    }

    fn verify(&self, stored: &str, password: &Password) -> Result<bool, UnusableHash> {
        assert_eq!(stored.strip_prefix("breaks:"), Some(password.expose()), "on purpose");
        Ok(true)
    }
}

#[tokio::test]
async fn a_hash_format_that_panics_gives_no_charge_back() {
    let house = House::with(|builder| builder.hash_format(Breaks));
    house.users.set("bob", "breaks:correct horse".to_owned(), UserStatus::Active);
    // The budget of the account from this address.
    for guess in 0..100 {
        house.log_in("bob", &format!("x{guess}")).await.assert_error(500, "server_error");
    }
    house.log_in("bob", "x100").await.assert_error(429, "too_many_attempts");
    house.log_in("bob", "correct horse").await.assert_error(429, "too_many_attempts");
    until(|| house.verifier.stats().panicked == 100).await;
    house.log_in("alice", "correct horse").await.assert_ok();
}
