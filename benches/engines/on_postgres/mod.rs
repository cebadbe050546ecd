//! PostgreSQL.

mod fill;
mod own;
mod parts;
mod row_per_token;
pub mod server;

pub use parts::{clients, counting, limits};
