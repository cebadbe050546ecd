//! Everything in one SQLite file (feature `sqlite`).
//!
//! [`SqliteStore`] is a [`RefreshTokenStore`](crate::RefreshTokenStore), an [`AccessTokenStore`](crate::AccessTokenStore),
//! [`OneTimeValues`](crate::OneTimeValues), a [`ClientRegistry`](crate::ClientRegistry) and, with the feature `argon2`, a
//! `UserStore`. For one host; several processes of that host may share the file.

mod access;
mod builder;
mod clients;
mod columns;
mod db;
mod error;
mod failure;
mod job;
mod once;
mod open;
mod prune;
mod queue;
mod reader;
mod refresh;
mod registration;
mod stats;
mod store;
mod time;
mod writer;

pub use builder::SqliteStoreBuilder;
pub use error::SqliteError;
pub use stats::SqliteStats;
pub use store::SqliteStore;
