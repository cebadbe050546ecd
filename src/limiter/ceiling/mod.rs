//! Ceilings on requests, whatever becomes of them.

pub(crate) mod ceilings;
pub(crate) mod meter;
