//! Everything in PostgreSQL 14 or later, for any number of servers at once (feature `postgres`, or `postgres-sqlx`).
//!
//! [`PostgresStore`] is a [`RefreshTokenStore`](crate::store::RefreshTokenStore), an
//! [`AccessTokenStore`](crate::store::AccessTokenStore), [`OneTimeValues`](crate::store::OneTimeValues), a
//! [`FactorStore`](crate::store::FactorStore), a [`UsageStore`](crate::store::UsageStore), a
//! [`ClientRegistry`](crate::ClientRegistry), a [`UserStore`](crate::store::UserStore) that takes users of another directory
//! ([`UserInsert`](crate::store::UserInsert)), and [`AttemptRecords`](crate::limiter::AttemptRecords), over which a
//! [`StoredLimiter`](crate::limiter::StoredLimiter) counts. It goes over the connections that the application
//! has: [`PostgresConnection`] runs one statement. TLS, the pool and its bounds stay with the application.
//!
//! | Connections | Feature | Needs |
//! |---|---|---|
//! | [`PostgresClients`]: one of `tokio-postgres`, or those of a pool, as of `deadpool-postgres` or `bb8-postgres` | `postgres` | |
//! | [`SqlxPool`]: a pool of `sqlx` 0.9 | `postgres-sqlx` | Rust 1.94 |
//! | others | one of them | a [`PostgresConnection`] of your own |
//!
//! ```no_run
//! use tower_password_grant::limiter::{SharedKey, StoredLimiter};
//! use tower_password_grant::postgres::{PostgresClients, PostgresStore};
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let (client, connection) =
//!     tokio_postgres::connect("host=127.0.0.1 user=auth", tokio_postgres::NoTls).await?;
//! tokio::spawn(connection);
//! // One connection, which is not made again when it is lost: a server takes a pool,
//! // `PostgresClients::pooled` or `SqlxPool`.
//! let builder = PostgresStore::builder(PostgresClients::one(client));
//! // Once, by a role that may make tables; or print `builder.migration()`.
//! builder.migrate().await?;
//! let store = builder.open().await?;
//! let key = SharedKey::new(&[7; 32])?; // from your secrets, the same for all servers
//! let limiter = StoredLimiter::new(store.clone(), &key);
//! # let _ = limiter;
//! # Ok(())
//! # }
//! ```
//!
//! # One statement for each promise
//! Each operation is one statement, and one that ends or removes more than a thousand rows is some. Where a rule decides, as of the
//! authenticators of a user, or you do, as in [`change_client`](PostgresStore::change_client), it is a look and then a statement
//! that does nothing if what was seen has changed meanwhile; then both are done again. All are right at READ COMMITTED, with names
//! that include the schema and without any state of a session: so it works through a pooler in transaction mode. The adapters send
//! statements without a name for that reason. Over connections that go to the server itself they prepare them on request
//! (`PostgresClients::pooled_prepared`, `SqlxPool::prepared`), which saves the server up to half of what a statement costs it.
//!
//! A login and its access token are one statement, and so are a refresh and its access token, if an
//! [`OpaqueIssuer`](crate::OpaqueIssuer) over the same store issues. Several rows are locked in the order of their keys, or left out
//! where another call has them. A statement that the server gave up for a deadlock or a conflict did nothing, and is tried again,
//! three times at most.
//!
//! # What is durable
//! All that was answered, with `synchronous_commit=on` and, for what a fail-over must not lose, a synchronous stand-by. With
//! `off`, a server that dies loses its last writes: a login, some counted guesses, or the end of a login, a new password and a removed
//! user, which are undone. An error means that it is not known whether the operation happened.
//!
//! # Deadlines
//! Each call ends after [`deadline`](PostgresStoreBuilder::deadline), 2 seconds by default, with 503. What the server does goes on
//! until it is done, and holds its connection meanwhile: so set `statement_timeout` and `lock_timeout` below the deadline, for the
//! role or in the options of the connection. The functions wait for a lock for one second. For a server that vanishes set
//! `tcp_user_timeout` and `keepalives_idle` of the connections of `tokio-postgres` to some seconds, and let the pool check a connection
//! before it hands it out. `sqlx` has neither: see `SqlxPool`.
//!
//! A report of the [ledger of usage](crate::usage) reads all rows in one statement, for up to a minute: some 100,000
//! rows a second, of which each takes 150 bytes of this process meanwhile. Where `statement_timeout` cuts that off, give the ledger a
//! store of its own, over connections without it.
//!
//! # Upkeep
//! Call [`prune`](PostgresStore::prune) now and then, from any number of servers at once; the ledger of usage prunes its rows
//! itself. The tables are made by
//! [`migrate`](PostgresStoreBuilder::migrate) or by hand with [`migration`](PostgresStoreBuilder::migration), never by a request.
//! Tables of the next version are used as they are, so that servers can be updated one after the other; those of later ones are
//! refused, with their number. A role that serves and did not make them needs `USAGE` of the schema and
//! `SELECT, INSERT, UPDATE, DELETE` of all its tables.
//!
//! # What is in the tables
//! Tokens, client secrets, one-time values and recovery codes as SHA-256 digests; passwords as their hashes; the secrets of
//! authenticator apps, telephone numbers and other addresses of second factors sealed under a key that is not in the database, and
//! their masked names; names and addresses of attempts as digests under the [shared key](crate::limiter::SharedKey); subjects,
//! clients, realms, scopes and claims in the clear, in columns of their own, and so are the login names of users that were added
//! here, and the days on which each subject used a client. Instants are whole milliseconds since 1970, days are counted from then
//! on in UTC. Clients, users and realms are in the order of their bytes, whatever that of the database is.
//!
//! User ids, login names with their realm, and subjects with their client have at most 2,000 bytes, for they stand in indexes: what is
//! longer is an error where it is written, before the server is asked.
//!
//! # Beside the feature `sqlite`
//! Of `libsqlite3-sys` a program can have one version. `sqlx` asks for one also where it is used for PostgreSQL alone, if its features
//! `macros`, `migrate`, `chrono`, `uuid` or `json` are on, as some are by default. So beside the feature `sqlite` of this crate, whichever
//! of the two features for PostgreSQL is on, Cargo finds versions for:
//!
//! | The application has | `postgres`, `runtime-tokio` alone | with its default features, or with `macros`, `migrate`, `chrono`, `uuid`, `json` | with `sqlite` |
//! |---|---|---|---|
//! | `sqlx` 0.9 | yes | yes | yes |
//! | `sqlx` 0.8 | yes | **no** | **no** |
//!
//! Without the feature `sqlite` of this crate all of them work. A pool of `sqlx` 0.8 is none of 0.9: over one, implement
//! [`PostgresConnection`], or give this store clients of `tokio-postgres` beside it.

mod access;
mod builder;
mod cells;
#[cfg(feature = "postgres")]
mod clients;
mod connection;
mod error;
mod factors;
mod failure;
mod once;
#[cfg(feature = "postgres-sqlx")]
mod pool;
mod prune;
mod records;
mod refresh;
mod registry;
mod schema;
mod settings;
mod statements;
mod store;
mod usage;
mod users;

pub use builder::PostgresStoreBuilder;
#[cfg(feature = "postgres")]
pub use clients::PostgresClients;
pub use connection::{PostgresCell, PostgresConnection, PostgresFailure, PostgresRow, PostgresValue};
pub use error::PostgresError;
#[cfg(feature = "postgres-sqlx")]
pub use pool::SqlxPool;
pub use settings::PostgresWarning;
pub use store::PostgresStore;
