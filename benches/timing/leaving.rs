//! Clients on their way to an end: a wrong password tells neither which users the ramp has reached, nor which are excepted, nor that the end is
//! over while somebody is.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::client::{ClientBuilder, Sunset};
use tower_password_grant::{Attempt, BackendError, Client, CredentialVerifier, Denial, Verdict};

use super::pairs::{Ask, Comparison};
use super::random::Random;
use super::report::{Aim, Unit};
use super::server::{CLIENT, REAL};
use super::users::{PASSWORD, Users, known, wrong};
use super::wire::{Connection, login};

/// Half of its users are out.
pub const RAMPED: &str = "cli-r";
/// Its end is over; every fourth user is excepted.
pub const ENDED: &str = "cli-e";
/// Verifiers with a mistake. One answers users on the ramp without a hash, the next those who are not excepted, and the last all users
/// of the client whose end is over.
pub const EARLY_ON_RAMP: &str = "/early-on-ramp";
pub const EARLY_AFTER_END: &str = "/early-after-end";
pub const EARLY_AT_END: &str = "/early-at-end";

const DAY: Duration = Duration::from_secs(86_400);

/// The two clients.
pub fn clients(grant: impl Fn(ClientBuilder) -> ClientBuilder) -> [Client; 2] {
    let now = SystemTime::now();
    let ramped = Sunset::at(now + DAY * 1_000).ramp_from(now - DAY * 1_000).unwrap();
    let ended = (0..32)
        .step_by(4)
        .fold(Sunset::at(now - DAY), |plan, user| plan.except(&format!("user-{user:02}"), now + DAY * 100).unwrap());
    [grant(Client::public(RAMPED)).sunset(ramped), grant(Client::public(ENDED)).sunset(ended)]
        .map(|client| client.build().unwrap())
}

/// Whether the ramp has reached the user: without a key of the operator's anybody can compute it.
fn is_on_ramp(user: &str) -> bool {
    let lengths = (RAMPED.len() as u64) << 32;
    let hash = Sha256::new_with_prefix([0; 32]).chain_update(lengths.to_le_bytes());
    let digest: [u8; 32] = hash.chain_update(RAMPED).chain_update(user).finalize().into();
    u64::from_le_bytes(*digest.first_chunk().unwrap()) < u64::MAX / 2
}

fn is_excepted(user: &str) -> bool {
    user.strip_prefix("user-").and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number % 4 == 0)
}

/// Has the endpoint say which users are out, after their right passwords: else the rows could compare a class with itself.
pub fn self_check(address: SocketAddr) {
    let mut connection = Connection::open(address);
    let mut on_ramp = 0;
    for user in (0..32).step_by(2).map(|number| format!("user-{number:02}")) {
        on_ramp += usize::from(is_on_ramp(&user));
        for (client, is_in) in [(RAMPED, !is_on_ramp(&user)), (ENDED, is_excepted(&user))] {
            let answer = connection.exchange(&login(REAL, client, &user, PASSWORD)).1;
            assert_eq!(answer.status == 200, is_in, "{client}, {user}: {}", answer.body);
        }
    }
    assert!((1..16).contains(&on_ramp), "{on_ramp} of 16 users are on the ramp");
}

/// What looks at the plan before the password.
pub struct EarlyWhereOut {
    real: Arc<Argon2Verifier<Arc<Users>>>,
    is_out: fn(&Attempt) -> bool,
}

impl EarlyWhereOut {
    pub fn of_ramp(real: &Arc<Argon2Verifier<Arc<Users>>>) -> Self {
        Self { real: Arc::clone(real), is_out: |attempt| is_on_ramp(attempt.username()) }
    }

    pub fn of_end(real: &Arc<Argon2Verifier<Arc<Users>>>) -> Self {
        Self { real: Arc::clone(real), is_out: |attempt| !is_excepted(attempt.username()) }
    }

    pub fn of_client(real: &Arc<Argon2Verifier<Arc<Users>>>) -> Self {
        Self { real: Arc::clone(real), is_out: |attempt| attempt.client().id().as_str() == ENDED }
    }
}

#[async_trait]
impl CredentialVerifier for EarlyWhereOut {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        if (self.is_out)(&attempt) {
            return Ok(Denial::WrongPassword.into());
        }
        self.real.verify(attempt).await
    }
}

/// A wrong password of a user who exists, and fits.
fn ask(path: &'static str, client: &'static str, is_wanted: fn(&str) -> bool) -> Ask {
    Box::new(move |random: &mut Random| {
        let user = loop {
            let user = known(random);
            if is_wanted(&user) {
                break user;
            }
        };
        login(path, client, &user, &wrong(random))
    })
}

pub fn rows(pairs: usize, few: usize) -> Vec<Comparison> {
    let row = |goal, name, aim, pairs, first, second| Comparison {
        goal,
        name,
        aim,
        pairs,
        hashes: 1,
        bound: 0.15,
        unit: Unit::Milliseconds,
        first,
        second,
        error: "invalid_grant",
    };
    let ramp = |path| (ask(path, RAMPED, is_on_ramp), ask(path, RAMPED, |user| !is_on_ramp(user)));
    let end = |path| (ask(path, ENDED, is_excepted), ask(path, ENDED, |user| !is_excepted(user)));
    let ([real_ramp, early_ramp], [real_end, early_end]) =
        ([REAL, EARLY_ON_RAMP].map(ramp), [REAL, EARLY_AFTER_END].map(end));
    let anybody = |path, client| ask(path, client, |_| true);
    vec![
        row("G30", "leaving: on the ramp / not yet", Aim::Equal, pairs, real_ramp.0, real_ramp.1),
        row("G30", "leaving: excepted / not, after the end", Aim::Equal, pairs, real_end.0, real_end.1),
        row("G30", "leaving: after the end / no end", Aim::Equal, pairs, anybody(REAL, ENDED), anybody(REAL, CLIENT)),
        row("G34", "mistake: leaving: the ramp before the password", Aim::Caught, few, early_ramp.0, early_ramp.1),
        row("G34", "mistake: leaving: the end before the password", Aim::Caught, few, early_end.0, early_end.1),
        row(
            "G34",
            "mistake: leaving: the client's end before the password",
            Aim::Caught,
            few,
            anybody(EARLY_AT_END, ENDED),
            anybody(EARLY_AT_END, CLIENT),
        ),
    ]
}
