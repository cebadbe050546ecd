//! More logins than can be hashed: which ones wait, which ones are refused, and how, at the Argon2id verifier behind the real layer.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_password_grant::argon2::{Argon2Parameters, HashFormat, UnusableHash};
use tower_password_grant::realms::FirstOf;
use tower_password_grant::store::UserStatus;
use tower_password_grant::{CredentialVerifier, Denial, Password, Subject, verify_fn};

use crate::support::Answer;
use crate::support::argon2_users::{self, House, Login, hash_with, spawn_login, until};
use crate::support::spawn;

const HOSTILE: &str = "203.0.113.66";

fn parts(answer: Answer) -> (http::StatusCode, http::HeaderMap, bytes::Bytes) {
    (answer.status, answer.headers, answer.body)
}

fn finished(logins: &[Login]) -> usize {
    logins.iter().filter(|login| login.is_finished()).count()
}

/// Asserts 503 as it always is.
fn assert_overloaded(answer: &Answer) {
    answer.assert_error(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
}

/// The answer to a login that should find no place; one that does would wait for a thread that is stuck.
async fn turned_away(house: &House, peer: &str, name: &str, password: &str) -> Answer {
    let login = house.log_in_from(peer, name, password);
    tokio::time::timeout(Duration::from_secs(60), login).await.expect("it found a place")
}

/// One thread, which works when the sender is dropped, eight places, and so two for each address.
fn small() -> (House, std::sync::mpsc::Sender<()>) {
    House::gated(|builder| builder.threads(1).queue_capacity(8).hold_refusals(Duration::ZERO))
}

#[tokio::test]
async fn an_address_that_fills_its_share_keeps_nobody_else_out_t29() {
    let (house, gate) = small();
    let hostile: Vec<_> = (0..50).map(|_| spawn_login(&house, HOSTILE, "alice", "correct horse")).collect();
    until(|| finished(&hostile) == 48).await;
    let mut others = Vec::new();
    for peer in ["192.0.2.1", "2001:db8::1", "192.0.2.2"] {
        others.extend((0..2).map(|_| spawn_login(&house, peer, "alice", "correct horse")));
    }
    until(|| house.verifier.stats().waiting == 8).await;
    // Only now is the queue full, for a new address too.
    assert_overloaded(&turned_away(&house, "192.0.2.3", "alice", "correct horse").await);
    let stats = house.verifier.stats();
    assert_eq!((stats.refused_by_share, stats.refused, stats.capacity), (48, 1, 8));
    drop(gate);
    for login in others {
        login.await.unwrap().assert_ok();
    }
    let mut served = 0;
    for login in hostile {
        let answer = login.await.unwrap();
        if answer.status == 200 { served += 1 } else { assert_overloaded(&answer) }
    }
    assert_eq!(served, 2);
    assert_eq!(house.verifier.stats().hashes, 8);
}

/// A stored text whose comparison begins to work when the sender is dropped.
struct Slow(Mutex<std::sync::mpsc::Receiver<()>>);

impl HashFormat for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn recognises(&self, stored: &str) -> bool {
        stored == "slow"
    }

    fn verify(&self, _: &str, _: &Password) -> Result<bool, UnusableHash> {
        let _ = self.0.lock().unwrap().recv();
        Ok(false)
    }
}

/// One thread, eight places, all of them taken by guesses from many addresses at an account that has logged in from home.
async fn besieged(percent: u8) -> (House, std::sync::mpsc::Sender<()>, Vec<Login>) {
    let (house, gate) = slow(percent, 25);
    let guesses = besiege(&house, "alice").await;
    (house, gate, guesses)
}

/// One thread, which the user `slow` keeps busy until the sender is dropped, and eight places, with these parts of them for known
/// addresses and for one address.
fn slow(percent: u8, of_one: u8) -> (House, std::sync::mpsc::Sender<()>) {
    let (gate, wait) = std::sync::mpsc::channel();
    let house = House::with(|builder| {
        let queue = builder.threads(1).queue_capacity(8).hold_refusals(Duration::ZERO);
        let queue = queue.queue_percent_per_address(of_one);
        queue.queue_percent_for_known_addresses(percent).hash_format(Slow(Mutex::new(wait)))
    });
    house.users.set("slow", "slow".to_owned(), UserStatus::Active);
    (house, gate)
}

