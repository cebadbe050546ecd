//! Attacks over real sockets: parallel guesses, strangers that lock somebody out, stuffing, forged pages, floods
//! (P1, P2, P4, T1, T2, T5, T18, T23, T26, T28).
// Every address of 127.0.0.0/8 is this host's own, so a test can come from many.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::sync::Barrier;
use tower_password_grant::audit::Reason;
use tower_password_grant::limiter::{AttackProtection, Limit, Limits, MemoryLimiter, RequestCeiling, TokenBucket};
use tower_password_grant::{Attempt, Denial, verify_fn};

use crate::support::counts::{count, full_or};
use crate::support::faults::{self, Ledger, Switch};
use crate::support::guesses::{Bed, assert_denied, assert_throttled, login};
use crate::support::protection::{counted_by, up_to, without_ceiling};
use crate::support::server::{Connection, H2, Server, raw_request};
use crate::support::{self, AUTH, Answer, CONF, Fixture, FixtureBuilder, spawn, token_request};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const HOME: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const RIGHT: &str = "correct horse";

fn raw_login(name: &str, password: &str) -> String {
    raw_request(&format!("Authorization: {CONF}\r\n"), &login(name, password))
}

async fn try_from(server: &Server, source: Ipv4Addr, name: &str, password: &str) -> Answer {
    Connection::open_from(source, server.address).await.exchange(raw_login(name, password)).await
}

/// The n-th address of an attacker who has many.
fn one_of_many(n: usize) -> Ipv4Addr {
    let [.., high, low] = n.to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

/// Everything of an answer but the time.
fn face(answer: Answer) -> (u16, HeaderMap, Bytes) {
    let mut headers = answer.headers;
    headers.remove("date");
    (answer.status.as_u16(), headers, answer.body)
}

const GUESSES: usize = 200;

/// Each round guesses at another account, 200 times at once: 150 keep-alive connections and 50 streams of two HTTP/2
/// connections. What the verifier was asked and what was answered is counted for each round.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_round_of_200_parallel_guesses_exceeds_the_budget_by_one_p1_t1_t2() {
    let rounds = count(1000);
    let count = || -> Arc<Vec<AtomicUsize>> { Arc::new((0..rounds).map(|_| AtomicUsize::new(0)).collect()) };
    let (verified, denied, throttled) = (count(), count(), count());
    let asked = Arc::clone(&verified);
    let verifier = verify_fn(move |attempt: Attempt| {
        asked[attempt.username().parse::<usize>().unwrap()].fetch_add(1, SeqCst);
        async {
            tokio::task::yield_now().await;
            Ok(Denial::WrongPassword.into())
        }
    });
    // The limit of the account and its address is the one that is tried here: 200,000 requests come from one address.
    let limiter = MemoryLimiter::new()
        .with_limits(Limits::new().with_address_budget(TokenBucket::new(1_000_000, Duration::from_secs(60))));
    let builder = support::builder(&support::Probe::default()).verifier(verifier);
    let layer = builder.attack_protection(without_ceiling().limiter(limiter)).build().unwrap();
    let server = Server::start(&layer).await;

    let streams = [H2::open(server.address).await, H2::open(server.address).await];
    let barrier = Arc::new(Barrier::new(GUESSES));
    let guessers: Vec<_> = (0..GUESSES)
        .map(|guesser| {
            let (barrier, denied, throttled) = (Arc::clone(&barrier), Arc::clone(&denied), Arc::clone(&throttled));
            let (address, mut stream) = (server.address, streams[guesser % 2].clone());
            spawn(async move {
                let mut connection = Connection::open(address).await;
                for round in 0..rounds {
                    let (name, password) = (round.to_string(), format!("guess-{guesser}"));
                    barrier.wait().await;
                    let status = if guesser < 150 {
                        connection.exchange_quickly(raw_login(&name, &password)).await
                    } else {
                        stream.exchange(token_request(AUTH, &login(&name, &password))).await.status.as_u16()
                    };
                    match status {
                        400 => denied[round].fetch_add(1, SeqCst),
                        429 => throttled[round].fetch_add(1, SeqCst),
                        other => panic!("{other}"),
                    };
                }
            })
        })
        .collect();
    for guesser in guessers {
        guesser.await.unwrap();
    }
    for round in 0..rounds {
        let counted = [&verified, &denied, &throttled].map(|counts| counts[round].load(SeqCst));
        assert_eq!(counted, [10, 10, GUESSES - 10], "round {round}");
    }
}

#[tokio::test]
async fn a_victim_at_home_is_not_locked_out_by_guesses_from_elsewhere_and_does_not_lift_that_lock_t26() {
    let bed = Bed::new();
    let server = Server::start(&bed.fixture.layer).await;
    for guess in 0..10 {
        assert_denied(&try_from(&server, ATTACKER, "alice", &format!("guess{guess}")).await);
    }
    assert_throttled(&try_from(&server, ATTACKER, "alice", RIGHT).await, 900);
    try_from(&server, HOME, "alice", RIGHT).await.assert_ok();
    // Nor does the victim's success give the attacker another guess.
    assert_throttled(&try_from(&server, ATTACKER, "alice", "more").await, 900);
    assert_eq!(bed.verified(), 11);
    bed.clock.advance(Duration::from_secs(900));
    assert_denied(&try_from(&server, ATTACKER, "alice", "more").await);
}

