//! The stores in Redis, over real servers that are made for each test: the suites of every store, alone and on a cluster of three,
//! several servers over one store, outages, settings, and what lies under our keys that is not ours.
//!
//! Without a server's program each test says loudly that it was skipped; `REQUIRE_REDIS=1` makes that a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod cluster;
mod contract;
mod events;
mod foreign;
mod memory;
mod outages;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../shared_processes/proxy.rs"]
mod proxy;
mod races;
mod renewing;
mod repeats;
mod replicas;
mod server;
mod servers;
mod settings;
mod slots;
mod stores;
mod times;
mod upgrades;
