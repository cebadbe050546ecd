//! Users with their password hashes.

mod list;
mod store;
