//! The SQLite store: that everything comes back as it was put in, also after a restart; what its file looks like from
//! outside; what happens to those who wait when something fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs)]

#[path = "../support/capture.rs"]
mod capture;

mod backup;
mod bounds;
mod clients;
mod commits;
mod contract;
mod file;
mod folder;
mod forgetting;
mod limiter;
mod limiter_numbers;
mod limiter_versions;
mod lock_names;
#[path = "../support/locks.rs"]
mod locks;
mod logins;
mod place;
mod races;
#[path = "../support/refresh_token.rs"]
mod refresh_token;
mod shared_key;
mod tokens;
mod users;
