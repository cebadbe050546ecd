//! The table of what a limiter counts, for all processes that share the database.

use async_trait::async_trait;
use deadpool_postgres::Pool;
use tokio_postgres::Error;
use tower_password_grant::BackendError;
use tower_password_grant::limiter::{
    AttemptRecords, LoadedRecord, LoadedRecords, RecordChange, RecordKey, RecordStamp,
};

use crate::pool::connection;

/// The table, and the one function that writes into it.
const TABLE: &str = include_str!("attempts.sql");

const LOAD: &str =
    "SELECT clock_timestamp(), stamp, record FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (key, place)
    LEFT JOIN login_attempts USING (key) ORDER BY place";
const SWAP: &str = "SELECT swap_login_attempts($1, $2, $3, $4, $5)";
/// Those that a swap is at work on stay until the next time, so that neither waits for the other.
const PRUNE: &str = "DELETE FROM login_attempts WHERE key IN (
    SELECT key FROM login_attempts WHERE forgotten_at <= clock_timestamp() LIMIT 1000 FOR UPDATE SKIP LOCKED)";

/// The counts of attempts in PostgreSQL. The connections are best its own: no look-up of users can use them up then.
pub(crate) struct Attempts {
    pool: Pool,
}

impl Attempts {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool }
    }

    /// Makes the table, if it is not there. Done once, by a role that may do it.
    pub(crate) async fn prepare(&self) -> Result<(), BackendError> {
        Ok(connection(&self.pool).await?.batch_execute(TABLE).await?)
    }

    /// Removes what says nothing any more, some at a time, and answers how much that was. To be called now and then.
    pub(crate) async fn prune(&self) -> Result<u64, BackendError> {
        Ok(connection(&self.pool).await?.execute(PRUNE, &[]).await?)
    }
}

/// The bytes of one column.
fn column<T>(changes: &[RecordChange], of: impl Fn(&RecordChange) -> T) -> Vec<T> {
    changes.iter().map(of).collect()
}

#[async_trait]
impl AttemptRecords for Attempts {
    async fn load(&self, keys: &[RecordKey]) -> Result<LoadedRecords, BackendError> {
        let client = connection(&self.pool).await?;
        let statement = client.prepare_cached(LOAD).await?;
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key.as_bytes()[..]).collect();
        let rows = client.query(&statement, &[&keys]).await?;
        let now = rows.first().ok_or("no key was asked for")?.try_get(0)?;
        let record = |row: &tokio_postgres::Row| -> Result<Option<LoadedRecord>, Error> {
            let stamp: Option<&[u8]> = row.try_get(1)?;
            let Some(stamp) = stamp.and_then(|stamp| stamp.try_into().ok()) else { return Ok(None) };
            Ok(Some(LoadedRecord::new(RecordStamp::from_bytes(stamp), row.try_get(2)?)))
        };
        Ok(LoadedRecords::new(now, rows.iter().map(record).collect::<Result<_, _>>()?))
    }

    async fn swap(&self, changes: &[RecordChange]) -> Result<bool, BackendError> {
        let client = connection(&self.pool).await?;
        let statement = client.prepare_cached(SWAP).await?;
        let keys = column(changes, |change| change.key().as_bytes().to_vec());
        let seen = column(changes, |change| change.seen().map(|seen| seen.as_bytes().to_vec()));
        let stamps = column(changes, |change| change.stamp().as_bytes().to_vec());
        let records = column(changes, |change| change.bytes().to_vec());
        let forgotten = column(changes, RecordChange::forgotten_at);
        Ok(client.query_one(&statement, &[&keys, &seen, &stamps, &records, &forgotten]).await?.try_get(0)?)
    }
}
