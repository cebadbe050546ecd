//! One-time values.

use std::time::SystemTime;

use async_trait::async_trait;

use super::connection::PostgresValue::{BigInt, Bytes};
use super::store::{PostgresStore, goes_by};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::once::OneTimeValues;
use crate::protocol::millis::ceil;
use crate::protocol::secret::secrets::SecretDigest;

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
