//! The store of the ledger of usage.

use async_trait::async_trait;

use super::forget::forget;
use super::record::record;
use super::report::{report, stayers};
use crate::boundary::backend::BackendError;
use crate::boundary::usage::UsageStore;
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::UsageBatch;
use crate::protocol::usage::stayers::{PageKey, StayersPage};
use crate::protocol::usage::tally::ClientUsage;
use crate::sqlite::store::SqliteStore;

/// Answers that every row found room: there is no bound but that of the file, and beyond it a batch is an error.
#[async_trait]
impl UsageStore for SqliteStore {
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
        self.write(move |db| record(db, &batch)).await?;
        Ok(0)
    }

    /// On a thread of its own, one report at a time.
    async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError> {
        self.read_apart("sqlite-report", move |db| report(db, window)).await
    }

    async fn stayers(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, BackendError> {
        let (client, after) = (client.clone(), after.cloned());
        self.read(move |db| stayers(db, client.as_str(), window, after.as_ref(), limit)).await
    }

    /// What the log still has of it goes at the next [pruning](crate::sqlite::SqliteStoreBuilder::prune_every).
    async fn forget(&self, subject: &str) -> Result<u64, BackendError> {
        let subject = subject.to_owned();
        self.erase(move |db| forget(db, &subject)).await
    }

    async fn prune(&self, before: Day) -> Result<u64, BackendError> {
        self.prune_usage(before).await
    }
}
