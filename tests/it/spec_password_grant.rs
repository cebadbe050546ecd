//! The password grant (RFC 6749 section 4.3) and its budgets, and grants of the application's own (section 4.5).

use std::future::{Future as _, pending, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use tower_password_grant::limiter::{Limits, MemoryLimiter};
use tower_password_grant::user::HostCode;
use tower_password_grant::{Attempt, BackendError, Client, Denial, StaticClients, Subject, verify_fn};

use crate::support::protection::counted_by;
use crate::support::{
    self, AUTH, FIRST_LOCK, Fixture, ManualClock, PW, Probe, WINDOW, builder, digest, from_peer, pw, send, spawn,
    token_request,
};

fn login(username: &str, password: &str) -> String {
    format!("grant_type=password&username={username}&password={password}")
}

#[tokio::test]
pub async fn username_and_password_are_both_required_pw_01_er_02() {
    let fixture = Fixture::new();
    for body in ["grant_type=password&username=alice", "grant_type=password&password=x", "grant_type=password"] {
        fixture.token(AUTH, body).await.assert_error_about(400, "invalid_request", "missing");
    }
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn clients_with_credentials_authenticate_first_pw_02() {
    let fixture = Fixture::new();
    fixture.token(&[], &pw("client_id=conf")).await.assert_error(400, "invalid_client");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn a_valid_request_gets_a_token_pw_03() {
    let json = Fixture::new().token(AUTH, PW).await.assert_ok();
    assert_eq!(json["scope"], "read");
    assert_eq!(json["expires_in"], 3600);
}

#[tokio::test]
pub async fn a_wrong_password_is_invalid_grant_without_a_challenge_pw_04_er_04() {
    let answer = Fixture::new().token(AUTH, &login("alice", "wrong")).await;
    answer.assert_error(400, "invalid_grant");
    assert_eq!(answer.header("www-authenticate"), None);
}

#[tokio::test]
pub async fn every_denial_of_a_user_has_the_same_bytes_pw_05_pw_15() {
    let denials = [
        Denial::UnknownUser,
        Denial::WrongPassword,
        Denial::Disabled,
        Denial::Locked,
        Denial::PasswordExpired,
        Denial::Unverified,
        Denial::Custom(HostCode::new("company_locked", "closed until Monday").unwrap()),
    ];
    let probe = Probe::default();
    let mut answers = Vec::new();
    for denial in denials {
        let verifier = verify_fn(move |_| std::future::ready(Ok(denial.clone().into())));
        let layer = builder(&probe).verifier(verifier).build().unwrap();
        let answer = send(&layer, token_request(AUTH, PW)).await;
        answer.assert_error(400, "invalid_grant");
        answers.push((answer.headers, answer.body));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    let fixture = Fixture::new();
    for body in [login("nobody", "x"), login("alice", "wrong"), login("bob", "right")] {
        let answer = fixture.token(AUTH, &body).await;
        assert_eq!((answer.headers, answer.body), answers[0]);
    }
}

#[tokio::test]
pub async fn a_client_without_the_right_to_this_grant_is_refused_before_any_password_is_looked_at_pw_06_er_05() {
    let fixture = Fixture::new();
    let header = support::basic("svc", "svcpw");
    fixture.token(&[("authorization", &header)], PW).await.assert_error(400, "unauthorized_client");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn password_guessing_is_limited_by_default_and_a_lock_ends_by_time_pw_07_ht_21() {
    let clock = ManualClock::new();
    let fixture = Fixture::with(|builder| builder.clock(clock.clone()));
    for guess in 0..10 {
        fixture.token(AUTH, &login("alice", &format!("wrong{guess}"))).await.assert_error(400, "invalid_grant");
        clock.advance(Duration::from_secs(1));
    }
    clock.advance(Duration::from_secs(99));
    for _ in 0..5 {
        // Also with the right password, and refusals do not extend the lock.
        for body in [&login("alice", "wrong"), PW] {
            let answer = fixture.token(AUTH, body).await;
            answer.assert_error(429, "too_many_attempts");
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert_eq!(wait, FIRST_LOCK.as_secs() - 100);
        }
    }
    assert_eq!(fixture.probe.calls(), 10);
    clock.advance(FIRST_LOCK - Duration::from_secs(101));
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
    clock.advance(Duration::from_secs(1));
    fixture.token(AUTH, PW).await.assert_ok();
}

#[tokio::test]
pub async fn a_lock_holds_for_its_account_and_source_only_pw_07() {
    let fixture = Fixture::new();
    for guess in 0..11 {
        fixture.token(AUTH, &login("alice", &format!("wrong{guess}"))).await;
    }
    fixture.token(AUTH, PW).await.assert_error(429, "too_many_attempts");
    // Another client changes nothing.
    fixture.token(&[], &pw("client_id=pub")).await.assert_error(429, "too_many_attempts");
    fixture.token(AUTH, &login("zo%C3%AB", "+%25%26%2B%C2%A3%E2%82%AC")).await.assert_ok();
    fixture.send(from_peer(token_request(AUTH, PW), "192.0.2.2")).await.assert_ok();
}

#[tokio::test]
pub async fn the_address_is_the_socket_s_and_ipv6_counts_by_network_pw_07_ht_25() {
    let fixture = Fixture::new();
    for host in 1..=10 {
        let spoofed = format!("198.51.100.{host}");
        let headers = [AUTH[0], ("x-forwarded-for", spoofed.as_str()), ("forwarded", "for=198.51.100.1")];
        let request =
            from_peer(token_request(&headers, &login("alice", &format!("x{host}"))), &format!("2001:db8::{host:x}"));
        fixture.send(request).await.assert_error(400, "invalid_grant");
    }
    let throttled = fixture.send(from_peer(token_request(AUTH, PW), "2001:db8::ffff:1")).await;
    throttled.assert_error(429, "too_many_attempts");
    fixture.send(from_peer(token_request(AUTH, PW), "2001:db8:0:1::1")).await.assert_ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_is_taken_atomically_before_verification_pw_08() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let verifier = verify_fn(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async {
            tokio::task::yield_now().await;
            Ok(Denial::WrongPassword.into())
        }
    });
    let layer = builder(&Probe::default()).verifier(verifier).build().unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|guess| {
            let layer = layer.clone();
            let body = format!("grant_type=password&username=alice&password=guess{guess}");
            spawn(async move { send(&layer, token_request(AUTH, &body)).await.status.as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 10);
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 10);
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 40);
}

#[tokio::test]
pub async fn a_request_that_is_dropped_half_way_stays_charged_pw_08() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let verifier = verify_fn(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        pending()
    });
    let layer = builder(&Probe::default()).verifier(verifier).build().unwrap();
    for _ in 0..20 {
        let mut request = pin!(send(&layer, token_request(AUTH, PW)));
        poll_fn(|cx| {
            let _ = request.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 10);
    send(&layer, token_request(AUTH, PW)).await.assert_error(429, "too_many_attempts");
}

#[tokio::test]
pub async fn unknown_names_are_throttled_exactly_like_known_ones_pw_09() {
    let clock = ManualClock::new();
    let fixture = Fixture::with(|builder| builder.clock(clock));
    let mut histories = Vec::new();
    for name in ["alice", "nobody", "bob"] {
        let mut history = Vec::new();
        for guess in 0..12 {
            let answer = fixture.token(AUTH, &login(name, &format!("wrong{guess}"))).await;
            history.push((answer.status, answer.headers, answer.body));
        }
        histories.push(history);
    }
    assert_eq!(histories[0][10].0, 429);
    assert_eq!(histories[0], histories[1]);
    assert_eq!(histories[0], histories[2]);
}

#[tokio::test]
pub async fn spellings_of_one_account_share_one_budget_pw_10() {
    let fixture = Fixture::new();
    let spellings = ["alice", "Alice", "ALICE", "alice%20", "+alice", "aLiCe", "alice", "alice", "alice", "alice"];
    for (guess, name) in spellings.into_iter().enumerate() {
        fixture.token(AUTH, &login(name, &format!("wrong{guess}"))).await.assert_error(400, "invalid_grant");
    }
    for name in ["Alice", "ALICE", "alice%20", "alice"] {
        fixture.token(AUTH, &login(name, "correct+horse")).await.assert_error(429, "too_many_attempts");
    }
}

#[tokio::test]
pub async fn a_success_clears_the_failures_of_the_account_pw_11() {
    let limiter = MemoryLimiter::new().with_limits(Limits::new().with_budget(8, WINDOW));
    let fixture = Fixture::with(|builder| builder.attack_protection(counted_by(limiter)));
    for _ in 0..3 {
        for guess in 0..5 {
            fixture.token(AUTH, &login("alice", &format!("wrong{guess}"))).await.assert_error(400, "invalid_grant");
        }
        fixture.token(AUTH, PW).await.assert_ok();
    }
}

#[tokio::test]
pub async fn the_verifier_gets_the_decoded_texts_unchanged_pw_12() {
    let fixture = Fixture::new();
    fixture.token(AUTH, &login("%20Alice%09", "%20x%20")).await.assert_error(400, "invalid_grant");
    assert_eq!(fixture.probe.last(), (" Alice\t".to_owned(), " x ".to_owned()));
    let long = "x".repeat(300);
    fixture.token(AUTH, &login("alice", &long)).await.assert_error(400, "invalid_grant");
    assert_eq!(fixture.probe.last().1, long);
    let emoji = "%F0%9F%98%80".repeat(64);
    fixture.token(AUTH, &login("alice", &emoji)).await.assert_error(400, "invalid_grant");
    assert_eq!(fixture.probe.last().1, "\u{1f600}".repeat(64));
}

#[tokio::test]
async fn tokens_can_have_their_own_lifetime_and_scope_ceiling_pw_13() {
    let own = Client::confidential("own", &digest("s3cret")).allow_password_grant().scopes("read write");
    let own = own.access_token_lifetime(Duration::from_secs(60)).build().unwrap();
    let clients = support::clients().into_iter().chain([own]);
    let fixture = Fixture::with(|builder| {
        builder
            .clients(StaticClients::new(clients).unwrap())
            .access_token_lifetime(Duration::from_secs(300))
            .scope_ceiling("read audit")
    });
    let body = pw("scope=read+write");
    let json = fixture.token(AUTH, &body).await.assert_ok();
    assert_eq!((&json["expires_in"], &json["scope"]), (&300.into(), &"read".into()));
    let json = fixture.token(&[("authorization", &support::basic("own", "s3cret"))], &body).await.assert_ok();
    assert_eq!((&json["expires_in"], &json["scope"]), (&60.into(), &"read".into()));
    fixture.token(AUTH, &pw("scope=write")).await.assert_error(400, "invalid_scope");
}

#[tokio::test]
pub async fn a_verifier_that_cannot_decide_is_503_and_charges_nothing_pw_16_ht_22() {
    let down = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&down);
    let verifier = verify_fn(move |attempt: Attempt| {
        let failed = switch.load(Ordering::SeqCst);
        async move {
            if failed {
                return Err(BackendError::unavailable("secret detail of the directory"));
            }
            Ok(if attempt.password().expose() == "correct horse" {
                Subject::new("user-1").into()
            } else {
                Denial::WrongPassword.into()
            })
        }
    });
    let layer = builder(&Probe::default()).verifier(verifier).build().unwrap();
    for _ in 0..30 {
        let answer = send(&layer, token_request(AUTH, PW)).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    down.store(false, Ordering::SeqCst);
    for guess in 0..9 {
        let wrong = login("alice", &format!("wrong{guess}"));
        send(&layer, token_request(AUTH, &wrong)).await.assert_error(400, "invalid_grant");
    }
    send(&layer, token_request(AUTH, PW)).await.assert_ok();
}

#[tokio::test]
pub async fn an_overloaded_verifier_says_when_to_come_back_pw_16_pw_18() {
    let verifier = verify_fn(|_| async { Err(BackendError::overloaded(Duration::from_millis(1500))) });
    let layer = builder(&Probe::default()).verifier(verifier).build().unwrap();
    let answer = send(&layer, token_request(AUTH, PW)).await;
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("2"));
}

#[tokio::test]
pub async fn the_grant_can_be_switched_off_pw_17() {
    let fixture = Fixture::with(|builder| builder.without_password_grant());
    fixture.token(AUTH, PW).await.assert_error(400, "unsupported_grant_type");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
pub async fn the_verifier_sees_whether_the_account_logged_in_from_the_address_before() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let verifier = verify_fn(move |attempt: Attempt| {
        told.lock().unwrap().push(attempt.is_from_known_address());
        let is_right = attempt.password().expose() == "right";
        std::future::ready(Ok(if is_right { Subject::new("user-1").into() } else { Denial::WrongPassword.into() }))
    });
    let layer = builder(&Probe::default()).verifier(verifier).build().unwrap();
    let log_in = async |peer: &str, name: &str, password: &str| {
        let body = format!("grant_type=password&username={name}&password={password}");
        send(&layer, from_peer(token_request(AUTH, &body), peer)).await
    };
    for (peer, name, password) in [
        ("192.0.2.1", "alice", "wrong"),
        ("192.0.2.1", "alice", "right"),
        ("192.0.2.1", "alice", "wrong"),
        ("192.0.2.1", "alice", "right"),
        ("192.0.2.1", "bob", "wrong"),
        ("192.0.2.2", "alice", "wrong"),
        ("192.0.2.2", "alice", "right"),
        ("192.0.2.2", "alice", "right"),
    ] {
        let answer = log_in(peer, name, password).await;
        if password == "right" {
            answer.assert_ok();
        } else {
            answer.assert_error(400, "invalid_grant");
        }
    }
    assert_eq!(*seen.lock().unwrap(), [false, false, true, true, false, false, false, true]);
}

#[derive(Clone, Debug, PartialEq)]
struct Tenant(u8);

#[tokio::test]
async fn the_verifier_sees_client_realm_scope_address_extensions_and_unknown_fields_pw_12() {
    let seen = Arc::new(Mutex::new(None));
    let told = Arc::clone(&seen);
    let verifier = verify_fn(move |attempt: Attempt| {
        let fields: Vec<_> = attempt.fields().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        *told.lock().unwrap() = Some((
            attempt.client().id().to_string(),
            attempt.realm().map(str::to_owned),
            attempt.scope().to_string(),
            attempt.address(),
            attempt.extensions().get::<Tenant>().cloned(),
            fields,
            attempt.field("device").map(str::to_owned),
        ));
        std::future::ready(Ok(Subject::new("user-1").with_data(Tenant(9)).into()))
    });
    let staff = Client::confidential("conf", &digest("s3cret")).allow_password_grant().scopes("read").realm("staff");
    let carried = Arc::new(Mutex::new(None));
    let carrier = Arc::clone(&carried);
    let issuer = tower_password_grant::issue_fn(move |grant: tower_password_grant::Grant| {
        let facts = (
            grant.subject().id().to_owned(),
            grant.subject().data::<Tenant>().cloned(),
            grant.client().id().to_string(),
            grant.realm().map(str::to_owned),
            grant.scope().to_string(),
            grant.grant_type().to_owned(),
            grant.lifetime(),
            grant.authenticated_at(),
        );
        *carrier.lock().unwrap() = Some(facts);
        async move {
            let token = tower_password_grant::token::Token::random("at_")?;
            Ok(tower_password_grant::IssuedTokens::bearer(token, grant.lifetime()))
        }
    });
    let layer = builder(&Probe::default())
        .clients(StaticClients::new([staff.build().unwrap()]).unwrap())
        .verifier(verifier)
        .issuer(issuer)
        .clock(ManualClock::new())
        .build()
        .unwrap();
    // A request cannot choose another realm.
    let foreign = token_request(AUTH, &pw("scope=read&device=7&realm=root&device=8&resource=a"));
    send(&layer, foreign).await.assert_error(400, "invalid_request");
    assert!(seen.lock().unwrap().is_none());
    let mut request = token_request(AUTH, &pw("scope=read&device=7&tenant=root&realm=staff&device=8&resource=a"));
    request.extensions_mut().insert(Tenant(3));
    request.extensions_mut().insert(SocketAddr::from(([203, 0, 113, 5], 1)));
    send(&layer, request).await.assert_ok();
    let fields = [("device", "7"), ("tenant", "root"), ("device", "8"), ("resource", "a")];
    let fields = fields.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
    let peer: IpAddr = "203.0.113.5".parse().unwrap();
    let (conf, realm) = ("conf".to_owned(), Some("staff".to_owned()));
    let expected =
        (conf.clone(), realm.clone(), "read".to_owned(), Some(peer), Some(Tenant(3)), fields, Some("7".to_owned()));
    assert_eq!(seen.lock().unwrap().take(), Some(expected));
    let expected = (
        "user-1".to_owned(),
        Some(Tenant(9)),
        conf,
        realm,
        "read".to_owned(),
        "password".to_owned(),
        Duration::from_secs(3600),
        ManualClock::start(),
    );
    assert_eq!(carried.lock().unwrap().take(), Some(expected));
}

#[tokio::test]
pub async fn realms_have_budgets_of_their_own_pw_07() {
    let client = |id, realm| {
        let client = Client::public(id).allow_password_grant().scopes("read").default_scope("read");
        client.realm(realm).build().unwrap()
    };
    let clients = StaticClients::new([client("a", "staff"), client("b", "guests"), client("c", "staff")]).unwrap();
    let fixture = Fixture::with(|builder| builder.clients(clients));
    for guess in 0..10 {
        let answer = fixture.token(&[], &format!("{}&client_id=a", login("alice", &format!("wrong{guess}")))).await;
        answer.assert_error(400, "invalid_grant");
    }
    fixture.token(&[], &pw("client_id=a")).await.assert_error(429, "too_many_attempts");
    fixture.token(&[], &pw("client_id=c")).await.assert_error(429, "too_many_attempts");
    fixture.token(&[], &pw("client_id=b")).await.assert_ok();
}

#[tokio::test]
pub async fn a_missing_peer_address_is_a_fault_of_the_host_and_nobody_shares_a_budget_pw_07() {
    let fixture =
        Fixture::with(|builder| builder.peer_address(tower_password_grant::PeerAddress::extension(|_: &Tenant| None)));
    fixture.token(AUTH, PW).await.assert_error(500, "server_error");
    assert_eq!(fixture.probe.calls(), 0);
    let fixture = Fixture::with(|builder| builder.peer_address(tower_password_grant::PeerAddress::unknown()));
    fixture.token(AUTH, PW).await.assert_ok();
}
