//! What is over, and removed.

use super::connection::PostgresValue::{self, BigInt, Text};
use super::failure::Failure;
use super::store::{PostgresStore, ROWS};
use crate::boundary::backend::OperationError;

/// How many pages of a table one statement looks at where no index leads: 4 MiB.
const PAGES: usize = 512;

impl PostgresStore {
    /// Removes what is over: expired access tokens and families, families that ended ten minutes ago with what belongs to them,
    /// one-time values an hour after their end, enrolments of authenticators that waited for a day, and counts that say nothing any
    /// more. Answers how many rows there were.
    ///
    /// It goes in steps of at most 1,000 rows, each a transaction of its own, and leaves out what another call is at work on: so
    /// any number of servers may prune at once, every few minutes, and no request waits for it.
    ///
    /// # Errors
    /// As any operation. What was removed until then stays removed.
    pub async fn prune(&self) -> Result<u64, OperationError> {
        Ok(self.prune_all().await.map_err(Failure::into_backend)?)
    }

    async fn prune_all(&self) -> Result<u64, Failure> {
        let statements = self.statements();
        let mut removed = 0_u64;
        for (statement, least) in [
            (&statements.prune_access_tokens, ROWS),
            // Those of a hundred families at a time.
            (&statements.prune_hidden_tokens, 1),
            (&statements.prune_ended_families, ROWS),
            (&statements.prune_families, ROWS),
            (&statements.prune_spent_values, ROWS),
            (&statements.prune_waiting_factors, ROWS),
        ] {
            removed = removed.saturating_add(self.count_until(statement, &[], least).await?);
        }
        let records = self.prune_pages(&statements.attempt_records, &statements.prune_records, &[]).await?;
        Ok(removed.saturating_add(records))
    }

    /// Removes by a statement that looks through some pages of a table, which begin with its first value.
    pub(super) async fn prune_pages(
        &self,
        table: &str,
        statement: &str,
        values: &[PostgresValue<'_>],
    ) -> Result<u64, Failure> {
        let pages = self.row(&self.statements().pages_of, &[Text(Some(table))]).await?.number()?;
        let mut removed = 0_u64;
        for page in (0..pages).step_by(PAGES) {
            let values = [&[BigInt(Some(page))], values].concat();
            removed = removed.saturating_add(self.count_until(statement, &values, ROWS).await?);
        }
        Ok(removed)
    }
}
