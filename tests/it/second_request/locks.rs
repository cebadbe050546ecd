//! What a lock tells: with locks of accounts concealed, public clients see nothing of them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{
    Attempt, BackendError, CredentialVerifier, Denial, Subject, Verdict,
};
use tower_password_grant::audit::{AuditEvent, AuditOutcome, Reason};
use tower_password_grant::limiter::{AttackProtection, Limits, Lockout, Limit, TokenBucket};
use tower_password_grant::MaybeFuture;

use crate::support::protection::counted_by;
use crate::support::server::{Connection, Server, raw_request};
use crate::support::{self, Answer, CONF, Probe};
use super::{BOTH, Counted, Counter};

const RIGHT: &str = "correct horse";

/// An account with two names, and one with one.
struct Aliases;

#[async_trait]
impl CredentialVerifier for Aliases {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        Ok(match attempt.password().expose() {
            RIGHT => Subject::new("user-17").into(),
            _ => Denial::WrongPassword.into(),
        })
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        MaybeFuture::ready(Ok(match username {
            "alice" | "alice@example.org" => AccountKey::resolved("user-17"),
            other => AccountKey::phantom(other),
        }))
    }
}

type Told = Arc<Mutex<Vec<(Option<Reason>, Option<Limit>)>>>;

struct World {
    counter: Counter,
    server: Server,
    told: Told,
}

impl World {
    async fn new(counted: Counted, limits: Limits, change: impl FnOnce(AttackProtection) -> AttackProtection) -> Self {
        let counter = Counter::new(counted, limits);
        let told = Told::default();
        let tell = Arc::clone(&told);
        let protection = change(counted_by(counter.limiter.clone()));
        let builder = support::builder(&Probe::default()).verifier(Aliases).attack_protection(protection);
        let builder = builder.clock(counter.clock.clone());
        let layer = builder.audit(move |event: &AuditEvent<'_>| {
            let reason = match event.outcome {
                AuditOutcome::Refused { reason, .. } => Some(reason),
                _ => None,
            };
            tell.lock().unwrap().push((reason, event.limit));
        });
        Self { server: Server::start(&layer.build().unwrap()).await, counter, told }
    }

    async fn log_in(&self, connection: &mut Connection, client: Option<&str>, name: &str, password: &str) -> Answer {
        let mut form = vec![("grant_type", "password"), ("username", name), ("password", password)];
        let lines = client.map_or_else(String::new, |header| format!("Authorization: {header}\r\n"));
        if client.is_none() {
            form.push(("client_id", "pub"));
        }
        connection.exchange(raw_request(&lines, &serde_urlencoded::to_string(form).unwrap())).await
    }

    fn last(&self) -> (Option<Reason>, Option<Limit>) {
        *self.told.lock().unwrap().last().unwrap()
    }
}

/// All that a client sees, but for the date.
fn seen(answer: &Answer) -> String {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    format!("{} {headers:?} {:?}", answer.status, answer.body)
}

#[tokio::test]
async fn a_concealed_lock_of_an_account_is_byte_by_byte_a_wrong_password_to_a_public_client() {
    let accounts = || {
        let budget = Lockout::new(10, Duration::from_secs(60));
        Limits::new().with_account_budget(budget).disable(Limit::AccountAndAddress)
    };
    for counted in BOTH {
        for (limits, limit) in [(Limits::new(), Limit::AccountAndAddress), (accounts(), Limit::Account)] {
            let world = World::new(counted, limits, AttackProtection::conceal_account_locks).await;
            let mut connection = Connection::open(world.server.address).await;
            let wrong = world.log_in(&mut connection, None, "alice", "guess").await;
            wrong.assert_error(400, "invalid_grant");
            for guess in 0..9 {
                world
                    .log_in(&mut connection, None, "alice", &guess.to_string())
                    .await
                    .assert_error(400, "invalid_grant");
            }
            for password in ["another", RIGHT] {
                let locked = world.log_in(&mut connection, None, "alice", password).await;
                assert_eq!(seen(&locked), seen(&wrong), "{counted:?}");
                assert_eq!(world.last(), (Some(Reason::AccountThrottled), Some(limit)));
            }
            // A confidential client speaks for its users, and sees the lock.
            let locked = world.log_in(&mut connection, Some(CONF), "alice", RIGHT).await;
            locked.assert_error(429, "too_many_attempts");
            world.counter.clock.advance(Duration::from_secs(3600));
            world.log_in(&mut connection, None, "alice", RIGHT).await.assert_ok();
        }
    }
}

