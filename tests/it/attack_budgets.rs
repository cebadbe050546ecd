//! The budgets by themselves and together, at the layer with a clock that stands still: what counts, what is given back,
//! how locks grow and end, what an operator can switch (P1, P2, T1, T6, T13, T26, T46, T48, T49).

use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tower_password_grant::audit::Reason;
use tower_password_grant::limiter::{AttackProtection, Limit, Limits, Lockout, MemoryLimiter, TokenBucket};
use tower_password_grant::user::HostCode;
use tower_password_grant::{
    Attempt, BackendError, CredentialVerifier, Denial, PasswordGrantLayer, Subject, Verdict, verify_fn,
};

use crate::support::guesses::{Bed, Told, assert_denied, assert_throttled, login};
use crate::support::protection::{counted_by, up_to};
use crate::support::{self, AUTH, FixtureBuilder, PW, basic, from_peer, pw, send, token_request};

const HERE: &str = "192.0.2.1";
const THERE: &str = "198.51.100.7";
const RIGHT: &str = "correct horse";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// An endpoint whose attempts are counted by these limits.
fn by(limits: Limits) -> Bed {
    Bed::with(|builder| builder.attack_protection(counted_by(MemoryLimiter::new().with_limits(limits))))
}

#[tokio::test]
async fn an_own_success_gives_no_budget_for_other_accounts_back_t6() {
    let bed = Bed::new();
    // Nine failures on one victim after the other, and an own success before each budget would be spent.
    for victim in 0..33 {
        for guess in 0..9 {
            assert_denied(&bed.try_from(HERE, &format!("victim{victim}"), &format!("guess{guess}")).await);
        }
        bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
    }
    for guess in 0..3 {
        assert_denied(&bed.try_from(HERE, "victim33", &format!("guess{guess}")).await);
    }
    assert_throttled(&bed.try_from(HERE, "victim33", "guess3").await, 60);
    assert_eq!((bed.last().reason, bed.last().limit), (Some(Reason::AddressThrottled), Some(Limit::Address)));
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 60);
    assert_eq!(bed.verified(), 300 + 33);
}

#[tokio::test]
async fn an_own_success_between_the_guesses_leaves_the_victim_s_count_as_it_was_t6() {
    let bed = Bed::new();
    for guess in 0..10 {
        assert_denied(&bed.try_from(HERE, "zoë", &format!("guess{guess}")).await);
        bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
    }
    assert_throttled(&bed.try_from(HERE, "zoë", "guess10").await, 900);
}

#[tokio::test]
async fn a_success_takes_nothing_back_of_what_others_tried_on_the_account_elsewhere_t6_t26() {
    let bed = Bed::new();
    for n in 0..9 {
        assert_denied(&bed.try_from(THERE, "alice", &format!("guess{n}")).await);
    }
    for n in 0..90 {
        assert_denied(&bed.try_from(&format!("203.0.113.{n}"), "alice", &format!("more{n}")).await);
    }
    bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
    // 99 were counted over all addresses. One more is let in, and the next stranger is not.
    assert_denied(&bed.try_from(THERE, "alice", "guess9").await);
    assert_throttled(&bed.try_from("203.0.113.200", "alice", "guess").await, 3600);
    assert_eq!(bed.last().limit, Some(Limit::Account));
}

#[tokio::test]
async fn locks_grow_from_15_to_60_minutes_are_never_extended_and_fall_back_after_quiet_t26() {
    let bed = Bed::new();
    let mut guesses = 0_u32;
    for minutes in [15, 30, 60, 60, 60] {
        for _ in 0..10 {
            guesses += 1;
            assert_denied(&bed.try_from(HERE, "alice", &format!("guess{guesses}")).await);
        }
        let lock = minutes * 60;
        for waited in 0..5 {
            assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, lock - waited);
            bed.clock.advance(SECOND);
        }
        bed.clock.advance(SECOND * u32::try_from(lock - 6).unwrap());
        assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 1);
        bed.clock.advance(SECOND);
    }
    // As long as the last lock was, nobody tries.
    bed.clock.advance(MINUTE * 60);
    for guess in 0..10 {
        assert_denied(&bed.try_from(HERE, "alice", &format!("later{guess}")).await);
    }
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 900);
    bed.clock.advance(MINUTE * 15);
    bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn the_longest_of_several_waits_is_told() {
    let limits = Limits::new()
        .with_account_and_address_budget(Lockout::new(2, MINUTE))
        .with_account_budget(Lockout::new(2, MINUTE * 60))
        .with_address_budget(TokenBucket::new(2, SECOND * 10));
    let bed = by(limits);
    // Of a client without a secret: its proof would be the first to meet the empty bucket.
    let guess =
        async |peer, name, password| bed.post_from(peer, &[], &(login(name, password) + "&client_id=pub")).await;
    for password in ["a", "b"] {
        assert_denied(&guess(HERE, "zoë", password).await);
    }
    assert_throttled(&guess(HERE, "zoë", "c").await, 3600);
    assert_eq!(bed.last().limit, Some(Limit::AccountAndAddress), "the first one is named");
    assert_throttled(&guess(HERE, "nobody", "c").await, 10);
    assert_throttled(&guess(THERE, "zoë", "c").await, 3600);
}

