//! Redis.

mod fill;
mod own;
mod parts;
pub mod server;

pub use parts::{clients, counting, limits};