#[tokio::test]
async fn without_the_option_a_lock_is_429_with_its_end() {
    for counted in BOTH {
        let world = World::new(counted, Limits::new(), |protection| protection).await;
        let mut connection = Connection::open(world.server.address).await;
        for guess in 0..10 {
            world.log_in(&mut connection, None, "alice", &guess.to_string()).await.assert_error(400, "invalid_grant");
        }
        let locked = world.log_in(&mut connection, None, "alice", RIGHT).await;
        locked.assert_error(429, "too_many_attempts");
        assert_eq!(locked.header("retry-after"), Some("900"));
    }
}

#[tokio::test]
async fn a_concealed_lock_does_not_tell_that_two_names_are_one_account() {
    for counted in BOTH {
        let world = World::new(counted, Limits::new(), AttackProtection::conceal_account_locks).await;
        let mut connection = Connection::open(world.server.address).await;
        for guess in 0..10 {
            world.log_in(&mut connection, None, "alice", &guess.to_string()).await.assert_error(400, "invalid_grant");
        }
        for guess in 0..12 {
            let guess = guess.to_string();
            let alias = world.log_in(&mut connection, None, "alice@example.org", &guess).await;
            let other = world.log_in(&mut connection, None, "nobody@example.org", &guess).await;
            assert_eq!(seen(&alias), seen(&other), "{counted:?} {guess}");
        }
    }
}

#[tokio::test]
async fn an_address_without_budget_is_429_for_every_name_whether_it_is_locked_or_not() {
    let limits = || Limits::new().with_address_budget(TokenBucket::new(12, Duration::from_secs(60)));
    for counted in BOTH {
        let world = World::new(counted, limits(), AttackProtection::conceal_account_locks).await;
        let mut connection = Connection::open(world.server.address).await;
        for guess in 0..12 {
            let name = if guess < 10 { "alice" } else { "nobody" };
            let answer = world.log_in(&mut connection, None, name, &guess.to_string()).await;
            answer.assert_error(400, "invalid_grant");
        }
        let locked = world.log_in(&mut connection, None, "alice", RIGHT).await;
        let other = world.log_in(&mut connection, None, "nobody", "x").await;
        locked.assert_error(429, "too_many_attempts");
        assert_eq!(locked.header("retry-after"), Some("60"));
        assert_eq!(seen(&locked), seen(&other), "{counted:?}");
    }
}

/// Ten strangers' guesses at the account's own budget, and then what its home sees of its name and of one that nobody has.
async fn from_home(counted: Counted, change: impl FnOnce(AttackProtection) -> AttackProtection) -> [Answer; 2] {
    let limits = Limits::new().with_account_budget(Lockout::new(10, Duration::from_secs(60)));
    let world = World::new(counted, limits, change).await;
    let mut home = Connection::open_from([127, 0, 0, 9].into(), world.server.address).await;
    world.log_in(&mut home, None, "alice", RIGHT).await.assert_ok();
    for stranger in 20..30 {
        let mut connection = Connection::open_from([127, 0, 0, stranger].into(), world.server.address).await;
        for name in ["alice", "nobody"] {
            let answer = world.log_in(&mut connection, None, name, &stranger.to_string()).await;
            answer.assert_error(400, "invalid_grant");
        }
    }
    let real = world.log_in(&mut home, None, "alice", "guess").await;
    [real, world.log_in(&mut home, None, "nobody", "guess").await]
}

#[tokio::test]
async fn an_address_that_an_account_knows_tells_that_it_is_real_unless_locks_are_concealed() {
    for counted in BOTH {
        let [real, nobody] = from_home(counted, |protection| protection).await;
        real.assert_error(400, "invalid_grant");
        nobody.assert_error(429, "too_many_attempts");
        let [real, nobody] = from_home(counted, AttackProtection::conceal_account_locks).await;
        assert_eq!(seen(&real), seen(&nobody), "{counted:?}");
    }
}