#[tokio::test]
async fn the_same_wrong_password_counts_once_within_half_a_minute() {
    let bed = Bed::new();
    // As Go's client does: by header, and then by body.
    let body = login("alice", "old password");
    for _ in 0..20 {
        assert_denied(&bed.post_from(HERE, AUTH, &body).await);
        assert_denied(&bed.post_from(HERE, &[], &(body.clone() + "&client_id=conf&client_secret=s3cret")).await);
    }
    // One was counted, so nine are left, and only in a row is it the same.
    for guess in 0..8 {
        assert_denied(&bed.try_from(HERE, "alice", &format!("guess{guess}")).await);
    }
    assert_denied(&bed.try_from(HERE, "alice", "old password").await);
    assert_throttled(&bed.try_from(HERE, "alice", "old password").await, 900);
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 900);
}

#[tokio::test]
async fn the_same_wrong_password_counts_again_after_half_a_minute_and_repeats_do_not_stretch_that() {
    let bed = Bed::new();
    for _ in 0..9 {
        // At 0, 15 and 29 seconds.
        for wait in [15, 14, 1] {
            assert_denied(&bed.try_from(HERE, "alice", "old password").await);
            bed.clock.advance(SECOND * wait);
        }
    }
    assert_denied(&bed.try_from(HERE, "alice", "old password").await);
    // The tenth that counted began the lock, and under it nothing is free.
    assert_throttled(&bed.try_from(HERE, "alice", "old password").await, 900);
}

#[tokio::test]
async fn a_repeat_is_of_the_same_account_and_the_same_password_only() {
    let limits = Limits::new()
        .with_account_and_address_budget(Lockout::new(3, MINUTE))
        .with_account_budget(Lockout::new(4, MINUTE))
        .with_address_budget(TokenBucket::new(5, MINUTE));
    let bed = by(limits);
    for name in ["a", "b", "c", "d", "e"] {
        assert_denied(&bed.try_from(HERE, name, "Summer2026!").await);
    }
    assert_throttled(&bed.try_from(HERE, "f", "Summer2026!").await, 60);
    // A repeat counts for the address: it takes a hash like any other.
    let bed = by(limits);
    for _ in 0..5 {
        assert_denied(&bed.try_from(HERE, "a", "Summer2026!").await);
    }
    assert_throttled(&bed.try_from(HERE, "a", "Summer2026!").await, 60);
    assert_eq!(bed.last().limit, Some(Limit::Address));
    let bed = by(Limits::new().with_repeat_window(Duration::ZERO));
    for _ in 0..10 {
        assert_denied(&bed.try_from(HERE, "a", "Summer2026!").await);
    }
    assert_throttled(&bed.try_from(HERE, "a", "Summer2026!").await, 900);
}

/// A layer around this verifier, with budgets that are told apart by their sizes: 3, 4 and 6.
fn small<V: CredentialVerifier>(verifier: V) -> PasswordGrantLayer {
    small_with(verifier, |builder| builder)
}

fn small_with<V: CredentialVerifier>(
    verifier: V,
    change: impl FnOnce(FixtureBuilder) -> FixtureBuilder,
) -> PasswordGrantLayer {
    let limiter = MemoryLimiter::new().with_limits(
        Limits::new()
            .with_account_and_address_budget(Lockout::new(3, MINUTE * 15))
            .with_account_budget(Lockout::new(4, MINUTE * 60))
            .with_address_budget(TokenBucket::new(6, MINUTE)),
    );
    let builder = change(support::builder(&support::Probe::default()).clock(support::ManualClock::new()));
    builder.verifier(verifier).attack_protection(counted_by(limiter)).build().unwrap()
}

async fn try_at(layer: &PasswordGrantLayer, peer: &str, name: &str, password: &str) -> support::Answer {
    send(layer, from_peer(token_request(AUTH, &login(name, password)), peer)).await
}

