//! One-time values.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::connection::PostgresValue::{BigInt, Bytes};
use super::store::{PostgresStore, goes_by};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::once::OneTimeValues;
use crate::protocol::millis::floor;
use crate::protocol::secret::secrets::SecretDigest;

/// The first millisecond that is not before `time`: it must not be forgotten sooner.
fn ceil(time: SystemTime) -> i64 {
    time.checked_add(Duration::from_nanos(999_999)).map_or(i64::MAX, floor)
}

#[async_trait]
impl OneTimeValues for PostgresStore {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        let values = [Bytes(Some(value.as_bytes())), BigInt(Some(ceil(expires)))];
        self.is_done(&self.statements().spend, &values).await
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        self.is_done(&self.statements().is_spent, &[Bytes(Some(value.as_bytes()))]).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        goes_by(clock)
    }
}
