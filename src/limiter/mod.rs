//! Attack protection: the rules by which attempts are counted, and the limiters that count by them.
//!
//! What counts and for how long is decided in [`step`], pure functions over values with explicit time. An engine loads the
//! records of an attempt, runs the step and keeps what changed: [`memory`] in the memory of this process, which a restart clears,
//! [`stored`] in a store of the application's. [`ceiling`] bounds the requests of one sender before anything of them is read.
//! Beside the rooms stands what the engines share.

pub(crate) mod ceiling;
pub(crate) mod first_tries;
pub(crate) mod locks;
pub(crate) mod memory;
pub(crate) mod step;
pub(crate) mod stored;
pub(crate) mod sync;

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
