//! The store of the ledger of usage.

use std::time::Duration;

use async_trait::async_trait;

use super::batch::Merged;
use super::rows::{add, look_at};
use crate::boundary::backend::BackendError;
use crate::boundary::usage::UsageStore;
use crate::postgres::cells::Cells;
use crate::postgres::connection::PostgresValue::{BigInt, Text};
use crate::postgres::failure::Failure;
use crate::postgres::store::{PostgresStore, ROWS};
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::UsageBatch;
use crate::protocol::usage::stayers::{MOST_READ, PageKey, StayersPage, StayersScan};
use crate::protocol::usage::tally::{ClientUsage, Tally};

/// How long a report may take, which reads all rows. No login waits for it.
const REPORT: Duration = Duration::from_secs(60);

impl PostgresStore {
    async fn record_usage(&self, batch: &UsageBatch) -> Result<(), Failure> {
        let merged = Merged::of(batch)?;
        self.row(&self.statements().record_usage, &merged.values()).await.map(drop)
    }

    async fn usage_report(&self, window: DayRange) -> Result<Vec<ClientUsage>, Failure> {
        let days = [window.first, window.last].map(|day| BigInt(Some(day.number().into())));
        // Whether the server is there is for a short call to find out: others wait for its answer after an outage.
        self.rows(&self.statements().session, &[]).await?;
        let mut tally = Tally::new(window);
        for row in self.rows_within(REPORT, &self.statements().usage_report, &days).await? {
            add(&mut tally, Cells::of(row))?;
        }
        Ok(tally.finish())
    }

    async fn stayers_page(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, Failure> {
        let values = [
            Text(Some(client.as_str())),
            Text(after.and_then(PageKey::realm)),
            Text(after.map(PageKey::subject)),
            BigInt(Some(MOST_READ)),
        ];
        let mut scan = StayersScan::new(window, limit);
        for row in self.rows(&self.statements().usage_page, &values).await? {
            if !look_at(&mut scan, Cells::of(row))? {
                break;
            }
        }
        Ok(scan.finish())
    }

    async fn prune_usage(&self, before: Day) -> Result<u64, Failure> {
        let (statements, before) = (self.statements(), [BigInt(Some(before.number().into()))]);
        let counts = self.count_until(&statements.prune_usage_counts, &before, ROWS).await?;
        let rows = self.prune_pages(&statements.usage_rows, &statements.prune_usage_rows, &before).await?;
        Ok(counts.saturating_add(rows))
    }
}

/// Answers that every row found room: there is no bound but that of the database, and beyond it a batch is an error.
#[async_trait]
impl UsageStore for PostgresStore {
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
        self.record_usage(&batch).await.map(|()| 0).map_err(Failure::into_backend)
    }

    /// Within a minute, whatever the [deadline](crate::postgres::PostgresStoreBuilder::deadline) of other calls.
    async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError> {
        self.usage_report(window).await.map_err(Failure::into_backend)
    }

    async fn stayers(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, BackendError> {
        self.stayers_page(client, window, after, limit).await.map_err(Failure::into_backend)
    }

    async fn forget(&self, subject: &str) -> Result<u64, BackendError> {
        self.count(&self.statements().forget_usage, &[Text(Some(subject))]).await.map_err(Failure::into_backend)
    }

    async fn prune(&self, before: Day) -> Result<u64, BackendError> {
        self.prune_usage(before).await.map_err(Failure::into_backend)
    }
}
