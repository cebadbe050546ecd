//! Parts that live in this process only. A restart clears them.

pub(crate) mod clients;
pub(crate) mod limiter;
pub(crate) mod opaque;
pub(crate) mod tally;
