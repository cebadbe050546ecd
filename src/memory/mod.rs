//! Parts that keep everything in the memory of this process, and the issuer of opaque tokens over any store.

pub(crate) mod access;
pub(crate) mod clients;
mod digests;
mod factor_table;
pub(crate) mod factors;
mod families;
pub(crate) mod once;
pub(crate) mod opaque;
pub(crate) mod refresh;
mod slab;
mod tokens;
pub(crate) mod usage;
