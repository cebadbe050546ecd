//! 200 guesses at once, again and again: never more than the budget of 10 reach the verifier, whatever the verifier does
//! with them (PW-07, PW-08).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::store::MemoryAccessTokens;
use tower_password_grant::testing::contract;
use tower_password_grant::{
    Attempt, BackendError, Denial, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress, StaticClients,
    Verdict, verify_fn,
};

use crate::support::{self, CONF, basic, from_peer, panics, send, spawn, token_request};

const GUESSES: usize = 200;
const BUDGET: usize = 10;
const ROUNDS: usize = 100;

/// A layer around this verifier, and how often it was called.
fn layer<F, Fut>(verify: F) -> (PasswordGrantLayer, Arc<AtomicUsize>)
where
    F: Fn(Attempt) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Verdict, BackendError>> + Send + 'static,
{
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new(support::clients()).unwrap())
        .verifier(verify_fn(move |attempt| {
            count.fetch_add(1, SeqCst);
            verify(attempt)
        }))
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    (layer, calls)
}

/// Sends 200 wrong passwords at once; the statuses with their counts. Spellings of the name share one budget.
async fn storm(layer: &PasswordGrantLayer) -> HashMap<u16, usize> {
    let calls = (0..GUESSES).map(|guess| {
        let layer = layer.clone();
        async move {
            let name = ["alice", "ALICE", "+alice", "Alice%20"][guess % 4];
            let body = format!("grant_type=password&username={name}&password=guess{guess}");
            send(&layer, token_request(&[("authorization", CONF)], &body)).await.status.as_u16()
        }
    });
    let mut statuses = HashMap::new();
    for status in contract::together(calls).await {
        *statuses.entry(status).or_default() += 1;
    }
    statuses
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_parallel_guesses_exactly_the_budget_is_verified_pw_07_pw_08() {
    for _ in 0..ROUNDS {
        let (layer, calls) = layer(|_| async {
            tokio::task::yield_now().await;
            Ok(Denial::WrongPassword.into())
        });
        let statuses = storm(&layer).await;
        assert_eq!(calls.load(SeqCst), BUDGET);
        assert_eq!(statuses, HashMap::from([(400, BUDGET), (429, GUESSES - BUDGET)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_verifier_that_panics_gives_no_free_guess_pw_08() {
    panics::quiet();
    for _ in 0..20 {
        let (layer, calls) = layer(|_| async { panic!("the verifier panics on purpose") });
        let statuses = storm(&layer).await;
        assert_eq!(calls.load(SeqCst), BUDGET);
        assert_eq!(statuses, HashMap::from([(500, BUDGET), (429, GUESSES - BUDGET)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses_that_are_dropped_while_they_are_verified_are_spent_pw_08() {
    for _ in 0..20 {
        let (layer, calls) = layer(|_| std::future::pending());
        let tasks: Vec<_> = (0..GUESSES)
            .map(|guess| {
                let layer = layer.clone();
                let body = format!("grant_type=password&username=alice&password=guess{guess}");
                spawn(async move { send(&layer, token_request(&[("authorization", CONF)], &body)).await.status })
            })
            .collect();
        // Those beyond the budget are refused; the others hang until they are dropped.
        while tasks.iter().filter(|task| task.is_finished()).count() < GUESSES - BUDGET {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(storm(&layer).await, HashMap::from([(429, GUESSES)]));
        assert_eq!(calls.load(SeqCst), BUDGET);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_attacker_at_another_address_does_not_lock_the_user_out() {
    let (layer, _) = layer(|attempt| async move {
        let right = attempt.password().expose() == "correct horse";
        Ok(if right { tower_password_grant::Subject::new("user-alice").into() } else { Denial::WrongPassword.into() })
    });
    storm(&layer).await;
    let home = from_peer(token_request(&[("authorization", CONF)], support::PW), "198.51.100.7");
    send(&layer, home).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_parallel_client_secrets_exactly_the_budget_is_compared() {
    for (id, known) in [("conf", true), ("nobody", false)] {
        for _ in 0..ROUNDS / 2 {
            let compared = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&compared);
            let fixture = support::Fixture::with(|builder| {
                builder.audit(move |event: &AuditEvent<'_>| {
                    let reason = if known { Reason::WrongSecret } else { Reason::UnknownClient };
                    if matches!(event.outcome, AuditOutcome::Refused { reason: told, .. } if told == reason) {
                        count.fetch_add(1, SeqCst);
                    }
                })
            });
            let calls = (0..GUESSES).map(|guess| {
                let fixture = fixture.clone();
                let by_header = guess % 2 == 0;
                let header = basic(id, &format!("guess{guess}"));
                let body = format!("{}&client_id={id}&client_secret=guess{guess}", support::PW);
                async move {
                    let answer = if by_header {
                        fixture.token(&[("authorization", header.as_str())], support::PW).await
                    } else {
                        fixture.token(&[], &body).await
                    };
                    answer.status.as_u16()
                }
            });
            let throttled = contract::together(calls).await.into_iter().filter(|status| *status == 429).count();
            assert_eq!((compared.load(SeqCst), throttled), (BUDGET, GUESSES - BUDGET));
            assert_eq!(fixture.probe.calls(), 0);
            // The right secret is refused like the others now.
            let answer = fixture.token(&[("authorization", CONF)], support::PW).await;
            assert_eq!(answer.status.as_u16(), if known { 429 } else { 200 });
        }
    }
}
