//! Which users log in how: the rows of the ledger of usage.
//!
//! Client and realm are written once, as a place with a number, and the rows of one place lie together in the order of their
//! subjects. So a row takes little more than its subject, a report is one pass over them, and there is no index beside it that a
//! login would have to change, too.

mod forget;
mod place;
mod record;
mod report;
mod row;
mod statements;
mod store;

pub(super) use statements::statements;

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
