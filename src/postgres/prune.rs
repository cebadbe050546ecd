//! What is over, and removed.

use super::failure::Failure;
use super::store::PostgresStore;
use crate::boundary::backend::OperationError;

/// The most rows that one statement removes.
const ROWS: u64 = 1_000;

impl PostgresStore {
    /// Removes what is over: expired access tokens and families, families that ended ten minutes ago with what belongs to them,
    /// one-time values an hour after their end, and counts that say nothing any more. Answers how many rows there were.
    ///
    /// It goes in steps of at most 1,000 rows, each a transaction of its own, and leaves out what another call is at work on: so
    /// any number of servers may prune at once, every few minutes, and no request waits for it.
    ///
    /// # Errors
    /// As any operation. What was removed until then stays removed.
    pub async fn prune(&self) -> Result<u64, OperationError> {
        let statements = self.statements();
        let mut removed = 0_u64;
        for statement in [
            &statements.prune_access_tokens,
            &statements.prune_hidden_tokens,
            &statements.prune_ended_families,
            &statements.prune_families,
            &statements.prune_spent_values,
            &statements.prune_records,
        ] {
            loop {
                let rows = self.count(statement, &[]).await.map_err(Failure::into_backend)?;
                removed = removed.saturating_add(rows);
                if rows < ROWS {
                    break;
                }
            }
        }
        Ok(removed)
    }
}
