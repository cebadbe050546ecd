//! The attack protection: the rules by which attempts are counted, and two of the limiters that count by them.
//!
//! What counts and for how long is decided in [`tally`], [`policy`] and [`step`], pure functions over values with explicit time;
//! [`rules`] is what a host may choose. In the memory of this process, which a restart clears, [`table`] bounds the memory,
//! [`limiter`] holds the locks and [`operator`] looks in from outside. [`stored`] counts in a store of the application's.

pub(crate) mod budget;
pub(crate) mod capacity;
pub(crate) mod ceiling;
pub(crate) mod digests;
pub(crate) mod facts;
pub(crate) mod first_tries;
pub(crate) mod known;
pub(crate) mod known_table;
pub(crate) mod limiter;
pub(crate) mod locks;
pub(crate) mod look;
pub(crate) mod meter;
pub(crate) mod network;
pub(crate) mod operator;
pub(crate) mod policy;
pub(crate) mod records;
pub(crate) mod rules;
pub(crate) mod settings;
pub(crate) mod slots;
pub(crate) mod stats;
pub(crate) mod step;
pub(crate) mod stored;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod tables;
pub(crate) mod tally;
pub(crate) mod ticket;
pub(crate) mod unblock;

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
