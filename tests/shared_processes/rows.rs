//! What the tests write by themselves.

use std::time::{Duration, SystemTime};

use tower_password_grant::ClientId;
use tower_password_grant::store::{AccessTokenRecord, FamilyId, RefreshFamily, SecretDigest};

pub const HOUR: Duration = Duration::from_secs(3600);

pub fn app() -> ClientId {
    ClientId::new("app").unwrap()
}

pub fn digest(number: u64) -> SecretDigest {
    SecretDigest::of(&format!("value {number}"))
}

/// A family that is over at this time.
pub fn family(user: &str, number: u64, expires: SystemTime) -> RefreshFamily {
    let id = FamilyId::from_bytes((1_u128 << 100 | u128::from(number)).to_be_bytes());
    RefreshFamily::new(id, user, app(), SystemTime::now(), expires)
}

/// An access token of an hour.
pub fn access_token(user: &str) -> AccessTokenRecord {
    let now = SystemTime::now();
    AccessTokenRecord::new(user, app(), now, now + HOUR)
}
