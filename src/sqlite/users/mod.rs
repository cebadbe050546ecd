//! Users with their password hashes.

mod list;
mod statements;
mod store;

pub(super) use statements::statements;
