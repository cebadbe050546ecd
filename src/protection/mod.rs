//! The attack protection in the memory of this process. A restart clears it, and processes do not share it.
//!
//! What counts and for how long is decided in [`tally`] and [`policy`], pure functions over values with explicit time.
//! [`table`] bounds the memory, [`limiter`] holds the locks, [`rules`] is what a host may choose, [`operator`] looks in
//! from outside.

pub(crate) mod budget;
pub(crate) mod ceiling;
pub(crate) mod digests;
pub(crate) mod facts;
pub(crate) mod known;
pub(crate) mod known_table;
pub(crate) mod limiter;
pub(crate) mod locks;
pub(crate) mod look;
pub(crate) mod meter;
pub(crate) mod network;
pub(crate) mod operator;
pub(crate) mod policy;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod slots;
pub(crate) mod stats;
pub(crate) mod step;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod tables;
pub(crate) mod tally;
pub(crate) mod ticket;

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
