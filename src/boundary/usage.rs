//! Where it is kept who logs in how.

use std::sync::Arc;

use async_trait::async_trait;

use super::backend::BackendError;
use crate::protocol::client::registered::ClientId;
use crate::protocol::usage::day::{Day, DayRange};
use crate::protocol::usage::row::UsageBatch;
use crate::protocol::usage::stayers::{PageKey, StayersPage};
use crate::protocol::usage::tally::ClientUsage;

/// Keeps who logs in how, by day: a row for each client, user and way, and the number of logins of each day. It decides nothing:
/// what a report says of the rows is written once, in [`Tally`](crate::usage::Tally) and [`StayersScan`](crate::usage::StayersScan).
/// [`UsageLedger`](crate::usage::UsageLedger) calls it, never while a client waits.
///
/// # Contract
/// - [`record`](Self::record) is one atomic step, over all processes that share the store. A row is merged into the one that is kept of
///   the same client, realm, subject, [way and beginning](crate::usage::Usage::is_same_way), as
///   [`Usage::merged`](crate::usage::Usage::merged) says. Of a count with the same client, way, beginning, day and writer the higher one is kept;
///   those of several writers are added up in a report. So a batch that is recorded again changes nothing.
/// - Users are equal only if both realm and subject are: hash them with their lengths, not joined by a separator.
/// - [`report`](Self::report) hands all rows to a [`Tally`](crate::usage::Tally), also those that lie before the window, and of the
///   counts those of days in it. [`stayers`](Self::stayers) hands the rows of one client to a
///   [`StayersScan`](crate::usage::StayersScan), in the order of the bytes of realm (none first) and subject. What is
///   recorded meanwhile is in it or not, each batch as a whole.
/// - [`forget`](Self::forget) removes all rows of a subject, in every client and realm. Counts stay: they name nobody.
/// - [`prune`](Self::prune) removes the rows that [are over](crate::usage::Usage::is_over), and the counts of days before that one.
///
/// # Security
/// It holds who uses what, and since when: personal data, but no secret. Nothing of it decides on a login.
///
/// # Cancellation
/// A dropped call may have taken effect: `record` and `forget` as a whole or not at all, `prune` in part.
///
/// # Errors
/// A [`BackendError`] costs no login: the ledger tries the rows again later, in other and smaller batches, so that a row which the store
/// refuses holds up no others.
#[async_trait]
pub trait UsageStore: Send + Sync + 'static {
    /// Records a batch. Answers how many of its rows and counts found no room; 0 for a store without a bound.
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError>;

    /// How each client is used, by their identifiers.
    async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError>;

    /// Some of the users of a client who were seen in the window by passwords alone: those after this one, or the first.
    async fn stayers(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, BackendError>;

    /// Forgets a subject. Answers how many rows went.
    async fn forget(&self, subject: &str) -> Result<u64, BackendError>;

    /// Forgets what is over before this day. Answers how many rows and counts went.
    async fn prune(&self, before: Day) -> Result<u64, BackendError>;
}

#[async_trait]
impl<T: UsageStore + ?Sized> UsageStore for Arc<T> {
    async fn record(&self, batch: UsageBatch) -> Result<u64, BackendError> {
        (**self).record(batch).await
    }

    async fn report(&self, window: DayRange) -> Result<Vec<ClientUsage>, BackendError> {
        (**self).report(window).await
    }

    async fn stayers(
        &self,
        client: &ClientId,
        window: DayRange,
        after: Option<&PageKey>,
        limit: usize,
    ) -> Result<StayersPage, BackendError> {
        (**self).stayers(client, window, after, limit).await
    }

    async fn forget(&self, subject: &str) -> Result<u64, BackendError> {
        (**self).forget(subject).await
    }

    async fn prune(&self, before: Day) -> Result<u64, BackendError> {
        (**self).prune(before).await
    }
}
