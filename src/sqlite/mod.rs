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
mod limiter;
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
#[cfg(feature = "argon2")]
mod users;
mod writer;

pub use builder::SqliteStoreBuilder;
pub use error::SqliteError;
pub use limiter::SqliteLimiter;
pub use stats::SqliteStats;
pub use store::SqliteStore;
#[cfg(feature = "argon2")]
pub use users::NewUser;

/// All statements of the store.
fn statements() -> impl Iterator<Item = &'static str> {
    let core: [&[&str]; 5] =
        [&refresh::STATEMENTS, &access::STATEMENTS, &once::STATEMENTS, &clients::STATEMENTS, &prune::STATEMENTS];
    #[cfg(feature = "argon2")]
    let users: &[&str] = &users::STATEMENTS;
    #[cfg(not(feature = "argon2"))]
    let users: &[&str] = &[];
    core.into_iter().flatten().chain(users).copied().chain(limiter::statements())
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
