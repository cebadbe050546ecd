//! Stores that fail, hang and panic at each step of a refresh, a revocation and an introspection, and requests that are dropped
//! at each of their polls: nothing is lost, nothing is told to be revoked that is not, and no token is live twice.

use std::net::SocketAddr;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use tower::ServiceExt as _;
use tower_password_grant::TokenEndpoint;
use tower_password_grant::audit::Reason;

use crate::support::faults::{FAILURES, Mode};
use crate::support::panics;
use crate::support::token_world::TokenWorld;
use crate::support::{Answer, basic};

#[track_caller]
fn assert_failed(answer: &Answer, (_, status, code, wait): (Mode, u16, &str, Option<&str>)) {
    answer.assert_error(status, code);
    assert_eq!(answer.header("retry-after"), wait);
}

#[tokio::test]
async fn a_part_that_fails_at_any_step_of_a_refresh_costs_the_client_nothing_rf_17_er_14_t59() {
    panics::quiet();
    for step in ["find", "recheck", "insert", "rotate"] {
        for failure in FAILURES {
            for after in [false, true] {
                for client in ["conf", "pub"] {
                    let world = TokenWorld::new();
                    let first = world.tokens.login(client).await;
                    let old = world.tokens.renewed(client, &first.refresh).await;
                    let failing = world.steps.named(step);
                    failing.after.store(after, SeqCst);
                    failing.switch.set(failure.0);
                    for _ in 0..3 {
                        assert_failed(&world.tokens.refresh(client, &old.refresh).await, failure);
                        assert_ne!(world.tokens.reason(), Some(Reason::RefreshTokenReplayed));
                    }
                    failing.switch.set(Mode::Work);
                    let next = world.tokens.renewed(client, &old.refresh).await;
                    let again = world.tokens.renewed(client, &old.refresh).await;
                    assert_eq!(next.refresh, again.refresh, "{step} {failure:?} {after}: two live tokens");
                    world.tokens.renewed(client, &next.refresh).await;
                    world.tokens.refresh(client, &old.refresh).await.assert_error(400, "invalid_grant");
                    assert_eq!(world.tokens.count(Reason::RefreshTokenReplayed), 1);
                }
            }
        }
    }
}

#[tokio::test]
async fn a_login_whose_tokens_cannot_be_kept_gives_none_er_14() {
    panics::quiet();
    for step in ["insert", "begin"] {
        for failure in FAILURES {
            let world = TokenWorld::new();
            world.steps.named(step).switch.set(failure.0);
            for _ in 0..12 {
                // More than the budget of an account: what fails is no guess.
                assert_failed(&world.tokens.login_with("conf", "").await, failure);
                if failure.0 == Mode::Hang || failure.0 == Mode::Panic {
                    break;
                }
            }
            world.steps.named(step).switch.set(Mode::Work);
            world.tokens.login("conf").await;
        }
    }
}

#[tokio::test]
async fn the_verifiers_store_being_down_is_no_verdict_rf_17_er_14() {
    let world = TokenWorld::new();
    let login = world.tokens.login("conf").await;
    *world.tokens.users.is_down.lock().unwrap() = true;
    let answer = world.tokens.refresh("conf", &login.refresh).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("5"));
    *world.tokens.users.is_down.lock().unwrap() = false;
    world.tokens.renewed("conf", &login.refresh).await;
}

