//! The engine in the memory of this process: tables of bounded size, in parts with a lock each.

pub(crate) mod fallback;
pub(crate) mod known_table;
pub(crate) mod limiter;
pub(crate) mod operator;
pub(crate) mod places;
pub(crate) mod settings;
pub(crate) mod shards;
pub(crate) mod stats;
pub(crate) mod table;
pub(crate) mod tables;
