//! Everything in one SQLite file (feature `sqlite`).
//!
//! [`SqliteStore`] is a [`RefreshTokenStore`](crate::RefreshTokenStore), an [`AccessTokenStore`](crate::AccessTokenStore),
//! [`OneTimeValues`](crate::OneTimeValues), a [`ClientRegistry`](crate::ClientRegistry) and, with the feature `argon2`, a
//! `UserStore`; its [`limiter`](SqliteStore::limiter) is an [`AttemptLimiter`](crate::AttemptLimiter). For one host; several
//! processes of that host may share the file.
//!
//! # What is durable
//! Whatever was answered: a write is answered after its transaction is on the disk (write-ahead log, `synchronous=FULL`), as
//! far as the disk tells the truth. Each operation happens whole or not at all, also when its client hangs up or the process
//! is killed. An error means that it is not known whether it happened.
//!
//! # What it costs
//! One thread writes. Everything that waits for it goes into one transaction, in which a failure undoes only itself, so that
//! one durable commit serves many requests; [`SqliteStats`] tells how many. Other threads read, and see all that was answered
//! before. No thread of the async runtime ever waits for the disk. Beyond a bounded queue operations are refused with 503.
//! Every statement finds its rows by an index. Rows are removed a few hundred at a time, with other operations in between:
//! what expired, and what is left of a login ten minutes after it was ended. One subject has at most 100 logins at one
//! client: the next one ends the oldest of them.
//!
//! # What is in the file
//! Tokens, client secrets and one-time values as SHA-256 digests; passwords as their hashes; subjects, clients, scopes and
//! claims in the clear, and so are the login names of users that were added here. What somebody typed as a login name, and
//! addresses, only as digests, under a key that lies in the same file: who has the whole file can test names against them.
//! Instants are whole milliseconds and rounded down, so that nothing lives longer than it was promised. The salt that a refresh
//! token and its successor share is removed soon after the longest leeway, when nobody may ask for that successor any more.
//!
//! A new file may be read and written by its owner only, and so may the log beside it; the permissions of a file that exists
//! stay as they are. Copy it with SQLite's own backup or `VACUUM INTO`, or after [`close`](SqliteStore::close): a copy of the
//! file without its log is not whole. A backup that is restored brings back tokens that were spent or revoked since then.
//!
//! # Versions
//! The schema is brought up to date when the file is opened. A file of a later version is refused. `rusqlite` may be any of
//! 0.37 to 0.41, because an application can link only one SQLite, with its other users of `libsqlite3-sys`.

mod access;
mod builder;
mod clients;
mod columns;
mod db;
mod error;
mod failure;
mod job;
mod limiter;
mod location;
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
pub use registration::RegisteredClient;
pub use stats::SqliteStats;
pub use store::SqliteStore;
#[cfg(feature = "argon2")]
pub use users::{NewUser, UserEntry};

use crate::conductor::telemetry;

/// All statements of the store.
fn statements() -> impl Iterator<Item = &'static str> {
    let core: [&[&str]; 4] = [&refresh::STATEMENTS, &access::STATEMENTS, &once::STATEMENTS, &clients::STATEMENTS];
    #[cfg(feature = "argon2")]
    let users = users::statements();
    #[cfg(not(feature = "argon2"))]
    let users = std::iter::empty();
    core.into_iter().flatten().copied().chain(users).chain(prune::statements()).chain(limiter::statements())
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
