//! Logins, access tokens, one-time values and counted attempts in Redis 7.0 or Valkey 7.2, or later, for any number of servers at
//! once (feature `redis`).
//!
//! [`RedisStore`] is a [`RefreshTokenStore`](crate::store::RefreshTokenStore), an
//! [`AccessTokenStore`](crate::store::AccessTokenStore), [`OneTimeValues`](crate::store::OneTimeValues) and
//! [`AttemptRecords`](crate::limiter::AttemptRecords), over which a [`StoredLimiter`](crate::limiter::StoredLimiter) counts.
//! Clients, users, authenticators and the ledger of usage need another store. It goes over the connections that the application
//! has: anything that is a `redis::aio::ConnectionLike` of the crate `redis` 1 and can be cloned, as its `ConnectionManager`,
//! `MultiplexedConnection` and `ClusterConnection`. TLS, the password and the way to the primary stay with the application.
//!
//! ```no_run
//! use redis::aio::ConnectionManager;
//! use tower_password_grant::limiter::{SharedKey, StoredLimiter};
//! use tower_password_grant::redis::RedisStore;
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let client = redis::Client::open("redis://127.0.0.1/")?;
//! let store = RedisStore::builder(ConnectionManager::new(client).await?).open().await?;
//! let key = SharedKey::new(&[7; 32])?; // from your secrets, the same for all servers
//! let limiter = StoredLimiter::new(store.clone(), &key);
//! # let _ = limiter;
//! # Ok(())
//! # }
//! ```
//!
//! # One script for each promise
//! Each step that decides something is one script, which the server runs whole and alone. It is sent by its name, and with its
//! text to a server that does not know it yet, as after a restart. All keys are declared; time is that of the server, so keep the
//! clocks of a server and of those that may take its place together. A script that needs room writes all or nothing: a server that
//! is full, may not write or lacks its replicas refuses it before it begins. A replica runs none, not even one that only reads.
//!
//! | Operation | Commands, one after the other |
//! |---|---|
//! | load or swap records of a limiter, spend a value, find a family, rotate it | 1 |
//! | the same rotation with its access token | 2 |
//! | begin a family | 2; 3 or more if the subject has 100 logins at the client, one of which ends |
//! | keep an access token by itself, find one, remove one, end a family | 2 |
//! | end all of a subject | 1 and some for each client that it has logins at |
//!
//! On a cluster the records of a limiter lie in one slot, so that one of its servers does all the counting, and all families of a
//! subject with their access tokens in another, by the [place](crate::store::FamilyId::place) that is in their tokens. What an
//! access token stands for lies in a slot of its own: it is found there, and counts as long as it is among the tokens of its
//! login. A new [shared key](crate::limiter::AttackProtection::shared_key) gives subjects other places, and without one each process has its own:
//! the logins from before, and those of other processes, are found and ended as before, but not counted together with new ones against
//! the bound of 100. So give all servers one.
//!
//! A client library that lost an answer may send a command again by itself, as that of a cluster does. A rotation, a begin and a
//! spent value are known for the same then, and answered as the first time. A swap of counts is answered as one that came too
//! late, and the limiter knows it by its stamp.
//!
//! # What is durable
//! An error means that it is not known whether the operation happened. What was answered is kept as the server's settings promise:
//!
//! | | `appendfsync always` | `everysec` | `appendonly no` |
//! |---|---|---|---|
//! | the process dies | nothing is lost | nothing is lost while the disk keeps up, else the last two seconds | all since the last snapshot, or everything |
//! | the machine dies | nothing is lost | the last second, sometimes two | the same |
//! | fail-over to a replica | the last writes, in bad moments more than a second of them | the same | the same |
//!
//! What a lost write was:
//!
//! | Lost | Then |
//! |---|---|
//! | a counted guess | there is a guess more for each; a lock that began is open again |
//! | a login, an access token | it is not there: the user logs in again |
//! | a rotation | the client's new token is taken for a copy of an unknown one, so its login ends |
//! | **the end of a login, or of an access token** | **it lives again, until it is over or ended once more** |
//! | **a spent value** | **it can be spent once more** |
//!
//! One server never has two live tokens of a login. Two that both take themselves for the primary can: set
//! `min-replicas-to-write`, so that one that is cut off refuses. Where a lost end or a value that is spent twice is not to be
//! borne, use [`appendfsync always`](RedisStore::check) without fail-over, or PostgreSQL with a synchronous stand-by (feature
//! `postgres`).
//!
//! Counted attempts can wait until [replicas have them](RedisStoreBuilder::wait_for_replicas), over a connection of their own: then a
//! fail-over to one of these replicas forgets no guess that was answered. With too few replicas in time attempts are 503.
//!
//! `maxmemory-policy` must be `noeviction`; [`open`](RedisStoreBuilder::open) refuses any other. A full server answers 503 to what
//! needs room; logging out, finding and verifying work on.
//!
//! # Deadlines and outages
//! Each call ends after [`deadline`](RedisStoreBuilder::deadline), 2 seconds by default, with 503. So do a server that is away,
//! loads its data, is a replica or is full, a slot that moves for longer than the client follows it, and a value that is not one
//! of this store: for that call alone, and the next one works. The crate `redis` gives up an answer after 500 ms by itself
//! (`set_response_timeout`). A `ConnectionManager` connects again after an outage, a `MultiplexedConnection` does not. Give the
//! manager a `set_max_delay` of half a second: else it waits for 3 seconds between its last tries. A connection that is open and silent
//! it keeps: a [`RenewingConnection`] around it makes another one.
//!
//! # Upkeep
//! There is none: everything has a time in the server when it goes, a minute or more after it is over, whatever the clocks of the
//! servers show. A login that was ended goes ten minutes later.
//!
//! The user of the connection needs `~password_grant:* +@read +@write +@scripting +time`, and `+info +config|get` so that the
//! settings can be seen; and `+wait` where replicas are waited for.
//!
//! What an access token stands for lies under its digest until the token expires, also if it was pushed out by newer ones of its login or
//! ended: a client that refreshes as fast as it may fills 400 bytes each time. Short lifetimes and the ceiling of requests bound it.
//!
//! | Kept | Bytes in the server (Redis 7.0, 64 bits) |
//! |---|---|
//! | a login, with the list of its subject's logins at the client and the one of where its subject has something | 800 |
//! | its first access token, another one | 560, 400 |
//! | a spent value | 140 |
//! | a record of attempts | 200; of an account that was locked or has known addresses, some 110 more |
//!
//! # What is in the keys
//! Tokens and one-time values as SHA-256 digests, with the salt by which the present refresh token of a login follows from the one before:
//! with a spent token and a copy of the data the present one can be computed. Names and addresses of attempts as digests under the [shared
//! key](crate::limiter::SharedKey); subjects, clients, realms, scopes and claims in the clear, as JSON. Each key begins with the
//! [prefix](RedisStoreBuilder::prefix). Instants are milliseconds since 1970.

mod access;
mod answers;
mod builder;
mod connection;
mod error;
mod failure;
mod keys;
mod once;
mod records;
mod refresh;
mod renewing;
mod replicas;
mod scripts;
mod settings;
mod store;
mod together;
mod written;

pub use builder::RedisStoreBuilder;
pub use error::RedisStoreError;
pub use renewing::RenewingConnection;
pub use settings::RedisWarning;
pub use store::RedisStore;
