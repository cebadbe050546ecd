//! The limits and the pure step: budgets, records and the time give an outcome and changed records.

pub(crate) mod budget;
pub(crate) mod capacity;
pub(crate) mod cell;
pub(crate) mod digests;
pub(crate) mod facts;
pub(crate) mod key;
pub(crate) mod known;
pub(crate) mod limits;
pub(crate) mod look;
pub(crate) mod network;
pub(crate) mod policy;
pub(crate) mod records;
pub(crate) mod slots;
pub(crate) mod tally;
pub(crate) mod ticket;
pub(crate) mod transition;
pub(crate) mod unblock;