#[tokio::test]
async fn a_revocation_that_fails_at_any_step_is_never_said_to_be_done_rv_11_t71() {
    panics::quiet();
    for (kind, steps) in [
        ("refresh", &["find", "end_family", "end_access"][..]),
        ("access", &["find_access", "revoke_access"][..]),
        ("access with its login", &["find_access", "end_family", "end_access", "revoke_access"][..]),
    ] {
        for step in steps {
            for failure in FAILURES {
                for after in [false, true] {
                    let world = TokenWorld::with(0, Some(Duration::from_millis(50)), kind == "access with its login");
                    let login = world.tokens.login("conf").await;
                    let token = if kind == "refresh" { &login.refresh } else { &login.access };
                    let failing = world.steps.named(step);
                    failing.after.store(after, SeqCst);
                    failing.switch.set(failure.0);
                    assert_failed(&world.tokens.revoke("conf", token).await, failure);
                    failing.switch.set(Mode::Work);
                    // A client that believes the failure tries again, and then it holds.
                    world.tokens.revoke("conf", token).await.assert_empty_ok();
                    assert!(!world.tokens.is_active(&login.access).await, "{kind} {step} {failure:?} {after}");
                    if kind != "access" {
                        world.tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
                    }
                    if kind == "access" {
                        world.tokens.renewed("conf", &login.refresh).await;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_token_whose_revocation_failed_before_it_happened_still_works_rv_11() {
    for step in ["find", "end_family"] {
        let world = TokenWorld::new();
        let login = world.tokens.login("conf").await;
        world.steps.named(step).switch.set(Mode::Unavailable);
        let answer = world.tokens.revoke("conf", &login.refresh).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
        world.steps.named(step).switch.set(Mode::Work);
        assert!(world.tokens.is_active(&login.access).await);
        world.tokens.renewed("conf", &login.refresh).await;
    }
}

#[tokio::test]
async fn an_introspection_that_cannot_tell_does_not_say_that_a_token_is_not_active_er_14() {
    panics::quiet();
    for failure in FAILURES {
        let world = TokenWorld::new();
        let login = world.tokens.login("conf").await;
        for (step, token) in [("find", &login.refresh), ("find_access", &login.access)] {
            world.steps.named(step).switch.set(failure.0);
            let form = format!("token={token}");
            assert_failed(&world.tokens.post("/oauth/introspect", "conf", &form).await, failure);
            world.steps.named(step).switch.set(Mode::Work);
            assert!(world.tokens.is_active(token).await);
        }
    }
}

#[tokio::test]
async fn a_replay_is_told_once_and_ends_the_access_tokens_however_late_rf_11_t57() {
    panics::quiet();
    for failure in FAILURES {
        let world = TokenWorld::new();
        let login = world.tokens.login("conf").await;
        let next = world.tokens.renewed("conf", &login.refresh).await;
        world.tokens.pass_leeway();
        world.steps.end_access.switch.set(failure.0);
        assert_failed(&world.tokens.refresh("conf", &login.refresh).await, failure);
        assert_eq!(world.tokens.reason(), Some(Reason::RefreshTokenReplayed), "told although the rest failed");
        // The family has ended; its access tokens are next, whichever request comes.
        assert_failed(&world.tokens.refresh("conf", &next.refresh).await, failure);
        assert!(world.tokens.is_active(&next.access).await);
        world.steps.end_access.switch.set(Mode::Work);
        world.tokens.refresh("conf", &next.refresh).await.assert_error(400, "invalid_grant");
        for access in [&login.access, &next.access] {
            assert!(!world.tokens.is_active(access).await);
        }
        world.tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
        assert_eq!(world.tokens.count(Reason::RefreshTokenReplayed), 1);
    }
}

#[tokio::test]
async fn changed_credentials_end_the_login_although_a_store_failed_at_first_t62() {
    panics::quiet();
    for step in ["end_family", "end_access"] {
        for failure in FAILURES {
            let world = TokenWorld::new();
            let login = world.tokens.login("conf").await;
            world.tokens.users.change("user-alice", |account| account.version = "2".to_owned());
            world.steps.named(step).switch.set(failure.0);
            assert_failed(&world.tokens.refresh("conf", &login.refresh).await, failure);
            world.steps.named(step).switch.set(Mode::Work);
            world.tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
            assert!(!world.tokens.is_active(&login.access).await);
        }
    }
}

/// Polls a request so many times and drops it; gives the status if it ended before.
async fn poll(endpoint: TokenEndpoint, form: &str, polls: usize) -> Option<u16> {
    let request = http::Request::post("/x")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", basic("conf", "conf-pw"))
        .extension("192.0.2.1:4711".parse::<SocketAddr>().unwrap())
        .body(Full::new(Bytes::from(form.to_owned())))
        .unwrap();
    let mut future = Box::pin(endpoint.oneshot(request));
    for _ in 0..polls {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(answer.unwrap().status().as_u16());
        }
    }
    None
}

fn patient(ends_family: bool, after: bool) -> TokenWorld {
    let world = TokenWorld::with(2, Some(Duration::from_secs(30)), ends_family);
    for (_, step) in world.steps.all() {
        step.after.store(after, SeqCst);
    }
    world
}

#[tokio::test]
async fn a_refresh_that_is_dropped_at_any_poll_can_be_repeated_and_leaves_one_live_token_t59_t60() {
    for after in [false, true] {
        let mut ended = false;
        for polls in 0..100 {
            let world = patient(false, after);
            let login = world.tokens.login("conf").await;
            let form = format!("grant_type=refresh_token&refresh_token={}", login.refresh);
            let status = poll(world.tokens.layer.endpoint(), &form, polls).await;
            assert_eq!(world.steps.alive(), 0, "poll {polls}: a future is left behind");
            let next = world.tokens.renewed("conf", &login.refresh).await;
            let again = world.tokens.renewed("conf", &login.refresh).await;
            assert_eq!(next.refresh, again.refresh, "poll {polls}: two live tokens");
            let last = world.tokens.renewed("conf", &next.refresh).await;
            assert_eq!(world.tokens.count(Reason::RefreshTokenReplayed), 0);
            // The one before it is spent for good.
            world.tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
            world.tokens.refresh("conf", &last.refresh).await.assert_error(400, "invalid_grant");
            if let Some(status) = status {
                assert_eq!(status, 200);
                assert!(polls >= 8, "each of the four steps waits twice: {polls}");
                ended = true;
                break;
            }
        }
        assert!(ended, "the request never ends");
    }
}

#[tokio::test]
async fn a_revocation_that_is_dropped_at_any_poll_can_be_repeated_t60_t71() {
    for (ends_family, is_refresh) in [(false, true), (false, false), (true, false)] {
        for after in [false, true] {
            let mut ended = false;
            for polls in 0..100 {
                let world = patient(ends_family, after);
                let login = world.tokens.login("conf").await;
                let token = if is_refresh { &login.refresh } else { &login.access };
                let form = format!("token={token}");
                let status = poll(world.tokens.layer.revocation_endpoint(), &form, polls).await;
                assert_eq!(world.steps.alive(), 0);
                world.tokens.revoke("conf", token).await.assert_empty_ok();
                assert!(!world.tokens.is_active(&login.access).await, "poll {polls}");
                if is_refresh || ends_family {
                    world.tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
                } else {
                    world.tokens.renewed("conf", &login.refresh).await;
                }
                if let Some(status) = status {
                    assert_eq!(status, 200);
                    ended = true;
                    break;
                }
            }
            assert!(ended, "the request never ends");
        }
    }
}

#[tokio::test]
async fn a_replay_that_is_dropped_at_any_poll_buys_nothing_t55() {
    for after in [false, true] {
        for polls in 0..30 {
            let world = patient(false, after);
            let login = world.tokens.login("conf").await;
            let next = world.tokens.renewed("conf", &login.refresh).await;
            world.tokens.pass_leeway();
            let form = format!("grant_type=refresh_token&refresh_token={}", login.refresh);
            let status = poll(world.tokens.layer.endpoint(), &form, polls).await;
            assert_ne!(status, Some(200));
            world.tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
            world.tokens.refresh("conf", &next.refresh).await.assert_error(400, "invalid_grant");
            assert!(!world.tokens.is_active(&next.access).await && !world.tokens.is_active(&login.access).await);
        }
    }
}
