//! Whatever fails, no token is given and no guess is free.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use async_trait::async_trait;
use http::Method;
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::{AuthRequest, ClientError};
use tower_password_grant::limiter::{AttemptKey, AttemptLimiter, BegunLock, Reservation, Reserved, Settlement};
use tower_password_grant::mount::TransportSecurity;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    Attempt, BackendError, Client, ClientRegistry, ConfigError, CredentialVerifier, PeerAddress, StaticClients,
    Subject, Verdict, find_client_fn,
};

use crate::support::auth_method::OwnMethod;
use crate::support::protection::counted_by;
use crate::support::{self, AUTH, Document, Fixture, PW, Probe, basic, builder, digest, send, spawn, token_request};

/// A limiter whose store is down.
struct Down;

impl AttemptLimiter for Down {
    fn reserve<'a>(&'a self, _: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::new(async { Err(BackendError::unavailable("the store is down")) })
    }

    fn settle(&self, _: Reservation, _: Settlement) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        MaybeFuture::ready(Ok(None))
    }
}

#[tokio::test]
async fn without_a_count_nobody_is_verified_pw_07_pw_16() {
    let fixture = Fixture::with(|builder| builder.attack_protection(counted_by(Down)));
    // For a public client it is the password's count, for others that of the client's secret.
    fixture.token(&[], &support::pw("client_id=pub")).await.assert_error(503, "temporarily_unavailable");
    fixture.token(AUTH, PW).await.assert_error(503, "temporarily_unavailable");
    assert_eq!(fixture.probe.calls(), 0);
}

/// A limiter that charges, and fails when it is to give back.
struct Unsettled(Arc<AtomicUsize>);

impl AttemptLimiter for Unsettled {
    fn reserve<'a>(&'a self, _: &'a AttemptKey<'a>) -> MaybeFuture<'a, Result<Reserved, BackendError>> {
        MaybeFuture::ready(Ok(Reserved::Charged(Reservation::new([7; 32]))))
    }

    fn settle(
        &self,
        reservation: Reservation,
        settlement: Settlement,
    ) -> MaybeFuture<'_, Result<Option<BegunLock>, BackendError>> {
        assert_eq!((reservation.key(), settlement), (&[7; 32], Settlement::Success));
        self.0.fetch_add(1, Ordering::SeqCst);
        MaybeFuture::ready(Err(BackendError::unavailable("the store is down")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_finished_login_stands_even_if_its_charge_cannot_be_given_back_pw_11() {
    let settled = Arc::new(AtomicUsize::new(0));
    let limiter = Unsettled(Arc::clone(&settled));
    let fixture = Fixture::with(|builder| builder.attack_protection(counted_by(limiter)));
    fixture.token(&[], &support::pw("client_id=pub")).await.assert_ok();
    // It was tried once more.
    assert_eq!(settled.load(Ordering::SeqCst), 2);
    // So is that of a client's secret, where the limiter has no check of its own.
    fixture.token(AUTH, PW).await.assert_ok();
    assert_eq!(settled.load(Ordering::SeqCst), 6);
}

/// A verifier that resolves aliases, in a directory that can be down.
struct Aliases;

#[async_trait]
impl CredentialVerifier for Aliases {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match attempt.password().expose() {
            "correct horse" => Subject::new("user-1").into(),
            _ => tower_password_grant::Denial::WrongPassword.into(),
        })
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        MaybeFuture::new(async move {
            match username {
                "down" => Err(BackendError::unavailable("the directory is down")),
                "alice" | "alice@example.com" => Ok(AccountKey::resolved("1")),
                other => Ok(AccountKey::phantom(other)),
            }
        })
    }
}