#[tokio::test]
async fn a_code_in_a_field_that_the_verifier_reads_is_part_of_the_guess_p1() {
    let layer = small(verify_fn(|attempt: Attempt| async move {
        assert_ne!(attempt.field("otp"), Some("right"), "it is never found");
        Ok(Denial::WrongPassword.into())
    }));
    for code in 0..3 {
        let body = format!("{}&otp={code}", login("alice", "the same"));
        assert_denied(&send(&layer, token_request(AUTH, &body)).await);
    }
    let body = format!("{}&otp=right", login("alice", "the same"));
    assert_throttled(&send(&layer, token_request(AUTH, &body)).await, 900);
}

#[tokio::test]
async fn every_denial_that_looks_like_a_wrong_secret_counts_like_one() {
    let code = || HostCode::new("closed", "closed until Monday").unwrap();
    for denial in [
        Denial::UnknownUser,
        Denial::WrongPassword,
        Denial::Disabled,
        Denial::Locked,
        Denial::PasswordExpired,
        Denial::Unverified,
        Denial::Custom(code()),
    ] {
        let text = format!("{denial:?}");
        let layer = small(verify_fn(move |_| {
            let denial = denial.clone();
            async move { Ok(denial.into()) }
        }));
        // Six hashes are what the address may have.
        for _ in 0..6 {
            let answer = send(&layer, token_request(&[], &(login("alice", "the same") + "&client_id=pub"))).await;
            assert_eq!(answer.status, 400, "{text}");
            assert_denied(&answer);
        }
        for guess in 0..2 {
            assert_denied(&try_at(&layer, THERE, "alice", &guess.to_string()).await);
        }
    }
}

#[tokio::test]
async fn a_denial_that_shows_that_the_secret_was_right_counts_each_time() {
    let code = HostCode::new("code_wrong", "the code is wrong").unwrap();
    let verifier = verify_fn(move |_| {
        let denial = Denial::Custom(code.clone());
        async move { Ok(denial.into()) }
    });
    let layer = small_with(verifier, |builder| builder.danger(|danger| danger.reveal_custom_denials()));
    for _ in 0..3 {
        send(&layer, token_request(AUTH, &login("alice", "the same"))).await.assert_error(400, "code_wrong");
    }
    assert_throttled(&send(&layer, token_request(AUTH, &login("alice", "the same"))).await, 900);
    // So does a scope of which this user may have nothing.
    let layer =
        small(verify_fn(|_| async { Ok(Verdict::granted_within(Subject::new("u"), "write".parse().unwrap())) }));
    for _ in 0..3 {
        send(&layer, token_request(AUTH, &login("alice", "the same"))).await.assert_error(400, "invalid_scope");
    }
    assert_throttled(&send(&layer, token_request(AUTH, &login("alice", "the same"))).await, 900);
}

#[tokio::test]
async fn equal_guesses_at_once_and_dropped_ones_are_all_charged_t2_t3() {
    let layer = small(verify_fn(|_| pending()));
    let ask = || token_request(AUTH, &login("alice", "the same"));
    // All of them are under way, so none of them is known to be wrong.
    let mut underway: Vec<_> = (0..3).map(|_| Box::pin(send(&layer, ask()))).collect();
    for request in &mut underway {
        assert!(poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_pending())).await);
    }
    assert_throttled(&send(&layer, ask()).await, 1);
    drop(underway);
    assert_throttled(&send(&layer, ask()).await, 1);

    let layer = small(verify_fn(|_| pending()));
    for _ in 0..3 {
        let mut request = pin!(send(&layer, ask()));
        assert!(poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_pending())).await);
    }
    assert_throttled(&send(&layer, ask()).await, 1);
}

#[tokio::test]
async fn a_verifier_that_fails_gives_the_account_s_charge_back_and_keeps_the_address_s() {
    let fails = Arc::new(Mutex::new(true));
    let failing = Arc::clone(&fails);
    let layer = small(verify_fn(move |_| {
        let fails = *failing.lock().unwrap();
        async move { if fails { Err(BackendError::unavailable("down")) } else { Ok(Denial::WrongPassword.into()) } }
    }));
    for guess in 0..6 {
        try_at(&layer, HERE, "alice", &guess.to_string()).await.assert_error(503, "temporarily_unavailable");
    }
    assert_throttled(&try_at(&layer, HERE, "alice", "x").await, 60);
    *fails.lock().unwrap() = false;
    for guess in 0..3 {
        assert_denied(&try_at(&layer, THERE, "alice", &guess.to_string()).await);
    }
    assert_throttled(&try_at(&layer, THERE, "alice", "x").await, 900);
    assert_denied(&try_at(&layer, "203.0.113.1", "alice", "x").await);
    assert_throttled(&try_at(&layer, "203.0.113.2", "alice", "y").await, 3600);
}