#[tokio::test]
async fn an_account_that_is_guessed_at_from_100_addresses_spares_the_one_it_is_at_home_at_and_ends_by_time_t5_t26() {
    let bed = Bed::new();
    let server = Server::start(&bed.fixture.layer).await;
    try_from(&server, HOME, "alice", RIGHT).await.assert_ok();
    for n in 0..100 {
        assert_denied(&try_from(&server, one_of_many(n), "alice", &format!("guess{n}")).await);
    }
    // Strangers wait, whether they know the password or not.
    for password in [RIGHT, "guess"] {
        assert_throttled(&try_from(&server, one_of_many(100), "alice", password).await, 3600);
        assert_eq!((bed.last().reason, bed.last().limit), (Some(Reason::AccountThrottled), Some(Limit::Account)));
    }
    assert_eq!(bed.verified(), 101);
    try_from(&server, HOME, "alice", RIGHT).await.assert_ok();
    // What was refused meanwhile made it no longer.
    bed.clock.advance(Duration::from_secs(3599));
    assert_throttled(&try_from(&server, one_of_many(100), "alice", RIGHT).await, 1);
    bed.clock.advance(Duration::from_secs(1));
    try_from(&server, one_of_many(100), "alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn one_guess_from_each_of_a_thousand_addresses_reaches_the_verifier_100_times_t5_g40() {
    let bed = Bed::new();
    let server = Server::start(&bed.fixture.layer).await;
    for n in 0..1000 {
        let answer = try_from(&server, one_of_many(n), "alice", &format!("guess{n}")).await;
        assert_eq!(answer.status, if n < 100 { 400 } else { 429 }, "{n}");
    }
    assert_eq!(bed.verified(), 100);
}

#[tokio::test]
async fn one_password_for_ten_thousand_names_reaches_the_verifier_300_times_and_once_more_each_minute_t5() {
    for is_capped in [true, false] {
        let ceiling = if is_capped { RequestCeiling::default() } else { RequestCeiling::none() };
        let bed = Bed::with(|builder| builder.attack_protection(up_to(ceiling)));
        let server = Server::start(&bed.fixture.layer).await;
        let mut connection = Connection::open(server.address).await;
        for n in 0..full_or(10_000, 3_000) {
            let status = connection.exchange_quickly(raw_login(&format!("user{n}"), "Summer2026!")).await;
            assert_eq!(status, if n < 300 { 400 } else { 429 }, "{n}");
        }
        assert_eq!(bed.verified(), 300);
        let limit = if is_capped { Limit::Requests } else { Limit::Address };
        assert_eq!(bed.last().limit, Some(limit));
        bed.clock.advance(Duration::from_secs(10 * 60));
        for n in 0..100 {
            connection.exchange_quickly(raw_login(&format!("more{n}"), "Summer2026!")).await;
        }
        assert_eq!(bed.verified(), 310);
        // Somebody else's address is not touched.
        try_from(&server, HOME, "alice", RIGHT).await.assert_ok();
    }
}

#[tokio::test]
async fn a_hostile_page_s_forms_are_refused_before_any_charge_and_lock_nobody_out_t28() {
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let fixture = Fixture::with(|builder| builder.attack_protection(counted_by(ledger.clone())));
    let server = Server::start(&fixture.layer).await;
    // A page can post forms without being asked: it cannot set `Authorization`, but it can fill in the body.
    let bodies = [
        login("alice", "wrong") + "&client_id=pub",
        login("alice", RIGHT) + "&client_id=pub",
        login("alice", "wrong") + "&client_id=conf&client_secret=guess",
        login("alice", "wrong") + "&client_id=nobody&client_secret=guess",
    ];
    let mut connection = Connection::open(server.address).await;
    for site in ["cross-site", "same-site"] {
        for round in 0..60 {
            for body in &bodies {
                let body = format!("{body}&round={round}");
                let lines =
                    format!("Origin: https://evil.example\r\nSec-Fetch-Site: {site}\r\nSec-Fetch-Mode: navigate\r\n");
                let answer = connection.exchange(raw_request(&lines, &body)).await;
                answer.assert_error_about(400, "invalid_request", "origin");
            }
        }
    }
    assert_eq!((ledger.reserve.calls(), fixture.probe.calls()), (0, 0), "nothing was charged or verified");
    connection.exchange(raw_login("alice", RIGHT)).await.assert_ok();
}

#[tokio::test]
async fn answers_before_and_under_a_lock_are_equal_for_any_name_and_password_p4_t18_t23() {
    let bed = Bed::new();
    let server = Server::start(&bed.fixture.layer).await;
    let mut histories = Vec::new();
    for name in ["alice", "nobody", "bob"] {
        let mut history = Vec::new();
        for guess in 0..10 {
            history.push(face(try_from(&server, ATTACKER, name, &format!("guess{guess}")).await));
        }
        for password in ["guess", RIGHT, "guess3", ""] {
            history.push(face(try_from(&server, ATTACKER, name, password).await));
        }
        histories.push(history);
    }
    assert_eq!(histories[0], histories[1]);
    assert_eq!(histories[0], histories[2]);
    assert_eq!((histories[0][9].0, histories[0][10].0, histories[0][11].0, histories[0][12].0), (400, 429, 429, 429));
    assert_eq!(histories[0][10], histories[0][11], "right and wrong under a lock");
    assert_eq!(histories[0][10].1["retry-after"], "900");
}

#[tokio::test]
async fn the_ceiling_counts_requests_of_an_address_whatever_they_hold() {
    let bed = Bed::with(|builder| builder.attack_protection(up_to(RequestCeiling::per_address(50, 2))));
    let server = Server::start(&bed.fixture.layer).await;
    let requests = [
        (raw_request("", "%zz"), 400),
        (raw_request("", ""), 400),
        (raw_request("", &login("alice", RIGHT)), 401),
        (raw_request("", &(login("alice", RIGHT) + "&client_id=nobody")), 400),
        (raw_request("", "grant_type=unknown&client_id=pub"), 400),
    ];
    for _ in 0..10 {
        for (request, status) in &requests {
            assert_eq!(try_raw(&server, ATTACKER, request).await.status, *status, "{request}");
        }
    }
    for (request, _) in &requests {
        assert_throttled(&try_raw(&server, ATTACKER, request).await, 1);
        assert_eq!((bed.last().reason, bed.last().limit), (Some(Reason::RequestsThrottled), Some(Limit::Requests)));
    }
    assert_throttled(&try_from(&server, ATTACKER, "alice", RIGHT).await, 1);
    try_from(&server, HOME, "alice", RIGHT).await.assert_ok();
    // Two a second, and what was refused did not count.
    bed.clock.advance(Duration::from_millis(500));
    try_from(&server, ATTACKER, "alice", RIGHT).await.assert_ok();
    assert_throttled(&try_from(&server, ATTACKER, "alice", RIGHT).await, 1);
}

#[tokio::test]
async fn what_is_beyond_the_ceiling_asks_the_registry_nothing_whatever_its_method_and_origin() {
    let registry = faults::Registry { switch: Switch::new(), clients: Arc::new(support::clients()) };
    let calls = Arc::clone(&registry.switch.calls);
    let clock = support::ManualClock::new();
    let builder = support::builder(&support::Probe::default()).clients(registry).clock(clock.clone());
    let layer = builder.attack_protection(up_to(RequestCeiling::per_address(30, 1))).build().unwrap();
    for n in 0..300 {
        let method = [Method::POST, Method::OPTIONS, Method::GET][n % 3].clone();
        let mut request = token_request(&[AUTH[0], ("origin", &format!("https://{n}.example"))], &login("alice", "x"));
        *request.method_mut() = method;
        let answer = support::send(&layer, request).await;
        if n < 30 {
            assert!([400, 204, 405].contains(&answer.status.as_u16()), "{answer:?}");
        } else {
            assert_throttled(&answer, 1);
        }
    }
    // Each of the first thirty asks for its origin, and the posted ones for their client.
    assert_eq!(calls.load(SeqCst), 30 + 10);
    clock.advance(Duration::from_secs(1));
    assert_eq!(support::send(&layer, token_request(AUTH, &login("alice", RIGHT))).await.status, 200);
}

async fn try_raw(server: &Server, source: Ipv4Addr, request: &str) -> Answer {
    Connection::open_from(source, server.address).await.exchange(request).await
}

#[tokio::test]
async fn a_second_attack_protection_replaces_the_whole_first_and_its_default_is_the_endpoint_s_own() {
    let narrow = || up_to(RequestCeiling::per_address(1, 1)).conceal_account_locks();
    let taken = async |change: fn(FixtureBuilder, AttackProtection) -> FixtureBuilder| {
        let fixture = Fixture::with(|builder| change(builder.clock(support::ManualClock::new()), narrow()));
        let mut taken = 0;
        while fixture.token(AUTH, "grant_type=none").await.status != 429 {
            taken += 1;
        }
        taken
    };
    assert_eq!(taken(|builder, narrow| builder.attack_protection(narrow)).await, 1);
    assert_eq!(taken(|builder, _| builder).await, 1000);
    let replaced =
        taken(|builder, narrow| builder.attack_protection(narrow).attack_protection(AttackProtection::new()));
    assert_eq!(replaced.await, 1000);
}

#[tokio::test]
async fn the_allow_list_lifts_the_ceiling_of_requests() {
    let bed = Bed::with(|builder| {
        let protection = up_to(RequestCeiling::per_address(5, 1));
        builder.attack_protection(protection.exempt_networks(["127.0.0.2/32".parse().unwrap()]))
    });
    let server = Server::start(&bed.fixture.layer).await;
    for n in 0..20 {
        let status = if n < 5 { 200 } else { 429 };
        assert_eq!(try_from(&server, ATTACKER, "alice", RIGHT).await.status, status);
        try_from(&server, HOME, "alice", RIGHT).await.assert_ok();
    }
}