#[tokio::test]
async fn aliases_of_one_account_share_a_budget_and_a_key_that_cannot_be_found_is_503_pw_10_pw_16() {
    let layer = builder(&Probe::default()).verifier(Arc::new(Aliases)).build().unwrap();
    let login = |name: &str, password: &str| {
        token_request(AUTH, &format!("grant_type=password&username={name}&password={password}"))
    };
    send(&layer, login("down", "x")).await.assert_error(503, "temporarily_unavailable");
    for (guess, name) in ["alice", "alice%40example.com"].repeat(5).into_iter().enumerate() {
        send(&layer, login(name, &format!("wrong{guess}"))).await.assert_error(400, "invalid_grant");
    }
    for name in ["alice", "alice%40example.com"] {
        send(&layer, login(name, "correct+horse")).await.assert_error(429, "too_many_attempts");
    }
    // The default key is not used: `ALICE` is somebody else here.
    send(&layer, login("ALICE", "wrong")).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_dropped_guess_at_a_client_s_credential_stays_charged_ca_18_ca_23() {
    let calls = Arc::new(AtomicUsize::new(0));
    let client = Client::with_method("robot", "hanging").allow_password_grant().scopes("read").default_scope("read");
    let clients = StaticClients::new([client.build().unwrap()]).unwrap();
    let count = Arc::clone(&calls);
    let claim = |request: &AuthRequest<'_>| Some(request.headers().get("x-hanging")?.to_str().unwrap().to_owned());
    let method = OwnMethod::new("hanging", "Hanging realm=\"x\"", claim, move |_, _| {
        count.fetch_add(1, Ordering::SeqCst);
        MaybeFuture::new(std::future::pending())
    });
    let fixture = Fixture::with(|builder| builder.clients(clients).client_auth_method(method));
    for _ in 0..20 {
        let mut request = pin!(fixture.token(&[("x-hanging", "robot")], PW));
        poll_fn(|cx| {
            let _ = request.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 10);
    fixture.token(&[("x-hanging", "robot")], PW).await.assert_error(429, "too_many_attempts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_parallel_guesses_at_a_client_secret_are_ten_ca_18() {
    let fixture = Fixture::new();
    let tasks: Vec<_> = (0..200)
        .map(|guess| {
            let fixture = fixture.clone();
            spawn(async move {
                let header = basic("conf", &format!("guess{guess}"));
                fixture.token(&[("authorization", &header)], PW).await.status.as_u16()
            })
        })
        .collect();
    let mut compared = 0;
    for task in tasks {
        match task.await.unwrap() {
            401 => compared += 1,
            status => assert_eq!(status, 429),
        }
    }
    assert_eq!(compared, 10);
}

#[tokio::test]
async fn a_registry_lists_no_origin_unless_it_says_so_ht_10() {
    let page = "https://app.example";
    let listed = || Client::confidential("conf", &digest("s3cret")).allow_password_grant().allow_origin(page);
    let registry =
        find_client_fn(move |_| async move { Ok(Some(listed().scopes("read").default_scope("read").build()?)) });
    assert!(!registry.allows_origin(page).await.unwrap());
    let layer = builder(&Probe::default()).clients(registry).build().unwrap();
    let mut preflight = token_request(&[("origin", page), ("access-control-request-method", "POST")], "");
    *preflight.method_mut() = Method::OPTIONS;
    assert_eq!(send(&layer, preflight).await.header("access-control-allow-origin"), None);
    // The request itself is held to its client's own list.
    let answer = send(&layer, token_request(&[AUTH[0], ("origin", page)], PW)).await;
    answer.assert_ok();
    assert_eq!(answer.header("access-control-allow-origin"), Some(page));
}

#[test]
fn contradictions_are_refused_at_build_te_12_ht_19() {
    let proxies = TransportSecurity::forwarded_by(["10.0.0.0/8".parse().unwrap()]);
    let probe = Probe::default();
    let built = builder(&probe).peer_address(PeerAddress::unknown()).transport_security(proxies).build();
    assert!(matches!(built, Err(ConfigError::ProxiesWithoutPeer)));
    let built = builder(&probe).document("/oauth/token", Document).build();
    assert!(matches!(built, Err(ConfigError::PathTwice(path)) if path == "/oauth/token"));
    let client = || Client::public("a").build().unwrap();
    assert!(matches!(StaticClients::new([client(), client()]), Err(ClientError::Duplicate(id)) if id == "a"));
    let built = tower_password_grant::PasswordGrant::builder()
        .clients(StaticClients::new([client()]).unwrap())
        .verifier(probe.clone())
        .issuer(tower_password_grant::issue_fn(|_| async { Err(BackendError::unavailable("never asked")) }))
        .build();
    assert!(matches!(built, Err(ConfigError::NoPeerAddress)));
}

#[tokio::test]
async fn a_client_that_is_found_under_another_spelling_of_its_id_is_not_that_client_ca_06() {
    // As a database answers whose look-up ignores case.
    let registry = find_client_fn(|_| async {
        let client = Client::public("pub").allow_password_grant().scopes("read").default_scope("read").build()?;
        Ok(Some(client))
    });
    let probe = Probe::default();
    let layer = builder(&probe).clients(registry).build().unwrap();
    let send_as = |id: &str| send(&layer, token_request(&[], &format!("{PW}&client_id={id}")));
    send_as("PUB").await.assert_error(400, "invalid_client");
    assert_eq!(probe.calls(), 0);
    send_as("pub").await.assert_ok();
}

#[tokio::test]
async fn a_source_of_the_peer_address_that_panics_is_500_and_takes_nothing_down_t38() {
    let source = PeerAddress::extension(|_: &std::net::SocketAddr| panic!("no address today"));
    let fixture = Fixture::with(|builder| builder.peer_address(source));
    for _ in 0..2 {
        fixture.token(AUTH, PW).await.assert_error(500, "server_error");
    }
    assert_eq!(fixture.probe.calls(), 0);
}
