//! The stores in PostgreSQL, over a real server that is made for each test: the suites of every store, several servers over one
//! database, migrations, outages, and what stays in its page.
//!
//! Without a server's programs each test says loudly that it was skipped; `REQUIRE_POSTGRES=1` makes that a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../examples/cluster.rs"]
mod cluster;
mod contract;
mod database;
mod factors;
mod outages;
mod pages;
mod pooler;
mod prepared;
mod registry;
mod servers;
mod settings;
#[cfg(feature = "postgres-sqlx")]
mod sqlx_pools;
mod tables;
mod upgrades;
mod usage;
mod users;
