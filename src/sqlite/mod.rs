//! Everything in one SQLite file (feature `sqlite`).
//!
//! [`SqliteStore`] is a [`RefreshTokenStore`](crate::store::RefreshTokenStore), an
//! [`AccessTokenStore`](crate::store::AccessTokenStore), [`OneTimeValues`](crate::store::OneTimeValues), a
//! [`FactorStore`](crate::store::FactorStore), a [`UsageStore`](crate::store::UsageStore), a
//! [`ClientRegistry`](crate::ClientRegistry) and, with the feature `argon2`, a `UserStore`; its
//! [`limiter`](SqliteStore::limiter) is an [`AttemptLimiter`](crate::limiter::AttemptLimiter). For one host; several processes
//! of that host may share the file.
//!
//! # What is durable
//! All that was answered: a write is answered after its transaction is on the disk (write-ahead log,
//! `synchronous=FULL`), as far as the disk tells the truth. Each operation happens whole or not at all, also when its
//! client hangs up or the process is killed. An error means that it is not known whether it happened.
//!
//! Where an [`OpaqueIssuer`](crate::OpaqueIssuer) over this store issues and this store keeps the refresh tokens, a
//! login and a refresh are one commit each: the access token and the family it belongs to are both there afterwards, or
//! neither. Open the store once and clone it for that: if the issuer has one and the endpoint another that was opened
//! from the same file, it is two commits, first the access token's, and a warning event says so.
//!
//! # What it costs
//! One thread writes. Everything that waits for it goes into one transaction, in which a failure undoes only itself, so
//! that one durable commit serves many requests; [`SqliteStats`] says how many. Other threads read, and see all that
//! was answered before. The writer looks up single rows, too, while it waits for work. It waits awake for up to 0.1 ms
//! if the next job came that soon the last time: so a request that comes alone finds one thread that is awake and knows
//! the newest state. A thread of the async runtime watches for the answer of such a look-up for up to 0.02 ms, and never
//! waits for a commit. Beyond a bounded queue operations are refused with 503. Every statement finds its rows by an index. What expired, and what is left of a login ten minutes
//! after it was ended, is removed in steps that take about 5 ms on the disk at hand, each in a transaction of its own
//! and with requests in between: when 100,000 logins end at once, a write waits for one such step at most, and the file
//! is smaller after some minutes. One subject has at most 100 logins at one client: the next one ends the oldest of
//! them. One login has at most 100 access tokens
//! ([`access_tokens_per_login`](SqliteStoreBuilder::access_tokens_per_login)). So one user cannot fill the file: what
//! one has at one client takes 5 MiB at most, and what is left of each login that ended 1 KiB for ten minutes.
//!
//! The [ledger of usage](crate::usage) takes some 62 bytes for each user of a client and way, with identifiers of 36
//! characters. A batch with nothing new writes nothing. A report reads all rows, on a thread and over a connection of
//! its own, one report at a time; rows that are over are looked for by the threads that read.
//!
//! # What is in the file
//! Tokens, client secrets, one-time values and recovery codes as SHA-256 digests; passwords as their hashes; the secrets of
//! authenticator apps, telephone numbers and other addresses of second factors sealed under a key that is not in the
//! file, and their masked names; subjects, clients, scopes
//! and claims in the clear, and so are the login names of users that were added here, and the days on which each
//! subject used a client. What a user typed as a login
//! name, and addresses, only as digests: under a [shared key](SqliteStoreBuilder::shared_key) if there is one, else
//! under a key that lies in the same file, so anybody who has the whole file can test names against them. Instants are
//! whole milliseconds and rounded down, so that nothing lives longer than it was promised. The salt that a refresh
//! token and its successor share is removed at the first pruning after the longest leeway, a minute, when nobody may
//! ask for that successor any more. Then the log is emptied, in which the old pages are, and free space is overwritten:
//! a copy of the files that is made from then on and an old token give nothing. A reader that takes long, such as a
//! backup, holds that back until the next pruning; and what the disk itself keeps of overwritten or removed blocks is
//! out of reach.
//!
//! # Its rights
//! A new file may be read and written by its owner only. One that is there keeps its rights, whatever they are: take
//! them away before the start if others may read it (`chmod 600`). The log and its index (`-wal`, `-shm`) get the
//! rights of the file when they are made; where they are there already and give more, as a careless restore leaves
//! them, that is taken away when the store is opened. The server's user must be able to write the file, those two, and
//! their folder.
//!
//! # Its place
//! The file must stay where it is. That its name, and those of the log and its index, still lead to what was opened is
//! looked at after every commit before it is answered, after every error, and at each
//! [pruning](SqliteStoreBuilder::prune_every). Once one of them was removed or replaced, everything is 503, with an
//! error event, until the server is started again, even if the file comes back: others may have written to what lies
//! beside it meanwhile. What was answered before is in the file that was moved, and its log.
//!
//! # Backup
//! [`backup_to`](SqliteStore::backup_to) writes a whole copy while requests are served. So do `sqlite3 auth.db ".backup
//! copy.db"` and `VACUUM INTO`, which leave the rights of the copy to the umask. Never copy the file alone while a
//! server runs: the newest commits are in `-wal`, and file and log that were copied one after the other do not fit
//! together. After [`close`](SqliteStore::close) by the last process there is no log, and the file is the whole
//! database. To restore, stop every server, remove `-wal` and `-shm`, put the copy in the place of the file, and give
//! it to the server's user with mode
//! 600. A restored backup brings back tokens that were spent or revoked since it was made, passwords that were changed,
//! clients and users that were removed or disabled, and one-time values, codes and recovery codes that were spent, and
//! it takes away the authenticators that were added since: end the logins that matter,
//! and change what leaked again.
//!
//! # Versions
//! Until the first release the schema has the number 1, whatever changes in it. A file of another number is refused,
//! and so is one that lacks a table or index of this version or has it in another form; it stays as it is. Tables of
//! others, such as those of a replication tool, do no harm. `rusqlite` may be any of 0.37 to 0.41, because an
//! application can link only one SQLite, with its other users of `libsqlite3-sys`.

mod access;
mod apart;
mod attention;
mod backup;
mod builder;
mod clients;
mod columns;
mod counting_key;
mod db;
mod error;
mod factors;
mod failure;
mod job;
mod limiter;
mod location;
mod log;
mod once;
mod open;
mod prune;
mod queue;
mod reader;
mod refresh;
mod schema;
mod statements;
mod stats;
mod store;
mod time;
mod usage;
mod users;
mod writer;

pub use builder::SqliteStoreBuilder;
pub use error::SqliteError;
pub use limiter::SqliteLimiter;
pub use stats::SqliteStats;
pub use store::SqliteStore;

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
