//! Attempts that are counted in the file, so that a restart takes nothing back.

mod aside;
mod engine;
mod kinds;
mod operator;
mod record;
mod row_step;
mod rows;
mod statements;
mod unkept;

pub use engine::SqliteLimiter;
pub(super) use statements::statements;