#[tokio::test]
async fn a_verifier_that_panics_keeps_all_charges() {
    let layer = small(verify_fn(|attempt: Attempt| async move {
        assert!(attempt.username() != "alice", "the verifier panics on purpose");
        Ok(Denial::WrongPassword.into())
    }));
    for _ in 0..3 {
        try_at(&layer, HERE, "alice", "x").await.assert_error(500, "server_error");
    }
    // For a minute nobody knows that they are lost.
    assert_throttled(&try_at(&layer, HERE, "alice", "x").await, 1);
    for name in ["a", "b", "c"] {
        assert_denied(&try_at(&layer, HERE, name, "x").await);
    }
    assert_throttled(&try_at(&layer, HERE, "d", "x").await, 60);
    try_at(&layer, THERE, "alice", "x").await.assert_error(500, "server_error");
    assert_throttled(&try_at(&layer, "203.0.113.1", "alice", "x").await, 1);
}

#[tokio::test]
async fn too_much_work_gives_all_charges_back() {
    let layer = small(verify_fn(|attempt: Attempt| async move {
        if attempt.password().expose() == "x" {
            return Err(BackendError::overloaded(SECOND));
        }
        Ok(Denial::WrongPassword.into())
    }));
    for _ in 0..50 {
        try_at(&layer, HERE, "alice", "x").await.assert_error(503, "temporarily_unavailable");
    }
    for guess in 0..3 {
        assert_denied(&try_at(&layer, HERE, "alice", &guess.to_string()).await);
    }
    assert_throttled(&try_at(&layer, HERE, "alice", "x").await, 900);
    for name in ["a", "b", "c"] {
        assert_denied(&try_at(&layer, HERE, name, "y").await);
    }
    assert_throttled(&try_at(&layer, HERE, "d", "y").await, 60);
}

async fn guess_secret(bed: &Bed, peer: &str, id: &str, secret: &str) -> support::Answer {
    bed.post_from(peer, &[("authorization", &basic(id, secret))], PW).await
}

#[tokio::test]
async fn client_secrets_have_ten_guesses_for_each_client_and_address_and_no_lock_of_the_client_t49() {
    let bed = Bed::new();
    for guess in 0..10 {
        guess_secret(&bed, HERE, "conf", &format!("guess{guess}")).await.assert_error(401, "invalid_client");
    }
    for secret in ["guess", "s3cret"] {
        assert_throttled(&guess_secret(&bed, HERE, "conf", secret).await, 900);
        assert_eq!(
            (bed.last().reason, bed.last().limit),
            (Some(Reason::ClientThrottled), Some(Limit::ClientAndAddress))
        );
    }
    // Other clients of the address, and the client elsewhere, even after guesses from very many addresses.
    guess_secret(&bed, HERE, "conf2", "s3cret2").await.assert_ok();
    bed.post_from(HERE, &[], &pw("client_id=pub")).await.assert_ok();
    for n in 0..500 {
        let peer = format!("198.18.{}.{}", n / 250, n % 250);
        guess_secret(&bed, &peer, "conf", "guess").await.assert_error(401, "invalid_client");
    }
    guess_secret(&bed, THERE, "conf", "s3cret").await.assert_ok();
    bed.clock.advance(MINUTE * 15);
    guess_secret(&bed, HERE, "conf", "s3cret").await.assert_ok();
}

#[tokio::test]
async fn a_client_s_success_clears_its_own_failures_and_not_those_of_others_t6_t49() {
    let bed = Bed::new();
    for round in 0..4 {
        for guess in 0..9 {
            guess_secret(&bed, HERE, "conf", &format!("{round}-{guess}")).await.assert_error(401, "invalid_client");
        }
        for guess in 0..2 {
            guess_secret(&bed, HERE, "conf2", &format!("{round}-{guess}")).await.assert_error(401, "invalid_client");
        }
        guess_secret(&bed, HERE, "conf", "s3cret").await.assert_ok();
    }
    for guess in 0..2 {
        guess_secret(&bed, HERE, "conf2", &format!("{guess}")).await.assert_error(401, "invalid_client");
    }
    assert_throttled(&guess_secret(&bed, HERE, "conf2", "s3cret2").await, 900);
}

