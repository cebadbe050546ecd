//! Which users log in how: the rows of the ledger of usage.
//!
//! Client and realm are written once, as a place with a number, which the key of each row begins with. A login of a user who was
//! seen before changes one row, in its page, and no index.

mod batch;
mod rows;
mod store;
