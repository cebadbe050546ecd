//! The store: a handle on the connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::builder::PostgresStoreBuilder;
use super::cells::Cells;
use super::connection::{PostgresConnection, PostgresRow, PostgresValue};
use super::failure::Failure;
use super::statements::Statements;
use crate::boundary::backend::BackendError;
use crate::boundary::clock::{SharedClock, SystemClock};
use crate::boundary::identity::StoreIdentity;
use crate::observe::breaker::Breaker;

/// How often a statement is tried again that another transaction was in the way of.
const REPEATS: u32 = 3;

/// The most rows that one statement changes.
pub(super) const ROWS: u64 = 1_000;

/// The most bytes of a subject or name, with a realm or client in front where an index has one there: an index takes some 2,700.
const INDEXED: usize = 2_000;

/// Whether what stands in an index together is as long as this finds room there. The server would refuse it, too, and note that in its
/// log.
pub(super) fn finds_room(texts: &[&str]) -> Result<(), Failure> {
    let length = texts.iter().fold(0_usize, |sum, text| sum.saturating_add(text.len()));
    if length > INDEXED { Err(Failure::Value("a subject or name of more than 2,000 bytes")) } else { Ok(()) }
}

/// Whether a part goes by this clock: what is over is told by that of the database, which shows the time of day.
pub(super) fn goes_by(clock: &SharedClock) -> bool {
    clock.agrees_with(&SystemClock::new())
}

/// Users, clients, refresh token families, opaque access tokens, one-time values, authenticators, counted attempts and the rows of
/// the ledger of usage in PostgreSQL. Cloning is cheap, and all clones are one store. See the [module](self::super) for what it
/// promises.
#[derive(Clone)]
pub struct PostgresStore(Arc<Inner>);

pub(super) struct Inner {
    pub(super) connection: Box<dyn PostgresConnection>,
    pub(super) breaker: Breaker,
    pub(super) statements: Statements,
    pub(super) deadline: Duration,
    /// The most access tokens of one login.
    pub(super) tokens_per_login: i64,
    pub(super) identity: StoreIdentity,
}

impl PostgresStore {
    /// A store over these connections, with options.
    pub fn builder<C: PostgresConnection>(connection: C) -> PostgresStoreBuilder<C> {
        PostgresStoreBuilder::new(connection)
    }

    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner))
    }

    pub(super) fn statements(&self) -> &Statements {
        &self.0.statements
    }

    pub(super) fn tokens_per_login(&self) -> i64 {
        self.0.tokens_per_login
    }

    pub(super) fn own_identity(&self) -> StoreIdentity {
        self.0.identity.clone()
    }

    /// Runs a statement, and answers its rows.
    pub(super) async fn rows(&self, text: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, Failure> {
        if values.iter().any(has_nul) {
            return Err(Failure::Value("a text with a NUL character"));
        }
        self.0.breaker.call(self.rows_within(self.0.deadline, text, values)).await
    }

    /// The same within so much time, and whatever became of the calls before it.
    pub(super) async fn rows_within(
        &self,
        deadline: Duration,
        text: &str,
        values: &[PostgresValue<'_>],
    ) -> Result<Vec<PostgresRow>, Failure> {
        let answer = timeout(deadline, self.repeated(text, values));
        answer.await.unwrap_or(Err(Failure::Deadline(deadline)))
    }

    /// Runs a statement once more if another transaction was in its way, and it did nothing.
    async fn repeated(&self, text: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, Failure> {
        for turn in 0..REPEATS {
            match self.0.connection.query(text, values).await.map_err(Failure::from) {
                Err(failure) if failure.was_undone() => sleep(pause(turn)).await,
                answer => return answer,
            }
        }
        Ok(self.0.connection.query(text, values).await?)
    }

    /// The one row of a statement that gives one.
    pub(super) async fn row(&self, text: &str, values: &[PostgresValue<'_>]) -> Result<Cells, Failure> {
        self.row_or_none(text, values).await?.ok_or(Failure::Row("an answer without a row"))
    }

    pub(super) async fn row_or_none(&self, text: &str, values: &[PostgresValue<'_>]) -> Result<Option<Cells>, Failure> {
        Ok(self.rows(text, values).await?.into_iter().next().map(Cells::of))
    }

    /// Whether a statement has changed a row, or found one.
    pub(super) async fn is_done(&self, text: &str, values: &[PostgresValue<'_>]) -> Result<bool, BackendError> {
        self.count(text, values).await.map(|rows| rows > 0).map_err(Failure::into_backend)
    }

    /// How many rows a statement has changed that takes a thousand at a time, once there are no more.
    pub(super) async fn count_all(&self, text: &str, values: &[PostgresValue<'_>]) -> Result<u64, BackendError> {
        self.count_until(text, values, ROWS).await.map_err(Failure::into_backend)
    }

    /// How many rows a statement has changed that takes some at a time, once it finds fewer than so many.
    pub(super) async fn count_until(
        &self,
        text: &str,
        values: &[PostgresValue<'_>],
        least: u64,
    ) -> Result<u64, Failure> {
        let mut all = 0_u64;
        loop {
            let rows = self.count(text, values).await?;
            all = all.saturating_add(rows);
            if rows < least {
                return Ok(all);
            }
        }
    }

    /// How many rows a statement has changed, or found.
    pub(super) async fn count(&self, text: &str, values: &[PostgresValue<'_>]) -> Result<u64, Failure> {
        Ok(self.row(text, values).await?.number()?.unsigned_abs())
    }
}

/// Whether there is a character in it that no text of PostgreSQL has.
fn has_nul(value: &PostgresValue<'_>) -> bool {
    match value {
        PostgresValue::Text(text) => text.is_some_and(|text| text.contains('\0')),
        PostgresValue::TextList(texts) => texts.iter().flatten().any(|text| text.contains('\0')),
        _ => false,
    }
}

/// Up to 4, 8 and 16 milliseconds, so that two that met do not meet again.
fn pause(turn: u32) -> Duration {
    let mut random = [0; 1];
    // Without randomness they wait for the same time.
    let _ = getrandom::fill(&mut random);
    let most = 4_000_u64.saturating_mul(1 << turn.min(8));
    Duration::from_micros(most.saturating_mul(u64::from(random[0])) / 255)
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("deadline", &self.0.deadline).finish_non_exhaustive()
    }
}
