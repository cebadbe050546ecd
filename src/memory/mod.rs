//! Parts that live in this process only. A restart clears them.

pub(crate) mod clients;
pub(crate) mod opaque;