/// Fills all places, when this user has logged in from home.
async fn besiege(house: &House, user: &str) -> Vec<Login> {
    house.log_in_from(HOME, user, "correct horse").await.assert_ok();
    let mut guesses = vec![spawn_login(house, "198.51.100.99", "slow", "guess")];
    until(|| house.verifier.stats().running == 1).await;
    for number in 0..8 {
        guesses.push(spawn_login(house, &format!("198.51.100.{number}"), "alice", "guess"));
        until(|| house.verifier.stats().waiting == number + 1).await;
    }
    guesses
}

const HOME: &str = "192.0.2.1";

#[tokio::test]
async fn a_full_queue_of_guesses_lets_in_returning_users_and_nobody_else_t29() {
    let (house, gate, guesses) = besieged(50).await;
    for (peer, name) in [("192.0.2.2", "alice"), ("192.0.2.2", "nobody"), (HOME, "nobody")] {
        assert_overloaded(&turned_away(&house, peer, name, "correct horse").await);
    }
    // The guess that came last gives its way.
    let back = spawn_login(&house, HOME, "alice", "correct horse");
    until(|| finished(&guesses) == 1).await;
    let stats = house.verifier.stats();
    assert_eq!((stats.waiting, stats.waiting_reserved, stats.reserved, stats.displaced), (8, 1, 4, 1));
    drop(gate);
    back.await.unwrap().assert_ok();
    let mut answers = Vec::new();
    for guess in guesses {
        answers.push(guess.await.unwrap());
    }
    let (last, others) = answers.split_last().unwrap();
    assert_overloaded(last);
    others.iter().for_each(|answer| answer.assert_error(400, "invalid_grant"));
}

/// A directory that hashes nothing, and has bob.
fn elsewhere() -> impl CredentialVerifier {
    verify_fn(|attempt| async move {
        Ok(match (attempt.username(), attempt.password().expose()) {
            ("bob", "correct horse") => Subject::new("bob").into(),
            ("bob", _) => Denial::WrongPassword.into(),
            _ => Denial::UnknownUser.into(),
        })
    })
}

#[tokio::test]
async fn a_full_queue_lets_in_the_returning_users_of_another_directory_too_t29() {
    let (house, gate) = slow(50, 25);
    let house = house.within(|hashing| FirstOf::new(hashing).then(elsewhere()));
    let guesses = besiege(&house, "bob").await;
    for (peer, name) in [("192.0.2.2", "bob"), (HOME, "nobody")] {
        assert_overloaded(&turned_away(&house, peer, name, "correct horse").await);
    }
    let back = spawn_login(&house, HOME, "bob", "correct horse");
    until(|| finished(&guesses) == 1).await;
    assert_eq!(house.verifier.stats().waiting_reserved, 1, "the hash for a name that is not here");
    drop(gate);
    back.await.unwrap().assert_ok();
    for guess in guesses {
        guess.await.unwrap();
    }
}

#[tokio::test]
async fn looks_for_nobody_wait_as_the_account_that_was_denied_with_one_share_t29() {
    let (house, gate) = slow(90, 100);
    let house = house.within(|hashing| FirstOf::new(elsewhere()).then(hashing));
    let guesses = besiege(&house, "bob").await;
    let wrong: Vec<_> = (0..3).map(|guess| spawn_login(&house, HOME, "bob", &format!("wrong {guess}"))).collect();
    until(|| finished(&wrong) == 1).await;
    let stats = house.verifier.stats();
    assert_eq!(
        (stats.waiting_reserved, stats.displaced),
        (2, 2),
        "two places for one account, whatever name it asks for"
    );
    drop(gate);
    let mut statuses = Vec::new();
    for login in wrong {
        statuses.push(login.await.unwrap().status.as_u16());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [400, 400, 503]);
    for guess in guesses {
        guess.await.unwrap();
    }
}

