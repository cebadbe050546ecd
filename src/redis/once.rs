//! One-time values.

use std::time::SystemTime;

use async_trait::async_trait;

use super::answers::is_done;
use super::scripts::Argument::Bytes;
use super::store::{RedisStore, end, goes_by};
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::once::OneTimeValues;
use crate::protocol::secret::secrets::{SecretDigest, random_id};

#[async_trait]
impl OneTimeValues for RedisStore {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        // By it a call that a client library repeats is known for the same.
        let call = random_id()?;
        let (keys, values) = ([self.keys().spent(value)], [Bytes(&call), end(expires)]);
        self.within(async { is_done(self.run(&self.scripts().spend, &keys, &values).await?) }).await
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        let keys = [self.keys().spent(value)];
        self.within(async { is_done(self.run(&self.scripts().is_spent, &keys, &[]).await?) }).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        goes_by(clock)
    }
}
