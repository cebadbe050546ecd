//! A list of leaked passwords against accounts that were closed: whether a password is right must not show, however often it is
//! tried. Over sockets, with real hashes.

use std::time::Duration;

use tower_password_grant::Password;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::limiter::Limits;
use tower_password_grant::store::{NewUser, UserStatus};
use tower_password_grant::user::HostCode;

use super::{BOTH, Counted, Counter};
use crate::support::folder::Folder;
use crate::support::protection::counted_by;
use crate::support::server::{Connection, Server, raw_request};
use crate::support::{self, Answer, Probe};

const RIGHT: &str = "Winter-2025!";

/// An endpoint over accounts in every state, all with the password that was leaked.
struct Attacked {
    counter: Counter,
    server: Server,
    _users: Folder,
}

impl Attacked {
    async fn new(counted: Counted) -> Self {
        let counter = Counter::new(counted, Limits::new());
        let users = Folder::new();
        let store = users.store();
        let cheap = Argon2Parameters::new(64, 1, 1).unwrap();
        let hash = cheap.hash_blocking(&Password::new(RIGHT.to_owned())).unwrap();
        let code = HostCode::new("reset_forced", "set a new password").unwrap();
        for (name, status) in [
            ("active", UserStatus::Active),
            ("disabled", UserStatus::Disabled),
            ("locked", UserStatus::Locked),
            ("expired", UserStatus::PasswordExpired),
            ("unverified", UserStatus::Unverified),
            ("custom", UserStatus::Denied(code)),
        ] {
            let user = NewUser::new(format!("id-{name}"), name).with_password_hash(hash.clone()).with_status(status);
            assert!(store.add_user(user).await.unwrap());
        }
        let verifier = Argon2Verifier::builder(store).parameters(cheap).build().unwrap();
        let layer = support::builder(&Probe::default()).verifier(verifier);
        let layer =
            layer.attack_protection(counted_by(counter.limiter.clone())).clock(counter.clock.clone()).build().unwrap();
        Self { server: Server::start(&layer).await, counter, _users: users }
    }

    /// So many logins in a row on one connection.
    async fn log_in(&self, name: &str, passwords: impl IntoIterator<Item = String>) -> Vec<Answer> {
        let mut connection = Connection::open(self.server.address).await;
        let mut answers = Vec::new();
        for password in passwords {
            let form = [("grant_type", "password"), ("username", name), ("password", &password), ("client_id", "pub")];
            let body = serde_urlencoded::to_string(form).unwrap();
            answers.push(connection.exchange(raw_request("", &body)).await);
        }
        answers
    }
}

/// All that a client sees, but for the date.
fn seen(answers: &[Answer]) -> Vec<String> {
    let without_date = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        headers.remove("date");
        format!("{} {headers:?} {:?}", answer.status, answer.body)
    };
    answers.iter().map(without_date).collect()
}

fn statuses(answers: &[Answer]) -> Vec<u16> {
    answers.iter().map(|answer| answer.status.as_u16()).collect()
}

#[tokio::test]
async fn twelve_times_the_right_password_of_a_closed_account_looks_like_twelve_times_a_wrong_one() {
    for counted in BOTH {
        let attacked = Attacked::new(counted).await;
        let same = |password: &str| vec![password.to_owned(); 12];
        let wrong = attacked.log_in("active", same("not the password")).await;
        assert_eq!(statuses(&wrong), [400; 12], "{counted:?}");
        for closed in ["disabled", "locked", "expired", "unverified", "custom", "nobody"] {
            let right = attacked.log_in(closed, same(RIGHT)).await;
            assert_eq!(seen(&right), seen(&wrong), "{counted:?} {closed}");
        }
        // It was counted once, as a wrong one is: nine are left, and the lock begins with the tenth.
        for closed in ["disabled", "locked", "expired", "unverified", "custom", "nobody", "active"] {
            let others = attacked.log_in(closed, (0..10).map(|n| format!("other {n}"))).await;
            assert_eq!(statuses(&others), [[400; 9].as_slice(), &[429]].concat(), "{counted:?} {closed}");
            let after = attacked.log_in(closed, same(RIGHT)).await;
            assert_eq!(statuses(&after), [429; 12], "{counted:?} {closed}");
        }
    }
}

#[tokio::test]
async fn a_right_password_between_wrong_ones_shows_in_no_answer_of_a_closed_account() {
    for counted in BOTH {
        let attacked = Attacked::new(counted).await;
        let list = |at: usize| (0..12).map(move |n| if n == at { RIGHT.to_owned() } else { format!("leaked {n}") });
        for at in [0, 5, 9] {
            let wrong = attacked.log_in("nobody", list(at)).await;
            for closed in ["disabled", "locked", "expired", "unverified", "custom"] {
                let right = attacked.log_in(closed, list(at)).await;
                assert_eq!(seen(&right), seen(&wrong), "{counted:?} {closed} {at}");
            }
            // Long after every lock, and with the address's own budget full again.
            attacked.counter.clock.advance(Duration::from_secs(48 * 3600));
        }
    }
}
