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

const IS_SPENT: &str = "SELECT 1 FROM spent_values WHERE digest = ?1";

pub(super) const STATEMENTS: [&str; 2] = [CONSUME, IS_SPENT];

#[async_trait]
impl OneTimeValues for SqliteStore {
    async fn consume(&self, value: &SecretDigest, expires: SystemTime) -> Result<bool, BackendError> {
        let (value, expires) = (value.clone(), ceil(expires));
        self.write(move |db| Ok(db.execute(CONSUME, params![value.as_bytes(), expires])? > 0)).await
    }

    async fn is_spent(&self, value: &SecretDigest) -> Result<bool, BackendError> {
        let value = value.clone();
        self.look_up(move |db| Ok(db.row(IS_SPENT, [value.as_bytes()], |_| Ok(()))?.is_some())).await
    }

    fn follow_clock(&self, clock: &SharedClock) -> bool {
        self.agrees_with(clock)
    }
}
