//! One-time values.

use std::time::SystemTime;

use async_trait::async_trait;
use rusqlite::params;

use super::store::SqliteStore;
use super::time::ceil;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::SharedClock;
use crate::boundary::once::OneTimeValues;
use crate::protocol::secret::secrets::SecretDigest;

/// A value stays spent until its row is removed, some time after its end.
const CONSUME: &str = "INSERT INTO spent_values (digest, expires) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

pub(super) const STATEMENTS: [&str; 1] = [CONSUME];

#[async_trait]
impl OneTimeValues for SqliteStore {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        let (value, expires) = (value.clone(), ceil(expires));
        self.write(move |db| Ok(db.execute(CONSUME, params![value.as_bytes(), expires])? > 0)).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.agrees_with(clock)
    }
}
