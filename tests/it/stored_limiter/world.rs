//! Attempts on a limiter, all from one address.

use std::net::{IpAddr, Ipv4Addr};

use tower_password_grant::BackendError;
use tower_password_grant::limiter::{
    AttemptKey, AttemptLimiter, AttemptRecords, Checked, Guess, Refusal, Reservation, Reserved, SecretCheck,
    Settlement, SharedKey, StoredLimiter,
};
use tower_password_grant::user::AccountKey;

const HERE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));

pub(crate) fn key() -> SharedKey {
    SharedKey::new([7; 32]).unwrap()
}

pub(crate) fn limiter<S: AttemptRecords>(records: S) -> StoredLimiter<S> {
    StoredLimiter::new(records, &key())
}

/// Why an attempt may not be verified.
#[derive(Debug)]
pub(crate) enum No {
    Refused(Refusal),
    Failed(BackendError),
}

impl No {
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Failed(error) => panic!("{error:?}"),
        }
    }

    pub(crate) fn error(self) -> BackendError {
        match self {
            Self::Refused(refusal) => panic!("{refusal:?}"),
            Self::Failed(error) => error,
        }
    }
}

pub(crate) async fn reserve<L: AttemptLimiter>(limiter: &L, name: &str) -> Result<Reservation, No> {
    reserve_from(limiter, name, HERE).await
}

pub(crate) async fn reserve_from<L: AttemptLimiter>(
    limiter: &L,
    name: &str,
    address: Option<IpAddr>,
) -> Result<Reservation, No> {
    let account = AccountKey::resolved(name);
    let key = AttemptKey::new(Guess::Account { realm: None, account: &account }, address);
    match limiter.reserve(&key).await {
        Ok(Reserved::Charged(reservation)) => Ok(reservation),
        Ok(Reserved::Refused(refusal)) => Err(No::Refused(refusal)),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(No::Failed(error)),
    }
}

/// A wrong guess.
pub(crate) async fn guess<L: AttemptLimiter>(limiter: &L, name: &str) -> Result<(), No> {
    let reservation = reserve(limiter, name).await?;
    limiter.settle(reservation, Settlement::Denied).await.map_err(No::Failed)?;
    Ok(())
}

/// Guesses until it is refused, and answers how many guesses there were.
pub(crate) async fn count_left<L: AttemptLimiter>(limiter: &L, name: &str) -> usize {
    for guesses in 0..1_000 {
        if let Err(no) = guess(limiter, name).await {
            no.refusal();
            return guesses;
        }
    }
    panic!("never refused");
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checking {
    Right,
    Wrong,
    Refused,
    Error,
}

/// A client's secret that is right or wrong.
pub(crate) async fn check<L: AttemptLimiter>(limiter: &L, client_id: &str, is_right: bool) -> Checking {
    let key = AttemptKey::new(Guess::Client { client_id }, HERE);
    match limiter.check(&key, SecretCheck::known(is_right)).await {
        Ok(Checked::Decided(decided)) if decided.is_right() => Checking::Right,
        Ok(Checked::Decided(_)) => Checking::Wrong,
        Ok(Checked::Refused(_)) => Checking::Refused,
        Ok(other) => panic!("{other:?}"),
        Err(_) => Checking::Error,
    }
}
