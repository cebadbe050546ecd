//! What the second request tells: requests that are answered alike must leave nothing behind by which a later answer tells them
//! apart. Over HTTP and as histories drawn by chance, with the limiter in memory and that of the SQLite store.

mod assertions;
mod attack;
mod clients;
mod histories;

use std::sync::Arc;

use tower_password_grant::limiter::{AttemptLimiter, Limits, MemoryLimiter};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::testing::ManualClock;

use crate::support::folder::{Folder, at};

/// Where attempts are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    InMemory,
    InSqlite,
}

pub(crate) const BOTH: [Counted; 2] = [Counted::InMemory, Counted::InSqlite];

/// A limiter with these limits, on a clock that stands still, and its store if it has one.
pub(crate) struct Counter {
    pub(crate) clock: ManualClock,
    pub(crate) limiter: Arc<dyn AttemptLimiter>,
    store: Option<(SqliteStore, Folder)>,
}

impl Counter {
    pub(crate) fn new(counted: Counted, limits: Limits) -> Self {
        let clock = ManualClock::at(at(0));
        match counted {
            Counted::InMemory => {
                let limiter = Arc::new(MemoryLimiter::new().with_limits(limits).with_clock(clock.clone()));
                Self { clock, limiter, store: None }
            }
            Counted::InSqlite => {
                let folder = Folder::new();
                let store = SqliteStore::builder(folder.file()).clock(clock.clone()).open().unwrap();
                let limiter = Arc::new(store.limiter().with_limits(limits));
                Self { clock, limiter, store: Some((store, folder)) }
            }
        }
    }

    pub(crate) async fn close(self) {
        if let Some((store, _folder)) = self.store {
            store.close().await;
        }
    }
}