#[tokio::test]
async fn exempt_networks_are_free_of_the_rules_that_name_an_address_but_not_of_the_account_s_t46() {
    let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().unwrap());
    let bed = Bed::with(|builder| builder.attack_protection(AttackProtection::new().exempt_networks(networks)));
    for guess in 0..100 {
        assert_denied(&bed.try_from(HERE, "zoë", &format!("guess{guess}")).await);
    }
    assert_throttled(&bed.try_from(HERE, "zoë", " %&+£€").await, 3600);
    assert_eq!(bed.last().limit, Some(Limit::Account));
    for guess in 0..400 {
        assert_denied(&bed.try_from(HERE, &format!("name{guess}"), "x").await);
    }
    // A success from there does not spare it either.
    bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
    for guess in 0..100 {
        assert_denied(&bed.try_from("2001:db8:1:2::3", "alice", &format!("guess{guess}")).await);
    }
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 3600);
    // Nor are the secrets of clients free.
    for guess in 0..10 {
        guess_secret(&bed, HERE, "conf", &format!("{guess}")).await.assert_error(401, "invalid_client");
    }
    assert_throttled(&guess_secret(&bed, HERE, "conf", "s3cret").await, 900);
    // Outside of it the limits are as ever.
    for guess in 0..10 {
        assert_denied(&bed.try_from("192.0.3.1", "bob", &format!("guess{guess}")).await);
    }
    assert_throttled(&bed.try_from("192.0.3.1", "bob", "guess").await, 900);
}

#[tokio::test]
async fn each_rule_can_be_watched_before_it_refuses_and_be_switched_off() {
    let budgets = || {
        Limits::new()
            .with_account_and_address_budget(Lockout::new(2, MINUTE))
            .with_client_and_address_budget(Lockout::new(2, MINUTE))
            .with_account_budget(Lockout::new(2, MINUTE))
            .with_address_budget(TokenBucket::new(2, MINUTE))
    };
    let limits = [Limit::AccountAndAddress, Limit::Account, Limit::Address, Limit::ClientAndAddress];
    for watched in limits {
        for is_watched in [true, false] {
            let others = limits.iter().filter(|limit| **limit != watched);
            let watching = others.fold(budgets(), |limits, limit| limits.disable(*limit));
            let watching = if is_watched { watching.monitor(watched) } else { watching.disable(watched) };
            let bed = by(watching);
            for guess in 0..10 {
                let (answer, reason) = if watched == Limit::ClientAndAddress {
                    (guess_secret(&bed, HERE, "conf", &format!("{guess}")).await, Reason::WrongSecret)
                } else {
                    (bed.try_from(HERE, "alice", &format!("{guess}")).await, Reason::WrongPassword)
                };
                assert!([400, 401].contains(&answer.status.as_u16()), "{watched}: {answer:?}");
                let monitored = (is_watched && guess >= 2).then_some(watched);
                assert_eq!(bed.last(), Told { reason: Some(reason), limit: None, monitored });
            }
            bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
        }
    }
}

#[tokio::test]
async fn a_watched_rule_leaves_the_others_in_force() {
    let bed = by(Limits::new().monitor(Limit::AccountAndAddress));
    for guess in 0..100 {
        assert_denied(&bed.try_from(HERE, "alice", &format!("{guess}")).await);
        assert_eq!(bed.last().monitored, (guess >= 10).then_some(Limit::AccountAndAddress));
    }
    assert_throttled(&bed.try_from(HERE, "alice", RIGHT).await, 3600);
    assert_eq!(bed.last().limit, Some(Limit::Account));
}

#[tokio::test]
async fn the_ceiling_of_requests_can_be_watched() {
    let ceiling = tower_password_grant::limiter::RequestCeiling::per_address(3, 1).monitor();
    let bed = Bed::with(|builder| builder.attack_protection(up_to(ceiling)));
    for request in 0..10 {
        bed.try_from(HERE, "alice", RIGHT).await.assert_ok();
        let monitored = (request >= 3).then_some(Limit::Requests);
        assert_eq!(bed.last(), Told { reason: None, limit: None, monitored });
    }
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn what_watched_rules_would_have_refused_is_counted() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let bed = by(Limits::new().monitor(Limit::AccountAndAddress));
    for guess in 0..15 {
        assert_denied(&bed.try_from(HERE, "alice", &format!("{guess}")).await);
    }
    let text = handle.render();
    assert!(text.contains("oauth_token_requests_monitored_total{limit=\"account_and_address\"} 5\n"), "{text}");
}