#[tokio::test]
async fn without_a_reserved_part_a_full_queue_is_full_for_all() {
    let (house, gate, guesses) = besieged(0).await;
    assert_overloaded(&turned_away(&house, HOME, "alice", "correct horse").await);
    assert_eq!((house.verifier.stats().reserved, house.verifier.stats().displaced), (0, 0));
    drop(gate);
    for guess in guesses {
        guess.await.unwrap().assert_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn the_addresses_of_one_64_and_the_forms_of_one_ipv4_address_have_one_share_t45() {
    let (house, _gate) = small();
    let six = (0..20).map(|n| format!("2001:db8:0:7:{n:x}::{n:x}"));
    let four = ["198.51.100.7", "::ffff:198.51.100.7", "64:ff9b::198.51.100.7"].into_iter().cycle().take(20);
    let logins: Vec<_> =
        six.chain(four.map(str::to_owned)).map(|peer| spawn_login(&house, &peer, "alice", "correct horse")).collect();
    until(|| finished(&logins) == 36).await;
    let stats = house.verifier.stats();
    assert_eq!((stats.waiting, stats.refused_by_share, stats.refused), (4, 36, 0));
    logins.iter().for_each(Login::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_log_in_all_through_a_storm_from_one_address_that_retries_at_once_t29() {
    let parameters = Argon2Parameters::new(4096, 2, 1).unwrap();
    let hash = hash_with(&parameters, "correct horse");
    let house = House::with(|builder| {
        builder.parameters(parameters).threads(1).queue_capacity(8).hold_refusals(Duration::from_millis(1))
    });
    house.users.set("alice", hash, UserStatus::Active);
    let over = Arc::new(AtomicBool::new(false));
    let storm: Vec<_> = (0..20)
        .map(|sender| {
            let (house, over) = (house.clone(), Arc::clone(&over));
            spawn(async move {
                let mut statuses = BTreeSet::new();
                while !over.load(Ordering::Relaxed) {
                    let answer = house.log_in_from(HOSTILE, &format!("guest{sender}"), "x").await;
                    statuses.insert(answer.status.as_u16());
                }
                statuses
            })
        })
        .collect();
    until(|| house.verifier.stats().refused_by_share > 0).await;
    for _ in 0..20 {
        house.log_in("alice", "correct horse").await.assert_ok();
    }
    over.store(true, Ordering::Relaxed);
    let mut statuses = BTreeSet::new();
    for sender in storm {
        statuses.extend(sender.await.unwrap());
    }
    assert_eq!(statuses, BTreeSet::from([400, 503]));
    let stats = house.verifier.stats();
    assert_eq!((stats.refused, stats.peak_running), (0, 1), "{stats:?}");
}

#[tokio::test]
async fn a_client_that_hangs_up_gives_its_place_and_its_share_back_at_once() {
    let (house, gate) = small();
    for round in 1..=20 {
        let logins = [(); 2].map(|()| spawn_login(&house, HOSTILE, "alice", "correct horse"));
        until(|| house.verifier.stats().waiting == 2).await;
        assert_overloaded(&turned_away(&house, HOSTILE, "alice", "correct horse").await);
        logins.iter().for_each(Login::abort);
        // The thread is still stuck: nobody but the client itself gave the places back.
        until(|| house.verifier.stats().waiting == 0).await;
        assert_eq!(house.verifier.stats().abandoned, 2 * round);
    }
    drop(gate);
    house.log_in("alice", "correct horse").await.assert_ok();
    assert_eq!(house.verifier.stats().hashes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_many_addresses_that_hang_up_never_raise_the_hashes_at_once_s6() {
    let parameters = Argon2Parameters::new(1024, 1, 1).unwrap();
    let hash = hash_with(&parameters, "correct horse");
    let house = House::with(|builder| {
        builder.parameters(parameters).threads(2).queue_capacity(16).hold_refusals(Duration::ZERO)
    });
    house.users.set("alice", hash, UserStatus::Active);
    // At least 50 rounds; more on a machine whose threads were too fast or too slow in all of them for a login to be waiting when its
    // client hung up.
    for round in 0..2000_u64 {
        if round >= 50 && house.verifier.stats().abandoned > 0 {
            break;
        }
        let logins: Vec<_> = (0..40)
            .map(|n| spawn_login(&house, &format!("192.0.2.{}", n % 5), &format!("user-{round}-{n}"), "x"))
            .collect();
        tokio::time::sleep(Duration::from_micros(100 * (round % 10))).await;
        if round == 0 {
            // The threads have come so far, however busy the machine is.
            until(|| house.verifier.stats().running + house.verifier.stats().hashes as usize > 0).await;
        }
        logins.iter().for_each(Login::abort);
        let stats = house.verifier.stats();
        assert!(stats.running <= 2 && stats.waiting <= 16 + 2, "{stats:?}");
    }
    until(|| house.verifier.stats().waiting + house.verifier.stats().running == 0).await;
    let stats = house.verifier.stats();
    assert!(stats.peak_running <= 2 && stats.hashes > 0 && stats.abandoned > 0, "{stats:?}");
    // No share and no place is lost: each address gets its four places again.
    let logins: Vec<_> =
        (0..20).map(|n| spawn_login(&house, &format!("192.0.2.{}", n % 5), "alice", "correct horse")).collect();
    let mut served = BTreeSet::new();
    for (n, login) in logins.into_iter().enumerate() {
        if login.await.unwrap().status == 200 {
            served.insert(n % 5);
        }
    }
    assert_eq!(served, BTreeSet::from([0, 1, 2, 3, 4]));
}

#[tokio::test]
async fn a_login_that_waited_longer_than_the_deadline_is_not_hashed_and_not_charged() {
    let (house, gate) = House::gated(|builder| {
        let queue = builder.threads(1).queue_capacity(200).queue_percent_per_address(100);
        queue.queue_deadline(Duration::from_secs(1)).hold_refusals(Duration::ZERO)
    });
    // The whole budget of the account is under way.
    let logins: Vec<_> = (0..100).map(|_| spawn_login(&house, "192.0.2.1", "alice", "x")).collect();
    until(|| house.verifier.stats().waiting == 100).await;
    house.log_in("alice", "x").await.assert_error(429, "too_many_attempts");
    tokio::time::sleep(Duration::from_millis(1001)).await;
    drop(gate);
    for login in logins {
        assert_overloaded(&login.await.unwrap());
    }
    assert_eq!(house.last_reason(), "overloaded");
    let stats = house.verifier.stats();
    assert_eq!((stats.expired, stats.hashes, stats.waiting, stats.refused), (100, 0, 0, 0));
    for guess in 0..100 {
        house.log_in("alice", &format!("x{guess}")).await.assert_error(400, "invalid_grant");
    }
    house.log_in("alice", "x").await.assert_error(429, "too_many_attempts");
}

#[tokio::test]
async fn known_and_unknown_names_stand_in_one_queue_and_are_refused_alike_t19() {
    let (house, gate) = House::gated(|builder| {
        builder.threads(1).queue_capacity(8).queue_deadline(Duration::from_secs(1)).hold_refusals(Duration::ZERO)
    });
    house.users.set("closed", hash_with(&argon2_users::cheap(), "correct horse"), UserStatus::Disabled);
    house.users.set("without", None, UserStatus::Active);
    let names =
        [("alice", "correct horse"), ("alice", "x"), ("nobody", "x"), ("closed", "correct horse"), ("without", "x")];

    // Two of an address may wait, for whatever account, and a third may not.
    let mut waiting = Vec::new();
    let mut refusals = Vec::new();
    for (index, first) in names.iter().enumerate().take(4) {
        let peer = format!("198.51.100.{index}");
        for (name, password) in [first, &names[index + 1]] {
            let before = house.verifier.stats().waiting;
            waiting.push(spawn_login(&house, &peer, name, password));
            until(|| house.verifier.stats().waiting == before + 1).await;
        }
        if index < 3 {
            for (name, password) in names {
                refusals.push(turned_away(&house, &peer, name, password).await);
            }
        }
    }
    let shared = house.verifier.stats().refused_by_share;
    // The queue is full.
    for (name, password) in names {
        refusals.push(turned_away(&house, "192.0.2.9", name, password).await);
    }
    assert_eq!((shared, house.verifier.stats().refused), (15, 5));
    tokio::time::sleep(Duration::from_millis(1001)).await;
    drop(gate);
    for login in waiting {
        refusals.push(login.await.unwrap());
    }
    assert_eq!(house.verifier.stats().expired, 8);

    assert_overloaded(&refusals[0]);
    let expected = parts(refusals[0].clone());
    for refusal in refusals {
        assert_eq!(parts(refusal), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_the_share_is_held_like_one_for_the_whole_queue_known_name_or_not() {
    let (house, _gate) = House::gated(|builder| builder.threads(1).queue_capacity(2));
    let waiting = spawn_login(&house, HOSTILE, "alice", "x");
    while house.verifier.stats().waiting < 1 {
        tokio::task::yield_now().await;
    }
    for name in ["alice", "nobody"] {
        let start = tokio::time::Instant::now();
        assert_overloaded(&turned_away(&house, HOSTILE, name, "x").await);
        let held = start.elapsed();
        assert!(held >= Duration::from_millis(100) && held < Duration::from_millis(110), "{name} {held:?}");
    }
    assert_eq!(house.verifier.stats().refused_by_share, 2);
    waiting.abort();
}
