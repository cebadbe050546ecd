//! Ceilings on requests, whatever becomes of them.

pub(crate) mod introspections;
pub(crate) mod meter;
mod rate;
pub(crate) mod requests;
