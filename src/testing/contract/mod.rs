//! Suites that hold your own stores to the contracts of their traits. A promise that is broken is a panic that names it, as
//! of any test.
//!
//! Each suite takes a function that makes a store with nothing in it (a registry and a store of users: with what they are given),
//! and calls it once for each scene. Where the store lies
//! outside the process, that is a new database, schema or key prefix. Time goes forward in the arguments of the calls alone,
//! never more than three hours from now, and the suites wait for nothing but answers: a store with a clock of its own must
//! let it show the present. Everything that is stored has a new random name, so that what another test left does no harm. Only
//! [`attempt_limiter()`], [`factor_limiter()`] and [`limiter_operator()`] count under the same names each time, and need a store without counts: over
//! [`AttemptRecords`](crate::limiter::AttemptRecords) a new [`SharedKey`](crate::limiter::SharedKey) makes it one.
//!
//! A suite that asks for two handles of a store means two that share nothing but what lies outside of the process, such as two
//! pools over one database. In the memory of one process [`two_handles`] makes them.
//!
//! The calls are made in parallel, so the test needs a runtime with several threads:
//!
//! ```
//! use tower_password_grant::store::{MemoryOneTimeValues, MemoryRefreshTokens};
//! use tower_password_grant::testing::contract;
//!
//! # const _: &str = stringify!(
//! #[tokio::test(flavor = "multi_thread")]
//! # );
//! # mod shown {
//! # use super::*;
//! # pub
//! async fn my_store_keeps_its_promises() {
//!     // In place of these two: the stores of your own.
//!     let tokens = async || contract::two_handles(MemoryRefreshTokens::new());
//!     contract::refresh_token_store(tokens).await;
//!     let values = async || contract::two_handles(MemoryOneTimeValues::new());
//!     contract::one_time_values(values).await;
//! }
//! # }
//! # fn main() {
//! #     tokio::runtime::Runtime::new().unwrap().block_on(shown::my_store_keeps_its_promises());
//! # }
//! ```
//!
//! What the suites cannot show: that what was answered survives a crash of the machine, that the cost of a call does not
//! grow with what is stored, and how long something is kept by a clock that they cannot move. A store of attempts that drops its
//! records too early, the likeliest mistake there, passes all but [`attempt_records_over_time`], to which you give a function that
//! lets time pass.

mod access;
mod factors;
mod factors_races;
mod limiter;
mod limiter_checks;
mod limiter_factors;
mod limiter_handles;
mod limiter_keys;
mod limiter_operator;
mod once;
mod one_step;
mod promise;
mod records;
mod records_keys;
mod records_races;
mod records_time;
mod refresh;
mod refresh_ends;
mod refresh_facts;
mod refresh_races;
mod registry;
mod suites;
mod usage;
mod usage_ends;
mod users;

pub use promise::together;
pub use suites::{
    access_token_store, attempt_limiter, attempt_records, attempt_records_over_time, client_registry, factor_limiter,
    factor_store, limiter_operator, one_time_values, password_change, refresh_token_store, tokens_in_one_step,
    two_handles, usage_store, user_insert, user_store,
};
